/* SPDX-License-Identifier: MIT */
/* record_owner.c - maps jobs, attempts and publications to their runs. */
#include "coordinator/storage/record_owner.h"

#include <assert.h>

#define uthash_fatal(text) assert(!(text))
#include <uthash.h>

enum owned { OWNED_JOB, OWNED_PUBLICATION, OWNED_ATTEMPT };

struct owned_key {
    uint64_t number;
    uint32_t epoch; /* of an attempt's token */
    uint32_t owned; /* enum owned; fixed size, so that the key has no holes */
};

struct owner {
    struct owned_key key;
    uint64_t run;
    UT_hash_handle hh;
};

static uint64_t find_owner(const struct owners *owners, struct owned_key key)
{
    struct owner *found;
    HASH_FIND(hh, owners->first, &key, sizeof key, found);
    return found ? found->run : 0;
}

/* Remembers and returns the run. */
static uint64_t remember_owner(struct owners *owners, struct owned_key key, uint64_t run)
{
    struct owner *found;
    HASH_FIND(hh, owners->first, &key, sizeof key, found);
    if (!found) {
        found = arena_new(&owners->arena, sizeof *found);
        found->key = key;
        HASH_ADD(hh, owners->first, key, sizeof found->key, found);
    }
    found->run = run;
    return run;
}

static struct owned_key job_key(uint64_t job)
{
    return (struct owned_key){.number = job, .owned = OWNED_JOB};
}

static struct owned_key publication_key(uint64_t publication)
{
    return (struct owned_key){.number = publication, .owned = OWNED_PUBLICATION};
}

static struct owned_key attempt_key(struct token token)
{
    return (struct owned_key){.number = token.number, .epoch = token.epoch, .owned = OWNED_ATTEMPT};
}

static uint64_t note_publication(struct owners *owners, const struct record_publication *body)
{
    uint64_t run = find_owner(owners, publication_key(body->publication));
    if (!token_none(body->token))
        remember_owner(owners, attempt_key(body->token), run);
    return run;
}

/* A record of the run that gives it away, which needs the other one from then on. */
static uint64_t note_handed(struct owners *owners, const struct record_lease *body)
{
    uint64_t run = find_owner(owners, attempt_key(body->token));
    remember_owner(owners, attempt_key(body->token), find_owner(owners, job_key(body->job)));
    return run;
}

/* A table in the form of a switch, so that the compiler asks where a new kind belongs: long, and
 * one row a kind. */
/* NOLINTNEXTLINE(readability-function-size) */
uint64_t owners_note(struct owners *owners, const struct record *record)
{
    switch (record->kind) {
    case RECORD_RUN_SUBMITTED:
        return record->run_submitted.run;
    case RECORD_RUN_RESOLVED:
    case RECORD_RUN_OPENED:
    case RECORD_RUN_WARNED:
    case RECORD_RUN_REFUSED:
    case RECORD_RUN_CLOSED:
        return record->run.run;
    case RECORD_JOB_PLANNED:
        return remember_owner(owners, job_key(record->job_planned.job), record->job_planned.run);
    case RECORD_JOB_READY:
    case RECORD_JOB_DELAYED:
    case RECORD_JOB_CLOSED:
    case RECORD_JOB_HELD:
        return find_owner(owners, job_key(record->job.job));
    case RECORD_JOB_JOINED:
        return find_owner(owners, job_key(record->job_joined.job));
    case RECORD_LEASE_OFFERED:
    case RECORD_ATTEMPT_ADOPTED:
        return remember_owner(owners, attempt_key(record->lease.token),
                              find_owner(owners, job_key(record->lease.job)));
    case RECORD_ATTEMPT_HANDED:
        return note_handed(owners, &record->lease);
    case RECORD_ATTEMPT_MOVED:
    case RECORD_ATTEMPT_STOPPING:
        return find_owner(owners, attempt_key(record->attempt_moved.token));
    case RECORD_ATTEMPT_ENDED:
        return find_owner(owners, attempt_key(record->attempt_ended.token));
    case RECORD_ATTEMPT_SEALED:
    case RECORD_PUBLICATION_SEALED:
        return find_owner(owners, attempt_key(record->sealed.token));
    case RECORD_PUBLICATION_WANTED:
        return remember_owner(owners, publication_key(record->publication_wanted.publication),
                              find_owner(owners, job_key(record->publication_wanted.job)));
    case RECORD_PUBLICATION_HELD:
    case RECORD_PUBLICATION_RELEASED:
    case RECORD_PUBLICATION_GRANTED:
    case RECORD_PUBLICATION_RUNNING:
    case RECORD_PUBLICATION_UNKNOWN:
    case RECORD_PUBLICATION_RETRIED:
    case RECORD_PUBLICATION_PUBLISHED:
    case RECORD_PUBLICATION_FAILED:
        return note_publication(owners, &record->publication);
    /* The farm's own: also that a run was archived, which is told to those who replay the rest. */
    case RECORD_RUN_ARCHIVED:
    case RECORD_NONE:
    case RECORD_FARM_STARTED:
    case RECORD_POLICY_SET:
    case RECORD_FARM_PAUSED:
    case RECORD_FARM_RESUMED:
    case RECORD_COUNTERS_SET:
    case RECORD_INTAKE_SET:
    case RECORD_CLOCK_JUMPED:
    case RECORD_CLOCK_SET:
    case RECORD_PEER_ENROLLED:
    case RECORD_PEER_REVOKED:
    case RECORD_WORKER_JOINED:
    case RECORD_WORKER_HEARD:
    case RECORD_WORKER_LOST:
    case RECORD_WORKER_MOVED:
    case RECORD_WORKER_SUSPECTED:
    case RECORD_WORKER_CLEARED:
    case RECORD_LEDGER_ENTERED:
    case RECORD_LEARNED:
    case RECORD_REQUEST_KNOWN:
    case RECORD_SIGNATURE_SEEN:
    case RECORD_NOTICE_RAISED:
    case RECORD_NOTICE_TOLD:
    case RECORD_NOTICE_ENDED:
        break;
    }
    return 0;
}

uint64_t owners_of_job(const struct owners *owners, uint64_t job)
{
    return find_owner(owners, job_key(job));
}

uint64_t record_joined_job(const struct record *record)
{
    if (record->kind == RECORD_JOB_PLANNED)
        return record->job_planned.joins;
    if (record->kind == RECORD_ATTEMPT_HANDED)
        return record->lease.job;
    return record->kind == RECORD_JOB_JOINED ? record->job_joined.joins : 0;
}

void owners_clear(struct owners *owners)
{
    HASH_CLEAR(hh, owners->first);
    arena_clear(&owners->arena);
    *owners = (struct owners){0};
}
