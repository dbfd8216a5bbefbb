/* SPDX-License-Identifier: MIT */
/* shell.h - the parts of a coordinator process, and the only way into its core.
 *
 * loop.c creates and owns everything here and runs the turn; control.c talks to peers, requests.c
 * answers clients, discovery_queue.c runs discovery. Every input goes through shell_step; every
 * message that depends on it is sent in the second half of the turn, when the records are on disk.
 */
#ifndef FARM_SHELL_H
#define FARM_SHELL_H

#include "coordinator/config/config.h"
#include "coordinator/core/farm.h"
#include "proto/link.h"

#include <jansson.h>

struct shell {
    const char *home;
    const char *program; /* the path of farmd, for its children */
    struct config config;
    uint64_t config_hash; /* of the text that config was read from; 0: unknown */
    struct farm *farm;
    struct farm_outcome outcome; /* of this turn */
    struct arena arena;          /* of this turn: messages, replies */
    uint64_t now_ms;             /* boot time; both times are read once per turn */
    uint64_t wall_ms;
    struct journal *journal;
    uint64_t sequence;      /* of the newest record on disk */
    size_t connections_max; /* of each of our sockets */
    bool intake_open;
    struct control *control;
    const char *control_endpoint; /* for workers and clients, with the port that was bound */
    struct replies *replies;
    struct join *join;
    struct questions *questions;
    struct resolver *resolver;
    struct notifier *notifier;
    struct logstore *logs;
};

/* Fills in the time, steps the core and adds its records to the turn's transaction. A record that
 * cannot be written ends the process, and a restart replays the journal
 * (docs/architecture.md, rule 2). */
void shell_step(struct shell *shell, struct input *input);

/* How farmd ends; the keeper (coordinator/keep.h) and service managers tell them apart. */
enum farmd_status {
    FARMD_STOPPED = 0,
    FARMD_NOT_STARTED = 1, /* farm.yaml, a port in use, another coordinator, ... */
    FARMD_GAVE_UP = 70,    /* a write to the journal failed */
    FARMD_NO_ROOM = 75     /* the same, or a start, for lack of room on the disk */
};

/* Ends the process at once with FARMD_GAVE_UP or FARMD_NO_ROOM, because a write to the journal
 * failed: nothing of this turn was acted on, and the journal has everything before it. */
_Noreturn void shell_give_up(const struct shell *shell, const char *what, const struct err *err);

/* HOME/NAME, in the turn's arena. */
char *shell_path(struct shell *shell, const char *name);

/* The sender of a request, and the route for the answer. */
struct asker {
    link_peer peer;
    uint64_t correlation;
    char request_id[33];
    char who[64];
    char public_key[KEY_TEXT_BYTES];
    enum role role;
};

#endif
