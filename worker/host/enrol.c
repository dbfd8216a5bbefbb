/* SPDX-License-Identifier: MIT */
/* enrol.c - makes this host a worker of one farm: writes its key pair and configuration. The
 * private key never leaves the home; the output is for the operator, who admits the public key. */
#include "proto/base/io.h"
#include "proto/base/text.h"
#include "proto/limits.h"
#include "worker/host/commands.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int enrol_name(struct worker_options *options, struct err *err)
{
    char hostname[256] = "";
    gethostname(hostname, sizeof hostname - 1);
    if (options->name[0] == '\0')
        options->name = arena_print(&options->arena, "%.*s", (int)strcspn(hostname, "."), hostname);
    const char *name = options->name;
    if (!text_is_name(name, LIMIT_NAME_BYTES))
        return err_set(err,
                       "\"%.80s\" cannot be a worker's name, which has 1 to %d " TEXT_NAME_RULE
                       ": choose one with --name",
                       name, LIMIT_NAME_BYTES);
    return 0;
}

int enrol_here(struct worker_options *options, struct key_pair *key, bool *changed, struct err *err)
{
    const char *path = arena_print(&options->arena, "%s/worker.key", options->home);
    bool had_key = io_exists(path);
    if (options->no_publish)
        options->may_publish = false;
    if (!*options->isolation &&
        !io_exists(arena_print(&options->arena, "%s/worker.conf", options->home)))
        options->isolation = "auto"; /* without the line, the worker is older than the setting */
    if (keys_ensure(path, key, err) < 0 || options_save(options, changed, err) < 0)
        return -1;
    *changed = *changed || !had_key;
    return 0;
}

static int check_wish(struct worker_options *options, struct err *err)
{
    char key[KEY_TEXT_BYTES];
    if (options->connect[0] == '\0')
        return err_set(err, "the coordinator's address is missing: --coordinator tcp://HOST:PORT");
    if (strncmp(options->connect, "tcp://", 6) != 0 || !strrchr(options->connect + 6, ':'))
        return err_set(err, "--coordinator must be tcp://HOST:PORT, not \"%s\"", options->connect);
    if (options->server_key[0] == '\0')
        return err_set(err, "the coordinator's key is missing: --coordinator-key KEY or @FILE");
    if (options_server_key(options, key, err) < 0)
        return -1;
    options->server_key = arena_text(&options->arena, key); /* the file may be removed later */
    return enrol_name(options, err);
}

int host_enrol(struct worker_options *options, struct err *err)
{
    struct key_pair key;
    bool changed;
    if (check_wish(options, err) < 0 || enrol_here(options, &key, &changed, err) < 0)
        return -1;
    json_t *said = json_pack("{s:s, s:s, s:s, s:b}", "name", options->name, "public_key",
                             key.public_key, "home", options->home, "changed", (int)changed);
    explicit_bzero(&key, sizeof key);
    if (!said)
        return err_set(err, "the name or the home is not UTF-8");
    json_dumpf(said, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(said);
    return 0;
}
