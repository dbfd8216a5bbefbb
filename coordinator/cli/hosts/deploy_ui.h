/* SPDX-License-Identifier: MIT */
/* deploy_ui.h - a deployment from a terminal: loads the bundles, fills in the hosts, and runs a
 * fleet (deploy/fleet.h) whose callbacks ask the person here, and else are admission.h's and
 * deploy_screen.h's. A question that nobody can answer, because there is no terminal, is answered
 * with no. */
#ifndef FARM_CLI_HOSTS_DEPLOY_UI_H
#define FARM_CLI_HOSTS_DEPLOY_UI_H

#include "coordinator/cli/hosts/admission.h"
#include "coordinator/cli/hosts/deploy_screen.h"

struct deploy_ui {
    struct invocation *invocation;
    struct fleet_host *members;
    size_t count;
    struct bundle bundles[2];

    struct admission admission;
    struct deploy_screen screen;
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
