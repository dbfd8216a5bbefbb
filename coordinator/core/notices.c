/* SPDX-License-Identifier: MIT */
/* notices.c - what people are notified of, and when a notice ends.
 *
 * Owns the question "does this deserve somebody's attention?": once when a run ends, once when a
 * person is needed, never once for each variant. It reads the records of the step that just ended,
 * so no other decider has to consider it. Invariant: at most one notice of a (kind, subject) is
 * open, however many publications wait for the same account; it ends automatically when what it
 * says is over. What needs a person is a fact of the farm, whether or not farm.yaml names somebody
 * to tell; beginnings and ends of runs are raised only for somebody. Runs of `farm build` concern
 * only the person who started them and raise no notice.
 */
#include "coordinator/core/notices.h"

#include "proto/base/seeded.h"

#include <assert.h>
#include <string.h>

static void raise_notice(struct step *step, enum notice_kind kind, const char *subject,
                         uint64_t run, const char *text)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    bool is_open = query_notice(step->farm, kind, subject) && !SEEDED_BUG(NOTICE_TWICE);
    bool is_momentary = kind == NOTICE_RUN_OPENED || kind == NOTICE_RUN_ENDED;
    if (is_open || (is_momentary && !farm.policy.notices))
        return;
    uint64_t id = query_counters(step->farm).notice + 1;
    decide(
        step,
        &(struct record){
            .kind = RECORD_NOTICE_RAISED,
            .notice = {.notice = id, .kind = kind, .subject = subject, .run = run, .text = text}});
    struct notice_view raised;
    assert(view_notice(step->farm, id, &raised) && raised.state == NOTICE_RAISED &&
           raised.kind == kind && "another notice has its id");
    ask(step, &(struct effect){.kind = EFFECT_NOTIFY, .notice = id});
}

static void end_notice(struct step *step, enum notice_kind kind, const char *subject)
{
    struct notice_view ended;
    uint64_t id = query_notice(step->farm, kind, subject);
    if (!id)
        return;
    decide(step, &(struct record){.kind = RECORD_NOTICE_ENDED, .notice = {.notice = id}});
    assert(!view_notice(step->farm, id, &ended) && "it is over, and still open");
}

/* ---- runs ---------------------------------------------------------------------------------- */

static const char *subject_of_run(struct step *step, uint64_t run)
{
    return arena_print(step->arena, "run %llu", (unsigned long long)run);
}

/* Appends ": 60 ok, 3 failed, 4 blocked", in the order of the verdicts. */
static const char *verdicts_of(struct step *step, const struct run_view *run)
{
    const char *text = "";
    for (size_t i = VERDICT_OK; i < sizeof run->by_verdict / sizeof run->by_verdict[0]; i++)
        if (run->by_verdict[i])
            text = arena_print(step->arena, "%s%s %zu %s", text, *text ? "," : ":",
                               run->by_verdict[i], verdict_names[i]);
    return text;
}

static const char *end_of_run(struct step *step, const struct run_view *run)
{
    const char *text = arena_print(step->arena, "run %llu ended%s", (unsigned long long)run->run,
                                   verdicts_of(step, run));
    if (run->publications_wanted)
        text = arena_print(step->arena, "%s; %zu of %zu published", text, run->published,
                           run->publications_wanted);
    return view_progress(step->farm, run->run) == PROGRESS_WELL
               ? text
               : arena_print(step->arena, "%s; `farm why %llu` says what to fix", text,
                             (unsigned long long)run->run);
}

static void note_run(struct step *step, enum record_kind kind, uint64_t id)
{
    struct run_view run = must_run(step->farm, id);
    assert((kind == RECORD_RUN_OPENED || run.by_state[JOB_CLOSED] == run.jobs) &&
           "its end is told, and a job of it is open");
    if (run.options.local)
        return;
    const char *subject = subject_of_run(step, id);
    if (kind == RECORD_RUN_OPENED)
        raise_notice(step, NOTICE_RUN_OPENED, subject, id,
                     arena_print(step->arena, "%s began: %zu jobs", subject, run.jobs));
    else if (kind == RECORD_RUN_CLOSED)
        raise_notice(step, NOTICE_RUN_ENDED, subject, id, end_of_run(step, &run));
    else
        raise_notice(step, NOTICE_RUN_ENDED, subject, id,
                     arena_print(step->arena, "%s was refused: %s", subject, run.reason));
}

/* ---- runs that wait for hosts -------------------------------------------------------------- */

/* "run 5 waits for hosts: 22 jobs: no worker builds for aarch64-linux: ..." */
static const char *text_of_waits(struct step *step, uint64_t run, const struct wait_view *waits,
                                 size_t count)
{
    const char *text = arena_print(step->arena, "%s waits for hosts", subject_of_run(step, run));
    for (size_t i = 0; i < count; i++)
        text = arena_print(step->arena, "%s%s %zu job%s: %s", text, i ? ";" : ":", waits[i].jobs,
                           waits[i].jobs == 1 ? "" : "s", waits[i].reason);
    return text;
}

static void note_waits(struct step *step, uint64_t id)
{
    struct run_view run = must_run(step->farm, id);
    struct wait_view *waits;
    if (!run_is_patient(&run.options))
        return;
    size_t count = run.state == RUN_OPEN ? view_waits(step->farm, id, &waits, step->arena) : 0;
    if (count)
        raise_notice(step, NOTICE_HOSTS_WANTED, subject_of_run(step, id), id,
                     text_of_waits(step, id, waits, count));
    else
        end_notice(step, NOTICE_HOSTS_WANTED, subject_of_run(step, id));
}

/* A worker left the roster: jobs may have lost their last host. */
static void note_new_waits(struct step *step)
{
    struct run_view run;
    uint64_t cursor = 0;
    while (view_open_run_next(step->farm, &cursor, &run))
        if (run.state == RUN_OPEN)
            note_waits(step, run.run);
}

/* A worker came: it may be the one that was wanted. */
static void note_old_waits(struct step *step)
{
    struct notice_view notice;
    uint64_t cursor = 0, newest = query_counters(step->farm).notice;
    while (view_notice_next(step->farm, &cursor, &notice) && notice.notice <= newest)
        if (notice.kind == NOTICE_HOSTS_WANTED)
            note_waits(step, notice.run);
}

/* ---- publications -------------------------------------------------------------------------- */

static const char *account_of(struct step *step, const struct target *target)
{
    return *target->secret
               ? arena_print(step->arena, "%s (secret %s)", target->name, target->secret)
               : target->name;
}

static const char *subject_of_publication(struct step *step, uint64_t publication)
{
    return arena_print(step->arena, "publication %llu", (unsigned long long)publication);
}

/* What notices of publications that are held by words are about. */
static const char *subject_of_words(struct step *step, const struct target *target)
{
    return arena_print(step->arena, "%s, by what logs say", account_of(step, target));
}

static void note_held(struct step *step, const struct publication_view *publication)
{
    const struct target *target = publication->target;
    const char *secret = *target->secret ? target->secret : target->name;
    assert((publication->cause == CAUSE_AUTH || publication->cause == CAUSE_DENIED) &&
           "held for another cause than its account");
    if (publication->witness)
        raise_notice(step, NOTICE_PUBLISHING_HELD, account_of(step, target), 0,
                     arena_print(step->arena,
                                 "publishing to %s is held, builds go on: %s; `farm secret set %s` "
                                 "releases it",
                                 target->name, publication->detail, secret));
    else
        raise_notice(step, NOTICE_PUBLISHING_HELD, subject_of_words(step, target), 0,
                     arena_print(step->arena,
                                 "publication %llu to %s is held alone: its log says \"%s\"; `farm "
                                 "secret set %s` releases it",
                                 (unsigned long long)publication->publication, target->name,
                                 publication->detail, secret));
}

static void note_unknown(struct step *step, const struct publication_view *publication)
{
    struct farm_view farm;
    struct job_view job;
    view_farm(step->farm, &farm);
    if (publication->tries < farm.policy.publish_tries_max)
        return;
    job = must_job(step->farm, publication->job);
    unsigned long long id = (unsigned long long)publication->publication;
    raise_notice(
        step, NOTICE_PUBLICATION_UNKNOWN, subject_of_publication(step, id), job.run,
        arena_print(step->arena,
                    "nobody can tell whether %s is published to %s: look there, then `farm "
                    "settle %llu --as published` or `--as not-published`",
                    job.item->variant.package, publication->target->name, id));
}

static void note_publication(struct step *step, enum record_kind kind, uint64_t id)
{
    struct publication_view publication = must_publication(step->farm, id);
    if (kind == RECORD_PUBLICATION_HELD && publication.cause == CAUSE_NONE)
        return; /* it waits for the first of its run, not for a person */
    if (kind == RECORD_PUBLICATION_HELD)
        note_held(step, &publication);
    else if (!query_held(step->farm, publication.target))
        end_notice(step, NOTICE_PUBLISHING_HELD, account_of(step, publication.target));
    if (!query_held_alone(step->farm, publication.target))
        end_notice(step, NOTICE_PUBLISHING_HELD, subject_of_words(step, publication.target));
    if (kind == RECORD_PUBLICATION_UNKNOWN)
        note_unknown(step, &publication);
    else if (!publication.in_doubt)
        end_notice(step, NOTICE_PUBLICATION_UNKNOWN, subject_of_publication(step, id));
}

/* ---- workers and the disk ------------------------------------------------------------------ */

static void note_worker(struct step *step, uint64_t id, enum worker_state to)
{
    struct worker_view worker = must_worker(step->farm, id);
    if (to == WORKER_REMOVED)
        note_new_waits(step);
    if (worker.state == WORKER_QUARANTINED)
        raise_notice(
            step, NOTICE_WORKER_QUARANTINED, worker.name, 0,
            arena_print(step->arena,
                        "%s is quarantined: %s; `farm worker resume %s` when it is repaired",
                        worker.name, worker.reason, worker.name));
    else if (worker.state != WORKER_PROBATION || SEEDED_BUG(NOTICE_FLAPS)) /* healthy again */
        end_notice(step, NOTICE_WORKER_QUARANTINED, worker.name);
}

static void note_intake(struct step *step)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    if (farm.intake_open)
        end_notice(step, NOTICE_INTAKE_CLOSED, "coordinator");
    else
        raise_notice(
            step, NOTICE_INTAKE_CLOSED, "coordinator", 0,
            arena_print(step->arena, "the coordinator takes no new work: %s", farm.intake_reason));
}

static void note_sleep(struct step *step)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    if (*farm.sleep_reason)
        raise_notice(step, NOTICE_COORDINATOR_SLEEPS, "coordinator", 0, farm.sleep_reason);
    else
        end_notice(step, NOTICE_COORDINATOR_SLEEPS, "coordinator");
}

/* ---- the records of a step ----------------------------------------------------------------- */

/* Raising a notice may move the array of records: `record` is read before that, never after. */
static void note_record(struct step *step, const struct record *record)
{
    enum record_kind kind = record->kind;
    if (kind == RECORD_RUN_OPENED || kind == RECORD_RUN_CLOSED || kind == RECORD_RUN_REFUSED) {
        uint64_t run = record->run.run;
        note_run(step, kind, run);
        note_waits(step, run);
    } else if (record_moves_publication(kind))
        note_publication(step, kind, record->publication.publication);
    else if (kind == RECORD_WORKER_MOVED)
        note_worker(step, record->worker_moved.worker, record->worker_moved.to);
    else if (kind == RECORD_WORKER_JOINED || kind == RECORD_PEER_ENROLLED)
        note_old_waits(step);
    if (kind == RECORD_INTAKE_SET || kind == RECORD_FARM_STARTED)
        note_intake(step);
    if (kind == RECORD_SLEEP_SET || kind == RECORD_FARM_STARTED)
        note_sleep(step);
}

void decide_notices(struct step *step, size_t first)
{
    size_t last = step->outcome->record_count;
    for (size_t i = first; i < last; i++)
        note_record(step, &step->outcome->records[i]);
}

/* A notice that a run began or ended is over once it was handed over. */
void decide_notified(struct step *step, const struct input_notified *input)
{
    struct notice_view notice;
    if (!view_notice(step->farm, input->notice, &notice) || notice.state != NOTICE_RAISED)
        return;
    bool momentary = notice.kind == NOTICE_RUN_OPENED || notice.kind == NOTICE_RUN_ENDED;
    decide(step, &(struct record){.kind = RECORD_NOTICE_TOLD,
                                  .notice = {.notice = input->notice, .text = input->problem}});
    assert(view_notice(step->farm, input->notice, &notice) && notice.state == NOTICE_TOLD);
    if (momentary)
        decide(step,
               &(struct record){.kind = RECORD_NOTICE_ENDED, .notice = {.notice = input->notice}});
}
