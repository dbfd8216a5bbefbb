/* SPDX-License-Identifier: MIT */
/* cmd_logs.c - a log as it is, from the log store.
 *
 * Into a pipe or file the bytes are the builder's own. On a terminal everything but text and
 * colours is left out, because a build's output is not to be trusted with a terminal (CWE-150);
 * --raw shows it all the same. When the store falls silent the coordinator is asked where the log
 * is now.
 */
#include "coordinator/cli/client.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/logread.h"
#include "coordinator/cli/screen/print.h"
#include "coordinator/cli/screen/sanitize.h"
#include "proto/base/io.h"
#include "proto/json.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct output {
    bool strips;
    struct sanitizer sanitizer;
    struct buf text;
    bool said_ahead; /* that the job has not begun */
};

static int write_out(void *context, const uint8_t *data, size_t size, struct err *err)
{
    struct output *output = context;
    if (!output->strips)
        return io_write_all(STDOUT_FILENO, data, size, err);
    buf_clear(&output->text);
    sanitize_add(&output->sanitizer, data, size, &output->text);
    return io_write_all(STDOUT_FILENO, output->text.data, output->text.size, err);
}

static enum exit_code locate(struct invocation *invocation, const struct log_wish *wish,
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
        return err_set(err, "the coordinator named no log (\"%s\")", token);
    return 0;
}

/* A queue is hours long and a question costs little: each second is soon enough. */
enum { AHEAD_MS = 1000 };

static void wait_for_begin(const struct log_wish *wish, bool *said)
{
    if (!*said)
        fprintf(stderr, "farm: %s has not begun; its log follows when it does\n", wish->job);
    *said = true;
    poll(NULL, 0, AHEAD_MS);
}

/* One reading; LOG_END_SILENT means: ask where the log is, go on at request->offset. */
static enum exit_code read_once(struct invocation *invocation, const struct log_wish *wish,
                                struct output *output, struct log_request *request, bool *again)
{
    json_t *body = NULL;
    struct err err;
    enum log_end end = LOG_END_FAILED;
    *again = false;
    enum exit_code code = locate(invocation, wish, &body);
    if (code != EXIT_FINE)
        return code;
    if (json_get_flag(body, "ahead")) {
        json_decref(body);
        wait_for_begin(wish, &output->said_ahead);
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
