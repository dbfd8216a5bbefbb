/* SPDX-License-Identifier: MIT */
/* tree.h - finds the processes of an attempt through /proc. Libc only, because the supervisor uses
 * it as well as supervisor_client.c.
 *
 * A process belongs to the attempt when it descends from a given process, is in a given session or
 * has a given text in its environment, or when its parent belongs. Signals go through pidfds after
 * the start time was compared, so that a pid reused in the meantime is never hit.
 */
#ifndef FARM_WORKER_PROCESS_TREE_H
#define FARM_WORKER_PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* In the environment of all processes of an attempt: its folder. */
#define ATTEMPT_MARK "FARM_ATTEMPT"

struct tree_wish {
    pid_t root;    /* the descendants of this process, without itself; 0: none */
    pid_t session; /* members of this session; 0: none */
    /* Only members that started at this time or later: the start of the session's leader, in clock
     * ticks since boot. */
    unsigned long long session_start;
    const char *marker; /* processes with this "NAME=value" in their environment; NULL: none */
};

/* Sends a signal (0: none) to all processes that belong, never to the caller. Returns their number;
 * zombies do not count. */
size_t tree_signal(const struct tree_wish *wish, int signal);
/* Kills all processes of a cgroup: with one write where the kernel can do that (v2), else one by
 * one. Returns how many processes it had; 0 when there is no such cgroup. */
size_t tree_kill_cgroup(const char *cgroup);
/* Start time of a live process in clock ticks since boot (field 22 of /proc/PID/stat); 0 if it does
 * not live. */
unsigned long long tree_start_time(pid_t pid);
/* CPU time of all live processes that belong, including children they waited for. */
unsigned long long tree_cpu_ms(const struct tree_wish *wish);
/* Writes a text to a file of a cgroup or of /proc. False on failure. */
bool tree_write(const char *folder, const char *file, const char *text);
/* Reads the number after `key` in such a file ("oom_kill 3"), or its only number when key is "". */
bool tree_read_number(const char *folder, const char *file, const char *key,
                      unsigned long long *value);

#endif
