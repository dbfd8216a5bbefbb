/* SPDX-License-Identifier: MIT */
/* tree.h - the processes that belong to an attempt, found through /proc. Libc only: the supervisor
 * and the agent's custody share it.
 *
 * A process belongs when it descends from a given process, is in a given session, carries a given
 * text in its environment, or descends from one that does. Signals go through pidfds after the
 * start time was compared, so that a pid reused meanwhile is never hit.
 */
#ifndef FARM_WORKER_PROCESS_TREE_H
#define FARM_WORKER_PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tree_wish {
    pid_t root;                       /* its descendants, not itself; 0: none */
    pid_t session;                    /* members of this session that started at or after ... */
    unsigned long long session_start; /* ... its leader did (clock ticks since boot); 0: none */
    const char *marker;               /* "NAME=value" of the environment; NULL: none */
};

/* Sends a signal (0: none) to all that belong, never to the caller. Returns how many there are;
 * zombies do not count. */
size_t tree_signal(const struct tree_wish *wish, int signal);
/* Kills all that is in a cgroup: at once where the kernel can (v2), one by one where not. Returns
 * how many processes were in it; 0 when there is no such cgroup. */
size_t tree_kill_cgroup(const char *cgroup);
/* Start time of a living process in clock ticks since boot (field 22 of /proc/PID/stat), 0: none.
 */
unsigned long long tree_start_time(pid_t pid);
/* Processor time of all that belong and live, with that of children they waited for. */
unsigned long long tree_cpu_ms(const struct tree_wish *wish);
/* Writes a text to a file of a cgroup (or of /proc). False when that is not possible. */
bool tree_write(const char *folder, const char *file, const char *text);
/* The number behind `key` in such a file ("oom_kill 3"), or the file's only number (key ""). */
bool tree_read_number(const char *folder, const char *file, const char *key,
                      unsigned long long *value);

#endif
