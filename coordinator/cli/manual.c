/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/manual.h"

#include "proto/answers.h"

#include <string.h>

/* Whether the command can exit with this code. */
static bool may_end(const struct command *command, enum exit_code code)
{
    switch (code) {
    case EXIT_BAD_END:
    case EXIT_WAITS:
    case EXIT_INTERRUPTED:
        return command->ends_badly;
    case EXIT_UNREACHABLE:
    case EXIT_NOT_ALLOWED:
        return !command->is_local;
    case EXIT_FINE:
    case EXIT_USAGE:
    case EXIT_REFUSED:
        break;
    }
    return true;
}

static const char *blank_before(const char *text)
{
    return *text ? " " : "";
}

/* ---- help ---------------------------------------------------------------------------------- */

void help_overview(FILE *out)
{
    const struct command *command;
    fputs("farm - rebuilds and publishes a matrix of packages on the machines you have\n\n"
          "usage: farm [--home DIR] COMMAND ...\n\n",
          out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", command->name, blank_before(command->arguments),
                 command->arguments);
        fprintf(out, "  %-34s %s\n", name, command->summary);
    }
    fputs("\nfarm help COMMAND explains a command.\n", out);
}

static void help_options(const struct command_option *options, FILE *out)
{
    for (size_t i = 0; options[i].name; i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        if (options[i].letter)
            fprintf(out, "  -%c, %-22s %s\n", options[i].letter, name, options[i].help);
        else
            fprintf(out, "      %-22s %s\n", name, options[i].help);
    }
}

void help_command(const struct command *command, FILE *out)
{
    fprintf(out, "farm %s%s%s\n\n%s.\n", command->name, blank_before(command->arguments),
            command->arguments, command->summary);
    if (*command->text)
        fprintf(out, "\n%s\n", command->text);
    fputs("\nOptions:\n", out);
    help_options(command->options, out);
    help_options(common_options, out);
    fprintf(out, "\nExample:\n  %s\n\nExit codes:\n", command->example);
    for (size_t i = 0; exit_texts[i].text; i++)
        if (may_end(command, exit_texts[i].code))
            fprintf(out, "  %3d  %s\n", (int)exit_texts[i].code, exit_texts[i].text);
}

/* ---- docs/cli.md --------------------------------------------------------------------------- */

/* Escapes `|`, which would end a cell, and `<`, which would begin a tag. */
static void markdown_text(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '<')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void markdown_options(const struct command_option *options, FILE *out)
{
    for (size_t i = 0; options[i].name; i++) {
        fprintf(out, "| `--%s%s%s`", options[i].name, options[i].value ? " " : "",
                options[i].value ? options[i].value : "");
        if (options[i].letter)
            fprintf(out, ", `-%c`", options[i].letter);
        fputs(" | ", out);
        markdown_text(options[i].help, out);
        fputs(" |\n", out);
    }
}

static void markdown_command(const struct command *command, FILE *out)
{
    fprintf(out, "\n## farm %s\n\n```\nfarm %s%s%s\n```\n\n", command->name, command->name,
            blank_before(command->arguments), command->arguments);
    markdown_text(command->summary, out);
    fputs(".\n", out);
    if (*command->text) {
        fputs("\n", out);
        markdown_text(command->text, out);
        fputs("\n", out);
    }
    if (command->options[0].name) {
        fputs("\n| option | |\n|---|---|\n", out);
        markdown_options(command->options, out);
    }
    fprintf(out, "\nExample: `%s`\n\nWith `--json`: ", command->example);
    answer_print_link(command->result, "json.md", out);
    if (command->event) {
        fputs(", after events: ", out);
        answer_print_link(command->event, "json.md", out);
    }
    fputs(".\n\nExit codes: ", out);
    const char *separator = "";
    for (size_t i = 0; exit_texts[i].text; i++) {
        if (!may_end(command, exit_texts[i].code))
            continue;
        fprintf(out, "%s%d", separator, (int)exit_texts[i].code);
        separator = ", ";
    }
    fputs(".\n", out);
}

void manual_markdown(FILE *out)
{
    const struct command *command;
    fputs("# The commands\n\n"
          "Made by `farm help --markdown` from the table of commands "
          "(`coordinator/cli/commands.def`); change it there.\n\n"
          "Tables are for people; `--json` prints the same for programs, also what is refused "
          "([json.md](json.md)). Colours appear only on a terminal, and never with "
          "`NO_COLOR`.\n\n"
          "## Every command\n\n| option | |\n|---|---|\n",
          out);
    markdown_options(common_options, out);
    fputs("\nFrom another machine: `FARM_CONNECT=tcp://host:port`, `FARM_SERVER_KEY` (the "
          "coordinator's public key, or a `.pub` file) and `FARM_KEY` (path of your key).\n\n"
          "| exit code | meaning |\n|---|---|\n",
          out);
    for (size_t i = 0; exit_texts[i].text; i++)
        fprintf(out, "| %d | %s |\n", (int)exit_texts[i].code, exit_texts[i].text);
    for (size_t i = 0; (command = command_at(i)); i++)
        markdown_command(command, out);
}

/* ---- docs/json.md -------------------------------------------------------------------------- */

static const char envelope_text[] =
    "# JSON\n\n"
    "Made by `farm help --answers` from the tables of shapes (`proto/answers.def`) and of exit "
    "codes; change it there.\n\n"
    "Every command of `farm` takes `--json`. Then standard output has JSON documents only, each on "
    "one line, and what people would read goes to standard error. The last line is the end:\n\n"
    "```\n"
    "{\"schema\":1,\"command\":\"runs\",\"ok\":true,\"exit\":0,\"result\":{\"runs\":[]}}\n"
    "{\"schema\":1,\"command\":\"runs\",\"ok\":false,\"exit\":4,\"error\":"
    "{\"kind\":\"unreachable\",\"text\":\"no coordinator answers ...\"}}\n"
    "```\n\n"
    "| member | meaning |\n|---|---|\n"
    "| `schema` | 1. It would change if a member changed its meaning; new members do not change "
    "it |\n"
    "| `command` | The command's name; `\"\"` if there is no such command |\n"
    "| `ok` | Whether the exit code is 0 |\n"
    "| `exit` | The exit code |\n"
    "| `result` | The answer: the shape that [cli.md](cli.md) names for the command. Always there "
    "if `ok`; otherwise only if there is one, like the run that failed |\n"
    "| `error` | Only if not `ok`: `kind`, a word of the table below, and `text`, the sentences "
    "for people, a line each, which also say what to do |\n\n"
    "A command that follows something prints a line for each thing that happens before the end: "
    "`{\"schema\":1,\"command\":\"rebuild\",\"event\":{...}}`. If a program is killed, or its "
    "output cannot be written (the exit code tells), the end is missing.\n\n"
    "Everything here only grows: a member keeps its name, its type and its meaning. Ignore members "
    "and words that you do not know.\n\n"
    "| `exit` | `error.kind` | meaning |\n|---|---|---|\n";

static const char shapes_text[] =
    "\n## Shapes\n\n"
    "They are the answers of [requests](requests.md), too. Times are milliseconds since 1970; a "
    "name that ends with `_ms` is a duration. `0` is \"not yet\", and `\"\"` is a text that does "
    "not apply. Sizes are bytes. A member that is optional may be missing or `null`. The causes of "
    "failures are listed in [failures.md](failures.md).\n";

void manual_answers(FILE *out)
{
    fputs(envelope_text, out);
    for (size_t i = 0; exit_texts[i].text; i++)
        if (exit_texts[i].code != EXIT_FINE)
            fprintf(out, "| %d | `%s` | %s |\n", (int)exit_texts[i].code, exit_texts[i].word,
                    exit_texts[i].text);
    fputs(shapes_text, out);
    answers_print(out);
}

/* ---- man ----------------------------------------------------------------------------------- */

/* Escapes what roff would interpret: backslashes, hyphens, and a point or quote at the beginning of
 * a line. */
static void man_text(const char *text, FILE *out)
{
    bool at_start = true;
    for (; *text; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        at_start = *text == '\n';
    }
}

static void man_options(const struct command_option *options, FILE *out)
{
    for (size_t i = 0; options[i].name; i++) {
        fputs(".TP\n\\fB", out);
        if (options[i].letter)
            fprintf(out, "\\-%c\\fR, \\fB", options[i].letter);
        fputs("\\-\\-", out);
        man_text(options[i].name, out);
        fputs("\\fR", out);
        if (options[i].value)
            fprintf(out, " \\fI%s\\fR", options[i].value);
        fputs("\n", out);
        man_text(options[i].help, out);
        fputs("\n", out);
    }
}

static void man_command(const struct command *command, FILE *out)
{
    fputs(".SS farm ", out);
    man_text(command->name, out);
    fputs(blank_before(command->arguments), out);
    man_text(command->arguments, out);
    fputs("\n", out);
    man_text(command->summary, out);
    fputs(".\n", out);
    if (*command->text) {
        fputs(".PP\n", out);
        man_text(command->text, out);
        fputs("\n", out);
    }
    man_options(command->options, out);
    fputs(".PP\nExample: \\fB", out);
    man_text(command->example, out);
    fputs("\\fR\n", out);
}

void manual_man(FILE *out)
{
    const struct command *command;
    fputs(".TH FARM 1 \"\" \"floxfarm " FARM_VERSION "\"\n.SH NAME\n"
          "farm \\- rebuilds and publishes a matrix of packages on the machines you have\n"
          ".SH SYNOPSIS\n\\fBfarm\\fR [\\fB\\-\\-home\\fR \\fIDIR\\fR] \\fICOMMAND\\fR ...\n"
          ".SH OPTIONS\n",
          out);
    man_options(common_options, out);
    fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; (command = command_at(i)); i++)
        man_command(command, out);
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; exit_texts[i].text; i++) {
        fprintf(out, ".TP\n\\fB%d\\fR\n", (int)exit_texts[i].code);
        man_text(exit_texts[i].text, out);
        fputs("\n", out);
    }
}

/* ---- completion ---------------------------------------------------------------------------- */

static void completion_options(const struct command_option *options, FILE *out)
{
    for (size_t i = 0; options[i].name; i++)
        fprintf(out, " --%s", options[i].name);
}

/* Prints each first word once; the rows of one family stand together in the table. */
static void completion_first_words(FILE *out)
{
    const struct command *command;
    const char *last = "";
    size_t last_size = 0;
    for (size_t i = 0; (command = command_at(i)); i++) {
        size_t size = strcspn(command->name, " ");
        if (size == last_size && !strncmp(last, command->name, size))
            continue;
        fprintf(out, " %.*s", (int)size, command->name);
        last = command->name;
        last_size = size;
    }
}

void manual_completion(FILE *out)
{
    const struct command *command;
    fputs("# bash completion for farm, made by `farm help --completion`\n"
          "_farm() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "    case $previous in\n"
          "    --home|-H|--from|--import|--program|--supervisor) COMPREPLY=($(compgen -f -- "
          "\"$word\")); return ;;\n"
          "    esac\n"
          "    case \"${COMP_WORDS[*]:1:COMP_CWORD-1}\" in\n"
          "    \"\") words=\"",
          out);
    completion_first_words(out);
    fputs("\" ;;\n", out);
    for (size_t i = 0; (command = command_at(i)); i++) {
        const char *blank = strchr(command->name, ' ');
        if (blank && (i == 0 || strncmp(command_at(i - 1)->name, command->name,
                                        (size_t)(blank - command->name) + 1) != 0)) {
            fprintf(out, "    \"%.*s\") words=\"", (int)(blank - command->name), command->name);
            const struct command *row;
            for (size_t k = i;
                 (row = command_at(k)) &&
                 !strncmp(row->name, command->name, (size_t)(blank - command->name) + 1);
                 k++)
                fprintf(out, " %s", row->name + (blank - command->name) + 1);
            fputs("\" ;;\n", out);
        }
        fprintf(out, "    \"%s\" | \"%s \"*) words=\"", command->name, command->name);
        completion_options(command->options, out);
        completion_options(common_options, out);
        fputs("\" ;;\n", out);
    }
    fputs("    esac\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "}\n"
          "complete -F _farm farm\n",
          out);
}
