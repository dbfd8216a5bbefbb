/* SPDX-License-Identifier: MIT */
/* door.h - where strangers join: a socket of its own, there only while a token is open.
 *
 * Any key may connect, LIMIT_KNOCKS_PER_SECOND at most, and say one thing: "join", with a token.
 * Everything else is dropped. The answer is given in the second half of the turn, when the
 * enrolment is on disk. Nothing a stranger says reaches the core before its token was found good.
 */
#ifndef FARM_DOOR_H
#define FARM_DOOR_H

#include "coordinator/shell.h"

struct door;

int door_create(struct shell *shell, void *zmq_context, const struct key_pair *server,
                struct door **out, struct err *err);
void door_destroy(struct door *door);
int door_fd(const struct door *door); /* -1 while it is closed */
/* First half of a turn: opens or closes as tokens come and go, and takes what was said. */
void door_receive(struct door *door);
/* Second half: the answers. */
void door_answer(struct door *door);
/* Whether anything was sent since the last call (see desk_was_busy). */
bool door_was_busy(struct door *door);

/* Verbs (requests.c). */
void serve_token_create(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_token_list(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_token_revoke(struct shell *shell, const struct asker *asker, const json_t *arguments);

#endif
