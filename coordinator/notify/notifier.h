/* SPDX-License-Identifier: MIT */
/* notifier.h - hands notices to those who are to hear them, from the loop's side.
 *
 * Owns what is on its way: a child process (`farmd notify`) speaks with the network, and a listener
 * that could not be reached is tried again with growing pauses for LIMIT_NOTIFY_TRIES_MS. Then, or
 * when everybody heard, the core is told (INPUT_NOTIFIED). A coordinator that is killed in between
 * tells again: at least once, each time with the same id.
 */
#ifndef FARM_NOTIFY_NOTIFIER_H
#define FARM_NOTIFY_NOTIFIER_H

#include "coordinator/shell/shell.h"

#include <poll.h>

struct notifier;

struct notifier *notifier_create(struct shell *shell);
void notifier_destroy(struct notifier *notifier); /* NULL is fine */
/* EFFECT_NOTIFY. A notice that is over by now is left out. */
void notifier_tell(struct notifier *notifier, uint64_t notice);
/* `farm notice test`: everybody, once, whatever they listen to; the client is answered. */
void notifier_test(struct notifier *notifier, const struct asker *asker);
/* At most LIMIT_DISCOVERY_CHILDREN descriptors. */
size_t notifier_poll(const struct notifier *notifier, struct pollfd *polls);
void notifier_work(struct notifier *notifier);
/* When notifier_work has something to do without a descriptor: boot time, or FARM_NEVER. */
uint64_t notifier_deadline_ms(const struct notifier *notifier);

#endif
