/* SPDX-License-Identifier: MIT */
/* check.h - checks on the values of farm.yaml. Private to coordinator/config. */
#ifndef FARM_CONFIG_CHECK_H
#define FARM_CONFIG_CHECK_H

#include "coordinator/config/config.h"

/* Checks names, URLs, globs, bounds between values, and references to targets; completes the
 * targets. Returns NULL on success, otherwise the member of `config` that is wrong, with the error
 * set. */
const void *config_check(struct config *config, struct err *err);

#endif
