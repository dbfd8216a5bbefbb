/* SPDX-License-Identifier: MIT */
/* archive.h - closed runs leave the live farm and can be looked at again.
 *
 * When more than config.keep_closed_runs runs are closed, the oldest are moved to the journal's
 * archive; ledger, learned facts and request ids stay. An archived run replays alone into a farm of
 * its own, so that status, why, logs and retry see it with the same readers.
 */
#ifndef FARM_SHELL_ARCHIVE_H
#define FARM_SHELL_ARCHIVE_H

#include "coordinator/shell/shell.h"
#include "coordinator/storage/journal.h"

/* The farm that knows a run: the live one, or the archived run in *archived, which the caller
 * destroys. NULL with err when there is no such run. */
const struct farm *archive_source(struct shell *shell, uint64_t run, struct farm **archived,
                                  struct err *err);
/* Between turns: archives if it is time to. */
int archive_compact(struct shell *shell, struct err *err);

#endif
