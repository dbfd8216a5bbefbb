/* SPDX-License-Identifier: MIT */
/* sweeper.h - removes what attempts leave, in a thread.
 *
 * The rename to HOME/trash is the moment of forgetting: even if the worker dies, a folder exists
 * either whole or not at all. A build's scratch folder may have a hundred thousand files, and the
 * loop must not miss a heartbeat while they are deleted. What is left in the trash is deleted after
 * the next start.
 *
 * Seeds go when nobody has used them for two weeks (seeds.h).
 *
 * The repository of an attempt goes when it has a result. HOME/work and HOME/git, the worktrees and
 * clones of older versions, go when no attempt without a result was begun in them: builds could
 * write to them, so nothing new uses them.
 */
#ifndef FARM_WORKER_DISK_SWEEPER_H
#define FARM_WORKER_DISK_SWEEPER_H

#include "proto/base/err.h"
#include "proto/vocab.h"

struct sweeper;

struct sweeper *sweeper_start(const char *home, struct err *err);
/* Forgets the folder of a token; succeeds if there is none. */
int sweeper_forget(struct sweeper *sweeper, struct token token, struct err *err);
/* An attempt has its result now. */
void sweeper_wake(struct sweeper *sweeper);
/* Finishes the present removal, ends the thread and frees. Accepts NULL. */
void sweeper_stop(struct sweeper *sweeper);

#endif
