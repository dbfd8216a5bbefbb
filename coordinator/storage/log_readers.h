/* SPDX-License-Identifier: MIT */
/* log_readers.h - sends logs to those who read or follow them, for the log store's thread.
 *
 * Readers get stored frames unchanged, as fast as their queue takes them: a slow reader delays only
 * itself. A reader's first piece begins at or before the wanted offset, and its last may go beyond
 * the limit (frames are not cut here; logfile_unpack cuts them). An empty piece that is not the
 * last one is a sign of life for a followed log that does not grow.
 *
 * Owns the list of readers; while a log is in it, the shelf does not evict the log. Refuses keys
 * that may not read, and more readers than LIMIT_FOLLOWERS; a key whose role was taken away gets no
 * further piece. Not thread-safe.
 */
#ifndef FARM_STORAGE_LOG_READERS_H
#define FARM_STORAGE_LOG_READERS_H

#include "coordinator/storage/logshelf.h"
#include "proto/link.h"

struct log_readers;

/* All are borrowed and must outlive the readers. `role_of` is asked for each request and piece. */
struct log_readers *log_readers_create(struct link *link, struct logshelf *shelf,
                                       enum role (*role_of)(void *context, const char *public_key),
                                       void *role_context);
void log_readers_destroy(struct log_readers *readers); /* NULL is allowed */
/* Takes a MESSAGE_LOG_READ: adds a reader, or answers with the reason of the refusal. Returns what
 * to log about a peer that asked for what it may not have, else NULL. */
const char *log_readers_take(struct log_readers *readers, const struct received *received);
/* Sends each reader what it can take now, and drops those that have all. True when anything was
 * sent: there may be more. */
bool log_readers_serve(struct log_readers *readers);
/* How long the thread may sleep, after log_readers_serve, when nothing else happens. */
int log_readers_wait_ms(const struct log_readers *readers);

#endif
