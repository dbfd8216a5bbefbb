/* SPDX-License-Identifier: MIT */
/* folder.h - the folder on disk of an attempt or of a try of a publication.
 *
 *   HOME/attempts/EPOCH.NUMBER/
 *     order            the line "floxfarm attempt 1\n", then the order as packed protobuf, without
 *                      its secret and its bundle. Any other number is refused
 *     bundle           the git bundle that came with the order; absent if there was none
 *     log              raw output of all phases, one after the other
 *     PHASE.run        per phase: lock, identity of the supervisor, exit facts (run_file.h)
 *     worktree         text: path of the worktree that the checkout phase prepared. An attempt
 *                      that an older version began has a path below HOME/work
 *     isolation        who the recipe's code runs as, written before the first phase (isolation.h)
 *     seed             where the seed of its fetch cache is (phase/seed.c); absent if it has none
 *     sandbox          status of the newest sandbox (sandbox_command.h)
 *     box/             what the recipe's code may write, removed when there is a result:
 *       checkout/      the attempt's own repository and worktree (workspace.h)
 *       home/, roots/  HOME; GC roots that it makes
 *       scratch/       working folder of a build without checkout
 *       outputs        command builder: paths that the command made, one per line
 *     git/             the repository of an isolated attempt (workspace.h), removed with the box
 *     nix/             the phase's own nix-daemon (store_daemon.h)
 *     product          packed struct product, written by the build phase
 *     finding          publish phase, lines: began, already, rebuilt, unsure, ended (phase_main.c)
 *     gpu              check phase, when it failed on a GPU: what befell the GPU (gpu_lease.h),
 *                      lines of a word (none, failed, shared) and a text
 *     roots/           GC roots of the product
 *     tmp/             TMPDIR of the phases; /tmp of a sandbox
 *     result           packed struct item: the final one
 *
 * A restarted or upgraded worker reads this and continues. The contents are not trusted: a broken
 * file is an error with its path, never a crash.
 */
#ifndef FARM_WORKER_DISK_FOLDER_H
#define FARM_WORKER_DISK_FOLDER_H

#include "proto/base/err.h"
#include "proto/vocab.h"
#include "worker/agent/input.h"

#define FOLDER_FORMAT 1

/* HOME/attempts/EPOCH.NUMBER, or with name not NULL HOME/attempts/EPOCH.NUMBER/NAME; in the arena.
 */
char *folder_path(const char *home, struct token token, const char *name, struct arena *arena);
/* Parses "1.42" into a token; false for anything else. */
bool folder_token(const char *text, struct token *token);
/* Makes the folder with order and bundle. Also succeeds if the folder exists with the same order.
 * Atomic: the folder is made under another name and renamed. */
int folder_make(const char *home, const struct order *order, struct err *err);
int folder_read_order(const char *folder, struct order *order, struct arena *arena,
                      struct err *err);
int folder_save_product(const char *folder, const struct product *product, struct err *err);
/* An empty product if none was saved. */
int folder_read_product(const char *folder, struct product *product, struct arena *arena,
                        struct err *err);
/* The file is synced to disk if losing it costs more than the sync: for a publication, or a build
 * that took a second or longer. */
int folder_save_result(const char *home, const struct item *item, struct err *err);
/* Fails if a file that only this program writes there is a link, a FIFO or another thing that is no
 * regular file, or larger than this program makes it: no crash and no full disk does that, so the
 * folder was tampered with. */
int folder_check(const char *folder, struct err *err);
/* By its order, or where that cannot be read by its mode. */
bool folder_is_publication(const char *home, struct token token);
/* Of a publication's folder that is not believed any more, leaves an end alone: the publication was
 * lost, and may have happened. Without it the coordinator would grant the same once more, and take
 * a failure of that for "not published". False if the folder is another attempt's, or with err. */
bool folder_end_publication(const char *home, struct token token, const char *why, struct err *err);
/* Size of the log, at most LIMIT_LOG_FILE_BYTES; 0 if there is none or it is no regular file. */
uint64_t folder_log_bytes(const char *folder);
/* Whether there is anything of that name, of any kind. */
bool folder_exists(const char *home, struct token token);
bool folder_has_result(const char *home, struct token token);
/* Reads the whole state of a folder. Until the item has ended, `result` has only the product of the
 * phases so far. */
int folder_read(const char *home, struct token token, struct agent_found *found,
                struct arena *arena, struct err *err);
/* Tokens of all folders of a home, ascending; the caller frees. Skips names that are not a token.
 */
int folder_list(const char *home, struct token **tokens, size_t *count, struct err *err);
int folder_remove(const char *home, struct token token, struct err *err);

#endif
