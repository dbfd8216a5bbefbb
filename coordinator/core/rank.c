/* SPDX-License-Identifier: MIT */
/* rank.c - a treap: a search tree by key that is a heap by a hash of the key. */
#include "coordinator/core/rank.h"

#include "proto/base/hash.h"

#include <assert.h>
#include <stddef.h>

static uint64_t node_weight(const struct rank_node *node)
{
    uint64_t hash = 0;
    for (int i = 0; i < RANK_KEYS; i++)
        hash = hash_number(hash, node->key[i]);
    return hash;
}

int rank_compare(const struct rank_node *a, const struct rank_node *b)
{
    int last = 0;
    while (last < RANK_KEYS - 1 && a->key[last] == b->key[last])
        last++;
    return a->key[last] < b->key[last] ? -1 : a->key[last] > b->key[last];
}

/* Puts `node` in the place of `old` below its parent. */
static void replace_node(struct rank *rank, struct rank_node *old, struct rank_node *node)
{
    struct rank_node *parent = old->parent;
    if (!parent)
        rank->root = node;
    else if (parent->left == old)
        parent->left = node;
    else
        parent->right = node;
    if (node)
        node->parent = parent;
}

/* Lifts a child above its parent, keeping the order. */
static void lift_node(struct rank *rank, struct rank_node *node)
{
    struct rank_node *parent = node->parent;
    struct rank_node *moved = parent->left == node ? node->right : node->left;
    assert(parent->left == node || parent->right == node);
    replace_node(rank, parent, node);
    if (parent->left == node) {
        parent->left = moved;
        node->right = parent;
    } else {
        parent->right = moved;
        node->left = parent;
    }
    parent->parent = node;
    if (moved)
        moved->parent = parent;
}

void rank_insert(struct rank *rank, struct rank_node *node)
{
    node->parent = node->left = node->right = NULL;
    struct rank_node *parent = NULL, **slot = &rank->root;
    while (*slot) {
        int order = rank_compare(node, *slot);
        assert(order != 0 && "two things of one rank");
        parent = *slot;
        slot = order < 0 ? &parent->left : &parent->right;
    }
    *slot = node;
    node->parent = parent;
    while (node->parent && node_weight(node) > node_weight(node->parent))
        lift_node(rank, node);
}

void rank_remove(struct rank *rank, struct rank_node *node)
{
    const struct rank_node *parent = node->parent;
    assert(parent ? parent->left == node || parent->right == node : rank->root == node);
    assert(!node->left || node->left->parent == node);
    assert(!node->right || node->right->parent == node);
    while (node->left && node->right)
        lift_node(rank,
                  node_weight(node->left) > node_weight(node->right) ? node->left : node->right);
    replace_node(rank, node, node->left ? node->left : node->right);
    assert(rank->root != node && "it was taken out and is still the first");
    node->parent = node->left = node->right = NULL;
}

struct rank_node *rank_first(const struct rank *rank)
{
    struct rank_node *node = rank->root;
    while (node && node->left)
        node = node->left;
    return node;
}

struct rank_node *rank_next(const struct rank_node *node)
{
    if (node->right) {
        struct rank_node *next = node->right;
        while (next->left)
            next = next->left;
        return next;
    }
    while (node->parent && node->parent->right == node)
        node = node->parent;
    return node->parent;
}
