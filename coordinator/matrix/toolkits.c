/* SPDX-License-Identifier: MIT */
#include "coordinator/matrix/toolkits.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One row a GPU that has a bound. The sources: the release notes of the toolkits named ("added
 * support for ..."), the matrix's own notes (BUILD_MATRIX: "sm_103 requires CUDA 12.9+", "sm_110
 * requires CUDA 13.0+"), and the commits that removed x86 builds of boards that are ARM machines
 * (flox contract 7, caveat 4). */
static const struct row {
    const char *gpu;
    unsigned major, minor; /* the first toolkit that knows it */
    const char *only;      /* the only system it is in, or NULL */
    const char *board;
} rows[] = {
    {"sm100", 12, 8, NULL, "B100, B200"},
    {"sm103", 12, 9, NULL, "B300"},
    {"sm110", 13, 0, "aarch64-linux", "DRIVE Thor"},
    {"sm120", 12, 8, NULL, "RTX 50"},
    {"sm121", 13, 0, NULL, "DGX Spark"},
};

static bool is_older(const char *cuda, unsigned major, unsigned minor)
{
    char *end;
    unsigned long has_major = strtoul(cuda, &end, 10);
    unsigned long has_minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return has_major < major || (has_major == major && has_minor < minor);
}

const char *toolkit_objection(const struct variant *variant, struct arena *arena)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        if (strcasecmp(row->gpu, variant->gpu) != 0)
            continue;
        if (*variant->cuda && is_older(variant->cuda, row->major, row->minor))
            return arena_print(arena, "SM%s (%s) is known to nvcc from CUDA %u.%u on, not %s",
                               row->gpu + 2, row->board, row->major, row->minor, variant->cuda);
        if (row->only && *variant->system && strcmp(variant->system, row->only) != 0)
            return arena_print(arena, "SM%s (%s) is only in machines of %s, not %s", row->gpu + 2,
                               row->board, row->only, variant->system);
    }
    return NULL;
}
