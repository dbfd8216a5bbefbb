/* SPDX-License-Identifier: MIT */
/* destination.h - whom "USER@HOST:PORT" means: the words as typed, completed from the user's
 * ssh_config.
 *
 * Of ssh_config we take Host, HostName, User, Port, IdentityFile, UserKnownHostsFile; the first
 * value wins, as in ssh(1). ProxyJump and ProxyCommand are refused, because leaving them out would
 * reach another machine than ssh does. Match and Include blocks are left out. */
#ifndef FARM_DEPLOY_DESTINATION_H
#define FARM_DEPLOY_DESTINATION_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stddef.h>

enum { DESTINATION_IDENTITIES = 16 };

struct destination {
    const char *typed;   /* as the user wrote it */
    const char *alias;   /* the host as the user wrote it */
    const char *address; /* what is connected to */
    const char *user;
    const char *port;
    const char *identities[DESTINATION_IDENTITIES + 1]; /* key files, NULL behind the last */
    const char *known_hosts;                            /* where new host keys are kept */
};

/* Reads what was typed, then `config` (a file's text, may be ""). `home` is the user's folder, for
 * "~" and for the default files; `login` the user's own name, where none is said. Texts are the
 * arena's. Pure. */
int destination_read(const char *typed, const char *config, const char *home, const char *login,
                     struct arena *arena, struct destination *out, struct err *err);
/* The same for the user who runs us: ~/.ssh/config is read where there is one. `identity` (a key
 * file, may be "") goes before all others. */
int destination_find(const char *typed, const char *identity, struct arena *arena,
                     struct destination *out, struct err *err);

#endif
