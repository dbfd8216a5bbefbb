/* SPDX-License-Identifier: MIT */
/* builder.h - how a variant is built, and how a product is published: one row a builder.
 *
 * Phases run as `farm-worker phase NAME FOLDER` below a supervisor (checkout, build, check,
 * publish); that program looks up the row and runs the real tool in the foreground, its output on
 * our own.
 */
#ifndef FARM_BUILDER_H
#define FARM_BUILDER_H

#include "proto/base/err.h"
#include "proto/vocab.h"

/* What a phase works on, read from its folder. */
struct phase_context {
    const char *home;
    const char *folder;
    const char *worktree; /* "" when there is no checkout */
    const struct order *order;
    struct arena *arena;
};

struct builder_row {
    enum builder builder;
    const char *name;
    /* Runs the build; returns the tool's exit code (0 fine). On 0 fills the product (paths,
     * derivation) and holds the paths by GC roots in FOLDER/roots. -1 with err when the tool could
     * not be run at all. */
    int (*build)(const struct phase_context *context, struct product *product, struct err *err);
    /* Its version, e.g. "1.14.1", into the arena; NULL when it is not on this host. */
    const char *(*version)(struct arena *arena);
};
/* NULL for BUILDER_NONE. */
const struct builder_row *builder_row(enum builder builder);
extern const struct builder_row builder_flox, builder_nix, builder_command;

/* How a publish went, beyond its exit code. */
struct publish_finding {
    bool already; /* the target had it */
    bool rebuilt; /* it started to build, or ended with other paths than were checked */
    bool unsure;  /* it may have happened: ask again */
};
struct target_row {
    enum target_kind kind;
    const char *name;
    const char *secret_env; /* how its secret reaches the tool, one of the two or neither */
    const char *secret_fd_env;
    bool needs_checkout; /* publishes from a worktree at the commit */
    int (*publish)(const struct phase_context *context, struct publish_finding *finding,
                   struct err *err);
};
/* NULL for TARGET_NONE. */
const struct target_row *target_row(enum target_kind kind);
extern const struct target_row target_flox, target_nix_cache, target_command;

#endif
