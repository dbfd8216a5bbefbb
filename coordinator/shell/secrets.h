/* SPDX-License-Identifier: MIT */
/* secrets.h - secrets that publications need.
 *
 * A secret is a file HOME/secrets/NAME of mode 0600, or a systemd credential of that name, or a
 * file HOME/secrets/NAME.exec whose first line is a command that prints the secret (run for each
 * publication). Records and effects contain only names of secrets; the bytes go from here into a
 * grant's frame and nowhere else.
 */
#ifndef FARM_SHELL_SECRETS_H
#define FARM_SHELL_SECRETS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdint.h>

/* Appends the secret to `out`. The error names the secret and what to do, never its content. */
int secret_read(const char *home, const char *name, struct buf *out, struct err *err);
/* Stores a secret with mode 0600, replacing the old one. Refuses names with '/' or a leading dot.
 */
int secret_write(const char *home, const char *name, const void *data, size_t size,
                 struct err *err);
/* What may be told of a secret: never its value. */
struct secret_facts {
    const char *source; /* "file", "command", "credential", or "missing" */
    uint64_t bytes;     /* of a file or credential */
    uint64_t set_at_ms; /* since 1970: when its file was written */
};
/* Looks where secret_read would read, and runs no command. */
struct secret_facts secret_facts(const char *home, const char *name);
/* The names of the secrets in HOME/secrets, each once; *names is in the arena. */
size_t secret_names(const char *home, const char ***names, struct arena *arena);
/* The expiry of the token in the secret, in seconds since 1970: the `exp` claim of a JWT (RFC 7519
 * section 4.1.4), decoded without checking the signature, as flox does. 0 when the secret is not a
 * JWT or does not expire. */
uint64_t secret_expiry_s(struct bytes secret);

#endif
