/* SPDX-License-Identifier: MIT */
/* options.h - the settings of a worker: from the command line and HOME/worker.conf.
 *
 * One table (options.c) has a row for each setting; the command line, the file and --help are made
 * from it. A line of the file is `key value` with the name of an option (`slots 2`, `may-publish
 * yes`); a line that begins with `#` is a comment. The command line takes precedence.
 */
#ifndef FARM_WORKER_HOST_OPTIONS_H
#define FARM_WORKER_HOST_OPTIONS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/keys.h"
#include "worker/host/probe.h"
#include "worker/isolation/isolation.h"

#include <stdbool.h>
#include <stdint.h>

/* The default home of a worker that root sets up. */
#define OPTIONS_ROOT_HOME "/var/lib/floxfarm/worker"

/* The values of an option that may be repeated. */
struct worker_texts {
    const char *items[16];
    size_t count;
};

struct worker_options {
    const char *home;        /* absolute */
    const char *name;        /* the worker's name in the farm; "": the host's name */
    const char *invitation;  /* join: the token that `farm token create` printed */
    const char *connect;     /* tcp://host:port of the coordinator's control socket */
    const char *server_key;  /* Z85, or @FILE */
    const char *log_connect; /* ""; the coordinator says it, or the port after the control port */
    const char *emulate;     /* a system to take jobs for besides the native one; "": none */
    const char *supervisor;  /* path of farm-supervisor; default: beside this program */
    const char *cgroup;      /* the cgroup below which attempts get theirs; "": chosen by us */
    uint64_t slots, heavy;   /* 0: by probing */
    uint64_t memory_bytes;   /* 0: by probing */
    bool may_publish;
    bool no_publish;         /* enrol, join: revokes may_publish */
    const char *isolation;   /* a level, or auto; "": the host's worker.conf is older */
    const char *build_users; /* FIRST:COUNT; "": the default */
    bool trust_recipes;      /* publish although recipes are not isolated */
    bool trust_nix;          /* publish although its nix has known escapes */
    bool json;
    bool no_service;              /* join */
    const char *mode, *user;      /* service; "": depends on the host */
    const char *verb;             /* service: its argument */
    uint64_t clock_ms;            /* doctor: the caller's wall clock; 0: not given */
    struct worker_texts projects; /* doctor: git URLs */
    uint64_t keep_bytes;          /* clean: bytes that should be free */
    bool dry_run;
    struct arena arena; /* owns the texts */
};

/* Sets of commands: which commands take a setting. */
enum {
    OPTIONS_RUN = 1,
    OPTIONS_HOME = 2,
    OPTIONS_ENROL = 4,
    OPTIONS_JOIN = 8,
    OPTIONS_SERVICE = 16,
    OPTIONS_DOCTOR = 32,
    OPTIONS_CLEAN = 64
};

/* Reads argv (argv[0] is the command's name) and the file. --help and errors in argv end the
 * process, as is usual with argp; an error in the file or a missing setting returns -1 with err. */
int options_read(int argc, char **argv, int command, struct worker_options *options,
                 struct err *err);
/* How this host isolates recipes. Changes the host's packet filter, unless `trial`. */
void options_isolation(const struct worker_options *options, bool trial, struct isolation_host *out,
                       struct arena *arena);
/* The settings that probing needs; texts are borrowed. A worker that does not isolate recipes, or
 * whose recipes reach a cloud's metadata service, or whose nix has known escapes, does not publish,
 * unless its owner says that it trusts them or enrolled it before isolation existed. */
struct probe_limits options_probe_limits(const struct worker_options *options,
                                         const struct isolation_host *isolation);
void options_release(struct worker_options *options);
/* Writes `options` to HOME/worker.conf: updates lines of saved settings, adds missing ones, keeps
 * all other lines and comments. *changed is set if the file was written. */
int options_save(struct worker_options *options, bool *changed, struct err *err);
/* The server's key, from the text or from the file that it names. */
int options_server_key(const struct worker_options *options, char key[KEY_TEXT_BYTES],
                       struct err *err);

#endif
