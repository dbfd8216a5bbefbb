/* SPDX-License-Identifier: MIT */
/* boot.h - starts our programs when a machine without systemd boots: by a line `@reboot ...` in the
 * user's own crontab (crontab(5), Vixie cron and its descendants).
 *
 * Each of our lines ends with a comment that identifies it, its mark. All other lines stay as they
 * are; a crontab that cannot be read is never written.
 */
#ifndef FARM_BASE_BOOT_H
#define FARM_BASE_BOOT_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>

/* Whether this host has crontab(1); that does not mean that cron runs. */
bool boot_possible(void);
/* Makes cron run `argv` (NULL-terminated) at boot with this PATH (NULL: cron's own). Replaces the
 * line with this mark. A mark is one line of text. */
int boot_set(const char *mark, const char *const *argv, const char *path, struct err *err);
/* Removes the line with this mark; succeeds if there is none. */
int boot_clear(const char *mark, struct err *err);
bool boot_is_set(const char *mark);

/* The path of this program, /PREFIX/VERSION/bin/NAME, in a form that survives an upgrade: through
 * the link PREFIX/current if it leads here. NAME itself if the path is unknown. */
const char *boot_program(struct arena *arena, const char *name);

#endif
