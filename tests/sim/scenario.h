/* SPDX-License-Identifier: MIT */
/* scenario.h - a story as text: what happens, and the records that must follow.
 *
 * Lines of a script, up to the line "expect"; what follows it is the golden trace:
 *
 *   hosts N | machines N | slots N | build MS | policy NAME=MS... (ttl grace delay heartbeat)
 *   seed N                   of what is drawn: how slow a starved host is, how long logs are
 *   begin                    the world begins; the lines above come first
 *   until S                  plays to this second since the beginning
 *   submit FIRST COUNT [publish]    packages of the matrix (people.c)
 *   cancel job N | settle PUBLICATION published|not
 *   kill agent H S           it is back after S seconds; `upgrade agent H` is back at once
 *   kill supervisor H        of the newest attempt that runs there
 *   kill farmd S | boot farmd | stall farmd S | wall farmd DAYS
 *   reboot H S | suspend H S | starve H S
 *   cut H S [up|down] | reconnect H
 *   backup | restore
 *   unsure                   the next publish waits for a confirmation that does not come
 *   say TEXT                 a line in the trace
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>

/* 0 when it goes as written (or was written anew), else an exit code of world.h. */
int scenario_play(const char *path, bool update);

#endif
