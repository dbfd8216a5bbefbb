/* SPDX-License-Identifier: MIT */
/* cmd_logs.c - `farm logs`: prints a log from the log store.
 *
 * With --json each line is an event.
 * A pipe or file gets the builder's bytes unchanged. On a terminal, everything but text and
 * colours is removed, because a build's output must not control the terminal (CWE-150); --raw
 * turns that off. When the store falls silent, the coordinator is asked again where the log is.
 */
#include "coordinator/cli/client.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/logread.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/base/io.h"
#include "proto/base/sanitize.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct output {
    bool strips;
    struct sanitizer sanitizer;
    struct buf text; /* what was stripped; with --json, the line that has no end yet */
    bool said_ahead; /* the message that the job has not started was printed */
};

static void report_line(struct output *output, const uint8_t *data, size_t size)
{
    buf_add(&output->text, data, size);
    buf_add(&output->text, "", 1); /* a NUL within the line ends it for JSON */
    report_event(json_pack("{s:o}", "line", json_text((char *)output->text.data)));
    buf_clear(&output->text);
}

/* A line that never ends is cut: an event has a bound as everything else. */
static void report_lines(struct output *output, const uint8_t *data, size_t size)
{
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t part = end ? (size_t)(end - data) : size;
        if (end || output->text.size + part > LIMIT_TEXT_BYTES)
            report_line(output, data, part);
        else
            buf_add(&output->text, data, part);
        data += part + (end != NULL);
        size -= part + (end != NULL);
    }
}

static int write_out(void *context, const uint8_t *data, size_t size, struct err *err)
{
    struct output *output = context;
    if (report_wanted()) {
        report_lines(output, data, size);
        return 0;
    }
    if (!output->strips)
        return io_write_all(STDOUT_FILENO, data, size, err);
    buf_clear(&output->text);
    sanitize_add(&output->sanitizer, data, size, &output->text);
    return io_write_all(STDOUT_FILENO, output->text.data, output->text.size, err);
}

static enum exit_code locate_log(struct invocation *invocation, const struct log_wish *wish,
                                 json_t **body)
{
    json_t *arguments = json_object();
    json_object_set_new(arguments, "job", json_text(wish->job));
    if (wish->attempt)
        json_object_set_new(arguments, "attempt", json_integer(wish->attempt));
    if (wish->follow)
        json_object_set_new(arguments, "follow", json_true());
    if (wish->publish)
        json_object_set_new(arguments, "kind", json_string("publish"));
    return invocation_ask(invocation, "logs", arguments, body);
}

static int fill_request(struct invocation *invocation, const json_t *body, bool follow,
                        struct log_request *request, struct err *err)
{
    const struct client_address *address = client_address(invocation->client);
    const char *token = json_get_text(body, "token", "");
    request->zmq_context = client_context(invocation->client);
    request->endpoint =
        client_log_endpoint(&invocation->arena, address, json_get_text(body, "log_endpoint", ""));
    request->server_key = address->server_key;
    request->own = &address->own;
    request->follow = follow;
    request->interrupt_fd = -1;
    if (token_parse(token, &request->token))
        return err_set(err, "the coordinator sent an invalid log token (\"%s\")", token);
    return 0;
}

/* How often to ask for a job that waits in the queue, perhaps for hours; a question is cheap. */
enum { AHEAD_MS = 1000 };

static void wait_for_start(const struct log_wish *wish, bool *said)
{
    if (!*said)
        fprintf(stderr, "farm: %s has not started; its log will follow\n", wish->job);
    *said = true;
    poll(NULL, 0, AHEAD_MS);
}

/* Asks where the log is and reads it from request->offset on. *again is true when the store fell
 * silent (LOG_END_SILENT) or the job has not started: call it again. */
static enum exit_code read_once(struct invocation *invocation, const struct log_wish *wish,
                                struct output *output, struct log_request *request, bool *again)
{
    json_t *body = NULL;
    struct err err;
    enum log_end end = LOG_END_FAILED;
    *again = false;
    enum exit_code code = locate_log(invocation, wish, &body);
    if (code != EXIT_FINE)
        return code;
    report_answer(json_incref(body));
    if (json_get_flag(body, "ahead")) {
        json_decref(body);
        wait_for_start(wish, &output->said_ahead);
        *again = true;
        return EXIT_FINE;
    }
    if (json_get_flag(body, "empty")) {
        json_decref(body);
        return EXIT_FINE;
    }
    if (!fill_request(invocation, body, wish->follow, request, &err))
        end = log_read_all(request, write_out, output, &request->offset, &err);
    json_decref(body);
    *again = end == LOG_END_SILENT;
    return end == LOG_END_FAILED ? fail(EXIT_REFUSED, "%s", err.text) : EXIT_FINE;
}

enum exit_code log_print(struct invocation *invocation, const struct log_wish *wish)
{
    struct output output = {.strips = isatty(STDOUT_FILENO) && !wish->raw};
    struct log_request request = {.offset = 0};
    enum exit_code code;
    bool again = false;
    do
        code = read_once(invocation, wish, &output, &request, &again);
    while (code == EXIT_FINE && again);
    if (report_wanted() && output.text.size)
        report_line(&output, NULL, 0);
    buf_release(&output.text);
    return code;
}

enum exit_code cmd_logs(struct invocation *invocation)
{
    struct log_wish wish = {.job = invocation->arguments[0],
                            .publish = option_given(invocation, "publish"),
                            .follow = option_given(invocation, "follow"),
                            .raw = option_given(invocation, "raw")};
    enum exit_code code = option_number(invocation, "attempt", 0, &wish.attempt);
    return code == EXIT_FINE ? log_print(invocation, &wish) : code;
}
