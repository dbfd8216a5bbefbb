/* SPDX-License-Identifier: MIT */
/* cmd_control.c - publish, settle, release, cancel, pause and resume: requests about what runs. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/report.h"
#include "proto/json.h"

#include <stdio.h>
#include <string.h>

enum exit_code cmd_publish(struct invocation *invocation)
{
    json_t *arguments = json_object(), *body = NULL;
    json_object_set_new(arguments, "subject", json_text(arguments_joined(invocation, 0)));
    enum exit_code code = invocation_ask(invocation, "publish", arguments, &body);
    if (code != EXIT_FINE)
        return code;
    if (report_answer(body))
        puts("publishing requested; farm status shows it");
    return EXIT_FINE;
}

enum exit_code cmd_settle(struct invocation *invocation)
{
    static const char *const words[] = {"published", "not-published", "give-up"};
    const char *as = option_text(invocation, "as");
    uint64_t publication;
    bool known = false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        known |= !strcmp(words[i], as);
    if (!known)
        return fail(EXIT_USAGE, "name the outcome: --as published, not-published or give-up");
    enum exit_code code = argument_number(invocation, 0, &publication);
    if (code != EXIT_FINE)
        return code;
    return invocation_tell(
        invocation, "settle",
        json_pack("{s:I, s:s}", "publication", (json_int_t)publication, "as", as));
}

enum exit_code cmd_release(struct invocation *invocation)
{
    json_t *arguments = json_object();
    json_object_set_new(arguments, "subject", json_text(invocation->arguments[0]));
    return invocation_tell(invocation, "release", arguments);
}

enum exit_code cmd_cancel(struct invocation *invocation)
{
    const char *subject = invocation->arguments[0];
    bool is_number = *subject && strspn(subject, "0123456789") == strlen(subject);
    bool is_job = option_given(invocation, "job") || !is_number;
    /* With --job, a number names a job; the farm writes job numbers as #7. */
    const char *named =
        is_job && is_number ? arena_print(&invocation->arena, "#%s", subject) : subject;
    json_t *arguments = json_object();
    json_object_set_new(arguments, "subject", json_text(named));
    json_object_set_new(arguments, "kind", json_string(is_job ? "job" : "run"));
    enum exit_code code = invocation_tell(invocation, "cancel", arguments);
    if (code == EXIT_FINE)
        printf("%s %s is cancelled; what it ran is stopped unless another run waits for it\n",
               is_job ? "job" : "run", named);
    return code;
}

enum exit_code cmd_pause(struct invocation *invocation)
{
    json_t *arguments = json_object();
    json_object_set_new(arguments, "reason", json_text(arguments_joined(invocation, 0)));
    enum exit_code code = invocation_tell(invocation, "pause", arguments);
    if (code == EXIT_FINE)
        puts("paused: nothing new begins, and what runs goes on (farm resume ends this)");
    return code;
}

enum exit_code cmd_resume(struct invocation *invocation)
{
    enum exit_code code = invocation_tell(invocation, "resume", NULL);
    if (code == EXIT_FINE)
        puts("the farm goes on");
    return code;
}
