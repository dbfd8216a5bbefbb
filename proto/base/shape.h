/* SPDX-License-Identifier: MIT */
/* shape.h - describes the fields of a plain struct as data.
 *
 * One description of a struct is used for its protobuf codec, its JSON, its text in a trace, its
 * deep copy, its comparison and its hash. So adding a field takes one row, and no user of the
 * struct can miss it. Pure: the cores use it to copy and print; proto/codec.c binds a shape to a
 * protobuf descriptor.
 *
 * Conventions of every shaped struct: texts are `const char *` and never NULL (absent is "");
 * lists are a pointer followed by a `size_t` count named NAME_count; nested structs are inline.
 */
#ifndef FARM_BASE_SHAPE_H
#define FARM_BASE_SHAPE_H

#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_U64,   /* uint64_t                                   proto uint64 */
    FIELD_U32,   /* uint32_t                                   proto uint32 */
    FIELD_I64,   /* int64_t                                    proto sint64 */
    FIELD_FLAG,  /* bool                                       proto bool   */
    FIELD_ENUM,  /* a C enum, stored as int; text by names     proto uint32 */
    FIELD_TEXT,  /* const char *, never NULL                   proto string */
    FIELD_BYTES, /* struct bytes                               proto bytes  */
    FIELD_STRUCT /* an inline struct described by `shape`      proto message */
};

struct field {
    const char *name; /* equals the protobuf field's name and the JSON key */
    enum field_type type;
    size_t offset;
    const struct shape *shape;     /* FIELD_STRUCT: the shape of the nested struct or item */
    const char *const *enum_names; /* FIELD_ENUM: texts by value, NULL-terminated */
    bool is_list;                  /* TEXT, STRUCT: there is a pointer to items at `offset` */
    size_t count_offset;           /* is_list: the offset of the size_t count */
};

struct shape {
    const char *name;
    size_t size; /* sizeof the struct */
    const struct field *fields;
    size_t field_count;
};

#define SHAPE_FIELD(struct_type, kind, member)                                                     \
    {                                                                                              \
        .name = #member, .type = FIELD_##kind, .offset = offsetof(struct_type, member)             \
    }
#define SHAPE_ENUM(struct_type, member, names)                                                     \
    {                                                                                              \
        .name = #member, .type = FIELD_ENUM, .offset = offsetof(struct_type, member),              \
        .enum_names = (names)                                                                      \
    }
#define SHAPE_STRUCT(struct_type, member, of)                                                      \
    {                                                                                              \
        .name = #member, .type = FIELD_STRUCT, .offset = offsetof(struct_type, member),            \
        .shape = &(of)                                                                             \
    }
#define SHAPE_TEXTS(struct_type, member)                                                           \
    {                                                                                              \
        .name = #member, .type = FIELD_TEXT, .offset = offsetof(struct_type, member),              \
        .is_list = true, .count_offset = offsetof(struct_type, member##_count)                     \
    }
#define SHAPE_LIST(struct_type, member, of)                                                        \
    {                                                                                              \
        .name = #member, .type = FIELD_STRUCT, .offset = offsetof(struct_type, member),            \
        .shape = &(of), .is_list = true, .count_offset = offsetof(struct_type, member##_count)     \
    }
#define SHAPE(struct_type, rows)                                                                   \
    {                                                                                              \
        .name = #struct_type, .size = sizeof(struct_type), .fields = (rows),                       \
        .field_count = sizeof(rows) / sizeof((rows)[0])                                            \
    }

/* Sets every text to "" and everything else to zero. */
void shape_init(const struct shape *shape, void *plain);
/* Deep copy; texts, bytes and lists of `to` live in the arena. NULL texts become "". */
void shape_copy(const struct shape *shape, void *to, const void *from, struct arena *arena);
/* Whether every value is zero, false or empty, as shape_init leaves them. */
bool shape_empty(const struct shape *shape, const void *plain);
/* Deep comparison of all values. */
bool shape_equal(const struct shape *shape, const void *a, const void *b);
/* Continues the hash with all values, so that structs that are not equal differ in it, save by
 * accident. The content of bytes counts, too. */
uint64_t shape_hash(uint64_t hash, const struct shape *shape, const void *plain);
/* Sum of the bytes of all texts, nested ones included. */
size_t shape_text_bytes(const struct shape *shape, const void *plain);
/* Appends "name=value name=value". Fields that are zero, false or empty are omitted; nested structs
 * are in braces. Texts with spaces or control characters are quoted and escaped. */
void shape_print(const struct shape *shape, const void *plain, struct buf *out);
/* The value whose text is `text` in a NULL-terminated list of names, or -1. */
int shape_enum_value(const char *const *names, const char *text);

#endif
