/* SPDX-License-Identifier: MIT */
/* deploy_ui.h - the callbacks of a fleet (deploy/fleet.h): requests to the coordinator, questions
 * to the person at the terminal, a line of progress for each host, the book of hosts. */
#ifndef FARM_CLI_HOSTS_DEPLOY_UI_H
#define FARM_CLI_HOSTS_DEPLOY_UI_H

#include "coordinator/cli/command.h"
#include "coordinator/cli/screen/print.h"
#include "deploy/fleet.h"

struct deploy_ui {
    struct invocation *invocation;
    struct fleet_host *members;
    const char **identities; /* of each member, for the book of hosts */
    size_t count;
    struct bundle bundles[2];
    const char *coordinator; /* the value of --coordinator, or "" */
    const char *replaces;    /* the value of --replace, or "" */
    bool names_given;        /* every member's name was given */

    struct screen screen;
    bool redraws; /* redraw a block of lines; otherwise print a line for each event */
    size_t drawn; /* lines of the block on the screen */
    size_t *told; /* of each member: the step that was printed last */
    struct fleet_callbacks fleet;
};

/* The purpose of a deployment, and whether a coordinator must answer. */
enum deploy_ui_use {
    DEPLOY_UI_WORKERS, /* it must answer */
    DEPLOY_UI_LEAVING, /* not needed: it already removed the worker */
    DEPLOY_UI_FARM     /* there is none yet: it is what is deployed */
};
/* Prepares a deployment to `count` hosts: loads the bundles and checks that a coordinator answers.
 * The caller fills the members. */
enum exit_code deploy_ui_open(struct deploy_ui *ui, struct invocation *invocation, size_t count,
                              enum deploy_ui_use use);
/* Runs the deployment, shows progress and reports each host's result. EXIT_REFUSED when a host
 * failed. */
enum exit_code deploy_ui_run(struct deploy_ui *ui);
void deploy_ui_close(struct deploy_ui *ui);

/* Fills a member's address and defaults. `to` is USER@HOST. -1 with err. */
int deploy_ui_address(struct deploy_ui *ui, size_t index, const char *to, const char *identity,
                      struct err *err);

#endif
