/* SPDX-License-Identifier: MIT */
/* isolation.h - keeps what a recipe runs away from the farm, from other attempts and from secrets.
 *
 * A recipe is code of strangers. Its evaluation, build, check and commands run in a sandbox
 * (proto/base/sandbox.h) that has a list of what is present: the host's programs, libraries and
 * certificates, the nix store, and FOLDER/box, the only folder of the attempt that it can write.
 * The phase itself (`farm-worker phase`) is ours, runs outside, and writes the attempt's other
 * files.
 *
 * The level is the choice of the host's owner (`isolation` in worker.conf):
 *   users        a build user of the pool first, then namespaces. The agent must be root.
 *   users-only   the build user without namespaces, for a root agent on a host that refuses them,
 *                mostly a container. The farm's keys, other attempts and their processes are out of
 *                reach; what the host shows to everybody is not (docs/security.md).
 *   namespaces   namespaces alone, as the agent's user.
 *   none         neither: a recipe can read all that the agent can.
 * It is written to FOLDER/isolation before the first phase and holds for the whole attempt,
 * whatever the host's level becomes. An attempt without that file was begun by an older worker:
 * none.
 */
#ifndef FARM_WORKER_ISOLATION_H
#define FARM_WORKER_ISOLATION_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/vocab.h"
#include "worker/isolation/build_users.h"
#include "worker/process/tool.h"

#include <stdbool.h>
#include <sys/types.h>

/* ---- the host -------------------------------------------------------------------------------- */

/* What the owner chose and what the host can do. Texts are borrowed or in the caller's arena. */
struct isolation_host {
    enum isolation_level level; /* never ISOLATION_UNKNOWN after isolation_look */
    const char *why_not;        /* why it is not a higher one; "" for the highest */
    bool fails;                 /* the level that the owner chose does not work: no builds here */
    const char *home;           /* of the worker */
    const char *supervisor;     /* farm-supervisor, which makes sandboxes */
    const char *bwrap;          /* the program that makes them instead; "": our own */
    struct build_users users;
    bool scoped; /* abstract sockets and processes outside are out of reach (landlock_scope) */
    bool network_closed;      /* and this host's own ports and metadata services (network.h) */
    bool network_waits;       /* not yet: the worker closes them when it starts */
    const char *network_open; /* why not */
    const char *cloud;        /* the cloud that it is a machine of, by what it says; "": none */
};
/* Whether recipes run as a build user of their own. */
static inline bool isolation_has_users(enum isolation_level level)
{
    return level == ISOLATION_USERS || level == ISOLATION_USERS_ONLY;
}
/* Whether recipes see only what is listed. Others do not publish unless the owner trusts them. */
static inline bool isolation_hides_host(enum isolation_level level)
{
    return level == ISOLATION_USERS || level == ISOLATION_NAMESPACES;
}
/* Whether a recipe may get at the credentials that a cloud gives to its machines. */
bool isolation_reaches_cloud(const struct isolation_host *host);

/* Finds the highest level that works here, by starting the real thing, or checks the one that was
 * chosen: `choice` is auto, users, users-only, namespaces or none. Writes HOME/sandbox, the few
 * files of /etc that sandboxes get. Where modes are all that keeps recipes out, it sets those of
 * HOME. */
void isolation_look(const char *choice, const char *build_users, const char *home,
                    const char *supervisor, struct isolation_host *out, struct arena *arena);
/* Then keeps build users away from the host's own ports, or with `trial` sees whether that would
 * work; says in `host` what recipes reach, and in why_not what could be mended. */
void isolation_close_network(struct isolation_host *host, const char *sysfs, bool trial,
                             struct arena *arena);
/* Does so again, for `nft flush ruleset` opens the network. Does nothing where it was not closed.
 * May be called in any thread. */
void isolation_keep_closed(const struct isolation_host *host);

/* ---- an attempt ------------------------------------------------------------------------------ */

struct isolation {
    enum isolation_level level; /* NONE: no sandbox */
    const char *supervisor, *bwrap;
    const char *etc; /* HOME/sandbox */
    uid_t user;      /* the first of the attempt's build users; 0: the level has none */
    unsigned users;  /* how many there are; the others build for nix */
};

/* Makes FOLDER/box, leases build users and writes FOLDER/isolation. Idempotent. */
int isolation_assign(const struct isolation_host *host, const char *folder, struct err *err)
    __attribute__((warn_unused_result));
/* Reads FOLDER/isolation. `home` is the worker's. */
int isolation_read(const char *home, const char *folder, struct isolation *out, struct arena *arena,
                   struct err *err) __attribute__((warn_unused_result));
/* Whether the attempt's recipe can write its HOME; for NONE, the HOME of this process, which is
 * made if it is missing. Only before the recipe runs: afterwards it may have been the recipe. 0, or
 * -1 with err: the host's fault. */
int isolation_check_home(const struct isolation *isolation, const char *folder, struct err *err)
    __attribute__((warn_unused_result));
/* Makes FOLDER/tmp anew, which is /tmp of the next sandbox. It is not in the box: a stranger could
 * put a link in its place, and the next sandbox would show what that leads to. Nothing for NONE. */
int isolation_make_temporary(const struct isolation *isolation, const char *folder, struct err *err)
    __attribute__((warn_unused_result));
/* Gives FOLDER/PATH and all below it, which trusted code made, to the attempt's user. Only before a
 * stranger ran: nobody else may have written there. Without namespaces the folder itself and its
 * .git stay root's: the user may put files beside .git, and neither change, move nor remove it. */
int isolation_give(const struct isolation *isolation, const char *folder, const char *path,
                   struct err *err) __attribute__((warn_unused_result));

/* What else a tool sees. */
struct isolation_view {
    const char *folder;         /* of the attempt */
    const char *working_folder; /* NULL: FOLDER/box */
    const char *objects;        /* of the clone, from which its repository borrows; "": none */
    const char *repository;     /* shown read-only as `git_place`; NULL or "": none */
    const char *git_place;      /* a folder in the box that is there, with no link in its path */
    const char *seed;           /* shown read-only: its fetch cache leads there; "", NULL: none */
    const char *socket_folder;  /* of a nix-daemon for this attempt; "": the host's own, or none */
    const char *const *gpu;     /* NULL, or device nodes of GPUs, NULL-terminated: these are there,
                                 * and the driver's control nodes and libraries */
};
/* Adds the words that start a command in the sandbox; the command follows. Nothing for NONE. */
void isolation_words(const struct isolation *isolation, const struct isolation_view *view,
                     struct texts *argv);
/* The environment of a command in the sandbox: of ours, only what is listed in isolation.c, and
 * HOME, USER, TMPDIR of the attempt. For NONE: ours. */
void isolation_environment(const struct isolation *isolation, const struct isolation_view *view,
                           struct texts *environment);
/* The name that the sandbox's passwd has for a user of that level. Programs that find another one
 * in USER change it, and HOME with it (flox). */
const char *isolation_account(enum isolation_level level, uid_t user, struct arena *arena);
/* Whether the last sandbox of this attempt could not start: the host's fault. */
enum { EXIT_NO_SANDBOX = 71 }; /* of farm-supervisor sandbox, and then of the phase */
bool isolation_failed(const struct isolation *isolation, const char *folder);

#endif
