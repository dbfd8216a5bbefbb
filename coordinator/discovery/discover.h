/* SPDX-License-Identifier: MIT */
/* discover.h - finds the variants in git repositories, in a child process.
 *
 * `farmd discover` reads a question (JSON) from standard input and prints an answer (JSON). It uses
 * a bare clone per project below HOME/git (never a checkout), under a lock and within the bounds of
 * limits.h. The coordinator starts it, reads its pipe on the loop and kills it when it is too slow.
 *
 * Packages follow flox's rules (packages.h). The system comes from the ISA in the name, then from
 * the recipe's `platforms`, then from the project's config. Inputs are the blobs of the recipe, of
 * what it imports by relative path (transitively), and of .flox/env/manifest.lock.
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

/* A commit that the farm published from a branch, or builds. */
struct discover_known {
    const char *project;
    const char *branch;
    const char *commit;
};

struct discover_question {
    const char *home;    /* bare clones are in HOME/git */
    const char *config;  /* path of farm.yaml */
    const char *project; /* "": all */
    const char *filter;  /* as typed */
    bool fetch;          /* false: use the clones as they are (plan --offline, tests) */
    const char *bundle;  /* path of a git bundle that has `commit`, "" none */
    const char *commit;  /* build --from: this commit instead of the branches' tips; one project */
    const char *branch;  /* build --from: the branch it belongs to */
    /* retry: only check whether these commits are still available. The answer's items are the
     * missing ones; of these, only project, branch, commit and problem are set. */
    struct discover_pin *pins;
    size_t pins_count;
    struct discover_known *known; /* claims say which of these diverged from their commits */
    size_t known_count;
};
struct discover_answer {
    const char *problem; /* "" or one sentence */
    const char **warnings;
    size_t warnings_count;
    struct plan_item *items;
    size_t items_count;
    struct plan_item *rivals; /* variants that the filter left out and that claim a name of an item
                                 from another branch */
    size_t rivals_count;
};
extern const struct shape discover_question_shape, discover_answer_shape;

/* The child's work. -1: the search failed (farm.yaml, git). 0 with a problem: the search worked,
 * but the question does not match what is there. Which branch publishes a name that several have is
 * the core's decision (coordinator/core/collide.h): items carry their claims. A branch of farm.yaml
 * that is not on origin, or a project that cannot be read, is a warning when others are left. Items
 * of a bundle have no target. Texts live in the arena. */
int discover_run(const struct discover_question *question, struct discover_answer *answer,
                 struct arena *arena, struct err *err);

/* The part of it that answers a question with pins (pins.c). */
int discover_pins(const struct discover_question *question, struct discover_answer *answer,
                  struct arena *arena, struct err *err);

/* Gives items of an earlier run what farm.yaml says today of their projects' checks, restrict_eval,
 * allowed_uris and nix_sandbox; in the arena. Items of projects that it does not name stay as they
 * are, and so do all when it cannot be read. */
void discover_refresh_settings(const char *config, struct plan_item *items, size_t count,
                               struct arena *arena);

/* Appends the answer as the child prints it: a JSON object with a line per item, so that the reader
 * needs memory for one item at a time. */
void discover_print(const struct discover_answer *answer, struct buf *out);
/* Parses an answer. */
int discover_parse(struct bytes text, struct discover_answer *answer, struct arena *arena,
                   struct err *err);

/* `farmd discover`: standard input to standard output; returns 0 also when the answer is a problem.
 */
int discover_main(void);
/* `farmd discover --init URL`: prints a farm.yaml for a repository, with its branches that have
 * packages. The clone goes to HOME/git. Returns 1, with the error printed, when it finds none. */
int discover_init_main(const char *url, const char *home);

#endif
