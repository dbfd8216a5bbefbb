/* SPDX-License-Identifier: MIT */
/* loop.c - creates the parts of a coordinator and runs its turns. */
#include "coordinator/loop.h"

#include "coordinator/api/questions.h"
#include "coordinator/control.h"
#include "coordinator/core/view.h"
#include "coordinator/join/join.h"
#include "coordinator/notify/notifier.h"
#include "coordinator/resolve/discovery_queue.h"
#include "coordinator/resolve/preflight.h"
#include "coordinator/shell/archive.h"
#include "coordinator/shell/awake.h"
#include "coordinator/shell/reload.h"
#include "coordinator/shell/shell.h"
#include "coordinator/storage/journal.h"
#include "coordinator/storage/logstore.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/limits.h"
#include "proto/zap.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

/* With less free space than the first, the farm takes no new work until there is more than the
 * second: the journal and the logs of running builds need room. */
#define INTAKE_FLOOR_BYTES  (512ull << 20)
#define INTAKE_RESUME_BYTES (768ull << 20)
/* How often to check the disk and whether to compact. */
enum { HOUSEKEEPING_MS = 5000 };
/* Open files besides connections: journal, logs in use, children. */
enum { FILES_BESIDE = 512 };

struct main_loop {
    struct shell shell;
    void *zmq;
    struct zap *zap;
    int signals;
    bool ends;
    uint64_t commits;   /* transactions since the start */
    uint64_t committed; /* sequence number of the newest record in one */
    uint64_t housekeeping_at_ms;
    struct awake *awake;
};

/* ---- the turn ------------------------------------------------------------------------------- */

static int turn_wait_ms(struct main_loop *loop)
{
    bool busy = control_was_busy(loop->shell.control);
    if (join_was_busy(loop->shell.join) || questions_wait(loop->shell.questions) || busy)
        return 0;
    uint64_t now = clock_boot_ms();
    uint64_t until = farm_deadline_ms(loop->shell.farm);
    if (loop->housekeeping_at_ms < until)
        until = loop->housekeeping_at_ms;
    if (notifier_deadline_ms(loop->shell.notifier) < until)
        until = notifier_deadline_ms(loop->shell.notifier);
    if (until <= now)
        return 0;
    return until - now > HOUSEKEEPING_MS ? HOUSEKEEPING_MS : (int)(until - now);
}

static void wait_for_input(struct main_loop *loop)
{
    struct pollfd polls[4 + 2 * LIMIT_DISCOVERY_CHILDREN] = {
        {.fd = control_fd(loop->shell.control), .events = POLLIN},
        {.fd = logstore_fd(loop->shell.logs), .events = POLLIN},
        {.fd = loop->signals, .events = POLLIN},
        {.fd = join_fd(loop->shell.join), .events = POLLIN},
    };
    size_t count = 4 + resolver_poll(loop->shell.resolver, polls + 4);
    count += notifier_poll(loop->shell.notifier, polls + count);
    if (poll(polls, count, turn_wait_ms(loop)) < 0 && errno != EINTR)
        log_error("poll: %s", strerror(errno));
}

static void reload_on_signal(struct main_loop *loop);

static void take_signals(struct main_loop *loop)
{
    struct signalfd_siginfo info;
    while (read(loop->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload_on_signal(loop);
        else
            loop->ends = true;
    }
}

static void take_sealed_logs(struct main_loop *loop)
{
    struct logstore_event event;
    while (logstore_next(loop->shell.logs, &event)) {
        struct input input = {.kind = INPUT_LOG_SEALED,
                              .sealed = {.token = event.token, .log_bytes = event.bytes}};
        shell_step(&loop->shell, &input);
    }
}

static void watch_disk(struct main_loop *loop)
{
    uint64_t free_bytes;
    struct shell *shell = &loop->shell;
    if (!io_free_bytes(shell->home, &free_bytes))
        return;
    bool open = free_bytes >= (shell->intake_open ? INTAKE_FLOOR_BYTES : INTAKE_RESUME_BYTES);
    if (open == shell->intake_open)
        return;
    shell->intake_open = open;
    struct input input = {
        .kind = INPUT_INTAKE,
        .intake = {.open = open,
                   .reason = open ? ""
                                  : "the coordinator's disk is nearly full: make room below its "
                                    "folder; running work continues"}};
    shell_step(shell, &input);
    log_line(open ? LOG_INFO : LOG_ERROR, "intake %s: %llu MiB free", open ? "open" : "closed",
             (unsigned long long)(free_bytes >> 20));
}

static void watch_sleep(struct main_loop *loop)
{
    struct shell *shell = &loop->shell;
    const char *reason = awake_watch(loop->awake, view_has_work(shell->farm), shell->now_ms);
    struct input input = {.kind = INPUT_SLEEP, .sleep = {.reason = reason}};
    shell_step(shell, &input);
}

static void gather_inputs(struct main_loop *loop)
{
    struct shell *shell = &loop->shell;
    shell->now_ms = clock_boot_ms();
    shell->wall_ms = clock_wall_ms();
    take_signals(loop);
    control_receive(shell->control);
    join_receive(shell->join);
    take_sealed_logs(loop);
    resolver_work(shell->resolver);
    notifier_work(shell->notifier);
    if (shell->now_ms >= loop->housekeeping_at_ms) {
        watch_disk(loop);
        watch_sleep(loop);
        loop->housekeeping_at_ms = shell->now_ms + HOUSEKEEPING_MS;
    }
    /* Queued inputs first, because the tick may expire what they renew. */
    if (shell->now_ms >= farm_deadline_ms(shell->farm)) {
        struct input tick = {.kind = INPUT_TICK};
        shell_step(shell, &tick);
    }
}

static void commit_turn(struct main_loop *loop)
{
    struct err err;
    uint64_t before = loop->committed;
    loop->committed = loop->shell.sequence;
    loop->commits += loop->committed != before;
    if (journal_commit(loop->shell.journal, &err))
        shell_give_up(&loop->shell, "cannot commit the turn", &err);
}

static void expect_log(struct shell *shell, const struct effect *effect)
{
    struct worker_view worker;
    if (view_worker(shell->farm, effect->worker, &worker))
        logstore_expect(shell->logs, effect->token, worker.public_key);
}

static void perform_one(struct main_loop *loop, const struct effect *effect)
{
    struct shell *shell = &loop->shell;
    switch (effect->kind) {
    case EFFECT_NONE:
        break;
    case EFFECT_RESOLVE:
        resolver_run(shell->resolver, effect->run);
        break;
    case EFFECT_PREFLIGHT:
        preflight_run(shell, effect->run);
        break;
    case EFFECT_EXPECT_LOG:
        expect_log(shell, effect);
        break;
    case EFFECT_PEERS:
        control_load_peers(shell->control, loop->zap);
        break;
    case EFFECT_NOTIFY:
        notifier_tell(shell->notifier, effect->notice);
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

/* Performing an effect may step the core again (a run without discovery resolves at once, a send
 * fails): these records are also committed, and their effects performed, before the turn ends. */
static void commit_and_perform(struct main_loop *loop)
{
    struct farm_outcome *outcome = &loop->shell.outcome;
    size_t done = 0;
    do {
        commit_turn(loop);
        while (done < outcome->effect_count) {
            struct effect effect = outcome->effects[done++];
            size_t records = outcome->record_count;
            perform_one(loop, &effect);
            if (outcome->record_count != records)
                commit_turn(loop);
        }
        control_send_orders(loop->shell.control);
    } while (done < outcome->effect_count);
}

static void end_turn(struct main_loop *loop)
{
    commit_turn(loop); /* records of failed sends */
    questions_answer(loop->shell.questions);
    join_answer(loop->shell.join);
    farm_outcome_clear(&loop->shell.outcome);
    arena_clear(&loop->shell.arena);
}

static void keep_house(struct main_loop *loop)
{
    struct err err;
    if (archive_compact(&loop->shell, &err))
        shell_give_up(&loop->shell, "cannot archive closed runs", &err);
}

static void run_turn(struct main_loop *loop)
{
    wait_for_input(loop);
    bool housekeeping = clock_boot_ms() >= loop->housekeeping_at_ms;
    gather_inputs(loop);
    if (housekeeping)
        keep_house(loop);
    commit_and_perform(loop);
    end_turn(loop);
}

/* ---- starting ------------------------------------------------------------------------------- */

static void apply_policy(struct main_loop *loop)
{
    struct input input = {.kind = INPUT_POLICY, .policy = loop->shell.config.policy};
    shell_step(&loop->shell, &input);
}

static void reload_on_signal(struct main_loop *loop)
{
    struct err err;
    if (reload_config(&loop->shell, NULL, &err))
        log_error("%s; the old settings are kept", err.text);
    else
        log_info("farm.yaml is up to date");
}

static int replay_one(void *context, uint64_t sequence, const struct record *record,
                      struct err *err)
{
    (void)err;
    struct shell *shell = context;
    shell->sequence = sequence;
    farm_apply(shell->farm, record);
    return 0;
}

static int open_journal(struct shell *shell, struct err *err)
{
    if (journal_open(shell->home, &shell->journal, err))
        return -1;
    uint64_t begin = clock_boot_ms();
    shell->farm = farm_create();
    if (journal_replay(shell->journal, replay_one, shell, err))
        return -1;
    log_info("replayed %llu records in %llu ms", (unsigned long long)journal_size(shell->journal),
             (unsigned long long)(clock_boot_ms() - begin));
    return 0;
}

/* Enrols the first admin: the owner of the farm's folder, whose key is in it. */
static int enrol_owner(struct main_loop *loop, struct err *err)
{
    struct shell *shell = &loop->shell;
    char key[KEY_TEXT_BYTES];
    struct peer_view peer;
    const char *path = shell_path(shell, "keys/admin.key.pub");
    if (!io_exists(path))
        return 0;
    if (keys_load_public(path, key, err))
        return -1;
    if (view_peer(shell->farm, key, &peer))
        return 0;
    char request_id[33];
    io_random_hex(request_id, 16);
    struct input input = {.kind = INPUT_ENROL,
                          .enrol = {.asked = {.request_id = request_id, .who = "farmd"},
                                    .name = "admin",
                                    .public_key = key,
                                    .role = ROLE_ADMIN}};
    shell_step(shell, &input);
    return 0;
}

static int open_signals(struct main_loop *loop, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return loop->signals < 0 ? err_set(err, "signalfd: %s", strerror(errno)) : 0;
}

/* The connections for each of our two sockets. Each is an open file; a login usually starts with
 * 1,024 and allows more. */
static size_t connections_max(void)
{
    struct rlimit limit = {.rlim_cur = 1024};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit))
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    size_t most =
        limit.rlim_cur > 2 * FILES_BESIDE ? (limit.rlim_cur - FILES_BESIDE) / 2 : FILES_BESIDE / 2;
    if (most < LIMIT_CONNECTIONS)
        log_warn("the limit of %llu open files allows only %zu connections to each socket",
                 (unsigned long long)limit.rlim_cur, most);
    return most < LIMIT_CONNECTIONS ? most : LIMIT_CONNECTIONS;
}

static int point_to_listen(struct err *err)
{
    struct err what = *err;
    return err_set(err, "%s; `listen` in farm.yaml sets the addresses", what.text);
}

static int open_sockets(struct main_loop *loop, struct err *err)
{
    struct shell *shell = &loop->shell;
    struct key_pair server;
    if (io_make_folders(shell_path(shell, "run"), 0700, err) ||
        io_make_folders(shell_path(shell, "keys"), 0700, err) ||
        keys_ensure(shell_path(shell, "keys/farmd.key"), &server, err))
        return -1;
    shell->connections_max = connections_max();
    loop->zmq = zmq_ctx_new();
    zmq_ctx_set(loop->zmq, ZMQ_MAX_SOCKETS, 16);
    loop->zap = zap_start(loop->zmq, err);
    if (!loop->zap)
        return -1;
    shell->control = control_open(shell, loop->zmq, &server, err);
    if (!shell->control)
        return point_to_listen(err);
    struct logstore_options logs = {.zmq_context = loop->zmq,
                                    .endpoint = shell->config.listen.log,
                                    .local_endpoint = "",
                                    .server = server,
                                    .folder = shell_path(shell, "logs"),
                                    .free_floor_bytes = INTAKE_FLOOR_BYTES / 2,
                                    .connections_max = shell->connections_max,
                                    .role_of = control_role_of,
                                    .role_context = shell->control};
    shell->logs = logstore_start(&logs, err);
    if (!shell->logs)
        return point_to_listen(err);
    control_set_log_endpoint(shell->control, logstore_endpoint(shell->logs));
    return join_create(shell, loop->zmq, &server, &shell->join, err);
}

/* Writes HOME/run/endpoints for clients and local workers; its existence means that we are ready.
 */
static int tell_endpoints(struct main_loop *loop, struct err *err)
{
    struct shell *shell = &loop->shell;
    struct buf text = {0};
    buf_print(&text, "control %s\nlog %s\n", control_endpoint(shell->control, 0),
              logstore_endpoint(shell->logs));
    if (control_endpoint(shell->control, 1))
        buf_print(&text, "local %s\n", control_endpoint(shell->control, 1));
    int result =
        io_write_file(shell_path(shell, "run/endpoints"), text.data, text.size, 0644, false, err);
    buf_release(&text);
    return result;
}

static int loop_begin(struct main_loop *loop, struct err *err)
{
    struct shell *shell = &loop->shell;
    if (config_read(shell_path(shell, "farm.yaml"), &shell->config, err) ||
        open_journal(shell, err) || open_signals(loop, err) || open_sockets(loop, err))
        return -1;
    shell->questions = questions_create(shell);
    shell->resolver = resolver_create(shell);
    shell->notifier = notifier_create(shell);
    loop->awake = awake_create(NULL);
    shell->now_ms = clock_boot_ms();
    shell->wall_ms = clock_wall_ms();
    shell->intake_open = true;
    struct input start = {
        .kind = INPUT_START,
        .start = {.epoch = journal_epoch(shell->journal), .program = FARM_VERSION}};
    shell_step(shell, &start);
    apply_policy(loop);
    if (enrol_owner(loop, err))
        return -1;
    farm_resume(shell->farm, &shell->outcome);
    control_load_peers(shell->control, loop->zap);
    commit_and_perform(loop);
    end_turn(loop);
    return tell_endpoints(loop, err);
}

static void loop_finish(struct main_loop *loop)
{
    struct shell *shell = &loop->shell;
    struct err err;
    if (shell->journal && journal_commit(shell->journal, &err))
        log_error("%s", err.text);
    resolver_destroy(shell->resolver);
    notifier_destroy(shell->notifier);
    awake_destroy(loop->awake);
    questions_destroy(shell->questions);
    logstore_stop(shell->logs);
    join_destroy(shell->join);
    control_close(shell->control);
    zap_stop(loop->zap);
    if (loop->zmq)
        zmq_ctx_term(loop->zmq);
    journal_close(shell->journal);
    farm_destroy(shell->farm);
    farm_outcome_release(&shell->outcome);
    arena_clear(&shell->arena);
    config_release(&shell->config);
    if (loop->signals >= 0)
        close(loop->signals);
}

int loop_run(const struct loop_options *options, struct err *err)
{
    struct main_loop loop = {.shell = {.home = options->home, .program = options->program},
                             .signals = -1};
    int result = loop_begin(&loop, err);
    if (!result) {
        log_info("ready: control %s, logs %s", control_endpoint(loop.shell.control, 0),
                 logstore_endpoint(loop.shell.logs));
        while (!loop.ends)
            run_turn(&loop);
        char *endpoints = shell_path(&loop.shell, "run/endpoints");
        unlink(endpoints);
        log_info("stopping after %llu transactions with the journal at record %llu; builds on "
                 "workers continue",
                 (unsigned long long)loop.commits, (unsigned long long)loop.committed);
    }
    loop_finish(&loop);
    return result;
}
