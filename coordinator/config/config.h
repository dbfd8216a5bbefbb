/* SPDX-License-Identifier: MIT */
/* config.h - farm.yaml: what the farm's owner decided.
 *
 * One table of options (options.c) says for each key its type, its default, its bounds and what it
 * means; reading the file, the commented file that `farm init` writes and docs/config.md are all
 * made from it. An error names file, line, column and what was expected.
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
    const char *publish; /* a target of the farm, "" for build-only: opt-in per branch */
    const char **wins;   /* package globs this branch publishes when another branch has them too */
    size_t wins_count;
    const char **include; /* package globs; empty: all */
    size_t include_count;
    const char **exclude;
    size_t exclude_count;
    const char *note; /* a comment for config_write_template; not read */
};

struct config_project {
    const char *name;
    const char *url;
    enum builder builder;
    const char *command;  /* command builder */
    const char *evaluate; /* command builder, "" none */
    bool checkout;
    const char *system; /* for packages whose name and recipe do not tell, "" none */
    enum check_mode check;
    bool heavy;
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    uint64_t wall_ms;
    uint64_t silence_ms;
    struct config_limit *limits;
    size_t limits_count;
    struct config_branch *branches;
    size_t branches_count;
    const char *note; /* as above */
};

/* Other limits for some variants of a project; 0 leaves what the project says. */
struct config_limit {
    const char *match; /* a filter, as on the command line */
    uint64_t wall_ms, silence_ms, memory_bytes, disk_bytes;
};

/* A text in a log that tells a cause, before the worker's own table. */
struct config_rule {
    const char *match; /* PCRE2 */
    enum cause cause;
};

struct config_listen {
    const char *control;
    const char *log;
    const char *join;
};

/* A target as it is written; `target` is what config_target gives. */
struct config_target {
    const char *name; /* how branches refer to it */
    enum target_kind kind;
    const char *org;
    const char *location;
    const char *command;
    const char *secret;
    bool no_rebuild;
    struct target target;
};

/* Who is told, and how. */
enum listener_kind {
    LISTENER_NONE,
    LISTENER_WEBHOOK, /* a POST of JSON, signed */
    LISTENER_MAIL,    /* through sendmail */
    LISTENER_COMMAND,
    LISTENER_GITHUB /* a commit status a branch */
};
extern const char *const listener_kind_names[];

struct config_listener {
    const char *name;
    enum listener_kind kind;
    const char *url;     /* webhook: where to; github: its API */
    const char *to;      /* mail */
    const char *from;    /* mail, "" sendmail's own */
    const char *command; /* command; mail: the sendmail to call */
    const char *secret;  /* webhook: signs; github: the token */
    const char **kinds;  /* notice_kind_names; empty: all but run-opened */
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
    uint32_t keep_closed_runs; /* newer than these are archived */
    struct arena arena;        /* owns all of it */
};

/* Reads and checks everything: names, URLs, globs, references to targets, sizes, times. The caller
 * releases with config_release, also after -1. */
int config_read(const char *path, struct config *config, struct err *err);
/* The same from memory; `path` is only for errors. */
int config_parse(struct bytes text, const char *path, struct config *config, struct err *err);
void config_release(struct config *config);
/* All defaults, no projects and no targets; a project with all defaults and no branches. */
void config_init(struct config *config);
void config_project_init(struct config_project *project);
/* Whether git may be given this URL: not one that it would run as a program, no password in it. */
int config_check_url(const char *url, struct err *err);

/* A farm.yaml with every option, its default and its meaning as comments. */
void config_write_template(const struct config *config, struct buf *out);
/* Every option as Markdown tables: docs/config.md. */
void config_options_print(struct buf *out);

/* `farmd config-check`: reads HOME/farm.yaml, says that it is fine (exit 0) or where not (exit 1).
 * `farmd config-explain`: config_options_print to standard output. */
int config_check_main(const char *home);
int config_explain_main(void);

/* The rules as recipe.rules has them, in the arena. */
const char *config_rules(const struct config *config, struct arena *arena);
/* By the name that branches use; NULL when there is none. */
const struct target *config_target(const struct config *config, const char *name);
const struct config_project *config_project(const struct config *config, const char *name);

#endif
