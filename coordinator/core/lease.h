/* SPDX-License-Identifier: MIT */
/* lease.h - what workers say, and what they no longer say (lease.c has the rules). */
#ifndef FARM_LEASE_H
#define FARM_LEASE_H

#include "coordinator/core/step.h"

/* A worker connected, or its session began again. Welcomes or refuses it. */
void decide_hello(struct step *step, const struct input_hello *input);
/* A status of the session that is known; any other is answered with EFFECT_HELLO_AGAIN. */
void decide_status(struct step *step, const struct input_status *input);
/* Its orders could not be delivered: its session ends. */
void decide_send_failed(struct step *step, uint64_t worker);
/* The whole log of an attempt or of a try is on disk. */
void decide_sealed(struct step *step, const struct input_sealed *input);
/* Time passed: silent workers go offline, and leases that nobody renewed are lost. */
void decide_expiry(struct step *step);
/* What follows from a record, once everything else that follows is decided: a worker that was heard
 * is told what it has to hear. */
void ask_orders(struct step *step, const struct record *record);
/* Ends a live attempt as lost, with what follows for its job. */
void lose_attempt(struct step *step, struct token token, const char *detail);

#endif
