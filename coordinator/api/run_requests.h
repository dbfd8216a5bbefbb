/* SPDX-License-Identifier: MIT */
/* run_requests.h - the functions behind the verbs about runs: what a run would build, starting one,
 * retrying, cancelling and publishing it.
 *
 * A request that is refused leaves no record. Any other steps the core at once, which answers with
 * EFFECT_REPLY, or waits for discovery (discovery_queue.h), which answers later. Exit codes of
 * refusals: 2 (the request is wrong), 3 (there is no such thing, or it cannot be). requests.c has
 * their rows, and questions.c has checked the role. */
#ifndef FARM_API_RUN_REQUESTS_H
#define FARM_API_RUN_REQUESTS_H

#include "coordinator/shell/shell.h"

void serve_matrix(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_plan(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_standing(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_rebuild(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_retry(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_build(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_cancel(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_publish(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_settle(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_release(struct shell *shell, const struct asker *asker, const json_t *arguments);

#endif
