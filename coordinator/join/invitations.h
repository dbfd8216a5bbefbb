/* SPDX-License-Identifier: MIT */
/* invitations.h - tokens that admit new keys, and their states.
 *
 * HOME/invitations.json (0600) has a digest of each secret, never the secret. Tokens are not facts
 * of the farm: they are not replayed, the core does not decide on them, they expire by themselves,
 * and a backup does not contain them. The enrolment that a token leads to is an ordinary record.
 *
 * A token admits one key. It is durably marked as used before the key is enrolled: a crash between
 * the two costs the host another try with the same token and key, but never admits two keys.
 */
#ifndef FARM_JOIN_INVITATIONS_H
#define FARM_JOIN_INVITATIONS_H

#include "proto/invitation.h"
#include "proto/vocab.h"

#include <jansson.h>

struct invitations;

/* The rights that a token gives. */
struct invitation_terms {
    enum role role;
    const char *name; /* "": the joining host chooses */
    bool may_publish;
    uint64_t expires_wall_ms;
    const char *who; /* the name of its maker */
};

/* Reads HOME/invitations.json; without the file there are no tokens. */
int invitations_open(const char *home, struct invitations **out, struct err *err);
void invitations_close(struct invitations *invitations);

/* Makes a token: fills in its number and secret. Forgets tokens that expired long ago. */
int invitations_make(struct invitations *invitations, const struct invitation_terms *terms,
                     uint64_t wall_ms, struct invitation *out, struct err *err);
/* Whether a token can still be used, so that the join socket must be open. */
bool invitations_any_open(const struct invitations *invitations, uint64_t wall_ms);
/* Uses a token for this key, durably. -1 with the reason for the joining host: unknown, wrong,
 * revoked, expired, used by another key, or of another role. The texts in *out live until the next
 * call. */
int invitations_use(struct invitations *invitations, uint32_t number, const uint8_t *secret,
                    const char *public_key, bool as_worker, uint64_t wall_ms,
                    struct invitation_terms *out, struct err *err);
/* Marks a token as unused again, because the core refused the enrolment. */
void invitations_unuse(struct invitations *invitations, uint32_t number);
int invitations_revoke(struct invitations *invitations, uint32_t number, struct err *err);
/* A list with number, role, name, state (open, used, expired, revoked), expires and who. */
json_t *invitations_render(const struct invitations *invitations, uint64_t wall_ms);

#endif
