/* SPDX-License-Identifier: MIT */
#include "proto/base/boot.h"

#include "proto/base/io.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CRONTAB_BYTES_MAX = 1 << 20, CRONTAB_MS_MAX = 20 * 1000 };

bool boot_possible(void)
{
    char file[PATH_MAX];
    for (const char *path = getenv("PATH"); path && *path; path += *path == ':') {
        int length = (int)strcspn(path, ":");
        snprintf(file, sizeof file, "%.*s/crontab", length, path);
        if (access(file, X_OK) == 0)
            return true;
        path += length;
    }
    return false;
}

/* ---- the crontab --------------------------------------------------------------------------- */

/* The whole of it; empty when the user has none. */
static int read_crontab(struct buf *out, struct err *err)
{
    static const char *const argv[] = {"crontab", "-l", NULL};
    int code = io_run(argv, NULL, CRONTAB_BYTES_MAX, CRONTAB_MS_MAX, out, err);
    if (code < 0)
        return -1;
    if (code == 0)
        return 0;
    /* "no crontab for alice": the only way it has to say so. */
    bool none = out->size && strstr((const char *)out->data, "no crontab");
    if (!none)
        err_set(err, "crontab -l: %.500s", out->size ? (const char *)out->data : "failed");
    buf_clear(out);
    return none ? 0 : -1;
}

static int write_crontab(const struct buf *text, struct err *err)
{
    char path[] = "/tmp/floxfarm-crontab-XXXXXX";
    const char *argv[] = {"crontab", path, NULL};
    struct buf said = {0};
    int fd = mkstemp(path);
    if (fd < 0)
        return err_set(err, "cannot make a file in /tmp");
    int code = io_write_all(fd, text->data, text->size, err);
    close(fd);
    if (code == 0)
        code = io_run(argv, NULL, CRONTAB_BYTES_MAX, CRONTAB_MS_MAX, &said, err);
    if (code > 0)
        err_set(err, "crontab: %.500s", said.size ? (const char *)said.data : "failed");
    unlink(path);
    buf_release(&said);
    return code == 0 ? 0 : -1;
}

static bool line_has(const char *line, size_t size, const char *mark)
{
    size_t length = strlen(mark);
    return size >= length + 3 && memcmp(line + size - length, mark, length) == 0 &&
           memcmp(line + size - length - 3, " # ", 3) == 0;
}

/* Copies the lines without this mark; whether one had it. */
static bool copy_others(const struct buf *from, const char *mark, struct buf *to)
{
    bool found = false;
    const char *at = from->size ? (const char *)from->data : "";
    while (*at) {
        size_t size = strcspn(at, "\n");
        if (line_has(at, size, mark))
            found = true;
        else
            buf_print(to, "%.*s\n", (int)size, at);
        at += size + (at[size] == '\n');
    }
    return found;
}

/* ---- a line -------------------------------------------------------------------------------- */

/* As a word of the shell, in which cron takes an unescaped '%' for the end of the line. */
static void add_word(struct buf *out, const char *text)
{
    struct arena arena = {0};
    for (const char *at = arena_shell_word(&arena, text); *at; at++)
        buf_print(out, "%s%c", *at == '%' ? "\\" : "", *at);
    arena_clear(&arena);
}

static void add_line(struct buf *out, const char *mark, const char *const *argv, const char *path)
{
    buf_print(out, "@reboot ");
    if (path) {
        buf_print(out, "PATH=");
        add_word(out, path);
        buf_print(out, " ");
    }
    for (; *argv; argv++) {
        add_word(out, *argv);
        buf_print(out, " ");
    }
    buf_print(out, ">/dev/null 2>&1 # %s\n", mark);
}

static int change(const char *mark, const struct buf *line, struct err *err)
{
    struct buf old = {0}, new = {0};
    int result = read_crontab(&old, err);
    if (result == 0) {
        copy_others(&old, mark, &new);
        if (line)
            buf_add(&new, line->data, line->size);
        bool same = new.size == old.size && (!old.size || !memcmp(new.data, old.data, old.size));
        if (!same)
            result = write_crontab(&new, err);
    }
    buf_release(&old);
    buf_release(&new);
    return result;
}

int boot_set(const char *mark, const char *const *argv, const char *path, struct err *err)
{
    struct buf line = {0};
    if (strchr(mark, '\n') || strchr(mark, '%'))
        return err_set(err, "a line of a crontab cannot name %s", mark);
    add_line(&line, mark, argv, path);
    int result = change(mark, &line, err);
    buf_release(&line);
    return result;
}

int boot_clear(const char *mark, struct err *err)
{
    return boot_possible() ? change(mark, NULL, err) : 0;
}

bool boot_is_set(const char *mark)
{
    struct buf text = {0}, others = {0};
    bool found =
        boot_possible() && read_crontab(&text, NULL) == 0 && copy_others(&text, mark, &others);
    buf_release(&text);
    buf_release(&others);
    return found;
}

/* ---- the program --------------------------------------------------------------------------- */

const char *boot_program(struct arena *arena, const char *name)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0)
        return arena_text(arena, name);
    self[size] = '\0';
    char *bin = strstr(self, arena_print(arena, "/bin/%s", name));
    char *version = bin ? memrchr(self, '/', (size_t)(bin - self)) : NULL;
    if (version) {
        char *current = arena_print(arena, "%.*s/current%s", (int)(version - self), self, bin);
        char *real = realpath(current, NULL);
        bool same = real && strcmp(real, self) == 0;
        free(real);
        if (same)
            return current;
    }
    return arena_text(arena, self);
}
