/* SPDX-License-Identifier: MIT */
/* admin_requests.c - checks what a request about the farm names, and hands it to the core. */
#include "coordinator/api/admin_requests.h"

#include "coordinator/core/view.h"
#include "coordinator/notify/notifier.h"
#include "coordinator/shell/reload.h"
#include "coordinator/shell/reply.h"
#include "coordinator/shell/secrets.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

static json_t *changes_as_json(const struct config_changes *changes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < changes->count; i++) {
        const struct config_change *at = &changes->items[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:b}", "key", at->key, "before",
                                        at->before, "after", at->after, "waits", (int)at->waits));
    }
    return list;
}

void serve_config_reload(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct config_changes changes = {0};
    struct err err;
    (void)arguments;
    if (reload_config(shell, &changes, &err) < 0)
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    else
        reply_answer(shell->replies, asker, false,
                     json_pack("{s:o}", "changes", changes_as_json(&changes)));
    config_changes_release(&changes);
}

void serve_pause(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct input input = {
        .kind = INPUT_PAUSE,
        .pause = {.asked = reply_asked(asker), .reason = json_get_text(arguments, "reason", "")}};
    reply_from_core(shell, asker, &input);
}

void serve_resume(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    struct input input = {.kind = INPUT_RESUME,
                          .pause = {.asked = reply_asked(asker), .reason = ""}};
    reply_from_core(shell, asker, &input);
}

static void worker_admin(struct shell *shell, const struct asker *asker, const json_t *arguments,
                         enum worker_verb verb)
{
    const char *name = json_get_text(arguments, "worker", "");
    uint64_t worker = view_worker_by_name(shell->farm, name);
    struct input input = {.kind = INPUT_WORKER_ADMIN,
                          .worker_admin = {.asked = reply_asked(asker),
                                           .worker = worker,
                                           .verb = verb,
                                           .reason = json_get_text(arguments, "reason", ""),
                                           .discard = json_get_flag(arguments, "discard")}};
    if (worker)
        reply_from_core(shell, asker, &input);
    else
        reply_refuse(shell->replies, asker, 3, "there is no worker %s: see `farm worker list`",
                     name);
}

void serve_worker_drain(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    worker_admin(shell, asker, arguments, WORKER_DRAIN);
}

void serve_worker_resume(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    worker_admin(shell, asker, arguments, WORKER_RESUME);
}

void serve_worker_remove(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    worker_admin(shell, asker, arguments, WORKER_REMOVE);
}

void serve_enrol(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    int role = shape_enum_value(role_names, json_get_text(arguments, "role", ""));
    const char *key = json_get_text(arguments, "public_key", "");
    const char *name = json_get_text(arguments, "name", "");
    struct input input = {.kind = INPUT_ENROL,
                          .enrol = {.asked = reply_asked(asker),
                                    .name = name,
                                    .public_key = key,
                                    .role = (enum role)role,
                                    .may_publish = json_get_flag(arguments, "may_publish")}};
    if (!keys_valid(key))
        reply_refuse(shell->replies, asker, 2,
                     "\"%s\" is not a public key: expected 40 characters of Z85", key);
    else if (!text_is_name(name, LIMIT_NAME_BYTES))
        reply_refuse(shell->replies, asker, 2,
                     "\"%.80s\" cannot be a name, which has 1 to %d " TEXT_NAME_RULE, name,
                     LIMIT_NAME_BYTES);
    else
        reply_from_core(shell, asker, &input);
}

/* For a host that was reinstalled: revokes its old key and gives up its attempts. */
void serve_worker_replace(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *name = json_get_text(arguments, "worker", "");
    const char *key = json_get_text(arguments, "public_key", "");
    struct worker_view worker;
    uint64_t id = view_worker_by_name(shell->farm, name);
    if (!keys_valid(key)) {
        reply_refuse(shell->replies, asker, 2,
                     "\"%s\" is not a public key: expected 40 characters of Z85", key);
        return;
    }
    if (!id || !view_worker(shell->farm, id, &worker)) {
        reply_refuse(shell->replies, asker, 3, "there is no worker %s: see `farm worker list`",
                     name);
        return;
    }
    if (worker.state != WORKER_REMOVED && strcmp(worker.public_key, key) != 0) {
        struct input revoke = {
            .kind = INPUT_REVOKE,
            .revoke = {.asked = reply_asked(asker), .public_key = worker.public_key}};
        /* The enrolment below needs the request's id. */
        revoke.revoke.asked.request_id = arena_print(&shell->arena, "%s-r", asker->request_id);
        shell_step(shell, &revoke);
    }
    struct input enrol = {.kind = INPUT_ENROL,
                          .enrol = {.asked = reply_asked(asker),
                                    .name = name,
                                    .public_key = key,
                                    .role = ROLE_WORKER,
                                    .may_publish = json_get_flag(arguments, "may_publish")}};
    reply_from_core(shell, asker, &enrol);
}

void serve_revoke(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *lookup = json_get_text(arguments, "key", json_get_text(arguments, "name", ""));
    struct peer_view peer;
    const char *cursor = NULL;
    while (view_peer_next(shell->farm, &cursor, &peer)) {
        if (strcmp(peer.public_key, lookup) != 0 && strcmp(peer.name, lookup) != 0)
            continue;
        struct input input = {
            .kind = INPUT_REVOKE,
            .revoke = {.asked = reply_asked(asker), .public_key = peer.public_key}};
        reply_from_core(shell, asker, &input);
        return;
    }
    reply_refuse(shell->replies, asker, 3, "there is no enrolled key %s: see `farm key list`",
                 lookup);
}

/* ---- secrets --------------------------------------------------------------------------------- */

static json_t *targets_with(const struct config *config, const char *secret)
{
    json_t *names = json_array();
    for (size_t i = 0; i < config->targets_count; i++)
        if (!strcmp(config->targets[i].secret, secret))
            json_array_append_new(names, json_text(config->targets[i].name));
    return names;
}

static json_t *recipients_with(const struct config *config, const char *secret)
{
    json_t *names = json_array();
    for (size_t i = 0; i < config->listeners_count; i++)
        if (!strcmp(config->listeners[i].secret, secret))
            json_array_append_new(names, json_text(config->listeners[i].name));
    return names;
}

/* A row for each name, once. */
static void add_secret(const struct shell *shell, const char *name, json_t *list)
{
    size_t index;
    json_t *row;
    json_array_foreach(list, index, row)
    {
        if (!strcmp(json_get_text(row, "name", ""), name))
            return;
    }
    if (!*name)
        return;
    struct secret_facts facts = secret_facts(shell->home, name);
    row = json_object();
    json_object_set_new(row, "name", json_text(name));
    json_object_set_new(row, "source", json_string(facts.source));
    json_object_set_new(row, "bytes", json_integer((json_int_t)facts.bytes));
    json_object_set_new(row, "set_at", json_integer((json_int_t)facts.set_at_ms));
    json_object_set_new(row, "targets", targets_with(&shell->config, name));
    json_object_set_new(row, "recipients", recipients_with(&shell->config, name));
    json_array_append_new(list, row);
}

/* Those that are stored, then those that farm.yaml names and nobody has set. */
void serve_secret_list(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    const char **names;
    json_t *list = json_array();
    size_t count = secret_names(shell->home, &names, &shell->arena);
    for (size_t i = 0; i < count; i++)
        add_secret(shell, names[i], list);
    for (size_t i = 0; i < shell->config.targets_count; i++)
        add_secret(shell, shell->config.targets[i].secret, list);
    for (size_t i = 0; i < shell->config.listeners_count; i++)
        add_secret(shell, shell->config.listeners[i].secret, list);
    reply_answer(shell->replies, asker, false, json_pack("{s:o}", "secrets", list));
}

void serve_secret_set(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *name = json_get_text(arguments, "name", "");
    const char *value = json_get_text(arguments, "value", "");
    struct err err;
    if (secret_write(shell->home, name, value, strlen(value), &err)) {
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
        return;
    }
    log_info("secret %s was set by %s", name, asker->who);
    struct input input = {.kind = INPUT_RELEASE,
                          .release = {.asked = reply_asked(asker), .secret = name}};
    reply_from_core(shell, asker, &input);
}

void serve_ledger_import(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const json_t *list = json_object_get(arguments, "entries");
    size_t count = json_array_size(list);
    struct ledger_entry *entries = arena_new(&shell->arena, count * sizeof *entries);
    const struct shape *shape = record_info(RECORD_LEDGER_ENTERED)->shape;
    struct err err;
    for (size_t i = 0; i < count; i++)
        if (json_to_shape(shape, json_array_get(list, i), &entries[i], &shell->arena, &err)) {
            reply_refuse(shell->replies, asker, 2, "entry %zu: %s", i + 1, err.text);
            return;
        }
    struct input input = {
        .kind = INPUT_LEDGER_IMPORT,
        .ledger_import = {.asked = reply_asked(asker), .entries = entries, .entries_count = count}};
    reply_from_core(shell, asker, &input);
}

void serve_notify_test(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    if (shell->config.listeners_count)
        notifier_test(shell->notifier, asker);
    else
        reply_refuse(shell->replies, asker, 3,
                     "there is nobody to notify: add a recipient under `notices` in farm.yaml");
}
