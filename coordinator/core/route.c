/* SPDX-License-Identifier: MIT */
#include "coordinator/core/route.h"

#include "coordinator/core/fit.h"
#include "proto/hardware.h"

#include <assert.h>
#include <string.h>

/* ---- what is missing ----------------------------------------------------------------------- */

/* What a host of the right architecture lacks. */
static const char *lack_text(enum fit fit, const struct want *want, struct arena *arena)
{
    const struct plan_item *item = want->item;
    if (fit == FIT_BUILDER)
        return arena_print(
            arena, "has %s: install it on one, or add one that has it",
            builder_names[item->recipe.tool ? item->recipe.tool : item->recipe.builder]);
    if (fit == FIT_RESTRICT)
        return "supports restrict_eval: run `farm worker upgrade`";
    if (fit == FIT_NIX_SANDBOX)
        return "builds in nix's sandbox, which the job needs: set `sandbox = true` in a worker's "
               "nix.conf, or `nix_sandbox: off` in farm.yaml if the recipe works without it";
    if (fit == FIT_CHECK)
        return arena_print(arena, "runs %s, and the check is required: `farm worker add` adds one",
                           *item->variant.gpu ? item->variant.gpu : item->variant.isa);
    if (fit == FIT_PUBLISH)
        return "may publish: `farm worker set NAME publish=yes` allows one, and `farm worker list` "
               "says what keeps one from it";
    if (fit == FIT_MEMORY_TOTAL)
        return arena_print(arena, "has the %.1f GiB of memory that the job needs",
                           (double)item->needs.memory_bytes / (double)((uint64_t)1 << 30));
    if (fit == FIT_HEAVY)
        return "has a slot for heavy jobs: `farm worker set NAME heavy=1` gives one";
    assert(fit == FIT_SLOTS && "a reason that waiting changes");
    return "has a slot: `farm worker set NAME slots=1` gives one";
}

static const char *missing_text(enum fit closest, const struct want *want, struct arena *arena)
{
    const char *system = want->item->variant.system;
    if (closest == FIT_YES) /* the roster is empty */
        return "this farm has no worker: `farm up` starts one here, `farm worker add` elsewhere";
    if (closest == FIT_WORKER)
        return arena_print(arena, "the run is for %s, which is no worker of this farm",
                           want->worker);
    if (closest == FIT_SYSTEM)
        return arena_print(arena, "no worker builds for %s: `farm worker add` adds one", system);
    return arena_print(arena, "no worker for %s %s", system, lack_text(closest, want, arena));
}

/* ---- the answer ---------------------------------------------------------------------------- */

bool system_can_be_hosted(const char *system)
{
    static const char suffix[] = "-linux";
    size_t size = strlen(system), suffix_size = sizeof suffix - 1;
    return size > suffix_size && strcmp(system + size - suffix_size, suffix) == 0;
}

static const char *never_text(const struct want *want, struct arena *arena)
{
    const struct variant *variant = &want->item->variant;
    return *variant->system
               ? arena_print(arena, "workers run on Linux only, not on %s", variant->system)
               : "its system is not known: set `system` in farm.yaml";
}

/* How many of the checks of never_fits a host passed: the one that passed most is closest. */
static int checks_passed(enum fit fit)
{
    static const enum fit order[] = {FIT_WORKER,      FIT_SYSTEM, FIT_BUILDER, FIT_RESTRICT,
                                     FIT_NIX_SANDBOX, FIT_CHECK,  FIT_PUBLISH, FIT_MEMORY_TOTAL,
                                     FIT_SLOTS,       FIT_HEAVY};
    int passed = 0;
    while (order[passed] != fit)
        passed++;
    return passed;
}

enum route route_of(const struct farm *farm, const struct want *want, const char **reason,
                    struct arena *arena)
{
    struct worker_view worker;
    uint64_t cursor = 0;
    enum fit closest = FIT_YES;
    *reason = "";
    if (!system_can_be_hosted(want->item->variant.system)) {
        *reason = never_text(want, arena);
        return ROUTE_NEVER;
    }
    while (view_worker_next(farm, &cursor, &worker)) {
        if (worker.state == WORKER_REMOVED)
            continue;
        enum fit fit = worker.joined ? never_fits(&worker, want) : FIT_YES;
        if (fit == FIT_YES)
            return ROUTE_OPEN;
        if (closest == FIT_YES || checks_passed(fit) > checks_passed(closest))
            closest = fit;
    }
    *reason = missing_text(closest, want, arena);
    return ROUTE_NO_HOST;
}
