/* SPDX-License-Identifier: MIT */
/* builder.h - how a variant is built and how a product is published: one row per builder and one
 * per kind of target.
 *
 * Phases (checkout, build, check, publish) run as `farm-worker phase NAME FOLDER` under a
 * supervisor. That program looks up the row and runs the tool in the foreground; the tool writes to
 * the program's own outputs.
 */
#ifndef FARM_BUILDER_H
#define FARM_BUILDER_H

#include "proto/base/err.h"
#include "proto/vocab.h"
#include "worker/isolation/isolation.h"

/* What a phase works on, read from its folder. */
struct phase_context {
    const char *home;
    const char *folder;
    const char *worktree; /* "" without a checkout */
    const struct order *order;
    struct arena *arena;
    const struct isolation *isolation; /* of what the recipe runs; NULL: it runs as we do */
    const char *objects, *repository;  /* isolation_view */
    const char *seed;                  /* isolation_view */
    const char *socket_folder;         /* of the phase's own nix-daemon; "": none */
    const char *const *gpu;            /* isolation_view */
};

struct builder_row {
    enum builder builder;
    const char *name;
    /* Runs the build and returns the tool's exit code. On 0 fills the product (paths, derivation)
     * and protects the paths by GC roots in FOLDER/roots. -1 with err when the tool could not be
     * run. */
    int (*build)(const struct phase_context *context, struct product *product, struct err *err);
    /* The tool's version in the arena, for example "1.14.1"; NULL when this host does not have it.
     */
    const char *(*version)(struct arena *arena);
};
/* NULL for BUILDER_NONE. */
const struct builder_row *builder_row(enum builder builder);
extern const struct builder_row builder_flox, builder_nix, builder_command;

/* The result of a publish beside its exit code. */
struct publish_finding {
    bool already; /* the target had the product already */
    bool rebuilt; /* the tool built again, or published other paths than were checked */
    bool unsure;  /* the publish may have happened: the coordinator must try again */
    /* The target refused the account, and no recipe had a word in that answer: all publications of
     * the account are held. Text of a program that evaluated a recipe is no such answer. */
    bool rejected;
};
struct target_row {
    enum target_kind kind;
    const char *name;
    const char *secret_env; /* how the tool gets the secret (supervisor.h); at most one is set */
    const char *secret_fd_env;
    bool needs_checkout; /* publishing needs a worktree at the commit */
    int (*publish)(const struct phase_context *context, struct publish_finding *finding,
                   struct err *err);
};
/* NULL for TARGET_NONE. */
const struct target_row *target_row(enum target_kind kind);
extern const struct target_row target_flox, target_nix_cache, target_command;

#endif
