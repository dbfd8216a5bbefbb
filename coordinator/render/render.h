/* SPDX-License-Identifier: MIT */
/* render.h - views of the farm as JSON, for replies and `--json`. Decides nothing and does no I/O.
 * Every function returns a new reference. */
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
 * checked, unchecked, planned_at, closed_at} */
json_t *render_job(const struct farm *farm, uint64_t job);
json_t *render_attempts(const struct farm *farm,
                        uint64_t job); /* [{token, ordinal, worker, ...}] */
/* `farm why`: for a waiting or ready job, a row per host with the scheduler's reason; for a closed
 * one, its attempts with cause, phase and detail; and, for a name that was not found, similar names
 * in the project (nearest.c). */
json_t *render_why(const struct farm *live, const struct farm *farm, uint64_t job);
/* "a, b or c" in the arena; "" when the job's detail has no missing name, or no name is similar. */
const char *render_nearest(const struct farm *farm, const struct job_view *job,
                           struct arena *arena);
/* The clusters of similar failures in a run, or only those that contain the job (0: all). `farm`
 * has the run and may be that of an archived run; `live` knows where each failure was first seen.
 */
json_t *render_clusters(const struct farm *live, const struct farm *farm, uint64_t run,
                        uint64_t job);
/* {notice, subject, text, state, problem, run, at}; and the list of notices that are still true. */
json_t *render_notice(const struct notice_view *notice);
json_t *render_notices(const struct farm *farm);
json_t *render_workers(const struct farm *farm);
json_t *render_ledger_entry(const struct ledger_entry *entry);
/* What discovery found, with rivals as in struct input_resolved. */
struct standing_found {
    const struct plan_item *items, *rivals;
    size_t count, rival_count;
};
/* [{the variant, standing: current|older|never|lost|none, target, published_commit, published_at,
 * run, verdict}...]: every variant that is published or has a target (standing.c). */
struct filter;
json_t *render_standing(const struct farm *farm, const struct filter *filter,
                        const struct standing_found *found);
json_t *render_peers(const struct farm *farm);
/* `farm matrix` and `farm plan`: discovered items; plan adds disposition, reason,
 * not_published (why a variant is built only), worker, start_ms, away (the worker is offline). */
json_t *render_matrix(const struct plan_item *items, size_t count);
json_t *render_plan(const struct farm *farm, const struct run_options *options,
                    const struct plan_item *items, size_t count, const struct plan_item *rivals,
                    size_t rival_count);
/* A record as an event: {sequence, at, kind, ...body}. */
json_t *render_event(uint64_t sequence, const struct record *record);

#endif
