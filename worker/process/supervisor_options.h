/* SPDX-License-Identifier: MIT */
/* supervisor_options.h - the arguments of farm-supervisor; supervisor.h is their manual. */
#ifndef FARM_WORKER_PROCESS_SUPERVISOR_OPTIONS_H
#define FARM_WORKER_PROCESS_SUPERVISOR_OPTIONS_H

#include "worker/process/run_file.h"

#include <stdbool.h>

struct supervisor_options {
    const char *folder, *phase, *working_folder;
    unsigned long long wall_ms, silence_ms, stop_grace_ms, log_bytes_max;
    const char *cgroups[RUN_FILE_CGROUPS_MAX];
    int cgroup_count;
    int nice;
    const char *secret_env, *secret_fd_env;
    const char *host_root; /* NULL: no host facts */
    char **command;
};

/* Borrows argv. False when the arguments are wrong. */
bool supervisor_options_parse(struct supervisor_options *options, int argc, char **argv);

#endif
