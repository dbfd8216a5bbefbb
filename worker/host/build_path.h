/* SPDX-License-Identifier: MIT */
/* build_path.h - PATH for builds: the folders that have git, nix and flox, then the usual ones. */
#ifndef FARM_WORKER_HOST_BUILD_PATH_H
#define FARM_WORKER_HOST_BUILD_PATH_H

#include "proto/base/mem.h"

/* Looks for the tools in this process's PATH. */
const char *build_path(struct arena *arena);

#endif
