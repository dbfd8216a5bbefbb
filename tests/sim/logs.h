/* SPDX-License-Identifier: MIT */
/* logs.h - the log store: takes pieces of logs, acknowledges them when they are on disk, tells when
 * a log is sealed. It dies with the coordinator; what was on disk stays. */
#ifndef SIM_LOGS_H
#define SIM_LOGS_H

#include "tests/sim/network.h"

struct logs *logs_create(void);
void logs_destroy(struct logs *logs);

void logs_receive(struct world *world, sim_peer from, const struct message *message);
/* From now on the worker with this key may write this log. */
void logs_expect(struct world *world, struct token token, const char *key);
void logs_crash(struct world *world);
/* What is stored of a log; *sealed whether that is all of it. */
uint64_t logs_bytes(const struct world *world, struct token token, bool *sealed);

#endif
