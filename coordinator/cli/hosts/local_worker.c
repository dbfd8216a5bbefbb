/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/local_worker.h"

#include "coordinator/cli/client.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/hosts/host_book.h"
#include "coordinator/cli/local_farmd.h"
#include "coordinator/cli/process.h"
#include "coordinator/cli/report.h"
#include "proto/base/io.h"
#include "proto/base/text.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/limits.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

#define STOP_WAIT_MS 15000

/* Where the worker's things are, and what it runs. */
struct local_place {
    const char *home, *program, *supervisor;
    const char *pid_file, *log_file;
};

/* What the worker says about itself when its settings are written. */
struct local_state {
    char key[KEY_TEXT_BYTES];
    bool changed;
};

static struct local_place place_of(struct invocation *invocation, const struct local_worker *worker)
{
    struct arena *arena = &invocation->arena;
    return (struct local_place){
        .home = *worker->home ? worker->home
                              : arena_print(arena, "%s/workers/%s", invocation->home, worker->name),
        .program = *worker->program ? worker->program : process_find(arena, "farm-worker"),
        .supervisor = worker->supervisor,
        .pid_file = arena_print(arena, "%s/run/worker-%s.pid", invocation->home, worker->name),
        .log_file = arena_print(arena, "%s/log/worker-%s.log", invocation->home, worker->name)};
}

/* ---- settings ------------------------------------------------------------------------------ */

/* The command line that writes worker.conf; settings that are "" are left out. */
static const char **enrol_line(struct invocation *invocation, const struct local_worker *worker,
                               const struct local_place *place)
{
    struct arena *arena = &invocation->arena;
    const char *pairs[][2] = {
        {"--home", place->home},
        {"--name", worker->name},
        {"--coordinator", home_endpoint(arena, invocation->home, "control")},
        {"--coordinator-key", arena_print(arena, "@%s/keys/farmd.key.pub", invocation->home)},
        {"--log-coordinator", home_endpoint(arena, invocation->home, "log")},
        {"--slots", worker->slots},
        {"--heavy", worker->heavy},
        {"--emulate", worker->emulate},
        {"--isolation", worker->isolation},
    };
    size_t count = sizeof pairs / sizeof *pairs, used = 0;
    const char **argv = arena_new(arena, (2 * count + 6) * sizeof *argv);
    argv[used++] = place->program;
    argv[used++] = "enrol";
    for (size_t i = 0; i < count; i++)
        if (*pairs[i][1]) {
            argv[used++] = pairs[i][0];
            argv[used++] = pairs[i][1];
        }
    if (worker->publish != PUBLISH_AS_IS)
        argv[used++] = worker->publish == PUBLISH_YES ? "--may-publish" : "--no-publish";
    if (worker->trust_recipes)
        argv[used++] = "--trust-recipes";
    if (strcmp(place->program, process_find(arena, "farm-worker")) == 0)
        argv[used++] = "--trust-nix"; /* of this release, so that it knows the option */
    return argv;
}

/* The worker writes its own settings and its key: the secret half never leaves its home. */
static int write_settings(struct invocation *invocation, const struct local_worker *worker,
                          const struct local_place *place, struct local_state *out, struct err *err)
{
    struct buf text = {0};
    const char **argv = enrol_line(invocation, worker, place);
    int code = process_capture(argv, LIMIT_TEXT_BYTES, &text, err);
    json_t *said = code ? NULL : json_loadb((char *)text.data, text.size, 0, NULL);
    const char *key = json_get_text(said, "public_key", "");
    bool fine = keys_valid(key);
    if (fine) {
        memcpy(out->key, key, KEY_TEXT_BYTES);
        out->changed = json_get_flag(said, "changed");
    }
    json_decref(said);
    buf_release(&text);
    if (fine || code < 0)
        return fine ? 0 : -1;
    return err_set(err, "%s enrol did not say a public key (exit code %d)", place->program, code);
}

/* ---- enrolment ----------------------------------------------------------------------------- */

static enum exit_code enrol_worker(struct invocation *invocation, const char *name, const char *key,
                                   bool may_publish)
{
    json_t *arguments = json_pack("{s:s, s:s, s:s, s:b}", "name", name, "public_key", key, "role",
                                  "worker", "may_publish", (int)may_publish);
    return invocation_tell(invocation, "enrol", arguments);
}

/* Enrols a new key, and one that may publish when it may not yet, or the other way round. */
static enum exit_code ensure_enrolled(struct invocation *invocation,
                                      const struct local_worker *worker, const char *key)
{
    json_t *body = NULL, *peer;
    size_t index;
    bool known = false, publishes = false;
    enum exit_code code = invocation_ask(invocation, "peers", NULL, &body);
    json_array_foreach(json_object_get(body, "peers"), index, peer)
    {
        if (strcmp(json_get_text(peer, "key", ""), key) != 0)
            continue;
        known = true;
        publishes = json_get_flag(peer, "may_publish");
    }
    json_decref(body);
    bool wanted = worker->publish == PUBLISH_AS_IS ? publishes : worker->publish == PUBLISH_YES;
    if (code != EXIT_FINE || (known && publishes == wanted))
        return code;
    return enrol_worker(invocation, worker->name, key, wanted);
}

/* ---- the process --------------------------------------------------------------------------- */

static int start_process(const struct local_place *place, struct err *err)
{
    const char *argv[] = {
        place->program,    "run", "--home", place->home, *place->supervisor ? "--supervisor" : NULL,
        place->supervisor, NULL};
    struct process_start start = {
        .argv = argv, .pid_file = place->pid_file, .log_file = place->log_file};
    return process_start(&start, err) < 0 ? -1 : 0;
}

/* The agent writes a pid file of its own once it has locked its home. If ours is lost (the command
 * that started it was killed, or the folder was copied), it is the truth. */
static int adopt_process(const struct local_place *place, struct err *err)
{
    struct arena arena = {0};
    pid_t pid = process_running(arena_print(&arena, "%s/agent.pid", place->home));
    arena_clear(&arena);
    return pid && pid != process_running(place->pid_file) ? pidfile_write(place->pid_file, pid, err)
                                                          : 0;
}

static void report_running(const struct local_worker *worker, const struct local_place *place,
                           bool already)
{
    report_answer(json_pack("{s:{s:s, s:o, s:o, s:b}}", "worker", "worker", worker->name, "home",
                            json_text(place->home), "log", json_text(place->log_file), "already",
                            (int)already));
}

/* One that runs is stopped first when it must read other settings. */
static enum exit_code run_worker(const struct local_worker *worker, const struct local_place *place,
                                 bool changed)
{
    struct err err;
    if (adopt_process(place, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    bool runs = process_running(place->pid_file) != 0;
    if (runs && !changed) {
        report_running(worker, place, true);
        printf("worker %s already runs (log %s)\n", worker->name, place->log_file);
        return EXIT_FINE;
    }
    if (runs && process_stop(place->pid_file, STOP_WAIT_MS, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    if (start_process(place, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    report_running(worker, place, false);
    if (runs)
        printf("worker %s runs with its new settings; its builds continue\n", worker->name);
    else
        printf("worker %s started in %s (log %s)\n", worker->name, place->home, place->log_file);
    return EXIT_FINE;
}

static enum exit_code start_at(struct invocation *invocation, const struct local_worker *worker,
                               const struct local_place *place)
{
    struct local_state state;
    struct err err;
    if (io_make_folders(place->home, 0755, &err) ||
        write_settings(invocation, worker, place, &state, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    enum exit_code code = ensure_enrolled(invocation, worker, state.key);
    return code == EXIT_FINE ? run_worker(worker, place, state.changed) : code;
}

enum exit_code local_worker_start(struct invocation *invocation, const struct local_worker *worker)
{
    if (!text_is_name(worker->name, LIMIT_NAME_BYTES))
        return fail(EXIT_USAGE,
                    "\"%.80s\" cannot be a worker's name, which has 1 to %d " TEXT_NAME_RULE,
                    worker->name, LIMIT_NAME_BYTES);
    struct local_place place = place_of(invocation, worker);
    struct err err;
    if (local_farmd_lock(&invocation->arena, invocation->home, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    return start_at(invocation, worker, &place);
}

/* ---- changing one -------------------------------------------------------------------------- */

bool local_worker_exists(struct invocation *invocation, const char *name)
{
    const char *pid_file =
        arena_print(&invocation->arena, "%s/run/worker-%s.pid", invocation->home, name);
    const char *conf =
        arena_print(&invocation->arena, "%s/workers/%s/worker.conf", invocation->home, name);
    return text_is_name(name, LIMIT_NAME_BYTES) && (io_exists(pid_file) || io_exists(conf));
}

/* Program, home and supervisor of the process that runs, from its command line. */
static void read_running(struct invocation *invocation, pid_t pid, struct local_place *place)
{
    char *path = arena_print(&invocation->arena, "/proc/%ld/cmdline", (long)pid);
    struct buf line = {0};
    const char *before = "";
    if (!io_peek_file(path, LIMIT_TEXT_BYTES, &line))
        return;
    for (size_t at = 0; at < line.size; at += strlen((char *)line.data + at) + 1) {
        const char *word = arena_text(&invocation->arena, (char *)line.data + at);
        if (at == 0)
            place->program = word;
        else if (strcmp(before, "--home") == 0)
            place->home = word;
        else if (strcmp(before, "--supervisor") == 0)
            place->supervisor = word;
        before = word;
    }
    buf_release(&line);
}

enum exit_code local_worker_change(struct invocation *invocation, const struct local_worker *worker)
{
    struct local_place place = place_of(invocation, worker);
    struct err err;
    if (local_farmd_lock(&invocation->arena, invocation->home, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    pid_t pid = process_running(place.pid_file);
    if (pid)
        read_running(invocation, pid, &place);
    return start_at(invocation, worker, &place);
}

/* ---- stopping ------------------------------------------------------------------------------ */

/* Prints "worker-NAME stopped" for the path of its pid file. */
static void print_stopped(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    printf("%.*s stopped\n", (int)strcspn(name, "."), name);
}

enum exit_code local_workers_stop(struct invocation *invocation)
{
    enum exit_code code = EXIT_FINE;
    glob_t found = {0};
    struct err err;
    const char *pattern = arena_print(&invocation->arena, "%s/run/worker-*.pid", invocation->home);
    if (glob(pattern, 0, NULL, &found))
        found.gl_pathc = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int result = process_stop(found.gl_pathv[i], STOP_WAIT_MS, &err);
        if (result < 0)
            code = fail(EXIT_REFUSED, "%s", err.text);
        else if (result == 0)
            print_stopped(found.gl_pathv[i]);
    }
    globfree(&found);
    return code;
}
