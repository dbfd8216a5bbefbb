/* SPDX-License-Identifier: MIT */
/* notify.h - the child process that notifies listeners: webhooks, mail, commands, GitHub.
 *
 * `farmd notify` reads a question (JSON) from standard input: {home, config, payload, told}. It
 * notifies, once, every listener in farm.yaml that wants this notice and is not in `told`, and
 * prints {told: [name...], failed: [{name, problem}...]}. It decides nothing and stores nothing.
 *
 * A webhook gets the payload unchanged, with these headers: X-Farm-Notice (its kind),
 * X-Farm-Delivery (its id, the same in every retry) and, if the listener has a secret,
 * X-Farm-Signature-256: "sha256=" and the HMAC-SHA256 of the body in hex (RFC 2104; the same form
 * as GitHub's webhooks). Redirects are not followed.
 */
#ifndef FARM_NOTIFY_H
#define FARM_NOTIFY_H

#include "coordinator/config/config.h"

#include <jansson.h>

/* `farmd notify`; returns 0 whenever it printed an answer. */
int notify_main(void);

/* Whether a listener wants this kind of notice; a test ("none") goes to all. */
bool notify_wants(const struct config_listener *listener, const char *kind);
/* The signature of a body, "sha256=...", in the arena. */
const char *notify_signature(struct bytes secret, struct bytes body, struct arena *arena);
/* Appends a mail with its header. No text in the payload can end the header or add a line to it. */
void notify_mail(const struct config_listener *listener, const json_t *payload, struct buf *out);
/* "owner/name" of a repository on GitHub, from any form of its URL; "" for others. */
const char *notify_repository(const char *url, struct arena *arena);
/* The commit status of a branch of a run: {state, context, description}, a new reference. */
json_t *notify_status(const json_t *payload, const json_t *branch);

#endif
