/* SPDX-License-Identifier: MIT */
/* bundle.h - a bundle made by make-bundle: the programs for one architecture, with a manifest. */
#ifndef FARM_DEPLOY_BUNDLE_H
#define FARM_DEPLOY_BUNDLE_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdint.h>

struct bundle {
    const char *id;     /* VERSION-HASH: the name of its folder on a host; "": no bundle */
    const char *cpu;    /* as printed by `uname -m` */
    const char *digest; /* SHA-256 of its MANIFEST, which has the digests of its files */
    uint64_t bytes;     /* size of its files, unpacked */
    struct buf archive; /* the archive to send; loaded by bundle_load */
};

/* Parses the text of a manifest; texts are in the arena. -1 with err if it is not valid. Pure. */
int bundle_read(const char *text, const char *cpu, struct arena *arena, struct bundle *out,
                struct err *err);
/* Loads FOLDER/CPU-linux.*, of `kind` "" (a worker) or "-coordinator". If there are no such files,
 * sets `id` to "" and returns 0. */
int bundle_load(const char *folder, const char *cpu, const char *kind, struct arena *arena,
                struct bundle *out, struct err *err);
void bundle_release(struct bundle *bundle);

#endif
