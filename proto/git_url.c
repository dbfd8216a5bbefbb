/* SPDX-License-Identifier: MIT */
/* git_url.c - see git_url.h. */
#include "proto/git_url.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <string.h>

static const char *https_url(const char *host, size_t host_size, const char *path,
                             struct arena *arena)
{
    path += strspn(path, "/");
    size_t size = strlen(path);
    while (size && path[size - 1] == '/')
        size--;
    if (!host_size || !size)
        return NULL;
    return arena_print(arena, "https://%.*s/%.*s", (int)host_size, host, (int)size, path);
}

/* The host after USER:PASSWORD@, of which it may have several '@'. */
static const char *host_of(const char *authority, size_t *size)
{
    const char *host = authority;
    for (size_t i = 0; i < *size; i++)
        if (authority[i] == '@')
            host = authority + i + 1;
    *size -= (size_t)(host - authority);
    return host;
}

const char *git_url_public(const char *url, struct arena *arena)
{
    bool https = strncmp(url, "https://", 8) == 0, ssh = strncmp(url, "ssh://", 6) == 0;
    const char *authority = url + (https ? 8 : ssh ? 6 : 0);
    size_t size = strcspn(authority, "/");
    if (strlen(url) > LIMIT_TEXT_BYTES || (!https && !ssh && strstr(url, "://")))
        return NULL;
    const char *path = authority + size;
    if (!https && !ssh) { /* scp's form: a colon before the first slash */
        size = strcspn(url, ":/");
        if (url[size] != ':')
            return NULL;
        path = url + size + 1;
    }
    const char *host = host_of(authority, &size);
    if (ssh && *host != '[') /* the port is sshd's */
        size = strcspn(host, ":") < size ? strcspn(host, ":") : size;
    return https_url(host, size, path, arena);
}

/* Takes "./" or "../" off a relative URL, and its folder off the base. False when it has none. */
static bool take_step(const char **url, char *base)
{
    bool up = strncmp(*url, "../", 3) == 0;
    if (!up && strncmp(*url, "./", 2) != 0)
        return false;
    *url += up ? 3 : 2;
    char *slash = up ? strrchr(base, '/') : NULL;
    if (slash)
        *slash = '\0';
    return true;
}

const char *git_url_submodule(const char *parent, const char *url, struct arena *arena)
{
    static const char scheme[] = "https://";
    if (strncmp(url, "./", 2) != 0 && strncmp(url, "../", 3) != 0)
        return git_url_public(url, arena);
    if (strncmp(parent, scheme, sizeof scheme - 1) != 0 || strlen(url) > LIMIT_TEXT_BYTES)
        return NULL;
    char *base = arena_text(arena, parent);
    while (take_step(&url, base))
        if (strlen(base) < sizeof scheme)
            return NULL; /* above the host */
    return git_url_public(arena_print(arena, "%s/%s", base, url), arena);
}
