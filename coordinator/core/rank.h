/* SPDX-License-Identifier: MIT */
/* rank.h - ordered sets of things that carry their own node: who is next.
 *
 * Ready jobs by urgency, timers by time. Keys end in an id, so that no two are equal and the order
 * is total. The node is part of the thing; a thing is in one set at a time. Balanced by a hash of
 * the key, so the same keys make the same tree.
 */
#ifndef FARM_RANK_H
#define FARM_RANK_H

#include <stdbool.h>
#include <stdint.h>

enum { RANK_KEYS = 4 };

struct rank_node {
    struct rank_node *parent, *left, *right;
    uint64_t key[RANK_KEYS]; /* ascending, first one first */
};

struct rank {
    struct rank_node *root;
};

/* The keys must be set, and differ from those of every other node of the set. */
void rank_insert(struct rank *rank, struct rank_node *node);
void rank_remove(struct rank *rank, struct rank_node *node);
struct rank_node *rank_first(const struct rank *rank);
struct rank_node *rank_next(const struct rank_node *node);
/* Less than 0, 0, more than 0. */
int rank_compare(const struct rank_node *a, const struct rank_node *b);

#endif
