/* SPDX-License-Identifier: MIT */
/* shell.h - the parts of one coordinator process, and the one way into its core.
 *
 * loop.c makes and owns all of it and runs the turn; desk.c speaks with peers, requests.c answers
 * clients, resolve.c runs discovery. Whatever they learn goes through shell_step; whatever they
 * tell anyone is told in the second half of a turn, when its records are on disk.
 */
#ifndef FARM_SHELL_H
#define FARM_SHELL_H

#include "coordinator/config.h"
#include "coordinator/core/farm.h"
#include "proto/link.h"

#include <jansson.h>

struct shell {
    const char *home;
    const char *program; /* path of farmd itself, for its children */
    struct config config;
    struct farm *farm;
    struct farm_outcome outcome; /* of this turn */
    struct arena arena;          /* of this turn: messages, replies */
    uint64_t now_ms;             /* boot time and wall time, read once a turn */
    uint64_t wall_ms;
    struct journal *journal;
    uint64_t sequence;      /* of the newest record on disk */
    size_t connections_max; /* at each of our sockets */
    bool intake_open;
    struct desk *desk;
    struct door *door;
    struct questions *questions;
    struct resolver *resolver;
    struct notifier *notifier;
    struct logstore *logs;
};

/* Steps the core and adds its records to the turn's transaction; time is filled in. A record that
 * cannot be written ends the process: the journal brings it back (design: rule 2). */
void shell_step(struct shell *shell, struct input *input);

/* HOME/NAME, in the turn's arena. */
char *shell_path(struct shell *shell, const char *name);

/* Who asked, and where the answer goes. */
struct asker {
    link_peer peer;
    uint64_t correlation;
    char request_id[33];
    char who[64];
    char public_key[KEY_TEXT_BYTES];
    enum role role;
};

#endif
