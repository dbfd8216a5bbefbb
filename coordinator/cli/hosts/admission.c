/* SPDX-License-Identifier: MIT */
/* admission.c - addresses of the coordinator as hosts see them, and the steps it answers. */
#include "coordinator/cli/hosts/admission.h"

#include "coordinator/cli/client.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/hosts/host_book.h"
#include "coordinator/cli/hosts/tunnel.h"
#include "coordinator/cli/own_address.h"
#include "proto/base/text.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

/* ---- addresses ------------------------------------------------------------------------------- */

/* Splits "tcp://HOST:PORT"; -1 when the endpoint has another form. */
static int split_endpoint(const char *endpoint, struct arena *arena, const char **host,
                          const char **port)
{
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, "tcp://", 6) != 0 || !colon || colon < endpoint + 7 || !colon[1])
        return -1;
    *host = arena_print(arena, "%.*s", (int)(colon - endpoint - 6), endpoint + 6);
    *port = colon + 1;
    return 0;
}

static bool host_is_wildcard(const char *host)
{
    return !strcmp(host, "*") || !strcmp(host, "0.0.0.0") || !strcmp(host, "[::]");
}

static bool host_is_loopback(const char *host)
{
    return !strncmp(host, "127.", 4) || !strcmp(host, "localhost") || !strcmp(host, "::1") ||
           !strcmp(host, "[::1]");
}

static const char *endpoint_at(struct arena *arena, const char *host, const char *port)
{
    return arena_print(arena, "tcp://%s:%s", endpoint_host(host, arena), port);
}

/* The coordinator's two endpoints as this machine reaches them; *logs is "" when unknown here. */
static void own_endpoints(struct admission *admission, const char **control, const char **logs)
{
    struct invocation *invocation = admission->invocation;
    const struct client_address *address = client_address(invocation->client);
    *control = address->is_remote ? address->endpoint
                                  : home_endpoint(&invocation->arena, invocation->home, "control");
    *logs = address->is_remote ? home_remote(&invocation->arena, invocation->home, "log")
                               : home_endpoint(&invocation->arena, invocation->home, "log");
}

/* The endpoint as the host reaches it: a coordinator that listens on a wildcard address is at the
 * address our ssh session comes from. */
static int reachable_endpoint(struct admission *admission, struct fleet_host *member,
                              const char *endpoint, const char **out, struct err *err)
{
    struct arena *arena = &admission->invocation->arena;
    const char *host, *port, *own = ssh_own_address(member->ssh);
    *out = endpoint;
    if (!*endpoint)
        return 0;
    if (split_endpoint(endpoint, arena, &host, &port) < 0)
        return err_set(err, "a worker on another host cannot reach %s: see listen in farm.yaml",
                       endpoint);
    if (host_is_wildcard(host) && !*own)
        return err_set(err,
                       "%s is reached through a proxy, so the address at which it reaches the "
                       "coordinator is not known: give it with --coordinator tcp://HOST:PORT, or "
                       "add the host with --tunnel",
                       member->to.alias);
    if (host_is_wildcard(host))
        *out = endpoint_at(arena, own, port);
    else if (host_is_loopback(host) && !host_is_loopback(own))
        return err_set(err,
                       "the coordinator listens on %s only, which no other host can reach: set "
                       "listen.control and listen.log to tcp://0.0.0.0:PORT in farm.yaml, then "
                       "farm down and farm up, or add the host with --tunnel",
                       host);
    return 0;
}

static int endpoints_by_option(struct admission *admission, struct fleet_host *member,
                               const char *logs, struct err *err)
{
    struct arena *arena = &admission->invocation->arena;
    const char *host, *port, *own_host, *log_port;
    if (split_endpoint(admission->coordinator, arena, &host, &port) < 0)
        return err_set(err, "--coordinator must be tcp://HOST:PORT, not %s",
                       admission->coordinator);
    member->wanted.coordinator = admission->coordinator;
    member->wanted.logs = *logs && split_endpoint(logs, arena, &own_host, &log_port) == 0
                              ? endpoint_at(arena, host, log_port)
                              : "";
    return 0;
}

/* The endpoints of a tunnel on the host's loopback; an existing tunnel keeps its ports. */
static int endpoints_by_tunnel(struct admission *admission, struct fleet_host *member,
                               struct err *err)
{
    struct invocation *invocation = admission->invocation;
    struct host_entry known = {.tunnel_port = 0};
    uint64_t port = strtoull(member->facts->tunnel_port, NULL, 10);
    if (hosts_knows(invocation, member->wanted.name) &&
        hosts_read(invocation, member->wanted.name, &known, err) < 0)
        return -1;
    if (known.tunnel_port)
        port = known.tunnel_port;
    member->facts->tunnel_port = arena_print(&member->arena, "%llu", (unsigned long long)port);
    member->wanted.coordinator =
        arena_print(&member->arena, "tcp://127.0.0.1:%llu", (unsigned long long)port);
    member->wanted.logs =
        arena_print(&member->arena, "tcp://127.0.0.1:%llu", (unsigned long long)port + 1);
    return 0;
}

static int settle_name(struct admission *admission, struct fleet_host *member, struct err *err)
{
    if (!*member->wanted.name)
        member->wanted.name = member->facts->hostname;
    if (!text_is_name(member->wanted.name, LIMIT_NAME_BYTES))
        return err_set(err, "\"%s\" cannot be a worker's name: choose one with --name",
                       member->wanted.name);
    for (size_t i = 0; i < admission->count; i++)
        if (&admission->members[i] != member &&
            !strcmp(admission->members[i].wanted.name, member->wanted.name))
            return err_set(err,
                           "%s and %s would both be named %s: name them in the "
                           "inventory or with --name",
                           admission->members[i].to.typed, member->to.typed, member->wanted.name);
    return 0;
}

int admission_settle(struct admission *admission, struct fleet_host *member, struct err *err)
{
    const char *control, *logs;
    if (member->goal == FLEET_LEAVE || member->goal == FLEET_FARM)
        return 0;
    if (settle_name(admission, member, err) < 0)
        return -1;
    own_endpoints(admission, &control, &logs);
    if (member->wanted.by_tunnel)
        return endpoints_by_tunnel(admission, member, err);
    if (*admission->coordinator)
        return endpoints_by_option(admission, member, logs, err);
    if (reachable_endpoint(admission, member, control, &member->wanted.coordinator, err) < 0)
        return -1;
    return reachable_endpoint(admission, member, logs, &member->wanted.logs, err);
}

/* ---- the coordinator ------------------------------------------------------------------------- */

/* Asks the coordinator. Steals `arguments`; the caller owns *body. */
static int ask_coordinator(struct admission *admission, const char *verb, json_t *arguments,
                           json_t **body, struct err *err)
{
    enum exit_code code = client_ask(admission->invocation->client, verb, arguments, body, err);
    json_decref(arguments);
    return code == EXIT_FINE ? 0 : -1;
}

static int tell_coordinator(struct admission *admission, const char *verb, json_t *arguments,
                            struct err *err)
{
    json_t *body = NULL;
    int result = ask_coordinator(admission, verb, arguments, &body, err);
    json_decref(body);
    return result;
}

static const json_t *find_peer(const json_t *list, const char *key, const char *value)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        if (!strcmp(json_get_text(item, key, ""), value))
            return item;
    }
    return NULL;
}

enum standing { STANDING_NEW, STANDING_SAME, STANDING_CHANGES, STANDING_TAKEN, STANDING_OTHER };

/* How the host's key and name compare with the peers that the coordinator knows. */
static enum standing peer_standing(const struct fleet_host *member, const json_t *peers)
{
    const json_t *by_key = find_peer(peers, "key", member->public_key);
    const json_t *by_name = find_peer(peers, "name", member->wanted.name);
    if (by_key && strcmp(json_get_text(by_key, "name", ""), member->wanted.name) != 0)
        return STANDING_OTHER;
    if (by_key)
        return json_get_flag(by_key, "may_publish") == member->wanted.may_publish
                   ? STANDING_SAME
                   : STANDING_CHANGES;
    return by_name ? STANDING_TAKEN : STANDING_NEW;
}

/* Enrols the host's key, or puts it in the place of the one that its name has. */
static int enrol_key(struct admission *admission, const struct fleet_host *member, bool replaces,
                     struct err *err)
{
    json_t *arguments =
        json_pack("{s:s, s:s, s:b}", replaces ? "worker" : "name", member->wanted.name,
                  "public_key", member->public_key, "may_publish", (int)member->wanted.may_publish);
    if (!replaces)
        json_object_set_new(arguments, "role", json_string("worker"));
    return tell_coordinator(admission, replaces ? "worker-replace" : "enrol", arguments, err);
}

static int admit_key(struct admission *admission, const struct fleet_host *member, struct err *err)
{
    json_t *body = NULL;
    if (ask_coordinator(admission, "peers", NULL, &body, err) < 0)
        return -1;
    const json_t *peers = json_object_get(body, "peers");
    const json_t *by_key = find_peer(peers, "key", member->public_key);
    int result = 0;
    switch (peer_standing(member, peers)) {
    case STANDING_SAME:
        break;
    case STANDING_NEW:
    case STANDING_CHANGES:
        result = enrol_key(admission, member, false, err);
        break;
    case STANDING_TAKEN:
        result = !strcmp(admission->replaces, member->wanted.name)
                     ? enrol_key(admission, member, true, err)
                     : err_set(err,
                               "the name %s is taken by another host: choose another with --name "
                               "or, if this host was reinstalled, use --replace %s",
                               member->wanted.name, member->wanted.name);
        break;
    case STANDING_OTHER:
        result = err_set(err, "this host is already in the farm as %s: use --name %s",
                         json_get_text(by_key, "name", ""), json_get_text(by_key, "name", ""));
        break;
    }
    json_decref(body);
    return result;
}

static int admit_host(struct admission *admission, struct fleet_host *member, struct err *err)
{
    struct invocation *invocation = admission->invocation;
    const char *control, *logs;
    size_t index = (size_t)(member - admission->members);
    if (admit_key(admission, member, err) < 0)
        return -1;
    own_endpoints(admission, &control, &logs);
    const struct host_entry entry = {
        .name = member->wanted.name,
        .to = member->to.typed,
        .identity = admission->identities[index],
        .prefix = member->facts->prefix,
        .worker_home = member->wanted.worker_home,
        .tunnel_port =
            member->wanted.by_tunnel ? strtoull(member->facts->tunnel_port, NULL, 10) : 0,
        .control = control,
        .logs = logs};
    return hosts_write(invocation, &entry, err) < 0 ? -1 : 1;
}

/* The list also has removed workers of the same name: the key tells them apart. */
static bool is_online(const struct fleet_host *member, const json_t *worker)
{
    const char *state = json_get_text(worker, "state", ""), *key = json_get_text(worker, "key", "");
    return !strcmp(json_get_text(worker, "worker", ""), member->wanted.name) &&
           (!*member->public_key || !strcmp(key, member->public_key)) &&
           json_get_flag(worker, "seen") && strcmp(state, "offline") != 0 &&
           strcmp(state, "removed") != 0;
}

static int check_seen(struct admission *admission, const struct fleet_host *member, struct err *err)
{
    json_t *body = NULL, *worker;
    size_t index;
    int result = 0;
    if (ask_coordinator(admission, "workers", NULL, &body, err) < 0)
        return -1;
    json_array_foreach(json_object_get(body, "workers"), index, worker)
    {
        result |= is_online(member, worker);
    }
    json_decref(body);
    return result;
}

/* The result of the smoke run: 1 ok, 0 not over yet, -1 failed. */
static int smoke_result(const json_t *run, struct err *err)
{
    if (strcmp(json_get_text(run, "state", ""), "closed") != 0 &&
        strcmp(json_get_text(run, "state", ""), "refused") != 0)
        return 0;
    const json_t *job = json_array_get(json_object_get(run, "jobs"), 0);
    if (!strcmp(json_get_text(job, "verdict", ""), "ok"))
        return 1;
    const char *detail = json_get_text(job, "detail", json_get_text(run, "reason", ""));
    return err_set(err, "the smoke task failed (%s%s%s): see farm status and farm logs",
                   json_get_text(job, "verdict", "refused"), *detail ? ", " : "", detail);
}

static int run_smoke(struct admission *admission, struct fleet_host *member, struct err *err)
{
    json_t *body = NULL;
    if (!member->smoke_run) {
        if (ask_coordinator(admission, "worker-smoke",
                            json_pack("{s:s}", "worker", member->wanted.name), &body, err) < 0)
            return -1;
        member->smoke_run = json_get_u64(body, "run", 0);
        json_decref(body);
        return member->smoke_run ? 0 : 1;
    }
    if (ask_coordinator(admission, "status",
                        json_pack("{s:I}", "run", (json_int_t)member->smoke_run), &body, err) < 0)
        return -1;
    int result = smoke_result(json_object_get(body, "run"), err);
    json_decref(body);
    return result;
}

int admission_act(struct admission *admission, struct fleet_host *member, enum rollout_step step,
                  struct err *err)
{
    switch ((int)step) {
    case STEP_ADMIT:
        return admit_host(admission, member, err);
    case STEP_TUNNEL:
        return tunnel_ensure(admission->invocation, member->wanted.name, err);
    case STEP_SEEN:
        return check_seen(admission, member, err);
    default:
        return run_smoke(admission, member, err);
    }
}
