/* SPDX-License-Identifier: MIT */
/* fault_vfs.h - a SQLite VFS over the default one, for tests: it fails at the Nth operation, and it
 * knows what a disk would still hold after a power cut.
 *
 * An operation is a write, a sync or a truncation. Bytes go to the real files at once and are
 * remembered until the file is synced; after a crash fault_vfs_restore makes the files what the
 * disk may hold then: all that was synced, and of the rest nothing, everything, or by chance some
 * writes, the last one torn at a sector. Names of files are durable at once. No fsync is really
 * done. One instance at a time; not thread-safe.
 */
#ifndef FARM_FAULT_VFS_H
#define FARM_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

struct fault_vfs;

/* Registers it as the default VFS. */
struct fault_vfs *fault_vfs_create(void);
void fault_vfs_destroy(struct fault_vfs *vfs);

enum fault {
    FAULT_NONE,
    FAULT_ERROR, /* that operation fails (EIO), later ones are fine */
    FAULT_FULL,  /* from that operation on no file grows and no write is taken (ENOSPC) */
    FAULT_SHORT, /* a write stops in the middle, and from then on all is dead */
    FAULT_CUT    /* from that operation on all is dead */
};
/* The fault comes at operation `at` from now, beginning with 1. Revives what was dead. */
void fault_vfs_arm(struct fault_vfs *vfs, enum fault fault, uint64_t at);
/* Operations since it was armed. */
uint64_t fault_vfs_operations(const struct fault_vfs *vfs);
bool fault_vfs_fired(const struct fault_vfs *vfs);
/* The process ends here: whatever is still called fails and changes nothing. */
void fault_vfs_kill(struct fault_vfs *vfs);

enum loss {
    LOSS_NONE,   /* the process died, the machine did not */
    LOSS_ALL,    /* nothing that was not synced reached the disk */
    LOSS_CHANCE, /* some did */
};
/* What the disk holds after the crash; all connections are closed before. `chance` decides
 * LOSS_CHANCE. Forgets all files: what they hold now is durable. */
void fault_vfs_restore(struct fault_vfs *vfs, enum loss loss, uint32_t chance);

#endif
