/* SPDX-License-Identifier: MIT */
#include "coordinator/api/parameters.h"

#include "proto/base/shape.h"

#include <stdint.h>
#include <string.h>

/* ---- texts ----------------------------------------------------------------------------------- */

static void describe_words(const char *const *words, struct buf *out)
{
    for (size_t i = 0; words[i]; i++)
        buf_print(out, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

static void describe_number(const struct parameter *parameter, struct buf *out)
{
    buf_print(out, "a whole number");
    if (parameter->most != INT64_MAX)
        buf_print(out, " from %lld to %lld", (long long)parameter->least,
                  (long long)parameter->most);
    else if (parameter->least != INT64_MIN)
        buf_print(out, " of at least %lld", (long long)parameter->least);
}

void parameter_describe(const struct parameter *parameter, struct buf *out)
{
    switch (parameter->type) {
    case PARAMETER_TEXT:
        buf_print(out, "a text");
        break;
    case PARAMETER_NUMBER:
        describe_number(parameter, out);
        break;
    case PARAMETER_FLAG:
        buf_print(out, "true or false");
        break;
    case PARAMETER_WORD:
        describe_words(parameter->words, out);
        break;
    case PARAMETER_LIST:
        buf_print(out, "a list of 1 to %lld objects", (long long)parameter->most);
        break;
    }
}

/* ---- the check ------------------------------------------------------------------------------- */

static const struct parameter *find_parameter(const struct parameter *parameters, const char *name)
{
    for (; parameters->name; parameters++)
        if (!strcmp(parameters->name, name))
            return parameters;
    return NULL;
}

static bool is_given(const json_t *value)
{
    if (json_is_string(value))
        return json_string_length(value) > 0;
    if (json_is_integer(value))
        return json_integer_value(value) != 0;
    return value && !json_is_null(value) && !json_is_false(value);
}

/* A value that is not given still has its type. */
static bool has_type(const struct parameter *parameter, const json_t *value)
{
    switch (parameter->type) {
    case PARAMETER_TEXT:
    case PARAMETER_WORD:
        return json_is_string(value);
    case PARAMETER_NUMBER:
        return json_is_integer(value);
    case PARAMETER_FLAG:
        return json_is_boolean(value);
    case PARAMETER_LIST:
        return json_is_array(value);
    }
    return false;
}

static bool are_objects(const json_t *list)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        if (!json_is_object(item))
            return false;
    }
    return true;
}

static bool is_in_bounds(const struct parameter *parameter, const json_t *value)
{
    switch (parameter->type) {
    case PARAMETER_NUMBER:
        return json_integer_value(value) >= parameter->least &&
               json_integer_value(value) <= parameter->most;
    case PARAMETER_WORD:
        return shape_enum_value(parameter->words, json_string_value(value)) >= 0;
    case PARAMETER_LIST:
        return json_array_size(value) > 0 && json_array_size(value) <= (size_t)parameter->most &&
               are_objects(value);
    case PARAMETER_TEXT:
    case PARAMETER_FLAG:
        break;
    }
    return true;
}

static int refuse_value(const char *request, const struct parameter *parameter, struct err *err)
{
    struct buf wanted = {0};
    parameter_describe(parameter, &wanted);
    err_set(err, "%s: \"%s\" must be %s", request, parameter->name, (char *)wanted.data);
    buf_release(&wanted);
    return -1;
}

static int refuse_unknown(const char *request, const struct parameter *parameters, const char *name,
                          struct err *err)
{
    struct buf known = {0};
    for (const struct parameter *at = parameters; at->name; at++)
        buf_print(&known, "%s%s", known.size ? ", " : "", at->name);
    err_set(err,
            "%s has no parameter \"%.64s\" in this coordinator, which may be older than your farm "
            "program; it has: %s",
            request, name, known.size ? (char *)known.data : "none");
    buf_release(&known);
    return -1;
}

int parameters_check(const char *request, const struct parameter *parameters,
                     const json_t *arguments, struct err *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(arguments))
        return err_set(err, "the arguments of %s must be a JSON object", request);
    json_object_foreach((json_t *)(uintptr_t)arguments, name, value)
    {
        const struct parameter *parameter = find_parameter(parameters, name);
        if (!parameter && !is_given(value))
            continue;
        if (!parameter)
            return refuse_unknown(request, parameters, name, err);
        if (!json_is_null(value) &&
            (!has_type(parameter, value) || (is_given(value) && !is_in_bounds(parameter, value))))
            return refuse_value(request, parameter, err);
    }
    for (const struct parameter *at = parameters; at->name; at++)
        if (at->required && !is_given(json_object_get(arguments, at->name)))
            return err_set(err, "%s needs the parameter \"%s\"", request, at->name);
    return 0;
}
