/* SPDX-License-Identifier: MIT */
#include "tests/sim/network.h"

#include "proto/codec.h"
#include "tests/sim/farmd.h"
#include "tests/sim/host.h"
#include "tests/sim/people.h"

#include <stdlib.h>
#include <string.h>

struct link {
    uint32_t connection;
    uint64_t cut_until_ms[2];
    uint64_t last_ms[2]; /* arrival of the newest, for links that keep the order */
};

struct network {
    struct link *links;
    size_t count;
    struct buf scratch;
};

struct network *network_create(size_t links)
{
    struct network *network = mem_new(sizeof *network);
    network->links = mem_new(links * sizeof *network->links);
    network->count = links;
    for (size_t i = 0; i < links; i++)
        network->links[i].connection = 1;
    return network;
}

void network_destroy(struct network *network)
{
    if (!network)
        return;
    buf_release(&network->scratch);
    free(network->links);
    free(network);
}

/* ---- delivering ----------------------------------------------------------------------------- */

static void arrive(struct world *world, const struct event *event);

static void again_later(struct world *world, const struct event *event, uint64_t in_ms)
{
    struct event later = *event;
    later.load = memcpy(mem_new(event->load_size), event->load, event->load_size);
    world_in(world, in_ms, &later);
}

static void deliver(struct world *world, const struct event *event)
{
    struct bytes bytes = {event->load, event->load_size};
    if (event->what == WAY_UP)
        farmd_receive(world, (sim_peer)event->who << 32 | event->life, bytes);
    else if (event->who < world->host_count)
        host_receive(world, event->who, bytes);
    else
        people_receive(world, bytes);
}

static void arrive(struct world *world, const struct event *event)
{
    const struct link *link = &world->network->links[event->who];
    if (event->life != link->connection)
        return;
    uint64_t cut_until_ms = link->cut_until_ms[event->what];
    if (cut_until_ms <= world->now_ms)
        deliver(world, event);
    else if (world->swarm.holds)
        again_later(world, event, cut_until_ms - world->now_ms);
}

/* Whose chance it is: messages of one kind in one direction of a link. */
static uint64_t link_id(size_t at, enum way way, enum message_kind kind)
{
    return joined_id(2 * at + way, kind);
}

static void post(struct world *world, size_t at, enum way way, enum message_kind kind)
{
    struct network *network = world->network;
    struct link *link = &network->links[at];
    const struct swarm *swarm = &world->swarm;
    uint64_t delay_ms = world->healed ? swarm->delay_least_ms
                                      : draw_between(world, CHANCE_LINK, link_id(at, way, kind),
                                                     swarm->delay_least_ms, swarm->delay_most_ms);
    if (!swarm->reorders && world->now_ms + delay_ms < link->last_ms[way])
        delay_ms = link->last_ms[way] - world->now_ms;
    link->last_ms[way] = world->now_ms + delay_ms;
    size_t size = network->scratch.size;
    struct event event = {.act = arrive,
                          .who = (uint32_t)at,
                          .what = way,
                          .life = link->connection,
                          .load = memcpy(mem_new(size), network->scratch.data, size),
                          .load_size = size};
    world_in(world, delay_ms, &event);
}

static void send(struct world *world, size_t at, enum way way, const struct message *message,
                 uint64_t correlation)
{
    const struct swarm *swarm = &world->swarm;
    TRACE(world, "%s %zu %s", way == WAY_UP ? "up" : "down", at, message_kind_name(message->kind));
    message_encode(message, correlation, &world->network->scratch);
    if (world->healed) {
        post(world, at, way, message->kind);
        return;
    }
    uint64_t id = link_id(at, way, message->kind);
    if (draw_permille(world, CHANCE_LINK, id, swarm->lost_permille))
        return;
    post(world, at, way, message->kind);
    if (draw_permille(world, CHANCE_LINK, id, swarm->twice_permille))
        post(world, at, way, message->kind);
}

void network_up(struct world *world, size_t link, const struct message *message,
                uint64_t correlation)
{
    send(world, link, WAY_UP, message, correlation);
}

bool network_down(struct world *world, sim_peer peer, const struct message *message,
                  uint64_t correlation)
{
    size_t link = peer_link(peer);
    if (!peer || (uint32_t)peer != world->network->links[link].connection)
        return false;
    send(world, link, WAY_DOWN, message, correlation);
    return true;
}

/* ---- faults --------------------------------------------------------------------------------- */

void network_reconnect(struct world *world, size_t link)
{
    world->network->links[link].connection++;
}

void network_reconnect_all(struct world *world)
{
    for (size_t i = 0; i < world->network->count; i++)
        network_reconnect(world, i);
}

void network_cut(struct world *world, size_t link, bool up, bool down, uint64_t for_ms)
{
    if (up)
        world->network->links[link].cut_until_ms[WAY_UP] = world->now_ms + for_ms;
    if (down)
        world->network->links[link].cut_until_ms[WAY_DOWN] = world->now_ms + for_ms;
}
