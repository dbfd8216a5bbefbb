/* SPDX-License-Identifier: MIT */
/* config.c - reading farm.yaml.
 *
 * libyaml makes a tree of nodes that know their line and column; one walk over the table of options
 * (options.c) moves it into struct config; then what the keys mean together is checked. Where each
 * value stood is remembered until the end, so that every complaint names its line and column.
 *
 * Refuses: unknown and repeated keys, values of a wrong kind, a second document, lists beyond
 * ITEMS_MAX, URLs that git would run as a program or that carry a password.
 */
#include "coordinator/config.h"

#include "coordinator/names.h"
#include "coordinator/options.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Items of one list. Aliases make lists cheap to write and long to walk. */
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

/* ---- complaints ----------------------------------------------------------------------------- */

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

static void remember(struct reader *reader, const void *member, const yaml_node_t *node)
{
    MEM_GROW(reader->places, reader->place_count, reader->place_capacity);
    reader->places[reader->place_count++] = (struct place){member, node->start_mark};
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static const yaml_node_t *node_of(struct reader *reader, int index)
{
    return yaml_document_get_node(&reader->document, index);
}

static const char *scalar(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* `key:` with nothing behind it, as it is left when all of a group is commented out. */
static bool is_absent(const yaml_node_t *node)
{
    const char *text = scalar(node);
    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static const char *kind_of(const yaml_node_t *node)
{
    return node->type == YAML_MAPPING_NODE    ? "keys with values"
           : node->type == YAML_SEQUENCE_NODE ? "a list"
                                              : "a text";
}

static int expect(struct reader *reader, const char *key, const char *expected,
                  const yaml_node_t *node)
{
    err_set(reader->err, "%s: expected %s, not %s", key, expected, kind_of(node));
    return at_node(reader, node);
}

static int expect_text(struct reader *reader, const char *key, const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return expect(reader, key, "one value", node);
    if (strlen(scalar(node)) != node->data.scalar.length ||
        node->data.scalar.length > LIMIT_TEXT_BYTES) {
        err_set(reader->err, "%s: at most %d bytes, none of them NUL", key, LIMIT_TEXT_BYTES);
        return at_node(reader, node);
    }
    return 0;
}

/* ---- the walk over the table ---------------------------------------------------------------- */

static int read_mapping(struct reader *reader, const struct option *options, const char *what,
                        const yaml_node_t *node, void *plain);

/* The number of items, or -1 with a complaint. */
static long count_items(struct reader *reader, const struct option *option, const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return expect(reader, option->key, "a list (lines that begin with \"- \")", node);
    long count = node->data.sequence.items.top - node->data.sequence.items.start;
    if (count > ITEMS_MAX) {
        err_set(reader->err, "%s: at most %d items", option->key, ITEMS_MAX);
        return at_node(reader, node);
    }
    return count;
}

static int read_list(struct reader *reader, const struct option *option, const yaml_node_t *node,
                     void *plain)
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

static int read_texts(struct reader *reader, const struct option *option, const yaml_node_t *node,
                      void *plain)
{
    long count = count_items(reader, option, node);
    if (count < 0)
        return -1;
    const char **texts = arena_new(&reader->config->arena, (size_t)count * sizeof *texts);
    for (long i = 0; i < count; i++) {
        const yaml_node_t *item = node_of(reader, node->data.sequence.items.start[i]);
        if (expect_text(reader, option->key, item) < 0)
            return -1;
        texts[i] = arena_text(&reader->config->arena, scalar(item));
        remember(reader, &texts[i], item);
    }
    *(const char ***)((char *)plain + option->offset) = texts;
    *(size_t *)((char *)plain + option->count_offset) = (size_t)count;
    return 0;
}

static int read_value(struct reader *reader, const struct option *option, const yaml_node_t *node,
                      void *plain)
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
    if (option_set(option, scalar(node), plain, &reader->config->arena, reader->err) < 0)
        return at_node(reader, node);
    return 0;
}

static int refuse_key(struct reader *reader, const struct option *options, const char *what,
                      const yaml_node_t *key)
{
    const char *names[32];
    size_t count = 0;
    for (; options[count].key; count++) {
        assert(count < 32);
        names[count] = options[count].key;
    }
    const char *nearest = names_nearest(scalar(key), names, count, &reader->config->arena);
    if (*nearest)
        err_set(reader->err, "%s has no key \"%.100s\"; did you mean %s?", what, scalar(key),
                nearest);
    else
        err_set(reader->err, "%s has no key \"%.100s\"; docs/config.md lists them", what,
                scalar(key));
    return at_node(reader, key);
}

static const struct option *find_option(const struct option *options, const char *key)
{
    for (; options->key; options++)
        if (strcmp(options->key, key) == 0)
            return options;
    return NULL;
}

static int read_pair(struct reader *reader, const struct option *options, const char *what,
                     const yaml_node_pair_t *pair, uint32_t *seen, void *plain)
{
    const yaml_node_t *key = node_of(reader, pair->key), *value = node_of(reader, pair->value);
    if (!scalar(key))
        return expect(reader, what, "a key", key);
    const struct option *option = find_option(options, scalar(key));
    if (!option)
        return refuse_key(reader, options, what, key);
    uint32_t bit = 1u << (option - options);
    if (*seen & bit) {
        err_set(reader->err, "the key \"%s\" stands here a second time", option->key);
        return at_node(reader, key);
    }
    if (is_absent(value))
        return 0;
    *seen |= bit;
    remember(reader, (char *)plain + option->offset, value);
    return read_value(reader, option, value, plain);
}

static int read_mapping(struct reader *reader, const struct option *options, const char *what,
                        const yaml_node_t *node, void *plain)
{
    uint32_t seen = 0; /* by index in `options` */
    if (node->type != YAML_MAPPING_NODE)
        return expect(reader, what, "keys with values (\"key: value\")", node);
    options_init(options, plain);
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        if (read_pair(reader, options, what, pair, &seen, plain) < 0)
            return -1;
    for (const struct option *option = options; option->key; option++) {
        bool is_required = !option->otherwise && option->type != OPTION_TEXTS;
        if (is_required && !(seen & 1u << (option - options))) {
            err_set(reader->err, "%s: the key \"%s\" is missing", what, option->key);
            return at_node(reader, node);
        }
    }
    return 0;
}

/* ---- what the values mean ------------------------------------------------------------------- */

static int check_name(struct reader *reader, const char *const *name)
{
    if (name_is_plain(*name))
        return 0;
    err_set(reader->err,
            "\"%.100s\" is no name: letters, digits, '.', '_' and '-', at most %d, not first '.' "
            "or '-'",
            *name, LIMIT_NAME_BYTES);
    return at_member(reader, name);
}

static bool has_blank(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return true;
    return false;
}

/* A user name may stand in a URL, a password not: everybody on the farm sees it. */
static bool has_password(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return false;
    host += 3;
    size_t authority = strcspn(host, "/");
    const char *at = memchr(host, '@', authority), *colon = memchr(host, ':', authority);
    return at && colon && colon < at;
}

/* What git takes and does not run as a program (ext::, a leading '-'). */
static bool is_git_url(const char *url)
{
    static const char *const schemes[] = {"https://", "http://",  "ssh://",
                                          "git://",   "file:///", NULL};
    for (size_t i = 0; schemes[i]; i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return url[strlen(schemes[i])] != '\0';
    if (*url == '/')
        return true;
    /* user@host:path */
    const char *colon = strchr(url, ':'), *at = strchr(url, '@');
    return *url != '-' && colon && at && at < colon && colon[1] != ':' && !strchr("/", url[0]);
}

int config_check_url(const char *url, struct err *err)
{
    if (has_password(url))
        return err_set(err, "url: carries a password, which everybody on the farm would see; use "
                            "git's credential helpers instead");
    if (!is_git_url(url) || has_blank(url))
        return err_set(err,
                       "url: expected https://..., ssh://..., git://..., file:///..., "
                       "user@host:path or an absolute path, not \"%.200s\"",
                       url);
    return 0;
}

static int check_target(struct reader *reader, struct config_target *target)
{
    const struct config *config = reader->config;
    if (check_name(reader, &target->name) < 0)
        return -1;
    if (config_target(config, target->name) != &target->target) {
        err_set(reader->err, "a second target is called \"%s\"", target->name);
        return at_member(reader, &target->name);
    }
    const char *needed = target->kind == TARGET_NIX_CACHE ? target->location
                         : target->kind == TARGET_COMMAND ? target->command
                                                          : target->name;
    if (!*needed) {
        err_set(reader->err, "a target of kind %s needs \"%s\"", target_kind_names[target->kind],
                target->kind == TARGET_NIX_CACHE ? "location" : "command");
        return at_member(reader, &target->kind);
    }
    if (target->kind == TARGET_FLOX && *target->org && check_name(reader, &target->org) < 0)
        return -1;
    return *target->secret ? check_name(reader, &target->secret) : 0;
}

/* The target as the farm sees it: a Flox target is known by its organisation. */
static void settle_target(struct config_target *row)
{
    bool is_flox = row->kind == TARGET_FLOX;
    row->target = (struct target){
        .kind = row->kind,
        .name = is_flox && *row->org ? row->org : row->name,
        .location = row->kind == TARGET_NIX_CACHE ? row->location
                    : row->kind == TARGET_COMMAND ? row->command
                                                  : "",
        .secret = row->secret,
        .no_rebuild = row->no_rebuild,
    };
}

static int check_globs(struct reader *reader, const char *const *globs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (*globs[i] && strlen(globs[i]) <= LIMIT_PACKAGE_BYTES && !has_blank(globs[i]))
            continue;
        err_set(reader->err, "\"%.200s\" is no package name or glob", globs[i]);
        return at_member(reader, &globs[i]);
    }
    return 0;
}

static int check_publish(struct reader *reader, const struct config_branch *branch)
{
    struct config *config = reader->config;
    if (!*branch->publish || config_target(config, branch->publish))
        return 0;
    const char **names = arena_new(&config->arena, config->targets_count * sizeof *names);
    for (size_t i = 0; i < config->targets_count; i++)
        names[i] = config->targets[i].name;
    const char *nearest =
        names_nearest(branch->publish, names, config->targets_count, &config->arena);
    if (*nearest)
        err_set(reader->err, "publish: no target is called \"%.100s\"; did you mean %s?",
                branch->publish, nearest);
    else
        err_set(reader->err, "publish: no target is called \"%.100s\"; add it under targets",
                branch->publish);
    return at_member(reader, &branch->publish);
}

static int check_branch(struct reader *reader, const struct config_project *project,
                        const struct config_branch *branch)
{
    if (!*branch->name || *branch->name == '-' || strlen(branch->name) > LIMIT_BRANCH_BYTES ||
        has_blank(branch->name)) {
        err_set(reader->err, "\"%.100s\" is no name of a branch", branch->name);
        return at_member(reader, &branch->name);
    }
    for (const struct config_branch *other = project->branches; other < branch; other++)
        if (strcmp(other->name, branch->name) == 0) {
            err_set(reader->err, "the branch \"%.100s\" stands here a second time", branch->name);
            return at_member(reader, &branch->name);
        }
    if (check_publish(reader, branch) < 0)
        return -1;
    return check_globs(reader, branch->wins, branch->wins_count) < 0 ||
                   check_globs(reader, branch->include, branch->include_count) < 0 ||
                   check_globs(reader, branch->exclude, branch->exclude_count) < 0
               ? -1
               : 0;
}

static int check_system(struct reader *reader, const struct config_project *project)
{
    const char *dash = strchr(project->system, '-');
    if (!*project->system || (name_is_plain(project->system) && dash && dash[1]))
        return 0;
    err_set(reader->err, "system: expected one like x86_64-linux or aarch64-linux, not \"%.100s\"",
            project->system);
    return at_member(reader, &project->system);
}

static int check_builder(struct reader *reader, const struct config_project *project)
{
    bool is_command = project->builder == BUILDER_COMMAND;
    if (is_command && !*project->command) {
        err_set(reader->err, "the builder \"command\" needs the key \"command\" beside it");
        return at_member(reader, &project->builder);
    }
    if (!is_command && *project->command) {
        err_set(reader->err, "command: only for the builder \"command\"");
        return at_member(reader, &project->command);
    }
    if (!is_command && !project->checkout) {
        err_set(reader->err, "checkout: only the builder \"command\" can do without");
        return at_member(reader, &project->checkout);
    }
    return 0;
}

static int check_project(struct reader *reader, const struct config_project *project)
{
    if (check_name(reader, &project->name) < 0)
        return -1;
    if (config_project(reader->config, project->name) != project) {
        err_set(reader->err, "a second project is called \"%s\"", project->name);
        return at_member(reader, &project->name);
    }
    if (config_check_url(project->url, reader->err) < 0)
        return at_member(reader, &project->url);
    if (check_system(reader, project) < 0 || check_builder(reader, project) < 0)
        return -1;
    for (size_t i = 0; i < project->branches_count; i++)
        if (check_branch(reader, project, &project->branches[i]) < 0)
            return -1;
    return 0;
}

static int check_endpoint(struct reader *reader, const char *const *endpoint)
{
    const char *port = strrchr(*endpoint, ':');
    if (strncmp(*endpoint, "tcp://", 6) == 0 && port > *endpoint + 5 && !has_blank(*endpoint))
        return 0;
    err_set(reader->err, "expected tcp://ADDRESS:PORT, not \"%.200s\"", *endpoint);
    return at_member(reader, endpoint);
}

static int check_all(struct reader *reader)
{
    struct config *config = reader->config;
    struct policy *policy = &config->policy;
    if (check_name(reader, &config->name) < 0 ||
        check_endpoint(reader, &config->listen.control) < 0 ||
        check_endpoint(reader, &config->listen.log) < 0)
        return -1;
    if (policy->lease_ttl_ms < 2 * policy->heartbeat_ms) {
        err_set(reader->err, "lease_ttl: at least two heartbeats (%llu ms)",
                2 * (unsigned long long)policy->heartbeat_ms);
        return at_member(reader, &policy->lease_ttl_ms);
    }
    for (size_t i = 0; i < config->targets_count; i++)
        settle_target(&config->targets[i]);
    for (size_t i = 0; i < config->targets_count; i++)
        if (check_target(reader, &config->targets[i]) < 0)
            return -1;
    for (size_t i = 0; i < config->projects_count; i++)
        if (check_project(reader, &config->projects[i]) < 0)
            return -1;
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* libyaml tells the place of what it cannot scan by a mark, of bytes that are no text by an offset.
 */
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
    err_set(reader->err, "this is no YAML: %s%s%s", parser->context ? parser->context : "",
            parser->context ? ", " : "", parser->problem ? parser->problem : "out of memory");
    return at_mark(reader, mark);
}

/* The keys, and nothing behind them. */
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
        err_set(reader->err, "a second document begins here; a farm has one");
        return at_mark(reader, mark);
    }
    if (read_mapping(reader, config_options, "farm.yaml", root, reader->config) < 0)
        return -1;
    return check_all(reader);
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

const struct target *config_target(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->targets_count; i++)
        if (strcmp(config->targets[i].name, name) == 0)
            return &config->targets[i].target;
    return NULL;
}

const struct config_project *config_project(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->projects_count; i++)
        if (strcmp(config->projects[i].name, name) == 0)
            return &config->projects[i];
    return NULL;
}
