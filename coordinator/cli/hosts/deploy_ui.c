/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/deploy_ui.h"

#include "coordinator/cli/client.h"
#include "coordinator/cli/process.h"
#include "coordinator/cli/report.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* ---- questions to the person ----------------------------------------------------------------- */

static bool is_interactive(void)
{
    return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

static char *read_typed_line(void)
{
    char line[LIMIT_SECRET_BYTES];
    if (!fgets(line, sizeof line, stdin))
        return NULL;
    line[strcspn(line, "\r\n")] = '\0';
    char *copy = mem_text(line);
    explicit_bzero(line, sizeof line);
    return copy;
}

static bool ask_user_trust(void *context, const char *question)
{
    struct deploy_ui *ui = context;
    if (!is_interactive())
        return false;
    fprintf(stderr, "%s [yes/no] ", text_safe(&ui->invocation->arena, question));
    char *said = read_typed_line();
    bool trusted = said && !strcmp(said, "yes");
    free(said);
    deploy_screen_interrupt(&ui->screen);
    return trusted;
}

static char *ask_user_secret(void *context, const char *question)
{
    struct deploy_ui *ui = context;
    struct termios before, silent;
    if (!is_interactive() || tcgetattr(STDIN_FILENO, &before))
        return NULL;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* Before the prompt: early typing is neither shown nor lost. */
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fputs(text_safe(&ui->invocation->arena, question), stderr);
    char *said = read_typed_line();
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    deploy_screen_interrupt(&ui->screen);
    return said;
}

/* ---- the interface --------------------------------------------------------------------------- */

/* The folder of bundles: next to the programs in a build tree, or below share/ when installed. */
static const char *bundle_folder(struct arena *arena)
{
    const char *farmd = process_find(arena, "farm"), *slash = strrchr(farmd, '/');
    const char *folder = slash ? arena_print(arena, "%.*s", (int)(slash - farmd), farmd) : ".";
    const char *installed = arena_print(arena, "%s/../share/floxfarm/bundles", folder);
    return io_exists(installed) ? installed : arena_print(arena, "%s/../bundles", folder);
}

static enum exit_code load_bundles(struct deploy_ui *ui, const char *kind)
{
    static const char *const cpus[] = {"x86_64", "aarch64"};
    struct arena *arena = &ui->invocation->arena;
    const char *folder = bundle_folder(arena);
    struct err err;
    for (size_t i = 0; i < 2; i++)
        if (bundle_load(folder, cpus[i], kind, arena, &ui->bundles[i], &err) < 0)
            return fail(EXIT_REFUSED, "%s", err.text);
    return EXIT_FINE;
}

static const char *user_on_host(struct arena *arena)
{
    char host[256] = "";
    const char *user = getenv("USER");
    gethostname(host, sizeof host - 1);
    return arena_print(arena, "%s on %s", user && *user ? user : "somebody", host);
}

static int settle_member(void *context, struct fleet_host *member, struct err *err)
{
    struct deploy_ui *ui = context;
    return admission_settle(&ui->admission, member, err);
}

static int act_for_member(void *context, struct fleet_host *member, enum rollout_step step,
                          struct err *err)
{
    struct deploy_ui *ui = context;
    return admission_act(&ui->admission, member, step, err);
}

static void show_member(void *context, const struct fleet_host *member)
{
    struct deploy_ui *ui = context;
    deploy_screen_show(&ui->screen, member);
}

enum exit_code deploy_ui_open(struct deploy_ui *ui, struct invocation *invocation, size_t count,
                              enum deploy_ui_use use)
{
    struct arena *arena = &invocation->arena;
    enum exit_code code = EXIT_FINE;
    *ui = (struct deploy_ui){.invocation = invocation,
                             .members = arena_new(arena, count * sizeof *ui->members),
                             .count = count};
    ui->admission =
        (struct admission){.invocation = invocation,
                           .members = ui->members,
                           .identities = arena_new(arena, count * sizeof *ui->admission.identities),
                           .count = count,
                           .coordinator = "",
                           .replaces = ""};
    deploy_screen_open(&ui->screen, ui->members, count, arena);
    ui->fleet = (struct fleet_callbacks){
        ui,          ask_user_trust,     ask_user_secret, settle_member, act_for_member,
        show_member, user_on_host(arena)};
    if (use == DEPLOY_UI_WORKERS)
        code = invocation_tell(invocation, "farm", NULL);
    return code == EXIT_FINE ? load_bundles(ui, use == DEPLOY_UI_FARM ? "-coordinator" : "") : code;
}

int deploy_ui_address(struct deploy_ui *ui, size_t index, const char *to, const char *identity,
                      struct err *err)
{
    struct fleet_host *member = &ui->members[index];
    struct invocation *invocation = ui->invocation;
    ui->admission.identities[index] = identity;
    member->prefix = "";
    member->wanted = (struct wishes){.who = to,
                                     .name = "",
                                     .coordinator = "",
                                     .logs = "",
                                     .coordinator_key = "",
                                     .worker_home = "",
                                     .slots = "",
                                     .heavy = "",
                                     .run_as = "",
                                     .bundles = ui->bundles,
                                     .bundle_count = 2};
    if (invocation->client)
        member->wanted.coordinator_key = client_address(invocation->client)->server_key;
    return destination_find(to, identity, &invocation->arena, &member->to, err);
}

enum exit_code deploy_ui_run(struct deploy_ui *ui)
{
    size_t bad = fleet_run(ui->members, ui->count, &ui->fleet);
    fflush(stdout);
    bad += deploy_screen_report(&ui->screen);
    report_answer(json_pack("{s:o}", "hosts", deploy_screen_json(&ui->screen)));
    return bad ? EXIT_REFUSED : EXIT_FINE;
}

void deploy_ui_close(struct deploy_ui *ui)
{
    for (size_t i = 0; i < ui->count; i++)
        fleet_release(&ui->members[i]);
    for (size_t i = 0; i < 2; i++)
        bundle_release(&ui->bundles[i]);
}
