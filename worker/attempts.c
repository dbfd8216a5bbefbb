/* SPDX-License-Identifier: MIT */
#define uthash_fatal(text) assert(!(text))
#include "worker/attempts.h"

#include "proto/base/log.h"
#include "worker/disk/folder.h"
#include "worker/phase/phase.h"
#include "worker/process/run_file_reader.h"
#include "worker/process/supervisor_client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <uthash.h>

enum { STOP_GRACE_MS = 10 * 1000 }; /* from TERM to KILL */

/* Key of the hash table: the token's bytes without the padding of its struct. */
struct attempt_key {
    uint8_t bytes[12];
};

struct attempt_entry {
    struct attempt_key key;
    struct token token;
    struct supervisor_client *client; /* NULL while no phase runs */
    enum phase phase;
    struct order order; /* without secret and bundle */
    struct arena arena; /* owns the order */
    UT_hash_handle hh;
};

struct attempts {
    struct attempts_options options;
    struct attempt_entry *entries; /* a hash table */
};

/* ---- the table ------------------------------------------------------------------------------- */

struct attempts *attempts_create(const struct attempts_options *options)
{
    struct attempts *attempts = mem_new(sizeof *attempts);
    attempts->options = *options;
    return attempts;
}

static struct attempt_key attempt_key_of(struct token token)
{
    struct attempt_key key;
    memcpy(key.bytes, &token.epoch, sizeof token.epoch);
    memcpy(key.bytes + 4, &token.number, sizeof token.number);
    return key;
}

static struct attempt_entry *entry_find(struct attempts *attempts, struct token token)
{
    struct attempt_key key = attempt_key_of(token);
    struct attempt_entry *entry;
    HASH_FIND(hh, attempts->entries, &key, sizeof key, entry);
    return entry;
}

struct attempt_entry *attempts_add(struct attempts *attempts, const struct order *order)
{
    struct attempt_entry *entry = entry_find(attempts, order->token);
    if (entry)
        return entry;
    entry = mem_new(sizeof *entry);
    entry->key = attempt_key_of(order->token);
    entry->token = order->token;
    struct order kept = *order;
    kept.secret = kept.bundle = (struct bytes){0};
    shape_copy(&order_shape, &entry->order, &kept, &entry->arena);
    HASH_ADD(hh, attempts->entries, key, sizeof entry->key, entry);
    return entry;
}

static void entry_drop(struct attempts *attempts, struct attempt_entry *entry)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): uthash */
    HASH_DELETE(hh, attempts->entries, entry);
    supervisor_client_release(entry->client);
    arena_clear(&entry->arena);
    free(entry);
}

void attempts_drop(struct attempts *attempts, struct token token)
{
    struct attempt_entry *entry = entry_find(attempts, token);
    if (entry)
        entry_drop(attempts, entry);
}

void attempts_destroy(struct attempts *attempts)
{
    struct attempt_entry *entry, *next;
    if (!attempts)
        return;
    HASH_ITER(hh, attempts->entries, entry, next)
    entry_drop(attempts, entry);
    free(attempts);
}

/* ---- how a phase ends ------------------------------------------------------------------------ */

/* A phase that could not be started, or whose exit facts cannot be read: the host lacks processes,
 * memory or its own files. Nothing is said about the job, so it goes to another host. */
static void push_failed(struct attempts *attempts, const struct attempt_entry *entry,
                        const struct err *why)
{
    struct agent_input input = {.kind = AGENT_INPUT_PHASE_ENDED};
    struct agent_phase_ended *ended = &input.phase_ended;
    shape_init(&product_shape, &ended->product);
    ended->token = entry->token;
    ended->phase = entry->phase;
    ended->facts.status = -1;
    ended->cause = CAUSE_WRONG_HOST;
    ended->witness = WITNESS_TRUSTED;
    ended->detail = arena_text(&attempts->options.inputs->arena, why->text);
    log_error("%s", why->text);
    input_queue_push(attempts->options.inputs, &input);
}

/* The supervisor of this phase ended, or the phase was skipped and had none. */
static void push_ended(struct attempts *attempts, const struct attempt_entry *entry)
{
    struct input_queue *inputs = attempts->options.inputs;
    struct agent_input input = {.kind = AGENT_INPUT_PHASE_ENDED};
    struct err err;
    if (phase_finish(attempts->options.home, &entry->order, entry->phase, attempts->options.host,
                     &inputs->arena, &input.phase_ended, &err) < 0)
        push_failed(attempts, entry, &err);
    else
        input_queue_push(inputs, &input);
}

/* ---- supervisors ----------------------------------------------------------------------------- */

static const char *entry_path(const struct attempts *attempts, const struct attempt_entry *entry,
                              const char *name)
{
    return folder_path(attempts->options.home, entry->token, name,
                       &attempts->options.inputs->arena);
}

static void supervisor_watch(struct attempts *attempts, struct attempt_entry *entry,
                             struct supervisor_client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = entry};
    entry->client = client;
    int failed =
        epoll_ctl(attempts->options.epoll_fd, EPOLL_CTL_ADD, supervisor_client_fd(client), &event);
    assert(!failed);
}

/* Finds and watches the live supervisor of the phase; false if there is none. */
static bool supervisor_find(struct attempts *attempts, struct attempt_entry *entry)
{
    struct supervisor_client *client = NULL;
    struct err err;
    if (supervisor_client_find(entry_path(attempts, entry, NULL), entry->phase, &client, &err) < 0)
        log_error("%s", err.text);
    if (client)
        supervisor_watch(attempts, entry, client);
    return client != NULL;
}

void attempts_adopt(struct attempts *attempts, struct attempt_entry *entry, enum phase phase)
{
    entry->phase = phase;
    if (!supervisor_find(attempts, entry))
        push_ended(attempts, entry);
}

/* Another supervisor may still own the phase: an agent killed right after starting a supervisor
 * leaves one that the next agent does not see in time, so that it starts a second one. Only one of
 * the two gets the lock. */
void attempts_supervisor_ended(struct attempts *attempts, struct attempt_entry *entry)
{
    epoll_ctl(attempts->options.epoll_fd, EPOLL_CTL_DEL, supervisor_client_fd(entry->client), NULL);
    supervisor_client_release(entry->client);
    entry->client = NULL;
    if (!supervisor_find(attempts, entry))
        push_ended(attempts, entry);
}

static int begin_phase(struct attempts *attempts, const struct attempt_entry *entry,
                       const struct order *order, struct bytes secret,
                       struct supervisor_client **client, struct err *err)
{
    const struct attempts_options *options = &attempts->options;
    struct phase_command command = {0};
    if (phase_command(options->program, options->home, order, entry->phase, options->host,
                      &options->inputs->arena, &command, err) < 0)
        return -1;
    const struct supervisor_client_start start = {
        .program = options->supervisor,
        .folder = entry_path(attempts, entry, NULL),
        .phase = entry->phase,
        .argv = command.argv,
        .environment = command.environment,
        .working_folder = command.working_folder,
        .wall_ms = command.wall_ms,
        .silence_ms = command.silence_ms,
        .stop_grace_ms = STOP_GRACE_MS,
        .secret = command.secret_env[0] != '\0' || command.secret_fd_env[0] != '\0'
                      ? secret
                      : (struct bytes){0},
        .secret_env = command.secret_env,
        .secret_fd_env = command.secret_fd_env,
        .cgroup_parent = command.own_cgroup ? options->cgroup : "",
        .memory_bytes = options->host->memory_bytes,
        .host_root = command.looks_at_host ? "" : NULL};
    return supervisor_client_begin(&start, client, err);
}

/* A job without a checkout begins with its build. A publication runs no recipe that the farm did
 * not build (docs/security.md has flox), and upkeep is our own program. */
static bool is_first_of_recipe(const struct order *order, enum phase phase)
{
    return !order->is_publication &&
           (phase == PHASE_CHECKOUT ||
            (phase == PHASE_BUILD && !order->recipe.checkout && !*order->recipe.upkeep));
}

void attempts_start_phase(struct attempts *attempts, const struct order *order, enum phase phase,
                          struct bytes secret)
{
    struct attempt_entry *entry = attempts_add(attempts, order);
    struct supervisor_client *client;
    struct err err;
    entry->phase = phase;
    bool is_placed =
        !is_first_of_recipe(order, phase) ||
        isolation_assign(attempts->options.isolation, entry_path(attempts, entry, NULL), &err) == 0;
    if (is_placed && phase_skip(order, phase, attempts->options.host))
        push_ended(attempts, entry);
    else if (!is_placed || begin_phase(attempts, entry, order, secret, &client, &err) < 0)
        push_failed(attempts, entry, &err);
    else
        supervisor_watch(attempts, entry, client);
}

bool attempts_is_outside(struct attempts *attempts, struct token token)
{
    const struct attempt_entry *entry = entry_find(attempts, token);
    struct isolation isolation;
    struct arena arena = {0};
    struct err err;
    if (!entry || *entry->order.recipe.upkeep) /* our own program */
        return false;
    bool outside =
        isolation_read("", entry_path(attempts, entry, NULL), &isolation, &arena, &err) < 0 ||
        isolation.level == ISOLATION_NONE;
    arena_clear(&arena);
    return outside;
}

void attempts_stop(struct attempts *attempts, struct token token)
{
    const struct attempt_entry *entry = entry_find(attempts, token);
    if (entry && entry->client)
        supervisor_client_stop(entry->client);
}

/* ---- progress -------------------------------------------------------------------------------- */

static void entry_look(struct attempts *attempts, const struct attempt_entry *entry)
{
    struct agent_input input = {.kind = AGENT_INPUT_LOOKED};
    struct agent_look *look = &input.looked;
    look->token = entry->token;
    look->bytes = folder_log_bytes(entry_path(attempts, entry, NULL));
    look->stop_cause =
        run_file_coming_stop(entry_path(attempts, entry, NULL), entry->phase, &look->stop_at_ms);
    input_queue_push(attempts->options.inputs, &input);
}

void attempts_look(struct attempts *attempts)
{
    for (const struct attempt_entry *entry = attempts->entries; entry; entry = entry->hh.next)
        if (entry->client)
            entry_look(attempts, entry);
}
