/* SPDX-License-Identifier: MIT */
/* options.h - what the owner of a host tells its worker: command line, then HOME/worker.conf.
 *
 * One table (options.c) has a row for each setting; the command line, the file and --help come from
 * it. The file has lines `key value` with the names of the options (`slots 2`, `may-publish yes`);
 * one that begins with `#` is a comment. What stands on the command line wins.
 */
#ifndef FARM_WORKER_HOST_OPTIONS_H
#define FARM_WORKER_HOST_OPTIONS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/keys.h"
#include "worker/host/probe.h"

#include <stdbool.h>
#include <stdint.h>

/* Where root's worker is at home. */
#define OPTIONS_ROOT_HOME "/var/lib/floxfarm/worker"

/* An option that may be given again and again. */
struct worker_texts {
    const char *items[16];
    size_t count;
};

struct worker_options {
    const char *home;        /* absolute */
    const char *name;        /* what the farm calls it, "" the host's name */
    const char *invitation;  /* join: what `farm token create` printed */
    const char *connect;     /* tcp://host:port of the coordinator's control socket */
    const char *server_key;  /* Z85, or @FILE */
    const char *log_connect; /* "" : by the coordinator's word, or the port behind control's */
    const char *emulate;     /* a system to take jobs for besides the native one, "" none */
    const char *supervisor;  /* path of farm-supervisor; by default the one beside this program */
    const char *cgroup;      /* a cgroup of ours in which attempts get theirs, "" none */
    uint64_t slots, heavy;   /* 0: by probing */
    uint64_t memory_bytes;   /* 0: by probing */
    bool may_publish;
    bool no_publish; /* enrol, join: the opposite, to take it back */
    bool json;
    bool no_service;              /* join */
    const char *mode, *user;      /* service: "" by what there is */
    const char *verb;             /* service: what to do */
    uint64_t clock_ms;            /* doctor: the caller's wall clock, 0 not said */
    struct worker_texts projects; /* doctor: git URLs */
    uint64_t keep_bytes;          /* clean */
    bool dry_run;
    struct arena arena; /* of the texts */
};

/* Which settings a command takes. */
enum {
    OPTIONS_RUN = 1,
    OPTIONS_HOME = 2,
    OPTIONS_ENROL = 4,
    OPTIONS_JOIN = 8,
    OPTIONS_SERVICE = 16,
    OPTIONS_DOCTOR = 32,
    OPTIONS_CLEAN = 64
};

/* Reads argv (argv[0] is the command's name) and the file. On --help and on a mistake in argv it
 * ends the process, as argp does; -1 with err for a mistake in the file or a missing setting. */
int options_read(int argc, char **argv, int command, struct worker_options *options,
                 struct err *err);
/* What of it probing goes by; texts are borrowed. */
struct probe_limits options_probe_limits(const struct worker_options *options);
void options_release(struct worker_options *options);
/* Writes HOME/worker.conf: lines that say what `options` says anyway stay, so do comments; others
 * are replaced, and what is missing is added. *changed tells whether it was written. */
int options_save(struct worker_options *options, bool *changed, struct err *err);
/* The server's key, from the text or the file it names. */
int options_server_key(const struct worker_options *options, char key[KEY_TEXT_BYTES],
                       struct err *err);

#endif
