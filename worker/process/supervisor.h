/* SPDX-License-Identifier: MIT */
/* supervisor.h - runs one phase of one attempt, in a process that outlives the agent.
 *
 * `farm-supervisor` is a small static program: it starts in about half a millisecond and needs
 * nothing but libc, so an upgrade of the worker cannot remove a library that it uses. It
 *  - becomes leader of its own session and subreaper of all its descendants,
 *  - takes the lock on PHASE.run (run_file.h), writes its identity there and reserves room for the
 *    exit facts,
 *  - lets the command enter the given cgroups, at lower CPU and IO priority and higher OOM score
 *    (it stays outside itself: cgroup.kill and the OOM killer must not hit it),
 *  - pipes the command's output to the log. When the disk is full it keeps reading and counts the
 *    lost bytes; beyond log_bytes_max it omits the middle and says so in a line,
 *  - ends the process tree on SIGTERM, after wall_ms and after silence_ms: sends TERM, then after
 *    stop_grace_ms KILL, until no descendant is left,
 *  - writes the exit facts, the last byte last.
 * It refuses to run a phase whose exit facts are already written.
 *
 *   farm-supervisor --folder DIR --phase NAME [--wall-ms N] [--silence-ms N] [--stop-grace-ms N]
 *                   [--log-bytes-max N] [--cgroup DIR]... [--chdir DIR] [--nice N]
 *                   [--secret-env NAME | --secret-fd NAME] [--host-facts ROOT] -- COMMAND [ARG...]
 *
 * With --secret-env or --secret-fd it first reads the secret from its standard input to the end.
 * The command gets the secret as the value of the environment variable NAME, or NAME holds the path
 * /proc/self/fd/N of a sealed memory file. In the output each byte of an occurrence of the secret
 * is replaced by '*' before it reaches the log, also when an occurrence spans two reads.
 *
 * With --host-facts it also reads the state of nix-daemon and the host's pressure when the phase
 * starts and when it ends (hostfacts.h). ROOT is the folder that has proc/ and sys/: "" on a real
 * host.
 */
#ifndef FARM_WORKER_PROCESS_SUPERVISOR_H
#define FARM_WORKER_PROCESS_SUPERVISOR_H

/* The program's main; argv as above. */
int supervisor_main(int argc, char **argv);

#endif
