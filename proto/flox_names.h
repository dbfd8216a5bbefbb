/* SPDX-License-Identifier: MIT */
/* flox_names.h - names and a manifest that flox's make would run. Pure.
 *
 * `flox build` and `flox publish` run make over all packages of a branch, and make expands names
 * and versions as its own text: with a recipe x`sh<run.sh`.nix, or a version of "$(shell ...)", a
 * branch runs programs outside nix, with the token in their environment, while *another* package is
 * built or published. So both are read from git before flox is started, by the coordinator for the
 * plan and by the worker for the commit that it has.
 *
 * A good name matches [A-Za-z0-9_][A-Za-z0-9._+-]*.
 *
 * What is read of the manifest: the keys, quoted ones without escapes, of all tables; values are
 * skipped (strings of all four kinds, arrays, inline tables, comments) but for two. Refused is
 *   - [build.NAME] where NAME is no good name; [[build]], build = ... and [build] NAME = ..., whose
 *     contents would be values
 *   - version or sandbox of a build that is not one string of a good name: version.command,
 *     version.file and tables are none; nor are "command:..." and "file:...", which make reads so
 *   - [include]: it brings builds of other manifests
 *   - whatever is not read: escapes in keys, control characters, an open string or bracket
 * The manifest's lock needs no look: flox locks again when it is of another manifest.
 */
#ifndef FARM_FLOX_NAMES_H
#define FARM_FLOX_NAMES_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>

#define FLOX_MANIFEST ".flox/env/manifest.toml"

/* 0 if make may see an entry of a commit's tree, folders too; else -1 with err: one printable line
 * that begins with the path. Entries outside .flox are fine. A link in place of a folder or file
 * that flox reads is refused. */
int flox_check_entry(const char *path, bool is_link, struct err *err);
/* 0 if make may see the manifest; else -1 with err, likewise. One without text is refused. */
int flox_check_manifest(struct bytes text, struct err *err);

#endif
