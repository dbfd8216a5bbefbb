/* SPDX-License-Identifier: MIT */
/* hostfacts.h - what a host says about a phase beside what its own processes say: with a multi-user
 * nix the compilers are children of nix-daemon, in its cgroup and not in the attempt's. Libc only:
 * the supervisor looks, when a phase begins and when it ended.
 *
 * The counters of nix-daemon are of everything it builds: what they say is evidence where nothing
 * else is known (cause.c), no proof.
 */
#ifndef FARM_WORKER_PROCESS_HOSTFACTS_H
#define FARM_WORKER_PROCESS_HOSTFACTS_H

#include <stdbool.h>
#include <sys/types.h>

/* nix-daemon as it was when somebody looked. */
struct daemon_look {
    pid_t pid;                     /* 0: there is none */
    unsigned long long start_time; /* clock ticks since boot */
    /* Processes of its cgroup that the kernel killed for memory: of v2 memory.events, which counts
     * those of the cgroups below it, too; of v1 memory.oom_control. 0 where none can be told: the
     * root cgroup is everybody's. */
    unsigned long long oom_kills;
};

/* `root`: the folder in which proc/ and sys/ are looked for, "" on a real host. */
void daemon_look(const char *root, struct daemon_look *out);
/* How many were killed for memory between two looks; a daemon that was restarted counts anew. */
unsigned long long daemon_oom_kills(const struct daemon_look *before,
                                    const struct daemon_look *after);
/* The daemon that was there is gone, or another is in its place. */
bool daemon_restarted(const struct daemon_look *before, const struct daemon_look *after);

/* Time in which some or all ("some", "full") of what could run waited for a resource ("cpu",
 * "memory", "io"), over the last ten seconds, in hundredths of a per cent; 0 where the kernel does
 * not tell. */
unsigned pressure_stall(const char *root, const char *resource, const char *kind);

enum { BOOT_ID_BYTES = 37 };
/* The kernel's name for the time since the last boot; false, and "", when it cannot be read. */
bool boot_id_read(char out[BOOT_ID_BYTES]);

#endif
