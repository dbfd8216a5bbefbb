/* SPDX-License-Identifier: MIT */
/* admission.h - the coordinator's part in making a host a worker: at which address the host reaches
 * it, under which name and key the host is admitted, whether its worker has connected, and the
 * smoke task.
 *
 * Asks the coordinator only what its control link offers to everybody. Refuses a name or a key that
 * another host has, but for --replace. Keeps the book of hosts (host_book.h), by which later
 * commands find the host. */
#ifndef FARM_CLI_HOSTS_ADMISSION_H
#define FARM_CLI_HOSTS_ADMISSION_H

#include "coordinator/cli/command.h"
#include "deploy/fleet.h"

/* All borrowed. */
struct admission {
    struct invocation *invocation; /* its client must be connected */
    const struct fleet_host *members;
    const char **identities; /* of each member, for the book of hosts */
    size_t count;
    const char *coordinator; /* the value of --coordinator, or "" */
    const char *replaces;    /* the value of --replace, or "" */
};

/* The callback `settle` of a fleet: completes the name and the endpoints. -1 with err when the host
 * could not reach the coordinator, or its name is not valid or not unique. */
int admission_settle(struct admission *admission, struct fleet_host *member, struct err *err);
/* The callback `act` of a fleet, for STEP_ADMIT, STEP_TUNNEL, STEP_SEEN and STEP_SMOKE. 1: done; 0:
 * not yet; -1 with err. */
int admission_act(struct admission *admission, struct fleet_host *member, enum rollout_step step,
                  struct err *err);

#endif
