/* SPDX-License-Identifier: MIT */
/* err.h - the text of a failure, which travels with the caller.
 *
 * A function that can fail takes a `struct err *` last and returns -1 (or NULL). The text is one
 * sentence that says what failed and, where someone can mend it, what to do. Untouched on success,
 * so calls can be chained. Running out of memory is not an error here: it ends the process (the
 * journal brings it back), see mem.h.
 */
#ifndef FARM_BASE_ERR_H
#define FARM_BASE_ERR_H

struct err {
    char text[1024];
};

/* Sets the text, printf style, cut at the size of the buffer. `err` may be NULL.
 * Always returns -1, so that `return err_set(...)` is the idiom. */
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the text that is there. Always returns -1. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
