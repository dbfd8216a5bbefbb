/* SPDX-License-Identifier: MIT */
/* notifier.h - delivers notices to listeners, on the loop's side.
 *
 * Owns notices that are being delivered. A child process (`farmd notify`) talks to the network; a
 * listener that cannot be reached is tried again with growing delays for LIMIT_NOTIFY_TRIES_MS.
 * After that, or when all listeners have the notice, the core gets INPUT_NOTIFIED. A coordinator
 * that is killed meanwhile sends the notice again: delivery is at least once, always with the same
 * id.
 */
#ifndef FARM_NOTIFY_NOTIFIER_H
#define FARM_NOTIFY_NOTIFIER_H

#include "coordinator/shell/shell.h"

#include <poll.h>

struct notifier;

struct notifier *notifier_create(struct shell *shell);
void notifier_destroy(struct notifier *notifier); /* NULL is allowed */
/* Performs EFFECT_NOTIFY; ignores a notice that is no longer true. */
void notifier_tell(struct notifier *notifier, uint64_t notice);
/* `farm notice test`: notifies all listeners once, whatever their kinds, and answers the client. */
void notifier_test(struct notifier *notifier, const struct asker *asker);
/* Appends the descriptors to wait for, at most LIMIT_DISCOVERY_CHILDREN. */
size_t notifier_poll(const struct notifier *notifier, struct pollfd *polls);
void notifier_work(struct notifier *notifier);
/* The boot time at which notifier_work must be called without a ready descriptor, or FARM_NEVER. */
uint64_t notifier_deadline_ms(const struct notifier *notifier);

#endif
