/* SPDX-License-Identifier: MIT */
/* cmd_secret.c - `farm secret set`: reads a secret from standard input or a prompt without echo,
 * never from argv, which every user of the host can read. */
#include "coordinator/cli/commands.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

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
