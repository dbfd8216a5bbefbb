/* SPDX-License-Identifier: MIT */
/* loop.h - runs a coordinator, turn by turn.
 *
 * A turn: wait -> gather inputs -> step the core -> commit the records in one transaction ->
 * perform the effects. No effect precedes its commit. A failed commit ends the process; a restart
 * replays the journal. One thread does all of this; the log store and ZAP have their own threads
 * and communicate by messages.
 */
#ifndef FARM_LOOP_H
#define FARM_LOOP_H

#include "proto/base/err.h"

struct loop_options {
    const char *home;    /* the farm's folder: farm.yaml, keys/, journal.db, logs/, run/ ... */
    const char *program; /* the path of farmd, for its children */
};

/* Runs until SIGTERM or SIGINT; SIGHUP reloads farm.yaml. Returns 0, or -1 with err when it could
 * not start. */
int loop_run(const struct loop_options *options, struct err *err);

#endif
