/* SPDX-License-Identifier: MIT */
/* conn_limit.h - limits the connections of a server, in all and per key.
 *
 * libzmq reports the descriptor of each connection when it opens and closes and when a message
 * arrives on it. The key of a connection is known only after its first message. So a key may have
 * per_key_max connections with messages; the next one is refused and ended some seconds later. And
 * on sockets whose clients speak at once, connections without any message are ended when the total
 * gets close to its limit. A connection is ended by shutdown(2), which libzmq takes for the peer's
 * close; libzmq keeps owning the descriptor.
 */
#ifndef FARM_PROTO_CONN_LIMIT_H
#define FARM_PROTO_CONN_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn_limit;

struct conn_limit *conn_limit_create(size_t per_key_max);
void conn_limit_destroy(struct conn_limit *conn_limit); /* accepts NULL */

void conn_limit_connected(struct conn_limit *conn_limit, int fd, uint64_t now_ms);
void conn_limit_disconnected(struct conn_limit *conn_limit, int fd);
size_t conn_limit_count(const struct conn_limit *conn_limit);

enum conn_verdict {
    CONN_FINE,
    CONN_STRANGE,  /* the connection is not known, or with another key: an event may be pending */
    CONN_TOO_MANY, /* its key has the maximum of other connections: tell the peer */
    CONN_REFUSED   /* refused earlier; the peer was told */
};
/* Records that a message of this key arrived on the connection. */
enum conn_verdict conn_limit_identify(struct conn_limit *conn_limit, int fd, const char *public_key,
                                      uint64_t now_ms);

/* Ends connections that were refused some seconds ago, and those that opened `silent_ms` ago and
 * sent nothing (0: none of these). Returns how many. */
size_t conn_limit_end(struct conn_limit *conn_limit, uint64_t silent_ms, uint64_t now_ms);

#endif
