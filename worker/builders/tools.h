/* SPDX-License-Identifier: MIT */
/* tools.h - what the builders share: environments, versions, the nix store's commands. */
#ifndef FARM_TOOLS_H
#define FARM_TOOLS_H

#include "worker/builders/builder.h"
#include "worker/process/tool.h"

/* FARM_PACKAGE, FARM_PROJECT, FARM_BRANCH, FARM_COMMIT, FARM_SYSTEM, FARM_GPU, FARM_ISA, FARM_CUDA,
 * FARM_PYTHON, FARM_OUTPUTS: what a command or a check may want to know. */
void tools_describe(struct texts *environment, const struct order *order, const char *folder);
/* Our environment for running tools of a phase: nothing of a surrounding flox, git or make; TMPDIR
 * in the attempt's own folder, so that two builds never share flox's scratch (contract 0.9). */
struct texts tools_environment(const struct phase_context *context);
/* The first word of `argv`'s output that begins with a digit, within 10 s; NULL without one. */
const char *tools_version(const char *const *argv, struct arena *arena);
/* The lines of a text that begin with '/', into the arena. */
void tools_paths(const char *text, struct arena *arena, const char ***paths, size_t *count);
/* Holds the product's paths by indirect GC roots FOLDER/roots/result*. Where there is no nix-store
 * nothing collects garbage either: fine. */
int tools_hold(const struct phase_context *context, const struct product *product, struct err *err);
/* The derivation that made a path, "" when it is not known. */
const char *tools_deriver(const struct phase_context *context, const char *path);

#endif
