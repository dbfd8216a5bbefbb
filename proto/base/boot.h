/* SPDX-License-Identifier: MIT */
/* boot.h - programs of ours that are started when the machine boots, where systemd does not do it:
 * a line `@reboot ...` in the user's own crontab (crontab(5), Vixie cron and its descendants).
 *
 * Each line ends with a comment that names it, its mark. Lines without it are somebody else's and
 * stay as they are; a crontab that cannot be read is never written.
 */
#ifndef FARM_BASE_BOOT_H
#define FARM_BASE_BOOT_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>

/* Whether there is a crontab(1) here; it says nothing about cron itself. */
bool boot_possible(void);
/* Has `argv` (NULL-terminated) run at boot with this PATH (NULL: cron's own), instead of what had
 * the mark before. A mark is one line. */
int boot_set(const char *mark, const char *const *argv, const char *path, struct err *err);
/* Forgets it. Fine when there is none. */
int boot_clear(const char *mark, struct err *err);
bool boot_is_set(const char *mark);

/* This program, /PREFIX/VERSION/bin/NAME, by a name that survives an upgrade: through the link
 * PREFIX/current where that leads to it. NAME itself when nothing better is known. */
const char *boot_program(struct arena *arena, const char *name);

#endif
