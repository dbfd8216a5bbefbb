/* SPDX-License-Identifier: MIT */
/* crowd.h - the connections of a server: how many, with whose key, and which are ended.
 *
 * libzmq tells when a connection comes and goes, by its descriptor, and of each message over which
 * it came. With whose key a connection was made is known once it says something: so one key has so
 * many connections that spoke, one more is refused and ended some seconds later; and where
 * everybody speaks at once, those that never did are ended when it becomes tight. A connection is
 * ended by shutdown(2), which libzmq takes for the peer's end; descriptors stay libzmq's.
 */
#ifndef FARM_CROWD_H
#define FARM_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crowd;

struct crowd *crowd_create(size_t per_key_max);
void crowd_destroy(struct crowd *crowd); /* NULL is fine */

void crowd_came(struct crowd *crowd, int fd, uint64_t now_ms);
void crowd_went(struct crowd *crowd, int fd);
size_t crowd_count(const struct crowd *crowd);

enum crowd_word {
    CROWD_FINE,
    CROWD_STRANGE,  /* no such connection is known, or with another key: news may be on its way */
    CROWD_TOO_MANY, /* its key has as many others as it may: tell it */
    CROWD_REFUSED   /* it was told before */
};
/* This connection says something. */
enum crowd_word crowd_spoke(struct crowd *crowd, int fd, const char *public_key, uint64_t now_ms);

/* Ends those that were refused a while ago, and those that came `silent_ms` ago and never spoke
 * (0: none of these). Returns how many. */
size_t crowd_end(struct crowd *crowd, uint64_t silent_ms, uint64_t now_ms);

#endif
