/* SPDX-License-Identifier: MIT */
#include "tests/sim/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(text) assert(!(text))
#include <uthash.h>

/* ---- chance -------------------------------------------------------------------------------- */

struct chance_count {
    UT_hash_handle hh;
    struct chance_key {
        uint64_t kind, id;
    } key;
    uint64_t drawn;
};

static uint64_t mix(uint64_t hash, uint64_t number)
{
    hash = (hash ^ number) * 0x100000001b3u;
    return hash ^ (hash >> 29);
}

uint64_t joined_id(uint64_t a, uint64_t b)
{
    uint64_t at = a;
    at = swarm_next(&at) ^ b;
    return swarm_next(&at);
}

/* How often it was drawn for before. */
static uint64_t count_draw(struct world *world, enum chance kind, uint64_t id)
{
    struct chance_key key = {kind, id};
    struct chance_count *found;
    HASH_FIND(hh, world->chances, &key, sizeof key, found);
    if (!found) {
        found = mem_new(sizeof *found);
        found->key = key;
        HASH_ADD(hh, world->chances, key, sizeof found->key, found);
    }
    return found->drawn++;
}

uint64_t draw(struct world *world, enum chance kind, uint64_t id, uint64_t below)
{
    uint64_t at = joined_id(joined_id(world->chance_seed, kind), id);
    at = joined_id(at, count_draw(world, kind, id));
    world->digest = mix(world->digest, at);
    return below ? at % below : 0;
}

uint64_t draw_between(struct world *world, enum chance kind, uint64_t id, uint64_t least,
                      uint64_t most)
{
    return least + (most > least ? draw(world, kind, id, most - least + 1) : 0);
}

bool draw_permille(struct world *world, enum chance kind, uint64_t id, uint32_t permille)
{
    return permille && draw(world, kind, id, 1000) < permille;
}

static void clear_chances(struct world *world)
{
    struct chance_count *at, *next;
    HASH_ITER(hh, world->chances, at, next)
    {
        HASH_DELETE(hh, world->chances, at);
        free(at);
    }
}

/* ---- the queue: a binary heap --------------------------------------------------------------- */

/* Among those of one moment the order in which they were asked for says something only when they
 * concern the same. */
static bool is_before(const struct event *a, const struct event *b)
{
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms;
    return a->who != b->who ? a->who < b->who : a->number < b->number;
}

static void sift_up(struct event *heap, size_t at, struct event event)
{
    while (at > 0 && is_before(&event, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = event;
}

static void sift_down(struct event *heap, size_t count, struct event event)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &event))
            break;
        heap[at] = heap[child];
    }
    heap[at] = event;
}

void world_in(struct world *world, uint64_t delay_ms, const struct event *event)
{
    struct event kept = *event;
    kept.at_ms = world->now_ms + delay_ms;
    kept.number = ++world->numbers;
    MEM_GROW(world->heap, world->heap_count, world->heap_capacity);
    sift_up(world->heap, world->heap_count++, kept);
}

bool world_next(struct world *world)
{
    if (!world->heap_count)
        return false;
    struct event event = world->heap[0];
    struct event last = world->heap[--world->heap_count];
    if (world->heap_count)
        sift_down(world->heap, world->heap_count, last);
    world->now_ms = event.at_ms;
    world->events++;
    world->digest = mix(mix(mix(world->digest, event.at_ms), event.number),
                        (uint64_t)event.who << 32 | event.what);
    event.act(world, &event);
    free(event.load);
    return true;
}

void world_clear(struct world *world)
{
    for (size_t i = 0; i < world->heap_count; i++)
        free(world->heap[i].load);
    free(world->heap);
    clear_chances(world);
    for (size_t i = 0; i < TRACE_LINES; i++)
        free(world->trace_tail[i]);
}

/* ---- what is told --------------------------------------------------------------------------- */

void world_trace(struct world *world, const char *format, ...)
{
    struct buf line = {0};
    char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_print(&line, "[%10.3f] %s", (double)world->now_ms / 1000, text);
    if (line.data[line.size - 1] != '\n')
        buf_print(&line, "\n");
    if (world->trace_mode == TRACE_ALL)
        fputs((const char *)line.data, stdout);
    char **slot = &world->trace_tail[world->trace_count++ % TRACE_LINES];
    free(*slot);
    *slot = (char *)line.data;
}

void world_wrong(struct world *world, const char *checker, const char *format, ...)
{
    if (world->ending != ENDING_FINE)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(world->why, sizeof world->why, format, args);
    va_end(args);
    world->ending = strcmp(checker, "liveness") == 0 ? ENDING_STUCK : ENDING_WRONG;
    world->checker = checker;
    TRACE(world, "WRONG (%s): %s", checker, world->why);
}

const char *token_text(struct token token)
{
    static char places[4][40];
    static unsigned next;
    char *place = places[next++ % 4];
    snprintf(place, sizeof places[0], "%u.%llu", token.epoch, (unsigned long long)token.number);
    return place;
}
