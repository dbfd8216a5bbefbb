/* SPDX-License-Identifier: MIT */
/* backup.h - backs up a farm and restores it.
 *
 * A backup is a folder, which people get as one tar file (coordinator/cli/commands/cmd_backup.c):
 *
 *   backup       the line "floxfarm backup 1\n"; a higher number is refused
 *   journal.db   a consistent copy; the coordinator may write meanwhile and is not blocked
 *   farm.yaml    the configuration
 *   keys/        the keys of the farm
 *   bundles/     git bundles of unpushed commits
 *
 * It contains no logs, clones or secrets: logs are large, clones are fetched again, and secrets
 * must be set again. Nothing here needs a coordinator or talks to one.
 */
#ifndef FARM_STORAGE_BACKUP_H
#define FARM_STORAGE_BACKUP_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* Entries of a backup besides journal.db, NULL-terminated; only the first is mandatory. */
extern const char *const backup_names[];

/* Writes FOLDER/backup and FOLDER/journal.db into an existing, empty folder and checks the copy of
 * the journal. The caller copies the other entries from HOME. */
int backup_journal(const char *home, const char *folder, struct err *err);

struct backup_wish {
    const char *home;
    const char *folder; /* of the backup, on HOME's file system; a restore empties it */
    bool back;          /* restore even where the farm was moved away from */
    bool complete;      /* the farm did nothing after the backup, so it need not start paused */
};
struct backup_restored {
    uint32_t epoch;
    const char *aside; /* the folder with HOME's previous files, "" when there were none */
};
/* Replaces the files in HOME by those of a backup. Refuses while a coordinator runs there, when
 * HOME belongs to another farm, and, unless `back`, when the farm was moved away (HOME/MOVED). All
 * records of the backup are read before anything in HOME changes. The epoch is raised above every
 * epoch that left a trace in HOME: so no token is issued twice, and attempts that workers started
 * after the backup, which belong to an earlier epoch, can be adopted. The farm starts paused, so
 * that they are adopted before their jobs are offered to other workers. If the restore is
 * interrupted, HOME has no farm.yaml, so that no coordinator starts on an incomplete farm; the
 * previous files are in HOME/aside-*. */
int backup_restore(const struct backup_wish *wish, struct arena *arena, struct backup_restored *out,
                   struct err *err);

/* Locks HOME against coordinators and restores until the descriptor is closed. Refuses while a
 * coordinator runs there. */
int backup_lock(const char *home, int *fd, struct err *err);
/* 0 when a coordinator may run in HOME; -1 with an error that names the farm's new place. */
int backup_check_here(const char *home, struct err *err);
/* Marks HOME as moved to `where`. Durable. */
int backup_mark_moved(const char *home, const char *where, struct err *err);

#endif
