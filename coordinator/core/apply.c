/* SPDX-License-Identifier: MIT */
/* apply.c - the only writer: makes one fact true.
 *
 * There is one function for each kind of record (record.def). None of them decides: the meaning of
 * a record never changes, so that a journal replays to the farm that wrote it. A record that
 * contradicts the farm is a bug and asserts: state.def has no row for the move, or the record names
 * something that does not exist. Counters, queues and reservations are kept in step here, each in
 * one place.
 */
#include "coordinator/core/apply.h"
#include "coordinator/core/apply_private.h"
#include "coordinator/core/state.h"

#include <string.h>

/* ---- the farm ------------------------------------------------------------------------------ */

/* Sessions end with the process that gave them out. Every live lease gets a full term plus grace.
 */
void apply_farm_started(struct farm *farm, const struct record *record)
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

void apply_farm_paused(struct farm *farm, const struct record *record)
{
    farm->paused = true;
    set_text(&farm->paused_by, record->paused.who);
    set_text(&farm->paused_reason, record->paused.reason);
}

void apply_farm_resumed(struct farm *farm, const struct record *record)
{
    (void)record;
    farm->paused = false;
}

void apply_policy_set(struct farm *farm, const struct record *record)
{
    farm->policy = record->policy_set;
}

void apply_intake_set(struct farm *farm, const struct record *record)
{
    farm->intake_closed = !record->intake.open;
    set_text(&farm->intake_reason, record->intake.reason);
}

void apply_sleep_set(struct farm *farm, const struct record *record)
{
    set_text(&farm->sleep_reason, record->sleep.reason);
}

void apply_clock_jumped(struct farm *farm, const struct record *record)
{
    uint64_t gap_ms = record->clock.gap_ms;
    for (struct worker *worker = farm->workers; worker; worker = worker->hh.next) {
        worker->heard_ms += gap_ms;
        for (struct attempt *live = worker->live_first; live; live = live->live_next)
            live->renewed_ms += gap_ms;
    }
}

void apply_clock_set(struct farm *farm, const struct record *record)
{
    farm->offset_ms = record->clock.offset_ms;
}

void apply_counters_set(struct farm *farm, const struct record *record)
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

/* Makes the entry the newest of the key in `scratch`. */
static void note_newest(struct farm *farm, size_t index)
{
    struct ledger_newest *newest;
    HASH_FIND(hh, farm->ledger_newest, farm->scratch.data, farm->scratch.size, newest);
    if (!newest) {
        newest = arena_new(&farm->arena, sizeof *newest);
        newest->key = arena_text(&farm->arena, (const char *)farm->scratch.data);
        HASH_ADD_KEYPTR(hh, farm->ledger_newest, newest->key, farm->scratch.size, newest);
    }
    newest->index = index;
}

void apply_ledger_entered(struct farm *farm, const struct record *record)
{
    struct ledger_entry *entry = arena_new(&farm->arena, sizeof *entry);
    shape_copy(&ledger_entry_shape, entry, &record->ledger_entered, &farm->arena);
    MEM_GROW(farm->ledger, farm->ledger_count, farm->ledger_capacity);
    farm->ledger[farm->ledger_count] = entry;
    buf_clear(&farm->scratch);
    buf_print(&farm->scratch, "%s\n%s\n%s", entry->target, entry->variant.package,
              entry->variant.system);
    note_newest(farm, farm->ledger_count);
    buf_print(&farm->scratch, "\n%s\n%s", entry->variant.project, entry->variant.branch);
    note_newest(farm, farm->ledger_count++);
}

void apply_learned(struct farm *farm, const struct record *record)
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

void apply_request_known(struct farm *farm, const struct record *record)
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

void apply_notice_raised(struct farm *farm, const struct record *record)
{
    const struct record_notice *body = &record->notice;
    struct notice *notice = mem_new(sizeof *notice);
    notice->id = body->notice;
    assert(!find_notice(farm, notice->id) && "a notice of this id is there");
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

void apply_notice_told(struct farm *farm, const struct record *record)
{
    struct notice *notice = existing_notice(farm, record->notice.notice);
    notice->state = state_move(&notice_table, (int)notice->state, record->kind, NOTICE_TOLD);
    notice->problem = arena_text(&notice->arena, record->notice.text);
}

void apply_notice_ended(struct farm *farm, const struct record *record)
{
    struct notice *notice = existing_notice(farm, record->notice.notice);
    state_move(&notice_table, (int)notice->state, record->kind, NOTICE_ENDED);
    HASH_DELETE(hh, farm->notices, notice);
    arena_clear(&notice->arena);
    free(notice);
}

/* ---- dispatch ------------------------------------------------------------------------------ */

void farm_apply(struct farm *farm, const struct record *record)
{
    farm->now_ms = higher(farm->now_ms, record->at_ms);
    farm->wall_ms = higher(farm->wall_ms, record->wall_ms);
    switch (record->kind) {
    case RECORD_NONE:
        break;
#define RECORD(number, KIND, name, tag, life, moves, owner, applier, ...)                          \
    case RECORD_##KIND:                                                                            \
        applier(farm, record);                                                                     \
        return;
#include "coordinator/core/record.def"
    }
    assert(!"an unknown record");
}
