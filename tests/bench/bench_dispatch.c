/* SPDX-License-Identifier: MIT */
/* bench_dispatch.c - durable dispatch: no-op jobs to simulated workers over real CURVE sockets.
 *
 *   bench_dispatch HOME WORKERS SLOTS
 *
 * A coordinator runs on HOME (tests/bench/dispatch starts it, with a project of N no-op packages).
 * This program enrols WORKERS keys, says hello for each on a socket of its own, submits a rebuild,
 * and answers every offer with an ended status at once; it prints the jobs a second between the
 * run's first offer and its last result. Bounded: it gives up after ten minutes.
 */
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/mem.h"
#include "proto/limits.h"
#include "proto/link.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { BOUND_MS = 600000, WORKERS_MAX = 256 };

struct worker {
    struct link *link;
    uint64_t session, incarnation, sequence;
    struct item *items;
    size_t item_count, item_capacity;
    uint64_t sent_ms;
    bool changed;
};

struct bench {
    struct link *client;
    struct worker workers[WORKERS_MAX];
    size_t worker_count;
    uint32_t slots;
    struct arena arena;
    uint64_t ended, first_ms, last_ms;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_dispatch: %s\n", what);
    exit(1);
}

/* ---- the client ----------------------------------------------------------------------------- */

static void ask(struct bench *bench, const char *verb, const char *arguments, char *error)
{
    char id[33];
    io_random_hex(id, 16);
    struct message message = {.kind = MESSAGE_REQUEST,
                              .request = {.id = id, .verb = verb, .arguments = arguments}};
    uint64_t deadline = clock_boot_ms() + 30000;
    while (link_send(bench->client, 0, &message, 1) != LINK_OK) {
        if (clock_boot_ms() > deadline)
            die("the coordinator does not take requests");
        poll(NULL, 0, 1);
    }
    for (;;) {
        struct received received;
        enum link_result result = link_receive(bench->client, &received, &bench->arena);
        if (result == LINK_OK && received.message.kind == MESSAGE_REPLY) {
            snprintf(error, 256, "%s",
                     received.message.reply.ok ? "" : received.message.reply.error);
            return;
        }
        struct pollfd fd = {.fd = link_fd(bench->client), .events = POLLIN};
        if (result == LINK_EMPTY)
            poll(&fd, 1, 10);
        if (clock_boot_ms() > deadline)
            die("no answer within 30 s");
    }
}

static void must(struct bench *bench, const char *verb, const char *arguments)
{
    char error[256];
    ask(bench, verb, arguments, error);
    if (*error)
        die(error);
}

/* ---- a simulated worker --------------------------------------------------------------------- */

static const char *systems[] = {"x86_64-linux"};
static const char *builders[] = {"command"};
static const struct filesystem disk = {.id = "1",
                                       .is_store = true,
                                       .is_build = true,
                                       .is_state = true,
                                       .free_bytes = 1ull << 50,
                                       .total_bytes = 1ull << 50};

static void say_hello(struct bench *bench, struct worker *worker, size_t number)
{
    char *machine = arena_print(&bench->arena, "machine-%zu", number);
    struct filesystem filesystem = disk;
    struct message message = {.kind = MESSAGE_HELLO,
                              .hello = {.major = 1,
                                        .program = "bench",
                                        .instance = machine,
                                        .boot_id = "boot",
                                        .capabilities = {.hostname = machine,
                                                         .machine_id = machine,
                                                         .systems = systems,
                                                         .systems_count = 1,
                                                         .builders = builders,
                                                         .builders_count = 1,
                                                         .filesystems = &filesystem,
                                                         .filesystems_count = 1,
                                                         .cores = 64,
                                                         .memory_bytes = 1ull << 45,
                                                         .slots = bench->slots,
                                                         .heavy_slots = bench->slots,
                                                         .git_version = "2",
                                                         .problem = ""}}};
    if (link_send(worker->link, 0, &message, 0) == LINK_OK)
        worker->sent_ms = clock_boot_ms();
}

static struct item *find_item(struct worker *worker, struct token token)
{
    for (size_t i = 0; i < worker->item_count; i++)
        if (token_equal(worker->items[i].token, token))
            return &worker->items[i];
    return NULL;
}

static void take_order(struct bench *bench, struct worker *worker, const struct order *order)
{
    struct item *item = find_item(worker, order->token);
    if (order->kind == ORDER_FORGET && item) {
        *item = worker->items[--worker->item_count];
        worker->changed = true;
    } else if (order->kind == ORDER_OFFER && !item) {
        MEM_GROW(worker->items, worker->item_count, worker->item_capacity);
        item = &worker->items[worker->item_count++];
        shape_init(&item_shape, item);
        item->token = order->token;
        item->state = ITEM_ENDED;
        item->phase = PHASE_BUILD;
        item->outcome = OUTCOME_OK;
        worker->changed = true;
        bench->last_ms = clock_boot_ms();
        if (!bench->ended++)
            bench->first_ms = bench->last_ms;
    }
}

static void receive(struct bench *bench, struct worker *worker)
{
    struct received received;
    enum link_result result;
    while ((result = link_receive(worker->link, &received, &bench->arena)) != LINK_EMPTY) {
        if (result != LINK_OK)
            continue;
        const struct message *message = &received.message;
        if (message->kind == MESSAGE_REFUSED)
            die(message->refused.reason);
        if (message->kind == MESSAGE_WELCOME) {
            worker->session = message->welcome.session;
            worker->incarnation = message->welcome.incarnation;
            worker->changed = true;
        }
        if (message->kind == MESSAGE_ORDERS && message->orders.session == worker->session)
            for (size_t i = 0; i < message->orders.orders_count; i++)
                take_order(bench, worker, &message->orders.orders[i]);
    }
}

static void send_status(struct worker *worker)
{
    struct filesystem filesystem = disk;
    struct message message = {.kind = MESSAGE_STATUS,
                              .status = {.session = worker->session,
                                         .sequence = ++worker->sequence,
                                         .incarnation = worker->incarnation,
                                         .items = worker->items,
                                         .items_count = worker->item_count,
                                         .filesystems = &filesystem,
                                         .filesystems_count = 1}};
    if (link_send(worker->link, 0, &message, 0) == LINK_OK) {
        worker->changed = false;
        worker->sent_ms = clock_boot_ms();
    }
}

static void work(struct bench *bench)
{
    uint64_t now = clock_boot_ms();
    for (size_t i = 0; i < bench->worker_count; i++) {
        struct worker *worker = &bench->workers[i];
        receive(bench, worker);
        if (!worker->session && now - worker->sent_ms > 500)
            say_hello(bench, worker, i);
        else if (worker->session && (worker->changed || now - worker->sent_ms > 2000))
            send_status(worker);
    }
    arena_clear(&bench->arena);
}

static bool all_welcome(const struct bench *bench)
{
    for (size_t i = 0; i < bench->worker_count; i++)
        if (!bench->workers[i].session)
            return false;
    return true;
}

static void wait_for_peers(struct bench *bench)
{
    zmq_pollitem_t polls[WORKERS_MAX] = {0};
    for (size_t i = 0; i < bench->worker_count; i++)
        polls[i] = (zmq_pollitem_t){.fd = link_fd(bench->workers[i].link), .events = ZMQ_POLLIN};
    zmq_poll(polls, (int)bench->worker_count, 2);
}

/* ---- the run -------------------------------------------------------------------------------- */

static struct link *connect_as(void *zmq, const char *endpoint, const char *server,
                               const struct key_pair *own)
{
    struct link_options options = {.frame_bytes_max = LIMIT_CONTROL_FRAME_BYTES,
                                   .send_high_water = 100,
                                   .receive_high_water = 100};
    struct err err;
    struct link *link = link_connect(zmq, endpoint, server, own, &options, &err);
    if (!link)
        die(err.text);
    return link;
}

static void enrol(struct bench *bench, void *zmq, const char *endpoint, const char *server)
{
    for (size_t i = 0; i < bench->worker_count; i++) {
        struct key_pair key;
        struct err err;
        if (keys_make(&key, &err))
            die(err.text);
        char arguments[256];
        snprintf(arguments, sizeof arguments,
                 "{\"name\":\"sim%zu\",\"role\":\"worker\",\"public_key\":\"%s\"}", i,
                 key.public_key);
        /* Z85 has no quote and no backslash: safe inside JSON. */
        must(bench, "enrol", arguments);
        bench->workers[i].link = connect_as(zmq, endpoint, server, &key);
    }
}

static char *endpoint_of(const char *home, struct arena *arena)
{
    struct buf text = {0};
    struct err err;
    if (io_read_file(arena_print(arena, "%s/run/endpoints", home), 4096, &text, &err))
        die(err.text);
    char *line = strtok((char *)text.data, "\n");
    return arena_text(arena, line + strlen("control "));
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("usage: bench_dispatch HOME JOBS WORKERS SLOTS");
    struct arena names = {0};
    struct err err;
    struct key_pair admin;
    char server[KEY_TEXT_BYTES];
    if (keys_load(arena_print(&names, "%s/keys/admin.key", argv[1]), &admin, &err) ||
        keys_load_public(arena_print(&names, "%s/keys/farmd.key.pub", argv[1]), server, &err))
        die(err.text);
    static struct bench bench;
    uint64_t jobs = strtoull(argv[2], NULL, 10);
    bench.worker_count = strtoul(argv[3], NULL, 10);
    bench.slots = (uint32_t)strtoul(argv[4], NULL, 10);
    assert(bench.worker_count && bench.worker_count <= WORKERS_MAX);
    void *zmq = zmq_ctx_new();
    zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, 1000);
    char *endpoint = endpoint_of(argv[1], &names);
    bench.client = connect_as(zmq, endpoint, server, &admin);
    enrol(&bench, zmq, endpoint, server);
    uint64_t deadline = clock_boot_ms() + BOUND_MS;
    while (!all_welcome(&bench) && clock_boot_ms() < deadline) {
        wait_for_peers(&bench);
        work(&bench);
    }
    must(&bench, "rebuild", "{\"force\":true}");
    while (bench.ended < jobs && clock_boot_ms() < deadline) {
        wait_for_peers(&bench);
        work(&bench);
    }
    if (bench.ended < jobs)
        die("the run did not end within ten minutes");
    double seconds = (double)(bench.last_ms - bench.first_ms) / 1000.0;
    printf("%llu %.3f %.0f\n", (unsigned long long)bench.ended, seconds,
           (double)bench.ended / seconds);
    for (size_t i = 0; i < bench.worker_count; i++) {
        link_close(bench.workers[i].link, 0);
        free(bench.workers[i].items);
    }
    link_close(bench.client, 0);
    zmq_ctx_term(zmq);
    arena_clear(&names);
    return 0;
}
