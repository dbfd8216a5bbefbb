/* SPDX-License-Identifier: MIT */
/* manual.h - texts made from the table of commands: help, the man page, the shell completion,
 * docs/cli.md, and docs/json.md with the table of answers. */
#ifndef FARM_CLI_MANUAL_H
#define FARM_CLI_MANUAL_H

#include "coordinator/cli/command.h"

#include <stdio.h>

void help_overview(FILE *out);
void help_command(const struct command *command, FILE *out);
void manual_markdown(FILE *out);
void manual_answers(FILE *out);
void manual_man(FILE *out);
void manual_completion(FILE *out);

#endif
