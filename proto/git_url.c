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

/* The host after USER:PASSWORD@, of which it may have several '@', in the first `size` bytes. */
static const char *host_of(const char *authority, size_t size)
{
    const char *host = authority;
    for (size_t i = 0; i < size; i++)
        if (authority[i] == '@')
            host = authority + i + 1;
    return host;
}

/* Up to the port of a URL, or to the colon of scp's form, or to the path. An IPv6 address is in
 * brackets (RFC 3986, 3.2.2). */
static size_t host_size_of(const char *host)
{
    size_t bracketed = *host == '[' ? strcspn(host, "]/") : 0;
    return bracketed + strcspn(host + bracketed, ":/");
}

const char *git_url_public(const char *url, struct arena *arena)
{
    bool https = strncmp(url, "https://", 8) == 0, ssh = strncmp(url, "ssh://", 6) == 0;
    bool is_url = https || ssh;
    const char *authority = url + (https ? 8 : ssh ? 6 : 0);
    if (strlen(url) > LIMIT_TEXT_BYTES || (!is_url && strstr(url, "://")))
        return NULL;
    const char *host = host_of(authority, strcspn(authority, is_url ? "/" : ":/"));
    size_t size = host_size_of(host), whole = strcspn(host, "/");
    if (!is_url) /* scp's form: a colon before the first slash */
        return host[size] == ':' ? https_url(host, size, host + size + 1, arena) : NULL;
    return https_url(host, https ? whole : size, host + whole, arena); /* ssh's port is sshd's */
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
