/* SPDX-License-Identifier: MIT */
/* cmd_add.c - `farm worker add`: makes hosts workers, over SSH. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/hosts/deploy_ui.h"
#include "coordinator/cli/hosts/inventory.h"

#include <string.h>

/* The host that the command line names, as an inventory of one. */
static void one_host(struct invocation *invocation, struct inventory *out)
{
    const char *replaces = option_text(invocation, "replace");
    out->hosts = arena_new(&invocation->arena, sizeof *out->hosts);
    out->count = 1;
    out->hosts[0] = (struct inventory_host){
        .host = invocation->arguments[0],
        .name = option_given(invocation, "name") ? option_text(invocation, "name") : replaces,
        .identity = option_text(invocation, "identity"),
        .prefix = option_text(invocation, "prefix"),
        .worker_home = option_text(invocation, "worker-home"),
        .run_as = option_text(invocation, "run-as"),
        .slots = option_text(invocation, "slots"),
        .may_publish = option_given(invocation, "may-publish"),
        .tunnel = option_given(invocation, "tunnel")};
}

/* Options of the command line are the defaults for hosts of the inventory that do not set them. */
static void add_defaults(struct invocation *invocation, struct inventory_host *host)
{
    const struct {
        const char **text;
        const char *option;
    } rows[] = {{&host->identity, "identity"},
                {&host->prefix, "prefix"},
                {&host->worker_home, "worker-home"},
                {&host->run_as, "run-as"},
                {&host->slots, "slots"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!**rows[i].text)
            *rows[i].text = option_text(invocation, rows[i].option);
    host->may_publish |= option_given(invocation, "may-publish");
    host->tunnel |= option_given(invocation, "tunnel");
}

static enum exit_code read_hosts(struct invocation *invocation, struct inventory *out)
{
    const char *file = option_text(invocation, "inventory");
    struct err err;
    if (!*file && invocation->argument_count == 0)
        return fail(EXIT_USAGE, "name a host as USER@HOST, or an inventory file with --inventory");
    if (!*file) {
        one_host(invocation, out);
        return EXIT_FINE;
    }
    if (invocation->argument_count || option_given(invocation, "name") ||
        option_given(invocation, "replace"))
        return fail(EXIT_USAGE, "--inventory takes hosts and their names from the file only");
    if (inventory_read(file, &invocation->arena, out, &err) < 0)
        return fail(EXIT_USAGE, "%s", err.text);
    for (size_t i = 0; i < out->count; i++)
        add_defaults(invocation, &out->hosts[i]);
    return EXIT_FINE;
}

static int fill_member(struct deploy_ui *ui, size_t index, const struct inventory_host *host,
                       struct err *err)
{
    struct invocation *invocation = ui->invocation;
    struct fleet_host *member = &ui->members[index];
    if (deploy_ui_address(ui, index, host->host, host->identity, err) < 0)
        return -1;
    member->trust = (struct ssh_trust){.accept_new = option_given(invocation, "accept-new"),
                                       .replaces_key = option_given(invocation, "replace")};
    member->goal = option_given(invocation, "check") ? FLEET_CHECK : FLEET_ADD;
    member->prefix = host->prefix;
    member->wanted.name = host->name;
    member->wanted.worker_home = host->worker_home;
    member->wanted.run_as = host->run_as;
    member->wanted.slots = host->slots;
    member->wanted.may_publish = host->may_publish;
    member->wanted.isolation = option_text(invocation, "isolation");
    member->wanted.trust_recipes = option_given(invocation, "trust-recipes");
    member->wanted.by_tunnel = host->tunnel;
    member->wanted.no_smoke = option_given(invocation, "no-smoke");
    return 0;
}

enum exit_code cmd_worker_add(struct invocation *invocation)
{
    struct inventory inventory = {0};
    struct deploy_ui ui;
    struct err err;
    enum exit_code code = read_hosts(invocation, &inventory);
    if (code != EXIT_FINE)
        return code;
    code = deploy_ui_open(&ui, invocation, inventory.count, DEPLOY_UI_WORKERS);
    ui.admission.coordinator = option_text(invocation, "coordinator");
    ui.admission.replaces = option_text(invocation, "replace");
    for (size_t i = 0; code == EXIT_FINE && i < inventory.count; i++)
        if (fill_member(&ui, i, &inventory.hosts[i], &err) < 0)
            code = fail(EXIT_USAGE, "%s", err.text);
    if (code == EXIT_FINE)
        code = deploy_ui_run(&ui);
    deploy_ui_close(&ui);
    return code;
}
