/* SPDX-License-Identifier: MIT */
/* bundle.h - what make-bundle packed: a worker for one architecture, and what its manifest says. */
#ifndef FARM_DEPLOY_BUNDLE_H
#define FARM_DEPLOY_BUNDLE_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdint.h>

struct bundle {
    const char *id;     /* VERSION-HASH: the folder it becomes on a host; "": there is none */
    const char *cpu;    /* as `uname -m` says it */
    const char *glibc;  /* the least it needs, "2.36" */
    const char *digest; /* SHA-256 of its MANIFEST, which has those of its files */
    uint64_t bytes;     /* of its files, unpacked */
    struct buf archive; /* the bytes that are sent; loaded by bundle_load */
};

/* Reads a manifest's text; texts are the arena's. -1 with err when it is none. Pure. */
int bundle_read(const char *text, const char *cpu, struct arena *arena, struct bundle *out,
                struct err *err);
/* FOLDER/CPU-linux.*, of `kind` "" (a worker) or "-coordinator"; without such files `id` is "" and
 * that is no error. */
int bundle_load(const char *folder, const char *cpu, const char *kind, struct arena *arena,
                struct bundle *out, struct err *err);
void bundle_release(struct bundle *bundle);

#endif
