/* SPDX-License-Identifier: MIT */
/* ssh.h - sessions on other hosts over libssh2, without waiting: many of them share one poll.
 *
 * Owns a connection: reaching the host, trusting its key, logging in, one command at a time, and
 * one held beside it. Every state has a deadline. What only a person can say (is this the host? the
 * password?) is a state of its own: the owner asks and answers; nothing is asked here.
 *
 *   connecting -> handshake -> (asks trust) -> login <-> (asks secret) -> ready <-> busy
 *   any -> failed, with a fault and a sentence
 *
 * A host's key is compared before anything of ours is sent. Secrets are wiped after use. */
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

/* Why a session failed, for those who act on it; people read the sentence. */
enum ssh_fault {
    SSH_FINE,
    SSH_UNREACHABLE,  /* no such name, nobody listens, no answer */
    SSH_NO_AGREEMENT, /* it speaks SSH, and nothing that we do */
    SSH_WRONG_KEY,    /* the host's key is not the one that is known, or not trusted */
    SSH_REFUSED,      /* it does not let us in */
    SSH_CUT,          /* the connection ended in the middle */
    SSH_SILENT        /* a deadline passed */
};

/* How the user wants host keys treated. */
struct ssh_trust {
    bool accept_new;   /* pin an unknown key without asking */
    bool replaces_key; /* a changed key may be asked about: the host was installed anew */
};

struct ssh;

/* Begins to connect; the destination is borrowed until ssh_close. Never fails: a failure is a
 * state. */
struct ssh *ssh_open(const struct destination *to, struct ssh_trust trust);
void ssh_close(struct ssh *ssh); /* NULL is fine */

/* Goes on as far as it goes without waiting. */
enum ssh_state ssh_turn(struct ssh *ssh);
/* What to wait for until the next turn: a descriptor (-1: none) and a moment of clock_boot_ms. */
void ssh_wait(const struct ssh *ssh, struct pollfd *fd, uint64_t *deadline_ms);
enum ssh_state ssh_state(const struct ssh *ssh);
enum ssh_fault ssh_fault(const struct ssh *ssh);
const char *ssh_error(const struct ssh *ssh); /* a sentence that says what to do */

/* In SSH_ASKS_TRUST and SSH_ASKS_SECRET: the question, a line or a few. */
const char *ssh_question(const struct ssh *ssh);
void ssh_answer_trust(struct ssh *ssh, bool trusted);
/* NULL: nobody can say. */
void ssh_answer_secret(struct ssh *ssh, const char *secret);
/* Its deadline moves by so much: we were away, asking a person about another host. */
void ssh_forgive(struct ssh *ssh, uint64_t away_ms);

/* ---- commands -------------------------------------------------------------------------------- */

struct ssh_command {
    const char *line;   /* for the user's shell there */
    struct bytes input; /* its standard input, borrowed until it ended */
    uint64_t quiet_ms;  /* fails when nothing moves for so long */
    bool hold;          /* ended by its first line: it stays there until ssh_close */
};
struct ssh_result {
    int status;          /* exit status; 128 + n for a signal; of a held one, that runs, 0 */
    struct buf out, err; /* at most SSH_OUTPUT_BYTES of each; the rest is dropped */
};
enum { SSH_OUTPUT_BYTES = 1 << 20 };

/* In SSH_READY; it is SSH_BUSY until the command ended. At most one is held. */
void ssh_run(struct ssh *ssh, const struct ssh_command *command);
/* Of the last command; the session's until the next one. */
const struct ssh_result *ssh_result(const struct ssh *ssh);
/* How much of the input has left. */
size_t ssh_sent(const struct ssh *ssh);

/* The address by which this machine reaches the host, as text; "" before SSH_HANDSHAKE. */
const char *ssh_own_address(const struct ssh *ssh);
/* libssh2's own, for who does more with a session that is ready (tunnel.c). */
struct _LIBSSH2_SESSION *ssh_library_session(struct ssh *ssh);
int ssh_descriptor(const struct ssh *ssh);
/* Bytes that came in, ever. After a pass over several channels in which it grew, another pass is
 * due: any of them may have read what belongs to another. */
uint64_t ssh_received(const struct ssh *ssh);

#endif
