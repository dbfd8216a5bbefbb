/* SPDX-License-Identifier: MIT */
/* folder.h - what is on disk about an attempt or a publication's try.
 *
 *   HOME/attempts/EPOCH.NUMBER/
 *     order            the line "floxfarm attempt 1\n" (a higher number is refused, never guessed
 * at), then the order as packed protobuf, without its secret and its bundle bundle           the
 * git bundle that came with the order, if one did log              raw bytes of all phases, one
 * after the other PHASE.run        the phase's lock, supervisor and exit facts (supervisor.h)
 *     worktree         text: path of the worktree the checkout phase prepared
 *     product          packed struct product, written by the build phase
 *     outputs          command builder: paths the command says it made, one a line
 *     finding          text: what the publish phase found out (already, rebuilt, unsure)
 *     roots/           GC roots of the product
 *     scratch/, tmp/   working folder of a build without checkout; TMPDIR
 *     result           packed struct item: final
 *
 * Whoever comes back (a restarted or upgraded agent) reads this and goes on. Everything in it is
 * parsed as something that others wrote: a broken file is an error with its path, never a crash.
 */
#ifndef FARM_WORKER_DISK_FOLDER_H
#define FARM_WORKER_DISK_FOLDER_H

#include "proto/base/err.h"
#include "proto/vocab.h"
#include "worker/agent.h"

#define FOLDER_FORMAT 1

/* HOME/attempts/E.N (or with "/name" behind it when name is not NULL), in the arena. */
char *folder_path(const char *home, struct token token, const char *name, struct arena *arena);
/* "1.42" -> token; false for anything else. */
bool folder_token(const char *text, struct token *token);
/* Makes the folder with format, order and bundle; fine if it is there with the same order. Atomic:
 * made under another name and renamed. */
int folder_make(const char *home, const struct order *order, struct err *err);
int folder_read_order(const char *folder, struct order *order, struct arena *arena,
                      struct err *err);
int folder_save_product(const char *folder, const struct product *product, struct err *err);
/* Empty when nothing was saved. */
int folder_read_product(const char *folder, struct product *product, struct arena *arena,
                        struct err *err);
/* Synced to disk when losing it would cost more than that: a publication, or a build that took
 * longer than a second. */
int folder_save_result(const char *home, const struct item *item, struct err *err);
/* All that a folder says. While RUNNING, `result` holds the product of the phases before, and
 * nothing else. */
int folder_read(const char *home, struct token token, struct agent_found *found,
                struct arena *arena, struct err *err);
/* Tokens of all folders of a home, ascending; the caller frees. A name that is no token is left
 * alone. */
int folder_list(const char *home, struct token **tokens, size_t *count, struct err *err);
int folder_remove(const char *home, struct token token, struct err *err);

#endif
