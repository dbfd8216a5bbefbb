/* SPDX-License-Identifier: MIT */
/* log_route.h - where this worker's logs go.
 *
 * Owns the log tail, which exists once the log store's endpoint is known: the one that the
 * coordinator tells, else that of --log-connect, else the port after the control port. Until then
 * what is followed or finished is ignored; the caller follows all logs when log_route_connect
 * returns true.
 */
#ifndef FARM_WORKER_LOG_ROUTE_H
#define FARM_WORKER_LOG_ROUTE_H

#include "proto/keys.h"
#include "proto/vocab.h"

struct log_route;

struct log_route_options { /* borrowed */
    void *zmq_context;
    const char *server_public_key;
    const struct key_pair *own;
    const char *home;
    const char *connect;     /* the control endpoint */
    const char *log_connect; /* "": not given */
};
struct log_route *log_route_create(const struct log_route_options *options);
/* Ends the log tail. Accepts NULL. */
void log_route_destroy(struct log_route *route);

/* The coordinator told the endpoint of its log store ("": it did not). True when a new log tail was
 * started, which follows nothing yet. A failure is logged: the worker builds without. */
bool log_route_connect(struct log_route *route, const char *told);
/* As in logtail.h. */
void log_route_follow(struct log_route *route, struct token token);
void log_route_finish(struct log_route *route, struct token token, uint64_t bytes);
void log_route_forget(struct log_route *route, struct token token);

#endif
