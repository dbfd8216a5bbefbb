/* SPDX-License-Identifier: MIT */
/* options.h - what the owner of a host tells its worker: command line, then HOME/worker.conf.
 *
 * One table (options.c) has a row for each setting; the command line, the file and --help come from
 * it. The file has lines `key value` with the names of the options (`slots 2`, `may-publish yes`);
 * one that begins with `#` is a comment. What stands on the command line wins.
 */
#ifndef FARM_WORKER_OPTIONS_H
#define FARM_WORKER_OPTIONS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/keys.h"

#include <stdbool.h>
#include <stdint.h>

struct worker_options {
    const char *home;        /* absolute */
    const char *connect;     /* tcp://host:port of the coordinator's control socket */
    const char *server_key;  /* Z85, or @FILE */
    const char *log_connect; /* "" : by the coordinator's word, or the port behind control's */
    const char *emulate;     /* a system to take jobs for besides the native one, "" none */
    const char *supervisor;  /* path of farm-supervisor; by default the one beside this program */
    const char *cgroup;      /* a cgroup of ours in which attempts get theirs, "" none */
    uint64_t slots, heavy;   /* 0: by probing */
    uint64_t memory_bytes;   /* 0: by probing */
    bool may_publish;
    struct arena arena; /* of the texts */
};

/* Which settings a command takes. */
enum { OPTIONS_RUN = 1, OPTIONS_HOME = 2 };

/* Reads argv (argv[0] is the command's name) and the file. On --help and on a mistake in argv it
 * ends the process, as argp does; -1 with err for a mistake in the file or a missing setting. */
int options_read(int argc, char **argv, int command, struct worker_options *options,
                 struct err *err);
void options_release(struct worker_options *options);
/* The server's key, from the text or the file it names. */
int options_server_key(const struct worker_options *options, char key[KEY_TEXT_BYTES],
                       struct err *err);

#endif
