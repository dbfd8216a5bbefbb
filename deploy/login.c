/* SPDX-License-Identifier: MIT */
/* login.c - tries to log in to a host: by keys, then by a password.
 *
 * Key files that the user named are tried before the agent's keys, because each try counts against
 * the host's limit; default key files are tried after them. A file whose key the agent has is tried
 * with the agent, which asks for no passphrase. With IdentitiesOnly, the agent's other keys are not
 * tried.
 *
 * For RSA keys current hosts require the signatures rsa-sha2-256 or -512, which libssh2 supports
 * since 1.11. With an older one RSA keys are skipped, because each try counts against the host's
 * limit; the final error says so. */
#include "deploy/knownhosts.h"
#include "deploy/ssh_private.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PASSWORDS_MAX = 3, RSA_SHA2_SINCE = 0x010b00 };

static bool rsa_works(void)
{
    return libssh2_version(RSA_SHA2_SINCE) != NULL;
}

static bool host_takes(const struct ssh *ssh, const char *method)
{
    return ssh->login.methods && strstr(ssh->login.methods, method);
}

static bool files_come_first(const struct ssh *ssh)
{
    return ssh->to->has_named_identities || ssh->to->only_identities;
}

static void forget_secret(struct login *login)
{
    if (login->secret)
        explicit_bzero(login->secret, strlen(login->secret));
    free(login->secret);
    login->secret = NULL;
}

static int secret_ask(struct ssh *ssh, const char *question)
{
    ssh->question = question;
    return ssh_enter(ssh, SSH_ASKS_SECRET, LIMIT_SSH_PERSON_MS);
}

static int let_in(struct ssh *ssh)
{
    forget_secret(&ssh->login);
    return ssh_enter(ssh, SSH_READY, UINT64_MAX);
}

static int go_on_with(struct ssh *ssh, enum login_way way)
{
    forget_secret(&ssh->login);
    ssh->login.way = way;
    return 1;
}

/* After too many keys (MaxAuthTries) hosts close the connection instead of refusing the key. */
static int hung_up(struct ssh *ssh)
{
    return ssh_fail(ssh, SSH_REFUSED,
                    "%s closed the connection after %u attempt%s to log in as %s: give the right "
                    "key with --identity FILE, or check that the host accepts logins",
                    ssh->to->alias, ssh->login.tried, ssh->login.tried == 1 ? "" : "s",
                    ssh->to->user);
}

/* Handles the result of a try. 1: logged in, or *next is set and the next way is due; 0: wait; -1:
 * the session ended. */
static int try_finished(struct ssh *ssh, int said, bool *next)
{
    *next = false;
    if (said == LIBSSH2_ERROR_EAGAIN)
        return 0;
    ssh->login.tried++;
    if (said == 0)
        return let_in(ssh);
    if (said == LIBSSH2_ERROR_SOCKET_DISCONNECT || said == LIBSSH2_ERROR_SOCKET_RECV ||
        said == LIBSSH2_ERROR_SOCKET_SEND)
        return hung_up(ssh);
    *next = true;
    return 1;
}

/* ---- each way -------------------------------------------------------------------------------- */

static int ask_methods(struct ssh *ssh)
{
    const char *user = ssh->to->user;
    const char *list = libssh2_userauth_list(ssh->session, user, (unsigned)strlen(user));
    if (list) {
        ssh->login.methods = arena_text(&ssh->arena, list);
        if (!host_takes(ssh, "publickey") || ssh->to->avoids_keys)
            return go_on_with(ssh, LOGIN_PASSWORD);
        return go_on_with(ssh, files_come_first(ssh) ? LOGIN_FILES : LOGIN_AGENT);
    }
    if (libssh2_userauth_authenticated(ssh->session))
        return let_in(ssh);
    if (libssh2_session_last_errno(ssh->session) == LIBSSH2_ERROR_EAGAIN)
        return 0;
    return ssh_fail(ssh, SSH_REFUSED, "%s does not let %s log in (%s)", ssh->to->alias, user,
                    ssh_reason(ssh));
}

static bool is_rsa(const struct libssh2_agent_publickey *key)
{
    return key->blob_len > 11 && !memcmp(key->blob + 4, "ssh-rsa", 7);
}

/* The public key of a key file; false: it is not known without its passphrase. */
static bool file_public(struct ssh *ssh, const char *path, struct buf *blob)
{
    const char *const paths[] = {arena_print(&ssh->arena, "%s.pub", path), path};
    bool found = false;
    for (size_t i = 0; i < 2 && !found; i++) {
        struct buf text = {0};
        if (io_exists(paths[i]))
            io_peek_file(paths[i], LIMIT_KEY_FILE_BYTES, &text);
        found = text.size && keyfile_public((char *)text.data, blob);
        if (text.size)
            explicit_bzero(text.data, text.size);
        buf_release(&text);
    }
    return found;
}

static bool is_key_of(const struct libssh2_agent_publickey *key, const struct buf *blob)
{
    return key->blob_len == blob->size && !memcmp(key->blob, blob->data, blob->size);
}

/* Whether one of the destination's key files has this key. */
static bool has_file(struct ssh *ssh, const struct libssh2_agent_publickey *key)
{
    bool found = false;
    for (const char *const *path = ssh->to->identities; *path && !found; path++) {
        struct buf blob = {0};
        found = file_public(ssh, *path, &blob) && is_key_of(key, &blob);
        buf_release(&blob);
    }
    return found;
}

/* The agent's next key, or NULL. Those that were tried as files are left out. */
static struct libssh2_agent_publickey *next_identity(struct ssh *ssh)
{
    struct login *login = &ssh->login;
    struct libssh2_agent_publickey *next;
    while (!libssh2_agent_get_identity(login->agent, &next, login->identity)) {
        login->identity = next;
        if (files_come_first(ssh) && has_file(ssh, next))
            continue;
        if (rsa_works() || !is_rsa(next))
            return next;
        login->rsa_left_out++;
    }
    return NULL;
}

static void drop_agent(struct login *login)
{
    if (!login->agent)
        return;
    libssh2_agent_disconnect(login->agent);
    libssh2_agent_free(login->agent);
    login->agent = NULL;
    login->identity = login->match = NULL;
}

/* Connects to the agent at the first call. */
static bool has_agent(struct ssh *ssh)
{
    struct login *login = &ssh->login;
    const char *socket = ssh->to->agent ? ssh->to->agent : getenv("SSH_AUTH_SOCK");
    if (login->asked_agent || !socket || !*socket)
        return login->agent != NULL;
    login->asked_agent = true;
    login->agent = libssh2_agent_init(ssh->session);
    if (!login->agent)
        return false;
    libssh2_agent_set_identity_path(login->agent, socket);
    if (!libssh2_agent_connect(login->agent) && !libssh2_agent_list_identities(login->agent))
        return true;
    drop_agent(login);
    return false;
}

static int leave_agent(struct ssh *ssh)
{
    return go_on_with(ssh, files_come_first(ssh) ? LOGIN_PASSWORD : LOGIN_FILES);
}

static int try_agent(struct ssh *ssh)
{
    struct login *login = &ssh->login;
    bool next;
    if (ssh->to->only_identities || !has_agent(ssh) || (!login->identity && !next_identity(ssh)))
        return leave_agent(ssh);
    int result = try_finished(
        ssh, libssh2_agent_userauth(login->agent, ssh->to->user, login->identity), &next);
    if (!next || next_identity(ssh))
        return result;
    return leave_agent(ssh);
}

static int next_file(struct ssh *ssh)
{
    forget_secret(&ssh->login);
    ssh->login.file++;
    ssh->login.asked = ssh->login.looked = false;
    ssh->login.match = NULL;
    return 1;
}

/* Finds the agent's key that is this file's, once for each file. */
static void match_agent(struct ssh *ssh, const char *path)
{
    struct login *login = &ssh->login;
    struct libssh2_agent_publickey *key = NULL, *last = NULL;
    struct buf blob = {0};
    if (!login->looked && has_agent(ssh) && file_public(ssh, path, &blob))
        for (; !login->match && !libssh2_agent_get_identity(login->agent, &key, last); last = key)
            if (is_key_of(key, &blob) && (rsa_works() || !is_rsa(key)))
                login->match = key;
    login->looked = true;
    buf_release(&blob);
}

/* Whether the file is an RSA key: by the public key file beside it, else by the header of an old
 * RSA private key. */
static bool file_is_rsa(struct ssh *ssh, const char *path)
{
    struct buf text = {0};
    io_peek_file(arena_print(&ssh->arena, "%s.pub", path), 1 << 16, &text);
    if (!text.size)
        io_peek_file(path, 1 << 16, &text);
    bool rsa = text.size && (!strncmp((char *)text.data, "ssh-rsa ", 8) ||
                             strstr((char *)text.data, "BEGIN RSA PRIVATE KEY"));
    buf_release(&text);
    return rsa;
}

/* Whether the key file is encrypted: PEM says so in clear, and OpenSSH's format names the cipher in
 * the first line after the header ("none" is bm9uZQ in base64). */
static bool file_is_encrypted(const char *path)
{
    struct buf text = {0};
    io_peek_file(path, 1 << 16, &text);
    const char *body = text.size ? strstr((char *)text.data, "OPENSSH PRIVATE KEY-----\n") : NULL;
    bool encrypted = body ? strncmp(body + 25, "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU", 31) != 0
                          : text.size && strstr((char *)text.data, "ENCRYPTED") != NULL;
    buf_release(&text);
    return encrypted;
}

static int try_file(struct ssh *ssh)
{
    struct login *login = &ssh->login;
    const char *path = ssh->to->identities[login->file], *user = ssh->to->user;
    bool next;
    if (!path)
        return go_on_with(ssh, files_come_first(ssh) ? LOGIN_AGENT : LOGIN_PASSWORD);
    match_agent(ssh, path);
    if (login->match && !files_come_first(ssh)) /* it was tried with the agent's keys */
        return next_file(ssh);
    if (login->match) {
        int result =
            try_finished(ssh, libssh2_agent_userauth(login->agent, user, login->match), &next);
        return next ? next_file(ssh) : result;
    }
    if (!io_exists(path))
        return next_file(ssh);
    if (!rsa_works() && file_is_rsa(ssh, path)) {
        login->rsa_left_out++;
        return next_file(ssh);
    }
    if (!login->asked && file_is_encrypted(path)) {
        login->asked = true;
        return secret_ask(ssh, arena_print(&ssh->arena, "Passphrase of %s: ", path));
    }
    if (login->asked && !login->secret)
        return next_file(ssh);
    int said = libssh2_userauth_publickey_fromfile_ex(ssh->session, user, (unsigned)strlen(user),
                                                      NULL, path, login->secret);
    login->unreadable += said == LIBSSH2_ERROR_FILE;
    int result = try_finished(ssh, said, &next);
    return next ? next_file(ssh) : result;
}

/* Many hosts ask for the password by the method "keyboard-interactive". */
static LIBSSH2_USERAUTH_KBDINT_RESPONSE_FUNC(answer_prompts)
{
    const struct ssh *ssh = *abstract;
    (void)name, (void)name_len, (void)instruction, (void)instruction_len, (void)prompts;
    for (int i = 0; i < num_prompts; i++) {
        responses[i].text = mem_text(ssh->login.secret ? ssh->login.secret : "");
        responses[i].length = (unsigned)strlen(responses[i].text);
    }
}

static int try_password(struct ssh *ssh)
{
    struct login *login = &ssh->login;
    const char *user = ssh->to->user;
    unsigned size = (unsigned)strlen(user);
    bool plain = host_takes(ssh, "password") && !ssh->to->avoids_passwords, next;
    if (!plain && (!host_takes(ssh, "keyboard-interactive") || ssh->to->avoids_prompts))
        return go_on_with(ssh, LOGIN_NONE);
    if (!login->secret && login->asked)
        return go_on_with(ssh, LOGIN_NONE);
    if (!login->secret) {
        login->asked = true;
        return secret_ask(ssh, arena_print(&ssh->arena, "%sPassword of %s at %s: ",
                                           login->passwords ? "Wrong password. " : "", user,
                                           ssh->to->alias));
    }
    int said =
        plain ? libssh2_userauth_password_ex(ssh->session, user, size, login->secret,
                                             (unsigned)strlen(login->secret), NULL)
              : libssh2_userauth_keyboard_interactive_ex(ssh->session, user, size, answer_prompts);
    int result = try_finished(ssh, said, &next);
    if (!next)
        return result;
    forget_secret(login);
    login->asked = ++login->passwords == PASSWORDS_MAX;
    return 1;
}

static int give_up(struct ssh *ssh)
{
    const struct login *login = &ssh->login;
    const char *keys =
        login->rsa_left_out
            ? "; your RSA key was skipped, because this libssh2 does not support the signatures "
              "that hosts require: make another key with `ssh-keygen -t ed25519`"
        : login->unreadable ? "; a key file could not be read"
                            : "";
    return ssh_fail(ssh, SSH_REFUSED,
                    "%s does not let %s log in: %s%s. Install your public key with `ssh-copy-id "
                    "%s`, or give the right one with --identity FILE",
                    ssh->to->alias, ssh->to->user,
                    login->tried ? "it refused all keys and passwords" : "there was no key to try",
                    keys, ssh->to->typed);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int login_turn(struct ssh *ssh)
{
    static int (*const ways[])(struct ssh *) = {[LOGIN_METHODS] = ask_methods,
                                                [LOGIN_AGENT] = try_agent,
                                                [LOGIN_FILES] = try_file,
                                                [LOGIN_PASSWORD] = try_password,
                                                [LOGIN_NONE] = give_up};
    return ways[ssh->login.way](ssh);
}

void ssh_answer_secret(struct ssh *ssh, const char *secret)
{
    forget_secret(&ssh->login);
    ssh->login.secret = mem_text(secret);
    ssh->question = NULL;
    ssh_enter(ssh, SSH_LOGIN, LIMIT_SSH_LOGIN_MS);
}

void login_release(struct ssh *ssh)
{
    forget_secret(&ssh->login);
    drop_agent(&ssh->login);
}
