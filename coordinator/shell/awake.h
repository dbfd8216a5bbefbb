/* SPDX-License-Identifier: MIT */
/* awake.h - keeps the coordinator's machine awake while there is work, or says that it sleeps.
 *
 * Where systemd-logind lets us, a child holds an inhibitor ("block", for "sleep" and "idle";
 * systemd-inhibit(1)) as long as there is work. It ends with this process, however that ends. A lid
 * that is closed suspends a laptop all the same, unless its owner configured logind otherwise.
 * Where there is no inhibitor, a machine with a battery gets a sentence for people; so does every
 * machine that was suspended while there was work.
 */
#ifndef FARM_SHELL_AWAKE_H
#define FARM_SHELL_AWAKE_H

#include <stdbool.h>
#include <stdint.h>

struct awake;

/* What is asked of the machine; tests ask others. Everything is borrowed. */
struct awake_machine {
    const char *supplies;           /* the kernel's folder of batteries and chargers */
    uint64_t (*suspended_ms)(void); /* since boot */
};

/* `machine` NULL: this one. */
struct awake *awake_create(const struct awake_machine *machine);
/* Ends the inhibitor. NULL is allowed. */
void awake_destroy(struct awake *awake);
/* To be called every few seconds. Takes or ends the inhibitor. Returns a sentence that says what is
 * wrong and what to do, "" when nothing is; it is valid until the next call. */
const char *awake_watch(struct awake *awake, bool has_work, uint64_t now_ms);
/* The inhibitor's process; 0: none runs. For tests. */
int awake_inhibitor(const struct awake *awake);

#endif
