/* SPDX-License-Identifier: MIT */
/* invitations.h - tokens by which strangers join: who may make them, what became of each.
 *
 * HOME/invitations.json (0600) holds a digest of each secret, never the secret. They are no facts
 * of the farm: nothing is replayed or decided by them, they end by themselves, and a backup does
 * not bring them back. What they bring about, an enrolment, is a record like any other.
 *
 * One token, one key: it is written down as used, durably, before the key is let in, so that a
 * crash between the two costs the host another try with the same token and key, and never lets two
 * in.
 */
#ifndef FARM_JOIN_INVITATIONS_H
#define FARM_JOIN_INVITATIONS_H

#include "proto/invitation.h"
#include "proto/vocab.h"

#include <jansson.h>

struct invitations;

/* What the operator allows whoever has the token. */
struct invitation_terms {
    enum role role;
    const char *name; /* "" the joining host's own wish */
    bool may_publish;
    uint64_t expires_wall_ms;
    const char *who; /* made it */
};

/* Reads HOME/invitations.json; a farm without one has none. */
int invitations_open(const char *home, struct invitations **out, struct err *err);
void invitations_close(struct invitations *invitations);

/* Makes one; number and secret are filled in. Those long expired make room. */
int invitations_make(struct invitations *invitations, const struct invitation_terms *terms,
                     uint64_t wall_ms, struct invitation *out, struct err *err);
/* Whether any could still be used: then the door is open. */
bool invitations_any_open(const struct invitations *invitations, uint64_t wall_ms);
/* Takes it for this key and writes that down. -1 with the reason to tell: unknown, wrong, revoked,
 * expired, used by another key, or not for a worker (or only for one). Texts of the terms live
 * until the next call. */
int invitations_use(struct invitations *invitations, uint32_t number, const uint8_t *secret,
                    const char *public_key, bool as_worker, uint64_t wall_ms,
                    struct invitation_terms *out, struct err *err);
/* Takes back what was not used after all: the core refused the enrolment. */
void invitations_unuse(struct invitations *invitations, uint32_t number);
int invitations_revoke(struct invitations *invitations, uint32_t number, struct err *err);
/* A list for people: number, role, name, state (open, used, expired, revoked), expires, who. */
json_t *invitations_render(const struct invitations *invitations, uint64_t wall_ms);

#endif
