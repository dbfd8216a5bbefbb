/* SPDX-License-Identifier: MIT */
/* apply.c - the only writer: makes one fact true.
 *
 * One function a kind of record. None of them decides: what a record means is fixed for ever, so
 * that a journal replays to the farm that wrote it. A record that contradicts the farm is a bug and
 * asserts: the move has no row in state.c, or what it speaks of does not exist. Counters, queues
 * and reservations are kept in step here, each in one place.
 */
#include "coordinator/core/apply.h"
#include "coordinator/core/apply_private.h"
#include "coordinator/core/state.h"

#include <string.h>

/* ---- the farm ------------------------------------------------------------------------------ */

/* Sessions end with the process that gave them. Every live lease gets a full term plus grace. */
static void farm_started(struct farm *farm, const struct record *record)
{
    farm->epoch = record->farm_started.epoch;
    farm->incarnation = record->farm_started.incarnation;
    set_text(&farm->program, record->farm_started.program);
    farm->intake_closed = false;
    for (struct worker *worker = farm->workers; worker; worker = worker->hh.next) {
        worker->session = 0;
        worker->sequence = 0;
        worker->sighting_count = 0;
        worker->foreign = 0;
        worker->hearing = 0;
        worker->heard_ms = record->at_ms;
        for (struct attempt *live = worker->live_first; live; live = live->live_next)
            live->renewed_ms = record->at_ms;
    }
}

static void farm_paused(struct farm *farm, const struct record *record)
{
    farm->paused = true;
    set_text(&farm->paused_by, record->paused.who);
    set_text(&farm->paused_reason, record->paused.reason);
}

static void farm_resumed(struct farm *farm, const struct record *record)
{
    (void)record;
    farm->paused = false;
}

static void policy_set(struct farm *farm, const struct record *record)
{
    farm->policy = record->policy_set;
}

static void intake_set(struct farm *farm, const struct record *record)
{
    farm->intake_closed = !record->intake.open;
    set_text(&farm->intake_reason, record->intake.reason);
}

static void clock_jumped(struct farm *farm, const struct record *record)
{
    uint64_t gap_ms = record->clock.gap_ms;
    for (struct worker *worker = farm->workers; worker; worker = worker->hh.next) {
        worker->heard_ms += gap_ms;
        for (struct attempt *live = worker->live_first; live; live = live->live_next)
            live->renewed_ms += gap_ms;
    }
}

static void clock_set(struct farm *farm, const struct record *record)
{
    farm->offset_ms = record->clock.offset_ms;
}

static void counters_set(struct farm *farm, const struct record *record)
{
    struct record_counters *counters = &farm->counters;
    const struct record_counters *to = &record->counters;
    counters->run = higher(counters->run, to->run);
    counters->job = higher(counters->job, to->job);
    counters->publication = higher(counters->publication, to->publication);
    counters->worker = higher(counters->worker, to->worker);
    counters->token = higher(counters->token, to->token);
    counters->notice = higher(counters->notice, to->notice);
}

/* ---- what outlives runs -------------------------------------------------------------------- */

static void ledger_entered(struct farm *farm, const struct record *record)
{
    struct ledger_entry *entry = arena_new(&farm->arena, sizeof *entry);
    shape_copy(&ledger_entry_shape, entry, &record->ledger_entered, &farm->arena);
    MEM_GROW(farm->ledger, farm->ledger_count, farm->ledger_capacity);
    farm->ledger[farm->ledger_count] = entry;
    buf_clear(&farm->scratch);
    buf_print(&farm->scratch, "%s\n%s\n%s", entry->target, entry->variant.package,
              entry->variant.system);
    struct ledger_newest *newest;
    HASH_FIND(hh, farm->ledger_newest, farm->scratch.data, farm->scratch.size, newest);
    if (!newest) {
        newest = arena_new(&farm->arena, sizeof *newest);
        newest->key = arena_text(&farm->arena, (const char *)farm->scratch.data);
        HASH_ADD_KEYPTR(hh, farm->ledger_newest, newest->key, farm->scratch.size, newest);
    }
    newest->index = farm->ledger_count++;
}

static void learned(struct farm *farm, const struct record *record)
{
    const struct record_learned *body = &record->learned;
    buf_clear(&farm->scratch);
    buf_print(&farm->scratch, "%s\n%s\n%s", body->project, body->package, body->system);
    struct learned *found;
    HASH_FIND(hh, farm->learned, farm->scratch.data, farm->scratch.size, found);
    if (!found) {
        found = arena_new(&farm->arena, sizeof *found);
        shape_copy(record_info(RECORD_LEARNED)->shape, &found->is, body, &farm->arena);
        found->key = arena_text(&farm->arena, (const char *)farm->scratch.data);
        HASH_ADD_KEYPTR(hh, farm->learned, found->key, farm->scratch.size, found);
    }
    found->is.build_ms = body->build_ms;
    found->is.memory_bytes = body->memory_bytes;
    found->is.disk_bytes = body->disk_bytes;
    found->is.memory_floor_bytes = body->memory_floor_bytes;
    found->is.disk_floor_bytes = body->disk_floor_bytes;
}

void know_request(struct farm *farm, const char *id, uint64_t run)
{
    if (!*id)
        return;
    struct known_request *known;
    HASH_FIND(hh, farm->requests, id, strlen(id), known);
    if (known)
        return;
    known = arena_new(&farm->arena, sizeof *known);
    known->id = arena_text(&farm->arena, id);
    known->run = run;
    HASH_ADD_KEYPTR(hh, farm->requests, known->id, strlen(known->id), known);
}

static void request_known(struct farm *farm, const struct record *record)
{
    know_request(farm, record->request_known.request_id, record->request_known.run);
}

/* ---- notices ------------------------------------------------------------------------------- */

static struct notice *existing_notice(const struct farm *farm, uint64_t id)
{
    struct notice *notice = find_notice(farm, id);
    assert(notice && "a record about an unknown notice");
    return notice;
}

static void notice_raised(struct farm *farm, const struct record *record)
{
    const struct record_notice *body = &record->notice;
    struct notice *notice = mem_new(sizeof *notice);
    notice->id = body->notice;
    notice->kind = body->kind;
    notice->state = state_move(&notice_table, STATE_NEW, record->kind, NOTICE_RAISED);
    notice->run = body->run;
    notice->raised_ms = record->at_ms;
    notice->raised_wall_ms = record->wall_ms;
    notice->subject = arena_text(&notice->arena, body->subject);
    notice->text = arena_text(&notice->arena, body->text);
    notice->problem = "";
    HASH_ADD(hh, farm->notices, id, sizeof notice->id, notice);
    farm->counters.notice = higher(farm->counters.notice, notice->id);
}

static void notice_told(struct farm *farm, const struct record *record)
{
    struct notice *notice = existing_notice(farm, record->notice.notice);
    notice->state = state_move(&notice_table, (int)notice->state, record->kind, NOTICE_TOLD);
    notice->problem = arena_text(&notice->arena, record->notice.text);
}

static void notice_ended(struct farm *farm, const struct record *record)
{
    struct notice *notice = existing_notice(farm, record->notice.notice);
    state_move(&notice_table, (int)notice->state, record->kind, NOTICE_ENDED);
    HASH_DELETE(hh, farm->notices, notice);
    arena_clear(&notice->arena);
    free(notice);
}

/* ---- dispatch ------------------------------------------------------------------------------ */

typedef void (*applier)(struct farm *farm, const struct record *record);

/* One row a kind. */
static const applier appliers[] = {
    [RECORD_FARM_STARTED] = farm_started,
    [RECORD_POLICY_SET] = policy_set,
    [RECORD_FARM_PAUSED] = farm_paused,
    [RECORD_FARM_RESUMED] = farm_resumed,
    [RECORD_COUNTERS_SET] = counters_set,
    [RECORD_INTAKE_SET] = intake_set,
    [RECORD_CLOCK_JUMPED] = clock_jumped,
    [RECORD_CLOCK_SET] = clock_set,
    [RECORD_PEER_ENROLLED] = peer_enrolled,
    [RECORD_PEER_REVOKED] = peer_revoked,
    [RECORD_WORKER_JOINED] = worker_joined,
    [RECORD_WORKER_HEARD] = worker_heard,
    [RECORD_WORKER_LOST] = worker_lost,
    [RECORD_WORKER_MOVED] = worker_moved,
    [RECORD_RUN_SUBMITTED] = run_submitted,
    [RECORD_RUN_RESOLVED] = run_resolved,
    [RECORD_RUN_OPENED] = run_opened,
    [RECORD_RUN_REFUSED] = run_refused,
    [RECORD_RUN_WARNED] = run_warned,
    [RECORD_RUN_CLOSED] = run_closed,
    [RECORD_RUN_ARCHIVED] = run_archived,
    [RECORD_JOB_PLANNED] = job_planned,
    [RECORD_JOB_READY] = job_ready,
    [RECORD_JOB_DELAYED] = job_delayed,
    [RECORD_JOB_CLOSED] = job_closed,
    [RECORD_JOB_JOINED] = job_joined,
    [RECORD_JOB_HELD] = job_held,
    [RECORD_LEASE_OFFERED] = lease_offered,
    [RECORD_ATTEMPT_MOVED] = attempt_moved,
    [RECORD_ATTEMPT_STOPPING] = attempt_stopping,
    [RECORD_ATTEMPT_ENDED] = attempt_ended,
    [RECORD_ATTEMPT_SEALED] = attempt_sealed,
    [RECORD_ATTEMPT_ADOPTED] = attempt_adopted,
    [RECORD_ATTEMPT_HANDED] = attempt_handed,
    [RECORD_PUBLICATION_WANTED] = publication_wanted,
    [RECORD_PUBLICATION_HELD] = publication_moved,
    [RECORD_PUBLICATION_RELEASED] = publication_moved,
    [RECORD_PUBLICATION_GRANTED] = publication_moved,
    [RECORD_PUBLICATION_RUNNING] = publication_moved,
    [RECORD_PUBLICATION_UNKNOWN] = publication_moved,
    [RECORD_PUBLICATION_RETRIED] = publication_moved,
    [RECORD_PUBLICATION_PUBLISHED] = publication_moved,
    [RECORD_PUBLICATION_FAILED] = publication_moved,
    [RECORD_PUBLICATION_SEALED] = publication_sealed,
    [RECORD_LEDGER_ENTERED] = ledger_entered,
    [RECORD_LEARNED] = learned,
    [RECORD_REQUEST_KNOWN] = request_known,
    [RECORD_SIGNATURE_SEEN] = signature_seen,
    [RECORD_NOTICE_RAISED] = notice_raised,
    [RECORD_NOTICE_TOLD] = notice_told,
    [RECORD_NOTICE_ENDED] = notice_ended,
    [RECORD_WORKER_SUSPECTED] = worker_suspected,
    [RECORD_WORKER_CLEARED] = worker_cleared,
};

void farm_apply(struct farm *farm, const struct record *record)
{
    size_t kind = (size_t)record->kind;
    assert(kind < sizeof appliers / sizeof appliers[0] && appliers[kind] && "an unknown record");
    farm->now_ms = higher(farm->now_ms, record->at_ms);
    farm->wall_ms = higher(farm->wall_ms, record->wall_ms);
    appliers[kind](farm, record);
}
