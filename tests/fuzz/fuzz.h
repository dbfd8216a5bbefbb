/* SPDX-License-Identifier: MIT */
/* fuzz.h - what the fuzz targets share: carving an input into parts, and a folder for those that
 * read files.
 *
 * Each fuzz_X.c has LLVMFuzzerTestOneInput alone. With clang and FARM_FUZZ it becomes a libFuzzer
 * program; in every build replay.c runs it over tests/fuzz/corpus/X. A target asserts properties
 * too (what was read can be written and read again), not only that nothing crashes.
 */
#ifndef FARM_FUZZ_H
#define FARM_FUZZ_H

#include "proto/base/io.h"
#include "proto/base/mem.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- carving -------------------------------------------------------------------------------- */

static inline uint64_t fuzz_number(struct bytes *input, size_t bytes)
{
    uint64_t number = 0;
    for (; bytes > 0 && input->size > 0; bytes--, input->data++, input->size--)
        number = number << 8 | input->data[0];
    return number;
}

static inline struct bytes fuzz_bytes(struct bytes *input, size_t size)
{
    struct bytes part = {input->data, size < input->size ? size : input->size};
    input->data += part.size;
    input->size -= part.size;
    return part;
}

/* To the next newline, which is taken as well. */
static inline struct bytes fuzz_line(struct bytes *input)
{
    const uint8_t *end = input->size ? memchr(input->data, '\n', input->size) : NULL;
    struct bytes line = fuzz_bytes(input, end ? (size_t)(end - input->data) : input->size);
    fuzz_bytes(input, 1);
    return line;
}

/* As a text: up to the first NUL, exactly as large as it is, so that a sanitizer sees a read beyond
 * its end. Release with free(). */
static inline char *fuzz_text(struct bytes part)
{
    size_t size = part.size ? strnlen((const char *)part.data, part.size) : 0;
    char *text = mem_new(size + 1);
    if (size)
        memcpy(text, part.data, size);
    return text;
}

/* ---- files ---------------------------------------------------------------------------------- */

static inline char *fuzz_folder_storage(void)
{
    static char path[64];
    return path;
}

static inline void fuzz_remove_folder(void)
{
    io_remove_tree(fuzz_folder_storage(), NULL);
}

/* A folder of this process, in memory where there is such a file system; gone at its end. */
static inline const char *fuzz_folder(void)
{
    char *path = fuzz_folder_storage();
    if (*path)
        return path;
    const char *above = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, 64, "%s/farm-fuzz-XXXXXX", above);
    if (!mkdtemp(path))
        abort();
    atexit(fuzz_remove_folder);
    return path;
}

static inline void fuzz_write(const char *path, struct bytes content)
{
    FILE *file = fopen(path, "w");
    /* No bytes may have no address either. */
    if (!file || (content.size && fwrite(content.data, 1, content.size, file) != content.size) ||
        fclose(file))
        abort();
}

#endif
