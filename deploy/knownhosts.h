/* SPDX-License-Identifier: MIT */
/* knownhosts.h - looks up a host's key in a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE
 * FORMAT"): plain and hashed names, patterns, [HOST]:PORT, @revoked.
 *
 * Pure but for the salt: texts in, texts out. A host that is known only by a key of another type
 * counts as changed, not as unknown: otherwise an attacker could offer a type that is not in the
 * file. */
#ifndef FARM_DEPLOY_KNOWNHOSTS_H
#define FARM_DEPLOY_KNOWNHOSTS_H

#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum host_trust { HOST_UNKNOWN, HOST_KNOWN, HOST_CHANGED, HOST_REVOKED };

/* A host's key in the format of the SSH protocol; its type is the first text in it. The name is the
 * host's in known_hosts: HOST, [HOST]:PORT, or an alias. */
struct host_key {
    const char *name;
    const uint8_t *blob;
    size_t size;
};

/* *line is the number of the deciding line: for HOST_CHANGED the first one, for HOST_UNKNOWN 0. */
enum host_trust knownhosts_look(const char *text, const struct host_key *key, unsigned *line);
/* The types of the host's known keys, joined by commas, in the file's order; "": none. A session
 * requests these first, so that it gets a key that it can compare. */
const char *knownhosts_types(const char *text, const char *name, struct arena *arena);
/* The line to append for a key, with its newline; `hashed`: with a random salt, as HashKnownHosts
 * asks for. */
const char *knownhosts_line(const struct host_key *key, bool hashed, struct arena *arena);
/* The text without this host: lines for it alone are removed, and lines for several hosts lose its
 * name. Revoked keys stay. */
const char *knownhosts_without(const char *text, const char *name, struct arena *arena);

/* The public key in a key file's text: a .pub file or a private key in OpenSSH's format, also an
 * encrypted one. Appends its blob to `out`; false: it has none in clear. */
bool keyfile_public(const char *text, struct buf *out);
/* "SHA256:..." as printed by ssh-keygen -l. */
const char *hostkey_fingerprint(const struct host_key *key, struct arena *arena);
/* For example "ssh-ed25519"; "" if the blob is not a key. */
const char *hostkey_type(const struct host_key *key, struct arena *arena);

#endif
