/* SPDX-License-Identifier: MIT */
#include "worker/log_route.h"

#include "proto/base/log.h"
#include "worker/logtail.h"

#include <stdlib.h>
#include <string.h>

struct log_route {
    struct log_route_options options;
    struct logtail *tail; /* NULL until the log store's endpoint is known */
    char *endpoint;
};

struct log_route *log_route_create(const struct log_route_options *options)
{
    struct log_route *route = mem_new(sizeof *route);
    route->options = *options;
    return route;
}

void log_route_destroy(struct log_route *route)
{
    if (!route)
        return;
    logtail_stop(route->tail);
    free(route->endpoint);
    free(route);
}

/* The default: the port after the control port. */
static char *default_log_endpoint(const char *control)
{
    const char *colon = strrchr(control, ':');
    struct buf text = {0};
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    if (!colon || port <= 0 || port >= 65535)
        return NULL;
    buf_print(&text, "%.*s:%ld", (int)(colon - control), control, port + 1);
    return (char *)text.data;
}

static char *choose_endpoint(const struct log_route *route, const char *told)
{
    if (told[0] != '\0')
        return mem_text(told);
    if (route->options.log_connect[0] != '\0')
        return mem_text(route->options.log_connect);
    return default_log_endpoint(route->options.connect);
}

bool log_route_connect(struct log_route *route, const char *told)
{
    char *endpoint = choose_endpoint(route, told);
    struct err err = {"the log store's address is unknown: set --log-connect"};
    if (endpoint && route->tail && strcmp(endpoint, route->endpoint) == 0) {
        free(endpoint);
        return false;
    }
    const struct logtail_options options = {.zmq_context = route->options.zmq_context,
                                            .endpoint = endpoint,
                                            .server_public_key = route->options.server_public_key,
                                            .own = *route->options.own,
                                            .home = route->options.home};
    struct logtail *tail = endpoint ? logtail_start(&options, &err) : NULL;
    logtail_stop(route->tail);
    free(route->endpoint);
    route->tail = tail;
    route->endpoint = endpoint;
    if (!tail)
        log_error("logs are not sent to the coordinator: %s", err.text);
    return tail != NULL;
}

void log_route_follow(struct log_route *route, struct token token)
{
    if (route->tail)
        logtail_follow(route->tail, token);
}

void log_route_finish(struct log_route *route, struct token token, uint64_t bytes)
{
    if (route->tail)
        logtail_finish(route->tail, token, bytes);
}

void log_route_forget(struct log_route *route, struct token token)
{
    if (route->tail)
        logtail_forget(route->tail, token);
}
