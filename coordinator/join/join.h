/* SPDX-License-Identifier: MIT */
/* join.h - the join endpoint: a separate socket that is open only while a token is open.
 *
 * Any key may connect and send one request, "join" with a token; at most LIMIT_KNOCKS_PER_SECOND
 * requests are read. Everything else is dropped. The answer is sent in the second half of the turn,
 * when the enrolment is on disk. Nothing from a stranger reaches the core before its token was
 * accepted.
 */
#ifndef FARM_JOIN_H
#define FARM_JOIN_H

#include "coordinator/shell/shell.h"

struct join;

int join_create(struct shell *shell, void *zmq_context, const struct key_pair *server,
                struct join **out, struct err *err);
void join_destroy(struct join *join);
int join_fd(const struct join *join); /* -1 while the socket is closed */
/* In the first half of a turn: opens or closes the socket and takes requests. */
void join_receive(struct join *join);
/* In the second half of a turn: sends the answers. */
void join_answer(struct join *join);
/* Whether anything was sent since the last call (see control_was_busy). */
bool join_was_busy(struct join *join);

/* Verbs of the table in coordinator/api/requests.c. */
void serve_token_create(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_token_list(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_token_revoke(struct shell *shell, const struct asker *asker, const json_t *arguments);

#endif
