/* SPDX-License-Identifier: MIT */
/* store.c - see store.h. */
#include "worker/isolation/store.h"

#include "proto/base/io.h"
#include "worker/isolation/host_daemon.h"
#include "worker/isolation/words.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- where it is ----------------------------------------------------------------------------- */

static const char *environment_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

bool store_answers(const char *path)
{
    int client = host_daemon_connect(path);
    if (client >= 0)
        close(client);
    return client >= 0;
}

static const char *host_socket(const struct store *store, struct arena *arena)
{
    const char *remote = environment_or("NIX_REMOTE", "");
    const char *path = environment_or("NIX_DAEMON_SOCKET_PATH", "");
    if (!*path)
        path = strncmp(remote, "unix://", 7) == 0
                   ? remote + 7
                   : arena_print(arena, "%s/daemon-socket/socket", store->state);
    return store_answers(path) ? path : "";
}

void store_look(struct store *out, struct arena *arena)
{
    *out = (struct store){.folder = environment_or("NIX_STORE_DIR", "/nix/store"),
                          .state = environment_or("NIX_STATE_DIR", "/nix/var/nix"),
                          .log = environment_or("NIX_LOG_DIR", "/nix/var/log/nix"),
                          .daemon_socket = ""};
    out->exists = io_exists(out->folder);
    if (out->exists)
        out->daemon_socket = host_socket(out, arena);
}

/* ---- in an attempt's sandbox ----------------------------------------------------------------- */

static const char *folder_of(const char *path, struct arena *arena)
{
    return arena_print(arena, "%.*s", (int)(strrchr(path, '/') - path), path);
}

/* nix's own folder, in which a restarted daemon puts the next socket. Elsewhere, as in /run, there
 * is more than the socket, and a read-only folder does not keep anybody from connecting. */
static const char *shown_socket(const struct store *store, struct arena *arena)
{
    const char *folder = arena_print(arena, "%s/daemon-socket", store->state);
    return strcmp(folder_of(store->daemon_socket, arena), folder) == 0 ? folder
                                                                       : store->daemon_socket;
}

void store_words(const struct store *store, const char *socket_folder, struct texts *argv)
{
    if (!store->exists)
        return;
    words_bind(argv, "--ro-bind", store->folder);
    /* PATH may lead through profiles. */
    words_bind(argv, "--ro-bind-try", arena_print(argv->arena, "%s/profiles", store->state));
    if (*socket_folder)
        words_bind(argv, "--ro-bind", socket_folder);
    else if (*store->daemon_socket)
        words_bind(argv, "--ro-bind", shown_socket(store, argv->arena));
}

void store_environment(const struct store *store, const char *socket_folder,
                       struct texts *environment)
{
    if (!store->exists)
        return;
    texts_set(environment, "NIX_STORE_DIR", "%s", store->folder);
    texts_set(environment, "NIX_STATE_DIR", "%s", store->state);
    texts_set(environment, "NIX_LOG_DIR", "%s", store->log);
    if (*socket_folder)
        texts_set(environment, "NIX_REMOTE", "unix://%s/socket", socket_folder);
    else if (*store->daemon_socket)
        texts_set(environment, "NIX_REMOTE", "unix://%s", store->daemon_socket);
}
