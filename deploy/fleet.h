/* SPDX-License-Identifier: MIT */
/* fleet.h - many hosts at a time: connects, looks, plans, and carries the plans out.
 *
 * One loop over all sessions; a host that is slow or fails holds up none of the others. What is not
 * a host's (the coordinator, the person at the terminal) is the office's: callbacks, which must not
 * take long. */
#ifndef FARM_DEPLOY_FLEET_H
#define FARM_DEPLOY_FLEET_H

#include "deploy/rollout.h"
#include "deploy/ssh.h"

#include <jansson.h>

enum fleet_goal {
    FLEET_CHECK,   /* only look and plan */
    FLEET_ADD,     /* make it a worker */
    FLEET_UPGRADE, /* renew its programs */
    FLEET_LEAVE,   /* make it a worker no more */
    FLEET_FARM     /* run a coordinator there */
};
enum fleet_state {
    FLEET_WAITING,
    FLEET_CONNECTING,
    FLEET_PROBING,
    FLEET_STEPPING,
    FLEET_DONE,
    FLEET_FAILED
};

/* One host. What is set before fleet_run stands first. */
struct fleet_host {
    struct destination to;
    struct ssh_trust trust;
    enum fleet_goal goal;
    const char *prefix;      /* "": the default */
    bool purges;             /* FLEET_LEAVE */
    struct wanted_farm farm; /* FLEET_FARM */
    struct wanted wanted;

    enum fleet_state state;
    struct host_facts facts; /* from the office's `settle` on */
    struct plan plan;
    size_t at;              /* the step of the plan that is under way */
    const char *public_key; /* after STEP_ENROL */
    const char *home;       /* the worker's, where a service said it, else "" */
    const char *service;    /* how it runs there, for people */
    json_t *checks;         /* of STEP_DOCTOR, NULL before */
    json_t *place;          /* of STEP_UP: {home, control, log, key}; NULL before */
    const char *error;      /* of FLEET_FAILED */
    enum ssh_fault fault;
    uint64_t began_ms, ended_ms;
    uint64_t smoke_run; /* for the caller: the run of the smoke task, 0 before it was asked for */
    bool restart;
    struct ssh *ssh;
    uint64_t step_until_ms;
    bool step_began;
    struct arena arena;
};

struct fleet_callbacks {
    void *context;
    bool (*trust)(void *context, const char *question);
    /* NULL: nobody can say. Wiped by the fleet; free() releases it. */
    char *(*secret)(void *context, const char *question);
    /* The facts are there: fills what `wanted` still lacks. -1 ends this host. */
    int (*settle)(void *context, struct fleet_host *member, struct err *err);
    /* STEP_ADMIT, _TUNNEL, _SEEN, _SMOKE: 1 done, 0 not yet (asked again; err may say
     * why not, for when the time is over), -1 failed. */
    int (*act)(void *context, struct fleet_host *member, enum step step, struct err *err);
    /* Something about it is news. */
    void (*tell)(void *context, const struct fleet_host *member);
    const char *who; /* for others who find the lock */
};

/* Runs all of them to FLEET_DONE or FLEET_FAILED. Returns how many failed. */
size_t fleet_run(struct fleet_host *members, size_t count, const struct fleet_callbacks *callbacks);
/* The step under way in words, "" without one. */
const char *fleet_doing(const struct fleet_host *member, struct arena *arena);
void fleet_release(struct fleet_host *member);

#endif
