/* SPDX-License-Identifier: MIT */
/* check_shell.c - durable, request, replay, log, liveness; and who calls all checkers. */
#include "tests/sim/check.h"
#include "tests/sim/logs.h"

#include <stdlib.h>
#include <string.h>

enum { DIGEST_EVERY = 16, EXPORT_EVERY = 64 }; /* commits */

struct checks *checks_create(void)
{
    struct checks *checks = mem_new(sizeof *checks);
    checks->clock = lease_clock_create();
    checks->sessions = session_book_create();
    checks->shadow = farm_create();
    return checks;
}

void checks_destroy(struct checks *checks)
{
    if (!checks)
        return;
    lease_clock_destroy(checks->clock);
    session_book_destroy(checks->sessions);
    farm_destroy(checks->shadow);
    arena_clear(&checks->scratch);
    free(checks);
}

/* ---- replay --------------------------------------------------------------------------------- */

static void print_export(const struct farm *farm, struct buf *out)
{
    struct farm_outcome export = {0};
    farm_export(farm, &export);
    for (size_t i = 0; i < export.record_count; i++)
        if (!record_info(export.records[i].kind)->is_passing)
            record_print(&export.records[i], out);
    farm_outcome_release(&export);
}

/* Equal by digest; else says where their exports begin to differ. */
static void compare(struct world *world, const struct farm *wanted, const struct farm *found,
                    const char *what)
{
    if (farm_digest(wanted) == farm_digest(found))
        return;
    struct buf a = {0}, b = {0};
    print_export(wanted, &a);
    print_export(found, &b);
    const char *at = (const char *)a.data, *bt = (const char *)b.data;
    size_t line = strcspn(at, "\n");
    while (*at && strncmp(at, bt, line + 1) == 0) {
        at += line + 1;
        bt += line + 1;
        line = strcspn(at, "\n");
    }
    world_wrong(world, "replay", "%s is another farm: %.*s became %.*s", what, (int)line, at,
                (int)strcspn(bt, "\n"), bt);
    buf_release(&a);
    buf_release(&b);
}

static void check_export(struct world *world, const struct farm *farm)
{
    struct farm_outcome snapshot = {0};
    struct journal_bytes bytes = {0};
    struct arena arena = {0};
    struct farm *rebuilt = farm_create();
    farm_export(farm, &snapshot);
    for (size_t i = 0; i < snapshot.record_count; i++)
        journal_add(&bytes, &snapshot.records[i]);
    for (size_t i = 0; i < bytes.count; i++) {
        struct record record;
        journal_read(&bytes, i, &record, &arena);
        farm_apply(rebuilt, &record);
    }
    compare(world, farm, rebuilt, "what farm_export rebuilds");
    farm_destroy(rebuilt);
    arena_clear(&arena);
    journal_release(&bytes);
    farm_outcome_release(&snapshot);
}

static void follow(struct world *world, const struct journal_bytes *journal)
{
    struct checks *checks = world->checks;
    for (size_t i = journal->committed; i < journal->count; i++) {
        struct record record;
        journal_read(journal, i, &record, &checks->scratch);
        farm_apply(checks->shadow, &record);
    }
    arena_clear(&checks->scratch);
}

void checks_commit(struct world *world, const struct journal_bytes *journal,
                   const struct record *records, size_t count, const struct farm *farm)
{
    struct checks *checks = world->checks;
    for (size_t i = 0; i < count && world->ending == ENDING_FINE; i++) {
        check_lease(world, &records[i]);
        check_capacity(world, &records[i]);
        check_publications(world, &records[i]);
        check_promises(world, &records[i]);
        if (world->ending == ENDING_FINE)
            facts_apply(world->facts, &records[i]);
    }
    if (world->ending == ENDING_FINE)
        check_promises_kept(world);
    if (journal->committed == journal->count || world->ending != ENDING_FINE)
        return;
    follow(world, journal);
    checks->commits++;
    if (checks->commits % DIGEST_EVERY == 0)
        compare(world, farm, checks->shadow, "what the journal replays to");
    if (checks->commits % EXPORT_EVERY == 0)
        check_export(world, farm);
}

/* The checkers' books from the journal alone. */
static void read_facts(struct world *world, const struct journal_bytes *journal)
{
    facts_destroy(world->facts);
    world->facts = facts_create();
    for (size_t i = 0; i < journal->count; i++) {
        struct record record;
        journal_read(journal, i, &record, &world->checks->scratch);
        facts_apply(world->facts, &record);
    }
    /* What a compacted journal says of a held job does not tell why: as if nothing but its turn
     * could release it. */
    for (size_t i = 0; i < world->facts->job_room; i++)
        world->facts->jobs[i].evaluated = world->facts->jobs[i].held;
    arena_clear(&world->checks->scratch);
}

static void check_requests(struct world *world)
{
    struct ask *const *asks;
    size_t count = people_asks(world, &asks);
    for (size_t i = 0; i < count; i++) {
        const struct fact_request *request = facts_request(world->facts, asks[i]->id);
        if (asks[i]->acknowledged && (!request || request->run != asks[i]->run))
            world_wrong(world, "request", "request %s was acknowledged and is not known any more",
                        asks[i]->id);
    }
}

void checks_replayed(struct world *world, const struct journal_bytes *journal,
                     const struct farm *farm)
{
    compare(world, farm, world->checks->shadow, "what the journal replays to");
    check_session_replayed(world);
    read_facts(world, journal);
    check_requests(world);
}

/* What was acknowledged after the backup is gone, and with it the promise. */
void checks_restored(struct world *world, const struct journal_bytes *journal)
{
    struct ask *const *asks;
    size_t count = people_asks(world, &asks);
    struct checks *checks = world->checks;
    checks->restored = true;
    farm_destroy(checks->shadow);
    checks->shadow = farm_create();
    for (size_t i = 0; i < journal->count; i++) {
        struct record record;
        journal_read(journal, i, &record, &checks->scratch);
        farm_apply(checks->shadow, &record);
    }
    read_facts(world, journal);
    for (size_t i = 0; i < count; i++)
        asks[i]->acknowledged &= facts_request(world->facts, asks[i]->id) != NULL;
}

/* ---- what is sent --------------------------------------------------------------------------- */

static bool is_pinned(const struct facts *facts, struct token token)
{
    for (size_t i = 0; i < facts->publication_room; i++)
        if (facts->publications[i].known && !facts->publications[i].closed &&
            token_equal(facts->publications[i].built_by, token))
            return true;
    return false;
}

/* What others run is not this worker's: it may forget that it ever claimed it. */
static void check_forget(struct world *world, uint64_t worker, struct token token)
{
    const struct facts *facts = world->facts;
    const struct fact_attempt *attempt = facts_attempt(facts, token);
    const struct fact_try *one = facts_try(facts, token);
    if ((attempt && attempt->worker != worker) ||
        (one && facts->publications[one->publication].worker != worker))
        return;
    if ((attempt && !attempt->sealed) || (one && !one->sealed))
        world_wrong(world, "log", "%s is to be forgotten before its log is stored",
                    token_text(token));
    else if (attempt && is_pinned(facts, token))
        world_wrong(world, "publish", "%s is to be forgotten before it is published",
                    token_text(token));
}

/* What was run, reported and forgotten is not to be run again under the same token. */
static void check_offer(struct world *world, uint64_t worker, struct token token)
{
    const struct host *host = host_of_worker(world, worker);
    const struct folder *folder = host ? host_folder(host, token) : NULL;
    if (folder && folder->starts[PHASE_CHECKOUT] && !folder->on_disk)
        world_wrong(world, "lease", "%s is offered again to the host that has run and forgotten it",
                    token_text(token));
}

void checks_orders(struct world *world, uint64_t worker, const struct orders *orders)
{
    for (size_t i = 0; i < orders->orders_count && world->ending == ENDING_FINE; i++) {
        const struct order *order = &orders->orders[i];
        TRACE(world, "order %s %s", order_kind_names[order->kind], token_text(order->token));
        bool durable = order->kind == ORDER_OFFER
                           ? facts_attempt(world->facts, order->token) != NULL
                       : order->kind == ORDER_GRANT ? facts_try(world->facts, order->token) != NULL
                                                    : true;
        if (!durable)
            world_wrong(world, "durable", "%s is ordered, and no committed record says so",
                        token_text(order->token));
        if (order->kind == ORDER_OFFER)
            check_offer(world, worker, order->token);
        if (order->kind == ORDER_FORGET)
            check_forget(world, worker, order->token);
    }
}

void checks_reply(struct world *world, const struct ask *ask, bool ok, uint64_t run)
{
    struct ask *kept = (struct ask *)(uintptr_t)ask;
    const struct fact_request *request = facts_request(world->facts, ask->id);
    if (!ok || world->ending != ENDING_FINE)
        return;
    if (!request || request->run != run)
        world_wrong(world, "durable", "%s is acknowledged, and no committed record says so",
                    ask->id);
    else if (ask->acknowledged && ask->run != run)
        world_wrong(world, "request", "%s is answered with run %llu, then with run %llu", ask->id,
                    (unsigned long long)ask->run, (unsigned long long)run);
    kept->acknowledged = true;
    kept->run = run;
}

/* ---- logs ----------------------------------------------------------------------------------- */

static const struct folder *folder_anywhere(const struct world *world, struct token token)
{
    for (size_t i = 0; i < world->host_count; i++) {
        const struct folder *folder = host_folder(world->hosts[i], token);
        if (folder && (folder->on_disk || folder->log_bytes || folder->wiped))
            return folder;
    }
    return NULL;
}

void checks_sealed(struct world *world, struct token token, uint64_t bytes)
{
    const struct folder *folder = folder_anywhere(world, token);
    uint64_t truth = folder ? folder->log_bytes : 0;
    if (bytes != truth && !(folder && folder->wiped))
        world_wrong(world, "log", "the log of %s is sealed with %llu of %llu bytes",
                    token_text(token), (unsigned long long)bytes, (unsigned long long)truth);
}

void checks_forgot(struct world *world, const struct host *host, const struct folder *folder)
{
    bool sealed;
    logs_bytes(world, folder->token, &sealed);
    if (folder->on_disk && supervisor_lives(folder))
        world_wrong(world, "truth", "host %zu forgets %s while it runs", host->index,
                    token_text(folder->token));
    const struct fact_attempt *attempt = facts_attempt(world->facts, folder->token);
    const struct fact_worker *worker = attempt ? facts_worker(world->facts, attempt->worker) : NULL;
    bool ours = worker && !worker->removed && host_of_worker(world, attempt->worker) == host;
    if (folder->on_disk && folder->log_bytes && !sealed && ours && !world->checks->restored)
        world_wrong(world, "log", "host %zu forgets %s before its log is stored", host->index,
                    token_text(folder->token));
}

/* ---- dispatch ------------------------------------------------------------------------------- */

void checks_turn(struct world *world, uint64_t boot_ms)
{
    check_session_turn(world, boot_ms);
    check_time_turn(world, boot_ms);
}

void checks_step(struct world *world, const struct input *input, const struct record *records,
                 size_t count)
{
    if (world->ending != ENDING_FINE)
        return;
    check_time_step(world, input, records, count);
    check_session_step(world, input, records, count);
}

/* ---- the end -------------------------------------------------------------------------------- */

static bool is_open(struct buf *open, const char *what, uint64_t id)
{
    if (open)
        buf_print(open, "%s %llu; ", what, (unsigned long long)id);
    return true;
}

/* Its worker was removed, or lost the file: that log never comes. */
static bool is_log_lost(const struct world *world, const struct fact_attempt *attempt)
{
    const struct fact_worker *worker = facts_worker(world->facts, attempt->worker);
    const struct host *host = host_of_worker(world, attempt->worker);
    const struct folder *folder = host ? host_folder(host, attempt->token) : NULL;
    bool is_gone = !folder || folder->wiped || (attempt->adopted && !folder->on_disk);
    return attempt->outcome == OUTCOME_LOST || !worker || worker->removed || is_gone;
}

static bool any_record_open(const struct world *world, struct buf *open)
{
    const struct facts *facts = world->facts;
    bool any = false;
    for (size_t i = 0; i < facts->run_room; i++)
        if (facts->runs[i].known && !facts->runs[i].over)
            any = is_open(open, "run", i);
    for (size_t i = 0; i < facts->job_room; i++)
        if (facts->jobs[i].known && !facts->jobs[i].closed)
            any = is_open(open, "job", i);
    for (size_t i = 0; i < facts->publication_room; i++)
        if (facts->publications[i].known && !facts->publications[i].closed)
            any = is_open(open, "publication", i);
    for (const struct fact_attempt *at = facts->attempts; at; at = at->hh.next)
        if (at->life != FACT_ENDED || (!at->sealed && !is_log_lost(world, at)))
            any = is_open(open, "attempt", at->token.number);
    for (size_t i = 0; i < facts->notice_count; i++)
        if (facts->notices[i].open && !facts->notices[i].told)
            any = is_open(open, "notice", facts->notices[i].id);
    return any;
}

static bool any_folder_left(const struct world *world, struct buf *open)
{
    bool any = false;
    for (size_t h = 0; h < world->host_count; h++)
        for (size_t i = 0; i < world->hosts[h]->folder_count; i++)
            if (world->hosts[h]->folders[i]->on_disk)
                any = is_open(open, "folder", world->hosts[h]->folders[i]->token.number);
    return any;
}

static bool any_request_open(const struct world *world, struct buf *open)
{
    struct ask *const *asks;
    size_t count = people_asks(world, &asks);
    bool any = false;
    for (size_t i = 0; i < count; i++)
        if (!asks[i]->answered && asks[i]->input.kind == INPUT_SUBMIT)
            any = is_open(open, "request", i);
    return any;
}

bool checks_all_closed(struct world *world, struct buf *open)
{
    bool records = any_record_open(world, open);
    bool folders = any_folder_left(world, open);
    bool requests = any_request_open(world, open);
    return !records && !folders && !requests;
}

void checks_end(struct world *world, const struct journal_bytes *journal, const struct farm *farm)
{
    if (farm) {
        farm_check(farm);
        compare(world, farm, world->checks->shadow, "what the journal replays to");
        check_export(world, farm);
    }
    read_facts(world, journal);
    check_requests(world);
}
