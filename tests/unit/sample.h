/* SPDX-License-Identifier: MIT */
/* sample.h - fills any shaped struct with values that tell its fields apart. A value depends on
 * the field's name and place only, so a field added later changes no other. */
#ifndef FARM_TESTS_SAMPLE_H
#define FARM_TESTS_SAMPLE_H

#include "proto/base/hash.h"
#include "proto/base/shape.h"

#include <string.h>

static inline uint32_t sample_number(const char *name, uint32_t seed)
{
    return hash32_bytes(HASH32_START ^ seed, name, strlen(name));
}

static inline void sample_fill(const struct shape *shape, void *plain, struct arena *arena,
                               uint32_t seed);

static inline void sample_value(const struct field *field, void *value, struct arena *arena,
                                uint32_t seed)
{
    uint32_t number = sample_number(field->name, seed);
    int names = 0;
    const char *text;
    switch (field->type) {
    case FIELD_U64:
        *(uint64_t *)value = (uint64_t)number << 20 | 1;
        return;
    case FIELD_U32:
        *(uint32_t *)value = number | 1;
        return;
    case FIELD_I64:
        *(int64_t *)value = -(int64_t)number - 1;
        return;
    case FIELD_FLAG:
        *(bool *)value = true;
        return;
    case FIELD_ENUM:
        while (field->enum_names[names])
            names++;
        *(int *)value = 1 + (int)(number % (uint32_t)(names - 1));
        return;
    case FIELD_TEXT:
        text = arena_print(arena, "%s ä %u", field->name, number);
        memcpy(value, &text, sizeof text);
        return;
    case FIELD_BYTES:
        text = arena_print(arena, "\x01%u", number);
        /* with NULs within and at the end */
        *(struct bytes *)value = (struct bytes){arena_new(arena, 16), 16};
        memcpy((uint8_t *)(uintptr_t)((struct bytes *)value)->data + 2, text, strlen(text));
        return;
    case FIELD_STRUCT:
        sample_fill(field->shape, value, arena, number);
        return;
    }
}

static inline void sample_list(const struct field *field, void *plain, struct arena *arena,
                               uint32_t seed)
{
    enum { ITEMS = 3 };
    size_t size = field->type == FIELD_STRUCT ? field->shape->size : sizeof(const char *);
    char *items = arena_new(arena, ITEMS * size);
    for (uint32_t i = 0; i < ITEMS; i++)
        sample_value(field, items + i * size, arena, seed + i);
    memcpy((char *)plain + field->offset, &items, sizeof items);
    *(size_t *)(void *)((char *)plain + field->count_offset) = ITEMS;
}

static inline void sample_fill(const struct shape *shape, void *plain, struct arena *arena,
                               uint32_t seed)
{
    shape_init(shape, plain);
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        if (field->is_list)
            sample_list(field, plain, arena, seed);
        else
            sample_value(field, (char *)plain + field->offset, arena, seed);
    }
}

#endif
