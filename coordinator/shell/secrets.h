/* SPDX-License-Identifier: MIT */
/* secrets.h - what a publication needs and nobody may see.
 *
 * A secret is a file HOME/secrets/NAME, mode 0600, or a systemd credential of that name, or a file
 * HOME/secrets/NAME.exec whose first line is a command that prints one (minted per publish).
 * Records and effects only name secrets; the bytes go from here into a grant's frame and nowhere
 * else.
 */
#ifndef FARM_SHELL_SECRETS_H
#define FARM_SHELL_SECRETS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdint.h>

/* Appends the secret. The error names the secret and what to do, never its content. */
int secret_read(const char *home, const char *name, struct buf *out, struct err *err);
/* Stores it, 0600, replacing the old one. Refuses names with '/' or a leading dot. */
int secret_write(const char *home, const char *name, const void *data, size_t size,
                 struct err *err);
/* When the token in the secret ends: seconds since 1970, from the `exp` claim of a JWT (RFC 7519
 * section 4.1.4; only decoded, as flox does); 0 when it is no JWT or has none. */
uint64_t secret_expiry_s(struct bytes secret);

#endif
