/* SPDX-License-Identifier: MIT */
/* host_book.h - HOME/hosts/NAME.json: how to reach each worker that `worker add` set up, for
 * upgrade, remove and the tunnel. The files contain no secrets. */
#ifndef FARM_CLI_HOSTS_HOST_BOOK_H
#define FARM_CLI_HOSTS_HOST_BOOK_H

#include "coordinator/cli/command.h"

#include <stdint.h>

struct host_entry {
    const char *name;        /* of the worker */
    const char *to;          /* USER@HOST:PORT, as typed */
    const char *identity;    /* an SSH key file, "": none named */
    const char *prefix;      /* the absolute path of its bundles */
    const char *worker_home; /* "": the worker's default */
    uint64_t tunnel_port;    /* the tunnel's port for control on the host; the next one is for logs.
                                0: no tunnel */
    const char *control, *logs; /* the endpoints that the tunnel leads to */
};

/* The texts live in the invocation's arena. -1 with err, also for a host that is not in the book.
 */
int hosts_read(struct invocation *invocation, const char *name, struct host_entry *out,
               struct err *err) __attribute__((nonnull));
int hosts_write(struct invocation *invocation, const struct host_entry *entry, struct err *err);
bool hosts_knows(struct invocation *invocation, const char *name);
void hosts_forget(struct invocation *invocation, const char *name);
/* The names in alphabetical order, ended by NULL. */
const char *const *hosts_list(struct invocation *invocation);

/* Cleans the host of a worker that the farm has removed: stops and removes the service, deletes the
 * programs, and with `purge` also clones and key. For a worker that was not added from this machine
 * it only prints what to do. */
enum exit_code host_leave(struct invocation *invocation, const char *name, bool purge);

#endif
