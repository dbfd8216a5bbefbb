/* SPDX-License-Identifier: MIT */
/* mem.c - see mem.h. */
#include "proto/base/mem.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most arenas hold one message or the texts of one thing: the first block is of a size that malloc
 * keeps at hand. The others are large enough that a turn of a few hundred records needs only a few.
 */
enum { ARENA_FIRST_BYTES = 960, ARENA_BLOCK_BYTES = 8192 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char data[];
};

void *mem_new(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    assert(memory && "out of memory");
    return memory;
}

void *mem_resize(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    assert(memory && "out of memory");
    return memory;
}

char *mem_text(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    return memcpy(mem_new(size), text, size);
}

void *arena_new(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    size = (size + align - 1) / align * align;
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t least = block ? ARENA_BLOCK_BYTES : ARENA_FIRST_BYTES;
        size_t room = size > least ? size : least;
        block = mem_resize(NULL, sizeof *block + room);
        block->next = arena->blocks;
        block->used = 0;
        block->size = room;
        arena->blocks = block;
        arena->bytes += room;
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memset(memory, 0, size);
}

char *arena_text(struct arena *arena, const char *text)
{
    if (!text)
        text = "";
    size_t size = strlen(text) + 1;
    return memcpy(arena_new(arena, size), text, size);
}

char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    char few[256]; /* enough for most, so that they are formatted once */
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(few, sizeof few, format, args);
    va_end(args);
    assert(n >= 0);
    char *text = arena_new(arena, (size_t)n + 1);
    if ((size_t)n < sizeof few)
        memcpy(text, few, (size_t)n + 1);
    else
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

const char *arena_shell_word(struct arena *arena, const char *text)
{
    const char *word = "'";
    for (size_t plain; *text; text += plain + (text[plain] == '\'')) {
        plain = strcspn(text, "'");
        word = arena_print(arena, "%s%.*s%s", word, (int)plain, text,
                           text[plain] == '\'' ? "'\\''" : "");
    }
    return arena_print(arena, "%s'", word);
}

void arena_clear(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct arena){0};
}

void buf_reserve(struct buf *buf, size_t more)
{
    size_t need = buf->size + more + 1; /* the terminating NUL */
    if (need <= buf->capacity)
        return;
    size_t capacity = buf->capacity ? buf->capacity : 256;
    while (capacity < need)
        capacity *= 2;
    buf->data = mem_resize(buf->data, capacity);
    buf->data[buf->size] = '\0';
    buf->capacity = capacity;
}

void buf_add(struct buf *buf, const void *data, size_t size)
{
    buf_reserve(buf, size);
    if (size)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void buf_print(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    buf_reserve(buf, 1);
    size_t room = buf->capacity - buf->size;
    int n = vsnprintf((char *)buf->data + buf->size, room, format, args);
    va_end(args);
    assert(n >= 0);
    if ((size_t)n >= room) {
        buf_reserve(buf, (size_t)n);
        vsnprintf((char *)buf->data + buf->size, (size_t)n + 1, format, again);
    }
    va_end(again);
    buf->size += (size_t)n;
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

void buf_wipe(struct buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->capacity);
    buf_release(buf);
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}
