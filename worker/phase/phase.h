/* SPDX-License-Identifier: MIT */
/* phase.h - the phases of an attempt, for the loop and for the supervised process.
 *
 * The loop asks which command to run under a supervisor (phase_command) and, when it ended, for the
 * result (phase_finish). The supervised process is `farm-worker phase NAME FOLDER` (phase_main): it
 * reads the order from the folder, does the phase's work in the foreground with its output on
 * standard output and error, and exits with the tool's exit code. The folder is its only input; a
 * check also gets FARM_CHECK, what it will prove on this host.
 *
 * Builds of the command builder run as `sh -c COMMAND` without such a process between the
 * supervisor and the command. That is what makes light jobs light. */
#ifndef FARM_WORKER_PHASE_PHASE_H
#define FARM_WORKER_PHASE_PHASE_H

#include "proto/base/err.h"
#include "proto/vocab.h"
#include "worker/agent/input.h"

#include <stdbool.h>

/* What supervisor_client_begin starts. All texts are in the arena given to phase_command. */
struct phase_command {
    const char *const *argv;
    const char *const *environment; /* complete: our own without FARM_*, plus the order's FARM_* */
    const char *working_folder;     /* "": the attempt's folder */
    const char *secret_env;         /* at most one of the two is set; "" without a secret */
    const char *secret_fd_env;
    bool looks_at_host; /* nix-daemon may do the work: pass --host-facts (supervisor.h) */
    bool own_cgroup;    /* false for a light job: entering a cgroup costs more than the job */
    uint64_t wall_ms, silence_ms; /* limits of this phase; 0: none */
};

/* True when this phase has nothing to do: a checkout without git; a check that is off, has no
 * script, or lacks the hardware here (check.h). With CHECK_REQUIRED a check is never skipped.
 * phase_finish reports a skipped phase as successful. */
bool phase_skip(const struct order *order, enum phase phase, const struct capabilities *host);

/* Decides what to run. `program` is the path of farm-worker. The folder must exist. 0, or -1 with
 * err. */
int phase_command(const char *program, const char *home, const struct order *order,
                  enum phase phase, const struct capabilities *host, struct arena *arena,
                  struct phase_command *out, struct err *err);

/* The result of a phase whose supervisor ended, or that was skipped: exit facts, cause, product,
 * the finding of a publish, size of the log, why nothing was checked. If the supervisor was
 * killed, kills the rest of its process tree first. BUILD and CHECK report the whole product, so
 * that a restarted agent knows it, too. Fails with -1 and err only when the folder cannot be
 * read. */
int phase_finish(const char *home, const struct order *order, enum phase phase,
                 const struct capabilities *host, struct arena *arena,
                 struct agent_phase_ended *out, struct err *err);

/* `farm-worker phase NAME FOLDER`: argv[0] is "phase". FOLDER is HOME/attempts/EPOCH.NUMBER. */
int phase_main(int argc, char **argv);

#endif
