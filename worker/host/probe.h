/* SPDX-License-Identifier: MIT */
/* probe.h - finds out the capabilities of this host (docs/machines.md). */
#ifndef FARM_WORKER_HOST_PROBE_H
#define FARM_WORKER_HOST_PROBE_H

#include "proto/base/err.h"
#include "proto/vocab.h"

/* The host owner's settings, from HOME/worker.conf or the command line. 0 and "": the default. */
struct probe_limits {
    const char *home;
    uint32_t slots;        /* default: probe_default_slots */
    uint32_t heavy_slots;  /* default 1 */
    uint64_t memory_bytes; /* default: the machine's memory minus 1 GiB */
    bool may_publish;
    bool trusts_nix; /* also with a nix that has known escapes */
    enum isolation_level isolation;
    const char *isolation_why;
    bool isolation_fails;  /* the level that the owner chose does not work: no builds */
    const char *emulate;   /* an emulated system to offer beside the native one; "": none */
    const char *nix_store; /* default: $NIX_STORE_DIR, /nix/store */
};

/* The version of the nix that keeps recipes in its sandbox: of the host's daemon, or else of the
 * programs on PATH, with which attempts bring a daemon of their own. "" when there is neither. */
const char *probe_nix(const struct capabilities *host, struct arena *arena);
/* Probes what rarely changes: systems (the native one is this program's own architecture), cores,
 * memory, CPU features, GPUs by nvidia-smi, versions of flox, nix and git, file systems. Never
 * fails: without git `problem` is set; a flox older than 1.12.0 is not listed as a builder; with a
 * nix that has known escapes isolation_why says so, and may_publish is false unless the owner
 * trusts it. Texts are in the arena. */
void probe_host(const struct probe_limits *limits, struct capabilities *out, struct arena *arena);
/* Attempts at a time where the owner says nothing: one for each core that has memory for a light
 * one, or else one beside the heavy ones. What jobs reserve limits them further. */
uint32_t probe_default_slots(uint32_t cores, uint64_t memory_bytes, uint32_t heavy_slots);
/* Measures what always changes: free bytes of the same file systems, pressure (PSI). */
void probe_now(const struct capabilities *known, struct filesystem *filesystems,
               struct pressure *pressure);

#endif
