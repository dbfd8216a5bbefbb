/* SPDX-License-Identifier: MIT */
/* hosts.h - HOME/hosts/NAME.json: how each worker that `worker add` made is reached again, for
 * upgrade, remove and the tunnel. Nothing secret is in it. */
#ifndef FARM_CLI_HOSTS_HOST_BOOK_H
#define FARM_CLI_HOSTS_HOST_BOOK_H

#include "coordinator/cli/command.h"

#include <stdint.h>

struct host_entry {
    const char *name;        /* of the worker */
    const char *to;          /* USER@HOST:PORT, as typed */
    const char *identity;    /* a key file, "" none named */
    const char *prefix;      /* where its bundles are; absolute */
    const char *worker_home; /* "": the worker's default */
    uint64_t tunnel_port;    /* on the host, for the control endpoint; the next one is the log's. 0:
                                no tunnel */
    const char *control, *logs; /* of a tunnel: where it leads to, here */
};

/* Texts are the invocation's. -1 with err; a host that is not there is an error, too. */
int hosts_read(struct invocation *invocation, const char *name, struct host_entry *out,
               struct err *err);
int hosts_write(struct invocation *invocation, const struct host_entry *entry, struct err *err);
bool hosts_knows(struct invocation *invocation, const char *name);
void hosts_forget(struct invocation *invocation, const char *name);
/* The names, NULL behind the last, in alphabetical order. */
const char *const *hosts_list(struct invocation *invocation);

/* The host of a worker that the farm has removed: its service is stopped and removed, its programs
 * are deleted, with `purge` its clones and key, too. A worker that was not added from here has its
 * host left as it is, and says so. */
enum exit_code host_leave(struct invocation *invocation, const char *name, bool purge);

/* Fit for a worker's name, and for a file's. */
bool worker_name_is_fine(const char *name);

#endif
