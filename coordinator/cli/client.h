/* SPDX-License-Identifier: MIT */
/* client.h - a client's end of the control link: asks, waits, asks again.
 *
 * ZeroMQ hides reconnects and may drop, so a question without an answer is asked again under the
 * same id every retry_ms: requests are idempotent by id. A question may take long (discovery);
 * whether the coordinator lives meanwhile is asked beside it. It counts as out of reach when
 * nothing at all was heard for give_up_ms. Not thread-safe.
 */
#ifndef FARM_CLI_CLIENT_H
#define FARM_CLI_CLIENT_H

#include "coordinator/cli/command.h"
#include "proto/base/err.h"
#include "proto/keys.h"

#include <jansson.h>
#include <stdint.h>

/* Where a coordinator is and who we are. */
struct client_address {
    const char *endpoint; /* tcp:// or ipc:// */
    bool is_remote;       /* given by FARM_CONNECT: not on this machine as far as we know */
    char server_key[KEY_TEXT_BYTES];
    struct key_pair own;
    uint64_t retry_ms;   /* 0: 3 s */
    uint64_t give_up_ms; /* 0: 12 s */
};

struct client;

struct client *client_open(const struct client_address *address, struct err *err);
void client_close(struct client *client); /* NULL is fine */
const struct client_address *client_address(const struct client *client);
/* The client's ZeroMQ context, for a second link. */
void *client_context(struct client *client);

/* From now on every wait ends when this descriptor is readable (a signalfd); -1: none. */
void client_interrupt_by(struct client *client, int fd);

/* EXIT_FINE and a new reference in *body, or the exit code and the reason (EXIT_INTERRUPTED by the
 * descriptor above). Borrows `arguments`. */
enum exit_code client_ask(struct client *client, const char *verb, const json_t *arguments,
                          json_t **body, struct err *err);

/* Starts a stream of replies (verb "events"); one a client. When the coordinator was restarted it
 * is asked again, with `since` set to the last reply's `next`. Borrows `arguments`. */
void client_follow(struct client *client, const char *verb, const json_t *arguments);

enum client_news {
    CLIENT_BODY,        /* a reply of the stream, new reference */
    CLIENT_QUIET,       /* nothing within the time */
    CLIENT_LOST,        /* nothing heard for give_up_ms; told once, it goes on trying */
    CLIENT_BACK,        /* heard again after CLIENT_LOST */
    CLIENT_INTERRUPTED, /* client_interrupt_by */
    CLIENT_REFUSED      /* the stream was refused: the reason is in err */
};
/* Waits for the stream. */
enum client_news client_next(struct client *client, uint64_t timeout_ms, json_t **body,
                             struct err *err);

/* The log endpoint as seen from here: a remote coordinator that names its own wildcard or loopback
 * address is on the host we reached its control endpoint at. */
const char *client_log_endpoint(struct arena *arena, const struct client_address *address,
                                const char *log_endpoint);

#endif
