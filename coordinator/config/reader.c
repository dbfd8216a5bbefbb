/* SPDX-License-Identifier: MIT */
/* reader.c - reads farm.yaml.
 *
 * libyaml makes a tree of nodes with line and column; one walk over the table of options
 * (options.c) moves the values into struct config; then config_check checks them together. The
 * reader remembers the place of each value until the end, so that every error names its line and
 * column.
 *
 * Refuses: unknown and repeated keys, values of a wrong kind, a second document, lists longer than
 * ITEMS_MAX.
 */
#include "coordinator/config/config.h"

#include "coordinator/config/check.h"
#include "coordinator/config/options.h"
#include "coordinator/matrix/names.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Maximum items of a list: with aliases, a short file can describe a very long one. */
enum { ITEMS_MAX = 10000 };

/* Where the value of a member was written. */
struct place {
    const void *member;
    yaml_mark_t mark;
};

struct reader {
    const char *path;
    yaml_document_t document;
    struct config *config;
    struct place *places;
    size_t place_count, place_capacity;
    struct err *err;
};

/* ---- errors with their place ---------------------------------------------------------------- */

/* Puts "farm.yaml:12:5: " before the error's text. */
static int at_mark(struct reader *reader, yaml_mark_t mark)
{
    return err_prefix(reader->err, "%s:%zu:%zu", reader->path, mark.line + 1, mark.column + 1);
}

static int at_node(struct reader *reader, const yaml_node_t *node)
{
    return at_mark(reader, node->start_mark);
}

/* Puts the place where a member was written before the error's text. */
static int at_member(struct reader *reader, const void *member)
{
    for (size_t i = reader->place_count; i-- > 0;)
        if (reader->places[i].member == member)
            return at_mark(reader, reader->places[i].mark);
    return err_prefix(reader->err, "%s", reader->path);
}

static void remember_place(struct reader *reader, const void *member, const yaml_node_t *node)
{
    MEM_GROW(reader->places, reader->place_count, reader->place_capacity);
    reader->places[reader->place_count++] = (struct place){member, node->start_mark};
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static const yaml_node_t *node_of(struct reader *reader, int index)
{
    return yaml_document_get_node(&reader->document, index);
}

static const char *scalar_text(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* True for `key:` without a value, as when all keys of a group are commented out. */
static bool is_absent(const yaml_node_t *node)
{
    const char *text = scalar_text(node);
    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static const char *kind_of(const yaml_node_t *node)
{
    return node->type == YAML_MAPPING_NODE    ? "keys with values"
           : node->type == YAML_SEQUENCE_NODE ? "a list"
                                              : "a text";
}

static int refuse_kind(struct reader *reader, const char *key, const char *expected,
                       const yaml_node_t *node)
{
    err_set(reader->err, "%s: expected %s, not %s", key, expected, kind_of(node));
    return at_node(reader, node);
}

static int expect_text(struct reader *reader, const char *key, const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return refuse_kind(reader, key, "one value", node);
    if (strlen(scalar_text(node)) != node->data.scalar.length ||
        node->data.scalar.length > LIMIT_TEXT_BYTES) {
        err_set(reader->err, "%s: at most %d bytes and no NUL", key, LIMIT_TEXT_BYTES);
        return at_node(reader, node);
    }
    return 0;
}

/* ---- the walk over the table ---------------------------------------------------------------- */

static int read_mapping(struct reader *reader, const struct config_option *options,
                        const char *what, const yaml_node_t *node, void *plain);

/* The number of items, or -1 with the error set. */
static long count_items(struct reader *reader, const struct config_option *option,
                        const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return refuse_kind(reader, option->key, "a list (lines that begin with \"- \")", node);
    long count = node->data.sequence.items.top - node->data.sequence.items.start;
    if (count > ITEMS_MAX) {
        err_set(reader->err, "%s: at most %d items", option->key, ITEMS_MAX);
        return at_node(reader, node);
    }
    return count;
}

static int read_list(struct reader *reader, const struct config_option *option,
                     const yaml_node_t *node, void *plain)
{
    long count = count_items(reader, option, node);
    if (count < 0)
        return -1;
    char *items = arena_new(&reader->config->arena, (size_t)count * option->item_size);
    for (long i = 0; i < count; i++)
        if (read_mapping(reader, option->options, option->key,
                         node_of(reader, node->data.sequence.items.start[i]),
                         items + (size_t)i * option->item_size) < 0)
            return -1;
    *(void **)((char *)plain + option->offset) = items;
    *(size_t *)((char *)plain + option->count_offset) = (size_t)count;
    return 0;
}

static int read_texts(struct reader *reader, const struct config_option *option,
                      const yaml_node_t *node, void *plain)
{
    long count = count_items(reader, option, node);
    if (count < 0)
        return -1;
    const char **texts = arena_new(&reader->config->arena, (size_t)count * sizeof *texts);
    for (long i = 0; i < count; i++) {
        const yaml_node_t *item = node_of(reader, node->data.sequence.items.start[i]);
        if (expect_text(reader, option->key, item) < 0)
            return -1;
        texts[i] = arena_text(&reader->config->arena, scalar_text(item));
        remember_place(reader, &texts[i], item);
    }
    *(const char ***)((char *)plain + option->offset) = texts;
    *(size_t *)((char *)plain + option->count_offset) = (size_t)count;
    return 0;
}

static int read_value(struct reader *reader, const struct config_option *option,
                      const yaml_node_t *node, void *plain)
{
    switch (option->type) {
    case OPTION_GROUP:
        return read_mapping(reader, option->options, option->key, node,
                            (char *)plain + option->offset);
    case OPTION_LIST:
        return read_list(reader, option, node, plain);
    case OPTION_TEXTS:
        return read_texts(reader, option, node, plain);
    case OPTION_TEXT:
    case OPTION_U32:
    case OPTION_FLAG:
    case OPTION_ENUM:
    case OPTION_BYTES:
    case OPTION_TIME:
        break;
    }
    if (expect_text(reader, option->key, node) < 0)
        return -1;
    if (option_set(option, scalar_text(node), plain, &reader->config->arena, reader->err) < 0)
        return at_node(reader, node);
    return 0;
}

static int refuse_key(struct reader *reader, const struct config_option *options, const char *what,
                      const yaml_node_t *key)
{
    const char *names[32];
    size_t count = 0;
    for (; options[count].key; count++) {
        assert(count < 32);
        names[count] = options[count].key;
    }
    const char *nearest = names_nearest(scalar_text(key), names, count, &reader->config->arena);
    if (*nearest)
        err_set(reader->err, "%s has no key \"%.100s\"; did you mean %s?", what, scalar_text(key),
                nearest);
    else
        err_set(reader->err, "%s has no key \"%.100s\"; docs/config.md lists them", what,
                scalar_text(key));
    return at_node(reader, key);
}

static const struct config_option *find_option(const struct config_option *options, const char *key)
{
    for (; options->key; options++)
        if (strcmp(options->key, key) == 0)
            return options;
    return NULL;
}

static int read_pair(struct reader *reader, const struct config_option *options, const char *what,
                     const yaml_node_pair_t *pair, uint32_t *seen, void *plain)
{
    const yaml_node_t *key = node_of(reader, pair->key), *value = node_of(reader, pair->value);
    if (!scalar_text(key))
        return refuse_kind(reader, what, "a key", key);
    const struct config_option *option = find_option(options, scalar_text(key));
    if (!option)
        return refuse_key(reader, options, what, key);
    uint32_t bit = 1u << (option - options);
    if (*seen & bit) {
        err_set(reader->err, "the key \"%s\" is repeated", option->key);
        return at_node(reader, key);
    }
    if (is_absent(value))
        return 0;
    *seen |= bit;
    remember_place(reader, (char *)plain + option->offset, value);
    return read_value(reader, option, value, plain);
}

static int read_mapping(struct reader *reader, const struct config_option *options,
                        const char *what, const yaml_node_t *node, void *plain)
{
    uint32_t seen = 0; /* bits by index in `options` */
    if (node->type != YAML_MAPPING_NODE)
        return refuse_kind(reader, what, "keys with values (\"key: value\")", node);
    options_init(options, plain);
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        if (read_pair(reader, options, what, pair, &seen, plain) < 0)
            return -1;
    for (const struct config_option *option = options; option->key; option++) {
        bool is_required = !option->otherwise && option->type != OPTION_TEXTS;
        if (is_required && !(seen & 1u << (option - options))) {
            err_set(reader->err, "%s: the key \"%s\" is missing", what, option->key);
            return at_node(reader, node);
        }
    }
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* libyaml reports a syntax error with a mark, but invalid UTF-8 with a byte offset. */
static int refuse_yaml(struct reader *reader, const yaml_parser_t *parser, struct bytes text)
{
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR) {
        mark = (yaml_mark_t){0};
        for (size_t i = 0; i < parser->problem_offset && i < text.size; i++) {
            bool is_end = text.data[i] == '\n';
            mark.line += is_end;
            mark.column = is_end ? 0 : mark.column + 1;
        }
    }
    err_set(reader->err, "invalid YAML: %s%s%s", parser->context ? parser->context : "",
            parser->context ? ", " : "", parser->problem ? parser->problem : "out of memory");
    return at_mark(reader, mark);
}

/* Reads the only document; a second one is an error. */
static int read_document(struct reader *reader, yaml_parser_t *parser, struct bytes text)
{
    const yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (!root) {
        err_set(reader->err, "the file is empty; `farm init URL` writes one");
        return at_mark(reader, (yaml_mark_t){0});
    }
    yaml_event_t event;
    if (!yaml_parser_parse(parser, &event))
        return refuse_yaml(reader, parser, text);
    bool is_end = event.type == YAML_STREAM_END_EVENT;
    yaml_mark_t mark = event.start_mark;
    yaml_event_delete(&event);
    if (!is_end) {
        err_set(reader->err, "a second YAML document begins here; only one is allowed");
        return at_mark(reader, mark);
    }
    if (read_mapping(reader, config_options, "farm.yaml", root, reader->config) < 0)
        return -1;
    const void *member = config_check(reader->config, reader->err);
    return member ? at_member(reader, member) : 0;
}

int config_parse(struct bytes text, const char *path, struct config *config, struct err *err)
{
    struct reader reader = {.path = path, .config = config, .err = err};
    yaml_parser_t parser;
    int result;
    config_init(config);
    int made = yaml_parser_initialize(&parser);
    assert(made && "out of memory");
    yaml_parser_set_input_string(&parser, text.data, text.size);
    if (yaml_parser_load(&parser, &reader.document)) {
        result = read_document(&reader, &parser, text);
        yaml_document_delete(&reader.document);
    } else {
        result = refuse_yaml(&reader, &parser, text);
    }
    yaml_parser_delete(&parser);
    free(reader.places);
    return result;
}

int config_read(const char *path, struct config *config, struct err *err)
{
    struct buf text = {0};
    config_init(config);
    int result = io_read_file(path, LIMIT_CONFIG_BYTES, &text, err);
    if (result == 0)
        result = config_parse((struct bytes){text.data, text.size}, path, config, err);
    buf_release(&text);
    return result;
}

void config_init(struct config *config)
{
    *config = (struct config){0};
    options_init(config_options, config);
}

void config_project_init(struct config_project *project)
{
    *project = (struct config_project){0};
    options_init(find_option(config_options, "projects")->options, project);
}

void config_release(struct config *config)
{
    arena_clear(&config->arena);
    *config = (struct config){0};
}

const char *config_rules(const struct config *config, struct arena *arena)
{
    const char *text = "";
    for (size_t i = 0; i < config->rules_count; i++)
        text = arena_print(arena, "%s%s %s\n", text, cause_names[config->rules[i].cause],
                           config->rules[i].match);
    return text;
}

const struct config_target *config_target_row(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->targets_count; i++)
        if (strcmp(config->targets[i].name, name) == 0)
            return &config->targets[i];
    return NULL;
}

const struct target *config_target(const struct config *config, const char *name)
{
    const struct config_target *row = config_target_row(config, name);
    return row ? &row->target : NULL;
}

const struct config_project *config_project(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->projects_count; i++)
        if (strcmp(config->projects[i].name, name) == 0)
            return &config->projects[i];
    return NULL;
}

static bool publishes_there(const struct config_target *target, const char *branch)
{
    for (size_t i = 0; i < target->branches_count; i++)
        if (glob_matches(target->branches[i], branch))
            return true;
    return false;
}

const struct config_target *config_target_of(const struct config *config,
                                             const struct config_branch *entry, const char *branch)
{
    if (*entry->publish)
        return config_target_row(config, entry->publish);
    for (size_t i = 0; i < config->targets_count; i++)
        if (publishes_there(&config->targets[i], branch))
            return &config->targets[i];
    return NULL;
}
