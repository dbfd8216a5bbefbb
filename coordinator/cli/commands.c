/* SPDX-License-Identifier: MIT */
/* commands.c - the table of commands, made from commands.def, and what stands beside it. */
#include "coordinator/cli/commands.h"

#include "proto/answers.h"
#include "proto/json.h"

#include <string.h>

const struct exit_text exit_texts[] = {
    {EXIT_FINE, "ok", "success; of a run: all that this farm can build is built or unchanged"},
    {EXIT_BAD_END, "failed", "the run or job ended with failures"},
    {EXIT_USAGE, "usage", "wrong command line, or nothing that this farm can build matches it"},
    {EXIT_REFUSED, "refused", "the farm or this machine refused; the message says why"},
    {EXIT_UNREACHABLE, "unreachable", "no coordinator answers"},
    {EXIT_NOT_ALLOWED, "not-allowed", "your key's role does not allow this"},
    {EXIT_WAITS, "waits",
     "nothing failed, and the rest of the run waits for a host that is not there yet"},
    {EXIT_INTERRUPTED, "interrupted", "interrupted by Ctrl-C; what was started continues"},
    {EXIT_FINE, NULL, NULL},
};

const struct command_option common_options[] = {
    {"home", 'H', "DIR", "The farm's folder (default: $FARM_HOME, then ~/.local/state/floxfarm)"},
    {"json", 0, NULL, "Print JSON, for programs (docs/json.md)"},
    {"help", 'h', NULL, "Show help for the command"},
    {NULL, 0, NULL, NULL},
};

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
/* The shapes of its result and of its events. */
#define ANSWERS(result)        &answer_##result, NULL
#define STREAMS(event, result) &answer_##result, &answer_##event
/* ends_badly, is_local */
#define ASKS    false, false
#define FOLLOWS true, false
#define LOCAL   false, true

static const struct command commands[] = {
#define COMMAND(handler, name, arguments, least, most, kind, answers, summary, text, example,      \
                options)                                                                           \
    {name, arguments, summary, text, options, least, most, example, answers, kind, handler},
#include "coordinator/cli/commands.def"
};

const struct command *command_at(size_t index)
{
    return index < sizeof commands / sizeof *commands ? &commands[index] : NULL;
}

bool command_is(const struct command *command, const char *name)
{
    size_t size = strlen(name);
    return !size || (!strncmp(command->name, name, size) &&
                     (command->name[size] == '\0' || command->name[size] == ' '));
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static json_t *option_json(const struct command_option *option)
{
    const char letter[] = {option->letter, '\0'};
    return json_pack("{s:s, s:s, s:s, s:s}", "name", option->name, "letter", letter, "value",
                     option->value ? option->value : "", "help", option->help);
}

static json_t *command_json(const struct command *command)
{
    json_t *options = json_array();
    for (size_t i = 0; command->options[i].name; i++)
        json_array_append_new(options, option_json(&command->options[i]));
    return json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:b, s:o}", "name", command->name,
                     "arguments", command->arguments, "arguments_min", command->arguments_min,
                     "arguments_max", command->arguments_max, "summary", command->summary, "result",
                     command->result->name, "event", command->event ? command->event->name : "",
                     "local", (int)command->is_local, "options", options);
}

json_t *command_list(const char *name)
{
    json_t *list = json_array();
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)); i++)
        if (command_is(command, name))
            json_array_append_new(list, command_json(command));
    return json_pack("{s:o}", "commands", list);
}
