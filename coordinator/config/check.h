/* SPDX-License-Identifier: MIT */
/* check.h - what the values of farm.yaml mean together. Inside of config only. */
#ifndef FARM_CONFIG_CHECK_H
#define FARM_CONFIG_CHECK_H

#include "coordinator/config/config.h"

/* Checks names, URLs, globs, bounds between values, and references to targets; completes the
 * targets. Returns NULL when all is well, else the member that is to blame, with the error set. */
const void *config_check(struct config *config, struct err *err);

#endif
