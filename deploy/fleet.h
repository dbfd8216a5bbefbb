/* SPDX-License-Identifier: MIT */
/* fleet.h - handles many hosts at a time: connects, probes, plans, and executes the plans.
 *
 * One loop over all sessions; a host that is slow or fails does not delay the others. The
 * coordinator and the person at the terminal are reached through callbacks, which must return
 * quickly. */
#ifndef FARM_DEPLOY_FLEET_H
#define FARM_DEPLOY_FLEET_H

#include "deploy/rollout.h"
#include "deploy/ssh.h"

#include <jansson.h>

enum fleet_goal {
    FLEET_CHECK,   /* only probe and plan */
    FLEET_ADD,     /* make the host a worker */
    FLEET_UPGRADE, /* upgrade the worker's programs */
    FLEET_LEAVE,   /* remove the worker from the host */
    FLEET_FARM     /* run a coordinator on the host */
};
enum fleet_state {
    FLEET_WAITING,
    FLEET_CONNECTING,
    FLEET_PROBING,
    FLEET_STEPPING,
    FLEET_DONE,
    FLEET_FAILED
};

/* One host. The fields of the first part are set before fleet_run. */
struct fleet_host {
    struct destination to;
    struct ssh_trust trust;
    enum fleet_goal goal;
    const char *prefix;      /* "": the default */
    bool purges;             /* FLEET_LEAVE */
    struct wanted_farm farm; /* FLEET_FARM */
    struct wishes wanted;

    enum fleet_state state;
    struct host_facts *facts; /* what the probe found; NULL until then */
    struct plan plan;
    size_t at;              /* the present step of the plan */
    const char *public_key; /* after STEP_ENROL */
    const char *home;       /* the worker's home if a service reported it, else "" */
    const char *service;    /* how the worker runs, for people */
    json_t *checks;         /* result of STEP_DOCTOR; NULL before */
    json_t *place;          /* result of STEP_UP: {home, control, log, key}; NULL before */
    const char *error;      /* in FLEET_FAILED */
    enum ssh_fault fault;
    uint64_t began_ms, ended_ms;
    uint64_t smoke_run; /* used by the caller: the run of the smoke task; 0 before it is started */
    bool restart;
    struct ssh *ssh;
    uint64_t step_until_ms;
    bool step_began;
    struct arena arena;
};

struct fleet_callbacks {
    void *context;
    bool (*trust)(void *context, const char *question);
    /* Returns the answer, which the fleet wipes and frees; NULL: there is none. */
    char *(*secret)(void *context, const char *question);
    /* Called when the facts are known: completes `wanted`. -1 with err: this host fails. */
    int (*settle)(void *context, struct fleet_host *member, struct err *err);
    /* Executes STEP_ADMIT, _TUNNEL, _SEEN or _SMOKE. 1: done; 0: not yet, called again until the
     * time limit, whose error is then err if set; -1 with err: failed. */
    int (*act)(void *context, struct fleet_host *member, enum rollout_step step, struct err *err);
    /* The state of a host changed. */
    void (*tell)(void *context, const struct fleet_host *member);
    const char *who; /* who runs this rollout, for others who find the lock */
};

/* Runs all hosts to FLEET_DONE or FLEET_FAILED. Returns how many failed. */
size_t fleet_run(struct fleet_host *members, size_t count, const struct fleet_callbacks *callbacks);
/* What a host does at present, in words; "" if nothing. */
const char *fleet_doing(const struct fleet_host *member, struct arena *arena);
void fleet_release(struct fleet_host *member);

#endif
