/* SPDX-License-Identifier: MIT */
/* nix_settings.c - see nix_settings.h. */
#include "worker/host/nix_settings.h"

#include "proto/base/io.h"
#include "worker/process/tool.h"

#include <string.h>

enum { SETTINGS_BYTES_MAX = 4 << 20, SETTINGS_MS_MAX = 10000 };

static void add_nix(struct texts *argv, bool of_daemon, bool older)
{
    texts_add(argv, "env");
    if (of_daemon) {
        texts_add(argv, "NIX_CONFIG=");
        texts_add(argv, "NIX_USER_CONF_FILES=");
    }
    texts_add(argv, "nix");
    texts_add(argv, "--extra-experimental-features");
    texts_add(argv, "nix-command");
    texts_add(argv, older ? "show-config" : "config");
    if (!older)
        texts_add(argv, "show");
}

static const char *find(const char *settings, const char *name, struct arena *arena)
{
    const char *key = arena_print(arena, "%s = ", name);
    for (const char *at = settings; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strncmp(at, key, strlen(key)) == 0)
            return arena_print(arena, "%.*s", (int)strcspn(at + strlen(key), "\n"),
                               at + strlen(key));
    return NULL;
}

/* Since 2.20 nix calls it `config show`. */
const char *nix_setting(const char *name, bool of_daemon, struct arena *arena)
{
    const char *value = NULL;
    if (!tool_exists("nix"))
        return NULL;
    for (int older = 1; older >= 0 && !value; older--) {
        struct texts argv = {.arena = arena};
        struct buf said = {0};
        add_nix(&argv, of_daemon, older);
        if (io_run(argv.items, NULL, SETTINGS_BYTES_MAX, SETTINGS_MS_MAX, &said, NULL) == 0 &&
            said.size)
            value = find((const char *)said.data, name, arena);
        buf_release(&said);
    }
    return value;
}
