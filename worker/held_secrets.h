/* SPDX-License-Identifier: MIT */
/* held_secrets.h - the secrets of grants, from their arrival until their publish starts.
 *
 * Owns the only copy that the agent's process has: pages of its own, which are locked in memory, no
 * part of a core, and not inherited by children, each where the kernel allows it. A secret is wiped
 * when it is dropped. */
#ifndef FARM_WORKER_HELD_SECRETS_H
#define FARM_WORKER_HELD_SECRETS_H

#include "proto/vocab.h"

#include <stdbool.h>

struct held_secrets;

struct held_secrets *held_secrets_create(void);
/* Wipes all. Accepts NULL. */
void held_secrets_destroy(struct held_secrets *held);
/* Moves the secret of an order here: its bytes are wiped where they were, and the order has none.
 * Replaces an earlier one of that token. No effect if the order has no secret. False if there is no
 * memory; it is wiped then, too. */
bool held_secrets_move(struct held_secrets *held, struct order *order);
/* Empty if there is none. Valid until it is dropped. */
struct bytes held_secrets_of(const struct held_secrets *held, struct token token);
void held_secrets_drop(struct held_secrets *held, struct token token);
/* Drops those of which `awaits` says no. */
void held_secrets_keep(struct held_secrets *held,
                       bool (*awaits)(const void *of, struct token token), const void *of);

#endif
