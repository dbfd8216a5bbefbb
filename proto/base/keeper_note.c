/* SPDX-License-Identifier: MIT */
/* keeper_note.c - see keeper_note.h. The file is one line: WORD RESTARTS WALL_MS WHY. */
#include "proto/base/keeper_note.h"

#include "proto/base/io.h"

#include <inttypes.h>
#include <stdio.h>
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

bool keeper_note_read(const char *path, struct keeper_note *out)
{
    struct buf text = {0};
    char word[16] = "";
    int why = 0;
    *out = (struct keeper_note){0};
    bool read = io_find_file(path, 2 * sizeof out->why, &text, NULL) == IO_READ && text.size &&
                sscanf((char *)text.data, "%15s %" SCNu64 " %" SCNu64 " %n", word, &out->restarts,
                       &out->wall_ms, &why) == 3 &&
                why > 0;
    if (read) {
        out->gave_up = strcmp(word, words[true]) == 0;
        const char *rest = (char *)text.data + why;
        snprintf(out->why, sizeof out->why, "%.*s", (int)strcspn(rest, "\n"), rest);
    }
    buf_release(&text);
    return read;
}
