/* SPDX-License-Identifier: MIT */
/* lfs.h - what git has of files that are kept by git-lfs: their pointers, and the server that a
 * repository's URL implies. Pure.
 *
 * Sources: docs/spec.md ("The Pointer") and docs/api/server-discovery.md of git-lfs. */
#ifndef FARM_LFS_H
#define FARM_LFS_H

#include "proto/base/mem.h"

#include <stdint.h>

enum { LFS_OID_DIGITS = 64 };

struct lfs_pointer {
    char oid[LFS_OID_DIGITS + 1]; /* SHA-256 of the contents, lower-case hex digits */
    uint64_t size;                /* of the contents, in bytes */
};

enum lfs_kind {
    LFS_CONTENTS, /* not a pointer: the file was committed as itself */
    LFS_POINTER,
    LFS_BROKEN /* begins like a pointer and is not one that can be fetched */
};
/* Reads the text of a file. `out` is set for LFS_POINTER only. A pointer with extensions is
 * LFS_BROKEN: its contents would have to go through programs of the repository's author. */
enum lfs_kind lfs_read_pointer(struct bytes text, struct lfs_pointer *out);

/* The URL of the LFS server of a repository, https://HOST/PATH.git/info/lfs, in the arena; NULL
 * where git_url_public has none. */
const char *lfs_endpoint(const char *url, struct arena *arena);

#endif
