/* SPDX-License-Identifier: MIT */
/* clock.c - see clock.h. */
#include "proto/base/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t read_ms(clockid_t id)
{
    struct timespec now;
    int failed = clock_gettime(id, &now);
    assert(!failed);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_boot_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}

uint64_t clock_suspended_ms(void)
{
    uint64_t awake_ms = read_ms(CLOCK_MONOTONIC), boot_ms = clock_boot_ms();
    return boot_ms > awake_ms ? boot_ms - awake_ms : 0;
}

uint64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}
