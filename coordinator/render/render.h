/* SPDX-License-Identifier: MIT */
/* render.h - views of the farm as JSON: what replies carry and what `--json` prints. No decisions,
 * no I/O. Every function returns a new reference. */
#ifndef FARM_RENDER_H
#define FARM_RENDER_H

#include "coordinator/core/view.h"

#include <jansson.h>

json_t *render_farm(const struct farm *farm); /* {name, epoch, paused, ..., runs_open, ...} */
/* {run, state, ..., counts:{waiting,...,ok,failed,...}, published:{wanted,done,failed,held},
 *  eta_ms, branches:[{project, branch, commit, total, ok, failed, ..., published, summary}...],
 *  jobs:[job...]}; jobs only with `with_jobs`. */
json_t *render_run(const struct farm *farm, uint64_t run, bool with_jobs);
/* The branches of a run, as in render_run (branches.c). */
json_t *render_branches(const struct farm *farm, uint64_t run);
json_t *render_runs(const struct farm *farm); /* [run without jobs...] */
/* {job, run, project, branch, commit, package, system, gpu, isa, cuda, python, state, verdict,
 * cause, detail, worker, attempts, attempt:"1.42", log:"1.42", stop:{cause, in_ms}|null,
 * publication:{state, cause, detail, target, stop}|null, published: true|false, skipped...,
 * checked, planned_at, closed_at} */
json_t *render_job(const struct farm *farm, uint64_t job);
json_t *render_attempts(const struct farm *farm,
                        uint64_t job); /* [{token, ordinal, worker, ...}] */
/* `farm why`: for a waiting or ready job one row a host with the scheduler's own reason; for a
 * closed one how it failed: attempts with cause, phase, detail; and, for a name that was not found,
 * those of the project that are near (nearest.c). */
json_t *render_why(const struct farm *live, const struct farm *farm, uint64_t job);
/* "a, b or c" in the arena, "" when its detail names nothing that is missing, or nothing is near.
 */
const char *render_nearest(const struct farm *farm, const struct job_view *job,
                           struct arena *arena);
/* What failed alike in a run: all of it, or what a job (not 0) has part in. `farm` knows the run
 * and may be an archived one's; `live` knows where each was seen first. */
json_t *render_clusters(const struct farm *live, const struct farm *farm, uint64_t run,
                        uint64_t job);
/* {notice, subject, text, state, problem, run, at}; a list of those whose subject is not over. */
json_t *render_notice(const struct notice_view *notice);
json_t *render_notices(const struct farm *farm);
json_t *render_workers(const struct farm *farm);
json_t *render_ledger_entry(const struct ledger_entry *entry);
/* [{the variant, standing: current|older|never, target, published_commit, published_at, run,
 * verdict}...]: every variant that is or would be published (standing.c). */
struct filter;
json_t *render_standing(const struct farm *farm, const struct filter *filter);
json_t *render_peers(const struct farm *farm);
/* `farm matrix` and `farm plan`: items as discovered; plan adds disposition, reason, worker, start.
 */
json_t *render_matrix(const struct plan_item *items, size_t count);
json_t *render_plan(const struct farm *farm, const struct run_options *options,
                    const struct plan_item *items, size_t count);
/* One record as an event: {sequence, at, kind, ...body}. */
json_t *render_event(uint64_t sequence, const struct record *record);

#endif
