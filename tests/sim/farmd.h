/* SPDX-License-Identifier: MIT */
/* farmd.h - the coordinator's shell, simulated around the real core.
 *
 * Keeps the order of coordinator/loop.c: gather inputs, step the core, commit, perform the effects.
 * Who is connected where is decided by coordinator/sessions/, as in coordinator/control.c. It may
 * die between any two lines of that; then a new one replays the journal, is told that it starts,
 * and resumes.
 */
#ifndef SIM_FARMD_H
#define SIM_FARMD_H

#include "coordinator/core/view.h"
#include "tests/sim/network.h"

struct journal_bytes;

struct farmd *farmd_create(struct world *world);
void farmd_destroy(struct farmd *farmd);

/* A frame came in; it is looked at in the next turn. */
void farmd_receive(struct world *world, sim_peer from, struct bytes bytes);
/* The log store has sealed this log. */
void farmd_sealed(struct world *world, struct token token, uint64_t bytes);

/* NULL while it is down. For people who look at `farm status`, and for the end. */
const struct farm *farmd_farm(const struct world *world);
const struct journal_bytes *farmd_journal(const struct world *world);

/* ---- faults ---- */
void farmd_crash(struct world *world, uint64_t back_in_ms);
/* Dies at one of the next places where it can. */
void farmd_crash_soon(struct world *world);
void farmd_crash_not(struct world *world);   /* not any more */
void farmd_fail_commit(struct world *world); /* the next one */
void farmd_stall(struct world *world, uint64_t for_ms);
void farmd_boot(struct world *world); /* its machine: the boot clock begins anew */
void farmd_jump_wall(struct world *world, int64_t by_ms);
void farmd_backup(struct world *world);
void farmd_restore(struct world *world); /* the backup; the epoch rises */
void farmd_compact_soon(struct world *world);
void farmd_set_intake(struct world *world, bool open);

#endif
