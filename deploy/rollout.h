/* SPDX-License-Identifier: MIT */
/* rollout.h - plans how a host becomes a worker: makes steps from the observed state of the host
 * and the wishes.
 *
 * Pure: texts in, texts out. `farm worker add --check` prints the plan, `add` executes it step by
 * step (fleet.c, rollout_scripts.h). Each step can be repeated without harm. So an interrupted
 * rollout is completed by running it again, and what is done already is not planned again. While
 * steps are executed, a lock is held on the host; it ends with the connection.
 *
 * On the host, PREFIX/ID/ is an unpacked bundle, PREFIX/current a link to the one in use, and
 * PREFIX/.lock the lock. PREFIX is /opt/floxfarm for root, else ~/.local/share/floxfarm. */
#ifndef FARM_DEPLOY_ROLLOUT_H
#define FARM_DEPLOY_ROLLOUT_H

#include "deploy/bundle.h"
#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what is observed ------------------------------------------------------------------------ */

enum { ROLLOUT_BUNDLES_MAX = 64 };

struct host_facts {
    const char *kernel;   /* "Linux" */
    const char *cpu;      /* as printed by uname -m: "x86_64" */
    const char *os;       /* "Debian GNU/Linux 12 (bookworm)"; "": unknown */
    const char *hostname; /* without its domain */
    const char *user;
    const char *git;     /* its version; "": not installed */
    const char *missing; /* missing programs that a rollout needs, separated by blanks */
    const char *prefix;  /* the folder of the bundles, absolute */
    const char *current; /* the bundle in use; "": none */
    const char *whole[ROLLOUT_BUNDLES_MAX + 1]; /* bundles that the probe has verified */
    const char *other[ROLLOUT_BUNDLES_MAX + 1]; /* folders of other bundles */
    const char *tunnel_port;                    /* the first of two consecutive free ports */
    uint64_t free_bytes;                        /* of the disk of PREFIX */
    bool is_writable;                           /* PREFIX, or the folder in which it will be made */
};

/* The shell script that prints all of that, for `sh -s` on the host. `prefix` "" is the default,
 * which ends with `kind` ("" or "-coordinator"). */
const char *rollout_probe(const char *prefix, const char *kind, const struct bundle *bundles,
                          size_t count, struct arena *arena);
/* Parses the output of the script. Unknown lines are ignored; -1 with err if it is not the output
 * of the probe. */
int rollout_observe(const char *text, struct arena *arena, struct host_facts *out, struct err *err);

/* ---- what is wanted -------------------------------------------------------------------------- */

struct wishes {
    const char *who;         /* USER@HOST, for sentences */
    const char *name;        /* the worker's name */
    const char *coordinator; /* endpoints as the host reaches them; with a tunnel the host's end */
    const char *logs;
    const char *coordinator_key;
    const char *worker_home; /* "": the worker's default */
    const char *slots;       /* "": the worker's default; and the next */
    const char *heavy;
    const char *run_as;    /* "": the service's default */
    const char *isolation; /* NULL or "": the worker's default */
    const struct bundle *bundles;
    size_t bundle_count;
    bool may_publish;
    bool trust_recipes; /* publish even where recipes are not isolated */
    bool by_tunnel;
    bool only_upgrade; /* the host is a worker; only upgrade its programs */
    bool no_smoke;     /* omit STEP_SMOKE */
    bool newer_flox;   /* with only_upgrade: upgrade flox, too */
};

/* ---- the plan -------------------------------------------------------------------------------- */

enum rollout_step {
    STEP_LOCK,    /* lock the host against other rollouts */
    STEP_UPLOAD,  /* send the bundle and verify it on the host */
    STEP_SWITCH,  /* set PREFIX/current */
    STEP_ENROL,   /* make key pair and configuration on the host */
    STEP_ADMIT,   /* enrol the host's public key at the coordinator */
    STEP_TUNNEL,  /* open the tunnel to the host */
    STEP_DOCTOR,  /* check what the host has and what is missing */
    STEP_INSTALL, /* install the service */
    STEP_START,   /* start the service, or restart it with the new programs */
    STEP_SEEN,    /* wait until the worker has connected to the coordinator */
    STEP_SMOKE,   /* run the smoke task on the worker */
    STEP_TIDY,    /* remove old bundles */
    STEP_FLOX,    /* upgrade flox by the package manager that installed it */
    STEP_LEAVE,   /* stop and remove the service */
    STEP_CONFIG,  /* coordinator: send farm.yaml */
    STEP_UP,      /* coordinator: start it and enrol our key */
    STEP_CLEAR,   /* delete the programs and, if purging, the worker's home */
    STEPS
};
extern const char *const step_names[STEPS]; /* "upload" */

struct planned {
    enum rollout_step step;
    const char *text; /* what the step does, for people: a verb and its object */
};
struct plan {
    const struct bundle *bundle; /* for this host; NULL if there is none */
    struct planned steps[STEPS];
    size_t count;
    const char *problems[16]; /* what prevents the rollout, each with what to do */
    size_t problem_count;
    bool purges;
};

void rollout_plan(const struct host_facts *facts, const struct wishes *wanted, struct arena *arena,
                  struct plan *out);

/* The plan to remove a worker from its host; without steps if the host is not a worker. */
void rollout_plan_leaving(const struct host_facts *facts, const struct wishes *wanted, bool purge,
                          struct arena *arena, struct plan *out);

/* The plan for a coordinator: sends farm.yaml, starts the farm, enrols `own_key` as an admin of the
 * name `name`. */
struct wanted_farm {
    const char *home;    /* the farm's folder on the host; "": farm's default */
    const char *own_key; /* our public key */
    struct bytes config; /* farm.yaml, borrowed */
};
void rollout_plan_farm(const struct host_facts *facts, const struct wishes *wanted,
                       struct arena *arena, struct plan *out);

/* Whether STEP_TIDY removes this bundle of the host: neither `bundle`, which is to be used, nor the
 * one in use until now, whose files a build may still use. */
bool rollout_removes(const struct host_facts *facts, const struct bundle *bundle, const char *id);

#endif
