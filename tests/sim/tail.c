/* SPDX-License-Identifier: MIT */
/* tail.c - carries logs to the store, as worker/logtail.c does: asks where to go on, sends pieces
 * within a window, asks again when it hears nothing. */
#include "proto/base/seeded.h"
#include "tests/sim/host.h"
#include "tests/sim/network.h"

#include <string.h>

enum { PIECE_BYTES = 2000, WINDOW_BYTES = 6000, ANSWER_MS = 5000, LOOK_MS = 4000 };

static bool is_done(const struct tail *tail)
{
    return tail->state == TAIL_NONE || tail->state == TAIL_DONE;
}

static void ask(struct host *host, struct folder *folder)
{
    struct tail *tail = &folder->tail;
    struct message message = {.kind = MESSAGE_LOG_RESUME, .log_resume = {folder->token}};
    tail->state = TAIL_ASKING;
    tail->at_ms = host->world->now_ms + ANSWER_MS;
    network_up(host->world, host->index, &message, tail->at_ms);
}

/* False: there is nothing to send now. */
static bool send_piece(struct host *host, struct folder *folder)
{
    struct tail *tail = &folder->tail;
    uint64_t there = folder_log_bytes(host, folder);
    if (tail->final_known && tail->final_bytes < tail->sent)
        tail->final_bytes = tail->sent; /* the store has more than the disk: the log ends there */
    if (tail->final_known)
        there = tail->final_bytes;
    uint64_t size = there > tail->sent ? there - tail->sent : 0;
    if (size > PIECE_BYTES)
        size = PIECE_BYTES;
    bool last = tail->final_known && tail->sent + size == tail->final_bytes;
    bool window = tail->sent - tail->acked < WINDOW_BYTES;
    if (!window || (!size && !last))
        return false;
    uint64_t content = folder->token.number * 31 + tail->sent;
    struct message message = {.kind = MESSAGE_LOG_DATA};
    message.log_data = (struct log_data){
        .token = folder->token,
        .offset = tail->sent,
        .raw_bytes = (uint32_t)size,
        .at_ms = host_wall_ms(host),
        .zstd = {(const uint8_t *)&content, sizeof content},
        .last = last,
    };
    network_up(host->world, host->index, &message, 0);
    tail->sent += size;
    tail->at_ms = host->world->now_ms + ANSWER_MS;
    return !last;
}

static void send_pieces(struct host *host, struct folder *folder)
{
    while (send_piece(host, folder))
        continue;
}

static void work(struct host *host, struct folder *folder)
{
    struct tail *tail = &folder->tail;
    if (is_done(tail))
        return;
    bool waits = tail->state == TAIL_ASKING || tail->sent > tail->acked ||
                 (tail->final_known && tail->sent == tail->final_bytes);
    if (!tail->at_ms || (waits && host->world->now_ms >= tail->at_ms))
        ask(host, folder);
    else if (tail->state == TAIL_FLOWING && !waits)
        send_pieces(host, folder);
}

static void look(struct world *world, const struct event *event);

static void plan_look(struct host *host, uint64_t in_ms)
{
    if (host->tail_awake || !host->tail_on)
        return;
    host->tail_awake = true;
    world_in(host->world, in_ms,
             &(struct event){.act = look, .who = (uint32_t)host->index, .life = host->life});
}

static void look(struct world *world, const struct event *event)
{
    struct host *host = world->hosts[event->who];
    bool any = false;
    if (event->life != host->life)
        return;
    host->tail_awake = false;
    for (size_t i = 0; i < host->folder_count; i++) {
        if (host->suspended_until_ms <= world->now_ms)
            work(host, host->folders[i]);
        any |= !is_done(&host->folders[i]->tail);
    }
    if (any)
        plan_look(host, LOOK_MS);
}

void tail_follow(struct host *host, struct folder *folder)
{
    if (folder->tail.state == TAIL_NONE)
        folder->tail = (struct tail){.state = TAIL_ASKING};
    plan_look(host, 10);
}

void tail_finish(struct host *host, struct folder *folder, uint64_t bytes)
{
    tail_follow(host, folder);
    folder->tail.final_known = true;
    folder->tail.final_bytes = bytes;
    if (folder->tail.state == TAIL_FLOWING && host->tail_on)
        send_pieces(host, folder);
}

void tail_acked(struct host *host, const struct log_ack *ack)
{
    struct folder *folder = host_folder(host, ack->token);
    if (!folder || is_done(&folder->tail))
        return;
    struct tail *tail = &folder->tail;
    if (ack->sealed) {
        tail->state = TAIL_DONE;
        return;
    }
    if (*ack->refused)
        return; /* asks again in a while */
    if (tail->state == TAIL_ASKING)
        tail->sent = ack->offset;
    if (tail->state == TAIL_ASKING || ack->offset > tail->acked)
        tail->acked = ack->offset;
    if (tail->sent < tail->acked)
        tail->sent = tail->acked;
    tail->state = TAIL_FLOWING;
    tail->at_ms = host->world->now_ms + ANSWER_MS;
    send_pieces(host, folder);
}

/* It is known where the store is: all that the agent has is followed from now on. */
void tail_connect(struct host *host)
{
    if (host->tail_on)
        return;
    host->tail_on = true;
    const struct item *items;
    size_t count = agent_items(host->agent, &items);
    for (size_t i = 0; i < count; i++) {
        struct folder *folder = host_folder(host, items[i].token);
        if (folder && items[i].state == ITEM_ENDED)
            tail_finish(host, folder, items[i].log_bytes);
        else if (folder && items[i].state == ITEM_RUNNING)
            tail_follow(host, folder);
    }
}

void tail_forget_all(struct host *host)
{
    for (size_t i = 0; i < host->folder_count; i++)
        host->folders[i]->tail = (struct tail){0};
    host->tail_on = host->tail_awake = false;
}
