/* SPDX-License-Identifier: MIT */
/* bugs.h - the planted bugs (proto/base/seeded.h) and the hunt for them: each is played by a
 * process of its own until a checker or an assert catches it. */
#ifndef SIM_BUGS_H
#define SIM_BUGS_H

#include <stdbool.h>

/* From now on this bug is alive. False: no such bug, or none can be planted in this program. */
bool bugs_plant(const char *name);
/* Prints bug, seeds needed, checker. 0 when all were caught. */
int bugs_hunt(void);

#endif
