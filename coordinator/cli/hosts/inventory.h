/* SPDX-License-Identifier: MIT */
/* inventory.h - reads the YAML file of `worker add --inventory`: a list of hosts, each USER@HOST or
 * a mapping with options of `worker add`.
 *
 *   hosts:
 *     - builder@arm1.example
 *     - host: builder@arm2.example:2222
 *       name: arm2
 *       may_publish: true */
#ifndef FARM_CLI_HOSTS_INVENTORY_H
#define FARM_CLI_HOSTS_INVENTORY_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* A host and its options; "": not given. */
struct inventory_host {
    const char *host, *name, *identity, *prefix, *worker_home, *run_as, *slots;
    bool may_publish, tunnel;
};
struct inventory {
    struct inventory_host *hosts;
    size_t count;
};

/* Errors name file and line. The results live in the arena. */
int inventory_parse(struct bytes text, const char *path, struct arena *arena, struct inventory *out,
                    struct err *err);
int inventory_read(const char *path, struct arena *arena, struct inventory *out, struct err *err);

#endif
