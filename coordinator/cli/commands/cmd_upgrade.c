/* SPDX-License-Identifier: MIT */
/* cmd_upgrade.c - hosts that `farm worker add` set up: upgrades of the programs and of flox, and
 * their removal.
 *
 * Our own programs are replaced while builds run. A flox upgrade restarts nix-daemon and kills its
 * builds, so the host is drained first and resumed after the upgrade: one host at a time, so that
 * the others keep working. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/hosts/deploy_ui.h"
#include "coordinator/cli/hosts/host_book.h"
#include "coordinator/cli/hosts/tunnel.h"
#include "proto/json.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define LOOK_EVERY_MS 500

static int fill_known(struct deploy_ui *ui, size_t index, const char *name, struct err *err)
{
    struct invocation *invocation = ui->invocation;
    struct fleet_host *member = &ui->members[index];
    struct host_entry entry;
    if (hosts_read(invocation, name, &entry, err) < 0)
        return -1;
    if (deploy_ui_address(ui, index, entry.to, entry.identity, err) < 0)
        return -1;
    member->goal = FLEET_UPGRADE;
    member->prefix = entry.prefix;
    member->wanted.name = entry.name;
    member->wanted.worker_home = entry.worker_home;
    member->wanted.only_upgrade = true;
    return 0;
}

/* ---- upgrade --------------------------------------------------------------------------------- */

static enum exit_code upgrade_hosts(struct invocation *invocation, const char *const *names,
                                    size_t count, bool flox)
{
    struct deploy_ui ui;
    struct err err;
    enum exit_code code = deploy_ui_open(&ui, invocation, count, DEPLOY_UI_WORKERS);
    for (size_t i = 0; code == EXIT_FINE && i < count; i++) {
        if (fill_known(&ui, i, names[i], &err) < 0)
            code = fail(EXIT_REFUSED, "%s", err.text);
        ui.members[i].wanted.newer_flox = flox;
    }
    if (code == EXIT_FINE)
        code = deploy_ui_run(&ui);
    deploy_ui_close(&ui);
    return code;
}

static enum exit_code tell_worker(struct invocation *invocation, const char *verb, const char *name)
{
    return invocation_tell(
        invocation, verb,
        json_pack("{s:s, s:s}", "worker", name, "reason", "farm worker upgrade --flox"));
}

/* Waits until the worker builds and publishes nothing; prints how many are left when that changes.
 */
static enum exit_code await_idle(struct invocation *invocation, const char *name)
{
    uint64_t before = 0;
    for (;;) {
        json_t *body = NULL, *worker;
        size_t index;
        uint64_t busy = 0;
        enum exit_code code = invocation_ask(invocation, "workers", NULL, &body);
        json_array_foreach(json_object_get(body, "workers"), index, worker)
        {
            if (!strcmp(json_get_text(worker, "worker", ""), name))
                busy = json_get_u64(worker, "running", 0) + json_get_u64(worker, "publishing", 0);
        }
        json_decref(body);
        if (code != EXIT_FINE || !busy)
            return code;
        if (busy != before)
            printf("%s: waiting for %llu builds and publications to end\n", name,
                   (unsigned long long)busy);
        fflush(stdout);
        before = busy;
        poll(NULL, 0, LOOK_EVERY_MS);
    }
}

static enum exit_code upgrade_flox(struct invocation *invocation, const char *name)
{
    enum exit_code code = tell_worker(invocation, "worker-drain", name);
    if (code == EXIT_FINE)
        code = await_idle(invocation, name);
    if (code == EXIT_FINE)
        code = upgrade_hosts(invocation, &name, 1, true);
    if (code == EXIT_FINE)
        return tell_worker(invocation, "worker-resume", name);
    return fail(code, "%s is drained; when it is repaired: farm worker resume %s", name, name);
}

enum exit_code cmd_worker_upgrade(struct invocation *invocation)
{
    const char *const *names = invocation->arguments;
    size_t count = invocation->argument_count;
    enum exit_code code = EXIT_FINE;
    if (option_given(invocation, "all") == (count > 0))
        return fail(EXIT_USAGE, "name the workers to upgrade, or all of them with --all");
    if (option_given(invocation, "all"))
        for (names = hosts_list(invocation); names[count]; count++)
            ;
    if (count == 0)
        return fail(EXIT_REFUSED, "no worker was added from this machine by farm worker add");
    if (!option_given(invocation, "flox"))
        return upgrade_hosts(invocation, names, count, false);
    for (size_t i = 0; code == EXIT_FINE && i < count; i++)
        code = hosts_knows(invocation, names[i])
                   ? upgrade_flox(invocation, names[i])
                   : fail(EXIT_REFUSED, "%s was not added from this machine by farm worker add",
                          names[i]);
    return code;
}

/* ---- leave ----------------------------------------------------------------------------------- */

enum exit_code host_leave(struct invocation *invocation, const char *name, bool purge)
{
    struct deploy_ui ui;
    struct err err;
    if (!hosts_knows(invocation, name)) {
        printf("%s was not added from this machine: stop it on its host with farm-worker service "
               "remove\n",
               name);
        return EXIT_FINE;
    }
    enum exit_code code = deploy_ui_open(&ui, invocation, 1, DEPLOY_UI_LEAVING);
    if (code == EXIT_FINE && fill_known(&ui, 0, name, &err) < 0)
        code = fail(EXIT_REFUSED, "%s", err.text);
    ui.members[0].goal = FLEET_LEAVE;
    ui.members[0].purges = purge;
    tunnel_stop(invocation, name);
    if (code == EXIT_FINE)
        code = deploy_ui_run(&ui);
    deploy_ui_close(&ui);
    if (code == EXIT_FINE)
        hosts_forget(invocation, name);
    return code;
}
