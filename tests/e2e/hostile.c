/* SPDX-License-Identifier: MIT */
/* hostile.c - hostile peers against a real coordinator.
 *
 *   hostile HOME KEY MISDEED SECONDS [NUMBER]
 *
 * HOME is the farm's folder (for its endpoint and public key), KEY a file with the key pair of the
 * hostile peer, "-" for peers without an enrolled key. It misbehaves for SECONDS or until SIGTERM.
 * It prints "begun" once the misdeed has started, and at the end "did N": how often it was done,
 * "heard N": how often it was answered, "cut N": how often the connection was ended. It always
 * exits with 0: the test decides whether the farm was harmed. */
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/mem.h"
#include "proto/keys.h"
#include "proto/limits.h"
#include "proto/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>
#include <zstd.h>

enum { ITEMS_MAX = LIMIT_ITEMS_PER_STATUS, OTHERS = 300, WAIT_MS = 5, HEARTBEAT_MS = 300 };
enum { WELCOMED_MIN = 1000, WELCOME_MS = 40000 };
static const uint64_t ten_years_ms = 10ull * 365 * 24 * 3600 * 1000;

struct hostile {
    void *zmq;
    char control[256], log[256], server[KEY_TEXT_BYTES];
    struct key_pair key;
    uint64_t until_ms, number;
    struct arena arena; /* of one round */
    struct arena kept;

    /* as a worker */
    struct link *link, *log_link;
    uint64_t session, incarnation, sequence, said_ms;
    struct item items[ITEMS_MAX];
    size_t item_count;
    int64_t clock_off_ms;
    bool claims_all, takes, is_idle;
    enum outcome ends_with; /* what becomes of an offer that is taken; NONE: it runs for ever */

    unsigned long long did, heard, cut, read, written;
};

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
    (void)number;
    told_to_end = 1;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "hostile: %s\n", what);
    exit(1);
}

static bool goes_on(const struct hostile *hostile)
{
    return !told_to_end && clock_boot_ms() < hostile->until_ms;
}

static void begun(void)
{
    static bool said;
    if (!said && puts("begun") >= 0)
        fflush(stdout);
    said = true;
}

static struct link *connect_to(struct hostile *hostile, const char *endpoint)
{
    static const struct link_options options = {
        .frame_bytes_max = 1u << 30, .send_high_water = 16, .receive_high_water = 1000};
    struct err err;
    struct link *link =
        link_connect(hostile->zmq, endpoint, hostile->server, &hostile->key, &options, &err);
    if (!link)
        die(err.text);
    return link;
}

/* ---- a worker's ordinary words --------------------------------------------------------------- */

static const char *systems[] = {"x86_64-linux", "aarch64-linux"};
static const char *builders[] = {"command"};
static struct filesystem disk = {.id = "1",
                                 .is_store = true,
                                 .is_build = true,
                                 .is_state = true,
                                 .free_bytes = 1ull << 60,
                                 .total_bytes = 1ull << 60};

static uint64_t host_ms(const struct hostile *hostile)
{
    return clock_boot_ms() + (uint64_t)hostile->clock_off_ms;
}

static void hello_of(struct hostile *hostile, struct message *message)
{
    *message = (struct message){.kind = MESSAGE_HELLO};
    shape_init(&hello_shape, &message->hello);
    struct hello *hello = &message->hello;
    struct capabilities *host = &hello->capabilities;
    hello->major = 1;
    hello->program = "hostile";
    hello->instance = hello->boot_id = host->hostname = host->machine_id = "hostile";
    hello->at_ms = host_ms(hostile);
    host->systems = systems, host->systems_count = 2;
    host->builders = builders, host->builders_count = 1;
    host->filesystems = &disk, host->filesystems_count = 1;
    host->git_version = "2";
    host->cores = hostile->claims_all ? UINT32_MAX : 4;
    host->memory_bytes = hostile->claims_all ? UINT64_MAX : 1ull << 40;
    host->slots = host->heavy_slots = hostile->claims_all ? UINT32_MAX : 2;
    host->problem = hostile->is_idle ? "takes no builds" : "";
    hello->items = hostile->items, hello->items_count = hostile->item_count;
}

static void status_of(struct hostile *hostile, struct message *message)
{
    *message = (struct message){.kind = MESSAGE_STATUS,
                                .status = {.session = hostile->session,
                                           .sequence = ++hostile->sequence,
                                           .incarnation = hostile->incarnation,
                                           .at_ms = host_ms(hostile),
                                           .items = hostile->items,
                                           .items_count = hostile->item_count,
                                           .filesystems = &disk,
                                           .filesystems_count = 1}};
}

static bool say(struct hostile *hostile, struct link *link, const struct message *message)
{
    bool sent = link_send(link, 0, message, hostile->did) == LINK_OK;
    hostile->said_ms = clock_boot_ms();
    return sent;
}

static struct item *item_of(struct hostile *hostile, struct token token)
{
    for (size_t i = 0; i < hostile->item_count; i++)
        if (token_equal(hostile->items[i].token, token))
            return &hostile->items[i];
    return NULL;
}

static void take_order(struct hostile *hostile, const struct order *order)
{
    struct item *item = item_of(hostile, order->token);
    if (order->kind == ORDER_FORGET && item)
        *item = hostile->items[--hostile->item_count];
    if (order->kind != ORDER_OFFER || item || hostile->item_count == ITEMS_MAX || !hostile->takes)
        return;
    item = &hostile->items[hostile->item_count++];
    shape_init(&item_shape, item);
    item->token = order->token;
    item->phase = PHASE_BUILD;
    item->state = hostile->ends_with ? ITEM_ENDED : ITEM_RUNNING;
    item->outcome = hostile->ends_with;
    item->started_at_ms = clock_wall_ms() + (uint64_t)hostile->clock_off_ms;
    hostile->did++;
}

/* A reason that was not the last one. */
static void say_once(const char *what, const char *reason)
{
    static char last[128];
    if (strncmp(last, reason, sizeof last - 1) != 0)
        printf("%s: %s\n", what, reason);
    snprintf(last, sizeof last, "%s", reason);
}

static void take(struct hostile *hostile, const struct message *message)
{
    hostile->heard++;
    if (message->kind == MESSAGE_WELCOME) {
        hostile->session = message->welcome.session;
        hostile->incarnation = message->welcome.incarnation;
        hostile->sequence = 0;
        hostile->said_ms = 0;
    }
    if (message->kind == MESSAGE_LOG_ACK && *message->log_ack.refused)
        say_once("log refused", message->log_ack.refused);
    hostile->written += message->kind == MESSAGE_LOG_ACK && !*message->log_ack.refused;
    hostile->read += message->kind == MESSAGE_LOG_PIECE && message->log_piece.raw_bytes;
    if (message->kind == MESSAGE_LOG_PIECE && *message->log_piece.problem)
        say_once("log not read", message->log_piece.problem);
    if (message->kind == MESSAGE_REFUSED)
        say_once("refused", message->refused.reason);
    if (message->kind == MESSAGE_REPLY && !message->reply.ok)
        say_once("refused", message->reply.error);
    if (message->kind == MESSAGE_HELLO_AGAIN)
        hostile->session = 0;
    if (message->kind == MESSAGE_ORDERS && message->orders.orders_count) {
        for (size_t i = 0; i < message->orders.orders_count; i++)
            take_order(hostile, &message->orders.orders[i]);
        hostile->said_ms = 0;
    }
}

static void hear(struct hostile *hostile, struct link *link)
{
    struct received received;
    enum link_result result;
    while ((result = link_receive(link, &received, &hostile->arena)) != LINK_EMPTY)
        if (result == LINK_OK)
            take(hostile, &received.message);
    hostile->cut += link_came_up(link);
    arena_clear(&hostile->arena);
}

static void rest(const struct link *link, int ms)
{
    struct pollfd wait = {.fd = link_fd(link), .events = POLLIN};
    poll(&wait, 1, ms);
}

/* One round of what an honest agent says: hello until welcomed, then a status in time. */
static void behave(struct hostile *hostile)
{
    struct message message;
    hear(hostile, hostile->link);
    if (clock_boot_ms() - hostile->said_ms >= HEARTBEAT_MS) {
        if (hostile->session)
            status_of(hostile, &message);
        else
            hello_of(hostile, &message);
        say(hostile, hostile->link, &message);
    }
    rest(hostile->link, WAIT_MS);
}

static void join(struct hostile *hostile)
{
    hostile->link = connect_to(hostile, hostile->control);
    while (!hostile->session && goes_on(hostile))
        behave(hostile);
}

/* ---- misdeeds of workers --------------------------------------------------------------------- */

/* Says that it is there, and is never seen to take what it is offered. */
static void never_answers(struct hostile *hostile)
{
    hostile->claims_all = true;
    join(hostile);
    begun();
    while (goes_on(hostile))
        behave(hostile);
}

/* Has 4,000 million slots, all the memory there is, and can do nothing of it. */
static void lies_about_slots(struct hostile *hostile)
{
    hostile->claims_all = hostile->takes = true;
    hostile->ends_with = OUTCOME_REFUSED;
    join(hostile);
    begun();
    while (goes_on(hostile))
        behave(hostile);
}

static void clock_is_off(struct hostile *hostile)
{
    hostile->takes = true;
    hostile->ends_with = OUTCOME_OK;
    hostile->clock_off_ms = -(int64_t)ten_years_ms;
    join(hostile);
    begun();
    while (goes_on(hostile)) {
        behave(hostile);
        hostile->clock_off_ms = -hostile->clock_off_ms; /* and it jumps, on top of it */
    }
}

static void send_log(struct hostile *hostile, struct token token, uint64_t offset,
                     struct bytes zstd, uint32_t raw_bytes, bool last)
{
    struct message message = {.kind = MESSAGE_LOG_DATA,
                              .log_data = {.token = token,
                                           .offset = offset,
                                           .raw_bytes = raw_bytes,
                                           .at_ms = host_ms(hostile),
                                           .zstd = zstd,
                                           .last = last}};
    enum link_result result = link_send(hostile->log_link, 0, &message, 0);
    hostile->did += result == LINK_OK;
    if (result != LINK_OK)
        rest(hostile->log_link, WAIT_MS);
}

static struct bytes squeeze(struct hostile *hostile, const void *raw, size_t size)
{
    size_t room = ZSTD_compressBound(size);
    void *out = arena_new(&hostile->kept, room);
    return (struct bytes){out, ZSTD_compress(out, room, raw, size, 1)};
}

/* Ends, publications and logs of attempts it never had. */
static void answers_for_others(struct hostile *hostile)
{
    struct bytes lie = squeeze(hostile, "not its log\n", 12);
    hostile->is_idle = true;
    join(hostile);
    hostile->log_link = connect_to(hostile, hostile->log);
    for (uint64_t number = 1; number <= OTHERS; number++) {
        struct item *item = &hostile->items[hostile->item_count++];
        shape_init(&item_shape, item);
        item->token = (struct token){1, number};
        item->is_publication = number % 4 == 3;
        item->state = ITEM_ENDED;
        item->phase = item->is_publication ? PHASE_PUBLISH : PHASE_BUILD;
        item->outcome = number % 2 ? OUTCOME_FAILED : OUTCOME_OK;
        item->cause = number % 2 ? CAUSE_COMPILE : CAUSE_NONE;
        item->log_bytes = number;
    }
    begun();
    while (goes_on(hostile)) {
        behave(hostile);
        hear(hostile, hostile->log_link);
        for (uint64_t number = 1; number <= OTHERS; number++)
            send_log(hostile, (struct token){1, number}, 0, lie, 12, true);
        hostile->said_ms = 0;
    }
}

/* Reads the log of attempt 1.NUMBER, and writes into it: what a key is worth at the port of logs,
 * without a word at the other one. Without a key it makes one. Ends when it got something. */
static void takes_a_log(struct hostile *hostile)
{
    struct bytes lie = squeeze(hostile, "not its log\n", 12);
    const struct message read = {.kind = MESSAGE_LOG_READ,
                                 .log_read = {.token = {1, hostile->number}, .limit = 1}};
    struct err err;
    if (!*hostile->key.public_key && keys_make(&hostile->key, &err) < 0)
        die(err.text);
    hostile->log_link = connect_to(hostile, hostile->log);
    begun();
    while (goes_on(hostile) && !hostile->read && !hostile->written) {
        say(hostile, hostile->log_link, &read);
        send_log(hostile, (struct token){1, hostile->number}, 0, lie, 12, false);
        poll(NULL, 0, 100);
        hear(hostile, hostile->log_link);
    }
    printf("read %llu\nwritten %llu\n", hostile->read, hostile->written);
}

/* Statuses as large as they may be, as fast as they go. */
static void floods_statuses(struct hostile *hostile)
{
    char *text = arena_new(&hostile->kept, 800);
    struct message message;
    memset(text, 'x', 799);
    hostile->is_idle = true;
    join(hostile);
    for (; hostile->item_count < ITEMS_MAX; hostile->item_count++) {
        struct item *item = &hostile->items[hostile->item_count];
        shape_init(&item_shape, item);
        item->token = (struct token){9, hostile->item_count + 1};
        item->state = ITEM_RUNNING;
        item->detail = text;
    }
    begun();
    while (goes_on(hostile)) {
        status_of(hostile, &message);
        hostile->did += say(hostile, hostile->link, &message);
        hear(hostile, hostile->link);
    }
}

static void floods_hellos(struct hostile *hostile)
{
    struct message message;
    hostile->is_idle = true;
    join(hostile);
    begun();
    while (goes_on(hostile)) {
        hello_of(hostile, &message);
        message.hello.at_ms += hostile->did;
        hostile->did += say(hostile, hostile->link, &message);
        hear(hostile, hostile->link);
    }
}

/* Frames of the other roles and of nobody. */
static void says_what_is_not_its_to_say(struct hostile *hostile)
{
    const struct message words[] = {
        {.kind = MESSAGE_WELCOME, .welcome = {.session = 1, .worker = "x", .log_endpoint = "x"}},
        {.kind = MESSAGE_REQUEST,
         .request = {.id = "00000000000000000000000000000000",
                     .verb = "revoke",
                     .arguments = "{}"}},
        {.kind = MESSAGE_LOG_READ, .log_read = {.token = {1, 1}, .follow = true}},
    };
    hostile->is_idle = true;
    join(hostile);
    hostile->log_link = connect_to(hostile, hostile->log);
    begun();
    for (size_t i = 0; goes_on(hostile); i++) {
        hostile->did += say(hostile, i % 2 ? hostile->link : hostile->log_link, &words[i / 2 % 3]);
        hear(hostile, hostile->link);
        hear(hostile, hostile->log_link);
        poll(NULL, 0, 1);
    }
}

/* The next frame of its own attempt's log: NUMBER that do not compress, then those that cost
 * nothing. */
static void log_on(struct hostile *hostile, struct token token, uint64_t *offset)
{
    static struct bytes dense, light;
    static uint64_t sent;
    if (!dense.size) {
        uint8_t *raw = arena_new(&hostile->kept, LIMIT_LOG_CHUNK_BYTES);
        light = squeeze(hostile, raw, LIMIT_LOG_CHUNK_BYTES);
        io_random(raw, LIMIT_LOG_CHUNK_BYTES);
        dense = squeeze(hostile, raw, LIMIT_LOG_CHUNK_BYTES);
    }
    unsigned long long before = hostile->did;
    send_log(hostile, token, *offset, sent < hostile->number ? dense : light, LIMIT_LOG_CHUNK_BYTES,
             false);
    if (hostile->did > before) {
        *offset += LIMIT_LOG_CHUNK_BYTES;
        sent++;
    }
}

/* Its own attempt's log, faster than any disk and without waiting to be told that it is stored;
 * beyond its limit; and on when the attempt has ended. */
static void floods_its_log(struct hostile *hostile)
{
    uint64_t offset = 0;
    hostile->takes = true;
    join(hostile);
    while (!hostile->item_count && goes_on(hostile))
        behave(hostile);
    struct token token = hostile->items[0].token;
    hostile->log_link = connect_to(hostile, hostile->log);
    begun();
    hostile->did = 0;
    while (goes_on(hostile)) {
        log_on(hostile, token, &offset);
        if (hostile->did % 16 == 0)
            hear(hostile, hostile->log_link);
        if (offset > LIMIT_LOG_BYTES + (64u << 20) && hostile->item_count)
            hostile->takes = false;
        for (size_t i = 0; !hostile->takes && i < hostile->item_count; i++) {
            hostile->items[i].state = ITEM_ENDED; /* others may have them now */
            hostile->items[i].outcome = OUTCOME_REFUSED;
        }
        if (clock_boot_ms() - hostile->said_ms >= HEARTBEAT_MS)
            behave(hostile);
    }
}

/* One frame of NUMBER bytes, again and again. */
static void sends_large_frames(struct hostile *hostile)
{
    char *text = mem_new(hostile->number);
    struct message message;
    memset(text, 'x', hostile->number - 1);
    hostile->is_idle = true;
    join(hostile);
    hostile->cut = 0;
    begun();
    while (goes_on(hostile)) {
        hello_of(hostile, &message);
        message.hello.program = text;
        hostile->did += say(hostile, hostile->link, &message);
        hear(hostile, hostile->link);
        if (hostile->cut == 1 && puts("was cut") >= 0)
            fflush(stdout);
        rest(hostile->link, 50);
    }
    free(text);
}

/* All it said in one session, said again in the next. */
static void replays_a_session(struct hostile *hostile)
{
    struct message old[8];
    hostile->takes = true;
    hostile->ends_with = OUTCOME_FAILED;
    join(hostile);
    hello_of(hostile, &old[0]);
    for (size_t i = 1; i < 8; i++)
        status_of(hostile, &old[i]);
    while (!hostile->did && goes_on(hostile)) /* one of them told how an attempt ended */
        behave(hostile);
    for (size_t i = 1; i < 8; i++)
        old[i].status.items_count = hostile->item_count;
    hostile->takes = false;
    hostile->session = 0;
    while (!hostile->session && goes_on(hostile))
        behave(hostile);
    begun();
    for (size_t i = 0; goes_on(hostile); i++) {
        hostile->did += say(hostile, hostile->link, &old[i % 8]);
        behave(hostile);
    }
}

/* ---- misdeeds of clients --------------------------------------------------------------------- */

static void ask(struct hostile *hostile, const char *verb, const char *arguments)
{
    char id[33];
    io_random_hex(id, 16);
    struct message message = {.kind = MESSAGE_REQUEST,
                              .request = {.id = id, .verb = verb, .arguments = arguments}};
    hostile->did += say(hostile, hostile->link, &message);
}

/* Connections of one key, each with a whole handshake. */
struct conn_limit {
    struct link **links;
    uint64_t count;
};

static struct conn_limit make_conn_limit(struct hostile *hostile, uint64_t count)
{
    struct conn_limit conn_limit = {.links = mem_new((count + 1) * sizeof *conn_limit.links)};
    for (; conn_limit.count < count && goes_on(hostile); conn_limit.count++) {
        struct received none;
        uint64_t i = conn_limit.count;
        conn_limit.links[i] = connect_to(hostile, hostile->control);
        for (uint64_t j = i < 64 ? 0 : i - 64; j <= i; j += 16)
            link_receive(conn_limit.links[j], &none, &hostile->arena);
    }
    return conn_limit;
}

static void look_after_conn_limit(struct hostile *hostile, const struct conn_limit *conn_limit)
{
    for (uint64_t i = 0; i < conn_limit->count && goes_on(hostile); i++) {
        struct received none;
        while (link_receive(conn_limit->links[i], &none, &hostile->arena) != LINK_EMPTY)
            ;
        hostile->heard += link_came_up(conn_limit->links[i]);
    }
}

static void end_conn_limit(struct conn_limit *conn_limit)
{
    for (uint64_t i = 0; i < conn_limit->count; i++)
        link_close(conn_limit->links[i], 0);
    free(conn_limit->links);
}

/* NUMBER connections at once, which say nothing. */
static void connects_often(struct hostile *hostile)
{
    struct conn_limit conn_limit = make_conn_limit(hostile, hostile->number);
    begun();
    while (goes_on(hostile)) {
        look_after_conn_limit(hostile, &conn_limit);
        poll(NULL, 0, 100);
    }
    end_conn_limit(&conn_limit);
}

/* The same, and each has a question now and then. */
static void crowds(struct hostile *hostile)
{
    struct conn_limit conn_limit = make_conn_limit(hostile, hostile->number);
    while (goes_on(hostile)) {
        for (uint64_t i = 0; i < conn_limit.count && goes_on(hostile); i++) {
            hostile->link = conn_limit.links[i];
            hear(hostile, hostile->link);
            ask(hostile, "workers", "{}");
        }
        if (hostile->did >= hostile->number)
            begun();
        poll(NULL, 0, 1000);
    }
    hostile->link = NULL;
    end_conn_limit(&conn_limit);
}

/* NUMBER questions a second for which the coordinator has to ask git. */
static void plans_without_end(struct hostile *hostile)
{
    hostile->link = connect_to(hostile, hostile->control);
    while (goes_on(hostile)) {
        for (uint64_t i = 0; i < hostile->number && goes_on(hostile); i++) {
            hear(hostile, hostile->link);
            ask(hostile, "plan", "{}");
            rest(hostile->link, WAIT_MS);
        }
        if (hostile->did)
            begun();
    }
}

/* Asks for the log of attempt 1.NUMBER and for all events, and says how much comes: to be revoked
 * meanwhile. */
static void follows(struct hostile *hostile)
{
    struct message read = {.kind = MESSAGE_LOG_READ,
                           .log_read = {.token = {1, hostile->number}, .follow = true}};
    hostile->link = connect_to(hostile, hostile->control);
    hostile->log_link = connect_to(hostile, hostile->log);
    while (!hostile->did && goes_on(hostile)) {
        hear(hostile, hostile->link);
        ask(hostile, "events", "{\"since\":1}");
        rest(hostile->link, 50);
    }
    while (goes_on(hostile) && !say(hostile, hostile->log_link, &read)) {
        hear(hostile, hostile->log_link);
        rest(hostile->log_link, 50);
    }
    for (unsigned long long events = 0, pieces = 0; goes_on(hostile);) {
        unsigned long long before = hostile->heard;
        hear(hostile, hostile->link);
        events += hostile->heard - before;
        before = hostile->heard;
        hear(hostile, hostile->log_link);
        pieces += hostile->heard - before;
        printf("events %llu pieces %llu\n", events, pieces);
        if (events && pieces)
            begun();
        fflush(stdout);
        poll(NULL, 0, 100);
    }
}

/* Asks and never takes an answer. */
static void never_reads(struct hostile *hostile)
{
    hostile->link = connect_to(hostile, hostile->control);
    while (hostile->did == 0 && goes_on(hostile)) {
        hear(hostile, hostile->link);
        ask(hostile, "status", "{}");
        rest(hostile->link, WAIT_MS);
    }
    begun();
    while (goes_on(hostile)) {
        ask(hostile, "events", "{\"since\":1}");
        ask(hostile, "status", "{}");
        poll(NULL, 0, 1);
    }
}

/* ---- misdeeds of strangers --------------------------------------------------------------------
 */

static int dial(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(colon + 1)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A busy machine gets through with so many, and after WELCOME_MS no more are waited for. */
static bool are_enough(const struct hostile *hostile, uint64_t enough_ms)
{
    return hostile->heard >= WELCOMED_MIN && clock_boot_ms() >= enough_ms;
}

/* So few at a time that their handshakes end well. */
static struct conn_limit welcome_conn_limit(struct hostile *hostile, uint64_t count)
{
    struct conn_limit conn_limit = {.links = mem_new((count + 1) * sizeof *conn_limit.links)};
    uint64_t enough_ms = clock_boot_ms() + WELCOME_MS;
    while (conn_limit.count < count && !are_enough(hostile, enough_ms) && goes_on(hostile)) {
        struct conn_limit some = {.links = conn_limit.links + conn_limit.count};
        uint64_t wanted = hostile->heard + 100;
        for (; some.count < 100 && conn_limit.count < count; some.count++)
            conn_limit.links[conn_limit.count++] = connect_to(hostile, hostile->control);
        while (hostile->heard < wanted && !are_enough(hostile, enough_ms) && goes_on(hostile)) {
            look_after_conn_limit(hostile, &some);
            poll(NULL, 0, 1);
        }
    }
    return conn_limit;
}

/* NUMBER connections that say nothing, made again when they are ended. With a key a third of them
 * are let in by their handshakes. */
static void opens_many(struct hostile *hostile)
{
    uint64_t with_key = *hostile->key.public_key ? hostile->number / 3 : 0;
    struct conn_limit conn_limit = welcome_conn_limit(hostile, with_key);
    hostile->number -= with_key;
    int *fds = mem_new(hostile->number * sizeof *fds);
    for (uint64_t i = 0; i < hostile->number; i++)
        fds[i] = -1;
    while (goes_on(hostile)) {
        for (uint64_t i = 0; i < hostile->number && goes_on(hostile); i++) {
            char none;
            bool ended = fds[i] >= 0 && recv(fds[i], &none, 1, MSG_DONTWAIT) == 0;
            if (fds[i] >= 0 && !ended)
                continue;
            hostile->cut += ended;
            if (ended)
                close(fds[i]);
            fds[i] = dial(hostile->control);
            hostile->did += fds[i] >= 0;
        }
        look_after_conn_limit(hostile, &conn_limit);
        begun();
        poll(NULL, 0, 50);
    }
    for (uint64_t i = 0; i < hostile->number; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(fds);
    end_conn_limit(&conn_limit);
}

/* What is said to a port that speaks ZMTP 3.1: a greeting is 64 bytes (RFC 37). */
static const struct nonsense {
    const char *bytes;
    size_t size;
} nonsenses[] = {
#define SAYS(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
    SAYS("GET / HTTP/1.1\r\nHost: farm\r\n\r\n"),
    SAYS("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS */
    SAYS("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\x05READY"),
    SAYS("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\x10HELLO\x03xyz\x03xy"
         "z"),
    SAYS("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00"
         "CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\x10HELLO\1\0nonsense"),
    /* CURVE, then a command of 2 GiB */
    SAYS("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00"
         "CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\0\0\0\0\x80\0\0\0\5HEL"
         "LO"),
#undef SAYS
};

/* Each kind of nonsense on a connection of its own, and behind it noise until it is cut or a
 * megabyte went in. */
static void talks_nonsense(struct hostile *hostile)
{
    char noise[4096];
    io_random(noise, sizeof noise);
    for (size_t i = 0; goes_on(hostile); i++) {
        const struct nonsense *nonsense = &nonsenses[i % (sizeof nonsenses / sizeof nonsenses[0])];
        int fd = dial(i % 3 ? hostile->control : hostile->log);
        if (fd < 0)
            continue;
        hostile->did++;
        bool open = send(fd, nonsense->bytes, nonsense->size, MSG_NOSIGNAL) > 0;
        for (int n = 0; open && n < 256; n++)
            open = send(fd, noise, sizeof noise, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
        hostile->cut += !open;
        close(fd);
        begun();
    }
}

/* What a real client said, byte by byte, said again on connections of its own. */
struct relay {
    int listener, client, server;
    char endpoint[64];
    uint8_t said[65536];
    size_t size;
};

static void relay_open(struct relay *relay, const char *endpoint)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof here;
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    relay->server = dial(endpoint);
    if (relay->listener < 0 || relay->server < 0 ||
        bind(relay->listener, (struct sockaddr *)&here, sizeof here) < 0 ||
        listen(relay->listener, 1) < 0 ||
        getsockname(relay->listener, (struct sockaddr *)&here, &size) < 0)
        die("cannot relay");
    snprintf(relay->endpoint, sizeof relay->endpoint, "tcp://127.0.0.1:%d", ntohs(here.sin_port));
    relay->client = -1;
}

static void relay_work(struct relay *relay)
{
    uint8_t bytes[4096];
    struct pollfd wait[2] = {
        {.fd = relay->client < 0 ? relay->listener : relay->client, .events = POLLIN},
        {.fd = relay->server, .events = POLLIN}};
    if (relay->client < 0) { /* what the server says first waits for somebody who hears it */
        if (poll(wait, 1, WAIT_MS) > 0)
            relay->client = accept(relay->listener, NULL, NULL);
        return;
    }
    poll(wait, 2, WAIT_MS);
    ssize_t n = wait[0].revents ? recv(relay->client, bytes, sizeof bytes, MSG_DONTWAIT) : 0;
    if (n > 0 && (size_t)n <= sizeof relay->said - relay->size) {
        memcpy(relay->said + relay->size, bytes, (size_t)n);
        relay->size += (size_t)n;
        send(relay->server, bytes, (size_t)n, MSG_NOSIGNAL);
    }
    n = wait[1].revents ? recv(relay->server, bytes, sizeof bytes, MSG_DONTWAIT) : 0;
    if (n > 0 && relay->client >= 0)
        send(relay->client, bytes, (size_t)n, MSG_NOSIGNAL);
}

static void replays_bytes(struct hostile *hostile)
{
    static struct relay relay;
    char real[256];
    snprintf(real, sizeof real, "%s", hostile->control);
    relay_open(&relay, real);
    snprintf(hostile->control, sizeof hostile->control, "%s", relay.endpoint);
    hostile->link = connect_to(hostile, hostile->control);
    while (!hostile->heard && goes_on(hostile)) {
        hear(hostile, hostile->link);
        if (!hostile->did)
            ask(hostile, "pause", "{}");
        relay_work(&relay);
    }
    begun();
    hostile->did = 0;
    while (goes_on(hostile)) {
        char answer[4096];
        int fd = dial(real);
        if (fd < 0)
            continue;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        hostile->did += send(fd, relay.said, relay.size, MSG_NOSIGNAL) > 0;
        ssize_t n = 1;
        while (n > 0 && poll(&wait, 1, 1000) > 0)
            n = recv(fd, answer, sizeof answer, 0);
        hostile->cut += n <= 0;
        close(fd);
    }
}

/* ---- the table --------------------------------------------------------------------------------
 */

static const struct misdeed {
    const char *name;
    void (*commit)(struct hostile *hostile);
} misdeeds[] = {
    {"never-answers", never_answers},
    {"lies-about-slots", lies_about_slots},
    {"clock-is-off", clock_is_off},
    {"answers-for-others", answers_for_others},
    {"takes-a-log", takes_a_log},
    {"floods-statuses", floods_statuses},
    {"floods-hellos", floods_hellos},
    {"floods-its-log", floods_its_log},
    {"says-what-is-not-its-to-say", says_what_is_not_its_to_say},
    {"sends-large-frames", sends_large_frames},
    {"replays-a-session", replays_a_session},
    {"connects-often", connects_often},
    {"crowds", crowds},
    {"plans-without-end", plans_without_end},
    {"follows", follows},
    {"never-reads", never_reads},
    {"opens-many", opens_many},
    {"talks-nonsense", talks_nonsense},
    {"replays-bytes", replays_bytes},
};

static void read_endpoints(struct hostile *hostile, const char *home)
{
    struct buf text = {0};
    struct err err;
    if (io_read_file(arena_print(&hostile->kept, "%s/run/endpoints", home), 4096, &text, &err) ||
        keys_load_public(arena_print(&hostile->kept, "%s/keys/farmd.key.pub", home),
                         hostile->server, &err))
        die(err.text);
    if (sscanf((const char *)text.data, "control %255s log %255s", hostile->control,
               hostile->log) != 2)
        die("cannot tell where the coordinator is");
    buf_release(&text);
}

int main(int argc, char **argv)
{
    static struct hostile hostile;
    struct err err;
    if (argc < 5)
        die("usage: hostile HOME KEY MISDEED SECONDS [NUMBER]");
    signal(SIGTERM, on_signal);
    setvbuf(stdout, NULL, _IOLBF, 0); /* somebody waits for each line */
    hostile.until_ms = clock_boot_ms() + strtoull(argv[4], NULL, 10) * 1000;
    hostile.number = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    hostile.zmq = zmq_ctx_new();
    zmq_ctx_set(hostile.zmq, ZMQ_MAX_SOCKETS, 40000);
    read_endpoints(&hostile, argv[1]);
    if (strcmp(argv[2], "-") != 0 && keys_load(argv[2], &hostile.key, &err))
        die(err.text);
    for (size_t i = 0; i < sizeof misdeeds / sizeof misdeeds[0]; i++) {
        if (strcmp(misdeeds[i].name, argv[3]) != 0)
            continue;
        misdeeds[i].commit(&hostile);
        printf("did %llu\nheard %llu\ncut %llu\n", hostile.did, hostile.heard, hostile.cut);
        link_close(hostile.link, 0);
        link_close(hostile.log_link, 0);
        zmq_ctx_term(hostile.zmq);
        arena_clear(&hostile.arena);
        arena_clear(&hostile.kept);
        return 0;
    }
    die("there is no such misdeed");
}
