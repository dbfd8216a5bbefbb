/* SPDX-License-Identifier: MIT */
/* answers.c - the table of shapes, made from answers.def; the check against it and its page. */
#include "proto/answers.h"

#include <stdint.h>
#include <string.h>

#define MEMBER(name, type, optional, of, meaning)                                                  \
    {                                                                                              \
        name, type, optional, of, meaning                                                          \
    }
#define TEXT(name, meaning)             MEMBER(name, ANSWER_TEXT, false, NULL, meaning)
#define NUMBER(name, meaning)           MEMBER(name, ANSWER_NUMBER, false, NULL, meaning)
#define FLAG(name, meaning)             MEMBER(name, ANSWER_FLAG, false, NULL, meaning)
#define TEXTS(name, meaning)            MEMBER(name, ANSWER_TEXTS, false, NULL, meaning)
#define OBJECT(name, id, meaning)       MEMBER(name, ANSWER_OBJECT, false, &answer_##id, meaning)
#define LIST(name, id, meaning)         MEMBER(name, ANSWER_LIST, false, &answer_##id, meaning)
#define MAYBE_TEXT(name, meaning)       MEMBER(name, ANSWER_TEXT, true, NULL, meaning)
#define MAYBE_NUMBER(name, meaning)     MEMBER(name, ANSWER_NUMBER, true, NULL, meaning)
#define MAYBE_TEXTS(name, meaning)      MEMBER(name, ANSWER_TEXTS, true, NULL, meaning)
#define MAYBE_OBJECT(name, id, meaning) MEMBER(name, ANSWER_OBJECT, true, &answer_##id, meaning)
#define MAYBE_LIST(name, id, meaning)   MEMBER(name, ANSWER_LIST, true, &answer_##id, meaning)
#define MEMBERS(id)                     MEMBER(NULL, ANSWER_MEMBERS, false, &answer_##id, NULL)

#define ANSWER(id, meaning, is_open, ...)                                                          \
    static const struct answer_field id##_fields[] = {                                             \
        __VA_ARGS__, MEMBER(NULL, ANSWER_TEXT, false, NULL, NULL)};                                \
    const struct answer_shape answer_##id = {#id, meaning, is_open, id##_fields};
#include "proto/answers.def"

static const struct answer_shape *const shapes[] = {
#define ANSWER(id, meaning, is_open, ...) &answer_##id,
#include "proto/answers.def"
};

const struct answer_shape *answer_at(size_t index)
{
    return index < sizeof shapes / sizeof *shapes ? shapes[index] : NULL;
}

static bool is_end(const struct answer_field *field)
{
    return !field->name && field->type != ANSWER_MEMBERS;
}

/* ---- the check ------------------------------------------------------------------------------- */

static bool are_texts(const json_t *value)
{
    size_t index;
    json_t *item;
    json_array_foreach(value, index, item)
    {
        if (!json_is_string(item))
            return false;
    }
    return json_is_array(value);
}

static int check_list(const struct answer_field *field, const json_t *value, struct err *err)
{
    size_t index;
    json_t *item;
    if (!json_is_array(value))
        return err_set(err, "%s is not a list", field->name);
    json_array_foreach(value, index, item)
    {
        if (answer_check(field->of, item, err) < 0)
            return err_prefix(err, "%s[%zu]", field->name, index);
    }
    return 0;
}

static int check_member(const struct answer_field *field, const json_t *value, struct err *err)
{
    bool fine = true;
    if (!value || json_is_null(value))
        return field->optional ? 0 : err_set(err, "%s is missing", field->name);
    switch (field->type) {
    case ANSWER_TEXT:
        fine = json_is_string(value);
        break;
    case ANSWER_NUMBER:
        fine = json_is_integer(value);
        break;
    case ANSWER_FLAG:
        fine = json_is_boolean(value);
        break;
    case ANSWER_TEXTS:
        fine = are_texts(value);
        break;
    case ANSWER_OBJECT:
        return answer_check(field->of, value, err) < 0 ? err_prefix(err, "%s", field->name) : 0;
    case ANSWER_LIST:
        return check_list(field, value, err);
    case ANSWER_MEMBERS:
        break;
    }
    return fine ? 0 : err_set(err, "%s has another type", field->name);
}

static int check_members(const struct answer_shape *shape, const json_t *value, struct err *err)
{
    for (const struct answer_field *field = shape->fields; !is_end(field); field++) {
        int result = field->type == ANSWER_MEMBERS
                         ? check_members(field->of, value, err)
                         : check_member(field, json_object_get(value, field->name), err);
        if (result < 0)
            return -1;
    }
    return 0;
}

static bool has_member(const struct answer_shape *shape, const char *name)
{
    for (const struct answer_field *field = shape->fields; !is_end(field); field++)
        if (field->type == ANSWER_MEMBERS ? has_member(field->of, name)
                                          : !strcmp(field->name, name))
            return true;
    return false;
}

int answer_check(const struct answer_shape *shape, const json_t *value, struct err *err)
{
    const char *name;
    json_t *member;
    if (!json_is_object(value))
        return err_set(err, "it is not an object (%s)", shape->name);
    if (check_members(shape, value, err) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        if (!shape->is_open && !has_member(shape, name))
            return err_set(err, "%s is not described (%s)", name, shape->name);
    }
    return 0;
}

/* ---- the page -------------------------------------------------------------------------------- */

void answer_print_link(const struct answer_shape *shape, const char *page, FILE *out)
{
    fprintf(out, "[%s](%s#%s)", shape->name, page, shape->name);
}

static void print_type(const struct answer_field *field, FILE *out)
{
    static const char *const texts[] = {
        [ANSWER_TEXT] = "text",           [ANSWER_NUMBER] = "number", [ANSWER_FLAG] = "flag",
        [ANSWER_TEXTS] = "list of texts", [ANSWER_OBJECT] = "",       [ANSWER_LIST] = "list of ",
        [ANSWER_MEMBERS] = "members of "};
    fputs(texts[field->type], out);
    if (field->of)
        answer_print_link(field->of, "", out);
    if (field->optional)
        fputs(", optional", out);
}

static void print_shape(const struct answer_shape *shape, FILE *out)
{
    fprintf(out, "\n### %s\n\n%s.\n\n| member | type | meaning |\n|---|---|---|\n", shape->name,
            shape->meaning);
    for (const struct answer_field *field = shape->fields; !is_end(field); field++) {
        if (field->name)
            fprintf(out, "| `%s` | ", field->name);
        else
            fputs("| | ", out);
        print_type(field, out);
        fprintf(out, " | %s |\n", field->meaning ? field->meaning : field->of->meaning);
    }
    if (shape->is_open)
        fputs("| | any | further members, which depend on what it is about |\n", out);
}

void answers_print(FILE *out)
{
    for (size_t i = 0; answer_at(i); i++)
        print_shape(answer_at(i), out);
}
