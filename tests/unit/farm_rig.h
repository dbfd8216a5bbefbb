/* SPDX-License-Identifier: MIT */
/* farm_rig.h - a coordinator in a process of its own, in a temporary folder and on free ports of
 * 127.0.0.1, and the command line's end of it. The process is the test's own program: its main must
 * begin with farm_rig_child. Tests only. */
#ifndef FARM_TESTS_FARM_RIG_H
#define FARM_TESTS_FARM_RIG_H

#include "coordinator/cli/client.h"
#include "coordinator/cli/command.h"
#include "coordinator/discovery/discover.h"
#include "coordinator/discovery/reading.h"
#include "coordinator/loop.h"
#include "coordinator/start.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "tests/unit/folders.h"

#include <jansson.h>
#include <signal.h>
#include <sys/wait.h>

struct farm_rig {
    struct place *place;
    struct invocation invocation;
    pid_t pid;
};

static inline int farm_rig_run(const char *home)
{
    struct err err = {""};
    const struct loop_options options = {.home = home, .program = "/proc/self/exe"};
    int result = start_claim(home, &err) < 0 || loop_run(&options, &err);
    if (result)
        fprintf(stderr, "failed: %s\n", err.text);
    return result != 0;
}

#define farm_rig_child(argc, argv)                                                                 \
    if ((argc) > 1 && !strcmp((argv)[1], "discover"))                                              \
        return discover_main();                                                                    \
    if ((argc) > 1 && !strcmp((argv)[1], "discover-read"))                                         \
        return reading_main();                                                                     \
    if ((argc) > 2 && !strcmp((argv)[1], "run"))                                                   \
        return farm_rig_run((argv)[2]);

/* Waits for the coordinator's line that it is ready. */
static inline void farm_rig_wait_ready(int log)
{
    char line[4096];
    FILE *lines = fdopen(log, "r");
    do
        if (!fgets(line, sizeof line, lines) || strstr(line, "failed: "))
            fail_msg("the coordinator does not start: %s", line);
    while (!strstr(line, "ready: "));
    fclose(lines);
}

static inline void farm_rig_start(struct farm_rig *rig)
{
    char program[256] = "";
    int log[2];
    struct err err = {""};
    assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    const char *argv[] = {program, "run", rig->place->path, NULL};
    struct io_spawn spawn = {.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = log[1]};
    rig->pid = io_spawn(&spawn, &err);
    close(log[1]);
    if (rig->pid < 0)
        fail_msg("%s", err.text);
    farm_rig_wait_ready(log[0]);
}

/* `yaml` is the rest of farm.yaml, behind its endpoints. */
static inline struct farm_rig *farm_rig_open(const char *yaml)
{
    struct farm_rig *rig = mem_new(sizeof *rig);
    struct key_pair owner;
    struct err err = {""};
    unsetenv("FARM_CONNECT");
    place_setup((void **)&rig->place);
    place_write(rig->place, "farm.yaml",
                arena_print(&rig->place->arena,
                            "listen: {control: 'tcp://127.0.0.1:*', log: 'tcp://127.0.0.1:*', "
                            "join: 'tcp://127.0.0.1:*'}\n%s",
                            yaml));
    if (io_make_folders(home_path(rig->place, "keys"), 0700, &err) ||
        keys_ensure(home_path(rig->place, "keys/admin.key"), &owner, &err))
        fail_msg("%s", err.text);
    rig->invocation.home = rig->place->path;
    farm_rig_start(rig);
    return rig;
}

static inline void farm_rig_close(struct farm_rig *rig)
{
    int status = -1;
    client_close(rig->invocation.client);
    kill(rig->pid, SIGTERM);
    waitpid(rig->pid, &status, 0);
    assert_int_equal(status, 0);
    arena_clear(&rig->invocation.arena);
    place_teardown((void **)&rig->place);
    free(rig);
}

/* Asks as the farm's owner; must succeed. Steals `arguments`; the caller releases the answer. */
static inline json_t *farm_rig_ask(struct farm_rig *rig, const char *verb, json_t *arguments)
{
    json_t *body = NULL;
    assert_int_equal(invocation_ask(&rig->invocation, verb, arguments, &body), EXIT_FINE);
    return body;
}

#endif
