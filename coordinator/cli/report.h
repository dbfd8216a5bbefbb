/* SPDX-License-Identifier: MIT */
/* report.h - what a command says to programs (--json): one envelope around every answer and every
 * refusal (docs/json.md, docs/adr/0018-one-envelope.md).
 *
 * Owns standard output while --json is given: from report_begin on, whatever handlers and their
 * children print for people goes to standard error, so that nothing but documents gets to standard
 * output, and a handler that knows nothing of --json ends with one, too. A document is one line.
 * A command that follows something prints an event for each thing that happens; the last line
 * always is the end, which has `ok`.
 *
 * One command at a time: the state is the program's. */
#ifndef FARM_CLI_REPORT_H
#define FARM_CLI_REPORT_H

#include "coordinator/cli/command.h"

/* Documents are wanted. Does nothing when it was called before. */
void report_begin(void);
bool report_wanted(void);
/* The command whose name is in the documents: "" until it is known. */
void report_command(const char *name);

/* Adds the members of `answer` to the command's result. Steals. Returns whether people read the
 * command's output, so that the caller prints a text for them. */
bool report_answer(json_t *answer);
/* Prints an event. Steals. Like report_answer, returns whether people read. */
bool report_event(json_t *event);
/* Notes the text of an error that was printed to standard error. */
void report_error(const char *text);

/* Prints the end, gives standard output back and forgets everything. Returns the exit code: that of
 * the command, or EXIT_REFUSED if not all documents could be written. */
enum exit_code report_end(enum exit_code code);

#endif
