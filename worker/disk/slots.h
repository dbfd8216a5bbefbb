/* SPDX-License-Identifier: MIT */
/* slots.h - which attempt has which slot of a project.
 *
 *   HOME/work/PROJECT/slots.lock  flock that serialises claims of slots
 *   HOME/work/PROJECT/SLOT.owner  symbolic link to EPOCH.NUMBER: the attempt that has the slot. The
 *                                 slot is free when that attempt has its result or has no folder
 *
 * A slot is sN, or pN for publications; its worktree is workspace.h's.
 */
#ifndef FARM_WORKER_DISK_SLOTS_H
#define FARM_WORKER_DISK_SLOTS_H

#include "proto/base/err.h"
#include "proto/vocab.h"

/* Claims a free slot for this attempt ('s') or publication ('p'), preferably one whose worktree is
 * on the branch already. Repeating a claim gives the same slot. */
int slots_claim(const char *home, const char *project, const char *branch, char kind,
                struct token token, struct arena *arena, char **slot_out, struct err *err);
/* Holds off claims of the project's slots until the descriptor is closed. -1 with err. */
int slots_lock(const char *home, const char *project, struct arena *arena, struct err *err);
bool slots_is_free(const char *home, const char *project, const char *slot, struct arena *arena);

#endif
