/* SPDX-License-Identifier: MIT */
/* cmd_secret.c - `farm secret set`: reads a secret from standard input or a prompt without echo,
 * never from argv, which every user of the host can read. `farm secret list` knows no values. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* ---- list ---------------------------------------------------------------------------------- */

/* "targets a, b; notices c" */
static const char *uses_text(struct arena *arena, const json_t *secret)
{
    static const struct {
        const char *key, *what;
    } uses[] = {{"targets", "targets"}, {"recipients", "notices"}};
    const char *text = "";
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        size_t index;
        json_t *name;
        json_array_foreach(json_object_get(secret, uses[i].key), index, name)
        {
            if (index == 0)
                text = arena_print(arena, "%s%s%s ", text, *text ? "; " : "", uses[i].what);
            text = arena_print(arena, "%s%s%s", text, index ? ", " : "", json_string_value(name));
        }
    }
    return *text ? text : "nothing";
}

static void add_secret_row(struct table *table, struct arena *arena, const json_t *secret)
{
    const char *source = json_get_text(secret, "source", "");
    bool missing = !strcmp(source, "missing"), has_size = json_get_u64(secret, "bytes", 0) != 0;
    table_cell(table, INK_BOLD, json_get_text(secret, "name", ""));
    table_cell(table, missing ? INK_BAD : INK_PLAIN, missing ? "not set" : source);
    table_cell(table, INK_PLAIN,
               has_size ? format_bytes(arena, json_get_u64(secret, "bytes", 0)) : "");
    table_cell(table, INK_PLAIN, format_time(arena, json_get_u64(secret, "set_at", 0)));
    table_cell(table, INK_PLAIN, uses_text(arena, secret));
}

static void print_secrets(struct invocation *invocation, const json_t *secrets)
{
    static const struct column columns[] = {
        {"secret", false}, {"from", false}, {"size", true}, {"set", false}, {"used by", false}};
    struct screen screen = screen_of(stdout);
    struct table *table = table_create(columns, sizeof columns / sizeof *columns);
    struct buf text = {0};
    size_t index;
    json_t *secret;
    json_array_foreach(secrets, index, secret)
    {
        add_secret_row(table, &invocation->arena, secret);
    }
    if (index)
        table_print(table, screen.colours, &text);
    else
        buf_print(&text, "no secrets: farm secret set NAME stores one\n");
    screen_write(&screen, &text);
    buf_release(&text);
    table_destroy(table);
}

enum exit_code cmd_secret_list(struct invocation *invocation)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, "secret-list", NULL, &body);
    if (code != EXIT_FINE)
        return code;
    if (report_answer(json_incref(body)))
        print_secrets(invocation, json_object_get(body, "secrets"));
    json_decref(body);
    return EXIT_FINE;
}

/* ---- set ----------------------------------------------------------------------------------- */

static void set_echo(bool on)
{
    struct termios terminal;
    if (tcgetattr(STDIN_FILENO, &terminal))
        return;
    terminal.c_lflag = on ? terminal.c_lflag | ECHO : terminal.c_lflag & ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
}

/* Reads to the end of the input, or of the line when `typed`. Returns the number of bytes, or -1
 * when there are too many. */
static ssize_t read_secret_value(char *value, size_t size_max, bool typed)
{
    size_t size = 0;
    while (size < size_max) {
        ssize_t got = read(STDIN_FILENO, value + size, size_max - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        size += (size_t)got;
        if (typed && value[size - 1] == '\n')
            break;
    }
    return size == size_max ? -1 : (ssize_t)size;
}

static ssize_t ask_value(const char *name, char *value, size_t size_max)
{
    bool typed = isatty(STDIN_FILENO) == 1;
    if (typed) {
        set_echo(false); /* before the prompt: early typing is neither shown nor lost */
        fprintf(stderr, "value of %s (not shown): ", name);
    }
    ssize_t size = read_secret_value(value, size_max, typed);
    if (typed) {
        set_echo(true);
        fputc('\n', stderr);
    }
    return size;
}

/* What editors and clipboards add is no part of a secret: a byte order mark, blanks and line ends
 * around it. Returns where the secret begins; `size` becomes its length. */
static const char *trim_value(const char *value, ssize_t *size)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *end = value + *size;
    if (*size >= 3 && memcmp(value, mark, 3) == 0)
        value += 3;
    while (value < end && strchr(" \t\r\n", *value) && *value)
        value++;
    while (value < end && strchr(" \t\r\n", end[-1]) && end[-1])
        end--;
    *size = end - value;
    return value;
}

enum exit_code cmd_secret_set(struct invocation *invocation)
{
    char value[LIMIT_SECRET_BYTES + 2];
    const char *name = invocation->arguments[0];
    ssize_t size = ask_value(name, value, sizeof value);
    if (size < 0 || size > LIMIT_SECRET_BYTES)
        return fail(EXIT_REFUSED, "a secret may have at most %d bytes", LIMIT_SECRET_BYTES);
    const char *secret = trim_value(value, &size);
    if (size == 0)
        return fail(EXIT_REFUSED, "no value was given; the secret was not changed");
    json_t *text = json_stringn(secret, (size_t)size);
    bool has_nul = memchr(secret, '\0', (size_t)size);
    explicit_bzero(value, sizeof value);
    if (!text || has_nul) {
        json_decref(text);
        return fail(EXIT_REFUSED,
                    "a secret must be text (UTF-8, no NUL): encode it, e.g. as base64");
    }
    json_t *arguments = json_object();
    json_object_set_new(arguments, "name", json_text(name));
    json_object_set_new(arguments, "value", text);
    enum exit_code code = invocation_tell(invocation, "secret-set", arguments);
    if (code == EXIT_FINE)
        printf("secret %s is set; publications that were held for it continue\n", name);
    return code;
}
