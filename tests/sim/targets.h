/* SPDX-License-Identifier: MIT */
/* targets.h - where packages are published to: what really is there, and whether our token is
 * accepted. */
#ifndef SIM_TARGETS_H
#define SIM_TARGETS_H

#include "tests/sim/world.h"

struct targets *targets_create(void);
void targets_destroy(struct targets *targets);

bool targets_accepts(const struct world *world, const char *org);
/* Whether it ever did not accept it. */
bool targets_refused(const struct world *world, const char *org);
void targets_set_token(struct world *world, const char *org, bool good);
void targets_renew_tokens(struct world *world);
bool targets_has(const struct world *world, const char *org, const struct variant *variant);
void targets_put(struct world *world, const char *org, const struct variant *variant);

#endif
