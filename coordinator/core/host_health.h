/* SPDX-License-Identifier: MIT */
/* host_health.h - finds hosts that make jobs fail: suspicion, quarantine, probation (host_health.c
 * has the rule). */
#ifndef FARM_HOST_HEALTH_H
#define FARM_HOST_HEALTH_H

#include "coordinator/core/step.h"

/* What follows from a record: when an attempt has ended, its host is suspected, quarantined or
 * cleared. Evaluations do not count for or against a host. */
void judge_hosts(struct step *step, const struct record *record);
/* A person vouches for the host: the failures held against it are forgotten. */
void forgive_host(struct step *step, uint64_t worker);
/* Puts hosts whose quarantine has ended on probation. */
void decide_probations(struct step *step);

#endif
