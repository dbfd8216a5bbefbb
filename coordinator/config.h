/* SPDX-License-Identifier: MIT */
/* config.h - farm.yaml: what the farm's owner decided. Read with libcyaml against a schema; an error
 * names file, line, column and what was expected. `farm config --explain` and the commented file that
 * `farm init` writes are made from the same table of options (config_options). */
#ifndef FARM_CONFIG_H
#define FARM_CONFIG_H

#include "coordinator/core/record.h"
#include "proto/base/err.h"

/* A branch of a project. */
struct config_branch {
    const char *name;     /* a branch name or a glob over branch names */
    const char *publish;  /* name of a target, "" for build-only: opt-in per branch */
    const char **wins;    /* package globs this branch publishes when another branch has them too */
    size_t wins_count;
    const char **include; /* package globs; empty: all */
    size_t include_count;
    const char **exclude;
    size_t exclude_count;
};

struct config_project {
    const char *name;
    const char *url;
    enum builder builder;
    const char *command;    /* command builder */
    bool checkout;          /* default true */
    const char *system;     /* for packages whose name and recipe do not tell, "" none */
    enum check_mode check;
    bool heavy;             /* default true */
    uint64_t memory_bytes;  /* default 8 GiB: torchvision's README asks for it */
    uint64_t disk_bytes;    /* default 20 GiB */
    uint64_t wall_ms;       /* default 8 h */
    uint64_t silence_ms;    /* default 2 h */
    struct config_branch *branches;
    size_t branches_count;
};

struct config_listen {
    const char *control; /* tcp://127.0.0.1:7471 */
    const char *log;     /* tcp://127.0.0.1:7472 */
};

struct config {
    const char *name;
    struct config_listen listen;
    struct policy policy;
    struct config_project *projects;
    size_t projects_count;
    struct target *targets;
    size_t targets_count;
    uint32_t keep_closed_runs; /* newer than these are archived; default 20 */
    struct arena arena;        /* owns all of it */
};

/* Reads and checks everything: names, URLs, globs, references to targets, sizes ("8G"), times ("2h").
 * The caller releases with config_release, also after -1. */
int config_read(const char *path, struct config *config, struct err *err);
void config_release(struct config *config);
/* A farm.yaml with every option, its default and its meaning as comments. `projects` are written
 * with publishing off. */
void config_write_template(const struct config *config, struct buf *out);

const struct target *config_target(const struct config *config, const char *name);
const struct config_project *config_project(const struct config *config, const char *name);

#endif
