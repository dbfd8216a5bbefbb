/* SPDX-License-Identifier: MIT */
/* cmd_project.c - `farm project add`: adds a repository to farm.yaml.
 *
 * The new project is appended to the list of projects as text, so that everything a person wrote
 * there, comments too, is kept. The result is parsed as the coordinator would parse it before it
 * replaces the file; then a running coordinator is told to reload it.
 */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/init.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/process.h"
#include "coordinator/config/config.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char list_key[] = "projects:";

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

/* The line with the key `projects`, or NULL. */
static const char *find_list(const char *yaml)
{
    for (const char *line = yaml; *line; line += line_size(line))
        if (strncmp(line, list_key, sizeof list_key - 1) == 0)
            return line;
    return NULL;
}

/* The end of the list that begins at `line`: after its last item. Blank lines and comments that
 * follow belong to the next key. */
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

/* The indentation of the list's items; 2 when it has none. */
static size_t indent_of(const char *list, const char *end)
{
    for (const char *line = list + line_size(list); line < end; line += line_size(line))
        if (line[leading_blanks(line)] == '-')
            return leading_blanks(line);
    return 2;
}

static void insert_item(const char *item, size_t indent, struct buf *out)
{
    for (const char *line = item; *line; line += line_size(line)) {
        size_t size = line_size(line), own = leading_blanks(line) < 2 ? leading_blanks(line) : 2;
        if (!is_blank(line))
            buf_print(out, "%*s", (int)indent, "");
        buf_add(out, line + own, size - own);
    }
}

/* `yaml` with the only project of `fresh` appended to its projects. */
static int insert_project(const char *yaml, const char *fresh, struct buf *out, struct err *err)
{
    const char *list = find_list(yaml);
    const char *item = find_list(fresh);
    if (!item)
        return err_set(err, "farmd discovered no project");
    item += line_size(item);
    const char *value = list ? list + sizeof list_key - 1 : "\n";
    const char *rest = value + strspn(value, " ");
    bool is_flow = list && *rest != '\n' && *rest && *rest != '#' && strncmp(rest, "[]", 2) != 0;
    if (is_flow)
        return err_set(err, "`projects` in farm.yaml is written on one line: write it as a list of "
                            "`- name: ...`, then try again");
    const char *end = list ? end_of_list(list) : yaml + strlen(yaml);
    size_t head = (size_t)((list ? list : end) - yaml);
    buf_add(out, yaml, head);
    if (head && out->data[head - 1] != '\n')
        buf_print(out, "\n");
    buf_print(out, "%s\n", list_key);
    if (list)
        buf_add(out, list + line_size(list), (size_t)(end - list) - line_size(list));
    insert_item(item, list ? indent_of(list, end) : 2, out);
    buf_add(out, end, strlen(end));
    return 0;
}

static int check_yaml(const struct buf *yaml, const char *path, struct err *err)
{
    struct config config = {0};
    int result = config_parse((struct bytes){yaml->data, yaml->size}, path, &config, err);
    config_release(&config);
    return result;
}

/* Returns true when a coordinator runs and was told to reload farm.yaml. */
static bool reload_coordinator(struct invocation *invocation)
{
    const char *path = home_path(&invocation->arena, invocation->home, "run/farmd.pid");
    pid_t pid = process_running(path);
    return pid > 0 && kill(pid, SIGHUP) == 0;
}

enum exit_code cmd_project_add(struct invocation *invocation)
{
    const char *path = home_path(&invocation->arena, invocation->home, "farm.yaml");
    struct buf old = {0}, fresh = {0}, merged = {0};
    struct err err;
    bool failed = io_read_file(path, LIMIT_CONFIG_BYTES, &old, &err) ||
                  init_discover(invocation, invocation->arguments[0], &fresh, &err) ||
                  insert_project((const char *)old.data, (const char *)fresh.data, &merged, &err) ||
                  check_yaml(&merged, path, &err) ||
                  io_write_file(path, merged.data, merged.size, 0640, true, &err);
    buf_release(&old);
    buf_release(&fresh);
    buf_release(&merged);
    if (failed)
        return fail(EXIT_REFUSED, "%s; %s was not changed", err.text, path);
    printf("added to %s; nothing is published until you set a target for its branches there.\n%s\n",
           path,
           reload_coordinator(invocation)
               ? "The coordinator reloads the file: farm matrix shows the project"
               : "Next: farm up, then farm matrix");
    return EXIT_FINE;
}
