/* SPDX-License-Identifier: MIT */
/* put_file.h - writes a file of the host if its contents differ, and makes its folder. */
#ifndef FARM_WORKER_HOST_PUT_FILE_H
#define FARM_WORKER_HOST_PUT_FILE_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>

/* Sets *changed when the file was written; leaves it alone otherwise. */
int put_file(const char *path, const struct buf *text, bool *changed, struct err *err);
/* The same with the text that `make` writes. */
int put_text(const char *path, void (*make)(struct buf *out), bool *changed, struct err *err);

#endif
