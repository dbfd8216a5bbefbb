/* SPDX-License-Identifier: MIT */
/* reload.h - takes farm.yaml as it is now.
 *
 * One rule: the coordinator reads the whole file when it starts, by `farm config reload` (or
 * SIGHUP), and before each command that asks what there is to build (matrix, plan, rebuild, retry).
 * So what a person wrote counts for the next command, never for half of it. Builds that run keep
 * the settings with which they began. A file with errors changes nothing. */
#ifndef FARM_SHELL_RELOAD_H
#define FARM_SHELL_RELOAD_H

#include "coordinator/shell/shell.h"

/* Reads the file if it is not the one that was read last. Values that wait for the next start
 * (config_change.waits) are in shell->config at once, but nothing uses them. `changes` may be NULL;
 * otherwise release it. -1 with err, and the old settings stay. */
int reload_config(struct shell *shell, struct config_changes *changes, struct err *err);

#endif
