/* SPDX-License-Identifier: MIT */
/* archive.h - moves closed runs out of the live farm and reads them again.
 *
 * When more than config.keep_closed_runs runs are closed, the oldest move to the journal's archive;
 * ledger, learned facts and request ids stay in the live farm. An archived run is replayed into a
 * separate farm, so that status, why, logs and retry read it with the same code.
 */
#ifndef FARM_SHELL_ARCHIVE_H
#define FARM_SHELL_ARCHIVE_H

#include "coordinator/shell/shell.h"
#include "coordinator/storage/journal.h"

/* The farm that has the run: the live one, or a replay of the archived run, which is also put into
 * *archived for the caller to destroy. NULL with err when there is no such run. */
const struct farm *archive_source(struct shell *shell, uint64_t run, struct farm **archived,
                                  struct err *err);
/* Archives old runs, if that pays off. Call it between turns. */
int archive_compact(struct shell *shell, struct err *err);

#endif
