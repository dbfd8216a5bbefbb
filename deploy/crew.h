/* SPDX-License-Identifier: MIT */
/* crew.h - many hosts at a time: connects, looks, plans, and carries the plans out.
 *
 * One loop over all sessions; a host that is slow or fails holds up none of the others. What is not
 * a host's (the coordinator, the person at the terminal) is the office's: callbacks, which must not
 * take long. */
#ifndef FARM_DEPLOY_CREW_H
#define FARM_DEPLOY_CREW_H

#include "deploy/rollout.h"
#include "deploy/ssh.h"

#include <jansson.h>

enum crew_goal {
    CREW_CHECK,   /* only look and plan */
    CREW_ADD,     /* make it a worker */
    CREW_UPGRADE, /* renew its programs */
    CREW_LEAVE,   /* make it a worker no more */
    CREW_FARM     /* run a coordinator there */
};
enum crew_state {
    CREW_WAITING,
    CREW_CONNECTING,
    CREW_PROBING,
    CREW_STEPPING,
    CREW_DONE,
    CREW_FAILED
};

/* One host. What is set before crew_run stands first. */
struct crew_member {
    struct destination to;
    struct ssh_trust trust;
    enum crew_goal goal;
    const char *prefix;      /* "": the default */
    bool purges;             /* CREW_LEAVE */
    struct wanted_farm farm; /* CREW_FARM */
    struct wanted wanted;

    enum crew_state state;
    struct host_facts facts; /* from the office's `settle` on */
    struct plan plan;
    size_t at;              /* the step of the plan that is under way */
    const char *public_key; /* after STEP_ENROL */
    const char *home;       /* the worker's, where a service said it, else "" */
    const char *service;    /* how it runs there, for people */
    json_t *checks;         /* of STEP_DOCTOR, NULL before */
    json_t *place;          /* of STEP_UP: {home, control, log, key}; NULL before */
    const char *error;      /* of CREW_FAILED */
    enum ssh_fault fault;
    uint64_t began_ms, ended_ms;
    uint64_t office; /* the office's own, 0 at first */
    bool restart;
    struct ssh *ssh;
    uint64_t step_until_ms;
    bool step_began;
    struct arena arena;
};

struct crew_office {
    void *context;
    bool (*trust)(void *context, const char *question);
    /* NULL: nobody can say. Wiped by the crew; free() releases it. */
    char *(*secret)(void *context, const char *question);
    /* The facts are there: fills what `wanted` still lacks. -1 ends this host. */
    int (*settle)(void *context, struct crew_member *member, struct err *err);
    /* STEP_ADMIT, _TUNNEL, _SEEN, _SMOKE: 1 done, 0 not yet (asked again; err may say
     * why not, for when the time is over), -1 failed. */
    int (*act)(void *context, struct crew_member *member, enum step step, struct err *err);
    /* Something about it is news. */
    void (*tell)(void *context, const struct crew_member *member);
    const char *who; /* for others who find the lock */
};

/* Runs all of them to CREW_DONE or CREW_FAILED. Returns how many failed. */
size_t crew_run(struct crew_member *members, size_t count, const struct crew_office *office);
/* The step under way in words, "" without one. */
const char *crew_doing(const struct crew_member *member, struct arena *arena);
void crew_release(struct crew_member *member);

#endif
