/* SPDX-License-Identifier: MIT */
/* hostfacts.h - facts about the host that help to explain how a phase ended. With a multi-user nix
 * the compilers are children of nix-daemon, in its cgroup and not in the attempt's, so the phase's
 * own processes show too little. The supervisor reads these facts when a phase starts and when it
 * ends, so this file uses libc only.
 *
 * The counters of nix-daemon cover everything that it builds. They are evidence where nothing
 * better is known (phase/cause.c), not proof. */
#ifndef FARM_WORKER_PROCESS_HOSTFACTS_H
#define FARM_WORKER_PROCESS_HOSTFACTS_H

#include <stdbool.h>
#include <sys/types.h>

/* The state of the host's nix-daemon at one moment. Neither the daemon of an attempt nor a process
 * of that name in a sandbox is the host's. */
struct daemon_look {
    pid_t pid;                     /* 0: no daemon runs */
    unsigned long long start_time; /* clock ticks since boot */
    /* Processes of the daemon's cgroup that the kernel killed for lack of memory: from v2
     * memory.events, which includes the cgroups below, or from v1 memory.oom_control. 0 if unknown,
     * also when the daemon is in the root cgroup, whose counter covers the whole host. */
    unsigned long long oom_kills;
};

/* `root` is the folder that has proc/ and sys/: "" on a real host. */
void daemon_look(const char *root, struct daemon_look *out);
/* Processes killed for lack of memory between two looks. The counter of a restarted daemon starts
 * at 0 again. */
unsigned long long daemon_oom_kills(const struct daemon_look *before,
                                    const struct daemon_look *after);
/* True when the daemon of the first look no longer runs or was replaced by another one. */
bool daemon_restarted(const struct daemon_look *before, const struct daemon_look *after);

/* Share of the last ten seconds in which some or all ("some", "full") runnable tasks waited for a
 * resource ("cpu", "memory", "io"), in hundredths of a per cent; 0 where the kernel has no such
 * figures. */
unsigned pressure_stall(const char *root, const char *resource, const char *kind);

enum { BOOT_ID_BYTES = 37 };
/* The kernel's name for the time since the last boot; false, and "", when it cannot be read. */
bool boot_id_read(char out[BOOT_ID_BYTES]);

#endif
