/* SPDX-License-Identifier: MIT */
/* office.h - what a crew (deploy/crew.h) needs of us: the coordinator, the person at the terminal,
 * a line of progress for each host, the book of hosts. */
#ifndef FARM_CLI_OFFICE_H
#define FARM_CLI_OFFICE_H

#include "coordinator/cli/command.h"
#include "coordinator/cli/print.h"
#include "deploy/crew.h"

struct office {
    struct invocation *invocation;
    struct crew_member *members;
    const char **identities; /* of each member, for the book */
    size_t count;
    struct bundle bundles[2];
    const char *coordinator; /* --coordinator, "" */
    const char *replaces;    /* --replace, "" */
    bool names_given;        /* every member's name is said already */

    struct screen screen;
    bool redraws; /* a block of lines, drawn anew; else a line an event */
    size_t drawn; /* lines of the block on the screen */
    size_t *told; /* the step of each member that was told last */
    struct crew_office crew;
};

/* What the hosts are for, and whether a coordinator must answer for it. */
enum office_use {
    OFFICE_WORKERS, /* it must */
    OFFICE_LEAVING, /* it need not: it was told before */
    OFFICE_FARM     /* it is what is set up */
};
/* For `count` hosts: loads the bundles, and asks whether a coordinator answers. The caller fills
 * the members. */
enum exit_code office_open(struct office *office, struct invocation *invocation, size_t count,
                           enum office_use use);
/* Runs all of them, shows progress, and says how each ended. EXIT_REFUSED when one failed. */
enum exit_code office_run(struct office *office);
void office_close(struct office *office);

/* Fills a member with what options and the book say alike. `to`: USER@HOST. -1 with err. */
int office_address(struct office *office, size_t index, const char *to, const char *identity,
                   struct err *err);

#endif
