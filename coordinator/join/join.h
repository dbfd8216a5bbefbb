/* SPDX-License-Identifier: MIT */
/* join.h - where strangers join: a socket of its own, there only while a token is open.
 *
 * Any key may connect, LIMIT_KNOCKS_PER_SECOND at most, and say one thing: "join", with a token.
 * Everything else is dropped. The answer is given in the second half of the turn, when the
 * enrolment is on disk. Nothing a stranger says reaches the core before its token was found good.
 */
#ifndef FARM_JOIN_H
#define FARM_JOIN_H

#include "coordinator/shell/shell.h"

struct join;

int join_create(struct shell *shell, void *zmq_context, const struct key_pair *server,
                struct join **out, struct err *err);
void join_destroy(struct join *join);
int join_fd(const struct join *join); /* -1 while it is closed */
/* First half of a turn: opens or closes as tokens come and go, and takes what was said. */
void join_receive(struct join *join);
/* Second half: the answers. */
void join_answer(struct join *join);
/* Whether anything was sent since the last call (see control_was_busy). */
bool join_was_busy(struct join *join);

/* Verbs (requests.c). */
void serve_token_create(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_token_list(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_token_revoke(struct shell *shell, const struct asker *asker, const json_t *arguments);

#endif
