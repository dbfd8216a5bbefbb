/* SPDX-License-Identifier: MIT */
/* tools.h - helpers of the builders: environments, versions, commands of the nix store. */
#ifndef FARM_TOOLS_H
#define FARM_TOOLS_H

#include "worker/builders/builder.h"
#include "worker/process/tool.h"

/* Sets the variables that describe the order to a command or a check: FARM_PACKAGE, FARM_PROJECT,
 * FARM_BRANCH, FARM_COMMIT, FARM_SYSTEM, FARM_GPU, FARM_ISA, FARM_CUDA, FARM_PYTHON, FARM_OUTPUTS.
 */
void tools_describe(struct texts *environment, const struct order *order, const char *folder);
/* Whether tools_run starts a sandbox. */
bool tools_isolated(const struct phase_context *context);
/* The environment for what a recipe runs: in a sandbox, that of isolation.h; else ours without the
 * variables of a surrounding flox, git or make. TMPDIR is in the attempt's own folder, so that two
 * builds never share flox's temporary files (contract 0.9). */
struct texts tools_environment(const struct phase_context *context);
/* Where the recipe wants it: a nix that is started with this environment evaluates with
 * restrict-eval (docs/adr/0020-isolation.md). */
void tools_restrict(const struct phase_context *context, struct texts *environment);
/* As tool_run, in the attempt's sandbox: for whatever reads or runs the recipe. The tool's folder
 * is in FOLDER/box. -1 with err also when the sandbox could not start. */
int tools_run(const struct phase_context *context, const struct tool *tool, struct err *err);
/* Runs `argv` for at most 10 s; the first word of its output that begins with a digit, or NULL. */
const char *tools_version(const char *const *argv, struct arena *arena);
/* The lines of a text that begin with '/', copied to the arena. */
void tools_paths(const char *text, struct arena *arena, const char ***paths, size_t *count);
/* Protects the product's paths by indirect GC roots FOLDER/roots/result*. Does nothing on a host
 * without nix-store, where nothing collects garbage either. */
int tools_hold(const struct phase_context *context, const struct product *product, struct err *err);
/* Adds the paths that a command wrote to FOLDER/box/outputs ($FARM_OUTPUTS) to a product that has
 * none. -1 with err when the file is there and cannot be taken: too large, no regular
 * file, or, of an isolated attempt, not only paths of the store. */
int tools_outputs(const char *folder, struct product *product, struct arena *arena,
                  struct err *err);
/* The Python interpreter that the product brings along: bin/python3 of a path in the closure of its
 * paths, of the given version ("3.13") where there are several; "" when there is none. A Python
 * package itself has no interpreter. */
const char *tools_python(const struct product *product, const char *version, struct arena *arena);
/* The derivation that made a path; "" if unknown. */
const char *tools_deriver(const struct phase_context *context, const char *path);

#endif
