/* SPDX-License-Identifier: MIT */
/* farm.c - the step: clock, dispatch, and what follows every input.
 *
 * Core time is the shell's boot time plus an offset. INPUT_START sets the offset so that core time
 * goes on from the last record; core time never falls. When no input came for longer than a second
 * (a suspended machine, a stopped process), all leases are extended by the gap. While anything can
 * expire, the deadline is never further away than half of that.
 */
#include "coordinator/core/farm.h"

#include "coordinator/core/evaluate.h"
#include "coordinator/core/farm_state.h"
#include "coordinator/core/hold.h"
#include "coordinator/core/host_health.h"
#include "coordinator/core/intake.h"
#include "coordinator/core/invariant.h"
#include "coordinator/core/job.h"
#include "coordinator/core/lease.h"
#include "coordinator/core/notices.h"
#include "coordinator/core/plan.h"
#include "coordinator/core/publish.h"
#include "coordinator/core/schedule.h"
#include "proto/base/seeded.h"

/* A longer gap than this between two inputs means that expiry was not being checked. */
static const uint64_t gap_ms = 1000;
/* While a lease can expire, expiry is checked this often, whatever other inputs arrive: the more
 * workers send, the rarer is a pause between them. */
static const uint64_t look_ms = 500;

/* In use until farm.yaml is read; coordinator/config/config.h has the reasons. */
static const struct policy default_policy = {
    .heartbeat_ms = 5000,
    .lease_ttl_ms = 30000,
    .lost_grace_ms = 3600000,
    .retry_delay_ms = 60000,
    .attempts_max = 4,
    .lost_max = 3,
    .publish_tries_max = 5,
    .disk_floor_bytes = (uint64_t)5 << 30,
};

/* ---- life ---------------------------------------------------------------------------------- */

struct farm *farm_create(void)
{
    struct farm *farm = mem_new(sizeof *farm);
    farm->policy = default_policy;
    return farm;
}

/* Clear the hash table before freeing its elements: the UT_hash_handle is inside them. */
static void destroy_workers(struct worker *worker)
{
    struct worker *map = worker;
    HASH_CLEAR(hh, map);
    while (worker) {
        struct worker *next = worker->hh.next;
        free(worker->reason);
        free(worker->sightings);
        arena_clear(&worker->about_arena);
        arena_clear(&worker->baseline_arena);
        arena_clear(&worker->suspects_arena);
        free(worker);
        worker = next;
    }
}

static void destroy_runs(struct run *run)
{
    struct run *map = run;
    HASH_CLEAR(hh, map);
    while (run) {
        struct run *next = run->hh.next;
        free(run->warnings);
        HASH_CLEAR(hh, run->clusters);
        HASH_CLEAR(hh, run->families);
        arena_clear(&run->arena);
        free(run);
        run = next;
    }
}

static void destroy_classes(struct ready_class *class)
{
    struct ready_class *map = class;
    HASH_CLEAR(hh, map);
    while (class) {
        struct ready_class *next = class->hh.next;
        free(class);
        class = next;
    }
}

static void destroy_pins(struct pin *pin)
{
    struct pin *map = pin;
    HASH_CLEAR(hh, map);
    while (pin) {
        struct pin *next = pin->hh.next;
        free(pin);
        pin = next;
    }
}

static void destroy_notices(struct notice *notice)
{
    struct notice *map = notice;
    HASH_CLEAR(hh, map);
    while (notice) {
        struct notice *next = notice->hh.next;
        arena_clear(&notice->arena);
        free(notice);
        notice = next;
    }
}

/* Clear the hash tables before freeing their elements: the UT_hash_handle is inside them. */
static void clear_maps(struct farm *farm)
{
    HASH_CLEAR(hh_variant, farm->building);
    HASH_CLEAR(hh, farm->jobs);
    HASH_CLEAR(hh, farm->attempts);
    HASH_CLEAR(hh, farm->tries);
    HASH_CLEAR(hh, farm->publications);
    HASH_CLEAR(hh_named, farm->named);
    HASH_CLEAR(hh, farm->peers);
    HASH_CLEAR(hh, farm->machines);
    HASH_CLEAR(hh, farm->outlets);
    HASH_CLEAR(hh, farm->slots);
    HASH_CLEAR(hh, farm->gates);
    HASH_CLEAR(hh, farm->ledger_newest);
    HASH_CLEAR(hh, farm->learned);
    HASH_CLEAR(hh, farm->requests);
}

void farm_destroy(struct farm *farm)
{
    if (!farm)
        return;
    clear_maps(farm);
    destroy_classes(farm->classes);
    destroy_pins(farm->pins);
    destroy_runs(farm->runs);
    destroy_workers(farm->workers);
    destroy_notices(farm->notices);
    forget_all_seen(farm);
    arena_clear(&farm->arena);
    buf_release(&farm->scratch);
    free(farm->ledger);
    free(farm->program);
    free(farm->paused_by);
    free(farm->paused_reason);
    free(farm->intake_reason);
    free(farm->sleep_reason);
    free(farm);
}

/* ---- the clock ----------------------------------------------------------------------------- */

static bool may_expire(const struct farm *farm)
{
    if (farm->attempts_live)
        return true;
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next)
        if (worker->session || worker->state == WORKER_ONLINE)
            return true;
    return false;
}

/* When the first timed quarantine ends, or FARM_NEVER. */
static uint64_t probation_ms(const struct farm *farm)
{
    uint64_t first_ms = FARM_NEVER;
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next)
        if (worker->state == WORKER_QUARANTINED && worker->until_ms && worker->until_ms < first_ms)
            first_ms = worker->until_ms;
    return first_ms;
}

/* When the next jobs of a run will have waited long enough to be evaluated, or FARM_NEVER. */
static uint64_t evaluations_ms(const struct farm *farm)
{
    struct run_view run;
    uint64_t first_ms = FARM_NEVER, cursor = 0;
    while (farm->policy.evaluate_after_ms && view_open_run_next(farm, &cursor, &run)) {
        uint64_t due_ms = evaluation_due_ms(farm, &run);
        if (due_ms < first_ms)
            first_ms = due_ms;
    }
    return first_ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The first deadline of a run (run_options.give_up_ms) after this time, or FARM_NEVER. */
static uint64_t give_ups_ms(const struct farm *farm, uint64_t after_ms)
{
    uint64_t first_ms = FARM_NEVER;
    for (const struct run *run = farm->open; run; run = run->open_next) {
        uint64_t due_ms = run->submitted_ms + run->options.give_up_ms;
        if (run->state == RUN_OPEN && run->options.give_up_ms && due_ms > after_ms)
            first_ms = earlier(first_ms, due_ms);
    }
    return first_ms;
}

uint64_t farm_deadline_ms(const struct farm *farm)
{
    uint64_t deadline_ms = earlier(probation_ms(farm), evaluations_ms(farm));
    deadline_ms = earlier(deadline_ms, give_ups_ms(farm, farm->now_ms));
    if (may_expire(farm))
        deadline_ms = earlier(deadline_ms, farm->looked_ms + look_ms);
    const struct rank_node *timer = rank_first(&farm->timers);
    if (timer)
        deadline_ms = earlier(deadline_ms, timer->key[0]);
    if (deadline_ms < farm->now_ms) /* due; a time before our own start is not a boot time */
        deadline_ms = farm->now_ms;
    return deadline_ms == FARM_NEVER ? FARM_NEVER : deadline_ms - farm->offset_ms;
}

/* ---- inputs -------------------------------------------------------------------------------- */

static void start_farm(struct step *step, const struct input *input)
{
    struct farm_view view;
    view_farm(step->farm, &view);
    uint32_t epoch = input->start.epoch > view.epoch ? input->start.epoch : view.epoch;
    decide(step, &(struct record){.kind = RECORD_CLOCK_SET,
                                  .clock = {.offset_ms = step->now_ms - input->now_ms}});
    decide(step,
           &(struct record){.kind = RECORD_FARM_STARTED,
                            .farm_started = {epoch, view.incarnation + 1, input->start.program}});
    view_farm(step->farm, &view);
    assert(!view.workers_online && "a session outlived the coordinator that gave it out");
}

static void set_policy(struct step *step, const struct policy *policy)
{
    struct farm_view view;
    view_farm(step->farm, &view);
    if (!shape_equal(&policy_shape, &view.policy, policy))
        decide(step, &(struct record){.kind = RECORD_POLICY_SET, .policy_set = *policy});
}

static void set_intake(struct step *step, const struct input_intake *intake)
{
    struct farm_view view;
    view_farm(step->farm, &view);
    if (view.intake_open != intake->open)
        decide(step, &(struct record){.kind = RECORD_INTAKE_SET,
                                      .intake = {intake->open, intake->reason}});
}

static void set_sleep(struct step *step, const struct input_sleep *sleep)
{
    struct farm_view view;
    view_farm(step->farm, &view);
    if (strcmp(view.sleep_reason, sleep->reason) == 0)
        return;
    decide(step, &(struct record){.kind = RECORD_SLEEP_SET, .sleep = {sleep->reason}});
    view_farm(step->farm, &view);
    assert(!strcmp(view.sleep_reason, sleep->reason) && "the sentence is another one");
}

static void dispatch_input(struct step *step, const struct input *input)
{
    switch (input->kind) {
    case INPUT_START:
        start_farm(step, input);
        return;
    case INPUT_TICK:
        decide_expiry(step);
        return;
    case INPUT_POLICY:
        set_policy(step, &input->policy);
        return;
    case INPUT_INTAKE:
        set_intake(step, &input->intake);
        return;
    case INPUT_SLEEP:
        set_sleep(step, &input->sleep);
        return;
    case INPUT_HELLO:
        decide_hello(step, &input->hello);
        return;
    case INPUT_STATUS:
        decide_status(step, &input->status);
        return;
    case INPUT_SEND_FAILED:
        decide_send_failed(step, input->send_failed);
        return;
    case INPUT_LOG_SEALED:
        decide_sealed(step, &input->sealed);
        return;
    case INPUT_NOTIFIED:
        decide_notified(step, &input->notified);
        return;
    case INPUT_ARCHIVE:
        decide_archive(step, input->archive);
        return;
    case INPUT_RESOLVED:
        decide_resolved(step, &input->resolved);
        return;
    case INPUT_PREFLIGHTED:
        decide_preflighted(step, &input->preflighted);
        return;
    case INPUT_SUBMIT:
    case INPUT_CANCEL:
    case INPUT_PAUSE:
    case INPUT_RESUME:
    case INPUT_ENROL:
    case INPUT_REVOKE:
    case INPUT_WORKER_ADMIN:
    case INPUT_PUBLISH:
    case INPUT_SETTLE:
    case INPUT_RELEASE:
    case INPUT_LEDGER_IMPORT:
        decide_request(step, input);
        return;
    case INPUT_NONE:
        assert(!"an input of an unknown kind");
    }
}

/* ---- what follows from records ------------------------------------------------------------- */

/* What follows from one fact, whichever decider recorded it, each part decided by its owner. This
 * adds holds, releases, suspicions and wanted publications; it ends no attempt and closes no job.
 */
static void follow_record(struct step *step, const struct record *record)
{
    judge_hosts(step, record); /* first: failures that only a broken host met hold no jobs */
    hold_evaluated(step, record);
    hold_families(step, record);
    want_publications(step, record);
}

/* The kinds of facts from which something follows. */
static bool is_followed(const struct record *record)
{
    return record->kind == RECORD_ATTEMPT_ENDED || record->kind == RECORD_JOB_CLOSED;
}

/* Takes the records of the step since `first` in order. One sweep is enough: nothing follows from
 * the records that it adds. Returns the index at which the next records begin. */
static size_t follow_records(struct step *step, size_t first)
{
    struct farm_outcome *outcome = step->outcome;
    size_t decided = outcome->record_count;
    for (size_t i = first; i < decided; i++) {
        struct record record = outcome->records[i]; /* adding records may move the array */
        if (is_followed(&record))
            follow_record(step, &record);
    }
    for (size_t i = decided; i < outcome->record_count; i++)
        assert(!is_followed(&outcome->records[i]) && "what follows from a fact ended something");
    for (size_t i = first; i < decided; i++)
        ask_orders(step, &outcome->records[i]);
    return outcome->record_count;
}

/* After the sweep, jobs are only closed without a result, and nothing follows from that. */
static void assert_followed(const struct step *step, size_t first)
{
    for (size_t i = first; i < step->outcome->record_count; i++) {
        const struct record *record = &step->outcome->records[i];
        assert(record->kind != RECORD_ATTEMPT_ENDED && "an attempt ended after the sweep");
        assert((record->kind != RECORD_JOB_CLOSED || record->job.verdict != VERDICT_OK) &&
               "a job was built after the sweep");
    }
}

/* ---- the step ------------------------------------------------------------------------------ */

static void release_due(struct step *step)
{
    uint64_t job;
    while ((job = query_due_job(step->farm, step->now_ms)) != 0) {
        decide(step, &(struct record){.kind = RECORD_JOB_READY, .job = {.job = job}});
        assert(must_job(step->farm, job).state == JOB_READY && "it is still delayed");
    }
}

/* Whether this step may have left a ready job without a host that could take it. */
static bool routes_changed(const struct farm_outcome *outcome, size_t first)
{
    for (size_t i = first; i < outcome->record_count; i++) {
        enum record_kind kind = outcome->records[i].kind;
        if (kind == RECORD_JOB_READY || kind == RECORD_RUN_OPENED || kind == RECORD_WORKER_JOINED ||
            kind == RECORD_WORKER_MOVED || kind == RECORD_PEER_ENROLLED)
            return true;
    }
    return false;
}

void farm_step(struct farm *farm, const struct input *input, struct farm_outcome *outcome)
{
    uint64_t now_ms = input->kind == INPUT_START ? farm->now_ms : input->now_ms + farm->offset_ms;
    uint64_t last_ms = farm->now_ms;
    if (now_ms < last_ms)
        now_ms = last_ms;
    farm->now_ms = now_ms;
    if (input->kind == INPUT_TICK || input->kind == INPUT_START || SEEDED_BUG(LOOK_WHEN_QUIET))
        farm->looked_ms = now_ms;
    struct open_step open = {
        .step = {farm, outcome, &outcome->arena, now_ms, input->wall_ms},
        .farm = farm,
    };
    struct step *step = &open.step;
    if (now_ms - last_ms > gap_ms && may_expire(farm) && !SEEDED_BUG(EXPIRE_ON_JUMP))
        decide(step, &(struct record){.kind = RECORD_CLOCK_JUMPED,
                                      .clock = {.gap_ms = now_ms - last_ms}});
    size_t first = outcome->record_count;
    dispatch_input(step, input);
    size_t followed = follow_records(step, first);
    release_due(step);
    decide_probations(step);
    decide_evaluations(step);
    if (routes_changed(outcome, first) || give_ups_ms(farm, last_ms) <= now_ms)
        decide_routes(step);
    decide_schedule(step);
    assert_followed(step, followed);
    close_finished_runs(step);
    decide_notices(step, first);
    assert(farm->now_ms == now_ms && "a record of another time was applied");
    assert(!query_due_job(farm, now_ms) && "a job that is due was not released");
    assert(!query_finished_run(farm) && "a run with nothing left to do is open");
    assert_stepped(farm, outcome, first);
}

/* ---- after a restart ----------------------------------------------------------------------- */

void farm_resume(const struct farm *farm, struct farm_outcome *outcome)
{
    outcome_add_effect(outcome, &(struct effect){.kind = EFFECT_PEERS});
    for (const struct run *run = farm->open; run; run = run->open_next) {
        if (run->state == RUN_RESOLVING)
            outcome_add_effect(outcome, &(struct effect){.kind = EFFECT_RESOLVE, .run = run->id});
        if (run->state == RUN_PREFLIGHT)
            outcome_add_effect(outcome, &(struct effect){.kind = EFFECT_PREFLIGHT, .run = run->id});
    }
    for (const struct notice *at = farm->notices; at; at = at->hh.next)
        if (at->state == NOTICE_RAISED && !SEEDED_BUG(NOTICE_UNTOLD))
            outcome_add_effect(outcome, &(struct effect){.kind = EFFECT_NOTIFY, .notice = at->id});
    struct expected_log *logs;
    size_t count = query_expected_logs(farm, &logs, &outcome->arena);
    for (size_t i = 0; i < count; i++)
        outcome_add_effect(outcome, &(struct effect){.kind = EFFECT_EXPECT_LOG,
                                                     .worker = logs[i].worker,
                                                     .token = logs[i].token});
}
