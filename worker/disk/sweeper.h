/* SPDX-License-Identifier: MIT */
/* sweeper.h - forgets attempt folders: renamed at once, removed on a thread of its own.
 *
 * The rename to HOME/trash is the forgetting: whenever the worker dies, a folder is there whole or
 * not at all. A build's scratch folder may hold a hundred thousand files, and the loop must not
 * miss a heartbeat for them; what is left in the trash is removed after the next start.
 */
#ifndef FARM_WORKER_DISK_SWEEPER_H
#define FARM_WORKER_DISK_SWEEPER_H

#include "proto/base/err.h"
#include "proto/vocab.h"

struct sweeper;

struct sweeper *sweeper_start(const char *home, struct err *err);
/* Forgets the folder of a token; fine if there is none. */
int sweeper_forget(struct sweeper *sweeper, struct token token, struct err *err);
/* Ends after the removal in hand. NULL is fine. */
void sweeper_stop(struct sweeper *sweeper);

#endif
