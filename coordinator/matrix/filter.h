/* SPDX-License-Identifier: MIT */
/* filter.h - how people choose variants: `project=torchvision branch=main gpu=sm90,sm100
 * isa='avx512*' system=aarch64-linux cuda=12.8`, or a glob or a part of a package name. Words of
 * one filter are and-ed; commas in a value are or-ed. What READMEs write is taken for what files
 * say: armv8.2 for armv8_2, 12_8 for 12.8, 313 for 3.13. */
#ifndef FARM_MATRIX_FILTER_H
#define FARM_MATRIX_FILTER_H

#include "coordinator/matrix/names.h"
#include "proto/base/err.h"
#include "proto/vocab.h"

struct filter;

/* `text`: words separated by blanks. An unknown key is an error with the nearest ones. "" matches
 * all. */
struct filter *filter_parse(const char *text, struct err *err);
bool filter_matches(const struct filter *filter, const struct variant *variant);
void filter_destroy(struct filter *filter); /* NULL is fine */

/* Tells the filter what there is to choose from, so that a word which is not a glob means the least
 * it can: the package of exactly that name where there is one; else packages with these very
 * parts (`sm90-avx512` is not ...-avx512bf16); else any name that has it somewhere, which is also
 * what it means before this call. */
void filter_settle(struct filter *filter, const struct plan_item *items, size_t count);

/* Why the filter is wrong for these items: a value that none of them has, with the nearest ones
 * that they have, or no item that has all. "" when all is well. One sentence, in the arena. */
const char *filter_miss(const struct filter *filter, const struct plan_item *items, size_t count,
                        struct arena *arena);

#endif
