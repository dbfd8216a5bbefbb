/* SPDX-License-Identifier: MIT */
/* fetch_urls.c - see fetch_urls.h. */
#include "worker/builders/fetch_urls.h"

#include "proto/base/beneath.h"

#include <ctype.h>
#include <string.h>

enum {
    URL_BYTES_MAX = 512,
    ARGUMENT_BYTES_MAX = 1024, /* of a set like `{ url = "..."; }` */
    FILE_BYTES_MAX = 256 << 10,
    FILES_MAX = 16,
    PATH_BYTES_MAX = 512,
    COMMIT_DIGITS = 40
};
static const char fetcher[] = "fetchTarball";

/* ---- URLs ---------------------------------------------------------------------------------- */

static bool has_commit(const char *url)
{
    for (const char *at = url; *at;) {
        size_t digits = strspn(at, "0123456789abcdef");
        bool is_whole = at == url || !isalnum((unsigned char)at[-1]);
        if (digits == COMMIT_DIGITS && is_whole && !isalnum((unsigned char)at[digits]))
            return true;
        at += digits ? digits : 1;
    }
    return false;
}

bool fetch_url_good(const char *url)
{
    static const char scheme[] = "https://";
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._~-/:?&=%+,";
    size_t size = strlen(url);
    return size <= URL_BYTES_MAX && strncmp(url, scheme, sizeof scheme - 1) == 0 &&
           isalnum((unsigned char)url[sizeof scheme - 1]) && strspn(url, allowed) == size &&
           has_commit(url);
}

static void urls_add(struct fetch_urls *urls, const char *url)
{
    size_t place = 0;
    while (place < urls->count && strcmp(urls->items[place], url) < 0)
        place++;
    bool is_there = place < urls->count && strcmp(urls->items[place], url) == 0;
    if (is_there || urls->count == FETCH_URLS_MAX)
        return;
    memmove(urls->items + place + 1, urls->items + place,
            (urls->count - place) * sizeof urls->items[0]);
    urls->items[place] = url;
    urls->count++;
}

/* ---- the text ------------------------------------------------------------------------------ */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '\'';
}

static const char *skip_blanks(const char *at)
{
    for (;;) {
        at += strspn(at, " \t\r\n");
        if (*at != '#')
            return at;
        at += strcspn(at, "\n");
    }
}

/* The text in quotes at `at`, or NULL. */
static const char *read_quoted(const char *at, struct arena *arena)
{
    size_t size = *at == '"' ? strcspn(at + 1, "\"\\\n") : 0;
    if (!size || at[1 + size] != '"' || size > URL_BYTES_MAX)
        return NULL;
    return arena_print(arena, "%.*s", (int)size, at + 1);
}

/* The value of `url` in a set that has nothing else: with a hash nix finds the tarball in the
 * store, and with a name it is another source. */
static const char *read_set(const char *at, struct arena *arena)
{
    const char *url = NULL, *end = at + strnlen(at, ARGUMENT_BYTES_MAX);
    for (at = skip_blanks(at + 1); at < end && *at != '}';) {
        size_t size = strcspn(at, " \t\r\n=;}");
        if (size != 3 || strncmp(at, "url", 3) != 0 || url)
            return NULL;
        at = skip_blanks(at + size);
        if (*at != '=')
            return NULL;
        at = skip_blanks(at + 1);
        url = read_quoted(at, arena);
        if (!url)
            return NULL;
        at = skip_blanks(at + strlen(url) + 2);
        if (*at != ';')
            return NULL;
        at = skip_blanks(at + 1);
    }
    return at < end ? url : NULL;
}

void fetch_urls_scan(const char *text, struct fetch_urls *urls, struct arena *arena)
{
    for (const char *at = text; (at = strstr(at, fetcher));) {
        bool is_whole = at == text || !is_word(at[-1]);
        at += sizeof fetcher - 1;
        if (!is_whole || is_word(*at))
            continue;
        const char *argument = skip_blanks(at);
        const char *url =
            *argument == '{' ? read_set(argument, arena) : read_quoted(argument, arena);
        if (url && fetch_url_good(url))
            urls_add(urls, url);
    }
}

/* ---- files --------------------------------------------------------------------------------- */

struct files {
    const char *items[FILES_MAX];
    size_t count;
};

static void files_add(struct files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i], name) == 0)
            return;
    if (files->count < FILES_MAX)
        files->items[files->count++] = name;
}

/* The path relative to the folder of `file`, as one beneath the same top without "." and "..";
 * NULL when it leads out of it. */
static const char *resolve(const char *file, const char *path, size_t size, struct arena *arena)
{
    const char *slash = strrchr(file, '/');
    char *folder = arena_print(arena, "%.*s", slash ? (int)(slash - file) : 0, file);
    char *rest = arena_print(arena, "%.*s", (int)size, path);
    for (char *part; (part = strsep(&rest, "/"));) {
        if (!*part || strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") != 0) {
            folder = arena_print(arena, "%s%s%s", folder, *folder ? "/" : "", part);
            continue;
        }
        if (!*folder)
            return NULL;
        char *last = strrchr(folder, '/');
        *(last ? last : folder) = '\0';
    }
    return folder;
}

static size_t path_size(const char *at)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._+-/";
    return strspn(at, allowed);
}

/* Names of files like ./x.nix and ../lib/y.nix. */
static void scan_names(const char *text, const char *file, struct files *files, struct arena *arena)
{
    static const char end[] = ".nix";
    for (const char *at = text; *at;) {
        size_t size = path_size(at);
        bool is_name = size > sizeof end && size <= PATH_BYTES_MAX &&
                       memcmp(at + size - (sizeof end - 1), end, sizeof end - 1) == 0 &&
                       (strncmp(at, "./", 2) == 0 || strncmp(at, "../", 3) == 0);
        const char *name = is_name ? resolve(file, at, size, arena) : NULL;
        if (name)
            files_add(files, name);
        at += size ? size : 1;
    }
}

void fetch_urls_read(const char *top, const char *file, struct fetch_urls *urls,
                     struct arena *arena)
{
    struct files files = {.items = {file}, .count = 1};
    for (size_t i = 0; i < files.count; i++) {
        struct buf text = {0};
        if (beneath_read(top, files.items[i], FILE_BYTES_MAX, &text, NULL) == BENEATH_FOUND &&
            text.size) {
            fetch_urls_scan((const char *)text.data, urls, arena);
            scan_names((const char *)text.data, files.items[i], &files, arena);
        }
        buf_release(&text);
    }
}
