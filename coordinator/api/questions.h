/* SPDX-License-Identifier: MIT */
/* questions.h - the requests of clients within a turn: which verb, may they, and when it is
 * answered.
 *
 * What changes the farm is stepped at once and answered by the core's EFFECT_REPLY. What only reads
 * is answered in the second half of the turn, so that nobody is told a fact that is not on disk.
 * What needs discovery is handed to discovery_queue.c. The verbs are the table in requests.h.
 *
 * However much is asked, the farm's own work goes on: a turn spends so many milliseconds on
 * answers, the rest waits for the next turn, and one key has so many questions waiting and so many
 * streams. Whoever follows events is looked up in the roster for each of them.
 */
#ifndef FARM_API_QUESTIONS_H
#define FARM_API_QUESTIONS_H

#include "coordinator/shell/shell.h"

struct questions;

struct questions *questions_create(struct shell *shell);
void questions_destroy(struct questions *questions);
/* Takes a request: checks verb, role and arguments; steps the core, or keeps it for the answer. */
void questions_take(struct questions *questions, const struct asker *asker,
                    const struct request *request);
/* Second half of the turn: answers what only reads, and feeds those who follow events. */
void questions_answer(struct questions *questions);
/* Whether some of it is left for the next turn. */
bool questions_wait(const struct questions *questions);

#endif
