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

/* A record of the run that loses the attempt, which needs the other run's records from then on. */
static uint64_t note_handed(struct owners *owners, struct token token, uint64_t job)
{
    uint64_t run = find_owner(owners, attempt_key(token));
    remember_owner(owners, attempt_key(token), find_owner(owners, job_key(job)));
    return run;
}

/* The owners that rows of record.def name; their arguments are members of the body. */
#define OF_FARM                    0
#define OF_RUN(run)                record->run
#define OF_JOB(job)                find_owner(owners, job_key(record->job))
#define OF_ATTEMPT(token)          find_owner(owners, attempt_key(record->token))
#define OF_PUBLICATION(body)       note_publication(owners, &record->body)
#define NEW_JOB(job, run)          remember_owner(owners, job_key(record->job), record->run)
#define NEW_ATTEMPT(token, job)    remember_owner(owners, attempt_key(record->token), OF_JOB(job))
#define NEW_PUBLICATION(id, job)   remember_owner(owners, publication_key(record->id), OF_JOB(job))
#define HANDED_ATTEMPT(token, job) note_handed(owners, record->token, record->job)

uint64_t owners_note(struct owners *owners, const struct record *record)
{
    switch (record->kind) {
    case RECORD_NONE:
        break;
#define RECORD(number, KIND, name, tag, life, moves, owner, ...)                                   \
    case RECORD_##KIND:                                                                            \
        return owner;
#include "coordinator/core/record.def"
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
