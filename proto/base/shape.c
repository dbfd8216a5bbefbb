/* SPDX-License-Identifier: MIT */
/* shape.c - the walks over shaped structs that need no protobuf: init, copy, compare, hash, print.
 *
 * Invariant: the results of shape_init and shape_copy follow the conventions of shape.h, so that no
 * other code ever meets a NULL text. Shapes are constant tables and not recursive, so the depth of
 * a walk is limited by the tables. Of a field of bytes only its size is printed, because it may be
 * a secret. */
#include "proto/base/shape.h"

#include "proto/base/hash.h"

#include <assert.h>
#include <string.h>

static const void *part(const void *plain, size_t offset)
{
    return (const char *)plain + offset;
}

static void *part_of(void *plain, size_t offset)
{
    return (char *)plain + offset;
}

/* Pointer members have many types; going through memcpy reads any of them without aliasing. */
static const void *load_pointer(const void *from)
{
    const void *pointer;
    memcpy(&pointer, from, sizeof pointer);
    return pointer;
}

static void store_pointer(void *to, const void *pointer)
{
    memcpy(to, &pointer, sizeof pointer);
}

static size_t list_count(const struct field *field, const void *plain)
{
    return *(const size_t *)part(plain, field->count_offset);
}

static size_t item_size(const struct field *field)
{
    return field->type == FIELD_STRUCT ? field->shape->size : sizeof(const char *);
}

void shape_init(const struct shape *shape, void *plain)
{
    memset(plain, 0, shape->size);
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        if (field->is_list)
            continue;
        if (field->type == FIELD_TEXT)
            store_pointer(part_of(plain, field->offset), "");
        else if (field->type == FIELD_STRUCT)
            shape_init(field->shape, part_of(plain, field->offset));
    }
}

/* ---- copy --------------------------------------------------------------------------------- */

/* After a bitwise copy of a value: replaces what it shares with the original by copies. */
static void own_value(const struct field *field, void *value, struct arena *arena)
{
    if (field->type == FIELD_TEXT) {
        store_pointer(value, arena_text(arena, load_pointer(value)));
    } else if (field->type == FIELD_STRUCT) {
        shape_copy(field->shape, value, value, arena);
    } else if (field->type == FIELD_BYTES) {
        struct bytes *bytes = value;
        if (bytes->size)
            bytes->data = memcpy(arena_new(arena, bytes->size), bytes->data, bytes->size);
        else
            bytes->data = NULL;
    }
}

static void own_list(const struct field *field, void *plain, struct arena *arena)
{
    size_t count = list_count(field, plain), size = item_size(field);
    void *slot = part_of(plain, field->offset);
    if (!count) {
        store_pointer(slot, NULL);
        return;
    }
    char *items = memcpy(arena_new(arena, count * size), load_pointer(slot), count * size);
    for (size_t i = 0; i < count; i++)
        own_value(field, items + i * size, arena);
    store_pointer(slot, items);
}

void shape_copy(const struct shape *shape, void *to, const void *from, struct arena *arena)
{
    memmove(to, from, shape->size);
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        if (field->is_list)
            own_list(field, to, arena);
        else
            own_value(field, part_of(to, field->offset), arena);
    }
}

/* ---- size --------------------------------------------------------------------------------- */

static size_t value_text_bytes(const struct field *field, const void *value)
{
    if (field->type == FIELD_STRUCT)
        return shape_text_bytes(field->shape, value);
    const char *text = field->type == FIELD_TEXT ? load_pointer(value) : NULL;
    return text ? strlen(text) : 0;
}

size_t shape_text_bytes(const struct shape *shape, const void *plain)
{
    size_t bytes = 0;
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        const void *value = part(plain, field->offset);
        const char *items = field->is_list ? load_pointer(value) : NULL;
        size_t count = field->is_list ? list_count(field, plain) : 0;
        for (size_t n = 0; n < count; n++)
            bytes += value_text_bytes(field, items + n * item_size(field));
        if (!field->is_list)
            bytes += value_text_bytes(field, value);
    }
    return bytes;
}

/* ---- compare ------------------------------------------------------------------------------ */

static bool texts_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool bytes_equal(const struct bytes *a, const struct bytes *b)
{
    return a->size == b->size && (!a->size || memcmp(a->data, b->data, a->size) == 0);
}

static bool value_equal(const struct field *field, const void *a, const void *b)
{
    switch (field->type) {
    case FIELD_U64:
    case FIELD_I64:
        return memcmp(a, b, sizeof(uint64_t)) == 0;
    case FIELD_U32:
        return memcmp(a, b, sizeof(uint32_t)) == 0;
    case FIELD_FLAG:
        return *(const bool *)a == *(const bool *)b;
    case FIELD_ENUM:
        return *(const int *)a == *(const int *)b;
    case FIELD_TEXT:
        return texts_equal(load_pointer(a), load_pointer(b));
    case FIELD_BYTES:
        return bytes_equal(a, b);
    case FIELD_STRUCT:
        return shape_equal(field->shape, a, b);
    }
    assert(!"unknown field type");
    return false;
}

static bool list_equal(const struct field *field, const void *a, const void *b)
{
    size_t count = list_count(field, a), size = item_size(field);
    if (count != list_count(field, b))
        return false;
    const char *items_a = load_pointer(part(a, field->offset));
    const char *items_b = load_pointer(part(b, field->offset));
    for (size_t i = 0; i < count; i++)
        if (!value_equal(field, items_a + i * size, items_b + i * size))
            return false;
    return true;
}

bool shape_equal(const struct shape *shape, const void *a, const void *b)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        bool same = field->is_list
                        ? list_equal(field, a, b)
                        : value_equal(field, part(a, field->offset), part(b, field->offset));
        if (!same)
            return false;
    }
    return true;
}

/* ---- hash --------------------------------------------------------------------------------- */

static uint64_t hash_value(uint64_t hash, const struct field *field, const void *value)
{
    switch (field->type) {
    case FIELD_U64:
    case FIELD_I64:
        return hash_number(hash, *(const uint64_t *)value);
    case FIELD_U32:
        return hash_number(hash, *(const uint32_t *)value);
    case FIELD_FLAG:
        return hash_number(hash, *(const bool *)value);
    case FIELD_ENUM:
        return hash_number(hash, (uint64_t) * (const int *)value);
    case FIELD_TEXT: {
        const char *text = load_pointer(value);
        return hash_text(hash, text ? text : "");
    }
    case FIELD_BYTES: {
        const struct bytes *bytes = value;
        return hash_bytes(hash_number(hash, bytes->size), bytes->data, bytes->size);
    }
    case FIELD_STRUCT:
        return shape_hash(hash, field->shape, value);
    }
    assert(!"unknown field type");
    return hash;
}

uint64_t shape_hash(uint64_t hash, const struct shape *shape, const void *plain)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        const void *value = part(plain, field->offset);
        if (!field->is_list) {
            hash = hash_value(hash, field, value);
            continue;
        }
        const char *items = load_pointer(value);
        size_t count = list_count(field, plain), size = item_size(field);
        hash = hash_number(hash, count);
        for (size_t n = 0; n < count; n++)
            hash = hash_value(hash, field, items + n * size);
    }
    return hash;
}

/* ---- empty -------------------------------------------------------------------------------- */

static bool value_empty(const struct field *field, const void *value)
{
    switch (field->type) {
    case FIELD_U64:
    case FIELD_I64:
        return *(const uint64_t *)value == 0;
    case FIELD_U32:
        return *(const uint32_t *)value == 0;
    case FIELD_FLAG:
        return !*(const bool *)value;
    case FIELD_ENUM:
        return *(const int *)value == 0;
    case FIELD_TEXT:
        return texts_equal(load_pointer(value), "");
    case FIELD_BYTES:
        return ((const struct bytes *)value)->size == 0;
    case FIELD_STRUCT:
        return shape_empty(field->shape, value);
    }
    assert(!"unknown field type");
    return true;
}

bool shape_empty(const struct shape *shape, const void *plain)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        if (field->is_list ? list_count(field, plain) > 0
                           : !value_empty(field, part(plain, field->offset)))
            return false;
    }
    return true;
}

/* ---- print -------------------------------------------------------------------------------- */

static bool needs_quotes(const char *text)
{
    if (!*text)
        return true;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at <= ' ' || *at == 0x7f || strchr("\"\\{}[]=", *at))
            return true;
    return false;
}

static void print_text(const char *text, struct buf *out)
{
    if (!needs_quotes(text)) {
        buf_add(out, text, strlen(text));
        return;
    }
    buf_add(out, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\')
            buf_print(out, "\\%c", *at);
        else if (*at == '\n')
            buf_print(out, "\\n");
        else if (*at < ' ' || *at == 0x7f)
            buf_print(out, "\\x%02x", *at);
        else
            buf_add(out, at, 1);
    }
    buf_add(out, "\"", 1);
}

static const char *enum_name(const struct field *field, int value)
{
    for (int i = 0; field->enum_names[i]; i++)
        if (i == value)
            return field->enum_names[i];
    return NULL;
}

static void print_enum(const struct field *field, int value, struct buf *out)
{
    const char *name = enum_name(field, value);
    if (name)
        buf_print(out, "%s", name);
    else
        buf_print(out, "%d", value);
}

static void print_value(const struct field *field, const void *value, struct buf *out)
{
    switch (field->type) {
    case FIELD_U64:
        buf_print(out, "%llu", (unsigned long long)*(const uint64_t *)value);
        return;
    case FIELD_I64:
        buf_print(out, "%lld", (long long)*(const int64_t *)value);
        return;
    case FIELD_U32:
        buf_print(out, "%lu", (unsigned long)*(const uint32_t *)value);
        return;
    case FIELD_FLAG:
        buf_print(out, "%s", *(const bool *)value ? "true" : "false");
        return;
    case FIELD_ENUM:
        print_enum(field, *(const int *)value, out);
        return;
    case FIELD_TEXT: {
        const char *text = load_pointer(value);
        print_text(text ? text : "", out);
        return;
    }
    case FIELD_BYTES:
        buf_print(out, "<%zu bytes>", ((const struct bytes *)value)->size);
        return;
    case FIELD_STRUCT:
        buf_add(out, "{", 1);
        shape_print(field->shape, value, out);
        buf_add(out, "}", 1);
        return;
    }
    assert(!"unknown field type");
}

static void print_list(const struct field *field, const void *plain, struct buf *out)
{
    const char *items = load_pointer(part(plain, field->offset));
    size_t count = list_count(field, plain), size = item_size(field);
    buf_add(out, "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add(out, " ", 1);
        print_value(field, items + i * size, out);
    }
    buf_add(out, "]", 1);
}

void shape_print(const struct shape *shape, const void *plain, struct buf *out)
{
    const char *separator = "";
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        const void *value = part(plain, field->offset);
        if (field->is_list ? !list_count(field, plain) : value_empty(field, value))
            continue;
        buf_print(out, "%s%s=", separator, field->name);
        separator = " ";
        if (field->is_list)
            print_list(field, plain, out);
        else
            print_value(field, value, out);
    }
}

int shape_enum_value(const char *const *names, const char *text)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}
