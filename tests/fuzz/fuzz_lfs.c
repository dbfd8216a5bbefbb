/* SPDX-License-Identifier: MIT */
/* Pointers of git-lfs, and URLs that a commit or a server names. */
#include "tests/fuzz/fuzz.h"

#include "proto/lfs.h"
#include "worker/process/public_https.h"

#include <string.h>

static void try_pointer(const uint8_t *data, size_t size)
{
    struct lfs_pointer pointer;
    if (lfs_read_pointer((struct bytes){data, size}, &pointer) != LFS_POINTER)
        return;
    assert(strspn(pointer.oid, "0123456789abcdef") == LFS_OID_DIGITS);
    assert(pointer.oid[LFS_OID_DIGITS] == '\0');
}

/* What is taken for a host goes into a word of curl's, and nothing else does. */
static void try_url(const char *url, struct arena *arena)
{
    struct https_place place;
    struct err err;
    const char *endpoint = lfs_endpoint(url, arena);
    assert(!endpoint || strncmp(endpoint, "https://", 8) == 0);
    if (https_parse(url, &place, arena, &err) < 0) {
        assert(!strpbrk(err.text, "\r\n"));
        return;
    }
    assert(*place.host && !strpbrk(place.host, "@/\\%, []"));
    assert(strlen(place.port) <= 5 && strspn(place.port, "0123456789") == strlen(place.port));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    try_pointer(data, size);
    try_url(arena_print(&arena, "%.*s", (int)size, (const char *)data), &arena);
    arena_clear(&arena);
    return 0;
}
