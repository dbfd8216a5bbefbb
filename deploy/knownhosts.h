/* SPDX-License-Identifier: MIT */
/* knownhosts.h - what a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") says about a
 * host's key: plain and hashed names, patterns, [HOST]:PORT, @revoked.
 *
 * Pure: texts in, texts out. A host that is known by a key of another type only is `changed`, not
 * unknown: whoever stands between could otherwise offer a type of which nothing is written down. */
#ifndef FARM_DEPLOY_KNOWNHOSTS_H
#define FARM_DEPLOY_KNOWNHOSTS_H

#include "proto/base/mem.h"

#include <stddef.h>
#include <stdint.h>

enum host_trust { HOST_UNKNOWN, HOST_KNOWN, HOST_CHANGED, HOST_REVOKED };

/* A host's key as the wire has it; its type is the first text in it. */
struct host_key {
    const char *host, *port;
    const uint8_t *blob;
    size_t size;
};

/* `*line` is where it says so (0 for HOST_UNKNOWN), of HOST_CHANGED the first. */
enum host_trust knownhosts_look(const char *text, const struct host_key *key, unsigned *line);
/* The types under which the host is known, joined by commas, in the file's order; "" none. So that
 * a session asks for a key it can compare. */
const char *knownhosts_types(const char *text, const char *host, const char *port,
                             struct arena *arena);
/* The line to append for it, with its newline. */
const char *knownhosts_line(const struct host_key *key, struct arena *arena);
/* The text without the lines that are about this host alone or, of lines about several, without
 * the host. Revoked keys stay. */
const char *knownhosts_without(const char *text, const char *host, const char *port,
                               struct arena *arena);

/* "SHA256:..." as ssh-keygen -l prints it. */
const char *hostkey_fingerprint(const struct host_key *key, struct arena *arena);
/* "ssh-ed25519" and so on; "" when the blob is none. */
const char *hostkey_type(const struct host_key *key, struct arena *arena);

#endif
