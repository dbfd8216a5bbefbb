/* SPDX-License-Identifier: MIT */
#include "coordinator/matrix/toolkits.h"

#include "proto/hardware.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_older(const char *cuda, unsigned major, unsigned minor)
{
    char *end;
    unsigned long has_major = strtoul(cuda, &end, 10);
    unsigned long has_minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return has_major < major || (has_major == major && has_minor < minor);
}

const char *toolkit_objection(const struct variant *variant, struct arena *arena)
{
    for (const struct gpu_row *row = hardware_gpus; row->name; row++) {
        if (strcasecmp(row->name, variant->gpu) != 0)
            continue;
        if (*variant->cuda && is_older(variant->cuda, row->cuda_major, row->cuda_minor))
            return arena_print(arena, "SM%s (%s) is known to nvcc from CUDA %u.%u on, not %s",
                               row->name + 2, row->boards, row->cuda_major, row->cuda_minor,
                               variant->cuda);
        if (row->only && *variant->system && strcmp(variant->system, row->only) != 0)
            return arena_print(arena, "SM%s (%s) is only in machines of %s, not %s", row->name + 2,
                               row->boards, row->only, variant->system);
    }
    return NULL;
}
