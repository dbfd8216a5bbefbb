/* SPDX-License-Identifier: MIT */
/* commands.c - the table of commands, made from commands.def, and what stands beside it. */
#include "coordinator/cli/commands.h"

const struct exit_text exit_texts[] = {
    {EXIT_FINE, "success; of a run: all that this farm can build is built or unchanged"},
    {EXIT_BAD_END, "the run or job ended with failures"},
    {EXIT_USAGE, "wrong command line, or nothing that this farm can build matches it"},
    {EXIT_REFUSED, "the farm or this machine refused; the message says why"},
    {EXIT_UNREACHABLE, "no coordinator answers"},
    {EXIT_NOT_ALLOWED, "your key's role does not allow this"},
    {EXIT_WAITS, "nothing failed, and the rest of the run waits for a host that is not there yet"},
    {EXIT_INTERRUPTED, "interrupted by Ctrl-C; what was started continues"},
    {EXIT_FINE, NULL},
};

const struct command_option common_options[] = {
    {"home", 'H', "DIR", "The farm's folder (default: $FARM_HOME, then ~/.local/state/floxfarm)"},
    {"help", 'h', NULL, "Show help for the command"},
    {NULL, 0, NULL, NULL},
};

#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", 0, NULL, "Print JSON, for programs"                                                \
    }
#define OPTION_PROJECT                                                                             \
    {                                                                                              \
        "project", 'p', "NAME", "Only this project of the farm"                                    \
    }
#define OPTION_DETACH                                                                              \
    {                                                                                              \
        "detach", 'd', NULL, "Do not follow the run: print its number and exit"                    \
    }
#define OPTION_WAIT_ALL                                                                            \
    {                                                                                              \
        "wait-all", 0, NULL, "Keep following while jobs wait for a host that is not there yet"     \
    }
#define OPTION_GIVE_UP                                                                             \
    {                                                                                              \
        "give-up", 0, "TIME", "Close what still waits for a host then: 2h (default: never)"        \
    }
#define OPTION_END                                                                                 \
    {                                                                                              \
        NULL, 0, NULL, NULL                                                                        \
    }

#define OPTIONS(...)                                                                               \
    (const struct command_option[])                                                                \
    {                                                                                              \
        __VA_ARGS__, OPTION_END                                                                    \
    }
#define NO_OPTIONS                                                                                 \
    (const struct command_option[])                                                                \
    {                                                                                              \
        OPTION_END                                                                                 \
    }
/* ends_badly, is_local */
#define ASKS    false, false
#define FOLLOWS true, false
#define LOCAL   false, true

static const struct command commands[] = {
#define COMMAND(handler, name, arguments, least, most, kind, summary, text, example, options)      \
    {name, arguments, summary, text, options, least, most, example, kind, handler},
#include "coordinator/cli/commands.def"
};

const struct command *command_at(size_t index)
{
    return index < sizeof commands / sizeof *commands ? &commands[index] : NULL;
}
