/* SPDX-License-Identifier: MIT */
/* deploy_ui.h - what a fleet (deploy/fleet.h) needs of us: the coordinator, the person at the
 * terminal, a line of progress for each host, the book of hosts. */
#ifndef FARM_CLI_HOSTS_DEPLOY_UI_H
#define FARM_CLI_HOSTS_DEPLOY_UI_H

#include "coordinator/cli/command.h"
#include "coordinator/cli/screen/print.h"
#include "deploy/fleet.h"

struct deploy_ui {
    struct invocation *invocation;
    struct fleet_host *members;
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
    struct fleet_callbacks fleet;
};

/* What the hosts are for, and whether a coordinator must answer for it. */
enum deploy_ui_use {
    DEPLOY_UI_WORKERS, /* it must */
    DEPLOY_UI_LEAVING, /* it need not: it was told before */
    DEPLOY_UI_FARM     /* it is what is set up */
};
/* For `count` hosts: loads the bundles, and asks whether a coordinator answers. The caller fills
 * the members. */
enum exit_code deploy_ui_open(struct deploy_ui *ui, struct invocation *invocation, size_t count,
                              enum deploy_ui_use use);
/* Runs all of them, shows progress, and says how each ended. EXIT_REFUSED when one failed. */
enum exit_code deploy_ui_run(struct deploy_ui *ui);
void deploy_ui_close(struct deploy_ui *ui);

/* Fills a member with what options and the book say alike. `to`: USER@HOST. -1 with err. */
int deploy_ui_address(struct deploy_ui *ui, size_t index, const char *to, const char *identity,
                      struct err *err);

#endif
