/* SPDX-License-Identifier: MIT */
/* invitation.h - what lets a stranger's key into a farm, once: the text of `farm token create`, and
 * how whoever has it joins.
 *
 * The text is "farm1." and hex: version, the coordinator's public key, number, secret, endpoint, a
 * check sum over all of it (a text that was cut or mistyped is told from a wrong one). It pins the
 * coordinator before the first byte is said, so nobody in between can play it. The joining key is
 * the one the connection is made with: it proves itself.
 */
#ifndef FARM_INVITATION_H
#define FARM_INVITATION_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/keys.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    INVITATION_SECRET_BYTES = 16,
    INVITATION_ENDPOINT_BYTES = 262, /* tcp:// and a host name of 253 and a port */
    INVITATION_TEXT_BYTES = 700
};

struct invitation {
    char server_key[KEY_TEXT_BYTES];
    uint32_t number;
    uint8_t secret[INVITATION_SECRET_BYTES];
    char endpoint[INVITATION_ENDPOINT_BYTES + 1]; /* tcp://host:port of the door */
};

int invitation_write(const struct invitation *invitation, char out[INVITATION_TEXT_BYTES],
                     struct err *err);
/* Reads what a stranger or a tired person typed; blanks at both ends are fine. */
int invitation_read(const char *text, struct invitation *out, struct err *err);

/* What the coordinator said; endpoints as this host reaches them. Texts in the arena. */
struct joined {
    const char *name;
    const char *role;
    bool may_publish;
    const char *control, *log;
};
/* Knocks with this key; waits for the answer at most half a minute. `name` is what we would like to
 * be called; the invitation's own goes first. One for a worker is of no use to a person, and the
 * other way round: it is refused, and not used up. */
int invitation_accept(const struct invitation *invitation, const struct key_pair *own,
                      bool as_worker, const char *name, struct joined *out, struct arena *arena,
                      struct err *err);

#endif
