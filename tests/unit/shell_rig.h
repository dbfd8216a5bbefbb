/* SPDX-License-Identifier: MIT */
/* shell_rig.h - a coordinator's shell in a test: a real journal in a temporary folder, real CURVE
 * sockets on 127.0.0.1, real children, and one client for each role. Turns are those of loop.c; the
 * test runs them, and may move the clock. Waiting is by the sockets' own descriptors; nothing
 * sleeps.
 *
 * Children are the test's own program: its main must begin with rig_child. */
#ifndef FARM_TESTS_SHELL_RIG_H
#define FARM_TESTS_SHELL_RIG_H

#include "coordinator/api/questions.h"
#include "coordinator/api/requests_private.h"
#include "coordinator/control.h"
#include "coordinator/core/view.h"
#include "coordinator/discovery/discover.h"
#include "coordinator/discovery/reading.h"
#include "coordinator/join/join.h"
#include "coordinator/notify/notifier.h"
#include "coordinator/notify/notify.h"
#include "coordinator/resolve/discovery_queue.h"
#include "coordinator/resolve/preflight.h"
#include "coordinator/shell/reply.h"
#include "coordinator/storage/journal.h"
#include "coordinator/storage/logstore.h"
#include "proto/base/clock.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/zap.h"
#include "tests/unit/folders.h"

#include <poll.h>
#include <zmq.h>

enum { RIG_WAIT_MS = 60000 };

enum rig_who { RIG_VIEWER, RIG_OPERATOR, RIG_ADMIN, RIG_STRANGER, RIG_CLIENTS };

struct rig_client {
    struct key_pair keys;
    struct link *link;
};

struct rig {
    struct place *place;
    struct shell shell;
    void *zmq;
    struct zap *zap;
    struct key_pair server;
    char program[256];
    struct rig_client clients[RIG_CLIENTS];
    struct link *links[16]; /* all that rig_connect made; rig_close closes them */
    size_t link_count;
    struct arena arena; /* of what clients received */
    unsigned asked;     /* requests so far, for their ids */
    uint64_t ahead_ms;  /* how far the farm's clock is ahead of this machine's */
};

/* At the start of main: runs as a child when this program was started as one. */
#define rig_child(argc, argv)                                                                      \
    if ((argc) > 1 && !strcmp((argv)[1], "discover"))                                              \
        return discover_main();                                                                    \
    if ((argc) > 1 && !strcmp((argv)[1], "discover-read"))                                         \
        return reading_main();                                                                     \
    if ((argc) > 1 && !strcmp((argv)[1], "notify"))                                                \
        return notify_main();

/* ---- turns ----------------------------------------------------------------------------------- */

static inline void rig_commit(struct rig *rig)
{
    struct err err = {""};
    if (journal_commit(rig->shell.journal, &err))
        fail_msg("%s", err.text);
}

static inline void rig_perform(struct rig *rig, const struct effect *effect)
{
    struct shell *shell = &rig->shell;
    switch (effect->kind) {
    case EFFECT_RESOLVE:
        resolver_run(shell->resolver, effect->run);
        break;
    case EFFECT_PREFLIGHT:
        preflight_run(shell, effect->run);
        break;
    case EFFECT_PEERS:
        control_load_peers(shell->control, rig->zap);
        break;
    case EFFECT_NOTIFY:
        notifier_tell(shell->notifier, effect->notice);
        break;
    case EFFECT_NONE:
    case EFFECT_EXPECT_LOG:
        break;
    case EFFECT_REPLY:
    case EFFECT_WELCOME:
    case EFFECT_REFUSE:
    case EFFECT_HELLO_AGAIN:
    case EFFECT_FOREIGN:
    case EFFECT_ORDERS:
        control_perform(shell->control, effect);
        break;
    }
}

/* The first half: takes what arrived. */
static inline void rig_gather(struct rig *rig)
{
    struct shell *shell = &rig->shell;
    shell->now_ms = clock_boot_ms() + rig->ahead_ms;
    shell->wall_ms = clock_wall_ms() + rig->ahead_ms;
    control_receive(shell->control);
    join_receive(shell->join);
    resolver_work(shell->resolver);
    notifier_work(shell->notifier);
    if (shell->now_ms >= farm_deadline_ms(shell->farm))
        shell_step(shell, &(struct input){.kind = INPUT_TICK});
}

/* The second half: commits, acts, answers. */
static inline void rig_act(struct rig *rig)
{
    struct farm_outcome *outcome = &rig->shell.outcome;
    rig_commit(rig);
    for (size_t done = 0; done < outcome->effect_count; done++) {
        struct effect effect = outcome->effects[done];
        rig_perform(rig, &effect);
        rig_commit(rig);
    }
    questions_answer(rig->shell.questions);
    join_answer(rig->shell.join);
    farm_outcome_clear(outcome);
    arena_clear(&rig->shell.arena);
}

static inline void rig_turn(struct rig *rig)
{
    rig_gather(rig);
    rig_act(rig);
}

/* Waits until something may have happened. The descriptors of links are edge-triggered, so the wait
 * is bounded, and the caller looks again. */
static inline void rig_wait(struct rig *rig, struct link *other)
{
    struct pollfd polls[RIG_CLIENTS + 3 + 2 * LIMIT_DISCOVERY_CHILDREN];
    size_t count = 0;
    for (size_t i = 0; i < RIG_CLIENTS; i++)
        if (rig->clients[i].link)
            polls[count++] = (struct pollfd){.fd = link_fd(rig->clients[i].link), .events = POLLIN};
    if (other)
        polls[count++] = (struct pollfd){.fd = link_fd(other), .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = control_fd(rig->shell.control), .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = join_fd(rig->shell.join), .events = POLLIN};
    count += resolver_poll(rig->shell.resolver, polls + count);
    count += notifier_poll(rig->shell.notifier, polls + count);
    poll(polls, count, 20);
}

/* ---- clients --------------------------------------------------------------------------------- */

static inline const char *rig_new_id(struct rig *rig)
{
    return arena_print(&rig->arena, "%032x", ++rig->asked);
}

static inline struct link *rig_connect(struct rig *rig, const char *endpoint,
                                       const struct key_pair *keys)
{
    struct err err = {""};
    const struct link_options options = {.frame_bytes_max = LIMIT_CONTROL_FRAME_BYTES,
                                         .send_high_water = 1000,
                                         .receive_high_water = 1000};
    struct link *link =
        link_connect(rig->zmq, endpoint, rig->server.public_key, keys, &options, &err);
    if (!link)
        fail_msg("%s", err.text);
    assert_true(rig->link_count < sizeof rig->links / sizeof *rig->links);
    return rig->links[rig->link_count++] = link;
}

static inline struct link *rig_client(struct rig *rig, enum rig_who who)
{
    struct rig_client *client = &rig->clients[who];
    if (!client->link)
        client->link = rig_connect(rig, control_endpoint(rig->shell.control, 0), &client->keys);
    return client->link;
}

/* Runs turns until the request is in the client's queue to the farm. */
static inline void rig_send(struct rig *rig, struct link *link, const char *id, const char *verb,
                            const char *arguments, uint64_t correlation)
{
    uint64_t give_up_ms = clock_boot_ms() + RIG_WAIT_MS;
    struct message message = {.kind = MESSAGE_REQUEST,
                              .request = {.id = id, .verb = verb, .arguments = arguments}};
    struct received received;
    while (link_send(link, 0, &message, correlation) != LINK_OK) {
        assert_true(clock_boot_ms() < give_up_ms);
        rig_turn(rig);
        link_receive(link, &received, &rig->arena);
        rig_wait(rig, link);
    }
}

/* Runs turns until the link has a message of this kind; of replies only one with this request id,
 * or any when it is NULL. */
static inline struct message rig_receive(struct rig *rig, struct link *link, enum message_kind kind,
                                         const char *id)
{
    uint64_t give_up_ms = clock_boot_ms() + RIG_WAIT_MS;
    for (;;) {
        struct received received;
        enum link_result result = link_receive(link, &received, &rig->arena);
        if (result == LINK_OK && received.message.kind == kind &&
            (kind != MESSAGE_REPLY || !id || !strcmp(received.message.reply.id, id)))
            return received.message;
        if (result != LINK_EMPTY)
            continue;
        if (clock_boot_ms() > give_up_ms)
            fail_msg("no answer to %s", id ? id : "any request");
        rig_turn(rig);
        rig_wait(rig, link);
    }
}

/* Every answer has the shape that docs/json.md promises. */
static inline void rig_check_answer(const char *verb, const struct reply *reply)
{
    struct err err;
    json_t *body = *reply->body ? json_loads(reply->body, 0, NULL) : json_object();
    if (answer_check(verb_find(verb)->row.answer, body, &err) < 0)
        fail_msg("%s answers %s: %s", verb, reply->body, err.text);
    json_decref(body);
}

static inline struct reply rig_ask_again(struct rig *rig, enum rig_who who, const char *id,
                                         const char *verb, const char *arguments)
{
    struct link *link = rig_client(rig, who);
    rig_send(rig, link, id, verb, arguments, 0);
    struct reply reply = rig_receive(rig, link, MESSAGE_REPLY, id).reply;
    if (reply.ok)
        rig_check_answer(verb, &reply);
    return reply;
}

static inline struct reply rig_ask(struct rig *rig, enum rig_who who, const char *verb,
                                   const char *arguments)
{
    return rig_ask_again(rig, who, rig_new_id(rig), verb, arguments);
}

/* The reply to a request that must succeed, as JSON; the caller releases it. */
static inline json_t *rig_get(struct rig *rig, enum rig_who who, const char *verb,
                              const char *arguments)
{
    struct reply reply = rig_ask(rig, who, verb, arguments);
    if (!reply.ok)
        fail_msg("%s %s: %s", verb, arguments, reply.error);
    json_t *body = json_loads(reply.body, 0, NULL);
    assert_non_null(body);
    return body;
}

static inline uint64_t rig_get_number(struct rig *rig, enum rig_who who, const char *verb,
                                      const char *arguments, const char *key)
{
    json_t *body = rig_get(rig, who, verb, arguments);
    uint64_t number = json_get_u64(body, key, 0);
    json_decref(body);
    return number;
}

/* Runs turns until the run is no longer being resolved. */
static inline struct run_view rig_resolved(struct rig *rig, uint64_t run)
{
    uint64_t give_up_ms = clock_boot_ms() + RIG_WAIT_MS;
    struct run_view view;
    assert_true(view_run(rig->shell.farm, run, &view));
    while (view.state == RUN_RESOLVING || view.state == RUN_PREFLIGHT) {
        assert_true(clock_boot_ms() < give_up_ms);
        rig_turn(rig);
        rig_wait(rig, NULL);
        assert_true(view_run(rig->shell.farm, run, &view));
    }
    return view;
}

/* ---- the farm -------------------------------------------------------------------------------- */

static inline void rig_enrol(struct rig *rig, const char *name, const char *key, enum role role)
{
    struct input input = {.kind = INPUT_ENROL,
                          .enrol = {.asked = {.request_id = rig_new_id(rig), .who = "test"},
                                    .name = name,
                                    .public_key = key,
                                    .role = role}};
    shell_step(&rig->shell, &input);
}

static inline void rig_open_sockets(struct rig *rig)
{
    struct shell *shell = &rig->shell;
    struct err err = {""};
    shell->control = control_open(shell, rig->zmq, &rig->server, &err);
    if (!shell->control)
        fail_msg("%s", err.text);
    const struct logstore_options logs = {.zmq_context = rig->zmq,
                                          .endpoint = shell->config.listen.log,
                                          .local_endpoint = "",
                                          .server = rig->server,
                                          .folder = home_path(rig->place, "logs"),
                                          .role_of = control_role_of,
                                          .role_context = shell->control};
    shell->logs = logstore_start(&logs, &err);
    if (!shell->logs || join_create(shell, rig->zmq, &rig->server, &shell->join, &err))
        fail_msg("%s", err.text);
}

/* Replaces each "$HOME" by the farm's folder. */
static inline const char *rig_with_home(struct rig *rig, const char *text)
{
    const char *at = strstr(text, "$HOME");
    return at ? arena_print(&rig->arena, "%.*s%s%s", (int)(at - text), text, rig->place->path,
                            rig_with_home(rig, at + strlen("$HOME")))
              : text;
}

/* Runs a line of shell in the farm's folder. */
static inline void rig_sh(struct rig *rig, const char *script)
{
    struct buf said = {0};
    struct err err = {""};
    const char *argv[] = {"sh", "-euc", script, NULL};
    if (io_run(argv, rig->place->path, 1 << 20, RIG_WAIT_MS, &said, &err) != 0)
        fail_msg("%s: %s %s", script, err.text, said.size ? (char *)said.data : "");
    buf_release(&said);
}

/* Opens a farm. `yaml` is the rest of farm.yaml, behind its endpoints; "$HOME" in it is the farm's
 * folder. */
static inline struct rig *rig_open(const char *yaml)
{
    struct rig *rig = mem_new(sizeof *rig);
    struct shell *shell = &rig->shell;
    struct err err = {""};
    place_setup((void **)&rig->place);
    ssize_t length = readlink("/proc/self/exe", rig->program, sizeof rig->program - 1);
    assert_true(length > 0);
    shell->home = rig->place->path;
    shell->program = rig->program;
    place_write(rig->place, "farm.yaml",
                arena_print(&rig->arena,
                            "listen: {control: 'tcp://127.0.0.1:*', log: 'tcp://127.0.0.1:*', "
                            "join: 'tcp://127.0.0.1:*'}\n%s",
                            rig_with_home(rig, yaml)));
    if (config_read(home_path(rig->place, "farm.yaml"), &shell->config, &err) ||
        io_make_folders(home_path(rig->place, "run"), 0700, &err) ||
        journal_open(shell->home, &shell->journal, &err))
        fail_msg("%s", err.text);
    rig->zmq = zmq_ctx_new();
    rig->zap = zap_start(rig->zmq, NULL);
    assert_int_equal(keys_make(&rig->server, NULL), 0);
    shell->farm = farm_create();
    shell->intake_open = true;
    shell->now_ms = clock_boot_ms();
    shell->wall_ms = clock_wall_ms();
    rig_open_sockets(rig);
    shell->questions = questions_create(shell);
    shell->resolver = resolver_create(shell);
    shell->notifier = notifier_create(shell);
    shell_step(shell, &(struct input){.kind = INPUT_START, .start = {1, "test"}});
    shell_step(shell, &(struct input){.kind = INPUT_POLICY, .policy = shell->config.policy});
    for (size_t i = 0; i < RIG_CLIENTS; i++)
        assert_int_equal(keys_make(&rig->clients[i].keys, NULL), 0);
    rig_enrol(rig, "vera", rig->clients[RIG_VIEWER].keys.public_key, ROLE_VIEWER);
    rig_enrol(rig, "otto", rig->clients[RIG_OPERATOR].keys.public_key, ROLE_OPERATOR);
    rig_enrol(rig, "ada", rig->clients[RIG_ADMIN].keys.public_key, ROLE_ADMIN);
    rig_act(rig);
    return rig;
}

static inline void rig_close(struct rig *rig)
{
    struct shell *shell = &rig->shell;
    for (size_t i = 0; i < rig->link_count; i++)
        link_close(rig->links[i], 0);
    resolver_destroy(shell->resolver);
    notifier_destroy(shell->notifier);
    questions_destroy(shell->questions);
    logstore_stop(shell->logs);
    join_destroy(shell->join);
    control_close(shell->control);
    zap_stop(rig->zap);
    zmq_ctx_term(rig->zmq);
    journal_close(shell->journal);
    farm_destroy(shell->farm);
    farm_outcome_release(&shell->outcome);
    arena_clear(&shell->arena);
    config_release(&shell->config);
    arena_clear(&rig->arena);
    place_teardown((void **)&rig->place);
    free(rig);
}

#endif
