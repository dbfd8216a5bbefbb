/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/submit.h"

#include "coordinator/cli/follow.h"
#include "proto/json.h"

#include <stdio.h>

enum exit_code submit_run(struct invocation *invocation, const char *verb, json_t *arguments,
                          bool wait_all)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, verb, arguments, &body);
    uint64_t run = json_get_u64(body, "run", 0);
    json_decref(body);
    if (code != EXIT_FINE)
        return code;
    if (!run) {
        puts("nothing to build; publishing what is already built");
        return EXIT_FINE;
    }
    printf("run %llu\n", (unsigned long long)run);
    fflush(stdout);
    return option_given(invocation, "detach")
               ? follow_until_decided(invocation, run)
               : follow_run(invocation, run, FOLLOW_PROGRESS, wait_all);
}
