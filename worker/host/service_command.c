/* SPDX-License-Identifier: MIT */
/* service_command.c - the command `farm-worker service`. */
#include "worker/host/commands.h"

#include "worker/host/service.h"
#include "worker/process/cgroups.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int nothing_to_do(struct service *service, struct err *err)
{
    (void)service, (void)err;
    return 0;
}

/* For ExecStopPost of the unit; see units.c. */
static int cgroup_release(struct service *service, struct err *err)
{
    (void)service, (void)err;
    cgroups_release();
    return 0;
}

static const struct {
    const char *verb;
    int (*run)(struct service *service, struct err *err);
} verbs[] = {
    {"install", service_install}, {"start", service_start},  {"restart", service_restart},
    {"stop", service_stop},       {"status", nothing_to_do}, {"remove", service_remove},
    {"release", cgroup_release},
};

static const char *state_text(const struct service *service, const struct service_state *state)
{
    const char *runs = !state->installed ? "not installed"
                       : state->running  ? "running"
                                         : "installed, not running";
    return arena_print(service->arena, "%s%s%s", runs, *service->notes ? "; " : "", service->notes);
}

static void print_state(const struct service *service, bool json)
{
    struct service_state state;
    service_state(service, &state);
    const char *text = state_text(service, &state);
    if (!json) {
        printf("%s (%s, home %s)\n", text, service_kind_names[service->kind], service->home);
        return;
    }
    json_t *said = json_pack(
        "{s:s, s:b, s:b, s:b, s:s, s:s, s:s, s:I, s:s}", "kind", service_kind_names[service->kind],
        "installed", (int)state.installed, "running", (int)state.running, "starts_at_boot",
        (int)state.starts_at_boot, "unit", service->unit, "home", service->home, "user",
        service->user, "pid", (json_int_t)state.pid, "text", text);
    json_dumpf(said, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(said);
}

int host_service(struct worker_options *options, struct err *err)
{
    struct service service;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].verb, options->verb) != 0)
            continue;
        if (service_open(options, "", &service, err) < 0 || verbs[i].run(&service, err) < 0)
            return -1;
        if (verbs[i].run != cgroup_release)
            print_state(&service, options->json);
        return 0;
    }
    return err_set(err, "service needs one of: install, start, restart, stop, status, remove");
}
