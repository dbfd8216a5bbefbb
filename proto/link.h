/* SPDX-License-Identifier: MIT */
/* link.h - messages over CURVE-encrypted ZeroMQ sockets.
 *
 * A server link is a ROUTER bound to one or more endpoints; a client link is a DEALER. Control and
 * logs use separate links, so that a flood of log bytes cannot delay a heartbeat. Never blocks.
 * A peer of a server is an opaque number (its packed routing id), which is never reused after the
 * peer disconnects. A peer is identified by its key, which ZAP admitted; without a ZAP handler
 * every frame is dropped. Not thread-safe: one thread owns a link.
 *
 * The caller owns the context. A server link has up to LIMIT_CONNECTIONS connections, each an open
 * file, so the process's limit of open files must be high enough (connections do not count as
 * sockets of the context).
 */
#ifndef FARM_LINK_H
#define FARM_LINK_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/codec.h"
#include "proto/keys.h"
#include "proto/vocab.h"

#include <stdint.h>

struct link;

struct link_options {
    size_t frame_bytes_max; /* ZMQ_MAXMSGSIZE: a longer frame closes the connection (limits.h) */
    int send_high_water;    /* frames queued to one peer before a send fails */
    int receive_high_water;
    bool admits_any_key;    /* server: the join socket; any key may connect (zap.h) */
    size_t connections_max; /* server; 0: LIMIT_CONNECTIONS. No connection is accepted beyond it */
    size_t per_key_max;     /* server: connections of one key that sent a message; 0:
                               LIMIT_CONNECTIONS_PER_KEY. The next one gets REFUSED and is ended
                               (conn_limit.h) */
    uint64_t silent_ms; /* server: when connections_max is near, connections that sent nothing for
                           this long are ended; 0: never */
};

/* Binds all endpoints (tcp://addr:port, port may be *; ipc://path). A peer needs the server's
 * public key and a key that ZAP admits. */
struct link *link_serve(void *zmq_context, const char *const *endpoints, size_t count,
                        const struct key_pair *server, const struct link_options *options,
                        struct err *err);
/* The endpoint that the link is bound to, with the actual port; valid as long as the link. NULL
 * after the last. */
const char *link_endpoint(const struct link *link, size_t index);

/* Connects in the background and retries forever, with back-off from 100 ms to 0.8 s, provided that
 * link_receive is called from time to time. A key that is admitted later gets in within about 10 s.
 */
struct link *link_connect(void *zmq_context, const char *endpoint, const char *server_public_key,
                          const struct key_pair *own, const struct link_options *options,
                          struct err *err);

/* Accepts NULL. Frames not yet sent are dropped after `linger_ms`. */
void link_close(struct link *link, int linger_ms);

/* A descriptor that becomes readable when something can be received or sent, and when a connection
 * opens or closes (while a client is not connected its sends fail), and when a client must call
 * link_receive to connect again. It is edge-triggered like
 * ZMQ_FD, and link_send may consume the edge: before each wait, receive until LINK_EMPTY, whatever
 * ended the last wait. */
int link_fd(const struct link *link);

/* Client: whether the connection was made since the last call. The server may not know our session.
 * Up to date after a receive that returned LINK_EMPTY. */
bool link_came_up(struct link *link);

/* A peer of a server link. For a client link the only peer is 0. */
typedef uint64_t link_peer;

enum link_result {
    LINK_OK,
    LINK_EMPTY,      /* receive: nothing to receive now */
    LINK_BUSY,       /* send: the queue to this peer is full */
    LINK_GONE,       /* send: this peer is not connected */
    LINK_MALFORMED,  /* receive: a frame was dropped (counted or refused, logged); receive again */
    LINK_TOO_LONG,   /* receive: the same, because a list exceeds its limit; `peer`,
                        `correlation`, `message.kind` and `problem` are set */
    LINK_UNKNOWN,    /* receive: a message of a newer minor version was dropped; receive again */
    LINK_OTHER_MAJOR /* receive: another major version; `peer` and `correlation` are set. Answer
                        with REFUSED or an error reply */
};

struct received {
    link_peer peer;
    char public_key[KEY_TEXT_BYTES]; /* server: the sender's key, authenticated by ZAP; else "" */
    uint64_t correlation;
    struct message message; /* lives in the arena given to link_receive */
    const char *problem;    /* the same; NULL unless LINK_TOO_LONG */
};

/* Receives one message. Never blocks. Everything it points to lives in the arena. */
enum link_result link_receive(struct link *link, struct received *received, struct arena *arena);
/* Sends one message. Never blocks. */
enum link_result link_send(struct link *link, link_peer peer, const struct message *message,
                           uint64_t correlation);
/* For tests. Server: connections that failed in the handshake, without keys that ZAP refused and
 * without connections that did not start with a greeting. */
uint64_t link_failed_count(const struct link *link);
/* For tests: number of malformed frames dropped so far. */
uint64_t link_malformed_count(const struct link *link);

#endif
