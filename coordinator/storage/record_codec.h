/* SPDX-License-Identifier: MIT */
/* record_codec.h - converts records to and from bytes of the journal (record.proto). */
#ifndef FARM_STORAGE_RECORD_CODEC_H
#define FARM_STORAGE_RECORD_CODEC_H

#include "coordinator/core/record.h"
#include "proto/base/err.h"

/* Appends the packed outer message. */
void record_encode(const struct record *record, struct buf *out);
/* Texts and lists live in the arena. For an unknown kind, the error says to upgrade. */
int record_decode(struct bytes bytes, struct record *record, struct arena *arena, struct err *err);

#endif
