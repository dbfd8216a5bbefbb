/* SPDX-License-Identifier: MIT */
/* domain.h - runs a program that parses what strangers wrote, away from everything else. Private to
 * coordinator/discovery.
 *
 * What is present inside: the machine's programs (/usr and its like, /nix/store), the folders of
 * the program and of git, and one clone; all of it read-only. No network, no /proc, none of our
 * environment, no descriptor but standard input, output and error. Root becomes nobody, for whom
 * git_open makes clones readable; another user stays who it is, in a user namespace.
 *
 * A host that refuses namespaces (a container) runs the program outside, with an empty environment;
 * HOME/git/reading has the reason, and the log says it when it changes. */
#ifndef FARM_DISCOVERY_DOMAIN_H
#define FARM_DISCOVERY_DOMAIN_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

/* Runs argv (argv[0] is a path) in the clone's domain with `input` as standard input, and appends
 * its output. -1 with err, as a sentence of the repository: it crashed, failed, took longer than
 * LIMIT_READING_MS or printed more than LIMIT_DISCOVERY_BYTES. */
int domain_run(const char *clone, const char *const *argv, struct bytes input, struct buf *out,
               struct err *err);
/* Limits the memory of the calling process and of those that it starts to LIMIT_READING_DATA_BYTES
 * each. */
void domain_limit_memory(void);

#endif
