/* SPDX-License-Identifier: MIT */
/* clock.h - the two clocks. Decisions use boot time (goes on while suspended, never jumps); wall
 * time is for people. Shells only: the cores are given the time. */
#ifndef FARM_BASE_CLOCK_H
#define FARM_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_boot_ms(void); /* CLOCK_BOOTTIME */
uint64_t clock_wall_ms(void); /* CLOCK_REALTIME, since 1970 */

#endif
