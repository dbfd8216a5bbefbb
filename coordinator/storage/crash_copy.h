/* SPDX-License-Identifier: MIT */
/* crash_copy.h - the copy of a journal on which the coordinator crashes again and again.
 *
 * HOME/crashed has journal.db and journal.db-wal, byte by byte, so that the crash can be repeated.
 * There is at most one copy: a new one replaces the old one. */
#ifndef FARM_STORAGE_CRASH_COPY_H
#define FARM_STORAGE_CRASH_COPY_H

#include "proto/base/err.h"

/* Makes the copy. Nobody may have the journal open. -1 with err, and without a new copy, if the
 * disk would then have less than LIMIT_START_ROOM_BYTES free, or on an error. */
int crash_copy_make(const char *home, struct err *err);

#endif
