/* SPDX-License-Identifier: MIT */
/* sweeper.h - removes attempt folders on a thread of its own: a build's scratch folder may hold a
 * hundred thousand files, and the loop must not miss a heartbeat for it. A folder whose removal was
 * cut short is found again at the next start, and forgotten again. */
#ifndef FARM_SWEEPER_H
#define FARM_SWEEPER_H

#include "proto/base/err.h"
#include "proto/vocab.h"

struct sweeper;

struct sweeper *sweeper_start(const char *home, struct err *err);
/* Removes the folder of a token, some time. Thread-safe. */
void sweeper_remove(struct sweeper *sweeper, struct token token);
/* Ends after the removal in hand; what is left is found again. NULL is fine. */
void sweeper_stop(struct sweeper *sweeper);

#endif
