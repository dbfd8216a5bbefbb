/* SPDX-License-Identifier: MIT */
/* sandbox.h - runs a program of strangers in namespaces of its own, in which only what a list names
 * is present.
 *
 * The program gets: a user that owns nothing (`uid`), no capability in any set, no_new_privs, its
 * own processes, IPC objects, host name, cgroup root, session keyring and session, a root folder
 * made of `entries` and read-only elsewhere, descriptors 0, 1 and 2 alone, no core dumps, a limited
 * number of processes. Where the kernel has Landlock ABI 6 (Linux 6.12), it can neither connect to
 * abstract sockets nor signal processes outside. Its network is the host's unless `own_network` is
 * set.
 *
 * The words of the list and of `farm-supervisor sandbox` are those of bwrap(1), which can take its
 * place. Needs Linux 5.12 (mount_setattr) and user namespaces; does not work under qemu-user.
 * What a start costs: tests/bench/bench_sandbox.
 */
#ifndef FARM_BASE_SANDBOX_H
#define FARM_BASE_SANDBOX_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sandbox_kind {
    SANDBOX_FOLDER, /* an empty folder */
    SANDBOX_READ,   /* `from` of the host, read-only, with all that is mounted below it */
    SANDBOX_WRITE,  /* the same, writable */
    SANDBOX_DEVICE, /* the same, and its device nodes work */
    SANDBOX_LINK,   /* a link with the text `from` */
    SANDBOX_TMPFS,
    SANDBOX_DEV,  /* /dev with null, zero, full, random, urandom, tty, a pts and a shm of its own */
    SANDBOX_PROC, /* /proc of the sandbox's processes */
    SANDBOX_SEAL  /* makes the mount at `to` read-only, after all entries before it */
};

struct sandbox_entry {
    enum sandbox_kind kind;
    const char *from; /* READ, WRITE, DEVICE: a path of the host; LINK: a text; else "" */
    const char *to;   /* an absolute path in the sandbox */
    bool optional;    /* READ, WRITE, DEVICE: left out when the host has no `from` */
};

struct sandbox {
    const struct sandbox_entry *entries; /* made in this order */
    size_t entries_count;
    const char *folder; /* working folder inside; NULL: / */
    bool own_network;   /* a network with a loopback interface and nothing else */
    /* Only the root folder is its own: for a program of ours that serves strangers and must stay
     * away from the farm's files (a nix-daemon). It keeps its user, capabilities and processes. */
    bool trusted;
    /* Only the user changes: on a host that refuses namespaces. No entry is shown; the program has
     * the host's folders, processes and IPC objects, and what that user has left there is ended and
     * removed before it starts and after it ended (user_leftovers.h). Needs `become`. */
    bool no_namespaces;
    bool become; /* first becomes this user; needs root. Else stays who the caller is */
    uid_t uid;
    gid_t gid;
    unsigned long processes_max; /* processes and threads inside; 0: no limit of its own */
};

/* Runs argv inside to its end; argv[0] is looked up in the PATH of `environment`. The calling
 * process changes for good (user, namespaces, blocked signals): only for a program that does
 * nothing else. Ends at once what the program leaves running, and all of it when the caller ends. 0
 * with *status as of waitpid(2), or -1 with err: the sandbox could not be made, or a program that
 * was to be found in PATH is not there; then nothing of the program ran. What a stranger can take
 * away is the program's failure: without `folder`, or the file of an argv[0] that is a path,
 * *status is exit 127 or 126, as in a shell. Root must `become` somebody, unless `trusted`. */
int sandbox_run(const struct sandbox *sandbox, char *const *argv, char *const *environment,
                int *status, struct err *err);
/* Whether strangers cannot have chosen what is shown: the `from` of a writable entry leads through
 * no link, for a link in it may be a stranger's. sandbox_run asks itself; whoever starts bwrap asks
 * here. 0, or -1 with err. */
int sandbox_check(const struct sandbox *sandbox, struct err *err);
/* The first part alone, for whoever starts bwrap: becomes the user if `become`, and drops all
 * capabilities. 0, or -1 with err. */
int sandbox_become(const struct sandbox *sandbox, struct err *err);
/* Before that, for root: in a mount namespace of this process's own, shows what the list names
 * below folders that the user cannot enter, and of these nothing else. Our own sandbox opens what
 * it shows while it is root; bwrap looks for it as the user. Does nothing where the user can enter
 * all, or stays who the caller is. 0, or -1 with err. */
int sandbox_open_way(const struct sandbox *sandbox, struct err *err);

#endif
