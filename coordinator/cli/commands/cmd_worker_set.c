/* SPDX-License-Identifier: MIT */
/* cmd_worker_set.c - `farm worker set`: changes what a worker may and how much it takes.
 *
 * The settings belong to the host's owner. On this machine, and on hosts that were added from here
 * over SSH, that is the person who types; a host that joined by itself is changed there, and only
 * the farm's own permission to publish is changed from here. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/hosts/deploy_ui.h"
#include "coordinator/cli/hosts/host_book.h"
#include "coordinator/cli/hosts/local_worker.h"
#include "proto/base/shape.h"
#include "proto/json.h"
#include "proto/vocab.h"

#include <stdio.h>
#include <string.h>

struct worker_wishes {
    const char *name;
    const char *slots, *heavy, *isolation; /* "": as it is */
    enum publish_wish publish;
};

/* ---- the command line ---------------------------------------------------------------------- */

static bool is_count(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 6;
}

static bool set_publish(const char *value, enum publish_wish *out)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return false;
    *out = *value == 'y' ? PUBLISH_YES : PUBLISH_NO;
    return true;
}

/* auto, or a level that an owner can choose. */
static bool is_isolation(const char *value)
{
    int level = shape_enum_value(isolation_names, value);
    return level > ISOLATION_UNKNOWN || strcmp(value, "auto") == 0;
}

static enum exit_code read_wish(const char *word, struct worker_wishes *wishes)
{
    const char *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : 0;
    const char *value = equals ? equals + 1 : "";
    if (size == 7 && !strncmp(word, "publish", size) && set_publish(value, &wishes->publish))
        return EXIT_FINE;
    if (size == 5 && !strncmp(word, "slots", size) && is_count(value)) {
        wishes->slots = value;
        return EXIT_FINE;
    }
    if (size == 5 && !strncmp(word, "heavy", size) && is_count(value)) {
        wishes->heavy = value;
        return EXIT_FINE;
    }
    if (size == 9 && !strncmp(word, "isolation", size) && is_isolation(value)) {
        wishes->isolation = value;
        return EXIT_FINE;
    }
    return fail(EXIT_USAGE,
                "\"%s\" is not publish=yes, publish=no, slots=N, heavy=N or isolation=LEVEL, where "
                "LEVEL is auto, users, users-only, namespaces or none",
                word);
}

/* ---- the worker as the farm knows it ------------------------------------------------------- */

/* A new reference to the worker's row, or NULL with the error printed. */
static json_t *find_worker(struct invocation *invocation, const char *name, enum exit_code *code)
{
    json_t *body = NULL, *row, *found = NULL;
    size_t index;
    *code = invocation_ask(invocation, "workers", NULL, &body);
    json_array_foreach(json_object_get(body, "workers"), index, row)
    {
        if (!strcmp(json_get_text(row, "worker", ""), name) &&
            strcmp(json_get_text(row, "state", ""), "removed") != 0)
            found = json_incref(row);
    }
    json_decref(body);
    if (*code == EXIT_FINE && !found)
        *code = fail(EXIT_REFUSED, "there is no worker %s: see farm worker list", name);
    return found;
}

/* ---- the three kinds of hosts -------------------------------------------------------------- */

static enum exit_code set_here(struct invocation *invocation, const struct worker_wishes *wishes)
{
    const struct local_worker worker = {.name = wishes->name,
                                        .home = "",
                                        .program = "",
                                        .supervisor = "",
                                        .slots = wishes->slots,
                                        .heavy = wishes->heavy,
                                        .emulate = "",
                                        .isolation = wishes->isolation,
                                        .publish = wishes->publish};
    return local_worker_change(invocation, &worker);
}

/* Completes the installation again, with other settings. */
static enum exit_code set_over_ssh(struct invocation *invocation,
                                   const struct worker_wishes *wishes, const json_t *row)
{
    struct host_entry entry;
    struct deploy_ui ui;
    struct err err;
    if (hosts_read(invocation, wishes->name, &entry, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    enum exit_code code = deploy_ui_open(&ui, invocation, 1, DEPLOY_UI_WORKERS);
    if (code == EXIT_FINE && deploy_ui_address(&ui, 0, entry.to, entry.identity, &err) < 0)
        code = fail(EXIT_REFUSED, "%s", err.text);
    struct fleet_host *member = code == EXIT_FINE ? &ui.members[0] : NULL;
    if (member) {
        member->goal = FLEET_ADD;
        member->prefix = entry.prefix;
        member->wanted.name = entry.name;
        member->wanted.worker_home = entry.worker_home;
        member->wanted.slots = wishes->slots;
        member->wanted.heavy = wishes->heavy;
        member->wanted.isolation = wishes->isolation;
        member->wanted.may_publish = wishes->publish == PUBLISH_AS_IS
                                         ? json_get_flag(row, "may_publish")
                                         : wishes->publish == PUBLISH_YES;
        member->wanted.by_tunnel = entry.tunnel_port != 0;
        member->wanted.no_smoke = true;
        code = deploy_ui_run(&ui);
    }
    deploy_ui_close(&ui);
    return code;
}

/* A host that joined by itself: only its owner changes what it offers. A stricter level is no
 * exception: whoever chooses one that does not work there keeps the host from taking builds. */
static enum exit_code set_permission(struct invocation *invocation,
                                     const struct worker_wishes *wishes, const json_t *row)
{
    if (*wishes->slots || *wishes->heavy)
        return fail(EXIT_REFUSED,
                    "%s joined by itself, so its slots are set on its host: farm-worker enrol "
                    "--slots N, then farm-worker service restart",
                    wishes->name);
    if (*wishes->isolation)
        return fail(EXIT_REFUSED,
                    "%s joined by itself, so its owner chooses how recipes are isolated there: on "
                    "that host, farm-worker enrol --isolation %s, then farm-worker service restart",
                    wishes->name, wishes->isolation);
    if (wishes->publish == PUBLISH_YES && !json_get_flag(row, "owner_publishes"))
        return fail(EXIT_REFUSED,
                    "the owner of %s has not allowed publishing there: on that host, farm-worker "
                    "enrol --may-publish, then farm-worker service restart",
                    wishes->name);
    json_t *arguments = json_pack("{s:s, s:s, s:s, s:b}", "name", wishes->name, "public_key",
                                  json_get_text(row, "key", ""), "role", "worker", "may_publish",
                                  (int)(wishes->publish == PUBLISH_YES));
    return invocation_tell(invocation, "enrol", arguments);
}

enum exit_code cmd_worker_set(struct invocation *invocation)
{
    struct worker_wishes wishes = {
        .name = invocation->arguments[0], .slots = "", .heavy = "", .isolation = ""};
    enum exit_code code = EXIT_FINE;
    for (size_t i = 1; code == EXIT_FINE && i < invocation->argument_count; i++)
        code = read_wish(invocation->arguments[i], &wishes);
    json_t *row = code == EXIT_FINE ? find_worker(invocation, wishes.name, &code) : NULL;
    if (!row)
        return code;
    if (local_worker_exists(invocation, wishes.name))
        code = set_here(invocation, &wishes);
    else if (hosts_knows(invocation, wishes.name))
        code = set_over_ssh(invocation, &wishes, row);
    else
        code = set_permission(invocation, &wishes, row);
    json_decref(row);
    return code;
}
