/* SPDX-License-Identifier: MIT */
/* swarm.h - every knob of a simulated world.
 *
 * All of them are drawn from the seed, and each kind of fault is wholly off in about half of the
 * seeds: bugs that need two faults hide when all twenty are always there. swarm_calm() is a world
 * in which nothing goes wrong, for scenarios. Some seeds have a shape beyond that (swarm_shape),
 * which follows from the seed's number: what is drawn stays as it is.
 */
#ifndef SIM_SWARM_H
#define SIM_SWARM_H

#include "coordinator/core/record.h"

/* What can go wrong; one bit each in swarm.faults. */
enum fault {
    FAULT_CUT,         /* a link is cut, one way or both */
    FAULT_RECONNECT,   /* a connection breaks and is made anew */
    FAULT_FARMD_CRASH, /* the coordinator is killed, between any two lines of its turn */
    FAULT_FARMD_STALL, /* the coordinator's machine is suspended */
    FAULT_FARMD_BOOT,  /* the coordinator's machine is booted: its clock begins anew */
    FAULT_COMMIT,      /* a commit fails; it may have happened all the same */
    FAULT_RESTORE,     /* an old backup of the journal is restored: the epoch rises */
    FAULT_COMPACT,     /* closed runs are archived, the journal is written anew */
    FAULT_INTAKE,      /* the coordinator's disk is full, then not */
    FAULT_AGENT_CRASH, /* an agent is killed, between any two lines of its turn */
    FAULT_AGENT_UPGRADE,
    FAULT_REBOOT,     /* a host boots: supervisors are gone, folders are not */
    FAULT_SUSPEND,    /* a host is suspended */
    FAULT_STARVE,     /* a host is so busy that its agent is slow */
    FAULT_SUPERVISOR, /* a supervisor is killed */
    FAULT_DISK,       /* a host's disk is full: no folders, no results */
    FAULT_WIPE,       /* a host loses its home */
    FAULT_WALL,       /* a wall clock jumps by up to ten years */
    FAULT_LIE,        /* a host's statuses claim what others run */
    FAULT_BUILDS,     /* builds end badly, in every way they can */
    FAULT_TARGETS,    /* publishing ends badly, in every way it can */
    FAULT_TOKENS,     /* a target stops accepting our token */
    FAULTS
};

struct swarm {
    uint32_t faults;          /* bits */
    uint64_t fault_every_ms;  /* on average */
    uint64_t fault_lasts_ms;  /* at most, for those that last */
    uint64_t unrest_ms;       /* how long faults go on */
    uint32_t hosts, machines; /* several workers may share a machine */
    uint32_t arm_hosts;       /* of the hosts, the last ones */
    uint32_t private_hosts;   /* of the hosts, the first ones: they may not publish */
    enum cause broken_cause;  /* the first host fails every build for it, fast; NONE: it does not */
    uint64_t broken_after_ms; /* from then on, until all heals */
    bool liars;               /* some recipes print what is not so (swarm_lies) */
    uint32_t slots, heavy_slots;
    uint32_t packages, items_most; /* of the matrix; of one run */
    uint32_t orgs;

    /* network */
    uint32_t lost_permille, twice_permille;
    uint64_t delay_least_ms, delay_most_ms;
    bool reorders;
    bool holds; /* what is sent into a cut link arrives when it heals, as with TCP */

    /* speed of processes */
    uint64_t farmd_slow_ms, agent_slow_ms;
    uint64_t probe_ms;

    /* work */
    uint64_t build_least_ms, build_most_ms;
    uint64_t log_most_bytes;
    uint32_t bad_build_permille, bad_publish_permille;
    enum cause bad_build_cause; /* of all that fail; NONE: any */
    uint32_t tamper_permille;   /* phases that replace a file of their attempt's folder */

    /* people */
    uint64_t person_every_ms;
    uint32_t submit_weight, cancel_weight, pause_weight, drain_weight, remove_weight,
        publish_weight, settle_weight;
    uint32_t runs_most;

    struct policy policy;
    uint32_t check_every; /* farm_check after every how many steps */
};

void swarm_calm(struct swarm *swarm);
/* Draws from *random, which goes on from there. */
void swarm_draw(struct swarm *swarm, uint64_t *random);
/* What this seed has beyond what was drawn for it. */
void swarm_shape(struct swarm *swarm, uint64_t seed);
/* One line, for a failure's report. */
void swarm_print(const struct swarm *swarm, struct buf *out);

/* Whether this package's recipe prints what is not so, until all heals. */
bool swarm_lies(const struct swarm *swarm, const char *package);

static inline bool swarm_has(const struct swarm *swarm, enum fault fault)
{
    return swarm->faults >> fault & 1;
}

/* splitmix64: the only source of chance in the simulator. */
uint64_t swarm_next(uint64_t *random);

#endif
