/* SPDX-License-Identifier: MIT */
#include "tests/sim/targets.h"

#include <stdlib.h>
#include <string.h>

struct shelved {
    const char *org, *package, *system, *commit;
};

struct targets {
    struct arena arena;
    struct shelved *list;
    size_t count, capacity;
    const char *expired[4]; /* orgs whose token is not accepted */
    size_t expired_count;
    const char *refused[4]; /* orgs whose token was not accepted, once */
    size_t refused_count;
};

struct targets *targets_create(void)
{
    return mem_new(sizeof(struct targets));
}

void targets_destroy(struct targets *targets)
{
    if (!targets)
        return;
    free(targets->list);
    arena_clear(&targets->arena);
    free(targets);
}

bool targets_accepts(const struct world *world, const char *org)
{
    for (size_t i = 0; i < world->targets->expired_count; i++)
        if (strcmp(world->targets->expired[i], org) == 0)
            return false;
    return true;
}

bool targets_refused(const struct world *world, const char *org)
{
    for (size_t i = 0; i < world->targets->refused_count; i++)
        if (strcmp(world->targets->refused[i], org) == 0)
            return true;
    return false;
}

void targets_set_token(struct world *world, const char *org, bool good)
{
    struct targets *targets = world->targets;
    if (!good && !targets_refused(world, org) && targets->refused_count < 4)
        targets->refused[targets->refused_count++] = org;
    if (!good && targets_accepts(world, org) && targets->expired_count < 4)
        targets->expired[targets->expired_count++] = org;
    for (size_t i = targets->expired_count; good && i-- > 0;)
        if (strcmp(targets->expired[i], org) == 0)
            targets->expired[i] = targets->expired[--targets->expired_count];
}

void targets_renew_tokens(struct world *world)
{
    world->targets->expired_count = 0;
}

bool targets_has(const struct world *world, const char *org, const struct variant *variant)
{
    const struct targets *targets = world->targets;
    for (size_t i = 0; i < targets->count; i++) {
        const struct shelved *at = &targets->list[i];
        if (strcmp(at->org, org) == 0 && strcmp(at->package, variant->package) == 0 &&
            strcmp(at->system, variant->system) == 0 && strcmp(at->commit, variant->commit) == 0)
            return true;
    }
    return false;
}

void targets_put(struct world *world, const char *org, const struct variant *variant)
{
    struct targets *targets = world->targets;
    MEM_GROW(targets->list, targets->count, targets->capacity);
    targets->list[targets->count++] = (struct shelved){
        arena_text(&targets->arena, org), arena_text(&targets->arena, variant->package),
        arena_text(&targets->arena, variant->system), arena_text(&targets->arena, variant->commit)};
}
