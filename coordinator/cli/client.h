/* SPDX-License-Identifier: MIT */
/* client.h - the client's end of the control link.
 *
 * ZeroMQ hides reconnects and may drop messages, so a request without an answer is repeated with
 * the same id every retry_ms: requests are idempotent by id. An answer may take long (discovery);
 * pings show meanwhile whether the coordinator lives. It counts as unreachable after give_up_ms
 * without any message. Not thread-safe.
 */
#ifndef FARM_CLI_CLIENT_H
#define FARM_CLI_CLIENT_H

#include "coordinator/cli/command.h"
#include "proto/base/err.h"
#include "proto/keys.h"

#include <jansson.h>
#include <stdint.h>

/* The address of a coordinator, and our own key. */
struct client_address {
    const char *endpoint; /* tcp:// or ipc:// */
    bool is_remote;       /* given by FARM_CONNECT, so probably not on this machine */
    char server_key[KEY_TEXT_BYTES];
    struct key_pair own;
    uint64_t retry_ms;   /* 0: 3 s */
    uint64_t give_up_ms; /* 0: 12 s */
};

struct client;

struct client *client_open(const struct client_address *address, struct err *err);
void client_close(struct client *client); /* NULL is allowed */
const struct client_address *client_address(const struct client *client);
/* The client's ZeroMQ context, for another link. */
void *client_context(struct client *client);

/* From now on, every wait also ends when this descriptor (a signalfd) is readable; -1: none. */
void client_interrupt_by(struct client *client, int fd);

/* Asks and waits for the answer. Returns EXIT_FINE with a new reference in *body, otherwise an
 * exit code with the reason in err; EXIT_INTERRUPTED after client_interrupt_by's descriptor.
 * Borrows `arguments`. */
enum exit_code client_ask(struct client *client, const char *verb, const json_t *arguments,
                          json_t **body, struct err *err);

/* Starts a stream of replies (verb "events"); a client has at most one. After a restart of the
 * coordinator the request is repeated with `since` set to the last reply's `next`. Borrows
 * `arguments`. */
void client_follow(struct client *client, const char *verb, const json_t *arguments);

enum client_news {
    CLIENT_BODY,        /* a reply of the stream, as a new reference */
    CLIENT_QUIET,       /* the time is up */
    CLIENT_LOST,        /* nothing heard for give_up_ms; reported once, the client keeps trying */
    CLIENT_BACK,        /* heard again after CLIENT_LOST */
    CLIENT_INTERRUPTED, /* by client_interrupt_by's descriptor */
    CLIENT_REFUSED      /* the stream was refused; err has the reason */
};
/* Waits for the next reply of the stream. */
enum client_news client_next(struct client *client, uint64_t timeout_ms, json_t **body,
                             struct err *err);

/* The log endpoint as seen from here: when a remote coordinator names a wildcard or loopback
 * address, its host is the one at which we reached its control endpoint. */
const char *client_log_endpoint(struct arena *arena, const struct client_address *address,
                                const char *log_endpoint);

#endif
