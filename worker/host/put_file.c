/* SPDX-License-Identifier: MIT */
#include "worker/host/put_file.h"

#include "proto/base/io.h"
#include "proto/limits.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int put_file(const char *path, const struct buf *text, bool *changed, struct err *err)
{
    struct buf old = {0};
    bool same = io_peek_file(path, LIMIT_TOOL_BYTES, &old) && old.size == text->size &&
                memcmp(old.data, text->data, old.size) == 0;
    buf_release(&old);
    if (same)
        return 0;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    *changed = true;
    return io_make_folders(folder, 0755, err) < 0
               ? -1
               : io_write_file(path, text->data, text->size, 0644, true, err);
}

int put_text(const char *path, void (*make)(struct buf *out), bool *changed, struct err *err)
{
    struct buf text = {0};
    make(&text);
    int result = put_file(path, &text, changed, err);
    buf_release(&text);
    return result;
}
