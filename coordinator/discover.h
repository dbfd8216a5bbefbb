/* SPDX-License-Identifier: MIT */
/* discover.h - git -> variants, in a child process.
 *
 * `farmd discover` reads a question (JSON) from standard input and prints an answer (JSON). It works on
 * a bare clone a project below HOME/git (never a checkout), under a lock, with the bounds of limits.h;
 * the coordinator starts it, reads its pipe on the loop and kills it when it is too slow.
 *
 * Packages: flox's own rules (contract 1.2): .flox/pkgs, directories with default.nix, names joined
 * with '.', *.nix but not *flake.nix, no symlinks. System: from the ISA in the name, then the recipe's
 * `platforms`, then the project's config. Inputs: blobs of the recipe, of what it imports by relative
 * path (transitively), and of .flox/env/manifest.lock.
 */
#ifndef FARM_DISCOVER_H
#define FARM_DISCOVER_H

#include "coordinator/config.h"
#include "proto/base/err.h"
#include "proto/vocab.h"

struct discover_question {
    const char *home;     /* bare clones stand in HOME/git */
    const char *config;   /* path of farm.yaml */
    const char *project;  /* "" all */
    const char *filter;   /* as typed */
    bool fetch;           /* false: what the clones know already (plan --offline, tests) */
    const char *bundle;   /* path of a git bundle to take `commit` from, "" none */
    const char *commit;   /* build --from: this commit instead of the branches' tips */
    const char *branch;   /* build --from: the branch it belongs to */
};
struct discover_answer {
    const char *problem;  /* "" or one sentence */
    const char **warnings;
    size_t warnings_count;
    struct plan_item *items;
    size_t items_count;
};
extern const struct shape discover_question_shape, discover_answer_shape;

/* The child's work, also used by `farm init` (through `farmd discover`). */
int discover_run(const struct discover_question *question, struct discover_answer *answer,
                 struct arena *arena, struct err *err);
/* `farmd discover`: standard input to standard output; exit 0 also when the answer is a problem. */
int discover_main(void);
/* `farmd discover --init URL`: prints a farm.yaml for a repository: branches that have packages. */
int discover_init_main(const char *url, const char *home);

/* Attributes from a package name (contract section 6's regular expression); attributes that the name
 * does not have become "". `system` by the ISA. Texts in the arena. */
void variant_parse_name(const char *package, struct variant *out, struct arena *arena);

#endif
