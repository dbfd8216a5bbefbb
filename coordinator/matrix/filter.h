/* SPDX-License-Identifier: MIT */
/* filter.h - filters that select variants: `project=torchvision branch=main gpu=sm90,sm100
 * isa='avx512*' system=aarch64-linux cuda=12.8`, or a glob or a part of a package name. A variant
 * must match all words of a filter, and one of a word's values separated by commas. Spellings of
 * READMEs and of file names are equal: armv8.2 and armv8_2, 12_8 and 12.8, 313 and 3.13. */
#ifndef FARM_MATRIX_FILTER_H
#define FARM_MATRIX_FILTER_H

#include "coordinator/matrix/names.h"
#include "proto/base/err.h"
#include "proto/vocab.h"

struct filter;

/* Parses words separated by blanks. For an unknown key, the error suggests the nearest ones. ""
 * matches everything. */
struct filter *filter_parse(const char *text, struct err *err);
bool filter_matches(const struct filter *filter, const struct variant *variant);
void filter_destroy(struct filter *filter); /* NULL is allowed */

/* Tells the filter which variants exist, so that a bare word that is not a glob gets its narrowest
 * meaning: the package with exactly that name, if there is one; otherwise packages that have
 * exactly these parts (`sm90-avx512` is not ...-avx512bf16); otherwise any name that contains it,
 * which is also its meaning before this call. */
void filter_settle(struct filter *filter, const struct plan_item *items, size_t count);

/* Why the filter matches none of these items: a value that none of them has, with the nearest
 * existing values, or no item that matches all words. "" when it matches some. One sentence, in the
 * arena. */
const char *filter_miss(const struct filter *filter, const struct plan_item *items, size_t count,
                        struct arena *arena);

#endif
