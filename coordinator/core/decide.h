/* SPDX-License-Identifier: MIT */
/* decide.h - what a decider works with: a const farm, and a way to say what is now a fact.
 *
 * A record is copied to the outcome and applied at once, so that whatever is decided later in the
 * same step sees it. Deciders include this, view.h and query.h, never farm_state.h.
 */
#ifndef FARM_DECIDE_H
#define FARM_DECIDE_H

#include "coordinator/core/input.h"
#include "coordinator/core/query.h"

struct step {
    const struct farm *farm;
    struct farm_outcome *outcome;
    struct arena *arena; /* of the outcome */
    uint64_t now_ms;     /* core time */
    uint64_t wall_ms;
};

/* Makes `record` a fact; kind and body are the caller's, times are filled in here. */
void decide(struct step *step, struct record *record);
/* Asks the shell for something, once the records are durable. Texts must live in step->arena, in
 * the farm, or for ever. */
void ask(struct step *step, const struct effect *effect);

/* The answer to a request. */
void reply_ok(struct step *step, const struct asked *asked, uint64_t run, const char *note);
/* Refuses a request: one sentence that says what to do, in step->arena or for ever. */
void reply_refused(struct step *step, const struct asked *asked, const char *text);
#define reply_no(step, asked, ...)                                                                 \
    reply_refused(step, asked, arena_print((step)->arena, __VA_ARGS__))
/* Answers a request that was carried out, and remembers its id. */
void reply_done(struct step *step, const struct asked *asked, uint64_t run, const char *note);

/* ---- the deciders, by file ---- */

/* intake.c: requests of people. */
void decide_request(struct step *step, const struct input *input);
void decide_archive(struct step *step, uint64_t run);
/* plan.c: items of a run become jobs. */
void decide_resolved(struct step *step, const struct input_resolved *input);
void decide_preflighted(struct step *step, const struct input_preflighted *input);
void close_job(struct step *step, uint64_t job, enum verdict verdict, enum cause cause,
               const char *detail);
/* Closes a job without a result, and drops its publication while it is nobody's yet. What runs goes
 * on for a job that joined it, if there is one, or is stopped. */
void give_up_job(struct step *step, uint64_t job, enum verdict verdict, const char *reason);
/* Closes ready jobs that no host can ever take: after the roster changed, or jobs became ready. */
void close_unroutable(struct step *step);
void close_finished_runs(struct step *step);
/* schedule.c: who gets what. */
void decide_schedule(struct step *step);
/* Some connected host other than `worker`, that did not fail it either, takes the job sooner or
 * later. */
bool another_could_take(const struct farm *farm, uint64_t job, uint64_t worker);
/* The most that one host of those that could take it has. */
struct most {
    uint64_t memory_bytes, disk_bytes; /* 0: no such host */
};
struct most most_room(const struct farm *farm, const struct want *want);
/* lease.c: what workers say, and what they no longer say. */
void decide_hello(struct step *step, const struct input_hello *input);
void decide_status(struct step *step, const struct input_status *input);
void decide_send_failed(struct step *step, uint64_t worker);
void decide_sealed(struct step *step, const struct input_sealed *input);
void decide_expiry(struct step *step);
void stop_attempt(struct step *step, struct token token, const char *reason);
void lose_attempt(struct step *step, struct token token, const char *detail);
/* verdict.c: what follows the end of an attempt. */
/* `held_for`: what its job was a witness of until then, or 0. */
void decide_ended(struct step *step, struct token token, uint64_t held_for);
/* hold.c: jobs that would fail as one of their family did. */
void hold_family(struct step *step, const struct attempt_view *failed);
void release_family(struct step *step, uint64_t built, uint64_t held_for);
void release_held_by_host(struct step *step, uint64_t worker);
size_t release_jobs(struct step *step, uint64_t run, uint64_t job); /* job 0: all of the run */
bool may_witness(const struct farm *farm, uint64_t job, uint64_t worker);
/* Closes a held job of which enough is known. */
bool close_if_certain(struct step *step, uint64_t job);
/* evaluate.c: recipes that do not evaluate, found before their turn. */
void decide_evaluations(struct step *step);
/* The job is being built: what evaluates it need not begin. */
void drop_evaluation(struct step *step, uint64_t job);
/* The end of an evaluation: where it says that the recipe does not evaluate, its job is held. */
void hold_evaluated(struct step *step, const struct attempt_view *ended);
/* host_health.c: hosts that break what they are given. */
void judge_host(struct step *step, const struct attempt_view *attempt);
void forgive_host(struct step *step, uint64_t worker); /* a person vouches for it */
void decide_probations(struct step *step);
/* publish.c: publications. */
void want_publication(struct step *step, uint64_t job);
/* False when it is another worker's. */
bool decide_publication_item(struct step *step, uint64_t worker, const struct item *item);
void decide_publication_gone(struct step *step, uint64_t publication);
void fail_publication(struct step *step, uint64_t publication, enum cause cause,
                      const char *detail);
/* Gives up a publication nobody has been granted yet; others go their way. */
void drop_publication(struct step *step, uint64_t publication, const char *detail);
void decide_grants(struct step *step, const struct worker_view *worker);
void decide_publish_request(struct step *step, const struct input_publish *input);
void decide_settle(struct step *step, const struct input_settle *input);
void decide_release(struct step *step, const struct input_release *input);
void decide_import(struct step *step, const struct input_ledger_import *input);
/* roster.c: peers and workers. */
void decide_enrol(struct step *step, const struct input_enrol *input);
void decide_revoke(struct step *step, const struct input_revoke *input);
void decide_worker_admin(struct step *step, const struct input_worker_admin *input);

/* notices.c: what people are told, read off the records of the step since `first`. */
void decide_notices(struct step *step, size_t first);
void decide_notified(struct step *step, const struct input_notified *input);

#endif
