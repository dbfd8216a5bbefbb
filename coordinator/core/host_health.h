/* SPDX-License-Identifier: MIT */
/* host_health.h - hosts that break what they are given: suspicion, quarantine, probation
 * (host_health.c has the rule). */
#ifndef FARM_HOST_HEALTH_H
#define FARM_HOST_HEALTH_H

#include "coordinator/core/step.h"

/* What follows from a record: where an attempt ended, its host is suspected, quarantined or
 * cleared. Evaluations say nothing about a host. */
void judge_hosts(struct step *step, const struct record *record);
/* A person vouches for the host: what speaks against it is forgotten. */
void forgive_host(struct step *step, uint64_t worker);
/* Puts hosts on probation whose quarantine is over. */
void decide_probations(struct step *step);

#endif
