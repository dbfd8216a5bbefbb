/* SPDX-License-Identifier: MIT */
/* link.h - messages over CURVE-encrypted ZeroMQ sockets.
 *
 * A server link is a ROUTER bound to one or more endpoints; a client link is a DEALER. Control and
 * logs use separate links, so that a flood of log bytes cannot delay a heartbeat. Never blocks.
 * A server's peer is an opaque number (its routing id, packed); it is not used again once the peer
 * went away. Who the peer *is* is its key, which ZAP admitted; without a ZAP handler every
 * frame is dropped. Not thread-safe: one thread owns a link.
 *
 * The context is the caller's. A server link holds up to LIMIT_CONNECTIONS connections, each an
 * open file: raise the process's limit before (connections are no sockets of the context).
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
    bool is_door; /* server: any key may connect (zap.h), who it is is all that is known */
    size_t connections_max; /* of a server; 0: LIMIT_CONNECTIONS. Beyond it nobody is let in */
    size_t per_key_max;     /* of them, those of one key that spoke; 0: LIMIT_CONNECTIONS_PER_KEY.
                               One more is told REFUSED and is ended (conn_limit.h) */
    uint64_t silent_ms; /* server: who has not spoken for so long gives way when it becomes tight;
                           0: nobody does */
};

/* Binds all endpoints (tcp://addr:port, port may be * ; ipc://path). Peers need the server's key
 * and a key that ZAP admits. */
struct link *link_serve(void *zmq_context, const char *const *endpoints, size_t count,
                        const struct key_pair *server, const struct link_options *options,
                        struct err *err);
/* The endpoint it is bound to, with the port that was chosen; valid as long as the link. */
const char *link_endpoint(const struct link *link, size_t index);

/* Connects (in the background, for ever, with back-off from 100 ms to 0.8 s; that it is for ever
 * takes that the link is received from now and then). A key that is not admitted yet is let in
 * within some 10 s of its admission. */
struct link *link_connect(void *zmq_context, const char *endpoint, const char *server_public_key,
                          const struct key_pair *own, const struct link_options *options,
                          struct err *err);

/* NULL is fine. Frames not yet sent are dropped after `linger_ms`. */
void link_close(struct link *link, int linger_ms);

/* The file descriptor that becomes readable when something may be received or sent, and when a
 * connection comes up or goes down (a client's sends fail before). Edge-triggered as ZMQ_FD is, and
 * link_send may take the edge: before each wait, whatever woke the last one, receive until
 * LINK_EMPTY. */
int link_fd(const struct link *link);

/* A client's: whether its connection came up since this was asked last. Whoever is at its other end
 * may never have heard of us. Known after a receive that says LINK_EMPTY. */
bool link_came_up(struct link *link);

/* A peer of a server link. For a client link the only peer is 0. */
typedef uint64_t link_peer;

enum link_result {
    LINK_OK,
    LINK_EMPTY,      /* receive: nothing there now */
    LINK_BUSY,       /* send: the queue to this peer is full */
    LINK_GONE,       /* send: this peer is not connected */
    LINK_MALFORMED,  /* receive: a frame was dropped (counted or refused, logged); go on
                        receiving */
    LINK_TOO_LONG,   /* receive: the same, for a list over its limit; `peer`, `correlation`,
                        `message.kind` and `problem` are set */
    LINK_UNKNOWN,    /* receive: a newer minor's message was dropped; go on receiving */
    LINK_OTHER_MAJOR /* receive: `peer` and `correlation` are set; answer REFUSED or an error reply
                      */
};

struct received {
    link_peer peer;
    char public_key[KEY_TEXT_BYTES]; /* server link: who sent it, by ZAP's word; else "" */
    uint64_t correlation;
    struct message message; /* lives in the arena given to link_receive */
    const char *problem;    /* so does this; NULL unless LINK_TOO_LONG */
};

/* Takes one message. Never blocks. All it points to lives in the arena. */
enum link_result link_receive(struct link *link, struct received *received, struct arena *arena);
/* Sends one message. Never blocks. */
enum link_result link_send(struct link *link, link_peer peer, const struct message *message,
                           uint64_t correlation);
/* For tests. Of a server: connections that ended in their handshake (not counted: keys that ZAP
 * refused, and what does not even begin with a greeting). */
uint64_t link_failed_count(const struct link *link);
/* For tests: frames dropped so far because they were malformed. */
uint64_t link_malformed_count(const struct link *link);

#endif
