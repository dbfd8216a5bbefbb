/* SPDX-License-Identifier: MIT */
/* command.h - what a command of `farm` is, and what its handler is given.
 *
 * The table of commands (commands.c) is the only description there is: parsing, dispatch, `farm
 * help`, the man page, the completion and docs/cli.md are made from its rows. Adding a command is a
 * cmd_x.c and a row.
 */
#ifndef FARM_CLI_COMMAND_H
#define FARM_CLI_COMMAND_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the program ends with. EXIT_TEXTS (commands.c) says it to people. */
enum exit_code {
    EXIT_FINE = 0,
    EXIT_BAD_END = 1,      /* the run or job ended with failures */
    EXIT_USAGE = 2,        /* the command line is wrong */
    EXIT_REFUSED = 3,      /* the farm, or this machine, says no */
    EXIT_UNREACHABLE = 4,  /* no coordinator answers */
    EXIT_NOT_ALLOWED = 5,  /* this key's role is not enough */
    EXIT_INTERRUPTED = 130 /* Ctrl-C: what was started goes on */
};
struct exit_text {
    enum exit_code code;
    const char *text;
};
extern const struct exit_text exit_texts[]; /* text NULL behind the last */

struct command_option {
    const char *name;  /* long, without dashes; NULL behind the last */
    char letter;       /* short, 0: none */
    const char *value; /* what follows, "DIR"; NULL: a flag */
    const char *help;
};

struct invocation;

struct command {
    const char *name;      /* "rebuild", "worker list" */
    const char *arguments; /* "[FILTER...]", "" */
    const char *summary;   /* one line */
    const char *text;      /* the rest of what one should know, "" */
    const struct command_option *options;
    int arguments_min, arguments_max; /* max -1: any number */
    const char *example;
    bool ends_badly; /* may end with EXIT_BAD_END or EXIT_INTERRUPTED: it follows a run */
    bool is_local;   /* needs no coordinator: neither EXIT_UNREACHABLE nor EXIT_NOT_ALLOWED */
    enum exit_code (*run)(struct invocation *invocation);
};

/* The table, in the order of help; NULL behind the last. */
const struct command *command_at(size_t index);
/* Options that every command takes (--home, --help ...). */
extern const struct command_option common_options[];

/* One command line, parsed. */
struct invocation {
    const struct command *command;
    const char *home;       /* the farm's folder */
    const char *values[16]; /* by row of command->options; NULL: not given, "" for a flag */
    const char **arguments;
    size_t argument_count;
    bool wants_help;       /* dispatch's own */
    struct client *client; /* opened by the first invocation_ask */
    struct arena arena;    /* lives as long as the invocation */
};

/* An option of the command's own row (asserted: a name that is not there is a bug). */
bool option_given(const struct invocation *invocation, const char *name);
const char *option_text(const struct invocation *invocation, const char *name); /* "" not given */
/* A whole number; EXIT_USAGE, said on standard error, when it is none. */
enum exit_code option_number(const struct invocation *invocation, const char *name,
                             int64_t otherwise, int64_t *out);

/* All arguments from `first` on as one text, blanks between: a filter. */
const char *arguments_joined(struct invocation *invocation, size_t first);
/* The argument as a positive number; EXIT_USAGE, said, when it is none. */
enum exit_code argument_number(const struct invocation *invocation, size_t index, uint64_t *out);

/* Prints "farm: ..." to standard error and returns the code, so that `return fail(...)` works. */
enum exit_code fail(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Connects where needed, asks, and waits for the answer. Steals `arguments` (NULL: {}). EXIT_FINE
 * with a new reference in *body; otherwise the error was printed. */
enum exit_code invocation_ask(struct invocation *invocation, const char *verb, json_t *arguments,
                              json_t **body);
/* As above, for requests whose answer carries nothing. */
enum exit_code invocation_tell(struct invocation *invocation, const char *verb, json_t *arguments);
/* EXIT_FINE when `invocation->client` is there. */
enum exit_code invocation_connect(struct invocation *invocation);
/* Prints JSON, indented, with a newline. Steals. */
void print_json(json_t *value);

/* Parses a command line and runs its command; what main() returns. */
enum exit_code farm_main(int argc, char **argv);

#endif
