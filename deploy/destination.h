/* SPDX-License-Identifier: MIT */
/* destination.h - parses "USER@HOST:PORT" and completes it as the installed ssh would.
 *
 * `ssh -G` says what the user's ssh_config means for the host; ssh_options.def says what we do with
 * each option. Where no ssh is installed, we read simple ssh_config files ourselves and refuse all
 * others. As for ssh, "~" is the home in the user database, not $HOME.
 *
 * The name in known_hosts is HostKeyAlias, else HostName and port, never the name that was typed.
 */
#ifndef FARM_DEPLOY_DESTINATION_H
#define FARM_DEPLOY_DESTINATION_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DESTINATION_IDENTITIES = 32, DESTINATION_FILES = 8 };

/* Zero means ssh's default in every field from `agent` on. */
struct destination {
    const char *typed;   /* as the user wrote it */
    const char *alias;   /* the host as the user wrote it */
    const char *address; /* the address to connect to */
    const char *user;
    const char *port;
    const char *identities[DESTINATION_IDENTITIES + 1]; /* key files, NULL after the last */
    const char *known_hosts[DESTINATION_FILES + 1]; /* the first one stores new keys; NULL after the
                                                       last */
    const char *key_name;                           /* the host's name in known_hosts */
    const char *plain_key_name; /* without the port; NULL when that is the same name */

    const char *agent;         /* the agent's socket; "": no agent; NULL: $SSH_AUTH_SOCK */
    bool has_named_identities; /* the user chose them: they are tried before the agent's keys */
    bool only_identities;      /* other keys of the agent are not tried */
    bool avoids_keys, avoids_passwords, avoids_prompts; /* methods that are not to be tried */
    bool hashes_names;                                  /* in known_hosts */
    bool trusts_only_known;   /* an unknown key is refused, whoever would accept it */
    bool checks_address;      /* a changed key of the IP address is refused, too */
    int family;               /* AF_INET, AF_INET6; 0: either */
    const char *own_address;  /* the local address of the connection */
    uint64_t connect_ms;      /* time limit of connection and key exchange */
    const char *const *proxy; /* a command whose stdin and stdout are the connection */
    const char *proxy_name;   /* for errors: "ProxyJump j1" */
    const char *ciphers, *macs, *key_exchanges, *hostkey_types; /* permitted ones, by commas */
};

/* Who asks: for defaults and for the tokens of ssh_config. */
struct destination_user {
    const char *login, *home, *host;
    unsigned uid;
};

/* Parses what was typed: only the first five fields, "" where nothing was said. */
int destination_split(const char *typed, struct arena *arena, struct destination *out,
                      struct err *err);
/* Completes a parsed destination from what `ssh -G` printed for it; `defaults` is what it prints
 * without a configuration. `identity` (a key file, may be "") is tried first. Reads only the
 * environment variables that the configuration names. */
int destination_complete(struct destination *out, const char *shown, const char *defaults,
                         const char *identity, const struct destination_user *user,
                         struct arena *arena, struct err *err);
/* Both for the present user, with the installed ssh. */
int destination_find(const char *typed, const char *identity, struct arena *arena,
                     struct destination *out, struct err *err);

#endif
