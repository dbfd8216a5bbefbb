/* SPDX-License-Identifier: MIT */
/* bench_ping.c - how long the control link takes to answer, meanwhile.
 *
 *   bench_ping HOME FILE     asks a small question every 20 ms until FILE exists (ten minutes at
 * most); prints count, p50, p99 and max of the round trip in ms
 *
 * A heartbeat takes the same way: socket, turn, commit, answer.
 */
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/mem.h"
#include "proto/limits.h"
#include "proto/link.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum { EVERY_MS = 20, BOUND_MS = 600000, SAMPLES_MAX = 60000 };

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_ping: %s\n", what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct link *connect_to(const char *home, void *zmq)
{
    struct arena arena = {0};
    struct buf text = {0};
    struct err err;
    struct key_pair admin;
    char server[KEY_TEXT_BYTES];
    if (keys_load(arena_print(&arena, "%s/keys/admin.key", home), &admin, &err) ||
        keys_load_public(arena_print(&arena, "%s/keys/farmd.key.pub", home), server, &err) ||
        io_read_file(arena_print(&arena, "%s/run/endpoints", home), 4096, &text, &err))
        die(err.text);
    char *endpoint = (char *)text.data + strlen("control ");
    endpoint[strcspn(endpoint, "\n")] = '\0';
    struct link_options options = {.frame_bytes_max = LIMIT_CONTROL_FRAME_BYTES,
                                   .send_high_water = 100,
                                   .receive_high_water = 100};
    struct link *link = link_connect(zmq, endpoint, server, &admin, &options, &err);
    if (!link)
        die(err.text);
    buf_release(&text);
    arena_clear(&arena);
    return link;
}

/* One round trip in ms. */
static double ping(struct link *link, uint64_t number, struct arena *arena)
{
    char id[33];
    io_random_hex(id, 16);
    struct message message = {.kind = MESSAGE_REQUEST,
                              .request = {.id = id, .verb = "eta", .arguments = "{}"}};
    double begin = now_ms();
    while (link_send(link, 0, &message, number) != LINK_OK) {
        struct received none;
        link_receive(link, &none, arena);
        poll(NULL, 0, 1);
        if (now_ms() - begin > 30000)
            die("no connection within 30 s");
    }
    for (;;) {
        struct received received;
        enum link_result result = link_receive(link, &received, arena);
        if (result == LINK_OK && received.correlation == number)
            return now_ms() - begin;
        struct pollfd fd = {.fd = link_fd(link), .events = POLLIN};
        if (result == LINK_EMPTY)
            poll(&fd, 1, 100);
        if (now_ms() - begin > 30000)
            die("no answer within 30 s");
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: bench_ping HOME FILE");
    static double samples[SAMPLES_MAX];
    size_t count = 0;
    struct arena arena = {0};
    void *zmq = zmq_ctx_new();
    struct link *link = connect_to(argv[1], zmq);
    ping(link, 1, &arena); /* connects */
    double end = now_ms() + BOUND_MS;
    while (count < SAMPLES_MAX && now_ms() < end && !io_exists(argv[2])) {
        samples[count] = ping(link, count + 2, &arena);
        count++;
        arena_clear(&arena);
        poll(NULL, 0, EVERY_MS);
    }
    link_close(link, 0);
    zmq_ctx_term(zmq);
    if (!count)
        die("nothing was measured");
    qsort(samples, count, sizeof samples[0], compare);
    printf("%zu %.3f %.3f %.3f\n", count, samples[count / 2], samples[count * 99 / 100],
           samples[count - 1]);
    return 0;
}
