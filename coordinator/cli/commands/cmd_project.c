/* SPDX-License-Identifier: MIT */
/* cmd_project.c - `farm project`: the repositories in farm.yaml. A running coordinator takes the
 * changed file at once. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/init.h"
#include "coordinator/cli/commands/yaml_list.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "coordinator/config/config.h"
#include "proto/json.h"

#include <stdio.h>
#include <string.h>

/* ---- list ---------------------------------------------------------------------------------- */

static json_t *project_json(const struct config_project *project)
{
    json_t *branches = json_array();
    for (size_t i = 0; i < project->branches_count; i++)
        json_array_append_new(branches, json_text(project->branches[i].name));
    return json_pack("{s:s, s:s, s:s, s:o}", "project", project->name, "url", project->url,
                     "builder", builder_names[project->builder], "branches", branches);
}

static json_t *projects_json(const struct config *config)
{
    json_t *list = json_array();
    for (size_t i = 0; i < config->projects_count; i++)
        json_array_append_new(list, project_json(&config->projects[i]));
    return json_pack("{s:o}", "projects", list);
}

static void print_projects(const struct config *config, struct arena *arena)
{
    static const struct column columns[] = {
        {"project", false}, {"builder", false}, {"branches", true}, {"url", false}};
    struct screen screen = screen_of(stdout);
    struct table *table = table_create(columns, sizeof columns / sizeof *columns);
    struct buf text = {0};
    for (size_t i = 0; i < config->projects_count; i++) {
        const struct config_project *project = &config->projects[i];
        table_cell(table, INK_BOLD, project->name);
        table_cell(table, INK_PLAIN, builder_names[project->builder]);
        table_cell(table, INK_PLAIN, arena_print(arena, "%zu", project->branches_count));
        table_cell(table, INK_PLAIN, project->url);
    }
    if (config->projects_count)
        table_print(table, screen.colours, &text);
    else
        buf_print(&text, "no projects: farm project add URL adds one\n");
    screen_write(&screen, &text);
    buf_release(&text);
    table_destroy(table);
}

enum exit_code cmd_project_list(struct invocation *invocation)
{
    struct config config = {0};
    struct err err;
    int result =
        config_read(home_path(&invocation->arena, invocation->home, "farm.yaml"), &config, &err);
    if (result == 0 && report_answer(projects_json(&config)))
        print_projects(&config, &invocation->arena);
    config_release(&config);
    return result < 0 ? fail(EXIT_REFUSED, "%s", err.text) : EXIT_FINE;
}

/* ---- add, remove --------------------------------------------------------------------------- */

/* Says what the coordinator makes of the changed file. */
static enum exit_code finish(struct invocation *invocation, const char *next)
{
    bool runs;
    enum exit_code code = yaml_reload(invocation, &runs);
    if (code == EXIT_FINE && !runs)
        puts(next);
    return code;
}

static const char *item_of(const struct buf *fresh)
{
    static const char key[] = "\nprojects:\n";
    const char *list = fresh->data ? strstr((const char *)fresh->data, key) : NULL;
    return list ? list + sizeof key - 1 : NULL;
}

static int add_project(struct invocation *invocation, struct buf *old, struct buf *fresh,
                       struct buf *merged, struct err *err)
{
    if (yaml_read(invocation, old, err) < 0 ||
        init_discover(invocation, invocation->arguments[0], fresh, err) < 0)
        return -1;
    const char *item = item_of(fresh);
    if (!item)
        return err_set(err, "farmd discovered no project");
    if (yaml_append_item((const char *)old->data, "projects", item, merged, err) < 0)
        return -1;
    return yaml_replace(invocation, merged, err);
}

enum exit_code cmd_project_add(struct invocation *invocation)
{
    struct buf old = {0}, fresh = {0}, merged = {0};
    struct err err;
    int result = add_project(invocation, &old, &fresh, &merged, &err);
    buf_release(&old);
    buf_release(&fresh);
    buf_release(&merged);
    if (result < 0)
        return fail(EXIT_REFUSED, "%s; farm.yaml was not changed", err.text);
    puts("added to farm.yaml; nothing is published until its branches have a target");
    return finish(invocation, "Next: farm up, then farm matrix");
}

enum exit_code cmd_project_remove(struct invocation *invocation)
{
    struct buf old = {0}, rest = {0};
    struct err err;
    int result = yaml_read(invocation, &old, &err);
    if (result == 0)
        result = yaml_remove_item((const char *)old.data, "projects", invocation->arguments[0],
                                  &rest, &err);
    if (result == 0)
        result = yaml_replace(invocation, &rest, &err);
    buf_release(&old);
    buf_release(&rest);
    if (result < 0)
        return fail(EXIT_REFUSED, "%s; farm.yaml was not changed", err.text);
    printf("%s is no longer in farm.yaml; what runs of it goes on, and the ledger keeps what it "
           "published\n",
           invocation->arguments[0]);
    return finish(invocation, "Next: farm up");
}
