/* SPDX-License-Identifier: MIT */
/* folders.h - a temporary folder for a test, small files in it, and processes that say there when
 * they are ready and who they are. Tests only. */
#ifndef FARM_TEST_FOLDERS_H
#define FARM_TEST_FOLDERS_H

#include "proto/base/io.h"
#include "worker/process/tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    struct arena arena;
    char path[64];
};

static inline int place_setup(void **state)
{
    struct place *place = mem_new(sizeof *place);
    snprintf(place->path, sizeof place->path, "/tmp/farm-test-XXXXXX");
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

static inline const char *home_path(struct place *place, const char *name)
{
    return arena_print(&place->arena, "%s/%s", place->path, name);
}

static inline const char *place_read(struct place *place, const char *name)
{
    struct buf text = {0};
    struct err err = {""};
    if (io_read_file(home_path(place, name), 64 << 20, &text, &err) < 0)
        fail_msg("%s", err.text);
    const char *copy = arena_text(&place->arena, (const char *)text.data);
    buf_release(&text);
    return copy;
}

static inline void place_write(struct place *place, const char *name, const char *text)
{
    struct err err = {""};
    if (io_write_file(home_path(place, name), text, strlen(text), 0644, false, &err) < 0)
        fail_msg("%s", err.text);
}

/* A fifo "ready", to which each process of a test writes a byte when it is where it should be. */
static inline void place_make_fifo(struct place *place)
{
    assert_int_equal(mkfifo(home_path(place, "ready"), 0600), 0);
}

static inline void place_wait_ready(struct place *place, int count)
{
    int fifo = open(home_path(place, "ready"), O_RDWR | O_CLOEXEC);
    assert_true(fifo >= 0);
    for (char byte; count > 0; count--)
        assert_int_equal(read(fifo, &byte, 1), 1);
    close(fifo);
}

/* Each line of "pids" is a process that runs no more (a zombie that init has not reaped yet is
 * none), and there are `count` of them. */
static inline void place_assert_gone(struct place *place, int count)
{
    int seen = 0;
    for (const char *line = place_read(place, "pids"); *line; line = strchr(line, '\n') + 1) {
        assert_int_equal(tree_start_time((pid_t)strtol(line, NULL, 10)), 0);
        seen++;
    }
    assert_int_equal(seen, count);
}

#endif
