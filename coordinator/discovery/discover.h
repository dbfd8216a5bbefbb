/* SPDX-License-Identifier: MIT */
/* discover.h - git -> variants, in a child process.
 *
 * `farmd discover` reads a question (JSON) from standard input and prints an answer (JSON). It
 * works on a bare clone a project below HOME/git (never a checkout), under a lock, with the bounds
 * of limits.h; the coordinator starts it, reads its pipe on the loop and kills it when it is too
 * slow.
 *
 * Packages: flox's own rules (packages.h). System: from the ISA in the name, then the recipe's
 * `platforms`, then the project's config. Inputs: blobs of the recipe, of what it imports by
 * relative path (transitively), and of .flox/env/manifest.lock.
 */
#ifndef FARM_DISCOVERY_DISCOVER_H
#define FARM_DISCOVERY_DISCOVER_H

#include "coordinator/config/config.h"
#include "coordinator/matrix/names.h"
#include "proto/base/err.h"
#include "proto/vocab.h"

/* A commit of an earlier run. */
struct discover_pin {
    const char *project;
    const char *url;
    const char *branch;
    const char *commit;
};

struct discover_question {
    const char *home;    /* bare clones stand in HOME/git */
    const char *config;  /* path of farm.yaml */
    const char *project; /* "" all */
    const char *filter;  /* as typed */
    bool fetch;          /* false: what the clones know already (plan --offline, tests) */
    const char *bundle;  /* path of a git bundle to take `commit` from, "" none */
    const char *commit;  /* build --from: this commit instead of the branches' tips; one project */
    const char *branch;  /* build --from: the branch it belongs to */
    /* retry: look only whether these can still be had; the answer's items are those that cannot,
     * with a problem and nothing else that counts beside project, branch and commit */
    struct discover_pin *pins;
    size_t pins_count;
};
struct discover_answer {
    const char *problem; /* "" or one sentence */
    const char **warnings;
    size_t warnings_count;
    struct plan_item *items;
    size_t items_count;
};
extern const struct shape discover_question_shape, discover_answer_shape;

/* The child's work. -1: it could not look (farm.yaml, git). 0 with a problem: it looked, and the
 * question does not fit what is there. Items with a target were decided by `wins`: a loser's target
 * has kind NONE; where the config names no winner they keep it, for the core to refuse. Items of a
 * bundle have none. Texts live in the arena. */
int discover_run(const struct discover_question *question, struct discover_answer *answer,
                 struct arena *arena, struct err *err);

/* pins.c: the part of it that answers a question with pins. */
int discover_pins(const struct discover_question *question, struct discover_answer *answer,
                  struct arena *arena, struct err *err);

/* The answer as the child prints it: one JSON object, one line an item, so that the reader needs
 * memory for one item at a time. */
void discover_print(const struct discover_answer *answer, struct buf *out);
/* Reads it back. */
int discover_parse(struct bytes text, struct discover_answer *answer, struct arena *arena,
                   struct err *err);

/* `farmd discover`: standard input to standard output; exit 0 also when the answer is a problem. */
int discover_main(void);
/* `farmd discover --init URL`: prints a farm.yaml for a repository: branches that have packages.
 * The clone goes to HOME/git. Exit 1 with a line on standard error when there is nothing to write.
 */
int discover_init_main(const char *url, const char *home);

#endif
