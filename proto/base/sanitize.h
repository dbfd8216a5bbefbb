/* SPDX-License-Identifier: MIT */
/* sanitize.h - makes a build's output harmless for a terminal (CWE-150): keeps colours (SGR) and
 * removes every other escape sequence with its payload, control characters and invalid UTF-8. Works
 * on a stream: a sequence may be cut anywhere. Screens and the finder of causes share it, so that
 * what is shown, clustered and matched is the same text. Pure. */
#ifndef FARM_BASE_SANITIZE_H
#define FARM_BASE_SANITIZE_H

#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct sanitizer {
    enum {
        SANITIZE_TEXT,
        SANITIZE_ESCAPE,
        SANITIZE_CSI,
        SANITIZE_STRING,
        SANITIZE_STRING_ESCAPE
    } state;
    uint8_t held[64]; /* bytes of an incomplete sequence or character */
    size_t held_count;
    bool plain; /* set it to remove colours, too */
};

/* Appends the bytes that may be shown. A zeroed struct sanitizer is ready for use. */
void sanitize_add(struct sanitizer *sanitizer, const uint8_t *data, size_t size, struct buf *out);

#endif
