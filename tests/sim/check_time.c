/* SPDX-License-Identifier: MIT */
/* check_time.c - expiry and stale: a lease expires if and only if its worker was silent for the
 * whole term while a coordinator ran.
 *
 * Time is counted in turns: the time between two turns counts if it is at most a second; otherwise
 * the coordinator was not running. It is taken from the inputs and records of each step, because
 * renewals of a lease are not recorded; a new coordinator starts a new count. */
#include "tests/sim/check.h"

#include <stdlib.h>
#include <string.h>

enum { GAP_MS = 1000, JUMP_MS = 2 * GAP_MS, SLACK_MS = 1500, WORKERS_MOST = 64 };

struct term {
    struct token token;
    uint64_t worker;
    uint64_t renewed_ms; /* on our own clock */
    uint64_t jumped_ms;  /* of the clock, at that time */
};

/* The newest session of a worker, as welcomed. */
struct session {
    uint64_t session, sequence;
};

struct lease_clock {
    uint64_t attended_ms, boot_ms;
    /* By how much the coordinator put off all terms after a stall. It counts from its last step, we
     * from its last turn: a stall of 0.9 s may be a jump there and attended time here. */
    uint64_t jumped_ms;
    uint64_t incarnation;
    struct session sessions[WORKERS_MOST];
    struct term *terms;
    size_t count, capacity;
};

struct lease_clock *lease_clock_create(void)
{
    return mem_new(sizeof(struct lease_clock));
}

void lease_clock_destroy(struct lease_clock *clock)
{
    if (!clock)
        return;
    free(clock->terms);
    free(clock);
}

uint64_t attended_ms(const struct lease_clock *clock)
{
    return clock->attended_ms;
}

void check_time_turn(struct world *world, uint64_t boot_ms)
{
    struct lease_clock *clock = world->checks->clock;
    if (boot_ms > clock->boot_ms && boot_ms - clock->boot_ms <= GAP_MS)
        clock->attended_ms += boot_ms - clock->boot_ms;
    clock->boot_ms = boot_ms;
}

static struct term *find(struct lease_clock *clock, struct token token)
{
    for (size_t i = 0; i < clock->count; i++)
        if (token_equal(clock->terms[i].token, token))
            return &clock->terms[i];
    return NULL;
}

static void begin(struct lease_clock *clock, struct token token, uint64_t worker)
{
    struct term *term = find(clock, token);
    if (!term) {
        MEM_GROW(clock->terms, clock->count, clock->capacity);
        term = &clock->terms[clock->count++];
    }
    *term = (struct term){token, worker, clock->attended_ms, clock->jumped_ms};
}

static void renew(struct lease_clock *clock, uint64_t worker, const struct item *items,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct term *term = items[i].is_publication ? NULL : find(clock, items[i].token);
        if (term && term->worker == worker)
            begin(clock, term->token, worker);
    }
}

static uint64_t term_ms(const struct world *world)
{
    const struct policy *policy = &world->swarm.policy;
    return policy->lease_ttl_ms + policy->lost_grace_ms;
}

/* What silence ends: the whole lease, or an offer that its worker, which speaks, never showed. */
static uint64_t least_silence_ms(const struct world *world, const char *detail)
{
    if (strcmp(detail, "its host was silent for longer than the grace") == 0)
        return term_ms(world);
    return strcmp(detail, "its worker did not take it") == 0 ? world->swarm.policy.lease_ttl_ms : 0;
}

static void over(struct world *world, const struct record_attempt_ended *body)
{
    struct lease_clock *clock = world->checks->clock;
    struct term *term = find(clock, body->token);
    uint64_t least_ms = least_silence_ms(world, body->detail);
    if (!term)
        return;
    if (clock->attended_ms - term->renewed_ms < least_ms)
        world_wrong(world, "expiry", "%s is given up after %llu ms of silence, not %llu",
                    token_text(body->token),
                    (unsigned long long)(clock->attended_ms - term->renewed_ms),
                    (unsigned long long)least_ms);
    *term = clock->terms[--clock->count];
}

/* All of them anew: a coordinator that just began has heard nobody. */
static void started(struct world *world, const struct record_farm_started *body)
{
    struct lease_clock *clock = world->checks->clock;
    clock->incarnation = body->incarnation;
    memset(clock->sessions, 0, sizeof clock->sessions);
    clock->count = 0;
    for (const struct fact_attempt *at = world->facts->attempts; at; at = at->hh.next)
        if (at->life != FACT_ENDED)
            begin(clock, at->token, at->worker);
}

static bool is_fresh(const struct lease_clock *clock, const struct input_status *input)
{
    const struct session *session = &clock->sessions[input->worker];
    return session->session && input->status.session == session->session &&
           input->status.incarnation == clock->incarnation &&
           input->status.sequence > session->sequence;
}

static void take_status(struct world *world, const struct input_status *input,
                        const struct record *records, size_t count)
{
    struct lease_clock *clock = world->checks->clock;
    bool fresh = is_fresh(clock, input), heard = false;
    for (size_t i = 0; i < count; i++)
        heard |= records[i].kind == RECORD_WORKER_HEARD;
    if (heard && !fresh)
        world_wrong(world, "stale", "a status of worker %llu that is stale was taken for news",
                    (unsigned long long)input->worker);
    if (!fresh)
        return;
    clock->sessions[input->worker].sequence = input->status.sequence;
    renew(clock, input->worker, input->status.items, input->status.items_count);
}

static void note(struct world *world, const struct record *record)
{
    struct lease_clock *clock = world->checks->clock;
    switch ((int)record->kind) {
    case RECORD_FARM_STARTED:
        started(world, &record->farm_started);
        return;
    case RECORD_CLOCK_JUMPED:
        clock->jumped_ms += record->clock.gap_ms < JUMP_MS ? record->clock.gap_ms : JUMP_MS;
        return;
    case RECORD_WORKER_JOINED:
        clock->sessions[record->worker_joined.worker] =
            (struct session){record->worker_joined.session, 0};
        return;
    case RECORD_WORKER_LOST:
        clock->sessions[record->worker_lost.worker] = (struct session){0, 0};
        return;
    case RECORD_LEASE_OFFERED:
    case RECORD_ATTEMPT_ADOPTED:
        begin(clock, record->lease.token, record->lease.worker);
        return;
    case RECORD_ATTEMPT_ENDED:
        over(world, &record->attempt_ended);
        return;
    default:
        return;
    }
}

static void check_overdue(struct world *world)
{
    struct lease_clock *clock = world->checks->clock;
    for (size_t i = 0; i < clock->count; i++)
        if (clock->attended_ms - clock->terms[i].renewed_ms >
            term_ms(world) + SLACK_MS + clock->jumped_ms - clock->terms[i].jumped_ms)
            world_wrong(world, "expiry", "%s was not heard of for %llu ms and has its lease still",
                        token_text(clock->terms[i].token),
                        (unsigned long long)(clock->attended_ms - clock->terms[i].renewed_ms));
}

void check_time_step(struct world *world, const struct input *input, const struct record *records,
                     size_t count)
{
    if (input->kind == INPUT_STATUS)
        take_status(world, &input->status, records, count);
    if (input->kind == INPUT_HELLO && count)
        renew(world->checks->clock, input->hello.worker, input->hello.hello.items,
              input->hello.hello.items_count);
    for (size_t i = 0; i < count; i++)
        note(world, &records[i]);
    check_overdue(world);
}
