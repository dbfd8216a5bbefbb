/* SPDX-License-Identifier: MIT */
#include "tests/sim/logs.h"

#include "proto/base/seeded.h"
#include "tests/sim/check.h"
#include "tests/sim/farmd.h"

#include <stdlib.h>
#include <string.h>

enum { SYNC_MS_MOST = 30 };

struct stored {
    UT_hash_handle hh;
    struct fact_key key;
    struct token token;
    uint64_t bytes, synced; /* taken; on disk */
    bool last_taken, sealed;
    char writer[24]; /* "" : not expected (any more) */
    bool dirty;
    sim_peer answer_to;
};

struct logs {
    struct stored *table;
    uint64_t life;
};

struct logs *logs_create(void)
{
    return mem_new(sizeof(struct logs));
}

void logs_destroy(struct logs *logs)
{
    if (!logs)
        return;
    struct stored *at, *next;
    HASH_ITER(hh, logs->table, at, next)
    {
        HASH_DELETE(hh, logs->table, at);
        free(at);
    }
    free(logs);
}

static struct stored *find(const struct logs *logs, struct token token)
{
    struct fact_key key = {token.epoch, token.number};
    struct stored *found;
    HASH_FIND(hh, logs->table, &key, sizeof key, found);
    return found;
}

void logs_expect(struct world *world, struct token token, const char *key)
{
    struct stored *log = find(world->logs, token);
    if (!log) {
        log = mem_new(sizeof *log);
        log->key = (struct fact_key){token.epoch, token.number};
        log->token = token;
        HASH_ADD(hh, world->logs->table, key, sizeof log->key, log);
    }
    strncpy(log->writer, key, sizeof log->writer - 1);
    if (log->sealed)
        farmd_sealed(world, token, log->bytes);
}

static void answer(struct world *world, sim_peer to, const struct stored *log, const char *refused,
                   uint64_t correlation)
{
    struct message message = {.kind = MESSAGE_LOG_ACK};
    message.log_ack = (struct log_ack){
        .token = log->token, .offset = log->synced, .sealed = log->sealed, .refused = refused};
    network_down(world, to, &message, correlation);
}

static void synced(struct world *world, const struct event *event)
{
    struct logs *logs = world->logs;
    struct token token = {event->who, event->a};
    struct stored *log = find(logs, token);
    if (event->life != logs->life || !log || !log->dirty)
        return;
    log->dirty = false;
    log->synced = log->bytes;
    if (log->last_taken && !log->sealed) {
        log->sealed = true;
        checks_sealed(world, token, log->bytes);
        farmd_sealed(world, token, log->bytes);
    }
    answer(world, log->answer_to, log, "", 0);
}

static void take_data(struct world *world, sim_peer from, struct stored *log,
                      const struct log_data *data)
{
    log->answer_to = from;
    if (log->sealed || data->offset + data->raw_bytes < log->bytes) {
        answer(world, from, log, "", 0);
        return; /* seen before */
    }
    if (data->offset > log->bytes) {
        answer(world, from, log, "bytes before these are missing", 0);
        return;
    }
    log->bytes = data->offset + data->raw_bytes;
    log->last_taken |= data->last;
    if (SEEDED_BUG(LOSE_LAST_FRAME) && data->last && data->raw_bytes)
        log->bytes = data->offset;
    if (log->dirty)
        return;
    log->dirty = true;
    world_in(
        world,
        draw(world, CHANCE_LOG, joined_id(data->token.epoch, data->token.number), SYNC_MS_MOST),
        &(struct event){.act = synced,
                        .who = data->token.epoch,
                        .life = world->logs->life,
                        .a = data->token.number});
}

void logs_receive(struct world *world, sim_peer from, const struct message *message)
{
    bool is_data = message->kind == MESSAGE_LOG_DATA;
    struct token token = is_data ? message->log_data.token : message->log_resume.token;
    struct stored *log = find(world->logs, token);
    const struct host *host = world->hosts[peer_link(from)];
    if (!log || strcmp(log->writer, host->key) != 0) {
        answer(world, from, &(struct stored){.token = token},
               "this log is not expected from this worker", 0);
        return;
    }
    if (is_data)
        take_data(world, from, log, &message->log_data);
    else if (!log->dirty)
        answer(world, from, log, "", 0);
}

/* What was not on disk is gone; who may write is told anew. */
void logs_crash(struct world *world)
{
    struct logs *logs = world->logs;
    logs->life++;
    for (struct stored *at = logs->table; at; at = at->hh.next) {
        at->bytes = at->synced;
        at->last_taken = at->sealed;
        at->dirty = false;
        at->writer[0] = '\0';
    }
}

uint64_t logs_bytes(const struct world *world, struct token token, bool *sealed)
{
    const struct stored *log = find(world->logs, token);
    *sealed = log && log->sealed;
    return log ? log->synced : 0;
}
