/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/report.h"

#include "proto/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Grows only when a member changes its meaning, which is not done: members are added. */
#define SCHEMA 1

static struct {
    FILE *out; /* standard output as it was; NULL: people read */
    const char *command;
    json_t *result;
    struct buf errors; /* a line for each */
    bool failed;       /* a document could not be written */
    int write_errno;
} report = {.command = ""};

/* Gives a closed descriptor a file that can only be read: no other file must get that number, and
 * writing to it still fails. */
static void occupy(int fd)
{
    int null = fcntl(fd, F_GETFD) < 0 ? open("/dev/null", O_RDONLY) : -1;
    if (null < 0 || null == fd)
        return;
    dup2(null, fd);
    close(null);
}

void report_begin(void)
{
    if (report.out)
        return;
    fflush(stdout);
    occupy(STDOUT_FILENO);
    occupy(STDERR_FILENO);
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    report.out = fd < 0 ? NULL : fdopen(fd, "w");
    if (report.out)
        dup2(STDERR_FILENO, STDOUT_FILENO);
}

bool report_wanted(void)
{
    return report.out != NULL;
}

void report_command(const char *name)
{
    report.command = name;
}

bool report_answer(json_t *answer)
{
    if (!report.result)
        report.result = json_object();
    json_object_update(report.result, answer);
    json_decref(answer);
    return !report.out;
}

void report_error(const char *text)
{
    buf_print(&report.errors, "%s%s", report.errors.size ? "\n" : "", text);
}

static void print_document(json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    errno = 0;
    if (report.out && text && (fprintf(report.out, "%s\n", text) < 0 || fflush(report.out))) {
        report.failed = true;
        report.write_errno = errno;
    }
    free(text);
    json_decref(document);
}

static json_t *new_document(void)
{
    return json_pack("{s:i, s:s}", "schema", SCHEMA, "command", report.command);
}

bool report_event(json_t *event)
{
    if (!report.out) {
        json_decref(event);
        return true;
    }
    json_t *document = new_document();
    json_object_set_new(document, "event", event);
    print_document(document);
    return false;
}

static const struct exit_text *exit_text_of(enum exit_code code)
{
    const struct exit_text *row = exit_texts;
    while (row->text && row->code != code)
        row++;
    return row;
}

static json_t *error_of(enum exit_code code)
{
    const struct exit_text *row = exit_text_of(code);
    json_t *error = json_object();
    json_object_set_new(error, "kind", json_text(row->word));
    json_object_set_new(error, "text",
                        json_text(report.errors.size ? (char *)report.errors.data : row->text));
    return error;
}

static void print_end(enum exit_code code)
{
    json_t *document = new_document();
    json_object_set_new(document, "ok", json_boolean(code == EXIT_FINE));
    json_object_set_new(document, "exit", json_integer(code));
    if (code == EXIT_FINE && !report.result)
        report.result = json_object();
    if (report.result)
        json_object_set(document, "result", report.result);
    if (code != EXIT_FINE)
        json_object_set_new(document, "error", error_of(code));
    print_document(document);
}

enum exit_code report_end(enum exit_code code)
{
    if (report.out) {
        print_end(code);
        fflush(stdout);
        dup2(fileno(report.out), STDOUT_FILENO);
        fclose(report.out);
        report.out = NULL;
    }
    if (report.failed && code == EXIT_FINE) {
        fprintf(stderr, "farm: cannot write the output: %s\n", strerror(report.write_errno));
        code = EXIT_REFUSED;
    }
    json_decref(report.result);
    buf_release(&report.errors);
    report.result = NULL;
    report.command = "";
    report.failed = false;
    return code;
}
