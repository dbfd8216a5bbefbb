/* SPDX-License-Identifier: MIT */
/* tool.c - see tool.h. */
#include "worker/process/tool.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { LINE_BYTES_MAX = 65536 };

/* ---- texts -------------------------------------------------------------------------------- */

static void text_add(struct texts *texts, const char *text)
{
    if (texts->count + 2 > texts->capacity) {
        size_t capacity = texts->capacity ? texts->capacity * 2 : 32;
        const char **items = arena_new(texts->arena, capacity * sizeof *items);
        if (texts->count)
            memcpy(items, texts->items, texts->count * sizeof *items);
        texts->items = items;
        texts->capacity = capacity;
    }
    texts->items[texts->count++] = text;
    texts->items[texts->count] = NULL;
}

static char *text_print(struct arena *arena, const char *format, va_list args)
{
    char *text;
    int size = vasprintf(&text, format, args);
    assert(size >= 0 && "out of memory");
    char *copy = arena_text(arena, text);
    free(text);
    return copy;
}

void texts_add(struct texts *texts, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_add(texts, text_print(texts->arena, format, args));
    va_end(args);
}

static bool is_named(const char *entry, const char *name)
{
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '*')
        return strncmp(entry, name, length - 1) == 0;
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

void texts_environment(struct texts *texts, const char *const *without)
{
    for (char **entry = environ; *entry; entry++) {
        bool wanted = true;
        for (const char *const *name = without; wanted && *name; name++)
            wanted = !is_named(*entry, *name);
        if (wanted)
            text_add(texts, arena_text(texts->arena, *entry));
    }
}

void texts_set(struct texts *texts, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *value = text_print(texts->arena, format, args);
    va_end(args);
    const char *entry = arena_print(texts->arena, "%s=%s", name, value);
    for (size_t i = 0; i < texts->count; i++)
        if (is_named(texts->items[i], name)) {
            texts->items[i] = entry;
            return;
        }
    text_add(texts, entry);
}

const char *texts_value(const struct texts *texts, const char *name)
{
    for (size_t i = 0; i < texts->count; i++)
        if (is_named(texts->items[i], name))
            return strchr(texts->items[i], '=') + 1;
    return "";
}

/* ---- running ------------------------------------------------------------------------------ */

struct running_tool {
    const struct tool *tool;
    int output; /* read end of the pipe for tool.output, or -1 */
    int both;   /* read end of the pipe for tool.line, or -1 */
    struct buf line;
    bool is_cut; /* tool.output did not take all of it */
};

static size_t output_max(const struct tool *tool)
{
    return tool->output_bytes_max ? tool->output_bytes_max : LIMIT_CONTROL_FRAME_BYTES;
}

/* Passes each complete line to tool.line; the rest, too, at the end of output or when it is too
 * long. */
static void hand_lines(struct running_tool *running, bool at_end)
{
    struct buf *line = &running->line;
    size_t from = 0;
    for (char *end;
         from < line->size && (end = memchr(line->data + from, '\n', line->size - from));) {
        *end = '\0';
        running->tool->line(running->tool->context, (char *)line->data + from);
        from = (size_t)(end + 1 - (char *)line->data);
    }
    if (from < line->size && (at_end || line->size - from > LINE_BYTES_MAX)) {
        running->tool->line(running->tool->context, (char *)line->data + from);
        from = line->size;
    }
    if (from) {
        memmove(line->data, line->data + from, line->size - from);
        line->size -= from;
    }
}

/* Reads once from `fd`; false at its end. */
static bool output_take(struct running_tool *running, int fd)
{
    char data[16384];
    ssize_t n = read(fd, data, sizeof data);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    if (fd == running->output) {
        running->is_cut |= running->tool->output->size + (size_t)n > output_max(running->tool);
        if (!running->is_cut)
            buf_add(running->tool->output, data, (size_t)n);
        return true;
    }
    if (io_write_all(STDOUT_FILENO, data, (size_t)n, NULL) < 0)
        return true; /* our output has no reader any more; the tool still does useful work */
    buf_add(&running->line, data, (size_t)n);
    hand_lines(running, false);
    return true;
}

static void output_follow(struct running_tool *running)
{
    struct pollfd wait[2] = {{.fd = running->output, .events = POLLIN},
                             {.fd = running->both, .events = POLLIN}};
    while (wait[0].fd >= 0 || wait[1].fd >= 0) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < 2; i++)
            if (wait[i].fd >= 0 && wait[i].revents && !output_take(running, wait[i].fd))
                wait[i].fd = -1;
    }
    if (running->line.size)
        hand_lines(running, true);
    buf_release(&running->line);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

int tool_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int tool_spawn(const struct tool *tool, const int output[2], const int both[2],
                      struct err *err)
{
    int other = both[1] >= 0 ? both[1] : STDOUT_FILENO;
    struct io_spawn spawn = {.argv = tool->argv,
                             .environment = tool->environment,
                             .folder = tool->folder,
                             .stdin_fd = -1,
                             .stdout_fd = output[1] >= 0 ? output[1] : other,
                             .stderr_fd = other};
    struct running_tool running = {.tool = tool, .output = output[0], .both = both[0]};
    pid_t pid = io_spawn(&spawn, err);
    close_fd(output[1]);
    close_fd(both[1]);
    if (pid < 0)
        return err_prefix(err, "is %s installed and in PATH?", tool->argv[0]);
    output_follow(&running);
    int code = tool_wait(pid);
    return running.is_cut
               ? err_set(err, "%s printed more than %zu bytes", tool->argv[0], output_max(tool))
               : code;
}

int tool_run(const struct tool *tool, struct err *err)
{
    int output[2] = {-1, -1}, both[2] = {-1, -1};
    if ((tool->output && pipe2(output, O_CLOEXEC) < 0) ||
        (tool->line && pipe2(both, O_CLOEXEC) < 0)) {
        err_set(err, "cannot make a pipe for %s: %s", tool->argv[0], strerror(errno));
        close_fd(output[0]);
        close_fd(output[1]);
        return -1;
    }
    int result = tool_spawn(tool, output, both, err);
    close_fd(output[0]);
    close_fd(both[0]);
    return result;
}

static bool find_tool(const char *name, char candidate[PATH_MAX])
{
    const char *path = getenv("PATH");
    for (const char *at = path ? path : ""; *at;) {
        int length = (int)strcspn(at, ":");
        snprintf(candidate, PATH_MAX, "%.*s/%s", length, at, name);
        if (length > 0 && access(candidate, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

bool tool_exists(const char *name)
{
    char found[PATH_MAX];
    return find_tool(name, found);
}

const char *tool_find(const char *name, struct arena *arena)
{
    char found[PATH_MAX];
    return find_tool(name, found) ? arena_text(arena, found) : NULL;
}
