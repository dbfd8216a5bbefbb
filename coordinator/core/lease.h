/* SPDX-License-Identifier: MIT */
/* lease.h - hellos and statuses of workers, and their silence (lease.c has the rules). */
#ifndef FARM_LEASE_H
#define FARM_LEASE_H

#include "coordinator/core/step.h"

/* A worker said hello: it connected, or it needs a new session. Welcomes or refuses it. */
void decide_hello(struct step *step, const struct input_hello *input);
/* A status of the current session. A status of any other session is answered with
 * EFFECT_HELLO_AGAIN. */
void decide_status(struct step *step, const struct input_status *input);
/* Orders could not be delivered to this worker: ends its session. */
void decide_send_failed(struct step *step, uint64_t worker);
/* The whole log of an attempt or a try is on disk. */
void decide_sealed(struct step *step, const struct input_sealed *input);
/* Time passed: silent workers go offline, and leases that were not renewed are lost. */
void decide_expiry(struct step *step);
/* What follows from a record, after everything else that follows from it: a worker whose status was
 * heard is sent the orders it is owed. */
void ask_orders(struct step *step, const struct record *record);
/* Ends a live attempt as lost, and decides what follows for its job. */
void lose_attempt(struct step *step, struct token token, const char *detail);

#endif
