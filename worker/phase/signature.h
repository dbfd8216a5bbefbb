/* SPDX-License-Identifier: MIT */
/* signature.h - recognizes equal failures: an error line without the parts that differ between
 * variants.
 *
 * Of a path only the last part is kept. Digits, versions, hashes and the names of GPUs (sm_103,
 * compute_90a) and CPUs (avx512, armv9-a) become '#'. The derivation's name that nix puts before
 * each line is removed. So "nvcc fatal: Unsupported gpu architecture 'compute_103'" gives the same
 * signature for all variants.
 */
#ifndef FARM_WORKER_PHASE_SIGNATURE_H
#define FARM_WORKER_PHASE_SIGNATURE_H

#include "proto/vocab.h"

enum { SIGNATURE_TEXT_BYTES = 256 };

/* Writes the reduced line to `out`, which has SIGNATURE_TEXT_BYTES; what does not fit is cut off.
 */
void signature_text(const char *line, size_t size, char *out);
/* The signature of a cause and the line that shows it; never 0. */
uint64_t signature_of(enum cause cause, const char *line);

#endif
