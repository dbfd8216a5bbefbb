/* SPDX-License-Identifier: MIT */
/* events.h - records of the farm as lines for people.
 *
 * An event names numbers; the teller remembers which package, worker or run a number is, from the
 * status it was given at the start and from the events themselves. Events it has seen are dropped,
 * so that a stream may be asked for twice. */
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
    EVENT_UNTOLD, /* nothing a person waits for */
    EVENT_USUAL,
    EVENT_BAD /* something failed, or waits for a person */
};
/* Appends a line for the event, with a newline. `run`: only what is known to belong to it is told;
 * 0 all. */
enum weight teller_tell(struct teller *teller, const json_t *event, uint64_t run, struct buf *out);

#endif
