/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/plan.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/submit.h"
#include "proto/json.h"

/* Ends as the rebuild would where it would not start. */
static enum exit_code dry_run(struct invocation *invocation)
{
    json_t *plan = NULL;
    enum exit_code code = plan_ask(invocation, &plan);
    if (code != EXIT_FINE)
        return code;
    const char *refused = json_get_text(plan, "refused", "");
    if (report_answer(json_pack("{s:O}", "plan", plan)))
        plan_print(plan);
    print_warnings(plan);
    if (*refused)
        code = fail(EXIT_REFUSED, "the rebuild would be refused: %s", refused);
    else if (!json_array_size(json_object_get(plan, "items")))
        code = fail(EXIT_USAGE, "nothing matches this filter: `farm matrix` lists what there is");
    json_decref(plan);
    return code;
}

enum exit_code cmd_rebuild(struct invocation *invocation)
{
    int64_t priority;
    uint64_t give_up_ms;
    enum exit_code code = option_number(invocation, "priority", 0, &priority);
    if (code == EXIT_FINE)
        code = option_duration(invocation, "give-up", &give_up_ms);
    if (code != EXIT_FINE)
        return code;
    if (option_given(invocation, "dry-run"))
        return dry_run(invocation);
    json_t *arguments = json_object();
    json_object_set_new(arguments, "project", json_text(option_text(invocation, "project")));
    json_object_set_new(arguments, "filter", json_text(arguments_joined(invocation, 0)));
    json_object_set_new(arguments, "publish", json_boolean(option_given(invocation, "publish")));
    json_object_set_new(arguments, "force", json_boolean(option_given(invocation, "force")));
    json_object_set_new(arguments, "priority", json_integer(priority));
    json_object_set_new(arguments, "supersede",
                        json_boolean(option_given(invocation, "supersede")));
    json_object_set_new(arguments, "give_up_ms", json_integer((json_int_t)give_up_ms));
    return submit_run(invocation, "rebuild", arguments, option_given(invocation, "wait-all"));
}

enum exit_code cmd_retry(struct invocation *invocation)
{
    uint64_t run, give_up_ms;
    enum exit_code code = argument_number(invocation, 0, &run);
    if (code == EXIT_FINE)
        code = option_duration(invocation, "give-up", &give_up_ms);
    if (code != EXIT_FINE)
        return code;
    json_t *arguments = json_object();
    json_object_set_new(arguments, "run", json_integer((json_int_t)run));
    json_object_set_new(arguments, "failed", json_boolean(option_given(invocation, "failed")));
    json_object_set_new(arguments, "filter", json_text(arguments_joined(invocation, 1)));
    json_object_set_new(arguments, "at", json_text(option_text(invocation, "at")));
    json_object_set_new(arguments, "give_up_ms", json_integer((json_int_t)give_up_ms));
    return submit_run(invocation, "retry", arguments, option_given(invocation, "wait-all"));
}
