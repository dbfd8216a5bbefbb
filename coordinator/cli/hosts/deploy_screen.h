/* SPDX-License-Identifier: MIT */
/* deploy_screen.h - shows the hosts of a deployment: a block of lines that is redrawn, one a host,
 * or, without a terminal, a line for each step that takes time; at the end what was found on each
 * host, and whole sentences for what failed.
 *
 * Prints to stdout, failures to stderr. Reads the hosts and changes none. Texts of hosts pass
 * through text_safe. */
#ifndef FARM_CLI_HOSTS_DEPLOY_SCREEN_H
#define FARM_CLI_HOSTS_DEPLOY_SCREEN_H

#include "coordinator/cli/screen/print.h"
#include "deploy/fleet.h"

#include <jansson.h>

struct deploy_screen {
    struct arena *arena;
    const struct fleet_host *members;
    size_t count;
    struct screen screen;
    bool redraws;  /* redraw a block of lines; otherwise print a line for each event */
    size_t drawn;  /* lines of the block on the screen */
    size_t *shown; /* of each member: the step that was printed last */
};

/* `members` and `arena` are borrowed. */
void deploy_screen_open(struct deploy_screen *screen, const struct fleet_host *members,
                        size_t count, struct arena *arena);
/* Shows that the state of this member changed. */
void deploy_screen_show(struct deploy_screen *screen, const struct fleet_host *member);
/* Other text was printed: the next block begins below it. */
void deploy_screen_interrupt(struct deploy_screen *screen);
/* Prints the result of each host. Returns how many checked hosts could not become workers. */
size_t deploy_screen_report(struct deploy_screen *screen);
/* The same as JSON: a list of the shape answer_deployed_host. A new reference. */
json_t *deploy_screen_json(const struct deploy_screen *screen);

#endif
