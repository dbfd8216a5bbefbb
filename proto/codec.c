/* SPDX-License-Identifier: MIT */
/* codec.c - one walk from a plain struct to protobuf bytes, one walk back.
 *
 * A binding is a table of rows: our field, protobuf-c's field, and for nested structs their
 * binding. Packing builds protobuf-c's structs in an arena and lets protobuf-c write them;
 * unpacking lets it read them into the caller's arena, from where texts and bytes are borrowed.
 *
 * Invariants: what codec_pack writes codec_unpack accepts (texts that are not UTF-8 are repaired
 * on the way out, so that one odd branch name cannot make a message that every peer drops); what
 * codec_unpack returns keeps shape.h's conventions; the memory it takes is bounded by
 * LIMIT_DECODE_BYTES whatever the bytes say.
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

struct row {
    const struct field *field;
    const ProtobufCFieldDescriptor *wire;
    const struct codec *inner; /* FIELD_STRUCT: how its items are bound */
    uint32_t enum_count;       /* FIELD_ENUM: values below are known */
};

struct codec {
    const struct shape *shape;
    const ProtobufCMessageDescriptor *descriptor;
    struct row *rows;
    struct codec *next;
};

/* Bindings are constants that are computed once; this list only finds them again. */
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

static const struct codec *bind(const struct shape *shape,
                                const ProtobufCMessageDescriptor *descriptor, unsigned depth);

static struct row bind_field(const struct field *field,
                             const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
    struct row row = {
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
        row.inner = bind(field->shape, row.wire->descriptor, depth + 1);
    return row;
}

static const struct codec *bind(const struct shape *shape,
                                const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
    /* The wire's nesting is the schema's: what is deeper is an unknown field and not parsed. */
    assert(depth <= LIMIT_NESTING);
    for (struct codec *codec = bindings; codec; codec = codec->next)
        if (codec->shape == shape && codec->descriptor == descriptor)
            return codec;
    /* Same number, all ours found, names unique: so all theirs are ours too. */
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
    const struct codec *codec = bind(shape, descriptor, 0);
    pthread_mutex_unlock(&bindings_lock);
    return codec;
}

/* ---- members ------------------------------------------------------------------------------ */

static const void *ours(const struct row *row, const void *plain)
{
    return (const char *)plain + row->field->offset;
}

static void *ours_of(const struct row *row, void *plain)
{
    return (char *)plain + row->field->offset;
}

static const void *theirs(const struct row *row, const void *wire)
{
    return (const char *)wire + row->wire->offset;
}

static void *theirs_of(const struct row *row, void *wire)
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

static ProtobufCMessage *wrap(const struct codec *codec, const void *plain, struct arena *arena,
                              bool *is_empty);

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

/* Puts one member into protobuf-c's struct. Returns whether it is the default, which is not
 * written. */
static bool wrap_value(const struct row *row, const void *plain, void *wire, struct arena *arena)
{
    const void *from = ours(row, plain);
    void *to = theirs_of(row, wire);
    switch (row->field->type) {
    case FIELD_U64:
        return (*(uint64_t *)to = *(const uint64_t *)from) == 0;
    case FIELD_I64:
        return (*(int64_t *)to = *(const int64_t *)from) == 0;
    case FIELD_U32:
    case FIELD_ENUM:
        return (*(uint32_t *)to = *(const uint32_t *)from) == 0;
    case FIELD_FLAG:
        return !(*(protobuf_c_boolean *)to = *(const bool *)from);
    case FIELD_TEXT: {
        const char *text = sound_text(load_pointer(from), arena);
        store_pointer(to, text);
        return !*text;
    }
    case FIELD_BYTES: {
        const struct bytes *bytes = from;
        ProtobufCBinaryData *data = to;
        data->len = bytes->size;
        data->data =
            (uint8_t *)(uintptr_t)bytes->data; /* only read: its type is older than const */
        return bytes->size == 0;
    }
    case FIELD_STRUCT: {
        bool is_empty;
        ProtobufCMessage *inner = wrap(row->inner, from, arena, &is_empty);
        store_pointer(to, is_empty ? NULL : inner);
        return is_empty;
    }
    }
    assert(!"unknown field type");
    return true;
}

static bool wrap_list(const struct row *row, const void *plain, void *wire, struct arena *arena)
{
    size_t count = *(const size_t *)((const char *)plain + row->field->count_offset);
    const char *items = load_pointer(ours(row, plain));
    assert(count <= LIMIT_VARIANTS_PER_RUN);
    if (!count)
        return true;
    const void **wrapped = arena_new(arena, count * sizeof *wrapped);
    for (size_t i = 0; i < count; i++) {
        bool ignored;
        if (row->field->type == FIELD_TEXT)
            wrapped[i] = sound_text(load_pointer(items + i * sizeof(const char *)), arena);
        else
            wrapped[i] = wrap(row->inner, items + i * row->inner->shape->size, arena, &ignored);
    }
    store_pointer(theirs_of(row, wire), wrapped);
    *(size_t *)((char *)wire + row->wire->quantifier_offset) = count;
    return false;
}

static ProtobufCMessage *wrap(const struct codec *codec, const void *plain, struct arena *arena,
                              bool *is_empty)
{
    ProtobufCMessage *wire = arena_new(arena, codec->descriptor->sizeof_message);
    protobuf_c_message_init(codec->descriptor, wire);
    *is_empty = true;
    for (size_t i = 0; i < codec->shape->field_count; i++) {
        const struct row *row = &codec->rows[i];
        bool is_default = row->field->is_list ? wrap_list(row, plain, wire, arena)
                                              : wrap_value(row, plain, wire, arena);
        *is_empty = *is_empty && is_default;
    }
    return wire;
}

void codec_pack(const struct codec *codec, const void *plain, struct buf *out)
{
    struct arena arena = {0};
    bool ignored;
    ProtobufCMessage *wire = wrap(codec, plain, &arena, &ignored);
    size_t size = protobuf_c_message_get_packed_size(wire);
    buf_reserve(out, size);
    size_t packed = protobuf_c_message_pack(wire, out->data + out->size);
    assert(packed == size);
    out->size += size;
    out->data[out->size] = '\0';
    arena_clear(&arena);
}

/* ---- unpacking ---------------------------------------------------------------------------- */

/* protobuf-c's memory: the caller's arena, with a budget. Each piece begins with its size, because
 * protobuf-c keeps a text's length only there and a NUL inside a text has to be found out. */
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

/* An arena gives nothing back before its end. */
static void memory_give(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

static int unwrap(const struct codec *codec, const ProtobufCMessage *wire, void *plain,
                  struct arena *arena, struct err *err);

static int unwrap_text(const struct row *row, const char *text, void *to, struct err *err)
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

static int unwrap_enum(const struct row *row, uint32_t value, void *to, struct err *err)
{
    if (value >= row->enum_count)
        return err_set(err, "%s has the value %u, which this version does not know",
                       row->field->name, value);
    *(uint32_t *)to = value;
    return 0;
}

static int unwrap_struct(const struct row *row, const ProtobufCMessage *inner, void *to,
                         struct arena *arena, struct err *err)
{
    if (!inner) {
        shape_init(row->inner->shape, to);
        return 0;
    }
    return unwrap(row->inner, inner, to, arena, err);
}

static int unwrap_value(const struct row *row, const void *wire, void *plain, struct arena *arena,
                        struct err *err)
{
    const void *from = theirs(row, wire);
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

static int unwrap_list(const struct row *row, const void *wire, void *plain, struct arena *arena,
                       struct err *err)
{
    size_t count = *(const size_t *)((const char *)wire + row->wire->quantifier_offset);
    const char *wrapped = load_pointer(theirs(row, wire));
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

/* `plain` may hold anything before: every member is set. */
static int unwrap(const struct codec *codec, const ProtobufCMessage *wire, void *plain,
                  struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < codec->shape->field_count; i++) {
        const struct row *row = &codec->rows[i];
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
        return err_set(err, "%zu bytes are no %s", bytes.size, codec->descriptor->short_name);
    if (unwrap(codec, wire, plain, arena, err) == 0)
        return 0;
    shape_init(codec->shape, plain);
    return err_prefix(err, "%s", codec->descriptor->short_name);
}
