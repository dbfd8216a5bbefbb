/* SPDX-License-Identifier: MIT */
/* ssh_hostkey.c - is this the host that it claims to be: its key against known_hosts, by the rules
 * of ssh(1). A key is stored only when a person or --accept-new says so. */
#include "deploy/knownhosts.h"
#include "deploy/ssh_private.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <assert.h>
#include <string.h>

static const char *known_hosts_text(struct ssh *ssh, struct arena *arena)
{
    const char *const files[] = {ssh->to->known_hosts, "/etc/ssh/ssh_known_hosts"};
    struct buf text = {0};
    for (size_t i = 0; i < 2; i++)
        if (io_exists(files[i])) {
            io_read_file(files[i], LIMIT_CONFIG_BYTES, &text, NULL);
            buf_add(&text, "\n", 1);
        }
    const char *copy = arena_text(arena, text.size ? (char *)text.data : "");
    buf_release(&text);
    return copy;
}

void hostkey_prefer_known(struct ssh *ssh)
{
    struct arena arena = {0};
    const char *known =
        knownhosts_types(known_hosts_text(ssh, &arena), ssh->to->alias, ssh->to->port, &arena);
    const char *ours = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521";
    const char *list =
        arena_print(&arena, "%s%s%s%s", known, *known ? "," : "", ours,
                    libssh2_version(0x010b00) ? ",rsa-sha2-512,rsa-sha2-256" : ",ssh-rsa");
    libssh2_session_method_pref(ssh->session, LIBSSH2_METHOD_HOSTKEY, list);
    arena_clear(&arena);
}

static struct host_key key_of(struct ssh *ssh)
{
    size_t size = 0;
    int type;
    const char *blob = libssh2_session_hostkey(ssh->session, &size, &type);
    return (struct host_key){.host = ssh->to->alias,
                             .port = ssh->to->port,
                             .blob = (const uint8_t *)blob,
                             .size = blob ? size : 0};
}

/* Appends the host's key to known_hosts; with `replaces` first removes its older keys. */
static int key_pin(struct ssh *ssh, bool replaces)
{
    struct arena arena = {0};
    struct err err;
    struct host_key key = key_of(ssh);
    const char *path = ssh->to->known_hosts, *slash = strrchr(path, '/');
    struct buf text = {0};
    int result =
        slash && slash != path
            ? io_make_folders(arena_print(&arena, "%.*s", (int)(slash - path), path), 0700, &err)
            : 0;
    if (result == 0 && io_exists(path))
        result = io_read_file(path, LIMIT_CONFIG_BYTES, &text, &err);
    const char *old = text.size ? (char *)text.data : "";
    if (replaces)
        old = knownhosts_without(old, ssh->to->alias, ssh->to->port, &arena);
    bool open_end = *old && old[strlen(old) - 1] != '\n';
    const char *all =
        arena_print(&arena, "%s%s%s", old, open_end ? "\n" : "", knownhosts_line(&key, &arena));
    if (result == 0)
        result = io_write_file(path, all, strlen(all), 0600, true, &err);
    buf_release(&text);
    arena_clear(&arena);
    return result == 0 ? ssh_enter(ssh, SSH_LOGIN, LIMIT_SSH_LOGIN_MS)
                       : ssh_fail(ssh, SSH_WRONG_KEY, "cannot store the host's key: %s", err.text);
}

static int ask_trust(struct ssh *ssh, const struct host_key *key, bool changed)
{
    ssh->question =
        arena_print(&ssh->arena, "%s %s the key %s %s. Is this its key?", ssh->to->alias,
                    changed ? "was known by another key and now has" : "is not known yet and has",
                    hostkey_type(key, &ssh->arena), hostkey_fingerprint(key, &ssh->arena));
    return ssh_enter(ssh, SSH_ASKS_TRUST, LIMIT_SSH_PERSON_MS);
}

/* The host is known, but offers no key of a known type: libssh2 before 1.11 cannot use the RSA
 * signatures of current hosts. */
static int refuse_other_type(struct ssh *ssh, const struct host_key *key, const char *known)
{
    return ssh_fail(ssh, SSH_WRONG_KEY,
                    "%s is known only by a key of type %s, but offers one of type %s (%s). Verify "
                    "it on the host with `ssh-keygen -lf`, and store it with `ssh -o "
                    "HostKeyAlgorithms=%s %s`",
                    ssh->to->alias, known, hostkey_type(key, &ssh->arena),
                    hostkey_fingerprint(key, &ssh->arena), hostkey_type(key, &ssh->arena),
                    ssh->to->typed);
}

static int refuse_changed(struct ssh *ssh, const struct host_key *key, unsigned line)
{
    const char *known = knownhosts_types(known_hosts_text(ssh, &ssh->arena), ssh->to->alias,
                                         ssh->to->port, &ssh->arena);
    if (!strstr(known, hostkey_type(key, &ssh->arena)))
        return refuse_other_type(ssh, key, known);
    return ssh_fail(
        ssh, SSH_WRONG_KEY,
        "the key of %s (%s) differs from %s line %u: someone may intercept the connection. If the "
        "host was reinstalled, use --replace NAME, or remove the line with ssh-keygen -R '%s'",
        ssh->to->alias, hostkey_fingerprint(key, &ssh->arena), ssh->to->known_hosts, line,
        !strcmp(ssh->to->port, "22")
            ? ssh->to->alias
            : arena_print(&ssh->arena, "[%s]:%s", ssh->to->alias, ssh->to->port));
}

int hostkey_check(struct ssh *ssh)
{
    struct host_key key = key_of(ssh);
    unsigned line;
    if (!key.size)
        return ssh_fail(ssh, SSH_NO_AGREEMENT, "%s offered no host key", ssh->to->alias);
    switch (knownhosts_look(known_hosts_text(ssh, &ssh->arena), &key, &line)) {
    case HOST_KNOWN:
        return ssh_enter(ssh, SSH_LOGIN, LIMIT_SSH_LOGIN_MS);
    case HOST_UNKNOWN:
        return ssh->trust.accept_new ? key_pin(ssh, false) : ask_trust(ssh, &key, false);
    case HOST_CHANGED:
        if (!ssh->trust.replaces_key)
            return refuse_changed(ssh, &key, line);
        return ssh->trust.accept_new ? key_pin(ssh, true) : ask_trust(ssh, &key, true);
    case HOST_REVOKED:
        break;
    }
    return ssh_fail(ssh, SSH_WRONG_KEY, "the key of %s is revoked in %s line %u", ssh->to->alias,
                    ssh->to->known_hosts, line);
}

void ssh_answer_trust(struct ssh *ssh, bool trusted)
{
    assert(ssh->state == SSH_ASKS_TRUST);
    struct host_key key = key_of(ssh);
    if (trusted)
        key_pin(ssh, ssh->trust.replaces_key);
    else
        ssh_fail(ssh, SSH_WRONG_KEY,
                 "the key of %s (%s) is not known: confirm it on a terminal, or accept it with "
                 "--accept-new",
                 ssh->to->alias, hostkey_fingerprint(&key, &ssh->arena));
    ssh->question = NULL;
}
