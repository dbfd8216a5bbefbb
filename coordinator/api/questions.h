/* SPDX-License-Identifier: MIT */
/* questions.h - dispatches the requests of clients within a turn: finds the verb, checks the role
 * and decides when to answer.
 *
 * A request that changes the farm steps the core at once and is answered by the core's
 * EFFECT_REPLY. A request that only reads is answered in the second half of the turn, so that
 * nobody is told a fact that is not on disk. A request that needs discovery goes to
 * discovery_queue.c. requests.c has the table of verbs.
 *
 * Requests cannot stop the farm's own work: a turn spends a limited time on answers, the rest waits
 * for the next turn, and a key may have a limited number of pending questions and streams. The
 * enrolment of a follower is checked again before each reply.
 */
#ifndef FARM_API_QUESTIONS_H
#define FARM_API_QUESTIONS_H

#include "coordinator/shell/shell.h"

struct questions;

struct questions *questions_create(struct shell *shell);
void questions_destroy(struct questions *questions);
/* Takes a request: checks verb, role and arguments, then serves it or keeps it for the second half
 * of the turn. */
void questions_take(struct questions *questions, const struct asker *asker,
                    const struct request *request);
/* In the second half of the turn: answers pending questions and feeds followers of events. */
void questions_answer(struct questions *questions);
/* Whether questions or events are left for the next turn. */
bool questions_wait(const struct questions *questions);

#endif
