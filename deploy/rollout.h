/* SPDX-License-Identifier: MIT */
/* rollout.h - how a host becomes a worker: what was observed there and what is wanted, into steps.
 *
 * Pure: texts in, texts out. `farm worker add --check` prints the plan, `add` carries it out step
 * by step (fleet.c). Each step may be done again without harm, so a rollout that broke is finished
 * by running it again: what is there already is not a step any more. Who carries out steps holds a
 * lock on the host, which ends with the connection.
 *
 * On the host: PREFIX/ID/ is an unpacked bundle, PREFIX/current a link to the one in use,
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
    const char *cpu;      /* as uname -m says it: "x86_64" */
    const char *os;       /* "Debian GNU/Linux 12 (bookworm)", "" unknown */
    const char *hostname; /* without its domain */
    const char *user;
    const char *glibc;   /* "2.36"; "": another libc */
    const char *git;     /* its version, "" none */
    const char *missing; /* programs that a rollout needs and the host lacks, blanks between */
    const char *prefix;  /* where bundles go, absolute */
    const char *current; /* the bundle in use, "" none */
    const char *whole[ROLLOUT_BUNDLES_MAX + 1]; /* bundles that were verified just now */
    const char *other[ROLLOUT_BUNDLES_MAX + 1]; /* folders of others */
    const char *tunnel_port; /* of two ports behind each other that nobody listens on */
    uint64_t free_bytes;     /* where PREFIX is */
    bool is_writable;        /* PREFIX, or the folder it will be made in */
};

/* The shell script that says all that; it is fed to `sh -s` there. `prefix` "" for the default,
 * which ends with `kind` ("", "-coordinator"). */
const char *rollout_probe(const char *prefix, const char *kind, const struct bundle *bundles,
                          size_t count, struct arena *arena);
/* What it printed. Unknown lines are left out; -1 when it cannot have been the probe. */
int rollout_observe(const char *text, struct arena *arena, struct host_facts *out, struct err *err);

/* ---- what is wanted -------------------------------------------------------------------------- */

struct wanted {
    const char *who;         /* USER@HOST, in sentences */
    const char *name;        /* of the worker */
    const char *coordinator; /* endpoints as the host reaches them; with a tunnel, its own end */
    const char *logs;
    const char *coordinator_key;
    const char *worker_home; /* "": the worker's default */
    const char *slots;       /* "": the worker's default */
    const char *run_as;      /* "": the service's default */
    const struct bundle *bundles;
    size_t bundle_count;
    bool may_publish;
    bool by_tunnel;
    bool only_upgrade; /* it is a worker; only its programs are renewed */
    bool no_smoke;     /* leave out STEP_SMOKE */
    bool newer_flox;   /* with only_upgrade: flox is renewed, too */
};

/* ---- the plan -------------------------------------------------------------------------------- */

enum step {
    STEP_LOCK,    /* nobody else sets this host up meanwhile */
    STEP_UPLOAD,  /* the bundle, verified there */
    STEP_SWITCH,  /* PREFIX/current */
    STEP_ENROL,   /* key pair and configuration, made there */
    STEP_ADMIT,   /* its public key, at the coordinator */
    STEP_TUNNEL,  /* from here to there */
    STEP_DOCTOR,  /* what the host has and lacks */
    STEP_INSTALL, /* the service */
    STEP_START,   /* it, or its newer self */
    STEP_SEEN,    /* the coordinator hears of it */
    STEP_SMOKE,   /* a job through the queue */
    STEP_TIDY,    /* bundles of old */
    STEP_FLOX,    /* a newer flox, by whatever installed the one that is there */
    STEP_LEAVE,   /* the service ends and is removed */
    STEP_CONFIG,  /* farm.yaml, for a coordinator */
    STEP_UP,      /* a coordinator, and our key in it */
    STEP_CLEAR,   /* what was installed is deleted, and the worker's home where it is purged */
    STEPS
};
extern const char *const step_names[STEPS]; /* "upload" */

struct planned {
    enum step step;
    const char *text; /* what is done, for people */
};
struct plan {
    const struct bundle *bundle; /* for this host; NULL when there is none */
    struct planned steps[STEPS];
    size_t count;
    const char *problems[16]; /* what stands in the way, each with what to do */
    size_t problem_count;
    bool purges;
};

void rollout_plan(const struct host_facts *facts, const struct wanted *wanted, struct arena *arena,
                  struct plan *out);

/* A host that is a worker no more; no steps where it is none. */
void rollout_plan_leaving(const struct host_facts *facts, const struct wanted *wanted, bool purge,
                          struct arena *arena, struct plan *out);

/* A coordinator: farm.yaml is sent, the farm started, `own_key` let in as an admin called `name`.
 */
struct wanted_farm {
    const char *home;    /* the farm's folder there, "" for what farm takes by itself */
    const char *own_key; /* our public key */
    struct bytes config; /* farm.yaml, borrowed */
};
void rollout_plan_farm(const struct host_facts *facts, const struct wanted *wanted,
                       struct arena *arena, struct plan *out);

/* The line of shell that carries out a step there. `who` holds the lock, in words for others.
 * `restart` for STEP_START. NULL for steps that are not the host's. */
struct step_call {
    const struct host_facts *facts;
    const struct wanted *wanted;
    const struct plan *plan;
    const char *who;
    const char *home;               /* the worker's, as its service says it; "" unknown */
    const struct wanted_farm *farm; /* of a coordinator */
    uint64_t wall_ms;
    bool restart;
};
const char *rollout_line(enum step step, const struct step_call *call, struct arena *arena);
/* Why a step's line ended badly, as a sentence: known causes first, else what it said last. */
const char *rollout_complaint(enum step step, const struct step_call *call, int status,
                              const char *said, struct arena *arena);

/* A script as one line for whatever shell the user has there. */
const char *shell_line(const char *script, struct arena *arena);
/* Whether "2.36" is at least "2.4". */
bool version_at_least(const char *version, const char *least);

#endif
