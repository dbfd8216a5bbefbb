/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/submit.h"

#include "coordinator/cli/follow.h"
#include "coordinator/cli/report.h"
#include "proto/json.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

/* How long a coordinator that is looking at git is asked again. */
enum { LOOK_EVERY_MS = 100 };

/* Waits until the run is accepted or refused: whoever detaches is not there when it is said later.
 */
static enum exit_code await_acceptance(struct invocation *invocation, uint64_t run)
{
    for (;;) {
        json_t *body = NULL,
               *arguments = json_pack("{s:I, s:b}", "run", (json_int_t)run, "brief", 1);
        enum exit_code code = invocation_ask(invocation, "status", arguments, &body);
        json_t *state = json_object_get(body, "run");
        const char *word = json_get_text(state, "state", "");
        bool undecided = !strcmp(word, "resolving") || !strcmp(word, "preflight");
        if (code == EXIT_FINE && !strcmp(word, "refused"))
            code = fail(run_exit(state), "%s", json_get_text(state, "reason", "it was refused"));
        if (state && !undecided)
            report_answer(json_pack("{s:O}", "run", state));
        json_decref(body);
        if (code != EXIT_FINE || !undecided)
            return code;
        poll(NULL, 0, LOOK_EVERY_MS);
    }
}

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
               ? await_acceptance(invocation, run)
               : follow_run(invocation, run, FOLLOW_PROGRESS, wait_all);
}
