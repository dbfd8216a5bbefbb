/* SPDX-License-Identifier: MIT */
/* record.c - the names and shapes of the facts.
 *
 * One row for each field here, one row for each kind in record.def. The shape of a body serves its
 * protobuf codec, its line in a trace, its JSON and its deep copy.
 */
#include "coordinator/core/record.h"

#include <assert.h>
#include <string.h>

const char *const notice_kind_names[] = {"none",
                                         "run-opened",
                                         "run-ended",
                                         "publishing-held",
                                         "publication-unknown",
                                         "worker-quarantined",
                                         "intake-closed",
                                         "hosts-wanted",
                                         "coordinator-sleeps",
                                         NULL};
const char *const worker_state_names[] = {"offline", "online",    "draining", "quarantined",
                                          "removed", "probation", NULL};

/* ---- fields of bodies ---------------------------------------------------------------------- */

static const struct field record_farm_started_fields[] = {
    SHAPE_FIELD(struct record_farm_started, U32, epoch),
    SHAPE_FIELD(struct record_farm_started, U64, incarnation),
    SHAPE_FIELD(struct record_farm_started, TEXT, program),
};

static const struct field policy_fields[] = {
    SHAPE_FIELD(struct policy, U64, heartbeat_ms),
    SHAPE_FIELD(struct policy, U64, lease_ttl_ms),
    SHAPE_FIELD(struct policy, U64, lost_grace_ms),
    SHAPE_FIELD(struct policy, U64, retry_delay_ms),
    SHAPE_FIELD(struct policy, U32, attempts_max),
    SHAPE_FIELD(struct policy, U32, lost_max),
    SHAPE_FIELD(struct policy, U32, publish_tries_max),
    SHAPE_FIELD(struct policy, U64, disk_floor_bytes),
    SHAPE_FIELD(struct policy, FLAG, notices),
    SHAPE_FIELD(struct policy, U64, evaluate_after_ms),
};

static const struct field record_paused_fields[] = {
    SHAPE_FIELD(struct record_paused, TEXT, who),
    SHAPE_FIELD(struct record_paused, TEXT, reason),
};

static const struct field record_intake_fields[] = {
    SHAPE_FIELD(struct record_intake, FLAG, open),
    SHAPE_FIELD(struct record_intake, TEXT, reason),
};

static const struct field record_sleep_fields[] = {
    SHAPE_FIELD(struct record_sleep, TEXT, reason),
};

static const struct field record_clock_fields[] = {
    SHAPE_FIELD(struct record_clock, U64, gap_ms),
    SHAPE_FIELD(struct record_clock, U64, offset_ms),
};

static const struct field record_counters_fields[] = {
    SHAPE_FIELD(struct record_counters, U64, run),
    SHAPE_FIELD(struct record_counters, U64, job),
    SHAPE_FIELD(struct record_counters, U64, publication),
    SHAPE_FIELD(struct record_counters, U64, worker),
    SHAPE_FIELD(struct record_counters, U64, token),
    SHAPE_FIELD(struct record_counters, U64, notice),
};

static const struct field record_peer_fields[] = {
    SHAPE_FIELD(struct record_peer, U64, worker),
    SHAPE_FIELD(struct record_peer, TEXT, name),
    SHAPE_FIELD(struct record_peer, TEXT, public_key),
    SHAPE_ENUM(struct record_peer, role, role_names),
    SHAPE_FIELD(struct record_peer, FLAG, may_publish),
};

static const struct field record_worker_joined_fields[] = {
    SHAPE_FIELD(struct record_worker_joined, U64, worker),
    SHAPE_FIELD(struct record_worker_joined, U64, session),
    SHAPE_FIELD(struct record_worker_joined, TEXT, instance),
    SHAPE_FIELD(struct record_worker_joined, TEXT, boot_id),
    SHAPE_FIELD(struct record_worker_joined, TEXT, program),
    SHAPE_STRUCT(struct record_worker_joined, capabilities, capabilities_shape),
    SHAPE_FIELD(struct record_worker_joined, U64, said_at_ms),
};

static const struct field sighting_fields[] = {
    SHAPE_STRUCT(struct sighting, token, token_shape),
    SHAPE_FIELD(struct sighting, FLAG, is_publication),
    SHAPE_ENUM(struct sighting, state, item_state_names),
    SHAPE_ENUM(struct sighting, stop_cause, cause_names),
    SHAPE_FIELD(struct sighting, U64, stop_at_ms),
};
static const struct shape sighting_shape = SHAPE(struct sighting, sighting_fields);

static const struct field record_worker_heard_fields[] = {
    SHAPE_FIELD(struct record_worker_heard, U64, worker),
    SHAPE_FIELD(struct record_worker_heard, U64, sequence),
    SHAPE_LIST(struct record_worker_heard, filesystems, filesystem_shape),
    SHAPE_STRUCT(struct record_worker_heard, pressure, pressure_shape),
    SHAPE_LIST(struct record_worker_heard, sightings, sighting_shape),
    SHAPE_FIELD(struct record_worker_heard, U64, said_at_ms),
};

static const struct field record_worker_lost_fields[] = {
    SHAPE_FIELD(struct record_worker_lost, U64, worker),
};

static const struct field record_worker_moved_fields[] = {
    SHAPE_FIELD(struct record_worker_moved, U64, worker),
    SHAPE_ENUM(struct record_worker_moved, to, worker_state_names),
    SHAPE_FIELD(struct record_worker_moved, TEXT, reason),
    SHAPE_FIELD(struct record_worker_moved, TEXT, who),
    SHAPE_FIELD(struct record_worker_moved, U64, until_ms),
    SHAPE_FIELD(struct record_worker_moved, U32, strikes),
};

static const struct field record_worker_suspected_fields[] = {
    SHAPE_FIELD(struct record_worker_suspected, U64, worker),
    SHAPE_STRUCT(struct record_worker_suspected, token, token_shape),
    SHAPE_FIELD(struct record_worker_suspected, TEXT, package),
    SHAPE_FIELD(struct record_worker_suspected, TEXT, family),
    SHAPE_ENUM(struct record_worker_suspected, cause, cause_names),
    SHAPE_FIELD(struct record_worker_suspected, U64, signature),
    SHAPE_FIELD(struct record_worker_suspected, FLAG, fast),
    SHAPE_ENUM(struct record_worker_suspected, witness, witness_names),
};

static const struct field record_worker_cleared_fields[] = {
    SHAPE_FIELD(struct record_worker_cleared, U64, worker),
};

static const struct field run_options_fields[] = {
    SHAPE_FIELD(struct run_options, TEXT, project),
    SHAPE_FIELD(struct run_options, TEXT, filter),
    SHAPE_FIELD(struct run_options, FLAG, publish),
    SHAPE_FIELD(struct run_options, FLAG, force),
    SHAPE_FIELD(struct run_options, I64, priority),
    SHAPE_FIELD(struct run_options, U64, retry_of),
    SHAPE_FIELD(struct run_options, TEXT, at),
    SHAPE_FIELD(struct run_options, FLAG, local),
    SHAPE_FIELD(struct run_options, FLAG, failed),
    SHAPE_FIELD(struct run_options, TEXT, commit),
    SHAPE_FIELD(struct run_options, TEXT, bundle),
    SHAPE_FIELD(struct run_options, TEXT, worker),
    SHAPE_FIELD(struct run_options, TEXT, task),
    SHAPE_FIELD(struct run_options, U64, give_up_ms),
    SHAPE_FIELD(struct run_options, FLAG, supersede),
};
const struct shape run_options_shape = SHAPE(struct run_options, run_options_fields);

bool run_is_patient(const struct run_options *options)
{
    return !options->local && !*options->task;
}

bool options_evaluate(const struct run_options *options)
{
    return strcmp(options->task, "evaluate") == 0;
}

static const struct field record_run_submitted_fields[] = {
    SHAPE_FIELD(struct record_run_submitted, U64, run),
    SHAPE_FIELD(struct record_run_submitted, TEXT, request_id),
    SHAPE_FIELD(struct record_run_submitted, TEXT, who),
    SHAPE_STRUCT(struct record_run_submitted, options, run_options_shape),
};

static const struct field record_run_fields[] = {
    SHAPE_FIELD(struct record_run, U64, run),
    SHAPE_FIELD(struct record_run, TEXT, reason),
};

static const struct field record_job_planned_fields[] = {
    SHAPE_FIELD(struct record_job_planned, U64, job),
    SHAPE_FIELD(struct record_job_planned, U64, run),
    SHAPE_FIELD(struct record_job_planned, U64, joins),
    SHAPE_STRUCT(struct record_job_planned, item, plan_item_shape),
    SHAPE_FIELD(struct record_job_planned, U64, after),
};

static const struct field record_job_fields[] = {
    SHAPE_FIELD(struct record_job, U64, job),
    SHAPE_FIELD(struct record_job, U64, until_ms),
    SHAPE_ENUM(struct record_job, verdict, verdict_names),
    SHAPE_ENUM(struct record_job, cause, cause_names),
    SHAPE_FIELD(struct record_job, TEXT, detail),
    SHAPE_FIELD(struct record_job, U64, signature),
};

static const struct field record_job_joined_fields[] = {
    SHAPE_FIELD(struct record_job_joined, U64, job),
    SHAPE_FIELD(struct record_job_joined, U64, joins),
};

static const struct field record_lease_fields[] = {
    SHAPE_STRUCT(struct record_lease, token, token_shape),
    SHAPE_FIELD(struct record_lease, U64, job),
    SHAPE_FIELD(struct record_lease, U64, worker),
    SHAPE_ENUM(struct record_lease, phase, phase_names),
};

static const struct field record_attempt_moved_fields[] = {
    SHAPE_STRUCT(struct record_attempt_moved, token, token_shape),
    SHAPE_ENUM(struct record_attempt_moved, phase, phase_names),
    SHAPE_FIELD(struct record_attempt_moved, TEXT, reason),
};

static const struct field record_attempt_ended_fields[] = {
    SHAPE_STRUCT(struct record_attempt_ended, token, token_shape),
    SHAPE_ENUM(struct record_attempt_ended, outcome, outcome_names),
    SHAPE_ENUM(struct record_attempt_ended, cause, cause_names),
    SHAPE_ENUM(struct record_attempt_ended, failed_phase, phase_names),
    SHAPE_FIELD(struct record_attempt_ended, TEXT, detail),
    SHAPE_FIELD(struct record_attempt_ended, U64, log_bytes),
    SHAPE_STRUCT(struct record_attempt_ended, facts, exit_facts_shape),
    SHAPE_STRUCT(struct record_attempt_ended, product, product_shape),
    SHAPE_FIELD(struct record_attempt_ended, U64, signature),
    SHAPE_FIELD(struct record_attempt_ended, TEXT, lines),
    SHAPE_ENUM(struct record_attempt_ended, witness, witness_names),
};

static const struct field record_sealed_fields[] = {
    SHAPE_STRUCT(struct record_sealed, token, token_shape),
    SHAPE_FIELD(struct record_sealed, U64, log_bytes),
};

static const struct field record_publication_wanted_fields[] = {
    SHAPE_FIELD(struct record_publication_wanted, U64, publication),
    SHAPE_FIELD(struct record_publication_wanted, U64, job),
    SHAPE_FIELD(struct record_publication_wanted, U64, worker),
    SHAPE_STRUCT(struct record_publication_wanted, built_by, token_shape),
    SHAPE_STRUCT(struct record_publication_wanted, target, target_shape),
    SHAPE_STRUCT(struct record_publication_wanted, product, product_shape),
};

static const struct field record_publication_fields[] = {
    SHAPE_FIELD(struct record_publication, U64, publication),
    SHAPE_STRUCT(struct record_publication, token, token_shape),
    SHAPE_FIELD(struct record_publication, U64, until_ms),
    SHAPE_ENUM(struct record_publication, cause, cause_names),
    SHAPE_FIELD(struct record_publication, TEXT, detail),
    SHAPE_FIELD(struct record_publication, FLAG, already),
    SHAPE_FIELD(struct record_publication, FLAG, rebuilt),
    SHAPE_FIELD(struct record_publication, U64, signature),
    SHAPE_FIELD(struct record_publication, TEXT, lines),
    SHAPE_ENUM(struct record_publication, witness, witness_names),
};

static const struct field ledger_entry_fields[] = {
    SHAPE_FIELD(struct ledger_entry, TEXT, target),
    SHAPE_STRUCT(struct ledger_entry, variant, variant_shape),
    SHAPE_FIELD(struct ledger_entry, TEXT, inputs),
    SHAPE_STRUCT(struct ledger_entry, product, product_shape),
    SHAPE_STRUCT(struct ledger_entry, attempt, token_shape),
    SHAPE_FIELD(struct ledger_entry, TEXT, worker),
    SHAPE_FIELD(struct ledger_entry, U64, at_wall_ms),
    SHAPE_FIELD(struct ledger_entry, FLAG, already),
    SHAPE_FIELD(struct ledger_entry, FLAG, rebuilt),
    SHAPE_FIELD(struct ledger_entry, U64, run),
    SHAPE_FIELD(struct ledger_entry, TEXT, line),
    SHAPE_FIELD(struct ledger_entry, U32, rank),
    SHAPE_FIELD(struct ledger_entry, U64, depth),
    SHAPE_FIELD(struct ledger_entry, TEXT, diverged),
};

static const struct field record_learned_fields[] = {
    SHAPE_FIELD(struct record_learned, TEXT, project),
    SHAPE_FIELD(struct record_learned, TEXT, package),
    SHAPE_FIELD(struct record_learned, TEXT, system),
    SHAPE_FIELD(struct record_learned, U64, build_ms),
    SHAPE_FIELD(struct record_learned, U64, memory_bytes),
    SHAPE_FIELD(struct record_learned, U64, disk_bytes),
    SHAPE_FIELD(struct record_learned, U64, memory_floor_bytes),
    SHAPE_FIELD(struct record_learned, U64, disk_floor_bytes),
};

static const struct field record_signature_seen_fields[] = {
    SHAPE_FIELD(struct record_signature_seen, TEXT, project),
    SHAPE_FIELD(struct record_signature_seen, U64, signature),
    SHAPE_FIELD(struct record_signature_seen, U64, run),
    SHAPE_FIELD(struct record_signature_seen, TEXT, package),
    SHAPE_FIELD(struct record_signature_seen, TEXT, worker),
    SHAPE_FIELD(struct record_signature_seen, U64, at_wall_ms),
    SHAPE_FIELD(struct record_signature_seen, FLAG, anew),
};

static const struct field record_request_known_fields[] = {
    SHAPE_FIELD(struct record_request_known, TEXT, request_id),
    SHAPE_FIELD(struct record_request_known, U64, run),
};

static const struct field record_notice_fields[] = {
    SHAPE_FIELD(struct record_notice, U64, notice),
    SHAPE_ENUM(struct record_notice, kind, notice_kind_names),
    SHAPE_FIELD(struct record_notice, TEXT, subject),
    SHAPE_FIELD(struct record_notice, U64, run),
    SHAPE_FIELD(struct record_notice, TEXT, text),
};

#define BODY(member, tag) const struct shape tag##_shape = SHAPE(struct tag, tag##_fields);
#include "coordinator/core/record.def"

/* ---- kinds --------------------------------------------------------------------------------- */

#define IS_PASSING_DURABLE false
#define IS_PASSING_PASSING true

static const struct record_info rows[] = {
#define RECORD(number, KIND, name, tag, life, moves, owner, applier, text)                         \
    {RECORD_##KIND, name, &tag##_shape, IS_PASSING_##life, text},
#include "coordinator/core/record.def"
};
enum { ROWS = sizeof rows / sizeof rows[0] };

const struct record_info *record_info(enum record_kind kind)
{
    size_t low = 0, high = ROWS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rows[middle].kind < kind)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ROWS && rows[low].kind == kind ? &rows[low] : NULL;
}

const struct record_info *record_info_at(size_t index)
{
    return index < ROWS ? &rows[index] : NULL;
}

void record_print(const struct record *record, struct buf *out)
{
    const struct record_info *info = record_info(record->kind);
    assert(info && "a record of an unknown kind");
    buf_print(out, "[%8llu] %s ", (unsigned long long)record->at_ms, info->name);
    shape_print(info->shape, record_body(record), out);
    while (out->data[out->size - 1] == ' ') /* no field is set, or there is none */
        out->data[--out->size] = '\0';
    buf_add(out, "\n", 1);
}

void record_kinds_print(struct buf *out)
{
    buf_print(out, "| kind | record | in the journal | what it says |\n|---|---|---|---|\n");
    for (size_t i = 0; i < ROWS; i++)
        buf_print(out, "| %d | %s | %s | %s |\n", (int)rows[i].kind, rows[i].name,
                  rows[i].is_passing ? "no" : "yes", rows[i].text);
}

void record_copy(struct record *to, const struct record *from, struct arena *arena)
{
    const struct record_info *info = record_info(from->kind);
    assert(info && "a record of an unknown kind");
    *to = *from;
    shape_copy(info->shape, &to->farm_started, record_body(from), arena);
}
