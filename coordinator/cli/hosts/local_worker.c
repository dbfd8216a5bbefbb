/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/local_worker.h"

#include "coordinator/cli/client.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/hosts/host_book.h"
#include "coordinator/cli/process.h"
#include "proto/base/io.h"
#include "proto/base/text.h"
#include "proto/keys.h"
#include "proto/limits.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

#define STOP_WAIT_MS 15000

/* The worker creates its key itself and prints the public half: the secret key never leaves its
 * home. */
static int worker_key(const char *program, const char *home, char key[KEY_TEXT_BYTES],
                      struct err *err)
{
    struct buf text = {0};
    const char *argv[] = {program, "keys", "--home", home, NULL};
    int code = process_capture(argv, LIMIT_TEXT_BYTES, &text, err);
    if (text.size)
        text.data[strcspn((char *)text.data, "\r\n")] = '\0';
    bool fine = code == 0 && text.size && keys_valid((char *)text.data);
    if (fine)
        memcpy(key, text.data, KEY_TEXT_BYTES);
    buf_release(&text);
    if (fine || code < 0)
        return fine ? 0 : -1;
    return err_set(err, "%s keys did not print a public key (exit code %d)", program, code);
}

static enum exit_code enrol_worker(struct invocation *invocation, const struct local_worker *worker,
                                   const char *key)
{
    json_t *arguments = json_pack("{s:s, s:s, s:s, s:b}", "name", worker->name, "public_key", key,
                                  "role", "worker", "may_publish", (int)worker->may_publish);
    return invocation_tell(invocation, "enrol", arguments);
}

/* *out is true when an earlier start has already enrolled the key. */
static enum exit_code is_enrolled(struct invocation *invocation, const struct local_worker *worker,
                                  const char *key, bool *out)
{
    json_t *body = NULL, *peer;
    size_t index;
    enum exit_code code = invocation_ask(invocation, "peers", NULL, &body);
    *out = false;
    json_array_foreach(json_object_get(body, "peers"), index, peer)
    {
        const char *known = json_string_value(json_object_get(peer, "key"));
        bool publishes = json_is_true(json_object_get(peer, "may_publish"));
        if (known && !strcmp(known, key) && publishes == worker->may_publish)
            *out = true;
    }
    json_decref(body);
    return code;
}

static enum exit_code ensure_enrolled(struct invocation *invocation,
                                      const struct local_worker *worker, const char *program,
                                      const char *home)
{
    char key[KEY_TEXT_BYTES];
    struct err err;
    bool enrolled;
    if (io_make_folders(home, 0755, &err) || worker_key(program, home, key, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    enum exit_code code = is_enrolled(invocation, worker, key, &enrolled);
    return code != EXIT_FINE || enrolled ? code : enrol_worker(invocation, worker, key);
}

/* The worker's command line; options that are "" are left out. */
static const char **command_line(struct invocation *invocation, const struct local_worker *worker,
                                 const char *program, const char *home)
{
    struct arena *arena = &invocation->arena;
    const char *server = arena_print(arena, "@%s/keys/farmd.key.pub", invocation->home);
    const char *pairs[][2] = {
        {"--home", home},
        {"--connect", home_endpoint(arena, invocation->home, "control")},
        {"--log-connect", home_endpoint(arena, invocation->home, "log")},
        {"--server-key", server},
        {"--supervisor", worker->supervisor},
        {"--slots", worker->slots},
        {"--heavy", worker->heavy},
        {"--emulate", worker->emulate},
    };
    size_t count = sizeof pairs / sizeof *pairs, used = 0;
    const char **argv = arena_new(arena, (2 * count + 4) * sizeof *argv);
    argv[used++] = program;
    argv[used++] = "run";
    for (size_t i = 0; i < count; i++)
        if (*pairs[i][1]) {
            argv[used++] = pairs[i][0];
            argv[used++] = pairs[i][1];
        }
    if (worker->may_publish)
        argv[used++] = "--may-publish";
    return argv;
}

enum exit_code local_worker_start(struct invocation *invocation, const struct local_worker *worker)
{
    struct arena *arena = &invocation->arena;
    struct err err;
    if (!text_is_name(worker->name, LIMIT_NAME_BYTES))
        return fail(EXIT_USAGE,
                    "\"%.80s\" cannot be a worker's name, which has 1 to %d " TEXT_NAME_RULE,
                    worker->name, LIMIT_NAME_BYTES);
    const char *home = *worker->home
                           ? worker->home
                           : arena_print(arena, "%s/workers/%s", invocation->home, worker->name);
    const char *pid_file =
        arena_print(arena, "%s/run/worker-%s.pid", invocation->home, worker->name);
    const char *log_file =
        arena_print(arena, "%s/log/worker-%s.log", invocation->home, worker->name);
    const char *program = *worker->program ? worker->program : process_find(arena, "farm-worker");
    if (process_running(pid_file)) {
        printf("worker %s already runs (log %s)\n", worker->name, log_file);
        return EXIT_FINE;
    }
    enum exit_code code = ensure_enrolled(invocation, worker, program, home);
    if (code != EXIT_FINE)
        return code;
    struct process_start start = {.argv = command_line(invocation, worker, program, home),
                                  .pid_file = pid_file,
                                  .log_file = log_file};
    if (process_start(&start, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    printf("worker %s started in %s (log %s)\n", worker->name, home, log_file);
    return EXIT_FINE;
}

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
