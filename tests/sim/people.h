/* SPDX-License-Identifier: MIT */
/* people.h - who asks for things: runs, cancels, pauses, drains, publishes, settles. Each request
 * has an id and is sent again until it is answered, and sometimes although it was. */
#ifndef SIM_PEOPLE_H
#define SIM_PEOPLE_H

#include "coordinator/core/input.h"
#include "tests/sim/world.h"

/* A request and what became of it. */
struct ask {
    char id[33];
    struct input input;
    bool answered, ok;
    bool given_up;     /* it names things by numbers that mean others since a backup was restored */
    bool acknowledged; /* a yes was sent */
    uint64_t run;      /* as acknowledged */
    uint64_t sends;
};

struct people *people_create(struct world *world);
void people_destroy(struct people *people);
void people_receive(struct world *world, struct bytes bytes);
/* What a request that came over the wire asks for. NULL for an id that nobody has. */
const struct ask *people_ask(const struct world *world, const char *id);
size_t people_asks(const struct world *world, struct ask *const **asks);
/* Sends a new request; the input's texts live as long as the world. Its `asked` is filled in here.
 */
void people_request(struct world *world, const struct input *input);
/* A run of `count` packages from `first` on. */
void people_submit(struct world *world, uint64_t first, uint64_t count, bool publish);
/* Everything that a person can mend is mended, and will be. */
void people_heal(struct world *world);
/* An old journal was restored: nobody repeats a request that names a job or a publication. */
void people_restored(struct world *world);
/* What discovery finds for a run with this filter. */
size_t people_plan(const struct world *world, const struct run_options *options,
                   struct plan_item **items, struct arena *arena);

#endif
