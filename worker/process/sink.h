/* SPDX-License-Identifier: MIT */
/* sink.h - moves the output of a command from its pipe into the log.
 *
 * Part of farm-supervisor: libc only. Bytes reach the log in order and unchanged, with three
 * exceptions, each visible in the log: every byte of an occurrence of the secret, in the forms
 * that redact.h lists, is replaced by '*'; beyond the limit the middle is omitted (the head goes to
 * the log, the rest to a ring on disk that is appended at the end); bytes that a full disk refuses
 * are counted and dropped. The pipe is always read: a build must not hang because its log cannot be
 * kept. */
#ifndef FARM_WORKER_PROCESS_SINK_H
#define FARM_WORKER_PROCESS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes read at a time, and the requested size of the pipe. */
#define SINK_CHUNK_BYTES (1u << 20)

struct sink;

struct sink_options {
    int log;            /* open for writing, without O_APPEND; output is added at its end */
    int folder;         /* the ring is made here and unlinked at once */
    uint64_t bytes_max; /* limit of the whole log */
    const void *secret; /* borrowed for the call; size 0: no secret */
    size_t secret_size;
};
/* NULL when out of memory. */
struct sink *sink_open(const struct sink_options *options);
/* Takes at most one chunk from the non-blocking pipe. Returns the number of bytes, 0 when all
 * writers closed it, -1 with errno (EAGAIN: the pipe is empty). */
ssize_t sink_take(struct sink *sink, int pipe);
/* Adds a line of the supervisor itself to the log, between the output of the command. */
void sink_note(struct sink *sink, const char *line);
/* After the last output: writes held-back bytes and frees. Returns the bytes that the disk refused.
 */
uint64_t sink_close(struct sink *sink);

#endif
