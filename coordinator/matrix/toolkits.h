/* SPDX-License-Identifier: MIT */
/* toolkits.h - combinations of GPU, CUDA and system that no toolkit can build, by their names.
 *
 * A warning and no more: names can be wrong, and a recipe may pin another toolkit than its name
 * says (flox contract 7, caveat 4: the recipes of cuda-12_9 and cuda-13_0 pinned nvcc 12.8).
 */
#ifndef FARM_MATRIX_TOOLKITS_H
#define FARM_MATRIX_TOOLKITS_H

#include "proto/vocab.h"

/* Why no toolkit can build it, in the arena: "SM103 is known to nvcc from CUDA 12.9 on"; NULL when
 * nothing speaks against it. */
const char *toolkit_objection(const struct variant *variant, struct arena *arena);

#endif
