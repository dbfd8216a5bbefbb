/* SPDX-License-Identifier: MIT */
/* toolkits.h - finds combinations of GPU, CUDA and system that no toolkit can build.
 *
 * The result is only a warning: it is read from names, and a recipe may pin another toolkit than
 * its name says (recipes of the branches cuda-12_9 and cuda-13_0 have pinned nvcc 12.8).
 */
#ifndef FARM_MATRIX_TOOLKITS_H
#define FARM_MATRIX_TOOLKITS_H

#include "proto/vocab.h"

/* Why no toolkit can build it, in the arena: "SM103 is known to nvcc from CUDA 12.9 on"; NULL when
 * nothing speaks against it. */
const char *toolkit_objection(const struct variant *variant, struct arena *arena);

#endif
