/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/inventory.h"

#include "proto/base/io.h"
#include "proto/limits.h"

#include <stddef.h>
#include <string.h>
#include <yaml.h>

struct inventory_reader {
    const char *path;
    struct arena *arena;
    yaml_document_t document;
    struct err *err;
};

static const struct member {
    const char *key;
    size_t offset;
    bool is_flag;
} members[] = {
    {"host", offsetof(struct inventory_host, host), false},
    {"name", offsetof(struct inventory_host, name), false},
    {"identity", offsetof(struct inventory_host, identity), false},
    {"prefix", offsetof(struct inventory_host, prefix), false},
    {"worker_home", offsetof(struct inventory_host, worker_home), false},
    {"run_as", offsetof(struct inventory_host, run_as), false},
    {"slots", offsetof(struct inventory_host, slots), false},
    {"may_publish", offsetof(struct inventory_host, may_publish), true},
    {"tunnel", offsetof(struct inventory_host, tunnel), true},
};
enum { MEMBERS = sizeof members / sizeof *members };

static int at_line(const struct inventory_reader *reader, const yaml_node_t *node)
{
    return err_prefix(reader->err, "%s:%zu", reader->path, node->start_mark.line + 1);
}

static const char *node_text(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static int read_member(struct inventory_reader *reader, const yaml_node_t *key,
                       const yaml_node_t *value, struct inventory_host *host)
{
    const char *name = node_text(key), *text = node_text(value);
    for (size_t i = 0; name && i < MEMBERS; i++) {
        char *at = (char *)host + members[i].offset;
        if (strcmp(members[i].key, name) != 0)
            continue;
        bool yes = text && (!strcmp(text, "true") || !strcmp(text, "yes"));
        bool no = text && (!strcmp(text, "false") || !strcmp(text, "no"));
        if (!text || (members[i].is_flag && !yes && !no)) {
            err_set(reader->err, "%s must be %s", name,
                    members[i].is_flag ? "true or false" : "a text");
            return at_line(reader, value);
        }
        if (members[i].is_flag)
            *(bool *)(void *)at = yes;
        else
            *(const char **)(void *)at = arena_text(reader->arena, text);
        return 0;
    }
    err_set(reader->err,
            "there is no key \"%s\"; a host has host, name, identity, prefix, "
            "worker_home, run_as, slots, may_publish, tunnel",
            name ? name : "?");
    return at_line(reader, key);
}

static int read_host(struct inventory_reader *reader, const yaml_node_t *node,
                     struct inventory_host *out)
{
    *out = (struct inventory_host){"", "", "", "", "", "", "", false, false};
    if (node_text(node))
        out->host = arena_text(reader->arena, node_text(node));
    for (const yaml_node_pair_t *pair =
             node->type == YAML_MAPPING_NODE ? node->data.mapping.pairs.start : NULL;
         pair && pair < node->data.mapping.pairs.top; pair++)
        if (read_member(reader, yaml_document_get_node(&reader->document, pair->key),
                        yaml_document_get_node(&reader->document, pair->value), out) < 0)
            return -1;
    if (*out->host)
        return 0;
    err_set(reader->err, "a host must be USER@HOST, or a mapping with host: USER@HOST");
    return at_line(reader, node);
}

/* The document's list, or the list under its only key `hosts`; NULL when there is none. */
static const yaml_node_t *find_hosts(struct inventory_reader *reader)
{
    const yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (root && root->type == YAML_MAPPING_NODE &&
        root->data.mapping.pairs.top == root->data.mapping.pairs.start + 1) {
        const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
        const char *key = node_text(yaml_document_get_node(&reader->document, pair->key));
        root = key && !strcmp(key, "hosts") ? yaml_document_get_node(&reader->document, pair->value)
                                            : NULL;
    }
    return root && root->type == YAML_SEQUENCE_NODE ? root : NULL;
}

static int read_hosts_list(struct inventory_reader *reader, struct inventory *out)
{
    const yaml_node_t *list = find_hosts(reader);
    if (!list)
        return err_set(reader->err, "%s: expected a list of hosts under \"hosts:\"", reader->path);
    size_t count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
    if (count == 0 || count > LIMIT_WORKERS)
        return err_set(reader->err, "%s: lists %zu hosts; expected 1 to %d", reader->path, count,
                       LIMIT_WORKERS);
    out->hosts = arena_new(reader->arena, count * sizeof *out->hosts);
    for (out->count = 0; out->count < count; out->count++)
        if (read_host(reader,
                      yaml_document_get_node(&reader->document,
                                             list->data.sequence.items.start[out->count]),
                      &out->hosts[out->count]) < 0)
            return -1;
    return 0;
}

int inventory_parse(struct bytes text, const char *path, struct arena *arena, struct inventory *out,
                    struct err *err)
{
    struct inventory_reader reader = {.path = path, .arena = arena, .err = err};
    yaml_parser_t parser;
    int result;
    *out = (struct inventory){0};
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, text.data, text.size);
    if (yaml_parser_load(&parser, &reader.document)) {
        result = read_hosts_list(&reader, out);
        yaml_document_delete(&reader.document);
    } else {
        result = err_set(err, "%s:%zu: %s", path, parser.problem_mark.line + 1,
                         parser.problem ? parser.problem : "invalid YAML");
    }
    yaml_parser_delete(&parser);
    return result;
}

int inventory_read(const char *path, struct arena *arena, struct inventory *out, struct err *err)
{
    struct buf text = {0};
    int result = io_read_file(path, LIMIT_CONFIG_BYTES, &text, err);
    if (result == 0)
        result = inventory_parse((struct bytes){text.data, text.size}, path, arena, out, err);
    buf_release(&text);
    return result;
}
