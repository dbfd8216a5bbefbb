/* SPDX-License-Identifier: MIT */
/* run_file_reader.h - PHASE.run, as the worker reads it; run_file.h has its layout.
 *
 * Refuses a part that is not complete or has a value that is no number: it counts as not written.
 */
#ifndef FARM_WORKER_PROCESS_RUN_FILE_READER_H
#define FARM_WORKER_PROCESS_RUN_FILE_READER_H

#include "proto/vocab.h"
#include "worker/process/run_file.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct supervisor_id {
    char boot_id[40];
    pid_t pid;
    unsigned long long start_time;
};

struct run_file {
    bool has_id, has_exit;
    struct supervisor_id id;
    char cgroups[RUN_FILE_CGROUPS_MAX][PATH_MAX];
    int cgroup_count;
    uint64_t log_from;
    struct exit_facts facts;
    int file; /* -1 if it does not exist or is refused (beneath.h) */
};

/* Reads what is written so far; nothing if there is no such regular file. Release with
 * run_file_close. */
void run_file_read(const char *folder, enum phase phase, struct run_file *run_file);
/* Reads the exit facts again. */
void run_file_read_exit(struct run_file *run_file);
void run_file_close(struct run_file *run_file);
/* Whether the supervisor was started since the host's last boot; only then is its pid its own. */
bool run_file_is_this_boot(const struct run_file *run_file);
/* Why a running phase will soon be stopped unless it makes progress: CAUSE_SILENT, CAUSE_TIMEOUT or
 * CAUSE_NONE. *at_ms is the time of the stop in ms since boot. */
enum cause run_file_coming_stop(const char *folder, enum phase phase, uint64_t *at_ms);

#endif
