/* SPDX-License-Identifier: MIT */
/* nix_settings.h - what nix's configuration says. */
#ifndef FARM_WORKER_HOST_NIX_SETTINGS_H
#define FARM_WORKER_HOST_NIX_SETTINGS_H

#include "proto/base/mem.h"

#include <stdbool.h>

/* The value of a setting as the nix on PATH sees it, in the arena; NULL when it does not tell.
 * `of_daemon`: without what this user alone sets, so what a nix-daemon of the same host reads. */
const char *nix_setting(const char *name, bool of_daemon, struct arena *arena);

#endif
