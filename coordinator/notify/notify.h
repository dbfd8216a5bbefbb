/* SPDX-License-Identifier: MIT */
/* notify.h - the child that speaks with listeners: web hooks, mail, commands, GitHub.
 *
 * `farmd notify` reads a question (JSON) from standard input: {home, config, payload, told}. It
 * tells every listener of farm.yaml that wants this notice and is not in `told`, once each, and
 * prints {told: [name...], failed: [{name, problem}...]}. It decides nothing and keeps nothing.
 *
 * What a web hook gets is the payload as it is, with these heads: X-Farm-Notice (its kind),
 * X-Farm-Delivery (its id, the same when it is told again) and, where the listener has a secret,
 * X-Farm-Signature-256: "sha256=" and the HMAC-SHA256 of the body in hex (RFC 2104; the form that
 * GitHub's hooks made usual). Redirections are not followed.
 */
#ifndef FARM_NOTIFY_H
#define FARM_NOTIFY_H

#include "coordinator/config/config.h"

#include <jansson.h>

/* `farmd notify`; exit 0 whenever it could answer. */
int notify_main(void);

/* Whether a listener is to hear this kind of notice; a test ("none") is for everybody. */
bool notify_wants(const struct config_listener *listener, const char *kind);
/* "sha256=..." of a body, into the arena. */
const char *notify_signature(struct bytes secret, struct bytes body, struct arena *arena);
/* A mail with its head. Nothing of the payload can end the head or begin another one. */
void notify_mail(const struct config_listener *listener, const json_t *payload, struct buf *out);
/* "owner/name" of a repository on GitHub, from any form of its URL; "" for others. */
const char *notify_repository(const char *url, struct arena *arena);
/* The commit status of one branch of a run: {state, context, description}. New reference. */
json_t *notify_status(const json_t *payload, const json_t *branch);

#endif
