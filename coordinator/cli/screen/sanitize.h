/* SPDX-License-Identifier: MIT */
/* sanitize.h - makes a build's output harmless for a terminal (CWE-150): colours (SGR) stay; every
 * other escape sequence, control character and invalid UTF-8 goes. Works on a stream: sequences may
 * be cut anywhere. Pure. */
#ifndef FARM_CLI_SCREEN_SANITIZE_H
#define FARM_CLI_SCREEN_SANITIZE_H

#include "proto/base/mem.h"

#include <stdint.h>

struct sanitizer {
    enum {
        SANITIZE_TEXT,
        SANITIZE_ESCAPE,
        SANITIZE_CSI,
        SANITIZE_STRING,
        SANITIZE_STRING_ESCAPE
    } state;
    uint8_t held[64]; /* of a sequence or a character that is not complete yet */
    size_t held_count;
};

/* Zero-initialised is ready. Appends what may be shown. */
void sanitize_add(struct sanitizer *sanitizer, const uint8_t *data, size_t size, struct buf *out);

#endif
