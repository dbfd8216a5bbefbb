/* SPDX-License-Identifier: MIT */
/* admin_requests.h - the functions behind the verbs about the farm itself: pausing it, its workers,
 * its keys, its secrets, its ledger and its notices.
 *
 * A request that is refused leaves no record. Any other steps the core at once, which answers with
 * EFFECT_REPLY; the test of notices answers when each recipient was tried. Exit codes of refusals:
 * 2 (the request is wrong), 3 (there is no such thing, or it cannot be). requests.c has their rows,
 * and questions.c has checked the role. Secrets are written to their files, never to the
 * journal. */
#ifndef FARM_API_ADMIN_REQUESTS_H
#define FARM_API_ADMIN_REQUESTS_H

#include "coordinator/shell/shell.h"

void serve_pause(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_resume(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_worker_drain(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_worker_resume(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_worker_remove(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_enrol(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_worker_replace(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_revoke(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_config_reload(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_secret_list(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_secret_set(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_ledger_import(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_notify_test(struct shell *shell, const struct asker *asker, const json_t *arguments);

#endif
