/* SPDX-License-Identifier: MIT */
/* logread.h - reads the raw bytes of a log from the log store.
 *
 * The store sends zstd frames as they were written; the first one may begin before the wanted byte,
 * and its head is cut off. The existing log is read in windows, so that a slow terminal never makes
 * the store queue a gigabyte; then the log is followed. After an interruption, reading continues at
 * the next byte. */
#ifndef FARM_CLI_LOGREAD_H
#define FARM_CLI_LOGREAD_H

#include "coordinator/cli/client.h"
#include "coordinator/cli/command.h"
#include "proto/vocab.h"

struct log_request {
    void *zmq_context;
    const char *endpoint;
    const char *server_key;
    const struct key_pair *own;
    struct token token;
    uint64_t offset;
    bool follow;      /* until the log is sealed */
    int interrupt_fd; /* -1: none */
};
/* Takes the next raw bytes; -1 stops reading with err. */
typedef int (*log_sink)(void *context, const uint8_t *data, size_t size, struct err *err);

enum log_end {
    LOG_END_COMPLETE,
    LOG_END_INTERRUPTED,
    LOG_END_SILENT, /* the store is silent: ask the coordinator, then continue at *offset */
    LOG_END_FAILED  /* err has the reason */
};
/* Reads from request->offset on; *offset is the next wanted byte after it returns. */
enum log_end log_read_all(const struct log_request *request, log_sink sink, void *context,
                          uint64_t *offset, struct err *err);

/* Prints a job's log to standard output, as `farm logs` does (cmd_logs.c). */
struct log_wish {
    const char *job;
    int64_t attempt; /* 0: the newest */
    bool publish, follow, raw;
};
enum exit_code log_print(struct invocation *invocation, const struct log_wish *wish);

/* The number of bytes at the head of a piece [offset, offset + size) that lie before `wanted`. */
size_t piece_head(uint64_t wanted, uint64_t offset, size_t size);
/* Parses "1.42"; -1 when the text is not a token. */
int token_parse(const char *text, struct token *out);

#endif
