/* SPDX-License-Identifier: MIT */
/* mem.h - memory: allocation that cannot fail, arenas, growing byte buffers.
 *
 * Lack of memory fails an assertion: all our programs can be killed and restarted at any time, and
 * nobody tests the states after a partly handled ENOMEM. Pure: usable in the cores.
 */
#ifndef FARM_BASE_MEM_H
#define FARM_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory of `size` bytes (never NULL, also for size 0). Release with free(). */
void *mem_new(size_t size);
/* Grows or shrinks like realloc; never returns NULL. New bytes are not zeroed. */
void *mem_resize(void *old, size_t size);
/* A copy of a NUL-terminated text. Release with free(). NULL stays NULL. */
char *mem_text(const char *text);

/* Ensures room for one more item in a growing array: items, count, capacity are lvalues. */
#define MEM_GROW(items, count, capacity)                                                           \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (capacity) = (capacity) ? (capacity)*2 : 8;                                            \
            (items) = mem_resize((items), (capacity) * sizeof *(items));                           \
        }                                                                                          \
    } while (0)

/* An arena: many allocations, one release. Zero-initialised is ready to use. */
struct arena {
    size_t bytes; /* allocated so far; check it where peers decide how much that is */
    struct arena_block *blocks;
};
/* Zeroed, aligned for any type; lives until arena_clear. */
void *arena_new(struct arena *arena, size_t size);
char *arena_text(struct arena *arena, const char *text); /* copy; NULL becomes "" */
char *arena_print(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Quotes the text as one word of a POSIX shell, in single quotes. */
const char *arena_shell_word(struct arena *arena, const char *text);
/* Releases everything; the arena is then ready for use again. */
void arena_clear(struct arena *arena);

/* Borrowed bytes. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

/* A growing byte buffer. Ready to use when zero-initialised. Once something was added it has a NUL
 * after `size` bytes, so that text can be read in place. */
struct buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
};
void buf_add(struct buf *buf, const void *data, size_t size);
void buf_print(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_reserve(struct buf *buf, size_t more); /* room for `more` bytes beyond size */
void buf_clear(struct buf *buf);                /* size 0, memory kept */
void buf_release(struct buf *buf);              /* memory freed, ready for use again */
/* The same, of a secret: its bytes are overwritten first. One that grew left copies: reserve. */
void buf_wipe(struct buf *buf);

#endif
