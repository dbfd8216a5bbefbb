/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands/yaml_list.h"

#include "coordinator/cli/home.h"
#include "coordinator/cli/local_farmd.h"
#include "coordinator/cli/process.h"
#include "coordinator/cli/report.h"
#include "coordinator/config/config.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <string.h>

static size_t line_size(const char *text)
{
    size_t size = strcspn(text, "\n");
    return size + (text[size] == '\n');
}

static size_t leading_blanks(const char *line)
{
    return strspn(line, " ");
}

static bool is_blank(const char *line)
{
    return line[leading_blanks(line)] == '\n' || !line[leading_blanks(line)];
}

/* ---- where a list is ----------------------------------------------------------------------- */

/* A top-level list: its line, and the end after its last item. */
struct list {
    const char *line, *end;
    const char *value; /* on its line, after the colon and blanks */
};

static bool is_list_line(const char *line, const char *key)
{
    size_t size = strlen(key);
    return strncmp(line, key, size) == 0 && line[size] == ':';
}

/* Blank lines and comments after the last item belong to the next key. */
static const char *end_of_list(const char *line)
{
    const char *end = line += line_size(line);
    for (; *line; line += line_size(line)) {
        bool inside = *line == ' ' || *line == '-';
        if (!is_blank(line) && !inside && *line != '#')
            break;
        if (!is_blank(line) && inside)
            end = line + line_size(line);
    }
    return end;
}

static bool find_list(const char *yaml, const char *key, struct list *out)
{
    for (const char *line = yaml; *line; line += line_size(line)) {
        if (!is_list_line(line, key))
            continue;
        const char *value = line + strlen(key) + 1;
        *out = (struct list){line, end_of_list(line), value + strspn(value, " ")};
        return true;
    }
    return false;
}

/* "[]" counts as a list without items, whatever stands on the lines below. */
static int check_list(const struct list *list, const char *key, struct err *err)
{
    const char *value = list->value;
    if (!*value || *value == '\n' || *value == '#' || strncmp(value, "[]", 2) == 0)
        return 0;
    return err_set(err,
                   "`%s` in farm.yaml is written on one line: write it as a list of `- name: ...`, "
                   "then try again",
                   key);
}

/* ---- items --------------------------------------------------------------------------------- */

static bool is_item(const char *line)
{
    return line[leading_blanks(line)] == '-';
}

/* The indentation of the list's items; 2 when it has none. */
static size_t indent_of(const struct list *list)
{
    for (const char *line = list->line + line_size(list->line); line < list->end;
         line += line_size(line))
        if (is_item(line))
            return leading_blanks(line);
    return 2;
}

static void add_item(const char *item, size_t indent, struct buf *out)
{
    for (const char *line = item; *line; line += line_size(line)) {
        size_t size = line_size(line), own = leading_blanks(line) < 2 ? leading_blanks(line) : 2;
        if (!is_blank(line))
            buf_print(out, "%*s", (int)indent, "");
        buf_add(out, line + own, size - own);
    }
}

int yaml_append_item(const char *yaml, const char *key, const char *item, struct buf *out,
                     struct err *err)
{
    struct list list;
    bool there = find_list(yaml, key, &list);
    if (there && check_list(&list, key, err) < 0)
        return -1;
    const char *end = there ? list.end : yaml + strlen(yaml);
    size_t head = (size_t)((there ? list.line : end) - yaml);
    buf_add(out, yaml, head);
    if (head && out->data[head - 1] != '\n')
        buf_print(out, "\n");
    buf_print(out, "%s:\n", key);
    if (there)
        buf_add(out, list.line + line_size(list.line),
                (size_t)(end - list.line) - line_size(list.line));
    add_item(item, there ? indent_of(&list) : 2, out);
    buf_add(out, end, strlen(end));
    return 0;
}

/* Whether the item that begins at this line is "- name: NAME", with or without quotes. */
static bool is_named(const char *line, const char *name)
{
    const char *at = line + leading_blanks(line) + 1;
    at += strspn(at, " ");
    if (strncmp(at, "name:", 5) != 0)
        return false;
    at += 5 + strspn(at + 5, " ");
    char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
    size_t size = strlen(name);
    if (strncmp(at, name, size) != 0)
        return false;
    return quote ? at[size] == quote : at[size] == '\0' || strchr(" \n#", at[size]) != NULL;
}

/* The first line of the comments directly above an item, or the item's own. */
static const char *with_comments(const char *first, const char *item)
{
    const char *begin = NULL;
    for (const char *line = first; line < item; line += line_size(line)) {
        bool is_comment = line[leading_blanks(line)] == '#' && leading_blanks(line) > 0;
        begin = !is_comment ? NULL : begin ? begin : line;
    }
    return begin ? begin : item;
}

static const char *next_item(const char *line, const struct list *list, size_t indent)
{
    for (line += line_size(line); line < list->end; line += line_size(line))
        if (is_item(line) && leading_blanks(line) == indent)
            return line;
    return list->end;
}

/* An item of a list: its lines, and the comments directly above it. */
struct list_item {
    const char *comments, *line, *end;
};

static int find_item(const char *yaml, const char *key, const char *name, struct list_item *out,
                     struct err *err)
{
    struct list list;
    if (!find_list(yaml, key, &list) || check_list(&list, key, err) < 0)
        return err_set(err, "farm.yaml has no list `%s` of `- name: ...`", key);
    size_t indent = indent_of(&list);
    const char *first = list.line + line_size(list.line), *end;
    for (const char *item = next_item(list.line, &list, indent); item < list.end; item = end) {
        end = next_item(item, &list, indent);
        const char *until = end < list.end ? with_comments(item + line_size(item), end) : end;
        *out = (struct list_item){with_comments(first, item), item, until};
        first = item + line_size(item);
        if (is_named(item, name))
            return 0;
    }
    return err_set(err, "farm.yaml has nothing named %s under `%s`", name, key);
}

int yaml_remove_item(const char *yaml, const char *key, const char *name, struct buf *out,
                     struct err *err)
{
    struct list_item item;
    if (find_item(yaml, key, name, &item, err) < 0)
        return -1;
    buf_add(out, yaml, (size_t)(item.comments - yaml));
    buf_add(out, item.end, strlen(item.end));
    return 0;
}

/* Where the value ends that begins on this line: the lines below that are indented further, or are
 * items of a list. */
static const char *end_of_value(const char *line, size_t indent, const char *end)
{
    for (line += line_size(line); line < end; line += line_size(line)) {
        size_t own = leading_blanks(line);
        if (is_blank(line) || own < indent || (own == indent && !is_item(line)))
            break;
    }
    return line;
}

int yaml_set_option(const char *yaml, const char *key, const char *name, const char *option,
                    const char *value, struct buf *out, struct err *err)
{
    struct list_item item;
    if (find_item(yaml, key, name, &item, err) < 0)
        return -1;
    size_t dash = leading_blanks(item.line), size = strlen(option);
    size_t indent = dash + 1 + leading_blanks(item.line + dash + 1);
    const char *line = item.line + line_size(item.line), *rest = line;
    for (const char *at = line; at < item.end; at += line_size(at))
        if (leading_blanks(at) == indent && is_list_line(at + indent, option)) {
            line = at;
            rest = end_of_value(at, indent, item.end);
            break;
        }
    buf_add(out, yaml, (size_t)(line - yaml));
    if (out->size && out->data[out->size - 1] != '\n')
        buf_print(out, "\n");
    if (value)
        buf_print(out, "%*s%.*s: %s\n", (int)indent, "", (int)size, option, value);
    buf_add(out, rest, strlen(rest));
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------ */

static const char *path_of(struct invocation *invocation)
{
    return home_path(&invocation->arena, invocation->home, "farm.yaml");
}

int yaml_read(struct invocation *invocation, struct buf *out, struct err *err)
{
    if (io_read_file(path_of(invocation), LIMIT_CONFIG_BYTES, out, err) < 0)
        return -1;
    buf_add(out, "", 0); /* NUL-terminates the text of an empty file, too */
    return 0;
}

int yaml_replace(struct invocation *invocation, const struct buf *yaml, struct err *err)
{
    const char *path = path_of(invocation);
    struct config config = {0};
    int result = config_parse((struct bytes){yaml->data, yaml->size}, path, &config, err);
    config_release(&config);
    return result < 0 ? -1 : io_write_file(path, yaml->data, yaml->size, 0640, true, err);
}

/* ---- the coordinator ------------------------------------------------------------------------ */

static void print_change(const json_t *change)
{
    const char *before = json_get_text(change, "before", ""),
               *after = json_get_text(change, "after", "");
    const char *waits =
        json_get_flag(change, "waits") ? " (at the next farm down and farm up)" : "";
    printf("  %s: ", json_get_text(change, "key", ""));
    if (!*before)
        printf("%s, new%s\n", after, waits);
    else if (!*after)
        printf("%s, removed%s\n", before, waits);
    else
        printf("%s, was %s%s\n", after, before, waits);
}

enum exit_code yaml_reload(struct invocation *invocation, bool *runs)
{
    json_t *body = NULL, *change;
    size_t index;
    /* Its endpoints stay behind when it was killed; its lock does not. */
    *runs = local_farmd_pid(&invocation->arena, invocation->home) ||
            *home_remote(&invocation->arena, invocation->home, "host");
    if (!*runs)
        return EXIT_FINE;
    enum exit_code code = invocation_ask(invocation, "config-reload", NULL, &body);
    const json_t *changes = json_object_get(body, "changes");
    if (code == EXIT_FINE)
        report_answer(json_incref(body));
    if (code == EXIT_FINE)
        puts(json_array_size(changes) ? "the coordinator has taken farm.yaml:"
                                      : "the coordinator has farm.yaml as it is");
    json_array_foreach(changes, index, change)
    {
        print_change(change);
    }
    json_decref(body);
    return code;
}
