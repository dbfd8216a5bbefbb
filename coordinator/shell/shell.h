/* SPDX-License-Identifier: MIT */
/* shell.h - the parts of one coordinator process, and the one way into its core.
 *
 * loop.c makes and owns all of it and runs the turn; control.c speaks with peers, requests.c
 * answers clients, discovery_queue.c runs discovery. Whatever they learn goes through shell_step;
 * whatever they tell anyone is told in the second half of a turn, when its records are on disk.
 */
#ifndef FARM_SHELL_H
#define FARM_SHELL_H

#include "coordinator/config/config.h"
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
    struct control *control;
    const char *control_endpoint; /* where workers and clients connect, with the chosen port */
    struct replies *replies;
    struct join *join;
    struct questions *questions;
    struct resolver *resolver;
    struct notifier *notifier;
    struct logstore *logs;
};

/* Steps the core and adds its records to the turn's transaction; time is filled in. A record that
 * cannot be written ends the process, and a restart replays the journal
 * (docs/architecture.md, rule 2). */
void shell_step(struct shell *shell, struct input *input);

/* Ends the process at once, after a write of the journal failed: nothing of this turn was acted on,
 * and the journal has everything before it. */
_Noreturn void shell_give_up(const char *what, const struct err *err);

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
