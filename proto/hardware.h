/* SPDX-License-Identifier: MIT */
/* hardware.h - the GPU architectures and instruction sets that names of packages speak of, and
 * which host runs them. One table and one rule for coordinator and worker. Pure.
 *
 * A variant names at most one GPU architecture and one ISA. A name that stands in no row (an ISA
 * younger than this program, "rocm") is neither promised nor refused: a required check may go to
 * any host, an automatic one is left out.
 */
#ifndef FARM_HARDWARE_H
#define FARM_HARDWARE_H

#include "proto/vocab.h"

#include <stdbool.h>

/* One architecture of NVIDIA's. The name is the compute capability, see hardware_compute. */
struct gpu_row {
    const char *name;                /* "sm90"; NULL ends the table */
    unsigned cuda_major, cuda_minor; /* the first toolkit whose nvcc knows it */
    const char *only;                /* the only system that has such boards, or NULL */
    const char *boards;
};
extern const struct gpu_row hardware_gpus[];

enum { HARDWARE_ISA_FEATURES = 5, HARDWARE_COMPUTE_BYTES = 16 };

/* One instruction set: what code compiled for it needs. */
struct isa_row {
    const char *name; /* "avx512"; NULL ends the table */
    const char *system;
    const char *features[HARDWARE_ISA_FEATURES]; /* as /proc/cpuinfo calls them; NULL: no more */
};
extern const struct isa_row hardware_isas[];

/* The compute capability, as `nvidia-smi --query-gpu=compute_cap` prints it, of the GPUs that run
 * code for `gpu`: the last digit is the minor number, letters after it do not count ("sm90" and
 * "sm90a" are 9.0, "sm120" is 12.0). False when `gpu` names no architecture ("cpu", ""). */
bool hardware_compute(const char *gpu, char out[HARDWARE_COMPUTE_BYTES]);

/* The part of the variant (its system, ISA or GPU) that the host is known not to run, or NULL.
 * Decides where a required check goes. An emulated system does not run: a check below an emulator
 * proves something about the emulator. */
const char *hardware_obstacle(const struct capabilities *host, const struct variant *variant);
/* What keeps an automatic check off this host: a name as hardware_obstacle gives it, or the ISA
 * that stands in no row. NULL: it may run. Without the variant's GPU it does not run at all: the
 * branch's own script would fail there for reasons of the host. */
const char *hardware_unprovable(const struct capabilities *host, const struct variant *variant);
/* What a check on this host proves of a variant's product. NONE where the host is not known to run
 * it; CPU where the variant's GPU is not in the host, or it names none. */
enum checked hardware_proof(const struct capabilities *host, const struct variant *variant);

#endif
