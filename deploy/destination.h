/* SPDX-License-Identifier: MIT */
/* destination.h - parses "USER@HOST:PORT" and completes it from the user's ssh_config.
 *
 * Of ssh_config we use Host, HostName, User, Port, IdentityFile and UserKnownHostsFile; the first
 * value wins, as in ssh(1). ProxyJump and ProxyCommand are refused, because without them we would
 * reach another machine than ssh does. Match and Include blocks are ignored. */
#ifndef FARM_DEPLOY_DESTINATION_H
#define FARM_DEPLOY_DESTINATION_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stddef.h>

enum { DESTINATION_IDENTITIES = 16 };

struct destination {
    const char *typed;   /* as the user wrote it */
    const char *alias;   /* the host as the user wrote it */
    const char *address; /* the address to connect to */
    const char *user;
    const char *port;
    const char *identities[DESTINATION_IDENTITIES + 1]; /* key files, NULL after the last */
    const char *known_hosts;                            /* the file that stores new host keys */
};

/* Parses what was typed, then `config` (the text of an ssh_config, may be ""). `home` is the user's
 * home, for "~" and for the default files; `login` is the user name if none is given. Texts are in
 * the arena. Pure. */
int destination_read(const char *typed, const char *config, const char *home, const char *login,
                     struct arena *arena, struct destination *out, struct err *err);
/* The same for the present user, with ~/.ssh/config if it exists. `identity` (a key file, may be
 * "") is tried before all others. */
int destination_find(const char *typed, const char *identity, struct arena *arena,
                     struct destination *out, struct err *err);

#endif
