/* SPDX-License-Identifier: MIT */
/* codec.c - one walk from a plain struct to protobuf bytes, one walk back.
 *
 * A binding is a table of rows: our field, protobuf-c's field, and for nested structs their
 * binding. Packing builds protobuf-c's structs in an arena and lets protobuf-c write them.
 * Unpacking lets protobuf-c read them into the caller's arena; texts and bytes of the result point
 * there.
 *
 * Invariants: codec_unpack accepts what codec_pack writes (texts that are not UTF-8 are repaired
 * before they are sent, because otherwise every peer would drop a message with an odd branch name);
 * the result of codec_unpack follows the conventions of shape.h; its memory is limited by
 * LIMIT_DECODE_BYTES, whatever the bytes contain.
 */
#include "proto/codec.h"

#include "proto/base/utf8.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <string.h>

/* ---- bindings ----------------------------------------------------------------------------- */

struct codec_row {
    const struct field *field;
    const ProtobufCFieldDescriptor *wire;
    const struct codec *inner; /* FIELD_STRUCT: the binding of its items */
    uint32_t enum_count;       /* FIELD_ENUM: values below this are known */
};

struct codec {
    const struct shape *shape;
    const ProtobufCMessageDescriptor *descriptor;
    struct codec_row *rows;
    struct codec *next;
};

/* Bindings are constants that are computed once; this list is a cache of them. */
static struct codec *bindings;
static pthread_mutex_t bindings_lock = PTHREAD_MUTEX_INITIALIZER;

static ProtobufCType wire_type(enum field_type type)
{
    switch (type) {
    case FIELD_U64:
        return PROTOBUF_C_TYPE_UINT64;
    case FIELD_U32:
    case FIELD_ENUM:
        return PROTOBUF_C_TYPE_UINT32;
    case FIELD_I64:
        return PROTOBUF_C_TYPE_SINT64;
    case FIELD_FLAG:
        return PROTOBUF_C_TYPE_BOOL;
    case FIELD_TEXT:
        return PROTOBUF_C_TYPE_STRING;
    case FIELD_BYTES:
        return PROTOBUF_C_TYPE_BYTES;
    case FIELD_STRUCT:
        return PROTOBUF_C_TYPE_MESSAGE;
    }
    assert(!"unknown field type");
    return PROTOBUF_C_TYPE_BYTES;
}

static uint32_t count_names(const char *const *names)
{
    uint32_t count = 0;
    while (names[count])
        count++;
    return count;
}

static const struct codec *codec_make(const struct shape *shape,
                                      const ProtobufCMessageDescriptor *descriptor, unsigned depth);

static struct codec_row bind_field(const struct field *field,
                                   const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
    struct codec_row row = {
        .field = field,
        .wire = protobuf_c_message_descriptor_get_field_by_name(descriptor, field->name),
    };
    assert(row.wire && "a member has no field in the schema");
    assert(row.wire->type == wire_type(field->type));
    assert(row.wire->label == (field->is_list ? PROTOBUF_C_LABEL_REPEATED : PROTOBUF_C_LABEL_NONE));
    assert(!field->is_list || field->type == FIELD_TEXT || field->type == FIELD_STRUCT);
    if (field->type == FIELD_ENUM)
        row.enum_count = count_names(field->enum_names);
    if (field->type == FIELD_STRUCT)
        row.inner = codec_make(field->shape, row.wire->descriptor, depth + 1);
    return row;
}

static const struct codec *codec_make(const struct shape *shape,
                                      const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
    /* A message cannot nest deeper than its schema: anything deeper is an unknown field, which is
     * not parsed. */
    assert(depth <= LIMIT_NESTING);
    for (struct codec *codec = bindings; codec; codec = codec->next)
        if (codec->shape == shape && codec->descriptor == descriptor)
            return codec;
    /* All our fields were found and names are unique; so with equal counts all fields match. */
    assert(descriptor->n_fields == shape->field_count);
    struct codec *codec = mem_new(sizeof *codec);
    codec->shape = shape;
    codec->descriptor = descriptor;
    codec->rows = mem_new(shape->field_count * sizeof *codec->rows);
    for (size_t i = 0; i < shape->field_count; i++)
        codec->rows[i] = bind_field(&shape->fields[i], descriptor, depth);
    codec->next = bindings;
    bindings = codec;
    return codec;
}

const struct codec *codec_bind(const struct shape *shape,
                               const struct ProtobufCMessageDescriptor *descriptor)
{
    pthread_mutex_lock(&bindings_lock);
    const struct codec *codec = codec_make(shape, descriptor, 0);
    pthread_mutex_unlock(&bindings_lock);
    return codec;
}

/* ---- members ------------------------------------------------------------------------------ */

static const void *our_value(const struct codec_row *row, const void *plain)
{
    return (const char *)plain + row->field->offset;
}

static void *ours_of(const struct codec_row *row, void *plain)
{
    return (char *)plain + row->field->offset;
}

static const void *their_value(const struct codec_row *row, const void *wire)
{
    return (const char *)wire + row->wire->offset;
}

static void *theirs_of(const struct codec_row *row, void *wire)
{
    return (char *)wire + row->wire->offset;
}

/* Pointer members have many types; going through memcpy reads any of them without aliasing. */
static void *load_pointer(const void *from)
{
    void *pointer;
    memcpy(&pointer, from, sizeof pointer);
    return pointer;
}

static void store_pointer(void *to, const void *pointer)
{
    memcpy(to, &pointer, sizeof pointer);
}

/* ---- packing ------------------------------------------------------------------------------ */

static ProtobufCMessage *message_wrap(const struct codec *codec, const void *plain,
                                      struct arena *arena);

static const char *sound_text(const char *text, struct arena *arena)
{
    size_t size = text ? strlen(text) : 0;
    if (!size)
        return protobuf_c_empty_string;
    if (utf8_valid_bytes(text, size) == size)
        return text;
    char *repaired = arena_text(arena, text);
    utf8_repair(repaired, size);
    return repaired;
}

/* Sets one member of protobuf-c's struct. One that has the default value is not written. */
static void wrap_value(const struct codec_row *row, const void *plain, void *wire,
                       struct arena *arena)
{
    const void *from = our_value(row, plain);
    void *to = theirs_of(row, wire);
    switch (row->field->type) {
    case FIELD_U64:
        *(uint64_t *)to = *(const uint64_t *)from;
        return;
    case FIELD_I64:
        *(int64_t *)to = *(const int64_t *)from;
        return;
    case FIELD_U32:
    case FIELD_ENUM:
        *(uint32_t *)to = *(const uint32_t *)from;
        return;
    case FIELD_FLAG:
        *(protobuf_c_boolean *)to = *(const bool *)from;
        return;
    case FIELD_TEXT:
        store_pointer(to, sound_text(load_pointer(from), arena));
        return;
    case FIELD_BYTES: {
        const struct bytes *bytes = from;
        ProtobufCBinaryData *data = to;
        data->len = bytes->size;
        data->data =
            (uint8_t *)(uintptr_t)bytes->data; /* only read; protobuf-c's type has no const */
        return;
    }
    case FIELD_STRUCT:
        if (!shape_empty(row->inner->shape, from))
            store_pointer(to, message_wrap(row->inner, from, arena));
        return;
    }
    assert(!"unknown field type");
}

static void wrap_list(const struct codec_row *row, const void *plain, void *wire,
                      struct arena *arena)
{
    size_t count = *(const size_t *)((const char *)plain + row->field->count_offset);
    const char *items = load_pointer(our_value(row, plain));
    assert(count <= LIMIT_VARIANTS_PER_RUN);
    if (!count)
        return;
    const void **wrapped = arena_new(arena, count * sizeof *wrapped);
    for (size_t i = 0; i < count; i++) {
        if (row->field->type == FIELD_TEXT)
            wrapped[i] = sound_text(load_pointer(items + i * sizeof(const char *)), arena);
        else
            wrapped[i] = message_wrap(row->inner, items + i * row->inner->shape->size, arena);
    }
    store_pointer(theirs_of(row, wire), wrapped);
    *(size_t *)((char *)wire + row->wire->quantifier_offset) = count;
}

static ProtobufCMessage *message_wrap(const struct codec *codec, const void *plain,
                                      struct arena *arena)
{
    ProtobufCMessage *wire = arena_new(arena, codec->descriptor->sizeof_message);
    protobuf_c_message_init(codec->descriptor, wire);
    for (size_t i = 0; i < codec->shape->field_count; i++) {
        const struct codec_row *row = &codec->rows[i];
        if (row->field->is_list)
            wrap_list(row, plain, wire, arena);
        else
            wrap_value(row, plain, wire, arena);
    }
    return wire;
}

void codec_pack(const struct codec *codec, const void *plain, struct buf *out)
{
    struct arena arena = {0};
    ProtobufCMessage *wire = message_wrap(codec, plain, &arena);
    size_t size = protobuf_c_message_get_packed_size(wire);
    buf_reserve(out, size);
    size_t packed = protobuf_c_message_pack(wire, out->data + out->size);
    assert(packed == size);
    out->size += size;
    out->data[out->size] = '\0';
    arena_clear(&arena);
}

/* ---- unpacking ---------------------------------------------------------------------------- */

/* The allocator for protobuf-c: the caller's arena, with a budget. Each allocation is preceded by
 * its size, because protobuf-c stores the length of a text nowhere else and we must detect a NUL
 * inside a text. */
struct memory {
    struct arena *arena;
    size_t left;
};

struct piece {
    alignas(max_align_t) size_t size;
};

static void *memory_take(void *data, size_t size)
{
    struct memory *memory = data;
    if (size > memory->left)
        return NULL;
    memory->left -= size;
    struct piece *piece = arena_new(memory->arena, sizeof *piece + size);
    piece->size = size;
    return piece + 1;
}

/* Does nothing: an arena frees everything at once. */
static void memory_give(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

static int message_unwrap(const struct codec *codec, const ProtobufCMessage *wire, void *plain,
                          struct arena *arena, struct err *err);

static int unwrap_text(const struct codec_row *row, const char *text, void *to, struct err *err)
{
    if (!text || text == protobuf_c_empty_string) {
        store_pointer(to, "");
        return 0;
    }
    size_t size = ((const struct piece *)(const void *)text)[-1].size - 1;
    if (memchr(text, '\0', size))
        return err_set(err, "%s contains a NUL byte", row->field->name);
    if (utf8_valid_bytes(text, size) != size)
        return err_set(err, "%s is not UTF-8", row->field->name);
    store_pointer(to, text);
    return 0;
}

static int unwrap_enum(const struct codec_row *row, uint32_t value, void *to, struct err *err)
{
    if (value >= row->enum_count)
        return err_set(err, "%s has the value %u, which this version does not know",
                       row->field->name, value);
    *(uint32_t *)to = value;
    return 0;
}

static int unwrap_struct(const struct codec_row *row, const ProtobufCMessage *inner, void *to,
                         struct arena *arena, struct err *err)
{
    if (!inner) {
        shape_init(row->inner->shape, to);
        return 0;
    }
    return message_unwrap(row->inner, inner, to, arena, err);
}

static int unwrap_value(const struct codec_row *row, const void *wire, void *plain,
                        struct arena *arena, struct err *err)
{
    const void *from = their_value(row, wire);
    void *to = ours_of(row, plain);
    switch (row->field->type) {
    case FIELD_U64:
        *(uint64_t *)to = *(const uint64_t *)from;
        return 0;
    case FIELD_I64:
        *(int64_t *)to = *(const int64_t *)from;
        return 0;
    case FIELD_U32:
        *(uint32_t *)to = *(const uint32_t *)from;
        return 0;
    case FIELD_FLAG:
        *(bool *)to = *(const protobuf_c_boolean *)from != 0;
        return 0;
    case FIELD_ENUM:
        return unwrap_enum(row, *(const uint32_t *)from, to, err);
    case FIELD_TEXT:
        return unwrap_text(row, load_pointer(from), to, err);
    case FIELD_BYTES: {
        const ProtobufCBinaryData *data = from;
        *(struct bytes *)to = (struct bytes){data->len ? data->data : NULL, data->len};
        return 0;
    }
    case FIELD_STRUCT:
        return unwrap_struct(row, load_pointer(from), to, arena, err);
    }
    assert(!"unknown field type");
    return -1;
}

static int unwrap_list(const struct codec_row *row, const void *wire, void *plain,
                       struct arena *arena, struct err *err)
{
    size_t count = *(const size_t *)((const char *)wire + row->wire->quantifier_offset);
    const char *wrapped = load_pointer(their_value(row, wire));
    bool is_text = row->field->type == FIELD_TEXT;
    size_t size = is_text ? sizeof(const char *) : row->inner->shape->size;
    if (count > LIMIT_VARIANTS_PER_RUN)
        return err_set(err, "%s has %zu items; the limit is %d", row->field->name, count,
                       LIMIT_VARIANTS_PER_RUN);
    char *items = count ? arena_new(arena, count * size) : NULL;
    for (size_t i = 0; i < count; i++) {
        const void *from = load_pointer(wrapped + i * sizeof(void *));
        void *to = items + i * size;
        if ((is_text ? unwrap_text(row, from, to, err) : unwrap_struct(row, from, to, arena, err)) <
            0)
            return -1;
    }
    store_pointer(ours_of(row, plain), items);
    *(size_t *)((char *)plain + row->field->count_offset) = count;
    return 0;
}

/* `plain` need not be initialised: every member is set. */
static int message_unwrap(const struct codec *codec, const ProtobufCMessage *wire, void *plain,
                          struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < codec->shape->field_count; i++) {
        const struct codec_row *row = &codec->rows[i];
        int result = row->field->is_list ? unwrap_list(row, wire, plain, arena, err)
                                         : unwrap_value(row, wire, plain, arena, err);
        if (result < 0)
            return -1;
    }
    return 0;
}

int codec_unpack(const struct codec *codec, struct bytes bytes, void *plain, struct arena *arena,
                 struct err *err)
{
    struct memory memory = {arena, LIMIT_DECODE_BYTES(bytes.size)};
    ProtobufCAllocator allocator = {memory_take, memory_give, &memory};
    shape_init(codec->shape, plain);
    ProtobufCMessage *wire =
        protobuf_c_message_unpack(codec->descriptor, &allocator, bytes.size, bytes.data);
    if (!wire)
        return err_set(err, "%zu bytes are not a valid %s", bytes.size,
                       codec->descriptor->short_name);
    if (message_unwrap(codec, wire, plain, arena, err) == 0)
        return 0;
    shape_init(codec->shape, plain);
    return err_prefix(err, "%s", codec->descriptor->short_name);
}
