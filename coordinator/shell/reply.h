/* SPDX-License-Identifier: MIT */
/* reply.h - answers to the requests of clients, over the control link.
 *
 * Owns the list of clients that wait for the core's EFFECT_REPLY. Refuses answers that are longer
 * than LIMIT_REPLY_BYTES. Decides nothing: control.c hands requests in, the api room serves them.
 */
#ifndef FARM_SHELL_REPLY_H
#define FARM_SHELL_REPLY_H

#include "coordinator/shell/shell.h"

#include <jansson.h>

struct replies;

/* The link is borrowed and must outlive the replies. */
struct replies *replies_create(struct link *link);
void replies_destroy(struct replies *replies);

/* Sends an answer now. Steals the reference `body`; NULL stands for {}. `more` announces further
 * answers to the same request. Returns LINK_BUSY when the client has not read what it was sent
 * before, and LINK_GONE when it has disconnected; in both cases nothing was sent. */
enum link_result reply_answer(struct replies *replies, const struct asker *asker, bool more,
                              json_t *body);
/* Refuses a request with one sentence that says what to do. The client's program exits with
 * `exit_code`. */
void reply_refuse(struct replies *replies, const struct asker *asker, uint32_t exit_code,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Registers the asker for the EFFECT_REPLY with its request id. */
void reply_expect(struct replies *replies, const struct asker *asker);
/* The part of an input that says who asks, and with which request id. */
struct asked reply_asked(const struct asker *asker);
/* Registers the asker, then steps the core with its request: the core's EFFECT_REPLY is the answer.
 */
void reply_from_core(struct shell *shell, const struct asker *asker, struct input *input);
/* Answers every client that waits for this EFFECT_REPLY. */
void reply_perform(struct replies *replies, const struct effect *effect);

/* Whether anything was sent since the last call. */
bool replies_were_sent(struct replies *replies);

#endif
