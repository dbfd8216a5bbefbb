/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/deploy_ui.h"

#include "coordinator/cli/client.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/hosts/host_book.h"
#include "coordinator/cli/hosts/tunnel.h"
#include "coordinator/cli/process.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* ---- progress -------------------------------------------------------------------------------- */

static const char *member_name(const struct fleet_host *member)
{
    bool is_worker = member->goal != FLEET_FARM && *member->wanted.name;
    return is_worker ? member->wanted.name : member->to.typed;
}

static const char *duration_text(struct deploy_ui *ui, const struct fleet_host *member)
{
    return arena_print(&ui->invocation->arena, "%.1f s",
                       (double)(member->ended_ms - member->began_ms) / 1000);
}

/* The last line of a host that succeeded. */
static const char *outcome_text(struct deploy_ui *ui, const struct fleet_host *member)
{
    struct arena *arena = &ui->invocation->arena;
    switch (member->goal) {
    case FLEET_CHECK:
        return "checked";
    case FLEET_LEAVE:
        return *member->facts.current ? "removed" : "nothing was installed";
    case FLEET_FARM:
        return arena_print(arena, "the coordinator runs, from bundle %s", member->plan.bundle->id);
    case FLEET_ADD:
    case FLEET_UPGRADE:
        break;
    }
    return arena_print(arena, "ready: %s-linux, bundle %s, %s%s%s", member->facts.cpu,
                       member->plan.bundle->id, member->service, *member->service ? ", " : "",
                       duration_text(ui, member));
}

static const char *progress_text(struct deploy_ui *ui, const struct fleet_host *member)
{
    if (member->state == FLEET_DONE)
        return outcome_text(ui, member);
    if (member->state == FLEET_FAILED)
        return member->error;
    return fleet_doing(member, &ui->invocation->arena);
}

static enum ink ink_of(const struct fleet_host *member)
{
    return member->state == FLEET_DONE     ? INK_GOOD
           : member->state == FLEET_FAILED ? INK_BAD
                                           : INK_PLAIN;
}

/* The line is cut to the terminal's width, because a wrapped line could not be redrawn. */
static void draw_line(struct deploy_ui *ui, const struct fleet_host *member, struct buf *out)
{
    struct arena *arena = &ui->invocation->arena;
    const char *text = text_safe(
        arena, arena_print(arena, "%-16s %s", member_name(member), progress_text(ui, member)));
    size_t room = ui->screen.columns - 1, size = strlen(text);
    buf_print(out, "\r\x1b[K");
    ink_add(out, ui->screen.colours, ink_of(member),
            size > room ? arena_print(arena, "%.*s", (int)room, text) : text);
    buf_print(out, "\n");
}

static void draw_block(struct deploy_ui *ui)
{
    struct buf out = {0};
    if (ui->drawn)
        buf_print(&out, "\x1b[%zuA", ui->drawn);
    for (size_t i = 0; i < ui->count; i++)
        draw_line(ui, &ui->members[i], &out);
    ui->drawn = ui->count;
    screen_write(&ui->screen, &out);
    buf_release(&out);
}

/* True for steps that take time or that people ask about; the others are not printed. */
static bool is_printed(const struct fleet_host *member)
{
    if (member->state == FLEET_DONE)
        return true;
    if (member->state != FLEET_STEPPING || member->at >= member->plan.count)
        return member->state == FLEET_CONNECTING;
    enum rollout_step step = member->plan.steps[member->at].step;
    return step == STEP_UPLOAD || step == STEP_DOCTOR || step == STEP_START || step == STEP_SMOKE ||
           step == STEP_TUNNEL || step == STEP_LEAVE;
}

static void show_progress(void *context, const struct fleet_host *member)
{
    struct deploy_ui *ui = context;
    size_t index = (size_t)(member - ui->members);
    size_t now = member->state * (STEPS + 1u) + member->at + 1;
    if (ui->redraws) {
        draw_block(ui);
        return;
    }
    if (ui->told[index] == now || !is_printed(member))
        return;
    ui->told[index] = now;
    printf("%s: %s\n", member_name(member),
           text_safe(&ui->invocation->arena, member->state == FLEET_STEPPING
                                                 ? member->plan.steps[member->at].text
                                                 : progress_text(ui, member)));
    fflush(stdout);
}

/* ---- questions to the person ----------------------------------------------------------------- */

static bool is_interactive(void)
{
    return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

static char *read_typed_line(void)
{
    char line[LIMIT_SECRET_BYTES];
    if (!fgets(line, sizeof line, stdin))
        return NULL;
    line[strcspn(line, "\r\n")] = '\0';
    char *copy = mem_text(line);
    explicit_bzero(line, sizeof line);
    return copy;
}

static bool ask_user_trust(void *context, const char *question)
{
    struct deploy_ui *ui = context;
    if (!is_interactive())
        return false;
    fprintf(stderr, "%s [yes/no] ", text_safe(&ui->invocation->arena, question));
    char *said = read_typed_line();
    bool trusted = said && !strcmp(said, "yes");
    free(said);
    ui->drawn = 0;
    return trusted;
}

static char *ask_user_secret(void *context, const char *question)
{
    struct deploy_ui *ui = context;
    struct termios before, silent;
    if (!is_interactive() || tcgetattr(STDIN_FILENO, &before))
        return NULL;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* Before the prompt: early typing is neither shown nor lost. */
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fputs(text_safe(&ui->invocation->arena, question), stderr);
    char *said = read_typed_line();
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    ui->drawn = 0;
    return said;
}

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
    bool bare6 = strchr(host, ':') && *host != '[';
    return arena_print(arena, "tcp://%s%s%s:%s", bare6 ? "[" : "", host, bare6 ? "]" : "", port);
}

/* The coordinator's two endpoints as this machine reaches them; *logs is "" when unknown here. */
static void own_endpoints(struct deploy_ui *ui, const char **control, const char **logs)
{
    struct invocation *invocation = ui->invocation;
    const struct client_address *address = client_address(invocation->client);
    *control = address->is_remote ? address->endpoint
                                  : home_endpoint(&invocation->arena, invocation->home, "control");
    *logs = address->is_remote ? home_remote(&invocation->arena, invocation->home, "log")
                               : home_endpoint(&invocation->arena, invocation->home, "log");
}

/* The endpoint as the host reaches it: a coordinator that listens on a wildcard address is at the
 * address our ssh session comes from. */
static int reachable_endpoint(struct deploy_ui *ui, struct fleet_host *member, const char *endpoint,
                              const char **out, struct err *err)
{
    struct arena *arena = &ui->invocation->arena;
    const char *host, *port, *own = ssh_own_address(member->ssh);
    *out = endpoint;
    if (!*endpoint)
        return 0;
    if (split_endpoint(endpoint, arena, &host, &port) < 0)
        return err_set(err, "a worker on another host cannot reach %s: see listen in farm.yaml",
                       endpoint);
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

static int endpoints_by_option(struct deploy_ui *ui, struct fleet_host *member, const char *logs,
                               struct err *err)
{
    struct arena *arena = &ui->invocation->arena;
    const char *host, *port, *own_host, *log_port;
    if (split_endpoint(ui->coordinator, arena, &host, &port) < 0)
        return err_set(err, "--coordinator must be tcp://HOST:PORT, not %s", ui->coordinator);
    member->wanted.coordinator = ui->coordinator;
    member->wanted.logs = *logs && split_endpoint(logs, arena, &own_host, &log_port) == 0
                              ? endpoint_at(arena, host, log_port)
                              : "";
    return 0;
}

/* The endpoints of a tunnel on the host's loopback; an existing tunnel keeps its ports. */
static void endpoints_by_tunnel(struct deploy_ui *ui, struct fleet_host *member)
{
    struct invocation *invocation = ui->invocation;
    struct host_entry known;
    uint64_t port = strtoull(member->facts.tunnel_port, NULL, 10);
    if (hosts_read(invocation, member->wanted.name, &known, NULL) == 0 && known.tunnel_port)
        port = known.tunnel_port;
    member->facts.tunnel_port = arena_print(&member->arena, "%llu", (unsigned long long)port);
    member->wanted.coordinator =
        arena_print(&member->arena, "tcp://127.0.0.1:%llu", (unsigned long long)port);
    member->wanted.logs =
        arena_print(&member->arena, "tcp://127.0.0.1:%llu", (unsigned long long)port + 1);
}

static int settle_name(struct deploy_ui *ui, struct fleet_host *member, struct err *err)
{
    if (!*member->wanted.name)
        member->wanted.name = member->facts.hostname;
    if (!worker_name_is_fine(member->wanted.name))
        return err_set(err, "\"%s\" cannot be a worker's name: choose one with --name",
                       member->wanted.name);
    for (size_t i = 0; i < ui->count; i++)
        if (&ui->members[i] != member && !strcmp(ui->members[i].wanted.name, member->wanted.name))
            return err_set(err,
                           "%s and %s would both be named %s: name them in the "
                           "inventory or with --name",
                           ui->members[i].to.typed, member->to.typed, member->wanted.name);
    return 0;
}

static int settle_endpoints(void *context, struct fleet_host *member, struct err *err)
{
    struct deploy_ui *ui = context;
    const char *control, *logs;
    if (member->goal == FLEET_LEAVE || member->goal == FLEET_FARM)
        return 0;
    if (settle_name(ui, member, err) < 0)
        return -1;
    own_endpoints(ui, &control, &logs);
    if (member->wanted.by_tunnel)
        endpoints_by_tunnel(ui, member);
    else if (*ui->coordinator)
        return endpoints_by_option(ui, member, logs, err);
    else if (reachable_endpoint(ui, member, control, &member->wanted.coordinator, err) < 0 ||
             reachable_endpoint(ui, member, logs, &member->wanted.logs, err) < 0)
        return -1;
    return 0;
}

/* ---- the coordinator ------------------------------------------------------------------------- */

/* Asks the coordinator. Steals `arguments`; the caller owns *body. */
static int ask_coordinator(struct deploy_ui *ui, const char *verb, json_t *arguments, json_t **body,
                           struct err *err)
{
    enum exit_code code = client_ask(ui->invocation->client, verb, arguments, body, err);
    json_decref(arguments);
    return code == EXIT_FINE ? 0 : -1;
}

static int tell_coordinator(struct deploy_ui *ui, const char *verb, json_t *arguments,
                            struct err *err)
{
    json_t *body = NULL;
    int result = ask_coordinator(ui, verb, arguments, &body, err);
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

static int enrol_key(struct deploy_ui *ui, const struct fleet_host *member, const char *verb,
                     struct err *err)
{
    return tell_coordinator(ui, verb,
                            json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", member->wanted.name,
                                      "worker", member->wanted.name, "public_key",
                                      member->public_key, "role", "worker", "may_publish",
                                      (int)member->wanted.may_publish),
                            err);
}

static int admit_key(struct deploy_ui *ui, const struct fleet_host *member, struct err *err)
{
    json_t *body = NULL;
    if (ask_coordinator(ui, "peers", NULL, &body, err) < 0)
        return -1;
    const json_t *peers = json_object_get(body, "peers");
    const json_t *by_key = find_peer(peers, "key", member->public_key);
    int result = 0;
    switch (peer_standing(member, peers)) {
    case STANDING_SAME:
        break;
    case STANDING_NEW:
    case STANDING_CHANGES:
        result = enrol_key(ui, member, "enrol", err);
        break;
    case STANDING_TAKEN:
        result = !strcmp(ui->replaces, member->wanted.name)
                     ? enrol_key(ui, member, "worker-replace", err)
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

static int admit_host(struct deploy_ui *ui, struct fleet_host *member, struct err *err)
{
    struct invocation *invocation = ui->invocation;
    const char *control, *logs;
    size_t index = (size_t)(member - ui->members);
    if (admit_key(ui, member, err) < 0)
        return -1;
    own_endpoints(ui, &control, &logs);
    const struct host_entry entry = {
        .name = member->wanted.name,
        .to = member->to.typed,
        .identity = ui->identities[index],
        .prefix = member->facts.prefix,
        .worker_home = member->wanted.worker_home,
        .tunnel_port = member->wanted.by_tunnel ? strtoull(member->facts.tunnel_port, NULL, 10) : 0,
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

static int check_seen(struct deploy_ui *ui, const struct fleet_host *member, struct err *err)
{
    json_t *body = NULL, *worker;
    size_t index;
    int result = 0;
    if (ask_coordinator(ui, "workers", NULL, &body, err) < 0)
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

static int run_smoke(struct deploy_ui *ui, struct fleet_host *member, struct err *err)
{
    json_t *body = NULL;
    if (!member->smoke_run) {
        if (ask_coordinator(ui, "worker-smoke", json_pack("{s:s}", "worker", member->wanted.name),
                            &body, err) < 0)
            return -1;
        member->smoke_run = json_get_u64(body, "run", 0);
        json_decref(body);
        return member->smoke_run ? 0 : 1;
    }
    if (ask_coordinator(ui, "status", json_pack("{s:I}", "run", (json_int_t)member->smoke_run),
                        &body, err) < 0)
        return -1;
    int result = smoke_result(json_object_get(body, "run"), err);
    json_decref(body);
    return result;
}

static int run_step(void *context, struct fleet_host *member, enum rollout_step step,
                    struct err *err)
{
    struct deploy_ui *ui = context;
    switch ((int)step) {
    case STEP_ADMIT:
        return admit_host(ui, member, err);
    case STEP_TUNNEL:
        return tunnel_ensure(ui->invocation, member->wanted.name, err);
    case STEP_SEEN:
        return check_seen(ui, member, err);
    default:
        return run_smoke(ui, member, err);
    }
}

/* ---- the report ------------------------------------------------------------------------------ */

static void report_checks(struct deploy_ui *ui, const struct fleet_host *member)
{
    size_t index;
    json_t *check;
    json_array_foreach(member->checks, index, check)
    {
        const char *state = json_get_text(check, "state", ""),
                   *fix = json_get_text(check, "fix", "");
        /* The checks ran before the service was started. */
        bool stale =
            member->goal != FLEET_CHECK && !strcmp(json_get_text(check, "name", ""), "service");
        if (!stale && (strcmp(state, "ok") != 0 || member->goal == FLEET_CHECK))
            printf("  %-5s %s%s%s\n", state,
                   text_safe(&ui->invocation->arena, json_get_text(check, "text", "")),
                   *fix ? ": " : "", text_safe(&ui->invocation->arena, fix));
    }
}

static void report_plan(struct deploy_ui *ui, const struct fleet_host *member)
{
    const struct host_facts *facts = &member->facts;
    const struct plan *plan = &member->plan;
    struct arena *arena = &ui->invocation->arena;
    printf("%s: %s, %s, git %s, %s free in %s\n", member_name(member), facts->cpu,
           *facts->os ? facts->os : facts->kernel, *facts->git ? facts->git : "none",
           format_bytes(arena, facts->free_bytes), text_safe(arena, facts->prefix));
    for (size_t i = 0; i < plan->problem_count; i++)
        printf("  bad   %s\n", text_safe(arena, plan->problems[i]));
    for (size_t i = 0; i < plan->count; i++)
        printf("  would %s\n", text_safe(arena, plan->steps[i].text));
}

/* Repeats the failure's whole sentence: the block of lines may have cut it off. */
static void report_failure(struct deploy_ui *ui, const struct fleet_host *member)
{
    (void)ui;
    bool names_itself =
        strstr(member->error, member->to.alias) || strstr(member->error, member->to.typed);
    fail(EXIT_REFUSED, names_itself ? "%.0s%s" : "%s: %s", member->to.typed, member->error);
}

static size_t report_hosts(struct deploy_ui *ui)
{
    size_t problems = 0;
    for (size_t i = 0; i < ui->count; i++) {
        const struct fleet_host *member = &ui->members[i];
        if (member->goal == FLEET_CHECK && *member->facts.prefix)
            report_plan(ui, member);
        report_checks(ui, member);
        problems += member->goal == FLEET_CHECK && member->plan.problem_count;
        if (member->state == FLEET_FAILED)
            report_failure(ui, member);
    }
    return problems;
}

/* ---- the interface --------------------------------------------------------------------------- */

/* The folder of bundles: next to the programs in a build tree, or below share/ when installed. */
static const char *bundle_folder(struct arena *arena)
{
    const char *farmd = process_find(arena, "farm"), *slash = strrchr(farmd, '/');
    const char *folder = slash ? arena_print(arena, "%.*s", (int)(slash - farmd), farmd) : ".";
    const char *installed = arena_print(arena, "%s/../share/floxfarm/bundles", folder);
    return io_exists(installed) ? installed : arena_print(arena, "%s/../bundles", folder);
}

static enum exit_code load_bundles(struct deploy_ui *ui, const char *kind)
{
    static const char *const cpus[] = {"x86_64", "aarch64"};
    struct arena *arena = &ui->invocation->arena;
    const char *folder = bundle_folder(arena);
    struct err err;
    for (size_t i = 0; i < 2; i++)
        if (bundle_load(folder, cpus[i], kind, arena, &ui->bundles[i], &err) < 0)
            return fail(EXIT_REFUSED, "%s", err.text);
    return EXIT_FINE;
}

static const char *user_on_host(struct arena *arena)
{
    char host[256] = "";
    const char *user = getenv("USER");
    gethostname(host, sizeof host - 1);
    return arena_print(arena, "%s on %s", user && *user ? user : "somebody", host);
}

enum exit_code deploy_ui_open(struct deploy_ui *ui, struct invocation *invocation, size_t count,
                              enum deploy_ui_use use)
{
    struct arena *arena = &invocation->arena;
    enum exit_code code = EXIT_FINE;
    *ui = (struct deploy_ui){.invocation = invocation,
                             .members = arena_new(arena, count * sizeof *ui->members),
                             .identities = arena_new(arena, count * sizeof *ui->identities),
                             .told = arena_new(arena, count * sizeof *ui->told),
                             .count = count,
                             .coordinator = "",
                             .replaces = "",
                             .screen = screen_of(stdout)};
    ui->fleet =
        (struct fleet_callbacks){ui,       ask_user_trust, ask_user_secret,    settle_endpoints,
                                 run_step, show_progress,  user_on_host(arena)};
    /* A block that is higher than the screen could not be redrawn. */
    ui->redraws = ui->screen.is_terminal && count <= 20;
    if (use == DEPLOY_UI_WORKERS)
        code = invocation_tell(invocation, "farm", NULL);
    return code == EXIT_FINE ? load_bundles(ui, use == DEPLOY_UI_FARM ? "-coordinator" : "") : code;
}

int deploy_ui_address(struct deploy_ui *ui, size_t index, const char *to, const char *identity,
                      struct err *err)
{
    struct fleet_host *member = &ui->members[index];
    struct invocation *invocation = ui->invocation;
    ui->identities[index] = identity;
    member->prefix = "";
    member->wanted = (struct wishes){.who = to,
                                     .name = "",
                                     .coordinator = "",
                                     .logs = "",
                                     .coordinator_key = "",
                                     .worker_home = "",
                                     .slots = "",
                                     .run_as = "",
                                     .bundles = ui->bundles,
                                     .bundle_count = 2};
    if (invocation->client)
        member->wanted.coordinator_key = client_address(invocation->client)->server_key;
    return destination_find(to, identity, &invocation->arena, &member->to, err);
}

enum exit_code deploy_ui_run(struct deploy_ui *ui)
{
    size_t bad = fleet_run(ui->members, ui->count, &ui->fleet);
    fflush(stdout);
    bad += report_hosts(ui);
    return bad ? EXIT_REFUSED : EXIT_FINE;
}

void deploy_ui_close(struct deploy_ui *ui)
{
    for (size_t i = 0; i < ui->count; i++)
        fleet_release(&ui->members[i]);
    for (size_t i = 0; i < 2; i++)
        bundle_release(&ui->bundles[i]);
}
