/* SPDX-License-Identifier: MIT */
/* clock.h - the two clocks. Decisions use boot time, which goes on during suspend and never jumps;
 * wall time is for people. Not for the pure cores, which get the time as an input. */
#ifndef FARM_BASE_CLOCK_H
#define FARM_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_boot_ms(void); /* CLOCK_BOOTTIME */
uint64_t clock_wall_ms(void); /* CLOCK_REALTIME, since 1970 */
/* How long this machine has been suspended since it was booted: what boot time counts and
 * CLOCK_MONOTONIC does not. */
uint64_t clock_suspended_ms(void);

#endif
