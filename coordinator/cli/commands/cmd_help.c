/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/manual.h"
#include "coordinator/cli/report.h"

/* Prints the commands that the name means. */
static void help_matching(const char *name)
{
    const struct command *command;
    size_t shown = 0;
    for (size_t i = 0; (command = command_at(i)); i++) {
        if (!command_is(command, name))
            continue;
        if (shown++)
            putchar('\n');
        help_command(command, stdout);
    }
}

/* The pages that --markdown and the others print. */
static const struct {
    const char *option;
    void (*print)(FILE *out);
} pages[] = {{"markdown", manual_markdown},
             {"answers", manual_answers},
             {"man", manual_man},
             {"completion", manual_completion}};

static void print_help(struct invocation *invocation, const char *name)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (option_given(invocation, pages[i].option)) {
            pages[i].print(stdout);
            return;
        }
    if (*name)
        help_matching(name);
    else
        help_overview(stdout);
}

enum exit_code cmd_help(struct invocation *invocation)
{
    const char *name = arguments_joined(invocation, 0);
    json_t *commands = command_list(name);
    bool found = json_array_size(json_object_get(commands, "commands"));
    bool people_read = report_answer(commands);
    if (!found)
        return fail(EXIT_USAGE, "there is no command \"%s\": farm help lists all", name);
    if (people_read)
        print_help(invocation, name);
    return EXIT_FINE;
}
