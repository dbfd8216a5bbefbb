/* SPDX-License-Identifier: MIT */
/* sink.h - from the pipe of a command into its log, whatever the disk and the command do.
 *
 * Part of farm-supervisor: libc only. Bytes arrive in the log in order and unchanged, but for three
 * things, each said in the log itself: occurrences of the secret are overwritten with as many '*';
 * beyond the limit the middle is left out (the head goes to the log, the rest to a ring on disk
 * that is appended at the end); what a full disk refuses is counted and dropped. Draining never
 * stops: a build must not hang because its log cannot be kept.
 */
#ifndef FARM_WORKER_PROCESS_SINK_H
#define FARM_WORKER_PROCESS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes read at a time, and asked for as the size of the pipe. */
#define SINK_CHUNK_BYTES (1u << 20)

struct sink;

struct sink_options {
    int log;            /* open for writing, not O_APPEND; goes on at its end */
    int folder;         /* where the ring is made (and unlinked at once) */
    uint64_t bytes_max; /* of the whole log */
    const void *secret; /* borrowed; size 0: none */
    size_t secret_size;
};
/* NULL when memory is short. */
struct sink *sink_open(const struct sink_options *options);
/* Takes what is in the (non-blocking) pipe, at most a chunk. Bytes taken, 0 at the end of all
 * writers, -1 with errno (EAGAIN: nothing there now). */
ssize_t sink_take(struct sink *sink, int pipe);
/* A line of the supervisor's own, between what the command wrote; not the command's output. */
void sink_note(struct sink *sink, const char *line);
/* Nothing follows: writes what was held back. Returns the bytes that the disk refused. */
uint64_t sink_close(struct sink *sink);

#endif
