/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/yaml_list.h"
#include "coordinator/cli/process.h"
#include "proto/limits.h"

#include <stdio.h>

/* Only farmd knows the schema of farm.yaml: it checks and explains the file. */
static enum exit_code run_farmd(struct invocation *invocation, const char *what)
{
    struct buf text = {0};
    struct err err;
    const char *argv[] = {process_find(&invocation->arena, "farmd"), what, "--home",
                          invocation->home, NULL};
    int code = process_capture(argv, LIMIT_CONFIG_BYTES, &text, &err);
    if (text.size)
        fwrite(text.data, 1, text.size, stdout);
    buf_release(&text);
    if (code < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    return code ? EXIT_REFUSED : EXIT_FINE;
}

enum exit_code cmd_config_check(struct invocation *invocation)
{
    return run_farmd(invocation, "config-check");
}

enum exit_code cmd_config_explain(struct invocation *invocation)
{
    return run_farmd(invocation, "config-explain");
}

enum exit_code cmd_config_reload(struct invocation *invocation)
{
    bool runs;
    enum exit_code code = yaml_reload(invocation, &runs);
    if (code == EXIT_FINE && !runs)
        puts("no coordinator runs here: farm up reads farm.yaml when it starts one");
    return code;
}
