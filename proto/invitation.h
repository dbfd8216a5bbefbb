/* SPDX-License-Identifier: MIT */
/* invitation.h - the token of `farm token create`, which admits a new key to a farm once, and how
 * its holder joins.
 *
 * The token is "farm1." and hex: version, the coordinator's public key, number, secret, endpoint
 * and a checksum over all of these, which tells a mistyped token from an invalid one. The
 * coordinator's key is known before the first byte is sent, so nobody in between can impersonate
 * it. The key that joins is the one that the connection uses: the handshake proves it. */
#ifndef FARM_INVITATION_H
#define FARM_INVITATION_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/keys.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    INVITATION_SECRET_BYTES = 16,
    INVITATION_ENDPOINT_BYTES = 262, /* tcp://, a host name of 253 bytes and a port */
    INVITATION_TEXT_BYTES = 700
};

struct invitation {
    char server_key[KEY_TEXT_BYTES];
    uint32_t number;
    uint8_t secret[INVITATION_SECRET_BYTES];
    char endpoint[INVITATION_ENDPOINT_BYTES + 1]; /* tcp://host:port of the join socket */
};

int invitation_write(const struct invitation *invitation, char out[INVITATION_TEXT_BYTES],
                     struct err *err);
/* Parses a token as typed by a person; ignores blanks at both ends. The text is not trusted. */
int invitation_read(const char *text, struct invitation *out, struct err *err);
/* The same of a command's option --token: "-" stands for the first line of standard input, so that
 * the token is in no command line, which other users of the host can read. */
int invitation_read_option(const char *given, struct invitation *out, struct err *err);

/* The coordinator's answer, with endpoints as this host reaches them. Texts are in the arena. */
struct joined {
    const char *name;
    const char *role;
    bool may_publish;
    const char *control, *log;
};
/* Joins with the key `own`; waits for the answer at most half a minute. `name` is the wished name;
 * a name in the invitation takes precedence. An invitation for a worker is refused to a user and
 * the other way round; a refused one can still be used. */
int invitation_accept(const struct invitation *invitation, const struct key_pair *own,
                      bool as_worker, const char *name, struct joined *out, struct arena *arena,
                      struct err *err);

#endif
