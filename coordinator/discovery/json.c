/* SPDX-License-Identifier: MIT */
/* json.c - converts questions and answers of `farmd discover` to and from JSON. */
#include "coordinator/discovery/discover.h"

#include "proto/json.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct field pin_fields[] = {
    SHAPE_FIELD(struct discover_pin, TEXT, project),
    SHAPE_FIELD(struct discover_pin, TEXT, url),
    SHAPE_FIELD(struct discover_pin, TEXT, branch),
    SHAPE_FIELD(struct discover_pin, TEXT, commit),
};
static const struct shape pin_shape = SHAPE(struct discover_pin, pin_fields);

static const struct field question_fields[] = {
    SHAPE_FIELD(struct discover_question, TEXT, home),
    SHAPE_FIELD(struct discover_question, TEXT, config),
    SHAPE_FIELD(struct discover_question, TEXT, project),
    SHAPE_FIELD(struct discover_question, TEXT, filter),
    SHAPE_FIELD(struct discover_question, FLAG, fetch),
    SHAPE_FIELD(struct discover_question, TEXT, bundle),
    SHAPE_FIELD(struct discover_question, TEXT, commit),
    SHAPE_FIELD(struct discover_question, TEXT, branch),
    SHAPE_LIST(struct discover_question, pins, pin_shape),
};
const struct shape discover_question_shape = SHAPE(struct discover_question, question_fields);

static const struct field answer_fields[] = {
    SHAPE_FIELD(struct discover_answer, TEXT, problem),
    SHAPE_TEXTS(struct discover_answer, warnings),
    SHAPE_LIST(struct discover_answer, items, plan_item_shape),
};
const struct shape discover_answer_shape = SHAPE(struct discover_answer, answer_fields);

/* ---- writing and reading -------------------------------------------------------------------- */

static void print_node(json_t *node, struct buf *out)
{
    char *text = json_dumps(node, JSON_COMPACT | JSON_ENCODE_ANY);
    buf_add(out, text, strlen(text));
    free(text);
    json_decref(node);
}

static const char between[] = ",\"items\":[\n";

void discover_print(const struct discover_answer *answer, struct buf *out)
{
    struct discover_answer head = *answer;
    head.items = NULL;
    head.items_count = 0;
    json_t *node = json_from_shape(&discover_answer_shape, &head);
    json_object_del(node, "items");
    print_node(node, out);
    out->size--; /* the closing brace */
    buf_add(out, between, strlen(between));
    for (size_t i = 0; i < answer->items_count; i++) {
        if (i)
            buf_add(out, ",\n", 2);
        print_node(json_from_shape(&plan_item_shape, &answer->items[i]), out);
    }
    buf_print(out, "%s]}\n", answer->items_count ? "\n" : "");
}

static int parse_part(const struct shape *shape, const char *text, size_t size, void *plain,
                      struct arena *arena, struct err *err)
{
    json_error_t fault;
    json_t *node = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
    if (!node)
        return err_set(err, "discovery's answer is not JSON: %s", fault.text);
    int result = json_to_shape(shape, node, plain, arena, err);
    json_decref(node);
    return result;
}

static int parse_items(const char *text, struct discover_answer *answer, struct arena *arena,
                       struct err *err)
{
    size_t capacity = 0;
    struct plan_item *items = NULL;
    int result = 0;
    answer->items_count = 0; /* the head has no items */
    while (result == 0 && *text == '{') {
        size_t size = strcspn(text, "\n");
        size_t object = size - (size > 0 && text[size - 1] == ',');
        MEM_GROW(items, answer->items_count, capacity);
        if (answer->items_count == LIMIT_VARIANTS_PER_RUN)
            result =
                err_set(err, "discovery's answer has more than %d items", LIMIT_VARIANTS_PER_RUN);
        else
            result = parse_part(&plan_item_shape, text, object, &items[answer->items_count++],
                                arena, err);
        text += size + (text[size] == '\n');
    }
    answer->items = arena_new(arena, answer->items_count * sizeof *items);
    if (items)
        memcpy(answer->items, items, answer->items_count * sizeof *items);
    free(items);
    if (result == 0 && strncmp(text, "]}", 2) != 0)
        return err_set(err, "discovery's answer is incomplete");
    return result;
}

int discover_parse(struct bytes text, struct discover_answer *answer, struct arena *arena,
                   struct err *err)
{
    /* A final NUL makes the answer a C string. */
    char *copy =
        memcpy(mem_new(text.size + 1), text.size ? (const void *)text.data : "", text.size);
    char *items = strstr(copy, between);
    int result;
    if (!items) {
        result = err_set(err, "discovery did not answer");
    } else {
        *items = '}';
        result = parse_part(&discover_answer_shape, copy, (size_t)(items + 1 - copy), answer, arena,
                            err);
        if (result == 0)
            result = parse_items(items + strlen(between), answer, arena, err);
    }
    free(copy);
    return result;
}

static int read_question(struct discover_question *question, struct arena *arena, struct err *err)
{
    json_error_t fault;
    json_t *node = json_loadf(stdin, JSON_REJECT_DUPLICATES, &fault);
    if (!node)
        return err_set(err, "the question is not JSON: %s", fault.text);
    int result = json_to_shape(&discover_question_shape, node, question, arena, err);
    json_decref(node);
    return result;
}

int discover_main(void)
{
    struct discover_question question;
    struct discover_answer answer;
    struct arena arena = {0};
    struct err err = {""};
    struct buf out = {0};
    shape_init(&discover_answer_shape, &answer);
    if (read_question(&question, &arena, &err) < 0 ||
        discover_run(&question, &answer, &arena, &err) < 0)
        answer.problem = err.text;
    discover_print(&answer, &out);
    int result = fwrite(out.data, 1, out.size, stdout) == out.size && fflush(stdout) == 0;
    buf_release(&out);
    arena_clear(&arena);
    return result ? 0 : 1;
}
