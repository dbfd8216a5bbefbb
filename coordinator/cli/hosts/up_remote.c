/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/up_remote.h"

#include "coordinator/cli/home.h"
#include "coordinator/cli/hosts/deploy_ui.h"
#include "coordinator/cli/process.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The name of our key in the farm on the other host: user and host name of this machine. */
static const char *own_key_name(struct arena *arena)
{
    char host[256] = "";
    const char *user = getenv("USER");
    gethostname(host, sizeof host - 1);
    const char *name = arena_print(arena, "%s-%.*s", user && *user ? user : "admin",
                                   (int)strcspn(host, "."), host);
    return strlen(name) <= LIMIT_NAME_BYTES ? name : "admin-elsewhere";
}

static bool is_own(const char *endpoint)
{
    return !strncmp(endpoint, "tcp://127.", 10) || !strncmp(endpoint, "tcp://localhost:", 16) ||
           !strncmp(endpoint, "tcp://[::1]", 11);
}

static bool is_any(const char *endpoint)
{
    return !strncmp(endpoint, "tcp://0.0.0.0:", 14) || !strncmp(endpoint, "tcp://*:", 8) ||
           !strncmp(endpoint, "tcp://[::]:", 11);
}

/* The endpoint as this machine reaches it: a wildcard becomes the host's address. */
static const char *from_here(struct arena *arena, const char *endpoint, const char *address)
{
    bool six = strchr(address, ':') != NULL;
    return is_any(endpoint) ? arena_print(arena, "tcp://%s%s%s%s", six ? "[" : "", address,
                                          six ? "]" : "", strrchr(endpoint, ':'))
                            : endpoint;
}

/* Checks farm.yaml before anything is sent: farmd prints its errors to standard error. */
static int read_config(struct invocation *invocation, struct buf *text, struct err *err)
{
    struct arena *arena = &invocation->arena;
    const char *path = home_path(arena, invocation->home, "farm.yaml");
    const char *argv[] = {process_find(arena, "farmd"), "config-check", "--home", invocation->home,
                          NULL};
    struct buf said = {0};
    if (!io_exists(path))
        return err_set(err, "there is no %s: write one with farm init URL", path);
    int code = process_capture(argv, LIMIT_TEXT_BYTES, &said, err);
    buf_release(&said);
    if (code > 0)
        err_set(err, "correct %s first", path);
    return code ? -1 : io_read_file(path, LIMIT_CONFIG_BYTES, text, err);
}

static int note_place(struct deploy_ui *ui, struct err *err)
{
    struct invocation *invocation = ui->invocation;
    struct arena *arena = &invocation->arena;
    const struct fleet_host *member = &ui->members[0];
    const char *control =
        from_here(arena, json_get_text(member->place, "control", ""), member->to.address);
    const char *logs =
        from_here(arena, json_get_text(member->place, "log", ""), member->to.address);
    if (is_own(control) && strncmp(member->to.address, "127.", 4) != 0)
        return err_set(
            err,
            "the coordinator runs there but listens on %s, which only that host can reach: "
            "set listen.control and listen.log to tcp://0.0.0.0:PORT in farm.yaml, stop "
            "it there (farm down), and run this again",
            control);
    const char *text =
        arena_print(arena, "host %s\nconnect %s\nlog %s\nserver-key %s\n", member->to.typed,
                    control, logs, json_get_text(member->place, "key", ""));
    return io_write_file(home_path(arena, invocation->home, "remote"), text, strlen(text), 0644,
                         true, err);
}

static enum exit_code report_address(struct deploy_ui *ui)
{
    struct invocation *invocation = ui->invocation;
    enum exit_code code = invocation_tell(invocation, "farm", NULL);
    if (code != EXIT_FINE)
        return fail(code, "the coordinator runs there but does not answer: check that its port is "
                          "open to this machine");
    printf("the coordinator runs on %s in %s; commands here reach it at %s\n",
           ui->members[0].to.typed, json_get_text(ui->members[0].place, "home", "?"),
           home_remote(&invocation->arena, invocation->home, "connect"));
    if (strcmp(json_get_text(ui->members[0].place, "boot", ""), "yes") != 0)
        puts("it will not start again when that host boots: install cron there and run this again");
    return EXIT_FINE;
}

static int prepare_host(struct deploy_ui *ui, const char *to, struct buf *config,
                        struct key_pair *own, struct err *err)
{
    struct invocation *invocation = ui->invocation;
    struct fleet_host *member = &ui->members[0];
    if (deploy_ui_address(ui, 0, to, option_text(invocation, "identity"), err) < 0)
        return -1;
    if (read_config(invocation, config, err) < 0 ||
        io_make_folders(home_path(&invocation->arena, invocation->home, "keys"), 0700, err) < 0 ||
        keys_ensure(home_path(&invocation->arena, invocation->home, "keys/me.key"), own, err))
        return -1;
    member->goal = FLEET_FARM;
    member->trust.accept_new = option_given(invocation, "accept-new");
    member->prefix = option_text(invocation, "prefix");
    member->wanted.name = own_key_name(&invocation->arena);
    member->farm = (struct wanted_farm){.home = option_text(invocation, "there"),
                                        .own_key = own->public_key,
                                        .config = {config->data, config->size}};
    return 0;
}

enum exit_code up_elsewhere(struct invocation *invocation)
{
    struct deploy_ui ui;
    struct key_pair own;
    struct buf config = {0};
    struct err err;
    const char *endpoints = home_path(&invocation->arena, invocation->home, "run/endpoints");
    if (io_exists(endpoints))
        return fail(EXIT_REFUSED,
                    "the coordinator of this farm runs on this machine: farm move moves it "
                    "to another host");
    enum exit_code code = deploy_ui_open(&ui, invocation, 1, DEPLOY_UI_FARM);
    if (code == EXIT_FINE &&
        prepare_host(&ui, option_text(invocation, "on"), &config, &own, &err) < 0)
        code = fail(EXIT_REFUSED, "%s", err.text);
    if (code == EXIT_FINE)
        code = deploy_ui_run(&ui);
    if (code == EXIT_FINE && note_place(&ui, &err) < 0)
        code = fail(EXIT_REFUSED, "%s", err.text);
    if (code == EXIT_FINE)
        code = report_address(&ui);
    deploy_ui_close(&ui);
    buf_release(&config);
    return code;
}
