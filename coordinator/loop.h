/* SPDX-License-Identifier: MIT */
/* loop.h - one coordinator: the turn, and what it is made of.
 *
 * A turn: wait -> gather inputs -> step the core -> commit the records in one transaction ->
 * perform the effects. No effect precedes its commit. A failed commit ends the process; a restart
 * replays. One thread owns all of this; the log store and ZAP have threads of their own and speak
 * by messages.
 */
#ifndef FARM_LOOP_H
#define FARM_LOOP_H

#include "proto/base/err.h"

struct loop_options {
    const char *home;    /* the farm's folder: farm.yaml, keys/, journal.db, logs/, run/ ... */
    const char *program; /* path of this program, for its children */
};

/* Runs until SIGTERM or SIGINT. SIGHUP reads farm.yaml again. Returns 0, or -1 with err when it
 * could not begin. */
int loop_run(const struct loop_options *options, struct err *err);

#endif
