/* SPDX-License-Identifier: MIT */
/* check_publish.c - grant, publish: publications against each other, against what hosts built, and
 * against what really is at the targets. */
#include "tests/sim/check.h"
#include "tests/sim/targets.h"

#include <string.h>

/* ---- records -------------------------------------------------------------------------------- */

static void check_granted(struct world *world, const struct record_publication *body)
{
    const struct facts *facts = world->facts;
    const struct fact_publication *publication = facts_publication(facts, body->publication);
    if (!publication || publication->closed || publication->granted) {
        world_wrong(world, "grant", "%s is a grant of publication %llu, which is %s",
                    token_text(body->token), (unsigned long long)body->publication,
                    publication && publication->granted ? "granted already" : "closed");
        return;
    }
    if (facts_try(facts, body->token) || facts_attempt(facts, body->token))
        world_wrong(world, "lease", "token %s is given twice", token_text(body->token));
    for (size_t i = 0; i < facts->publication_room; i++) {
        const struct fact_publication *other = &facts->publications[i];
        if (other->known && other != publication && !other->closed &&
            (other->granted || other->doubt) && facts_same_place(facts, other, publication))
            world_wrong(world, "grant", "%s is granted while publication %zu of that is unresolved",
                        token_text(body->token), i);
    }
}

/* An older commit of a branch never overwrites a newer one. What may have been published already is
 * found out all the same. */
static void check_newest(struct world *world, const struct record_publication *body)
{
    const struct facts *facts = world->facts;
    const struct fact_publication *publication = facts_publication(facts, body->publication);
    const struct fact_entry *newest = publication ? facts_newest(facts, publication) : NULL;
    if (!newest || publication->doubt)
        return;
    const struct fact_job *job = facts_job(facts, publication->job);
    bool forced = facts_run(facts, job->run)->options.force;
    if (!forced && strcmp(newest->variant.branch, job->item.variant.branch) == 0 &&
        job->item.claim.depth < newest->depth)
        world_wrong(world, "older", "%s is a grant of %s, and %s was published",
                    token_text(body->token), job->item.variant.commit, newest->variant.commit);
}

static const struct folder *folder_of(const struct world *world,
                                      const struct fact_publication *publication,
                                      struct token token)
{
    const struct host *host = host_of_worker(world, publication->worker);
    return host ? host_folder(host, token) : NULL;
}

static bool was_settled(const struct world *world, uint64_t publication)
{
    struct ask *const *asks;
    size_t count = people_asks(world, &asks);
    for (size_t i = 0; i < count; i++)
        if (asks[i]->input.kind == INPUT_SETTLE && asks[i]->input.settle.publication == publication)
            return true;
    return false;
}

/* "Certainly not published" must be so. */
static void check_retried(struct world *world, const struct record_publication *body)
{
    const struct fact_publication *publication = facts_publication(world->facts, body->publication);
    if (!publication || was_settled(world, body->publication))
        return;
    const struct folder *folder = folder_of(world, publication, publication->token);
    if (folder && folder->published)
        world_wrong(world, "publish", "%s is recorded as not published, and it was",
                    token_text(publication->token));
    else if (publication->doubt)
        world_wrong(world, "grant", "publication %llu was in doubt and nobody settled it",
                    (unsigned long long)body->publication);
}

static void check_published(struct world *world, const struct record_publication *body)
{
    const struct fact_publication *publication = facts_publication(world->facts, body->publication);
    if (!publication || publication->closed)
        world_wrong(world, "closed", "publication %llu is published again",
                    (unsigned long long)body->publication);
    else if (!targets_has(world, publication->target.name,
                          &facts_job(world->facts, publication->job)->item.variant))
        world_wrong(world, "publish", "publication %llu is recorded, and its target has nothing",
                    (unsigned long long)body->publication);
}

static void check_wanted(struct world *world, const struct record_publication_wanted *body)
{
    const struct facts *facts = world->facts;
    const struct fact_job *job = facts_job(facts, body->job);
    const struct fact_run *run = job ? facts_run(facts, job->run) : NULL;
    const struct fact_attempt *built = facts_attempt(facts, body->built_by);
    if (!run || run->options.local || job->item.target.kind == TARGET_NONE)
        world_wrong(world, "publish", "job %llu is to be published, and nobody asked for that",
                    (unsigned long long)body->job);
    else if (!built || built->outcome != OUTCOME_OK || job->verdict != VERDICT_OK)
        world_wrong(world, "publish", "job %llu is to be published, and it is not built",
                    (unsigned long long)body->job);
}

void check_publications(struct world *world, const struct record *record)
{
    switch ((int)record->kind) {
    case RECORD_PUBLICATION_WANTED:
        check_wanted(world, &record->publication_wanted);
        return;
    case RECORD_PUBLICATION_GRANTED:
        check_granted(world, &record->publication);
        check_newest(world, &record->publication);
        return;
    case RECORD_PUBLICATION_RETRIED:
        check_retried(world, &record->publication);
        return;
    case RECORD_PUBLICATION_PUBLISHED:
        check_published(world, &record->publication);
        return;
    case RECORD_LEDGER_ENTERED: {
        const struct ledger_entry *entry = &record->ledger_entered;
        if (!targets_has(world, entry->target, &entry->variant))
            world_wrong(world, "publish", "%s is in the ledger and not at %s",
                        entry->variant.package, entry->target);
        return;
    }
    default:
        return;
    }
}

/* ---- hosts ---------------------------------------------------------------------------------- */

static bool same_place(const struct order *a, const struct order *b)
{
    return strcmp(a->target.name, b->target.name) == 0 &&
           strcmp(a->variant.package, b->variant.package) == 0 &&
           strcmp(a->variant.system, b->variant.system) == 0;
}

static bool publishes_now(const struct folder *folder)
{
    return folder->on_disk && folder->phase == PHASE_PUBLISH && supervisor_lives(folder);
}

/* What a restored journal does not know is not counted: nobody can promise that. */
static void check_alone(struct world *world, const struct folder *folder)
{
    for (size_t h = 0; h < world->host_count; h++)
        for (size_t i = 0; i < world->hosts[h]->folder_count; i++) {
            const struct folder *other = world->hosts[h]->folders[i];
            if (other != folder && publishes_now(other) &&
                other->token.epoch == folder->token.epoch &&
                !facts_given_up(world->facts, other->token) &&
                same_place(&other->order, &folder->order))
                world_wrong(world, "grant", "%s publishes while %s publishes the same",
                            token_text(folder->token), token_text(other->token));
        }
}

static void check_slots(struct world *world, const struct host *host)
{
    uint32_t running = 1;
    for (size_t i = 0; i < host->folder_count; i++)
        running += host->folders[i]->on_disk && supervisor_lives(host->folders[i]) &&
                   !host->folders[i]->order.is_publication;
    if (running > host->capabilities.slots)
        world_wrong(world, "capacity", "host %zu runs %u attempts in %u slots", host->index,
                    running, host->capabilities.slots);
}

void checks_phase(struct world *world, const struct host *host, const struct folder *folder,
                  enum phase phase)
{
    if (folder->starts[phase])
        world_wrong(world, "lease", "host %zu begins %s of %s again", host->index,
                    phase_names[phase], token_text(folder->token));
    if (phase == PHASE_PUBLISH)
        check_alone(world, folder);
    if (!folder->order.is_publication)
        check_slots(world, host);
}

void checks_publish(struct world *world, const struct host *host, const struct folder *folder)
{
    const struct folder *built = host_folder(host, folder->order.built_by);
    bool fine = built && built->built && (!built->check_wanted || built->check_passed);
    if (!fine)
        world_wrong(world, "publish", "%s publishes what %s did not build and check here",
                    token_text(folder->token), token_text(folder->order.built_by));
    else if (!built->on_disk && !folder->runs[PHASE_PUBLISH].rebuilt)
        world_wrong(world, "publish",
                    "%s publishes outputs of %s, which are gone, and does not say so",
                    token_text(folder->token), token_text(folder->order.built_by));
}
