/* SPDX-License-Identifier: MIT */
/* check.h - the check: whether it runs on this host, what its script needs, and what its end means.
 *
 * The check is the branch's own test-build.sh. It proves something of a product only where it could
 * start and where the hardware is that the variant is for; otherwise the variant is "not checked",
 * with the reason, and neither good nor bad. Only CHECK_REQUIRED makes a failure of what could not
 * be checked. */
#ifndef FARM_WORKER_PHASE_CHECK_H
#define FARM_WORKER_PHASE_CHECK_H

#include "proto/base/err.h"
#include "proto/vocab.h"
#include "worker/process/tool.h"

/* Why an automatic check does not run on this host, for people; NULL: it runs. Not for CHECK_OFF
 * and branches without a script: those have no check. */
const char *check_obstacle(const struct capabilities *host, const struct variant *variant,
                           struct arena *arena);

/* What the script of the worktree calls that is not in our PATH, as one clause; "" when nothing is
 * missing or there is no script. The script is read, not run. */
const char *check_missing(const char *worktree, struct arena *arena);

/* Why a check that did not succeed could not start, or could not go on, for want of a program: the
 * line that shows it, or its exit status; NULL when it ran. `tail` is the end of its log. What is
 * missing in the product itself is no such reason, and what comes before another error is not. */
const char *check_not_started(const struct exit_facts *facts, struct bytes tail,
                              const struct product *product, struct arena *arena);

/* Whether the end of its log says that the GPU had no memory left. */
bool check_lacked_gpu_memory(struct bytes tail);

/* Adds what the check gets beside the variables of the order: FARM_CHECK (cpu or gpu), FARM_RESULT,
 * FARM_RESULT_PYTHON. `gpu` is the UUID of the only GPU that the check may use, or "" for all of
 * them; NULL hides GPUs from a check on the CPU. */
void check_environment(struct texts *environment, const struct variant *variant,
                       const struct product *product, const char *gpu);

#endif
