/* SPDX-License-Identifier: MIT */
/* command.h - a command of `farm`, and the services for its handler.
 *
 * The table of commands (commands.def) is the only description of them: parsing, dispatch, `farm
 * help`, the man page, the completion and docs/cli.md are made from its rows. A new command needs
 * a cmd_x.c and a row.
 */
#ifndef FARM_CLI_COMMAND_H
#define FARM_CLI_COMMAND_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes of the program; exit_texts (commands.c) explains them to people. */
enum exit_code {
    EXIT_FINE = 0,
    EXIT_BAD_END = 1,      /* the run or job ended with failures */
    EXIT_USAGE = 2,        /* the command line is wrong, or nothing matches it */
    EXIT_REFUSED = 3,      /* the farm or this machine refused */
    EXIT_UNREACHABLE = 4,  /* no coordinator answers */
    EXIT_NOT_ALLOWED = 5,  /* the key's role does not allow it */
    EXIT_WAITS = 6,        /* nothing failed; the rest of the run waits for hosts */
    EXIT_INTERRUPTED = 130 /* Ctrl-C: what was started continues */
};
struct exit_text {
    enum exit_code code;
    const char *word; /* for programs: error.kind of --json */
    const char *text;
};
extern const struct exit_text exit_texts[]; /* ends with text NULL */

struct command_option {
    const char *name;  /* long, without dashes; NULL ends a list */
    char letter;       /* short, 0: none */
    const char *value; /* the name of its value, "DIR"; NULL: a flag */
    const char *help;
};

struct answer_shape; /* proto/answers.h */
struct invocation;

struct command {
    const char *name;      /* "rebuild", "worker list" */
    const char *arguments; /* "[FILTER...]", "" */
    const char *summary;   /* one line */
    const char *text;      /* a paragraph with the rest, "" */
    const struct command_option *options;
    int arguments_min, arguments_max; /* max -1: any number */
    const char *example;
    const struct answer_shape *result; /* of --json */
    const struct answer_shape *event; /* of --json: what it prints while it follows; NULL nothing */
    bool ends_badly; /* follows a run: may end with EXIT_BAD_END, EXIT_WAITS or EXIT_INTERRUPTED */
    bool is_local;   /* needs no coordinator: never EXIT_UNREACHABLE or EXIT_NOT_ALLOWED */
    enum exit_code (*run)(struct invocation *invocation);
};

/* The rows of the table in the order of help; NULL after the last. */
const struct command *command_at(size_t index);
/* The command of this name, or all commands of a family ("worker"), or with "" all, as JSON of the
 * shape answer_commands; empty if there is none. A new reference. */
json_t *command_list(const char *name);
/* Whether `name` names the command or its family. */
bool command_is(const struct command *command, const char *name);
/* Options that every command takes (--home, --json, --help). */
extern const struct command_option common_options[];

/* A parsed command line. */
struct invocation {
    const struct command *command;
    const char *home;       /* the farm's folder */
    const char *values[16]; /* by row of command->options; NULL: not given, "": a flag */
    const char **arguments;
    size_t argument_count;
    bool wants_help;       /* private to dispatch.c */
    const char *misfit;    /* private to dispatch.c: the word that is no option or argument */
    struct client *client; /* opened by the first invocation_ask */
    struct arena arena;    /* lives as long as the invocation */
};

/* Whether an option was given; asserts that the command's row has it. */
bool option_given(const struct invocation *invocation, const char *name);
const char *option_text(const struct invocation *invocation, const char *name); /* "" not given */
/* The option as a whole number; `otherwise` when it was not given. Returns EXIT_USAGE, with the
 * error printed, for any other text. */
enum exit_code option_number(const struct invocation *invocation, const char *name,
                             int64_t otherwise, int64_t *out);

/* The option as a time in ms, 0 when it was not given. Returns EXIT_USAGE, with the error printed,
 * for any other text. */
enum exit_code option_duration(const struct invocation *invocation, const char *name,
                               uint64_t *out_ms);

/* All arguments from `first` on, joined with blanks: a filter. */
const char *arguments_joined(struct invocation *invocation, size_t first);
/* The argument as a positive number. Returns EXIT_USAGE, with the error printed, for any other
 * text. */
enum exit_code argument_number(const struct invocation *invocation, size_t index, uint64_t *out);

/* Prints "farm: ..." to standard error, notes it for --json and returns the code, so that `return
 * fail(...)` works. */
enum exit_code fail(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Connects if necessary, asks, and waits for the answer. Steals `arguments` (NULL: {}). Returns
 * EXIT_FINE with a new reference in *body; otherwise the error was printed. */
enum exit_code invocation_ask(struct invocation *invocation, const char *verb, json_t *arguments,
                              json_t **body);
/* The same for requests whose answer is empty. */
enum exit_code invocation_tell(struct invocation *invocation, const char *verb, json_t *arguments);
/* Opens `invocation->client` if necessary; EXIT_FINE, or the error was printed. */
enum exit_code invocation_connect(struct invocation *invocation);
/* Prints the answer's list `warnings`, a line each, to standard error. */
void print_warnings(const json_t *answer);

/* Parses a command line and runs its command; returns main()'s result. */
enum exit_code farm_main(int argc, char **argv);

#endif
