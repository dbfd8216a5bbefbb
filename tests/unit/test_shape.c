/* SPDX-License-Identifier: MIT */
#include "proto/vocab.h"
#include "tests/unit/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct shape *const shapes[] = {
    &token_shape,        &variant_shape,    &target_shape,     &recipe_shape,   &needs_shape,
    &inputs_shape,       &plan_item_shape,  &filesystem_shape, &gpu_shape,      &pressure_shape,
    &capabilities_shape, &exit_facts_shape, &product_shape,    &item_shape,     &hello_shape,
    &status_shape,       &welcome_shape,    &refused_shape,    &order_shape,    &orders_shape,
    &log_data_shape,     &log_resume_shape, &log_ack_shape,    &log_read_shape, &log_piece_shape,
    &request_shape,      &reply_shape,
};
enum { SHAPE_COUNT = sizeof shapes / sizeof shapes[0] };

static size_t bytes_of(const struct field *field)
{
    static const size_t sizes[] = {
        [FIELD_U64] = 8,
        [FIELD_U32] = 4,
        [FIELD_I64] = 8,
        [FIELD_FLAG] = 1,
        [FIELD_ENUM] = 4,
        [FIELD_TEXT] = sizeof(char *),
        [FIELD_BYTES] = sizeof(struct bytes),
    };
    if (field->is_list)
        return sizeof(void *);
    return field->type == FIELD_STRUCT ? field->shape->size : sizes[field->type];
}

/* Bytes of the struct that no row speaks of must be padding, which is less than a word in a row. */
static void assert_covered(const struct shape *shape)
{
    struct arena arena = {0};
    bool *covered = arena_new(&arena, shape->size);
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        memset(covered + field->offset, true, bytes_of(field));
        if (field->is_list)
            memset(covered + field->count_offset, true, sizeof(size_t));
    }
    for (size_t i = 0, gap = 0; i < shape->size; i++) {
        gap = covered[i] ? 0 : gap + 1;
        if (gap == 8)
            fail_msg("%s: bytes %zu to %zu have no row in vocab.c", shape->name, i - 7, i);
    }
    arena_clear(&arena);
}

static void rows_cover_their_structs(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPE_COUNT; i++)
        assert_covered(shapes[i]);
}

static void init_makes_texts_empty(void **state)
{
    (void)state;
    struct order order;
    memset(&order, 0xa5, sizeof order);
    shape_init(&order_shape, &order);
    assert_string_equal(order.variant.python, "");
    assert_string_equal(order.product.derivation, "");
    assert_null(order.product.paths);
    assert_int_equal(order.product.paths_count, 0);
    assert_int_equal(order.recipe.wall_ms, 0);
    assert_null(order.secret.data);
}

static void copy_equals_and_owns(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        struct arena first = {0}, second = {0}, third = {0};
        void *a = arena_new(&first, shapes[i]->size), *b = arena_new(&second, shapes[i]->size);
        void *again = arena_new(&third, shapes[i]->size);
        sample_fill(shapes[i], a, &first, 7);
        sample_fill(shapes[i], again, &third, 7);
        shape_copy(shapes[i], b, a, &second);
        assert_true(shape_equal(shapes[i], a, b));
        assert_true(shape_hash(1, shapes[i], a) == shape_hash(1, shapes[i], b));
        arena_clear(&first); /* the copy must not look there: the sanitizer would tell */
        assert_true(shape_equal(shapes[i], again, b));
        arena_clear(&second);
        arena_clear(&third);
    }
}

static void copy_in_place_detaches(void **state)
{
    (void)state;
    char text[] = "before";
    struct arena arena = {0};
    struct refused refused = {.reason = text};
    shape_copy(&refused_shape, &refused, &refused, &arena);
    text[0] = 'X';
    assert_string_equal(refused.reason, "before");
    refused.reason = NULL;
    shape_copy(&refused_shape, &refused, &refused, &arena);
    assert_string_equal(refused.reason, "");
    arena_clear(&arena);
}

/* What init makes is empty, and any single field fills it. */
static void empty_sees_each_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPE_COUNT; i++)
        for (size_t j = 0; j < shapes[i]->field_count; j++) {
            const struct field *field = &shapes[i]->fields[j];
            struct arena arena = {0};
            void *full = arena_new(&arena, shapes[i]->size);
            void *one = arena_new(&arena, shapes[i]->size);
            sample_fill(shapes[i], full, &arena, 1);
            shape_init(shapes[i], one);
            assert_true(shape_empty(shapes[i], one));
            memcpy((char *)one + field->offset, (char *)full + field->offset, bytes_of(field));
            if (field->is_list)
                memcpy((char *)one + field->count_offset, (char *)full + field->count_offset,
                       sizeof(size_t));
            assert_false(shape_empty(shapes[i], one));
            arena_clear(&arena);
        }
}

/* Changing any single field is noticed, and changes the hash. */
static void equal_sees_each_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPE_COUNT; i++)
        for (size_t j = 0; j < shapes[i]->field_count; j++) {
            const struct field *field = &shapes[i]->fields[j];
            struct arena arena = {0};
            void *a = arena_new(&arena, shapes[i]->size), *b = arena_new(&arena, shapes[i]->size);
            void *zero = arena_new(&arena, shapes[i]->size);
            sample_fill(shapes[i], a, &arena, 1);
            sample_fill(shapes[i], b, &arena, 1);
            shape_init(shapes[i], zero);
            size_t at = field->is_list ? field->count_offset : field->offset;
            size_t size = field->is_list ? sizeof(size_t) : bytes_of(field);
            memcpy((char *)b + at, (char *)zero + at, size);
            assert_false(shape_equal(shapes[i], a, b));
            assert_false(shape_equal(shapes[i], b, a));
            assert_true(shape_hash(1, shapes[i], a) != shape_hash(1, shapes[i], b));
            arena_clear(&arena);
        }
}

static void hash_reads_a_missing_text_as_empty(void **state)
{
    (void)state;
    struct refused missing = {0}, empty;
    shape_init(&refused_shape, &empty);
    assert_true(shape_hash(1, &refused_shape, &missing) == shape_hash(1, &refused_shape, &empty));
}

static void print_is_one_short_line(void **state)
{
    (void)state;
    static const char *paths[] = {"/nix/store/a", "/nix/store/b c"};
    struct buf out = {0};
    struct item item;
    shape_init(&item_shape, &item);
    shape_print(&item_shape, &item, &out);
    assert_int_equal(out.size, 0);

    item.token = (struct token){1, 42};
    item.state = ITEM_ENDED;
    item.cause = CAUSE_DISK_FULL;
    item.detail = "no\nspace \"left\"";
    item.facts.status = -1;
    item.rebuilt = true;
    item.product.paths = paths;
    item.product.paths_count = 2;
    shape_print(&item_shape, &item, &out);
    assert_string_equal((const char *)out.data,
                        "token={epoch=1 number=42} state=ended cause=disk-full "
                        "detail=\"no\\nspace \\\"left\\\"\" facts={status=-1} "
                        "product={paths=[/nix/store/a \"/nix/store/b c\"]} rebuilt=true");
    buf_release(&out);
}

static void print_keeps_secrets(void **state)
{
    (void)state;
    struct buf out = {0};
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = ORDER_GRANT;
    order.secret = (struct bytes){(const uint8_t *)"hunter2", 7};
    shape_print(&order_shape, &order, &out);
    assert_string_equal((const char *)out.data, "kind=grant secret=<7 bytes>");
    buf_release(&out);
}

static void enum_names_read_back(void **state)
{
    (void)state;
    assert_int_equal(shape_enum_value(cause_names, "wrong-host"), CAUSE_WRONG_HOST);
    assert_int_equal(shape_enum_value(cause_names, "unknown"), CAUSE_UNKNOWN);
    assert_int_equal(shape_enum_value(cause_names, "hardware"), CAUSE_HARDWARE);
    assert_null(cause_names[CAUSE_HARDWARE + 1]);
    assert_int_equal(shape_enum_value(verdict_names, "unroutable"), VERDICT_UNROUTABLE);
    assert_int_equal(shape_enum_value(target_kind_names, "nix-cache"), TARGET_NIX_CACHE);
    assert_int_equal(shape_enum_value(phase_names, "publish"), PHASE_PUBLISH);
    assert_int_equal(shape_enum_value(role_names, "worker"), ROLE_WORKER);
    assert_int_equal(shape_enum_value(order_kind_names, "grant"), ORDER_GRANT);
    assert_int_equal(shape_enum_value(item_state_names, "ended"), ITEM_ENDED);
    assert_int_equal(shape_enum_value(outcome_names, "refused"), OUTCOME_REFUSED);
    assert_int_equal(shape_enum_value(checked_names, "gpu"), CHECKED_GPU);
    assert_int_equal(shape_enum_value(check_mode_names, "off"), CHECK_OFF);
    assert_int_equal(shape_enum_value(builder_names, "command"), BUILDER_COMMAND);
    assert_int_equal(shape_enum_value(cause_names, "Wrong-host"), -1);
    assert_int_equal(shape_enum_value(cause_names, ""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_cover_their_structs),
        cmocka_unit_test(init_makes_texts_empty),
        cmocka_unit_test(copy_equals_and_owns),
        cmocka_unit_test(copy_in_place_detaches),
        cmocka_unit_test(equal_sees_each_field),
        cmocka_unit_test(print_is_one_short_line),
        cmocka_unit_test(print_keeps_secrets),
        cmocka_unit_test(enum_names_read_back),
        cmocka_unit_test(empty_sees_each_field),
        cmocka_unit_test(hash_reads_a_missing_text_as_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
