/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/home.h"

#include "coordinator/cli/local_farmd.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *user_home(void)
{
    const char *home = getenv("HOME");
    if (home && *home)
        return home;
    const struct passwd *entry = getpwuid(getuid());
    return entry ? entry->pw_dir : "/";
}

const char *home_find(struct arena *arena, const char *option)
{
    const char *wanted = option && *option ? option : getenv("FARM_HOME");
    const char *state = getenv("XDG_STATE_HOME");
    if ((!wanted || !*wanted) && state && *state == '/')
        return arena_print(arena, "%s/floxfarm", state);
    if (!wanted || !*wanted)
        return arena_print(arena, "%s/.local/state/floxfarm", user_home());
    if (*wanted == '/')
        return arena_text(arena, wanted);
    char *here = getcwd(NULL, 0);
    const char *path = arena_print(arena, "%s/%s", here ? here : ".", wanted);
    free(here);
    return path;
}

const char *home_path(struct arena *arena, const char *home, const char *name)
{
    return arena_print(arena, "%s/%s", home, name);
}

/* The rest of the file's line that begins with the word `what`; "" when there is none. */
static const char *read_line_of(struct arena *arena, const char *path, const char *what)
{
    struct buf text = {0};
    const char *found = "";
    size_t size = strlen(what);
    io_peek_file(path, LIMIT_TEXT_BYTES, &text);
    char *rest = NULL;
    for (char *line = text.size ? strtok_r((char *)text.data, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        if (!strncmp(line, what, size) && line[size] == ' ')
            found = arena_text(arena, line + size + 1);
    buf_release(&text);
    return found;
}

const char *home_endpoint(struct arena *arena, const char *home, const char *what)
{
    return read_line_of(arena, home_path(arena, home, "run/endpoints"), what);
}

const char *home_remote(struct arena *arena, const char *home, const char *what)
{
    return read_line_of(arena, home_path(arena, home, "remote"), what);
}

static int remote_address(const char *endpoint, struct client_address *out, struct err *err)
{
    const char *server = getenv("FARM_SERVER_KEY"), *own = getenv("FARM_KEY");
    if (!server || !*server || !own || !*own)
        return err_set(err,
                       "FARM_CONNECT also needs FARM_SERVER_KEY (the coordinator's public key) and "
                       "FARM_KEY (the path of your key)");
    out->endpoint = endpoint;
    out->is_remote = true;
    if (keys_named(server, out->server_key, err))
        return err_prefix(err, "FARM_SERVER_KEY");
    return keys_load(own, &out->own, err) ? err_prefix(err, "FARM_KEY") : 0;
}

/* The address in HOME/remote, which `farm join` or `farm up --on` wrote. */
static int remembered_address(struct arena *arena, const char *home, struct client_address *out,
                              struct err *err)
{
    const char *server = home_remote(arena, home, "server-key");
    out->endpoint = home_remote(arena, home, "connect");
    out->is_remote = true;
    if (!*out->endpoint || !keys_valid(server))
        return err_set(err,
                       "%s/remote is damaged: join the farm again with a new token, or run farm up "
                       "--on USER@HOST again",
                       home);
    memcpy(out->server_key, server, KEY_TEXT_BYTES);
    return keys_load(home_path(arena, home, "keys/me.key"), &out->own, err);
}

/* Replaying a large journal takes a second, on a slow disk several. */
enum { START_WAIT_MS = 10 * 1000, LOOK_EVERY_MS = 20 };

/* A coordinator that was just started, or is about to be restarted, writes its endpoints soon. */
static void await_endpoints(struct arena *arena, const char *home)
{
    uint64_t deadline_ms = clock_boot_ms() + START_WAIT_MS, free_bytes;
    const char *path = home_path(arena, home, "run/endpoints");
    while (!io_exists(path) && clock_boot_ms() < deadline_ms &&
           (local_farmd_pid(arena, home) || local_farmd_keeper(arena, home)) &&
           !(io_free_bytes(home, &free_bytes) && free_bytes < LIMIT_START_ROOM_BYTES))
        poll(NULL, 0, LOOK_EVERY_MS);
}

static int local_address(struct arena *arena, const char *home, struct client_address *out,
                         struct err *err)
{
    await_endpoints(arena, home);
    out->endpoint = home_endpoint(arena, home, "local");
    if (!*out->endpoint)
        out->endpoint = home_endpoint(arena, home, "control");
    const char *trouble = *out->endpoint ? "" : local_farmd_trouble(arena, home);
    if (*trouble)
        return err_set(err, "%s", trouble);
    /* Endpoints stay behind when the coordinator and its keeper were killed; locks do not. */
    if (!*out->endpoint || (!local_farmd_pid(arena, home) && !local_farmd_keeper(arena, home)))
        return err_set(err,
                       "no coordinator runs in %s: start it with farm up, or name another "
                       "folder with --home or FARM_HOME",
                       home);
    if (keys_load_public(home_path(arena, home, "keys/farmd.key.pub"), out->server_key, err))
        return -1;
    return keys_load(home_path(arena, home, "keys/admin.key"), &out->own, err);
}

int home_address(struct arena *arena, const char *home, struct client_address *out, struct err *err)
{
    const char *endpoint = getenv("FARM_CONNECT");
    *out = (struct client_address){0};
    if (endpoint && *endpoint)
        return remote_address(endpoint, out, err);
    if (io_exists(home_path(arena, home, "remote")))
        return remembered_address(arena, home, out, err);
    return local_address(arena, home, out, err);
}
