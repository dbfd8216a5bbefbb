/* SPDX-License-Identifier: MIT */
/* deploy_screen.c - what a person sees of a deployment. */
#include "coordinator/cli/hosts/deploy_screen.h"

#include "coordinator/cli/command.h"
#include "proto/json.h"

#include <stdio.h>
#include <string.h>

/* A block that is higher than this may be higher than the screen, and could not be redrawn. */
enum { BLOCK_LINES_MAX = 20 };

void deploy_screen_open(struct deploy_screen *screen, const struct fleet_host *members,
                        size_t count, struct arena *arena)
{
    *screen = (struct deploy_screen){.arena = arena,
                                     .members = members,
                                     .count = count,
                                     .screen = screen_of(stdout),
                                     .shown = arena_new(arena, count * sizeof *screen->shown)};
    screen->redraws = screen->screen.is_terminal && count <= BLOCK_LINES_MAX;
}

/* ---- progress -------------------------------------------------------------------------------- */

static const char *member_name(const struct fleet_host *member)
{
    bool is_worker = member->goal != FLEET_FARM && *member->wanted.name;
    return is_worker ? member->wanted.name : member->to.typed;
}

static const char *duration_text(struct deploy_screen *screen, const struct fleet_host *member)
{
    return arena_print(screen->arena, "%.1f s",
                       (double)(member->ended_ms - member->began_ms) / 1000);
}

/* The last line of a host that succeeded. */
static const char *outcome_text(struct deploy_screen *screen, const struct fleet_host *member)
{
    struct arena *arena = screen->arena;
    switch (member->goal) {
    case FLEET_CHECK:
        return "checked";
    case FLEET_LEAVE:
        return *member->facts->current ? "removed" : "nothing was installed";
    case FLEET_FARM:
        return arena_print(arena, "the coordinator runs, from bundle %s", member->plan.bundle->id);
    case FLEET_ADD:
    case FLEET_UPGRADE:
        break;
    }
    return arena_print(arena, "ready: %s-linux, bundle %s, %s%s%s", member->facts->cpu,
                       member->plan.bundle->id, member->service, *member->service ? ", " : "",
                       duration_text(screen, member));
}

static const char *progress_text(struct deploy_screen *screen, const struct fleet_host *member)
{
    if (member->state == FLEET_DONE)
        return outcome_text(screen, member);
    if (member->state == FLEET_FAILED)
        return member->error;
    return fleet_doing(member, screen->arena);
}

static enum ink ink_of(const struct fleet_host *member)
{
    return member->state == FLEET_DONE     ? INK_GOOD
           : member->state == FLEET_FAILED ? INK_BAD
                                           : INK_PLAIN;
}

/* The line is cut to the terminal's width, because a wrapped line could not be redrawn. */
static void draw_line(struct deploy_screen *screen, const struct fleet_host *member,
                      struct buf *out)
{
    struct arena *arena = screen->arena;
    const char *text = text_safe(
        arena, arena_print(arena, "%-16s %s", member_name(member), progress_text(screen, member)));
    size_t room = screen->screen.columns - 1, size = strlen(text);
    buf_print(out, "\r\x1b[K");
    ink_add(out, screen->screen.colours, ink_of(member),
            size > room ? arena_print(arena, "%.*s", (int)room, text) : text);
    buf_print(out, "\n");
}

static void draw_block(struct deploy_screen *screen)
{
    struct buf out = {0};
    if (screen->drawn)
        buf_print(&out, "\x1b[%zuA", screen->drawn);
    for (size_t i = 0; i < screen->count; i++)
        draw_line(screen, &screen->members[i], &out);
    screen->drawn = screen->count;
    screen_write(&screen->screen, &out);
    buf_release(&out);
}

/* True for steps that take time or that people ask about; the others are not printed. */
static bool is_printed(const struct fleet_host *member)
{
    if (member->state == FLEET_DONE)
        return true;
    if (member->state != FLEET_STEPPING || member->at >= member->plan.count)
        return member->state == FLEET_CONNECTING;
    enum rollout_step step = member->plan.steps[member->at].step;
    return step == STEP_UPLOAD || step == STEP_DOCTOR || step == STEP_START || step == STEP_SMOKE ||
           step == STEP_TUNNEL || step == STEP_LEAVE;
}

void deploy_screen_show(struct deploy_screen *screen, const struct fleet_host *member)
{
    size_t index = (size_t)(member - screen->members);
    size_t now = member->state * (STEPS + 1u) + member->at + 1;
    if (screen->redraws) {
        draw_block(screen);
        return;
    }
    if (screen->shown[index] == now || !is_printed(member))
        return;
    screen->shown[index] = now;
    printf("%s: %s\n", member_name(member),
           text_safe(screen->arena, member->state == FLEET_STEPPING
                                        ? member->plan.steps[member->at].text
                                        : progress_text(screen, member)));
    fflush(stdout);
}

void deploy_screen_interrupt(struct deploy_screen *screen)
{
    screen->drawn = 0;
}

/* ---- the report ------------------------------------------------------------------------------ */

static void report_checks(struct deploy_screen *screen, const struct fleet_host *member)
{
    size_t index;
    json_t *check;
    json_array_foreach(member->checks, index, check)
    {
        const char *state = json_get_text(check, "state", ""),
                   *fix = json_get_text(check, "fix", "");
        /* The checks ran before the service was started. */
        bool stale =
            member->goal != FLEET_CHECK && !strcmp(json_get_text(check, "name", ""), "service");
        if (!stale && (strcmp(state, "ok") != 0 || member->goal == FLEET_CHECK))
            printf("  %-5s %s%s%s\n", state,
                   text_safe(screen->arena, json_get_text(check, "text", "")), *fix ? ": " : "",
                   text_safe(screen->arena, fix));
    }
}

static void report_plan(struct deploy_screen *screen, const struct fleet_host *member)
{
    const struct host_facts *facts = member->facts;
    const struct plan *plan = &member->plan;
    struct arena *arena = screen->arena;
    printf("%s: %s, %s, git %s, %s free in %s\n", member_name(member), facts->cpu,
           *facts->os ? facts->os : facts->kernel, *facts->git ? facts->git : "none",
           format_bytes(arena, facts->free_bytes), text_safe(arena, facts->prefix));
    for (size_t i = 0; i < plan->problem_count; i++)
        printf("  bad   %s\n", text_safe(arena, plan->problems[i]));
    for (size_t i = 0; i < plan->count; i++)
        printf("  would %s\n", text_safe(arena, plan->steps[i].text));
}

/* Repeats the failure's whole sentence: the block of lines may have cut it off. */
static void report_failure(const struct fleet_host *member)
{
    bool names_itself =
        strstr(member->error, member->to.alias) || strstr(member->error, member->to.typed);
    fail(EXIT_REFUSED, names_itself ? "%.0s%s" : "%s: %s", member->to.typed, member->error);
}

/* Why the host is not as it was asked for; "" if it is. */
static const char *problem_of(const struct fleet_host *member)
{
    if (member->state == FLEET_FAILED)
        return member->error;
    return member->goal == FLEET_CHECK && member->plan.problem_count ? member->plan.problems[0]
                                                                     : "";
}

json_t *deploy_screen_json(const struct deploy_screen *screen)
{
    json_t *hosts = json_array();
    for (size_t i = 0; i < screen->count; i++) {
        const struct fleet_host *member = &screen->members[i];
        json_t *host = json_object();
        json_object_set_new(host, "host", json_text(member->to.typed));
        json_object_set_new(host, "worker", json_text(member->wanted.name));
        json_object_set_new(host, "done", json_boolean(!*problem_of(member)));
        json_object_set_new(host, "problem", json_text(problem_of(member)));
        json_array_append_new(hosts, host);
    }
    return hosts;
}

size_t deploy_screen_report(struct deploy_screen *screen)
{
    size_t problems = 0;
    for (size_t i = 0; i < screen->count; i++) {
        const struct fleet_host *member = &screen->members[i];
        if (member->goal == FLEET_CHECK && member->facts)
            report_plan(screen, member);
        report_checks(screen, member);
        problems += member->goal == FLEET_CHECK && member->plan.problem_count;
        if (member->state == FLEET_FAILED)
            report_failure(member);
    }
    return problems;
}
