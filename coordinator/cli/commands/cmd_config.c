/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/yaml_list.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/process.h"
#include "coordinator/cli/report.h"
#include "coordinator/config/config.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdio.h>

/* Answers with a text, which is printed as it is. */
static void print_text(const struct buf *text)
{
    const char *data = text->size ? (const char *)text->data : "";
    if (report_answer(json_pack("{s:o}", "text", json_text(data))))
        fputs(data, stdout);
}

/* The collisions that it shows are what farmd's discovery finds. */
static enum exit_code print_check(struct invocation *invocation)
{
    struct buf text = {0};
    struct err err;
    const char *argv[] = {process_find(&invocation->arena, "farmd"), "config-check", "--home",
                          invocation->home, NULL};
    int code = process_capture(argv, LIMIT_CONFIG_BYTES, &text, &err);
    print_text(&text);
    buf_release(&text);
    if (code < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    return code ? EXIT_REFUSED : EXIT_FINE;
}

enum exit_code cmd_config_check(struct invocation *invocation)
{
    struct config config = {0};
    struct err err;
    int result =
        config_read(home_path(&invocation->arena, invocation->home, "farm.yaml"), &config, &err);
    config_release(&config);
    return result < 0 ? fail(EXIT_REFUSED, "%s", err.text) : print_check(invocation);
}

enum exit_code cmd_config_explain(struct invocation *invocation)
{
    struct buf text = {0};
    (void)invocation;
    config_options_print(&text);
    print_text(&text);
    buf_release(&text);
    return EXIT_FINE;
}

enum exit_code cmd_config_reload(struct invocation *invocation)
{
    bool runs;
    enum exit_code code = yaml_reload(invocation, &runs);
    if (code == EXIT_FINE && !runs)
        puts("no coordinator runs here: farm up reads farm.yaml when it starts one");
    return code;
}
