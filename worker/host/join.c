/* SPDX-License-Identifier: MIT */
/* join.c - makes this host a worker with nothing but a token: without ssh and without an operator.
 */
#include "proto/invitation.h"
#include "worker/host/commands.h"
#include "worker/host/service.h"

#include <stdio.h>
#include <string.h>

/* Writes the farm's settings to worker.conf, like the owner's. */
static int take_farm(struct worker_options *options, const struct invitation *invitation,
                     const struct joined *joined, struct err *err)
{
    struct key_pair key;
    bool changed;
    options->connect = joined->control;
    options->log_connect = joined->log;
    options->server_key = arena_text(&options->arena, invitation->server_key);
    options->name = joined->name;
    if (joined->may_publish && !options->no_publish)
        options->may_publish = true;
    return enrol_here(options, &key, &changed, err);
}

static int start_service(struct worker_options *options, struct err *err)
{
    struct service service;
    if (service_open(options, "", &service, err) < 0 || service_install(&service, err) < 0 ||
        service_restart(&service, err) < 0)
        return -1;
    printf("the worker is running (%s)%s%s\n", service_kind_names[service.kind],
           *service.notes ? "; " : "", service.notes);
    return 0;
}

int host_join(struct worker_options *options, struct err *err)
{
    struct invitation invitation;
    struct joined joined;
    struct key_pair key;
    if (options->invitation[0] == '\0')
        return err_set(err, "the token is missing: --token farm1...");
    if (invitation_read_option(options->invitation, &invitation, err) < 0 ||
        enrol_name(options, err) < 0)
        return -1;
    const char *path = arena_print(&options->arena, "%s/worker.key", options->home);
    if (keys_ensure(path, &key, err) < 0 ||
        invitation_accept(&invitation, &key, true, options->name, &joined, &options->arena, err) <
            0 ||
        take_farm(options, &invitation, &joined, err) < 0)
        return -1;
    explicit_bzero(&key, sizeof key);
    printf("this host is worker %s of the farm at %s; it may%s publish\n", joined.name,
           joined.control, options->may_publish ? "" : " not");
    if (options->no_service)
        return 0;
    return start_service(options, err);
}
