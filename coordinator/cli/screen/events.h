/* SPDX-License-Identifier: MIT */
/* events.h - prints events of the farm as lines for people.
 *
 * An event has numbers; the teller remembers the package, worker or run of each number, from the
 * first status and from the events themselves. Repeated events are dropped, so that a stream may be
 * requested twice. */
#ifndef FARM_CLI_SCREEN_EVENTS_H
#define FARM_CLI_SCREEN_EVENTS_H

#include "proto/base/mem.h"

#include <jansson.h>
#include <stdbool.h>

struct teller;

struct teller *teller_create(void);
void teller_destroy(struct teller *teller);
/* Learns names: a run with jobs, a list of workers (of the replies `status`, `workers`). */
void teller_learn(struct teller *teller, const json_t *run, const json_t *workers);
enum weight {
    EVENT_UNTOLD, /* of no interest to people */
    EVENT_USUAL,
    EVENT_BAD /* something failed, or waits for a person */
};
/* Appends a line for the event, with a newline. A `run` other than 0 limits the events to those
 * that are known to belong to it. */
enum weight teller_tell(struct teller *teller, const json_t *event, uint64_t run, struct buf *out);

#endif
