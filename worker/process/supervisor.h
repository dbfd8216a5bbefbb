/* SPDX-License-Identifier: MIT */
/* supervisor.h - runs one phase of one attempt, in a process that outlives the agent.
 *
 * `farm-supervisor` is a small static program: it starts in about half a millisecond and needs
 * nothing but libc, so an upgrade of the worker cannot remove a library that it uses. It
 *  - becomes leader of its own session and subreaper of all its descendants,
 *  - takes the lock on PHASE.run, writes its identity there and reserves room for the exit facts,
 *  - lets the command enter the given cgroups, at lower CPU and IO priority and higher OOM score
 *  (it
 *    stays outside itself: cgroup.kill and the OOM killer must not hit it),
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

#include "proto/base/err.h"
#include "proto/vocab.h"

#include <sys/types.h>

/* FOLDER/PHASE.run: one file per phase, because for a light job each inode costs more than the job.
 * The supervisor holds an exclusive flock on it while it lives. It has three parts at fixed
 * offsets, each one text with a "key value" per line, ended by the line "end":
 *
 *   offset 0      identity, written at start
 *     boot_id     /proc/sys/kernel/random/boot_id
 *     pid         of the supervisor
 *     start_time  of the supervisor: clock ticks since boot, field 22 of /proc/PID/stat
 *     log_from    size of the log when the phase started
 *     cgroup      path of a cgroup of the command; repeated, absent if there is none
 *
 *   offset 1536   exit facts, written last; the room is allocated at start
 *     status      exit status of the command; -1 if a signal ended it
 *     signal      the signal that ended the command; 0 if it exited
 *     oom_kills   processes of the cgroups that the kernel killed for lack of memory
 *     free_bytes  free bytes of the disk at the end
 *     cpu_ms, memory_peak, wall_ms          of the command and its descendants
 *     timed_out, silent                     1 if it was stopped by that limit, else 0
 *     log_lost_bytes                        output that the disk refused
 *     disk_bytes                            peak of the disk space used, by the free space
 *     daemon_oom_kills, daemon_restarted    of nix-daemon, with --host-facts
 *     memory_stall, io_stall                pressure of the host, with --host-facts
 *
 *   offset 2048   coming stop, only while a limit is near; zeros otherwise. The file of an older
 *                 supervisor ends here
 *     stop_cause  silent or timeout
 *     stop_at_ms  in ms since boot
 */
#define SUPERVISOR_EXIT_OFFSET 1536
#define SUPERVISOR_EXIT_BYTES  512
#define SUPERVISOR_STOP_OFFSET (SUPERVISOR_EXIT_OFFSET + SUPERVISOR_EXIT_BYTES)
#define SUPERVISOR_STOP_BYTES  64

struct supervisor_id {
    char boot_id[40];
    pid_t pid;
    unsigned long long start_time;
};

/* The program's main; argv as above. */
int supervisor_main(int argc, char **argv);

#endif
