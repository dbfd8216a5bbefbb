/* SPDX-License-Identifier: MIT */
/* supervisor.h - one phase of one attempt, run by a process that outlives the agent.
 *
 * `farm-supervisor` is a small static program: it starts in about half a millisecond and needs
 * nothing but libc, so an upgrade of the worker cannot pull a library from under it. It
 *  - becomes leader of its own session and subreaper of all its descendants,
 *  - takes the lock on PHASE.run, writes there who it is, keeps room there for the exit facts,
 *  - lets the command enter the cgroups it was given (itself it stays outside: cgroup.kill and the
 *    OOM killer must not take it), at lower CPU and IO priority and higher OOM score,
 *  - pipes the command's output to the log (and keeps draining when the disk is full, counting what
 *    was lost; over log_bytes_max the middle is left out and a line says so),
 *  - ends the tree on SIGTERM, on wall_ms, on silence_ms: TERM, after stop_grace_ms KILL, until no
 *    descendant is left,
 *  - writes the exit facts, the last byte last.
 * It refuses to run a phase whose exit is already written.
 *
 *   farm-supervisor --folder DIR --phase NAME [--wall-ms N] [--silence-ms N] [--stop-grace-ms N]
 *                   [--log-bytes-max N] [--cgroup DIR]... [--chdir DIR] [--nice N]
 *                   [--secret-env NAME | --secret-fd NAME] [--host-facts ROOT] -- COMMAND [ARG...]
 *
 * With --secret-env or --secret-fd it first reads the secret from its standard input to the end.
 * The command gets it as the value of environment variable NAME, or NAME holds a path
 * /proc/self/fd/N of a sealed memory file. Each occurrence of the secret in the output is
 * overwritten with as many
 * '*' before it reaches the log, also across reads.
 *
 * With --host-facts it looks at nix-daemon and at the host's pressure, too, as the phase begins and
 * ends (hostfacts.h). ROOT is where proc/ and sys/ are: "" on a real host.
 */
#ifndef FARM_WORKER_PROCESS_SUPERVISOR_H
#define FARM_WORKER_PROCESS_SUPERVISOR_H

#include "proto/base/err.h"
#include "proto/vocab.h"

#include <sys/types.h>

/* FOLDER/PHASE.run, one file a phase, since each inode costs a light job more than the job itself:
 *   lock            flock, exclusive, while the supervisor lives
 *   from 0          text, one "key value" a line: boot_id, pid, start_time (clock ticks since boot,
 *                   field 22 of /proc/PID/stat), log_from (size of the log then), cgroup
 * (repeated); ended by the line "end" from 1536       preallocated; text in the same form: status
 * signal oom_kills free_bytes cpu_ms memory_peak wall_ms timed_out silent log_lost_bytes disk_bytes
 * daemon_oom_kills daemon_restarted memory_stall io_stall; ended by the line "end" from 2048 while
 * a limit is near, text in the same form: stop_cause (silent, timeout), stop_at_ms (boot time);
 * zeros when none is, or when the build advanced. An older supervisor's file ends before it */
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
