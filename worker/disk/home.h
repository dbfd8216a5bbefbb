/* SPDX-License-Identifier: MIT */
/* home.h - the top of a worker's home: what belongs to its one running agent, and locks.
 *
 *   lock       held by the agent while it runs
 *   agent.pid  its process, for `farm-worker service`
 *   instance   random text, drawn once: tells apart two workers that have the same key
 */
#ifndef FARM_WORKER_DISK_HOME_H
#define FARM_WORKER_DISK_HOME_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>

enum { WORKER_INSTANCE_BYTES = 33 };

/* Takes the lock and writes agent.pid. Returns the descriptor, which holds the lock until it is
 * closed; -1 with err, for example because another worker runs in this home. */
int worker_home_lock(const char *home, struct err *err);
/* Reads the instance; draws and stores it if there is none. */
int worker_home_instance(const char *home, char out[WORKER_INSTANCE_BYTES], struct err *err);
/* Opens HOME/PART/NAME and waits for its lock; makes the folder if needed. The descriptor, which
 * holds the lock until it is closed, or -1 with err. */
int worker_home_lock_file(const char *home, const char *part, const char *name, struct arena *arena,
                          struct err *err);
/* Whether this may name a folder of ours: one path component that is neither an option nor a hidden
 * file. */
bool worker_home_good_name(const char *name);

#endif
