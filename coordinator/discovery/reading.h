/* SPDX-License-Identifier: MIT */
/* reading.h - what the commits of a clone contain: trees, recipes, locks and scripts of strangers.
 * Private to coordinator/discovery.
 *
 * It is read by a process of its own (`farmd discover-read`) in the reading domain (domain.h). That
 * process gets a question of commits and patterns; it sees neither farm.yaml nor a URL. Its answer
 * is a claim of strangers: reading_ask refuses one that does not fit the question, and what it says
 * is about the commits' own packages only. */
#ifndef FARM_DISCOVERY_READING_H
#define FARM_DISCOVERY_READING_H

#include "proto/base/err.h"
#include "proto/vocab.h"

/* A commit to read. */
struct reading_commit {
    const char *commit;
    bool names_only;      /* of the answer, only `names` */
    const char **include; /* patterns of packages, as in farm.yaml */
    size_t include_count;
    const char **exclude;
    size_t exclude_count;
    const char **known; /* earlier commits; the answer says which of them diverged */
    size_t known_count;
};

struct reading_question {
    const char *clone; /* its folder */
    enum builder builder;
    bool fetches_lfs; /* a worker can fetch files of git-lfs (proto/lfs.h: lfs_endpoint) */
    bool may_lack;    /* a commit may be absent from the clone */
    struct reading_commit *commits;
    size_t commits_count;
    const char **pins; /* the answer says which of them are on no branch */
    size_t pins_count;
};

/* A package that include and exclude leave. */
struct reading_package {
    const char *name, *path;
    const char *problem, *dotted; /* as in struct package */
    struct inputs inputs;
    const char **systems; /* the recipe's `platforms` */
    size_t systems_count;
    bool names_build; /* struct recipe_facts */
};

/* What a commit contains. */
struct reading_tree {
    bool is_absent;     /* the clone lacks the commit; nothing else is set */
    const char **names; /* of all packages, sorted */
    size_t names_count;
    struct reading_package *packages;
    size_t packages_count;
    uint64_t depth;       /* git_depth */
    const char *diverged; /* those of `known` that are neither ancestors nor descendants */
    const char *problem;  /* why the project cannot build the commit, "" if it can */
    bool has_check;       /* it has a test-build.sh */
};

struct reading_answer {
    const char *problem;        /* "", or why nothing was read */
    struct reading_tree *trees; /* of the commits, in their order */
    size_t trees_count;
    const char **lost; /* pins that are on no branch */
    size_t lost_count;
};

/* Has the question answered in the reading domain. Texts live in the arena. -1 with err: git
 * failed, or the process crashed, was killed, took too long or gave a wrong answer. */
int reading_ask(const struct reading_question *question, struct reading_answer *answer,
                struct arena *arena, struct err *err);

/* Reads what the process printed. -1 with err when it is no answer to the question: a stranger may
 * have written every byte of it. */
int reading_parse(const struct reading_question *question, struct bytes text,
                  struct reading_answer *answer, struct arena *arena, struct err *err);

/* `farmd discover-read`: answers the question on standard input on standard output. */
int reading_main(void);

#endif
