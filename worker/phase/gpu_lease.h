/* SPDX-License-Identifier: MIT */
/* gpu_lease.h - one GPU of this host for one check, and what befell it meanwhile.
 *
 * Owns: which GPU a check gets. No other check of any farm on this host gets it at the same time:
 * the lease is a lock (flock) on the driver's own file of that GPU, below /proc/driver/nvidia.
 * Every user may lock it, and the lock ends with the process that holds it.
 * Refuses: to judge the check. It reports what the kernel and the driver say of the GPU; check.c
 * and phase.c decide what that means.
 */
#ifndef FARM_WORKER_PHASE_GPU_LEASE_H
#define FARM_WORKER_PHASE_GPU_LEASE_H

#include "proto/base/err.h"
#include "proto/vocab.h"
#include "worker/process/tool.h"

#include <stdint.h>

struct gpu_lease {
    const char *uuid;   /* as CUDA_VISIBLE_DEVICES takes it; "": the driver shows no GPU to lease */
    const char *bus;    /* "0000:17:00.0" */
    const char **nodes; /* the device nodes of this GPU; without a lease, of all */
    int lock;           /* -1: none */
    int kernel_log;     /* from the moment of the lease on; -1: this user may not read it */
};

enum gpu_lease_result {
    GPU_LEASE_TAKEN,
    GPU_LEASE_UNKNOWN, /* the driver does not show its GPUs in /proc (WSL): the check sees all */
    GPU_LEASE_NONE     /* all stayed taken for wait_ms; err says it */
};

/* Leases a GPU that runs code for `gpu` ("sm90"). Waits until one is free, at most wait_ms, and
 * says so once on stderr. `root` is the folder that has proc/ and dev/: "" on a real host. */
enum gpu_lease_result gpu_lease_take(const char *root, const char *gpu, uint64_t wait_ms,
                                     struct arena *arena, struct gpu_lease *out, struct err *err);
void gpu_lease_release(struct gpu_lease *lease);

/* After a check that failed: what befell the GPU that no program in it can cause, as one clause
 * ("GPU 0000:17:00.0 failed (Xid 79: it has fallen off the bus)"); NULL: nothing is known. */
const char *gpu_lease_fault(const struct gpu_lease *lease, struct arena *arena);
/* Who else computes on the GPU now that the check has ended ("process 812 (python3)"); NULL:
 * nobody, or it cannot be told. */
const char *gpu_lease_sharer(const struct gpu_lease *lease, struct arena *arena);

/* The number of the Xid that a line of the kernel's log reports of the GPU at `bus`; 0: none. */
unsigned gpu_xid(const char *line, const char *bus);

#endif
