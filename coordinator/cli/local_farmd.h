/* SPDX-License-Identifier: MIT */
/* local_farmd.h - the coordinator of a farm on this machine: whether it runs, and stopping it.
 *
 *   HOME/run/farmd.pid     locked by the coordinator while it runs
 *   HOME/run/keeper.pid    locked by its keeper (`farmd keep`)
 *   HOME/run/keeper.note   what the keeper has to say (proto/base/keeper_note.h)
 *   HOME/run/up.lock       locked by the command that starts or stops programs
 *
 * The holders of the locks are the truth; nothing here believes the text of a file. */
#ifndef FARM_CLI_LOCAL_FARMD_H
#define FARM_CLI_LOCAL_FARMD_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Takes HOME/run/up.lock until this program ends, so that commands that start and stop programs
 * run one after the other. Waits for another one at most a minute. May be repeated. */
int local_farmd_lock(struct arena *arena, const char *home, struct err *err);

/* The coordinator, or its keeper; 0 if none runs. LOCKFILE_UNSEEN (-1) if it runs in another
 * container or on another host. */
pid_t local_farmd_pid(struct arena *arena, const char *home);
pid_t local_farmd_keeper(struct arena *arena, const char *home);

/* Stops the keeper, then the coordinator. 0: stopped; 1: none ran; -1 with err: one still runs, or
 * another process uses the journal. Call local_farmd_lock first. */
int local_farmd_stop(struct arena *arena, const char *home, struct err *err);

/* Why no coordinator can be reached although one was started: its keeper has given up, or waits to
 * restart it, or it waits for room on the disk. A sentence, "" if there is no such reason. */
const char *local_farmd_trouble(struct arena *arena, const char *home);
/* What the keeper of this farm said when it gave up; "" if the last one did not. */
const char *local_farmd_given_up(struct arena *arena, const char *home);
/* How often the keeper has restarted the coordinator that runs, and why the last time, if that was
 * within a day. A sentence, or "". */
const char *local_farmd_restarts(struct arena *arena, const char *home, uint64_t now_wall_ms);

#endif
