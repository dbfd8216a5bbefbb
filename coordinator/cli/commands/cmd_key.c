/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/json.h"
#include "proto/keys.h"

#include <string.h>

/* ---- add ----------------------------------------------------------------------------------- */

static void explain_new_key(struct invocation *invocation, const char *path)
{
    char server[KEY_TEXT_BYTES] = "";
    struct arena *arena = &invocation->arena;
    struct err err;
    if (keys_load_public(home_path(arena, invocation->home, "keys/farmd.key.pub"), server, &err))
        snprintf(server, sizeof server, "%s", "(the coordinator's public key)");
    printf(
        "the key pair is in %s: send that file to its owner over a safe channel. The owner runs:\n"
        "  export FARM_CONNECT=%s FARM_SERVER_KEY='%s' FARM_KEY=%s\n",
        path, home_endpoint(arena, invocation->home, "control"), server, path);
}

/* The public key to admit: given on the command line, read from a file, or of a pair that is made
 * now (*made is its path, otherwise NULL). */
static int public_key(struct invocation *invocation, char key[KEY_TEXT_BYTES], const char **made,
                      struct err *err)
{
    const char *given = option_text(invocation, "public"), *name = invocation->arguments[0];
    struct key_pair pair;
    *made = NULL;
    if (*given)
        return keys_named(given, key, err);
    if (strchr(name, '/') || *name == '.')
        return err_set(err, "a name must not contain a slash or begin with a dot");
    *made = arena_print(&invocation->arena, "%s/keys/%s.key", invocation->home, name);
    if (keys_make(&pair, err) || keys_save(*made, &pair, err))
        return -1;
    memcpy(key, pair.public_key, KEY_TEXT_BYTES);
    return 0;
}

enum exit_code cmd_key_add(struct invocation *invocation)
{
    char key[KEY_TEXT_BYTES];
    const char *made;
    struct err err;
    const char *role =
        option_given(invocation, "role") ? option_text(invocation, "role") : "operator";
    enum exit_code code = invocation_connect(invocation);
    if (code != EXIT_FINE)
        return code;
    if (public_key(invocation, key, &made, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    bool replaces = option_given(invocation, "replace");
    if (replaces && strcmp(role, "worker") != 0)
        return fail(EXIT_USAGE, "--replace works with --role worker only: revoke the old key "
                                "first, then add the new one");
    json_t *arguments = json_object();
    json_object_set_new(arguments, replaces ? "worker" : "name",
                        json_text(invocation->arguments[0]));
    json_object_set_new(arguments, "public_key", json_text(key));
    if (!replaces)
        json_object_set_new(arguments, "role", json_text(role));
    json_object_set_new(arguments, "may_publish",
                        json_boolean(option_given(invocation, "may-publish")));
    code = invocation_tell(invocation, replaces ? "worker-replace" : "enrol", arguments);
    if (code != EXIT_FINE)
        return code;
    bool people_read = report_answer(
        json_pack("{s:s, s:o}", "public_key", key, "file", json_text(made ? made : "")));
    if (made && people_read)
        explain_new_key(invocation, made);
    return EXIT_FINE;
}

/* ---- list and revoke ----------------------------------------------------------------------- */

static void print_peers(const json_t *peers)
{
    static const struct column columns[] = {
        {"name", false}, {"role", false}, {"publishes", false}, {"key", false}};
    struct screen screen = screen_of(stdout);
    struct table *table = table_create(columns, 4);
    struct buf text = {0};
    size_t index;
    json_t *peer;
    json_array_foreach(peers, index, peer)
    {
        bool is_worker = !strcmp(json_get_text(peer, "role", ""), "worker");
        table_cell(table, INK_BOLD, json_get_text(peer, "name", ""));
        table_cell(table, INK_PLAIN, json_get_text(peer, "role", ""));
        table_cell(table, INK_PLAIN,
                   !is_worker                           ? ""
                   : json_get_flag(peer, "may_publish") ? "yes"
                                                        : "no");
        table_cell(table, INK_PLAIN, json_get_text(peer, "key", ""));
    }
    table_print(table, screen.colours, &text);
    screen_write(&screen, &text);
    buf_release(&text);
    table_destroy(table);
}

enum exit_code cmd_key_list(struct invocation *invocation)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, "peers", NULL, &body);
    if (code != EXIT_FINE)
        return code;
    if (report_answer(json_incref(body)))
        print_peers(json_object_get(body, "peers"));
    json_decref(body);
    return EXIT_FINE;
}

enum exit_code cmd_key_revoke(struct invocation *invocation)
{
    const char *subject = invocation->arguments[0];
    json_t *arguments = json_object();
    json_object_set_new(arguments, keys_valid(subject) ? "key" : "name", json_text(subject));
    return invocation_tell(invocation, "revoke", arguments);
}
