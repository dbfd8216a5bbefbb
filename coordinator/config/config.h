/* SPDX-License-Identifier: MIT */
/* config.h - farm.yaml: the decisions of the farm's owner.
 *
 * One table of options (options.c) has the type, default, bounds and meaning of each key; the
 * reader of the file, the commented file that `farm init` writes and docs/config.md are all made
 * from it. An error names file, line, column and what was expected.
 *
 * Sizes are written "8G" or "20GiB" (both powers of 1024), times "500ms", "30s", "90m", "2h", "1d".
 */
#ifndef FARM_CONFIG_H
#define FARM_CONFIG_H

#include "coordinator/core/record.h"
#include "proto/base/err.h"

/* A branch of a project. */
struct config_branch {
    const char *name;    /* a branch name or a glob over branch names */
    const char *publish; /* a target of the farm; "": build only */
    const char **wins;   /* package globs that this branch publishes if another branch has them */
    size_t wins_count;
    const char *line;     /* the version line, "2.8"; "": what its name shows (branch_line) */
    const char **include; /* package globs; empty: all */
    size_t include_count;
    const char **exclude;
    size_t exclude_count;
    const char *note; /* a comment for config_write_template; the reader leaves it empty */
};

/* Which builds need nix's sandbox. AUTO: those whose recipe names a file below /build. */
enum sandbox_mode { SANDBOX_AUTO, SANDBOX_REQUIRED, SANDBOX_OFF };
extern const char *const sandbox_mode_names[];

struct config_project {
    const char *name;
    const char *url;
    enum builder builder;
    const char *command;  /* command builder */
    const char *evaluate; /* command builder, "" none */
    bool checkout;
    const char *system; /* assumed when name and recipe do not show one, "" none */
    enum check_mode check;
    bool heavy;
    bool supersede;
    bool restrict_eval;
    const char **allowed_uris; /* restrict_eval: URI prefixes */
    size_t allowed_uris_count;
    enum sandbox_mode nix_sandbox;
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    uint64_t wall_ms;
    uint64_t silence_ms;
    struct config_limit *limits;
    size_t limits_count;
    struct config_branch *branches;
    size_t branches_count;
    const char *note; /* as for config_branch */
};

/* Other limits for some variants of a project; 0 keeps the project's value. */
struct config_limit {
    const char *match; /* a filter, as on the command line */
    uint64_t wall_ms, silence_ms, memory_bytes, disk_bytes;
};

/* A log pattern and the cause it shows; checked before the worker's own table. */
struct config_rule {
    const char *match; /* PCRE2 */
    enum cause cause;
};

struct config_listen {
    const char *control;
    const char *log;
    const char *join;
};

/* A target as it stands in the file; `target` is what config_target returns. */
struct config_target {
    const char *name; /* how branches refer to it */
    enum target_kind kind;
    const char *org;
    const char *location;
    const char *command;
    const char *secret;
    bool no_rebuild;
    const char *
        *branches; /* globs of branches that publish here unless their entry says otherwise */
    size_t branches_count;
    enum collisions collisions; /* which branch publishes a name that several have */
    const char **order;         /* COLLISIONS_ORDER: globs over branches, the preferred first */
    size_t order_count;
    struct target target;
};

/* How a listener is notified. */
enum listener_kind {
    LISTENER_NONE,
    LISTENER_WEBHOOK, /* a signed POST with JSON */
    LISTENER_MAIL,    /* by sendmail */
    LISTENER_COMMAND,
    LISTENER_GITHUB /* a commit status for each branch */
};
extern const char *const listener_kind_names[];

struct config_listener {
    const char *name;
    enum listener_kind kind;
    const char *url;     /* webhook: the address to post to; github: its API */
    const char *to;      /* mail */
    const char *from;    /* mail, "": sendmail's default */
    const char *command; /* command; mail: the sendmail program */
    const char *secret;  /* webhook: name of the signing key; github: of the token */
    const char **kinds;  /* names of notices; empty: all but run-opened */
    size_t kinds_count;
};

struct config {
    const char *name;
    struct config_listen listen;
    struct policy policy;
    struct config_project *projects;
    size_t projects_count;
    struct config_target *targets;
    size_t targets_count;
    struct config_rule *rules;
    size_t rules_count;
    struct config_listener *listeners;
    size_t listeners_count;
    uint32_t keep_closed_runs; /* older closed runs are archived */
    struct arena arena;        /* owns everything above */
};

/* A key whose value differs. Items of lists are known by their first key; one that was added or
 * removed has "" on the other side. */
struct config_change {
    const char *key; /* "timing.heartbeat", "projects.torchvision.branches.main.publish" */
    const char *before, *after;
    bool waits; /* takes effect when the coordinator starts the next time */
};
struct config_changes {
    struct config_change *items;
    size_t count, capacity;
    struct arena arena;
};
/* Appends what differs to *out, in the order of the file's keys. */
void config_compare(const struct config *before, const struct config *after,
                    struct config_changes *out);
void config_changes_release(struct config_changes *changes);

/* Reads the file and checks it: names, URLs, globs, references to targets, sizes, times. Release
 * *config with config_release, also after -1. */
int config_read(const char *path, struct config *config, struct err *err);
/* The same, from memory; `path` appears in errors only. */
int config_parse(struct bytes text, const char *path, struct config *config, struct err *err);
void config_release(struct config *config);
/* Sets *config to the defaults, without projects and targets; *project to the defaults, without
 * branches. */
void config_init(struct config *config);
void config_project_init(struct config_project *project);
/* 0 when git may be given this URL: git must not run it as a program, and it has no password. */
int config_check_url(const char *url, struct err *err);

/* Appends a farm.yaml that has every option, with defaults and meanings as comments. */
void config_write_template(const struct config *config, struct buf *out);
/* Appends docs/config.md: every option, as Markdown tables. */
void config_options_print(struct buf *out);
/* Appends every option for a terminal of 80 columns. */
void config_options_explain(struct buf *out);

/* `farmd config-check`: reads HOME/farm.yaml; prints that it is fine (returns 0) or the error
 * (returns 1). `farmd config-explain` and `farmd config-page`: every option, for a terminal or
 * as docs/config.md. */
int config_check_main(const char *home);
int config_explain_main(void (*print)(struct buf *out));

/* The rules in the format of recipe.rules, in the arena. */
const char *config_rules(const struct config *config, struct arena *arena);
/* Look up a target by the name that branches use, and a project by its name; NULL if missing. */
const struct target *config_target(const struct config *config, const char *name);
/* Where a branch publishes: the target that its entry names, else the first one whose `branches`
 * match its name; NULL: nowhere. */
const struct config_target *config_target_of(const struct config *config,
                                             const struct config_branch *entry, const char *branch);
/* The same target as it stands in the file. */
const struct config_target *config_target_row(const struct config *config, const char *name);
const struct config_project *config_project(const struct config *config, const char *name);

#endif
