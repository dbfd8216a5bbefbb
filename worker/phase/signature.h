/* SPDX-License-Identifier: MIT */
/* signature.h - what two failures have in common: a line without what differs between variants.
 *
 * Paths keep their last part, digits and versions become '#', hashes, GPU (sm_103, compute_90a) and
 * CPU (avx512, armv9-a) names too, and the derivation's name that nix puts before each line goes.
 * So "nvcc fatal: Unsupported gpu architecture 'compute_103'" of one variant is that of all.
 */
#ifndef FARM_WORKER_PHASE_SIGNATURE_H
#define FARM_WORKER_PHASE_SIGNATURE_H

#include "proto/vocab.h"

enum { SIGNATURE_TEXT_BYTES = 256 };

/* Into `out`, which holds SIGNATURE_TEXT_BYTES; what does not fit is left out. */
void signature_text(const char *line, size_t size, char *out);
/* Of a cause and the line that says it; never 0. */
uint64_t signature_of(enum cause cause, const char *line);

#endif
