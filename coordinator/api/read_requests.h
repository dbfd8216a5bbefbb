/* SPDX-License-Identifier: MIT */
/* read_requests.h - the functions behind the verbs that only read: the farm, runs, jobs, workers,
 * keys, the ledger, and where a log is.
 *
 * They are called in the second half of a turn, so what they show is on disk. They change nothing
 * and step nothing: each answers at once, or refuses with exit code 2 (the request is wrong) or 3
 * (there is no such thing). requests.c has their rows, and questions.c has checked the role. */
#ifndef FARM_API_READ_REQUESTS_H
#define FARM_API_READ_REQUESTS_H

#include "coordinator/shell/shell.h"

void serve_farm(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_status(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_runs(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_job(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_why(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_workers(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_peers(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_ledger(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_eta(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_logs(struct shell *shell, const struct asker *asker, const json_t *arguments);

#endif
