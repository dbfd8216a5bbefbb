/* SPDX-License-Identifier: MIT */
/* folders.h - a temporary folder for a test, and small files in it. Tests only. */
#ifndef FARM_TEST_FOLDERS_H
#define FARM_TEST_FOLDERS_H

#include "proto/base/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
    struct arena arena;
    char path[64];
};

static inline int place_setup(void **state)
{
    struct place *place = mem_new(sizeof *place);
    strcpy(place->path, "/tmp/farm-test-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    *state = place;
    return 0;
}

static inline int place_teardown(void **state)
{
    struct place *place = *state;
    struct err err;
    int result = io_remove_tree(place->path, &err);
    arena_clear(&place->arena);
    free(place);
    return result;
}

static inline const char *place_path(struct place *place, const char *name)
{
    return arena_print(&place->arena, "%s/%s", place->path, name);
}

static inline const char *place_read(struct place *place, const char *name)
{
    struct buf text = {0};
    struct err err = {""};
    if (io_read_file(place_path(place, name), 64 << 20, &text, &err) < 0)
        fail_msg("%s", err.text);
    const char *copy = arena_text(&place->arena, (const char *)text.data);
    buf_release(&text);
    return copy;
}

static inline void place_write(struct place *place, const char *name, const char *text)
{
    struct err err = {""};
    if (io_write_file(place_path(place, name), text, strlen(text), 0644, false, &err) < 0)
        fail_msg("%s", err.text);
}

#endif
