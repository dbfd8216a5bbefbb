/* SPDX-License-Identifier: MIT */
/* ssh.h - non-blocking SSH sessions on other hosts over libssh2: many of them share one poll.
 *
 * Owns a connection: reaching the host, itself or through the child of a ProxyJump, verifying its
 * key, logging in, one command at a time, and one held command beside it. Every state has a
 * deadline, and so has the whole. Questions for a person (is this the host? the password?) are
 * states of their own: the owner of the session asks and passes on the answer.
 *
 *   connecting -> handshake -> (asks trust) -> login <-> (asks secret) -> ready <-> busy
 *   any -> failed, with a fault and a sentence
 *
 * The host's key is verified before any of our data is sent. Secrets are wiped after use. */
#ifndef FARM_DEPLOY_SSH_H
#define FARM_DEPLOY_SSH_H

#include "deploy/destination.h"
#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum ssh_state {
    SSH_CONNECTING,
    SSH_HANDSHAKE,
    SSH_ASKS_TRUST,
    SSH_LOGIN,
    SSH_ASKS_SECRET,
    SSH_READY,
    SSH_BUSY,
    SSH_FAILED
};

/* Why a session failed, for programs; ssh_error has the sentence for people. */
enum ssh_fault {
    SSH_FINE,
    SSH_UNREACHABLE,  /* unknown name, nothing listens, or no answer */
    SSH_NO_AGREEMENT, /* no common algorithms, or not an SSH server */
    SSH_WRONG_KEY,    /* the host's key differs from the known one, or is not trusted */
    SSH_REFUSED,      /* the host refuses the login */
    SSH_CUT,          /* the connection was lost */
    SSH_SILENT        /* a deadline passed */
};

/* How to treat host keys. */
struct ssh_trust {
    bool accept_new;   /* store an unknown key without asking */
    bool replaces_key; /* a changed key may be replaced: the host was reinstalled */
};

struct ssh;

/* Starts to connect; the destination is borrowed until ssh_close. Never fails: a failure is a
 * state. */
struct ssh *ssh_open(const struct destination *to, struct ssh_trust trust);
void ssh_close(struct ssh *ssh); /* accepts NULL */

/* Proceeds as far as possible without waiting. */
enum ssh_state ssh_turn(struct ssh *ssh);
/* What to wait for before the next turn: a descriptor (-1: none) and a time by clock_boot_ms. */
void ssh_wait(const struct ssh *ssh, struct pollfd *fd, uint64_t *deadline_ms);
enum ssh_state ssh_state(const struct ssh *ssh);
enum ssh_fault ssh_fault(const struct ssh *ssh);
const char *ssh_error(const struct ssh *ssh); /* a sentence that says what to do */

/* In SSH_ASKS_TRUST and SSH_ASKS_SECRET: the question, one or a few lines. */
const char *ssh_question(const struct ssh *ssh);
void ssh_answer_trust(struct ssh *ssh, bool trusted);
/* NULL: there is no answer. */
void ssh_answer_secret(struct ssh *ssh, const char *secret);
/* The time that all of the session may take while it is busy; LIMIT_SSH_SESSION_MS at first. */
void ssh_limit(struct ssh *ssh, uint64_t limit_ms);
/* Extends the deadline by `away_ms`, in which a person answered a question about another host. */
void ssh_forgive(struct ssh *ssh, uint64_t away_ms);

/* ---- commands -------------------------------------------------------------------------------- */

struct ssh_command {
    const char *line;   /* for the user's shell on the host */
    struct bytes input; /* its standard input, borrowed until the command ends */
    uint64_t quiet_ms;  /* fails after this time without input or output; output that is dropped
                         * does not count */
    bool hold;          /* complete after its first line; it keeps running until ssh_close */
};
struct ssh_result {
    int status;          /* exit status; 128 + n for a signal; 0 for a held command that runs */
    struct buf out, err; /* at most SSH_OUTPUT_BYTES of each; the rest is dropped */
};
enum { SSH_OUTPUT_BYTES = 1 << 20 };

/* Call in SSH_READY; the state is SSH_BUSY until the command ends. At most one command is held. */
void ssh_run(struct ssh *ssh, const struct ssh_command *command);
/* The result of the last command; owned by the session until the next command. */
const struct ssh_result *ssh_result(const struct ssh *ssh);
/* Bytes of the input sent so far. */
size_t ssh_sent(const struct ssh *ssh);

/* This machine's own address on the connection, as text; "" before SSH_HANDSHAKE. */
const char *ssh_own_address(const struct ssh *ssh);
/* libssh2's session, for other uses of a ready session (tunnel.c). */
struct _LIBSSH2_SESSION *ssh_library_session(struct ssh *ssh);
int ssh_descriptor(const struct ssh *ssh);
/* Number of bytes received so far. If it grew during a pass over several channels, another pass is
 * necessary: a read on one channel may have received bytes of another one. */
uint64_t ssh_received(const struct ssh *ssh);

#endif
