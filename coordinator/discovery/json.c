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

static const struct field known_fields[] = {
    SHAPE_FIELD(struct discover_known, TEXT, project),
    SHAPE_FIELD(struct discover_known, TEXT, branch),
    SHAPE_FIELD(struct discover_known, TEXT, commit),
};
static const struct shape known_shape = SHAPE(struct discover_known, known_fields);

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
    SHAPE_LIST(struct discover_question, known, known_shape),
};
const struct shape discover_question_shape = SHAPE(struct discover_question, question_fields);

static const struct field answer_fields[] = {
    SHAPE_FIELD(struct discover_answer, TEXT, problem),
    SHAPE_TEXTS(struct discover_answer, warnings),
    SHAPE_LIST(struct discover_answer, items, plan_item_shape),
    SHAPE_LIST(struct discover_answer, rivals, plan_item_shape),
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
static const char before_rivals[] = "],\"rivals\":[\n";

static void print_items(const struct plan_item *items, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add(out, ",\n", 2);
        print_node(json_from_shape(&plan_item_shape, &items[i]), out);
    }
    buf_print(out, "%s", count ? "\n" : "");
}

void discover_print(const struct discover_answer *answer, struct buf *out)
{
    struct discover_answer head = *answer;
    head.items = head.rivals = NULL;
    head.items_count = head.rivals_count = 0;
    json_t *node = json_from_shape(&discover_answer_shape, &head);
    json_object_del(node, "items");
    json_object_del(node, "rivals");
    print_node(node, out);
    out->size--; /* the closing brace */
    buf_add(out, between, strlen(between));
    print_items(answer->items, answer->items_count, out);
    buf_print(out, "%s", before_rivals);
    print_items(answer->rivals, answer->rivals_count, out);
    buf_print(out, "]}\n");
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

/* Parses at most `most` lines with an item each, up to a line that begins otherwise; *text is moved
 * there. */
static int parse_items(const char **text, size_t most, struct plan_item **out, size_t *count,
                       struct arena *arena, struct err *err)
{
    size_t capacity = 0;
    struct plan_item *items = NULL;
    const char *at = *text;
    int result = 0;
    *count = 0;
    while (result == 0 && *at == '{') {
        size_t size = strcspn(at, "\n");
        size_t object = size - (size > 0 && at[size - 1] == ',');
        MEM_GROW(items, *count, capacity);
        if (*count == most)
            result = err_set(err, "discovery's answer has more than %zu items", most);
        else
            result = parse_part(&plan_item_shape, at, object, &items[(*count)++], arena, err);
        at += size + (at[size] == '\n');
    }
    *out = arena_new(arena, *count * sizeof *items);
    if (items)
        memcpy(*out, items, *count * sizeof *items);
    free(items);
    *text = at;
    return result;
}

static int parse_lists(const char *text, struct discover_answer *answer, struct arena *arena,
                       struct err *err)
{
    int result = parse_items(&text, LIMIT_VARIANTS_PER_RUN, &answer->items, &answer->items_count,
                             arena, err);
    if (result == 0 && strncmp(text, before_rivals, strlen(before_rivals)) == 0) {
        text += strlen(before_rivals);
        result = parse_items(&text, SIZE_MAX, &answer->rivals, &answer->rivals_count, arena, err);
    }
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
            result = parse_lists(items + strlen(between), answer, arena, err);
    }
    free(copy);
    return result;
}

static int parse_question(struct discover_question *question, struct arena *arena, struct err *err)
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
    if (parse_question(&question, &arena, &err) < 0 ||
        discover_run(&question, &answer, &arena, &err) < 0)
        answer.problem = err.text;
    discover_print(&answer, &out);
    int result = fwrite(out.data, 1, out.size, stdout) == out.size && fflush(stdout) == 0;
    buf_release(&out);
    arena_clear(&arena);
    return result ? 0 : 1;
}
