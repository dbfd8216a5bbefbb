/* SPDX-License-Identifier: MIT */
/* rank.h - ordered sets of things that carry their own node.
 *
 * Used for ready jobs by urgency and for timers by time. Keys end in an id, so no two are equal and
 * the order is total. The node is a member of the thing, which is in one set at a time. The tree is
 * balanced by a hash of the key, so the same keys always make the same tree.
 */
#ifndef FARM_RANK_H
#define FARM_RANK_H

#include <stdbool.h>
#include <stdint.h>

enum { RANK_KEYS = 4 };

struct rank_node {
    struct rank_node *parent, *left, *right;
    uint64_t key[RANK_KEYS]; /* compared in this order, ascending */
};

struct rank {
    struct rank_node *root;
};

/* The node's keys must be set, and differ from those of every other node of the set. */
void rank_insert(struct rank *rank, struct rank_node *node);
void rank_remove(struct rank *rank, struct rank_node *node);
struct rank_node *rank_first(const struct rank *rank);
struct rank_node *rank_next(const struct rank_node *node);
/* Less than 0, 0 or more than 0, as memcmp. */
int rank_compare(const struct rank_node *a, const struct rank_node *b);

#endif
