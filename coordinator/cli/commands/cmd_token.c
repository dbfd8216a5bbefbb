/* SPDX-License-Identifier: MIT */
/* cmd_token.c - `farm token` for admins and `farm join` for whoever got a token. */
#include "coordinator/cli/client.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/own_address.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/invitation.h"
#include "proto/json.h"

#include <ifaddrs.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- times --------------------------------------------------------------------------------- */

/* "90s", "30m", "1h", "2d" in ms; 0 when `text` is not a time. */
static uint64_t read_ttl(const char *text)
{
    static const struct {
        char unit;
        uint64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || number > 1000000 || !*end || end[1])
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i].unit == *end)
            return number * units[i].ms;
    return 0;
}

/* ---- addresses ----------------------------------------------------------------------------- */

static bool is_loopback(const char *host)
{
    return !strncmp(host, "127.", 4) || !strcmp(host, "[::1]") || !strcmp(host, "localhost");
}

static bool is_wildcard(const char *host)
{
    return !strcmp(host, "0.0.0.0") || !strcmp(host, "[::]") || !strcmp(host, "*");
}

static const char *own_address(struct arena *arena)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all))
        return "";
    const char *found = own_address_pick(all, arena);
    freeifaddrs(all);
    return found;
}

static const char *host_of(struct arena *arena, const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, "tcp://", 6) != 0 || !colon)
        return "";
    return arena_print(arena, "%.*s", (int)(colon - endpoint - 6), endpoint + 6);
}

/* The host part of the address at which others reach the join endpoint; `endpoint` is where it
 * listens, which may be a wildcard. */
static const char *join_host(struct invocation *invocation, const char *endpoint)
{
    struct arena *arena = &invocation->arena;
    const struct client_address *address = client_address(invocation->client);
    const char *host = host_of(arena, endpoint);
    if (option_given(invocation, "address"))
        return endpoint_host(option_text(invocation, "address"), arena);
    if (address->is_remote && (is_wildcard(host) || is_loopback(host)))
        return host_of(arena, address->endpoint);
    return is_wildcard(host) ? own_address(arena) : host;
}

/* ---- create -------------------------------------------------------------------------------- */

static int read_made(struct invocation *invocation, const json_t *body, struct invitation *out,
                     struct err *err)
{
    const char *endpoint = json_get_text(body, "endpoint", "");
    const char *secret = json_get_text(body, "secret", ""), *colon = strrchr(endpoint, ':');
    const char *host = join_host(invocation, endpoint);
    *out = (struct invitation){.number = (uint32_t)json_get_u64(body, "number", 0)};
    snprintf(out->server_key, sizeof out->server_key, "%s", json_get_text(body, "server_key", ""));
    if (!colon || !*host || strlen(secret) != 2 * INVITATION_SECRET_BYTES)
        return err_set(err, "cannot tell how others reach this coordinator: use --address HOST");
    snprintf(out->endpoint, sizeof out->endpoint, "tcp://%s%s", host, colon);
    for (size_t i = 0; i < INVITATION_SECRET_BYTES; i++) {
        char pair[3] = {secret[2 * i], secret[2 * i + 1], 0};
        out->secret[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return 0;
}

static void print_made(struct invocation *invocation, const struct invitation *made,
                       const char *text, const char *role)
{
    char number[9];
    snprintf(number, sizeof number, "%08x", made->number);
    if (!report_answer(json_pack("{s:s, s:s, s:s, s:s}", "token", text, "number", number, "role",
                                 role, "endpoint", made->endpoint)))
        return;
    printf("%s\n", text);
    fprintf(stderr, "To use it once before it expires, run there: %s join --token %.12s...\n",
            strcmp(role, "worker") != 0 ? "farm" : "farm-worker", text);
    if (is_loopback(host_of(&invocation->arena, made->endpoint)))
        fprintf(stderr, "This coordinator listens on this machine only, so other machines cannot "
                        "join: see listen: in farm.yaml.\n");
}

enum exit_code cmd_token_create(struct invocation *invocation)
{
    const char *ttl = option_given(invocation, "ttl") ? option_text(invocation, "ttl") : "1h";
    const char *role =
        option_given(invocation, "role") ? option_text(invocation, "role") : "worker";
    uint64_t ttl_ms = read_ttl(ttl);
    if (!ttl_ms)
        return fail(EXIT_USAGE, "--ttl must be a time like 30m, 1h or 2d, not \"%s\"", ttl);
    json_t *body = NULL, *arguments = json_object();
    json_object_set_new(arguments, "role", json_text(role));
    json_object_set_new(arguments, "name", json_text(option_text(invocation, "name")));
    json_object_set_new(arguments, "ttl_ms", json_integer((json_int_t)ttl_ms));
    json_object_set_new(arguments, "may_publish",
                        json_boolean(option_given(invocation, "may-publish")));
    enum exit_code code = invocation_ask(invocation, "token-create", arguments, &body);
    if (code != EXIT_FINE)
        return code;
    struct invitation made;
    char text[INVITATION_TEXT_BYTES];
    struct err err;
    if (read_made(invocation, body, &made, &err) || invitation_write(&made, text, &err))
        code = fail(EXIT_REFUSED, "%s", err.text);
    else
        print_made(invocation, &made, text, role);
    json_decref(body);
    return code;
}

/* ---- list and revoke ----------------------------------------------------------------------- */

static const char *time_left(struct arena *arena, const json_t *token)
{
    uint64_t expires = json_get_u64(token, "expires", 0), now = clock_wall_ms();
    if (strcmp(json_get_text(token, "state", ""), "open") != 0 || expires < now)
        return "";
    return arena_print(arena, "valid for %s", format_duration(arena, expires - now));
}

static void print_tokens(struct invocation *invocation, const json_t *tokens)
{
    static const struct column columns[] = {{"token", false}, {"state", false},   {"role", false},
                                            {"name", false},  {"made by", false}, {"", false}};
    struct screen screen = screen_of(stdout);
    struct table *table = table_create(columns, sizeof columns / sizeof *columns);
    struct buf text = {0};
    size_t index;
    json_t *token;
    json_array_foreach(tokens, index, token)
    {
        const char *state = json_get_text(token, "state", "");
        table_cell(table, INK_BOLD, json_get_text(token, "token", ""));
        table_cell(table, strcmp(state, "open") != 0 ? INK_DIM : INK_GOOD, state);
        table_cell(table, INK_PLAIN, json_get_text(token, "role", ""));
        table_cell(table, INK_PLAIN, json_get_text(token, "name", ""));
        table_cell(table, INK_PLAIN, json_get_text(token, "who", ""));
        table_cell(table, INK_NOTE, time_left(&invocation->arena, token));
    }
    if (index)
        table_print(table, screen.colours, &text);
    else
        buf_print(&text, "no tokens: farm token create makes one\n");
    screen_write(&screen, &text);
    buf_release(&text);
    table_destroy(table);
}

enum exit_code cmd_token_list(struct invocation *invocation)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, "token-list", NULL, &body);
    if (code != EXIT_FINE)
        return code;
    if (report_answer(json_incref(body)))
        print_tokens(invocation, json_object_get(body, "tokens"));
    json_decref(body);
    return EXIT_FINE;
}

enum exit_code cmd_token_revoke(struct invocation *invocation)
{
    json_t *arguments = json_object();
    json_object_set_new(arguments, "token", json_text(invocation->arguments[0]));
    return invocation_tell(invocation, "token-revoke", arguments);
}

/* ---- join ---------------------------------------------------------------------------------- */

static int save_remote(struct invocation *invocation, const struct invitation *invitation,
                       const struct joined *joined, struct err *err)
{
    struct buf text = {0};
    buf_print(&text, "connect %s\nserver-key %s\nname %s\n", joined->control,
              invitation->server_key, joined->name);
    int result = io_write_file(home_path(&invocation->arena, invocation->home, "remote"), text.data,
                               text.size, 0644, true, err);
    buf_release(&text);
    return result;
}

static const char *own_name(struct invocation *invocation)
{
    const struct passwd *user = getpwuid(geteuid());
    if (option_given(invocation, "name"))
        return option_text(invocation, "name");
    return user ? arena_text(&invocation->arena, user->pw_name) : "teammate";
}

static int join_farm(struct invocation *invocation, struct joined *joined, struct err *err)
{
    struct arena *arena = &invocation->arena;
    struct invitation invitation;
    struct key_pair key;
    if (invitation_read_option(option_text(invocation, "token"), &invitation, err) ||
        io_make_folders(home_path(arena, invocation->home, "keys"), 0700, err) ||
        keys_ensure(home_path(arena, invocation->home, "keys/me.key"), &key, err) ||
        invitation_accept(&invitation, &key, false, own_name(invocation), joined, arena, err))
        return -1;
    explicit_bzero(&key, sizeof key);
    return save_remote(invocation, &invitation, joined, err);
}

enum exit_code cmd_join(struct invocation *invocation)
{
    struct joined joined;
    struct err err;
    if (io_exists(home_path(&invocation->arena, invocation->home, "farm.yaml")))
        return fail(EXIT_REFUSED, "%s already is a farm: choose another folder with --home",
                    invocation->home);
    if (!option_given(invocation, "token"))
        return fail(EXIT_USAGE, "name the token: --token farm1...");
    if (join_farm(invocation, &joined, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    if (report_answer(json_pack("{s:s, s:s, s:s}", "control", joined.control, "name", joined.name,
                                "role", joined.role)))
        printf("joined the farm at %s as %s %s; farm status shows it\n", joined.control,
               joined.role, joined.name);
    return EXIT_FINE;
}
