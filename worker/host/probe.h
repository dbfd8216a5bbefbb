/* SPDX-License-Identifier: MIT */
/* probe.h - what this host is and has (design.md section 7). */
#ifndef FARM_WORKER_HOST_PROBE_H
#define FARM_WORKER_HOST_PROBE_H

#include "proto/base/err.h"
#include "proto/vocab.h"

/* What the host's owner decides: HOME/worker.yaml or the command line. 0 and "" mean: by probing.
 */
struct probe_limits {
    const char *home;
    uint32_t slots;        /* default: heavy_slots + 1, at most the cores */
    uint32_t heavy_slots;  /* default 1 */
    uint64_t memory_bytes; /* default: what the machine has, less 1 GiB for itself */
    bool may_publish;
    const char *emulate;   /* a system to offer beside the native one, "" none: opted in */
    const char *nix_store; /* default: $NIX_STORE_DIR, /nix/store */
};

/* Everything that seldom changes: systems (the native one is this program's own architecture),
 * cores, memory, CPU features, GPUs by nvidia-smi, versions of flox, nix, git, file systems.
 * Missing git or an old flox (< 1.12.0) becomes `problem` or leaves the builder out; never an
 * error. Texts in the arena. */
void probe_host(const struct probe_limits *limits, struct capabilities *out, struct arena *arena);
/* What changes all the time: free bytes of the same file systems, pressure (PSI). */
void probe_now(const struct capabilities *known, struct filesystem *filesystems,
               struct pressure *pressure);

#endif
