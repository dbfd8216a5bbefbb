/* SPDX-License-Identifier: MIT */
/* start.h - what must hold before a coordinator begins: it is the only one in its folder, and the
 * disk has room for the journal. */
#ifndef FARM_START_H
#define FARM_START_H

#include "proto/base/err.h"

#include <stdbool.h>

/* Locks HOME/run/farmd.pid until the process ends: its holder is this farm's coordinator. Removes
 * the endpoints that a killed one has left, so that from then on they are ours. */
int start_claim(const char *home, struct err *err);
/* Waits, without limit, until the disk of HOME has LIMIT_START_ROOM_BYTES. TERM ends the process
 * meanwhile. */
void start_await_room(const char *home);
/* Whether the disk has less. */
bool start_lacks_room(const char *home);

#endif
