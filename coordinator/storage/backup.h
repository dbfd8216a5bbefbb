/* SPDX-License-Identifier: MIT */
/* backup.h - what a farm knows, copied aside and put back.
 *
 * A backup is a folder (people get it as one tar file, cli/cmd_backup.c) with
 *
 *   backup       the line "floxfarm backup 1\n"; a higher number is refused
 *   journal.db   as of one moment; the coordinator may write meanwhile and is not held up
 *   farm.yaml    keys/    bundles/
 *
 * Logs, clones and secrets are not in it: logs are large, clones are fetched again, and secrets are
 * set again. Nothing here needs a coordinator or speaks to one.
 */
#ifndef FARM_STORAGE_BACKUP_H
#define FARM_STORAGE_BACKUP_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* Names of what a backup has beside journal.db, NULL behind the last; all but the first may lack.
 */
extern const char *const backup_names[];

/* Writes FOLDER/backup and FOLDER/journal.db; the rest is copied from HOME by who calls. The copy
 * is checked. FOLDER is there, and empty. */
int backup_journal(const char *home, const char *folder, struct err *err);

struct backup_wish {
    const char *home;
    const char *folder; /* the backup's, on the same file system; emptied by a restore */
    bool back;          /* also where the farm was moved away from */
    bool complete;      /* the farm did nothing after the backup: it need not begin paused */
};
struct backup_restored {
    uint32_t epoch;
    const char *aside; /* the folder with what was there before, "" when nothing was */
};
/* Puts a backup in the place of what HOME has. Refused while a coordinator runs there, when HOME is
 * another farm's, and, unless `back`, when HOME was moved away (HOME/MOVED). All records of the
 * backup are read before anything is touched, and its epoch is raised above every one that HOME
 * shows a trace of: no token is given out twice, and what workers began since then, being of an
 * earlier epoch, can become ours again. So that it does before anybody else is given the same job,
 * the farm begins paused. Interrupted in the middle, HOME has no farm.yaml, so that no coordinator
 * starts on half of it; what was there is in HOME/aside-*. */
int backup_restore(const struct backup_wish *wish, struct arena *arena, struct backup_restored *out,
                   struct err *err);

/* Keeps coordinators (and restores) out of HOME until the descriptor is closed. Refused while one
 * runs there. */
int backup_lock(const char *home, int *fd, struct err *err);
/* 0 when a coordinator may run in HOME; -1 with where the farm was moved to. */
int backup_check_here(const char *home, struct err *err);
/* Says that the farm lives elsewhere from now on. Durable. */
int backup_mark_moved(const char *home, const char *where, struct err *err);

#endif
