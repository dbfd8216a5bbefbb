/* SPDX-License-Identifier: MIT */
/* hardware.c - see hardware.h. */
#include "proto/hardware.h"

#include "proto/base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ----------------------------------------------------------------------------- */

/* Sources: the release notes of the toolkits named ("added support for ..."), NVIDIA's lists of
 * CUDA GPUs, and the commits of the matrix that removed x86 builds of boards in ARM machines. */
const struct gpu_row hardware_gpus[] = {
    {"sm61", 8, 0, NULL, "GTX 10"},
    {"sm70", 9, 0, NULL, "V100"},
    {"sm75", 10, 0, NULL, "T4, RTX 20"},
    {"sm80", 11, 0, NULL, "A100, A30"},
    {"sm86", 11, 1, NULL, "A10, A40, RTX 30"},
    {"sm89", 11, 8, NULL, "L4, L40, RTX 40"},
    {"sm90", 11, 8, NULL, "H100, H200"},
    {"sm100", 12, 8, NULL, "B100, B200"},
    {"sm103", 12, 9, NULL, "B300"},
    {"sm110", 13, 0, "aarch64-linux", "DRIVE Thor"},
    {"sm120", 12, 8, NULL, "RTX 50"},
    {"sm121", 12, 9, NULL, "DGX Spark"},
    {NULL, 0, 0, NULL, NULL},
};

/* What the recipes' compiler flags take: -mavx2 -mfma -mf16c, -mavx512{f,dq,vl,bw},
 * -march=armv8.2-a+fp16+dotprod, -march=armv9-a+sve+sve2. */
#define AVX512 "avx512f", "avx512dq", "avx512bw", "avx512vl"
const struct isa_row hardware_isas[] = {
    {"avx", "x86_64-linux", {"avx"}},
    {"avx2", "x86_64-linux", {"avx2", "fma", "f16c"}},
    {"avx512", "x86_64-linux", {AVX512}},
    {"avx512bf16", "x86_64-linux", {AVX512, "avx512_bf16"}},
    {"avx512vnni", "x86_64-linux", {AVX512, "avx512_vnni"}},
    {"armv8_2", "aarch64-linux", {"asimdhp", "asimddp"}},
    {"armv9", "aarch64-linux", {"sve2"}},
    {NULL, NULL, {NULL}},
};
#undef AVX512

/* ---- the rule ------------------------------------------------------------------------------ */

bool hardware_compute(const char *gpu, char out[HARDWARE_COMPUTE_BYTES])
{
    if (strncmp(gpu, "sm", 2) != 0)
        return false;
    size_t digits = strspn(gpu + 2, "0123456789");
    if (digits < 2 || digits + 2 > HARDWARE_COMPUTE_BYTES)
        return false;
    snprintf(out, HARDWARE_COMPUTE_BYTES, "%.*s.%c", (int)digits - 1, gpu + 2, gpu[1 + digits]);
    return true;
}

static bool has_compute(const struct capabilities *host, const char *compute)
{
    for (size_t i = 0; i < host->gpus_count; i++)
        if (strcmp(host->gpus[i].compute, compute) == 0)
            return true;
    return false;
}

/* Not by emulation: the native system is the first of the list. */
static bool runs_system(const struct capabilities *host, const char *system)
{
    return host->systems_count && (!*system || strcmp(host->systems[0], system) == 0);
}

static const struct isa_row *find_isa(const char *name)
{
    const struct isa_row *row = hardware_isas;
    while (row->name && strcmp(row->name, name) != 0)
        row++;
    return row->name ? row : NULL;
}

static bool runs_isa(const struct capabilities *host, const struct isa_row *isa)
{
    if (!runs_system(host, isa->system))
        return false;
    for (size_t i = 0; i < HARDWARE_ISA_FEATURES && isa->features[i]; i++)
        if (!text_is_listed(host->features, host->features_count, isa->features[i]))
            return false;
    return true;
}

const char *hardware_obstacle(const struct capabilities *host, const struct variant *variant)
{
    char compute[HARDWARE_COMPUTE_BYTES];
    const struct isa_row *isa = find_isa(variant->isa);
    if (!runs_system(host, variant->system))
        return variant->system;
    if (isa && !runs_isa(host, isa))
        return variant->isa;
    if (hardware_compute(variant->gpu, compute) && !has_compute(host, compute))
        return variant->gpu;
    return NULL;
}

const char *hardware_unprovable(const struct capabilities *host, const struct variant *variant)
{
    assert(variant->isa && variant->gpu && "a text of a variant is \"\", not NULL");
    const char *obstacle = hardware_obstacle(host, variant);
    if (!obstacle && hardware_proof(host, variant) == CHECKED_NONE)
        obstacle = variant->isa;
    return obstacle;
}

enum checked hardware_proof(const struct capabilities *host, const struct variant *variant)
{
    char compute[HARDWARE_COMPUTE_BYTES];
    const struct isa_row *isa = find_isa(variant->isa);
    bool runs = isa ? runs_isa(host, isa) : !*variant->isa;
    if (!runs || !runs_system(host, variant->system))
        return CHECKED_NONE;
    bool has_gpu = hardware_compute(variant->gpu, compute) && has_compute(host, compute);
    return has_gpu ? CHECKED_GPU : CHECKED_CPU;
}
