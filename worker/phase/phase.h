/* SPDX-License-Identifier: MIT */
/* phase.h - the phases of an attempt, from both sides.
 *
 * The loop asks what to run under a supervisor (phase_command) and, once it ended, what came of it
 * (phase_finish). The supervised side is `farm-worker phase NAME FOLDER` (phase_main): it reads the
 * order from its folder, does the phase's work in the foreground with its output on standard output
 * and error, and ends with the tool's exit code. Nothing is handed over but the folder.
 *
 * Builds of the command builder are run as `sh -c COMMAND` directly: no process of ours stands
 * between the supervisor and the command, which is what makes light jobs light.
 */
#ifndef FARM_WORKER_PHASE_PHASE_H
#define FARM_WORKER_PHASE_PHASE_H

#include "proto/base/err.h"
#include "proto/vocab.h"
#include "worker/agent.h"

#include <stdbool.h>

/* What supervisor_client_begin is to start. All texts in the arena of phase_command. */
struct phase_command {
    const char *const *argv;
    const char *const *environment; /* complete: our own environment, cleaned, and FARM_* */
    const char *working_folder;     /* "" : the attempt's folder */
    const char *secret_env;         /* at most one of the two; "" when the phase gets no secret */
    const char *secret_fd_env;
    bool looks_at_host; /* nix-daemon may do its work: supervisor.h's --host-facts */
    bool own_cgroup;    /* worth a cgroup: entering one costs more than a light job itself */
    uint64_t wall_ms, silence_ms; /* limits of this phase, 0 none; fixed for checkout and publish */
};

/* Whether there is nothing to do in this phase: a checkout without git, a check that is off, has no
 * script or cannot run on this host. With CHECK_REQUIRED a check is never skipped. A skipped phase
 * counts as ended well: phase_finish reports it so. */
bool phase_skip(const struct order *order, enum phase phase, const struct capabilities *host);

/* Decides what to run. `program` is the path of farm-worker. The folder must be made already. */
int phase_command(const char *program, const char *home, const struct order *order,
                  enum phase phase, struct arena *arena, struct phase_command *out,
                  struct err *err);

/* Everything the agent wants to know of a phase whose supervisor is gone (or that was skipped):
 * exit facts, cause, product, how a publish went, bytes of log. Ends what is left of the tree when
 * the supervisor was killed. BUILD and CHECK report the whole product, so that a restarted agent
 * knows it too. Fails only when the folder itself cannot be read. */
int phase_finish(const char *home, const struct order *order, enum phase phase,
                 const struct capabilities *host, struct arena *arena,
                 struct agent_phase_ended *out, struct err *err);

/* `farm-worker phase NAME FOLDER`: argv[0] is "phase". FOLDER is HOME/attempts/EPOCH.NUMBER. */
int phase_main(int argc, char **argv);

#endif
