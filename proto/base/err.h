/* SPDX-License-Identifier: MIT */
/* err.h - the text of a failure; the caller provides the buffer.
 *
 * A function that can fail takes a `struct err *` as its last argument and returns -1 (or NULL).
 * The text is one sentence that says what failed and, if someone can fix it, what to do. It is not
 * touched on success, so calls can be chained. Lack of memory is not an error: it ends the process
 * (see mem.h), and the journal restores the state. */
#ifndef FARM_BASE_ERR_H
#define FARM_BASE_ERR_H

struct err {
    char text[1024];
};

/* Sets the text like printf, cut at the size of the buffer. `err` may be NULL. Always returns -1,
 * so that callers can `return err_set(...)`. */
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Inserts "context: " before the present text. Always returns -1. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
