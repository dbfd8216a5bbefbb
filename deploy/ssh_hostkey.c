/* SPDX-License-Identifier: MIT */
/* ssh_hostkey.c - is this the host that it claims to be: its key against known_hosts, by the rules
 * of ssh(1). A key is stored only when a person or --accept-new says so. */
#include "deploy/knownhosts.h"
#include "deploy/ssh_private.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct host_key key_of(struct ssh *ssh)
{
    size_t size = 0;
    int type;
    const char *blob = libssh2_session_hostkey(ssh->session, &size, &type);
    return (struct host_key){
        .name = ssh->to->key_name, .blob = (const uint8_t *)blob, .size = blob ? size : 0};
}

/* ---- the files ------------------------------------------------------------------------------- */

/* The text of one file; "" if there is none, or if it is a device, as /dev/null. NULL: the session
 * failed, because a file that cannot be read may have another key. */
static const char *file_text(struct ssh *ssh, const char *path, struct arena *arena)
{
    struct stat about;
    struct buf text = {0};
    struct err err;
    if (stat(path, &about) < 0 || !S_ISREG(about.st_mode))
        return "";
    int result = io_read_file(path, LIMIT_KNOWN_HOSTS_BYTES, &text, &err);
    const char *copy = arena_text(arena, text.size ? (char *)text.data : "");
    buf_release(&text);
    if (result == 0)
        return copy;
    ssh_fail(ssh, SSH_WRONG_KEY, "cannot look up the key of %s: %s", ssh->to->alias, err.text);
    return NULL;
}

struct verdict {
    enum host_trust trust;
    const char *file;
    unsigned line;
};

/* Looks a name up in all files: revoked in any outranks known, which outranks changed. */
static int look_up(struct ssh *ssh, const char *name, struct verdict *out)
{
    static const int rank[] = {
        [HOST_UNKNOWN] = 0, [HOST_CHANGED] = 1, [HOST_KNOWN] = 2, [HOST_REVOKED] = 3};
    struct host_key key = key_of(ssh);
    key.name = name;
    *out = (struct verdict){HOST_UNKNOWN, "", 0};
    for (const char *const *file = ssh->to->known_hosts; *file; file++) {
        struct arena arena = {0};
        unsigned line = 0;
        const char *text = file_text(ssh, *file, &arena);
        enum host_trust trust = text ? knownhosts_look(text, &key, &line) : HOST_UNKNOWN;
        if (rank[trust] > rank[out->trust])
            *out = (struct verdict){trust, *file, line};
        arena_clear(&arena);
        if (!text)
            return -1;
    }
    return 0;
}

/* The types of the keys that are known of the name, by commas; NULL: the session failed. */
static const char *known_types(struct ssh *ssh, const char *name)
{
    const char *types = "";
    for (const char *const *file = ssh->to->known_hosts; *file; file++) {
        struct arena arena = {0};
        const char *text = file_text(ssh, *file, &arena);
        const char *here = text ? knownhosts_types(text, name, &ssh->arena) : "";
        arena_clear(&arena);
        if (!text)
            return NULL;
        types = *here ? arena_print(&ssh->arena, "%s%s%s", types, *types ? "," : "", here) : types;
    }
    return types;
}

/* As ssh does: a host on another port may be known by its name alone. */
static int verdict_on(struct ssh *ssh, struct verdict *out)
{
    struct verdict other;
    const struct destination *to = ssh->to;
    if (look_up(ssh, to->key_name, out) < 0)
        return -1;
    if (out->trust == HOST_UNKNOWN && to->plain_key_name) {
        if (look_up(ssh, to->plain_key_name, &other) < 0)
            return -1;
        if (other.trust == HOST_KNOWN || other.trust == HOST_REVOKED)
            *out = other;
    }
    if (to->checks_address && !to->proxy && *ssh->key_address) {
        if (look_up(ssh, ssh->key_address, &other) < 0)
            return -1;
        if (other.trust == HOST_CHANGED || other.trust == HOST_REVOKED)
            *out = other;
    }
    return 0;
}

/* ---- before the handshake -------------------------------------------------------------------- */

static bool list_has(const char *list, const char *word, size_t size)
{
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strcspn(list, ",") == size && !strncmp(list, word, size))
            return true;
    return false;
}

/* The words of `list` that `permitted` has as well; NULL permits all. */
static const char *permitted_words(struct ssh *ssh, const char *list, const char *permitted)
{
    const char *kept = "";
    for (size_t size; *list; list += size, list += *list == ',') {
        size = strcspn(list, ",");
        if (!permitted || list_has(permitted, list, size))
            kept = arena_print(&ssh->arena, "%s%s%.*s", kept, *kept ? "," : "", (int)size, list);
    }
    return kept;
}

static int prefer(struct ssh *ssh, int method, const char *name, const char *list)
{
    if (!list || (*list && libssh2_session_method_pref(ssh->session, method, list) == 0))
        return 0;
    return ssh_fail(ssh, SSH_NO_AGREEMENT,
                    "your ssh_config permits for %s only %s that libssh2 %s does not have",
                    ssh->to->alias, name, libssh2_version(0));
}

int hostkey_prefer_known(struct ssh *ssh)
{
    const struct destination *to = ssh->to;
    const char *known = known_types(ssh, to->key_name);
    if (known && !*known && to->plain_key_name)
        known = known_types(ssh, to->plain_key_name);
    if (!known)
        return -1;
    const char *ours = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521";
    const char *list =
        arena_print(&ssh->arena, "%s%s%s%s", known, *known ? "," : "", ours,
                    libssh2_version(0x010b00) ? ",rsa-sha2-512,rsa-sha2-256" : ",ssh-rsa");
    list = permitted_words(ssh, list, to->hostkey_types);
    return prefer(ssh, LIBSSH2_METHOD_HOSTKEY, "HostKeyAlgorithms", list) < 0 ||
                   prefer(ssh, LIBSSH2_METHOD_KEX, "KexAlgorithms", to->key_exchanges) < 0 ||
                   prefer(ssh, LIBSSH2_METHOD_CRYPT_CS, "Ciphers", to->ciphers) < 0 ||
                   prefer(ssh, LIBSSH2_METHOD_CRYPT_SC, "Ciphers", to->ciphers) < 0 ||
                   prefer(ssh, LIBSSH2_METHOD_MAC_CS, "MACs", to->macs) < 0 ||
                   prefer(ssh, LIBSSH2_METHOD_MAC_SC, "MACs", to->macs) < 0
               ? -1
               : 0;
}

/* ---- storing --------------------------------------------------------------------------------- */

/* Appends as ssh does, so that links and other writers' lines stay. */
static int append_line(const char *path, const char *old, const char *line, struct err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return err_set(err, "cannot open %s: %s", path, strerror(errno));
    bool open_end = *old && old[strlen(old) - 1] != '\n';
    int result = open_end ? io_write_all(fd, "\n", 1, err) : 0;
    if (result == 0)
        result = io_write_all(fd, line, strlen(line), err);
    if (result == 0 && fsync(fd) < 0 && errno != EINVAL)
        result = err_set(err, "cannot sync %s: %s", path, strerror(errno));
    close(fd);
    return result;
}

/* Rewrites the file behind a link, not the link. */
static int rewrite_file(const char *path, const char *text, struct err *err)
{
    char *real = realpath(path, NULL);
    int result = io_write_file(real ? real : path, text, strlen(text), 0600, true, err);
    free(real);
    return result;
}

/* Adds the host's key to the first known_hosts file; with `replaces` first removes its older keys.
 */
static int key_pin(struct ssh *ssh, bool replaces)
{
    struct arena arena = {0};
    struct err err;
    struct host_key key = key_of(ssh);
    const char *path = ssh->to->known_hosts[0], *slash = strrchr(path, '/');
    int result =
        slash && slash != path
            ? io_make_folders(arena_print(&arena, "%.*s", (int)(slash - path), path), 0700, &err)
            : 0;
    const char *old = result == 0 ? file_text(ssh, path, &arena) : "";
    if (!old)
        result = -1;
    else if (result == 0 && replaces && *old)
        result = rewrite_file(path, old = knownhosts_without(old, key.name, &arena), &err);
    if (result == 0)
        result = append_line(path, old, knownhosts_line(&key, ssh->to->hashes_names, &arena), &err);
    arena_clear(&arena);
    if (ssh->state == SSH_FAILED)
        return -1;
    return result == 0 ? ssh_enter(ssh, SSH_LOGIN, LIMIT_SSH_LOGIN_MS)
                       : ssh_fail(ssh, SSH_WRONG_KEY, "cannot store the host's key: %s", err.text);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

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

static int refuse_changed(struct ssh *ssh, const struct host_key *key, const struct verdict *on)
{
    const char *known = known_types(ssh, ssh->to->key_name);
    if (!known)
        return -1;
    if (*known && !strstr(known, hostkey_type(key, &ssh->arena)))
        return refuse_other_type(ssh, key, known);
    return ssh_fail(ssh, SSH_WRONG_KEY,
                    "the key of %s (%s) differs from %s line %u: someone may intercept the "
                    "connection. If the host was reinstalled, use --replace NAME, or remove the "
                    "line with ssh-keygen -R '%s'",
                    ssh->to->alias, hostkey_fingerprint(key, &ssh->arena), on->file, on->line,
                    ssh->to->key_name);
}

/* StrictHostKeyChecking yes: nobody is asked, and --accept-new does not help. */
static int refuse_unknown(struct ssh *ssh, const struct host_key *key)
{
    return ssh_fail(ssh, SSH_WRONG_KEY,
                    "the key of %s (%s) is not known, and your ssh_config sets "
                    "StrictHostKeyChecking to yes: add it to %s as %s first",
                    ssh->to->alias, hostkey_fingerprint(key, &ssh->arena), ssh->to->known_hosts[0],
                    ssh->to->key_name);
}

int hostkey_check(struct ssh *ssh)
{
    struct host_key key = key_of(ssh);
    struct verdict on;
    if (!key.size)
        return ssh_fail(ssh, SSH_NO_AGREEMENT, "%s offered no host key", ssh->to->alias);
    if (verdict_on(ssh, &on) < 0)
        return -1;
    switch (on.trust) {
    case HOST_KNOWN:
        return ssh_enter(ssh, SSH_LOGIN, LIMIT_SSH_LOGIN_MS);
    case HOST_UNKNOWN:
        if (ssh->to->trusts_only_known)
            return refuse_unknown(ssh, &key);
        return ssh->trust.accept_new ? key_pin(ssh, false) : ask_trust(ssh, &key, false);
    case HOST_CHANGED:
        if (!ssh->trust.replaces_key)
            return refuse_changed(ssh, &key, &on);
        return ssh->trust.accept_new ? key_pin(ssh, true) : ask_trust(ssh, &key, true);
    case HOST_REVOKED:
        break;
    }
    return ssh_fail(ssh, SSH_WRONG_KEY, "the key of %s is revoked in %s line %u", ssh->to->alias,
                    on.file, on.line);
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
