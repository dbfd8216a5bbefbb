/* SPDX-License-Identifier: MIT */
/* json.c - see json.h. */
#include "proto/json.h"

#include "proto/base/hex.h"
#include "proto/base/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

json_t *json_text(const char *text)
{
    json_t *node = json_string(text);
    if (node)
        return node;
    struct buf clean = {0};
    uint32_t code;
    while (*text) {
        size_t length = utf8_decode(text, &code);
        buf_add(&clean, length ? text : "\xef\xbf\xbd", length ? length : 3);
        text += length ? length : 1;
    }
    node = json_string(clean.data ? (char *)clean.data : "");
    buf_release(&clean);
    assert(node);
    return node;
}

static const void *at_offset(const void *plain, size_t offset)
{
    return (const char *)plain + offset;
}

static json_t *node_from_bytes(const struct bytes *bytes)
{
    struct arena arena = {0};
    json_t *node = json_string(hex_text(&arena, bytes->data, bytes->size));
    arena_clear(&arena);
    return node;
}

static json_t *node_from_enum(const struct field *field, int value)
{
    for (int i = 0; field->enum_names[i]; i++)
        if (i == value)
            return json_string(field->enum_names[i]);
    return json_integer(value);
}

static json_t *node_from_value(const struct field *field, const void *value)
{
    switch (field->type) {
    case FIELD_U64:
        return json_integer((json_int_t) * (const uint64_t *)value);
    case FIELD_U32:
        return json_integer(*(const uint32_t *)value);
    case FIELD_I64:
        return json_integer(*(const int64_t *)value);
    case FIELD_FLAG:
        return json_boolean(*(const bool *)value);
    case FIELD_ENUM:
        return node_from_enum(field, *(const int *)value);
    case FIELD_TEXT:
        return json_text(*(const char *const *)value);
    case FIELD_BYTES:
        return node_from_bytes(value);
    case FIELD_STRUCT:
        return json_from_shape(field->shape, value);
    }
    assert(!"field type");
    return NULL;
}

static size_t item_size(const struct field *field)
{
    return field->type == FIELD_STRUCT ? field->shape->size : sizeof(const char *);
}

static json_t *node_from_list(const struct field *field, const void *plain)
{
    const char *items = *(const char *const *)at_offset(plain, field->offset);
    size_t count = *(const size_t *)at_offset(plain, field->count_offset);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, node_from_value(field, items + i * item_size(field)));
    return list;
}

json_t *json_from_shape(const struct shape *shape, const void *plain)
{
    json_t *object = json_object();
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        json_object_set_new(object, field->name,
                            field->is_list
                                ? node_from_list(field, plain)
                                : node_from_value(field, at_offset(plain, field->offset)));
    }
    return object;
}

static int bytes_from_node(const json_t *node, struct bytes *out, struct arena *arena)
{
    const char *text = json_string_value(node);
    size_t size = json_string_length(node) / 2;
    uint8_t *data = arena_new(arena, size + 1);
    if (!hex_read(text, data, size))
        return -1;
    *out = (struct bytes){data, size};
    return 0;
}

static int value_from_node(const struct field *field, const json_t *node, void *value,
                           struct arena *arena, struct err *err)
{
    bool fits = false;
    switch (field->type) {
    case FIELD_U64:
        if ((fits = json_is_integer(node) && json_integer_value(node) >= 0))
            *(uint64_t *)value = (uint64_t)json_integer_value(node);
        break;
    case FIELD_U32:
        if ((fits = json_is_integer(node) && json_integer_value(node) >= 0 &&
                    json_integer_value(node) <= UINT32_MAX))
            *(uint32_t *)value = (uint32_t)json_integer_value(node);
        break;
    case FIELD_I64:
        if ((fits = json_is_integer(node)))
            *(int64_t *)value = json_integer_value(node);
        break;
    case FIELD_FLAG:
        if ((fits = json_is_boolean(node)))
            *(bool *)value = json_is_true(node);
        break;
    case FIELD_ENUM: {
        int found = json_is_string(node)
                        ? shape_enum_value(field->enum_names, json_string_value(node))
                        : -1;
        if ((fits = found >= 0))
            *(int *)value = found;
        break;
    }
    case FIELD_TEXT:
        if ((fits = json_is_string(node)))
            *(const char **)value = arena_text(arena, json_string_value(node));
        break;
    case FIELD_BYTES:
        fits = json_is_string(node) && !bytes_from_node(node, value, arena);
        break;
    case FIELD_STRUCT:
        if (json_is_object(node))
            return json_to_shape(field->shape, node, value, arena, err);
        break;
    }
    return fits ? 0 : err_set(err, "member \"%s\" has a wrong type or value", field->name);
}

static int list_from_node(const struct field *field, const json_t *node, void *plain,
                          struct arena *arena, struct err *err)
{
    if (!json_is_array(node))
        return err_set(err, "member \"%s\" is not a list", field->name);
    size_t count = json_array_size(node);
    char *items = arena_new(arena, count * item_size(field));
    for (size_t i = 0; i < count; i++)
        if (value_from_node(field, json_array_get(node, i), items + i * item_size(field), arena,
                            err))
            return -1;
    *(void **)((char *)plain + field->offset) = items;
    *(size_t *)((char *)plain + field->count_offset) = count;
    return 0;
}

int json_to_shape(const struct shape *shape, const json_t *object, void *plain, struct arena *arena,
                  struct err *err)
{
    shape_init(shape, plain);
    if (!json_is_object(object))
        return err_set(err, "%s is not an object", shape->name);
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        const json_t *node = json_object_get(object, field->name);
        if (!node)
            continue;
        int failed = field->is_list
                         ? list_from_node(field, node, plain, arena, err)
                         : value_from_node(field, node, (char *)plain + field->offset, arena, err);
        if (failed)
            return -1;
    }
    return 0;
}

const char *json_get_text(const json_t *object, const char *key, const char *otherwise)
{
    const json_t *node = json_object_get(object, key);
    return json_is_string(node) ? json_string_value(node) : otherwise;
}

uint64_t json_get_u64(const json_t *object, const char *key, uint64_t otherwise)
{
    const json_t *node = json_object_get(object, key);
    return json_is_integer(node) && json_integer_value(node) >= 0
               ? (uint64_t)json_integer_value(node)
               : otherwise;
}

bool json_get_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
