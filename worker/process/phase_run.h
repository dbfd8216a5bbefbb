/* SPDX-License-Identifier: MIT */
/* phase_run.h - what a supervisor knows of the phase that it runs.
 *
 * supervisor.c owns the stage; run_file_writer.c writes PHASE.run, run_command.c starts the
 * command, run_limits.c holds it to its limits. Only they include this.
 */
#ifndef FARM_WORKER_PROCESS_PHASE_RUN_H
#define FARM_WORKER_PROCESS_PHASE_RUN_H

#include "proto/limits.h"
#include "worker/process/hostfacts.h"
#include "worker/process/sink.h"
#include "worker/process/supervisor_options.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    EXIT_USAGE = 64,  /* sysexits.h: wrong arguments */
    EXIT_CANNOT = 71, /* the system refused something before the command was started */
    EXIT_TAKEN = 75   /* another supervisor runs this phase, or the phase is over */
};

enum run_stage { PHASE_IS_RUNNING, PHASE_IS_ENDING, PHASE_IS_KILLING, PHASE_IS_GONE };

struct phase_run {
    struct supervisor_options options;
    enum run_stage stage;
    int folder, record, log, signals, pipe; /* record: PHASE.run */
    char secret[LIMIT_SECRET_BYTES + 1];
    size_t secret_size;
    struct sink *sink;
    pid_t command;
    int status; /* from wait(), once the command ended */
    unsigned long long started_ms, output_ms, ending_since_ms, killed_ms;
    unsigned long long warned_wall_ms, warned_silence_ms; /* when the stop was announced; 0: not */
    unsigned long long stop_at_ms; /* the stop that PHASE.run announces; 0: none */
    unsigned long long cpu_ms;     /* at the last check for silence */
    unsigned long long free_at_first, free_at_least, looked_ms; /* free bytes of the disk */
    unsigned kills;
    bool timed_out, silent;
    bool is_subreaper;         /* if not (qemu-user 7.2), orphans are found by their environment */
    bool is_childless;         /* no child is left; orphans that we did not inherit may be */
    struct daemon_look daemon; /* at the start of the phase */
    char marker[4200];
};

/* Milliseconds since boot. */
unsigned long long run_now_ms(void);
/* Reports a failure on standard error and in the log, and exits: before the command runs there is
 * no other way to handle one. The reason is errno's. */
_Noreturn void run_give_up(const struct phase_run *run, int code, const char *what,
                           const char *name);
/* Signals all descendants; returns how many there are. */
size_t run_signal_tree(const struct phase_run *run, int number);
/* Free bytes of the disk that the command works on; 0: unknown. */
unsigned long long run_free_bytes(const struct phase_run *run);

#endif
