/* SPDX-License-Identifier: MIT */
/* lfs.c - see lfs.h. */
#include "proto/lfs.h"
#include "proto/base/hex.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <string.h>

/* ---- pointers ----------------------------------------------------------------------------- */

static bool bytes_begin(struct bytes text, const char *with)
{
    size_t length = strlen(with);
    return text.size >= length && memcmp(text.data, with, length) == 0;
}

static bool take(struct bytes *text, const char *word)
{
    size_t length = strlen(word);
    if (!bytes_begin(*text, word))
        return false;
    text->data += length;
    text->size -= length;
    return true;
}

static bool take_oid(struct bytes *text, char oid[LFS_OID_DIGITS + 1])
{
    uint8_t hash[LFS_OID_DIGITS / 2];
    if (text->size < LFS_OID_DIGITS)
        return false;
    memcpy(oid, text->data, LFS_OID_DIGITS);
    oid[LFS_OID_DIGITS] = '\0';
    text->data += LFS_OID_DIGITS;
    text->size -= LFS_OID_DIGITS;
    return hex_read(oid, hash, sizeof hash);
}

/* At most 18 digits: no overflow, and far more than any limit. */
static bool take_size(struct bytes *text, uint64_t *out)
{
    size_t digits = 0;
    for (*out = 0; text->size && text->data[0] >= '0' && text->data[0] <= '9'; digits++) {
        *out = *out * 10 + (uint64_t)(text->data[0] - '0');
        text->data++;
        text->size--;
        if (digits == 18)
            return false;
    }
    return digits > 0;
}

enum lfs_kind lfs_read_pointer(struct bytes text, struct lfs_pointer *out)
{
    struct lfs_pointer pointer;
    struct bytes rest = text;
    if (!bytes_begin(text, "version https://git-lfs.github.com/spec/") &&
        !bytes_begin(text, "version https://hawser.github.com/spec/"))
        return LFS_CONTENTS;
    bool known = take(&rest, "version https://git-lfs.github.com/spec/v1\n") ||
                 take(&rest, "version https://hawser.github.com/spec/v1\n");
    if (!known || !take(&rest, "oid sha256:") || !take_oid(&rest, pointer.oid) ||
        !take(&rest, "\nsize ") || !take_size(&rest, &pointer.size))
        return LFS_BROKEN;
    take(&rest, "\n");
    if (rest.size)
        return LFS_BROKEN;
    *out = pointer;
    return LFS_POINTER;
}

/* ---- the server --------------------------------------------------------------------------- */

static const char *endpoint_of(const char *host, size_t host_size, const char *path,
                               struct arena *arena)
{
    path += strspn(path, "/");
    size_t size = strlen(path);
    while (size && path[size - 1] == '/')
        size--;
    if (!host_size || !size)
        return NULL;
    bool named = size > 4 && strncmp(path + size - 4, ".git", 4) == 0;
    return arena_print(arena, "https://%.*s/%.*s%s/info/lfs", (int)host_size, host, (int)size, path,
                       named ? "" : ".git");
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

const char *lfs_endpoint(const char *url, struct arena *arena)
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
    return endpoint_of(host, size, path, arena);
}
