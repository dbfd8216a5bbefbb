/* SPDX-License-Identifier: MIT */
/* lfs.c - see lfs.h. */
#include "proto/lfs.h"
#include "proto/base/hex.h"
#include "proto/git_url.h"
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

const char *lfs_endpoint(const char *url, struct arena *arena)
{
    const char *repository = git_url_public(url, arena);
    size_t size = repository ? strlen(repository) : 0;
    bool named = size > 4 && strcmp(repository + size - 4, ".git") == 0;
    return repository ? arena_print(arena, "%s%s/info/lfs", repository, named ? "" : ".git") : NULL;
}
