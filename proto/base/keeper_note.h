/* SPDX-License-Identifier: MIT */
/* keeper_note.h - a file in which a keeper leaves word for the commands of people: how often it has
 * restarted its child, why the last time, and whether it has given up.
 *
 * There is no file before the first restart and after a keeper that was told to stop. */
#ifndef FARM_BASE_KEEPER_NOTE_H
#define FARM_BASE_KEEPER_NOTE_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct keeper_note {
    bool gave_up;
    uint64_t restarts;
    uint64_t wall_ms; /* of the last end */
    char why[1024];   /* of the last end, or why it gave up: one line */
};

int keeper_note_write(const char *path, const struct keeper_note *note, struct err *err);
/* False if there is no such file. */
bool keeper_note_read(const char *path, struct keeper_note *out);

#endif
