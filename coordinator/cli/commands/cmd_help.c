/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/manual.h"

#include <string.h>

/* Prints the command of this name, or all commands of a family ("worker"); returns how many. */
static size_t help_matching(const char *name)
{
    const struct command *command;
    size_t size = strlen(name), shown = 0;
    for (size_t i = 0; (command = command_at(i)); i++) {
        bool exact = !strcmp(command->name, name);
        bool member = !strncmp(command->name, name, size) && command->name[size] == ' ';
        if (!exact && !member)
            continue;
        if (shown++)
            putchar('\n');
        help_command(command, stdout);
    }
    return shown;
}

enum exit_code cmd_help(struct invocation *invocation)
{
    const char *name = arguments_joined(invocation, 0);
    if (option_given(invocation, "markdown"))
        manual_markdown(stdout);
    else if (option_given(invocation, "answers"))
        manual_answers(stdout);
    else if (option_given(invocation, "man"))
        manual_man(stdout);
    else if (option_given(invocation, "completion"))
        manual_completion(stdout);
    else if (!*name)
        help_overview(stdout);
    else if (!help_matching(name))
        return fail(EXIT_USAGE, "there is no command \"%s\": farm help lists all", name);
    return EXIT_FINE;
}
