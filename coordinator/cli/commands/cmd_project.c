/* SPDX-License-Identifier: MIT */
/* cmd_project.c - a second repository in the same farm.
 *
 * The new project is put behind the others in farm.yaml, as text: what a person wrote there, with
 * comments, stays as it is. The result is read as the coordinator would read it before it replaces
 * anything; then a running coordinator is told to read it again.
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

static size_t blanks(const char *line)
{
    return strspn(line, " ");
}

static bool is_blank(const char *line)
{
    return line[blanks(line)] == '\n' || !line[blanks(line)];
}

/* The line that begins the list, or NULL. */
static const char *find_list(const char *yaml)
{
    for (const char *line = yaml; *line; line += line_size(line))
        if (strncmp(line, list_key, sizeof list_key - 1) == 0)
            return line;
    return NULL;
}

/* Behind the last line of the list that begins at `line`: blank lines and comments at its end
 * belong to what follows. */
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

/* How far the items of the list are moved in; 2 when it has none. */
static size_t indent_of(const char *list, const char *end)
{
    for (const char *line = list + line_size(list); line < end; line += line_size(line))
        if (line[blanks(line)] == '-')
            return blanks(line);
    return 2;
}

static void add_item(const char *item, size_t indent, struct buf *out)
{
    for (const char *line = item; *line; line += line_size(line)) {
        size_t size = line_size(line), own = blanks(line) < 2 ? blanks(line) : 2;
        if (!is_blank(line))
            buf_print(out, "%*s", (int)indent, "");
        buf_add(out, line + own, size - own);
    }
}

/* `yaml` with the only project of `fresh` behind its own ones. */
static int insert_project(const char *yaml, const char *fresh, struct buf *out, struct err *err)
{
    const char *list = find_list(yaml);
    const char *item = find_list(fresh);
    if (!item)
        return err_set(err, "farmd wrote no project");
    item += line_size(item);
    const char *value = list ? list + sizeof list_key - 1 : "\n";
    const char *rest = value + strspn(value, " ");
    bool is_flow = list && *rest != '\n' && *rest && *rest != '#' && strncmp(rest, "[]", 2) != 0;
    if (is_flow)
        return err_set(err, "`projects` in farm.yaml is written on one line: write it as a list of "
                            "`- name: ...`, then add again");
    const char *end = list ? end_of_list(list) : yaml + strlen(yaml);
    size_t head = (size_t)((list ? list : end) - yaml);
    buf_add(out, yaml, head);
    if (head && out->data[head - 1] != '\n')
        buf_print(out, "\n");
    buf_print(out, "%s\n", list_key);
    if (list)
        buf_add(out, list + line_size(list), (size_t)(end - list) - line_size(list));
    add_item(item, list ? indent_of(list, end) : 2, out);
    buf_add(out, end, strlen(end));
    return 0;
}

static int check(const struct buf *yaml, const char *path, struct err *err)
{
    struct config config = {0};
    int result = config_parse((struct bytes){yaml->data, yaml->size}, path, &config, err);
    config_release(&config);
    return result;
}

/* Whether a coordinator was there to be told. */
static bool tell_coordinator(struct invocation *invocation)
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
                  check(&merged, path, &err) ||
                  io_write_file(path, merged.data, merged.size, 0640, true, &err);
    buf_release(&old);
    buf_release(&fresh);
    buf_release(&merged);
    if (failed)
        return fail(EXIT_REFUSED, "%s; %s is as it was", err.text, path);
    printf("%s has it; publishing is off until you choose a target for its branches there.\n%s\n",
           path,
           tell_coordinator(invocation) ? "The coordinator reads it again: farm matrix shows it"
                                        : "Next: farm up, then farm matrix");
    return EXIT_FINE;
}
