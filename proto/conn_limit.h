/* SPDX-License-Identifier: MIT */
/* conn_limit.h - the connections of a server: how many, with whose key, and which are ended.
 *
 * libzmq tells when a connection comes and goes, by its descriptor, and of each message over which
 * it came. With whose key a connection was made is known once it says something: so one key has so
 * many connections that spoke, one more is refused and ended some seconds later; and where
 * everybody speaks at once, those that never did are ended when it becomes tight. A connection is
 * ended by shutdown(2), which libzmq takes for the peer's end; descriptors stay libzmq's.
 */
#ifndef FARM_PROTO_CONN_LIMIT_H
#define FARM_PROTO_CONN_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn_limit;

struct conn_limit *conn_limit_create(size_t per_key_max);
void conn_limit_destroy(struct conn_limit *conn_limit); /* NULL is fine */

void conn_limit_connected(struct conn_limit *conn_limit, int fd, uint64_t now_ms);
void conn_limit_disconnected(struct conn_limit *conn_limit, int fd);
size_t conn_limit_count(const struct conn_limit *conn_limit);

enum conn_verdict {
    CONN_FINE,
    CONN_STRANGE,  /* no such connection is known, or with another key: news may be on its way */
    CONN_TOO_MANY, /* its key has as many others as it may: tell it */
    CONN_REFUSED   /* it was told before */
};
/* This connection says something. */
enum conn_verdict conn_limit_identify(struct conn_limit *conn_limit, int fd, const char *public_key,
                                      uint64_t now_ms);

/* Ends those that were refused a while ago, and those that came `silent_ms` ago and never spoke
 * (0: none of these). Returns how many. */
size_t conn_limit_end(struct conn_limit *conn_limit, uint64_t silent_ms, uint64_t now_ms);

#endif
