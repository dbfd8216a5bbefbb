/* SPDX-License-Identifier: MIT */
/* keeper_note.c - see keeper_note.h. The file is one line: WORD RESTARTS WALL_MS WHY. */
#include "proto/base/keeper_note.h"

#include "proto/base/io.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"restarted", "gave-up"};

int keeper_note_write(const char *path, const struct keeper_note *note, struct err *err)
{
    struct buf text = {0};
    buf_print(&text, "%s %" PRIu64 " %" PRIu64 " %s\n", words[note->gave_up], note->restarts,
              note->wall_ms, note->why);
    int result = io_write_file(path, text.data, text.size, 0644, false, err);
    buf_release(&text);
    return result;
}

/* A number and the blank after it; NULL if there is none. */
static const char *take_number(const char *at, uint64_t *out)
{
    char *end;
    if (!at || *at < '0' || *at > '9')
        return NULL;
    *out = strtoull(at, &end, 10);
    return *end == ' ' ? end + 1 : NULL;
}

static bool parse_note(const char *text, struct keeper_note *out)
{
    size_t length = strcspn(text, " ");
    out->gave_up = strncmp(text, words[true], length) == 0;
    const char *at = text[length] ? text + length + 1 : NULL;
    at = take_number(take_number(at, &out->restarts), &out->wall_ms);
    if (at)
        snprintf(out->why, sizeof out->why, "%.*s", (int)strcspn(at, "\n"), at);
    return at != NULL;
}

bool keeper_note_read(const char *path, struct keeper_note *out)
{
    struct buf text = {0};
    *out = (struct keeper_note){0};
    bool is_read = io_find_file(path, 2 * sizeof out->why, &text, NULL) == IO_READ && text.size &&
                   parse_note((char *)text.data, out);
    buf_release(&text);
    return is_read;
}
