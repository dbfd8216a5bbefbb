/* SPDX-License-Identifier: MIT */
/* loop.c - the worker's event loop.
 *
 * One turn: wait → take messages, ended phases, time → step the agent → perform its effects. The
 * inputs that an effect causes (a folder was made, a phase was skipped) are stepped in the same
 * turn. Everything that may take long runs in a process or thread of its own: phases, the log tail,
 * removals.
 *
 * The worker may be killed at any line; the folders show the next worker how to continue: a folder
 * is made before its supervisor starts, a result is written before it is reported, and forgetting
 * is one rename.
 */
#include "worker/loop.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "worker/agent/agent.h"
#include "worker/attempts.h"
#include "worker/disk/folder.h"
#include "worker/disk/home.h"
#include "worker/disk/sweeper.h"
#include "worker/held_secrets.h"
#include "worker/host/cleaner.h"
#include "worker/host/probe.h"
#include "worker/host/prober.h"
#include "worker/input_queue.h"
#include "worker/log_route.h"
#include "worker/process/cgroups.h"
#include "worker/process/hostfacts.h"
#include "worker/process/supervisor_client.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

enum {
    PROBE_MS = 2000, /* measures free space and pressure for the next heartbeat */
    EVENTS_PER_TURN = 64,
    WAIT_MS_MAX = 10 * 1000,
    HIGH_WATER = 1000
};

struct worker_loop {
    const struct worker_options *options;
    char server_key[KEY_TEXT_BYTES];
    struct key_pair key;
    char instance[WORKER_INSTANCE_BYTES], boot_id[BOOT_ID_BYTES], program[PATH_MAX];
    int lock_fd, signal_fd, epoll_fd;
    void *zmq;
    struct link *link;
    struct agent *agent;
    struct log_route *logs;
    struct sweeper *sweeper;
    struct prober *prober;
    struct arena probed_arena; /* owns `host` after the first new probe */
    struct capabilities host;
    struct isolation_host isolation;
    struct pressure pressure;
    const char *cgroup;
    struct arena host_arena; /* owns `cgroup` and the `host` of the first probe */
    struct attempts *attempts;
    struct held_secrets *secrets; /* of grants whose publish did not start yet */
    struct input_queue pending;   /* caused by effects, to be stepped in this turn */
    uint64_t probe_at_ms;
    bool stopping;
};

/* ---- effects --------------------------------------------------------------------------------- */

static void folder_prepare(struct worker_loop *loop, const struct order *order)
{
    struct err err = {""};
    attempts_add(loop->attempts, order);
    if (folder_make(loop->options->home, order, &err) < 0)
        log_error("%s", err.text);
    input_queue_push_prepared(&loop->pending, order->token, err.text);
}

static void save_result(struct worker_loop *loop, const struct item *item)
{
    struct err err;
    if (item->outcome == OUTCOME_OK && !item->is_publication)
        cleaner_note(loop->options->home, &item->product);
    /* If saving fails nothing is lost: the next agent derives the same result from exit facts. */
    if (folder_exists(loop->options->home, item->token) &&
        folder_save_result(loop->options->home, item, &err) < 0)
        log_error("%s", err.text);
    sweeper_wake(loop->sweeper);
    log_route_finish(loop->logs, item->token, item->log_bytes);
}

static void attempt_forget(struct worker_loop *loop, struct token token)
{
    struct err err;
    attempts_drop(loop->attempts, token);
    log_route_forget(loop->logs, token);
    if (sweeper_forget(loop->sweeper, token, &err) < 0)
        log_warn("%s", err.text);
}

static void phase_start(struct worker_loop *loop, const struct agent_effect *effect)
{
    struct bytes secret = {0};
    log_route_follow(loop->logs, effect->token);
    if (effect->phase == PHASE_PUBLISH)
        secret = held_secrets_of(loop->secrets, effect->token);
    attempts_start_phase(loop->attempts, effect->order, effect->phase, secret);
    if (effect->phase == PHASE_PUBLISH)
        held_secrets_drop(loop->secrets, effect->token);
}

static void effect_perform(struct worker_loop *loop, const struct agent_effect *effect)
{
    switch (effect->kind) {
    case AGENT_EFFECT_SEND: /* a lost message does no harm: the next one repeats everything */
        (void)link_send(loop->link, 0, &effect->message, 0);
        break;
    case AGENT_EFFECT_PREPARE:
        folder_prepare(loop, effect->order);
        break;
    case AGENT_EFFECT_START_PHASE:
        phase_start(loop, effect);
        break;
    case AGENT_EFFECT_KILL:
        attempts_stop(loop->attempts, effect->token);
        break;
    case AGENT_EFFECT_SAVE_RESULT:
        save_result(loop, effect->item);
        break;
    case AGENT_EFFECT_FORGET:
        attempt_forget(loop, effect->token);
        break;
    case AGENT_EFFECT_NONE:
        break;
    }
}

static bool secret_is_awaited(const void *agent, struct token token)
{
    return agent_awaits_secret(agent, token);
}

static void loop_step(struct worker_loop *loop, struct agent_input *input)
{
    struct agent_outcome outcome = {0};
    input->now_ms = clock_boot_ms();
    input->wall_ms = clock_wall_ms();
    agent_step(loop->agent, input, &outcome);
    for (size_t i = 0; i < outcome.effect_count; i++)
        effect_perform(loop, &outcome.effects[i]);
    agent_outcome_clear(&outcome);
    held_secrets_keep(loop->secrets, secret_is_awaited, loop->agent);
}

/* Steps the inputs that effects caused, including those caused meanwhile. */
static void pending_settle(struct worker_loop *loop)
{
    for (size_t i = 0; i < loop->pending.count; i++) {
        struct agent_input input = loop->pending.items[i];
        loop_step(loop, &input);
    }
    input_queue_clear(&loop->pending);
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void follow_logs(struct worker_loop *loop)
{
    const struct item *items;
    size_t count = agent_items(loop->agent, &items);
    for (size_t i = 0; i < count; i++) {
        if (items[i].state == ITEM_ENDED)
            log_route_finish(loop->logs, items[i].token, items[i].log_bytes);
        else if (items[i].state == ITEM_RUNNING)
            log_route_follow(loop->logs, items[i].token);
    }
}

/* The agent decides without secrets; those that it has no use for are dropped. */
static void take_orders(struct worker_loop *loop, struct agent_input *input, struct orders *orders)
{
    for (size_t i = 0; i < orders->orders_count; i++)
        if (!held_secrets_move(loop->secrets, &orders->orders[i]))
            log_error("no memory to hold a secret: its publish will fail");
    input->kind = AGENT_INPUT_ORDERS;
    input->orders = *orders;
}

static void take_message(struct worker_loop *loop, struct message *message)
{
    struct agent_input input = {0};
    switch ((int)message->kind) {
    case MESSAGE_WELCOME:
        log_info("welcomed as %s", message->welcome.worker);
        if (log_route_connect(loop->logs, message->welcome.log_endpoint))
            follow_logs(loop);
        input.kind = AGENT_INPUT_WELCOME;
        input.welcome = message->welcome;
        break;
    case MESSAGE_REFUSED:
        log_warn("refused: %s", message->refused.reason);
        input.kind = AGENT_INPUT_REFUSED;
        input.refused = message->refused;
        break;
    case MESSAGE_HELLO_AGAIN:
        input.kind = AGENT_INPUT_HELLO_AGAIN;
        input.hello_again = message->hello_again;
        break;
    case MESSAGE_ORDERS:
        take_orders(loop, &input, &message->orders);
        break;
    default:
        return;
    }
    loop_step(loop, &input);
    pending_settle(loop);
}

/* True when something was received. */
static bool receive_all(struct worker_loop *loop)
{
    struct arena arena = {0};
    struct received received;
    bool some = false;
    enum link_result result;
    while ((result = link_receive(loop->link, &received, &arena)) != LINK_EMPTY) {
        some = true;
        if (result == LINK_OTHER_MAJOR)
            received.message = (struct message){
                .kind = MESSAGE_REFUSED,
                .refused = {.reason = "the coordinator speaks another major version: upgrade the "
                                      "older of the two",
                            .permanent = true}};
        if (result == LINK_OK || result == LINK_OTHER_MAJOR)
            take_message(loop, &received.message);
        arena_clear(&arena);
    }
    if (link_came_up(loop->link)) {
        loop_step(loop, &(struct agent_input){.kind = AGENT_INPUT_CONNECTED});
        some = true;
    }
    return some;
}

static bool runs_outside(const struct worker_loop *loop)
{
    const struct item *items;
    size_t count = agent_items(loop->agent, &items);
    for (size_t i = 0; i < count; i++)
        if (items[i].state == ITEM_RUNNING && !items[i].is_publication &&
            attempts_is_outside(loop->attempts, items[i].token))
            return true;
    return false;
}

/* What a worker from before isolation began ends as it began. It can read what this user can, so no
 * secret comes here meanwhile. */
static void withhold_publishing(const struct worker_loop *loop, struct capabilities *host)
{
    if (loop->isolation.level == ISOLATION_NONE || loop->options->trust_recipes ||
        !runs_outside(loop))
        return;
    host->may_publish = false;
    host->isolation = ISOLATION_NONE;
    host->isolation_why = "a build of before the upgrade still runs; until it ends, nothing is "
                          "published here";
}

static void host_probe(struct worker_loop *loop)
{
    struct agent_input input = {.kind = AGENT_INPUT_PROBED};
    probe_now(&loop->host, loop->host.filesystems, &loop->pressure);
    input.probed.capabilities = loop->host;
    withhold_publishing(loop, &input.probed.capabilities);
    input.probed.pressure = loop->pressure;
    loop_step(loop, &input);
    attempts_look(loop->attempts);
    pending_settle(loop);
    loop->probe_at_ms = clock_boot_ms() + PROBE_MS;
}

static void take_time(struct worker_loop *loop)
{
    uint64_t now = clock_boot_ms();
    if (now >= loop->probe_at_ms)
        host_probe(loop);
    if (now >= agent_deadline_ms(loop->agent)) {
        loop_step(loop, &(struct agent_input){.kind = AGENT_INPUT_TICK});
        pending_settle(loop);
    }
}

/* Takes the result of a new probe; the agent says hello if the capabilities changed. */
static void take_look(struct worker_loop *loop)
{
    struct capabilities host;
    struct arena arena;
    if (!prober_take(loop->prober, &host, &arena))
        return;
    arena_clear(&loop->probed_arena);
    loop->host = host;
    loop->probed_arena = arena;
    log_info("probed this host again");
    host_probe(loop);
}

static void take_signal(struct worker_loop *loop)
{
    struct signalfd_siginfo info;
    if (read(loop->signal_fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP) {
        prober_ask(loop->prober);
    } else {
        log_info("signal %u: stopping; running builds continue and are found at the next start",
                 info.ssi_signo);
        loop->stopping = true;
    }
}

/* ---- the turn -------------------------------------------------------------------------------- */

static int wait_ms(const struct worker_loop *loop)
{
    uint64_t now = clock_boot_ms(), wake = agent_deadline_ms(loop->agent);
    if (loop->probe_at_ms < wake)
        wake = loop->probe_at_ms;
    uint64_t wait = wake > now ? wake - now : 0;
    return wait < WAIT_MS_MAX ? (int)wait : WAIT_MS_MAX;
}

static void loop_turn(struct worker_loop *loop, bool may_wait)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, may_wait ? wait_ms(loop) : 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &loop->signal_fd)
            take_signal(loop);
        else if (events[i].data.ptr == &loop->prober)
            take_look(loop);
        else if (events[i].data.ptr != loop->link)
            attempts_supervisor_ended(loop->attempts, events[i].data.ptr);
    }
    /* Before messages: one may drop an attempt that `events` points to. */
    pending_settle(loop);
    take_time(loop);
}

static void loop_turns(struct worker_loop *loop)
{
    bool may_wait = false;
    while (!loop->stopping) {
        loop_turn(loop, may_wait);
        may_wait = !receive_all(loop); /* also after sending: the descriptor is edge-triggered */
    }
}

/* ---- at start -------------------------------------------------------------------------------- */

/* Nothing in such a folder is believed. Of a publication its end is kept; an attempt is given up by
 * the coordinator, because no hello lists it. True if something is left to be found. */
static bool give_up_tampered(struct worker_loop *loop, struct token token, const char *folder,
                             const struct err *why)
{
    struct err err = {""};
    log_error("attempt given up: %s", why->text);
    if (supervisor_client_end_tree(folder, &err) == 0 &&
        folder_end_publication(loop->options->home, token, why->text, &err))
        return true;
    if (*err.text || sweeper_forget(loop->sweeper, token, &err) < 0)
        log_error("%s", err.text);
    return false;
}

/* The same for a publication's folder that cannot be read; an attempt's stays as it is. */
static bool end_unread(struct worker_loop *loop, struct token token, struct agent_found *found,
                       struct err *err)
{
    const char *why = arena_text(&loop->pending.arena, err->text);
    struct err reason = {""};
    const char *home = loop->options->home;
    if (!folder_is_publication(home, token) ||
        supervisor_client_end_tree(folder_path(home, token, NULL, &loop->pending.arena), &reason) <
            0)
        return false;
    return folder_end_publication(home, token, why, &reason) &&
           folder_read(home, token, found, &loop->pending.arena, err) == 0;
}

/* Restores the item of a folder that an earlier worker left. */
static void find_again(struct worker_loop *loop, struct token token)
{
    struct agent_input input = {.kind = AGENT_INPUT_FOUND};
    struct agent_found *found = &input.found;
    struct err err;
    const char *folder = folder_path(loop->options->home, token, NULL, &loop->pending.arena);
    if (folder_check(folder, &err) < 0 && !give_up_tampered(loop, token, folder, &err))
        return;
    if (folder_read(loop->options->home, token, found, &loop->pending.arena, &err) < 0 &&
        !end_unread(loop, token, found, &err)) {
        log_error("attempt folder ignored: %s", err.text);
        return;
    }
    struct attempt_entry *entry = attempts_add(loop->attempts, &found->order);
    bool runs = found->state == ITEM_RUNNING;
    found->supervisor_gone = false; /* PHASE_ENDED reports it, after its process tree was ended */
    loop_step(loop, &input);
    if (runs)
        attempts_adopt(loop->attempts, entry, found->phase);
}

static int find_all_again(struct worker_loop *loop, struct err *err)
{
    struct token *tokens;
    size_t count;
    if (folder_list(loop->options->home, &tokens, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        find_again(loop, tokens[i]);
    /* After all of them: the coordinator gives up items that a hello does not list. */
    pending_settle(loop);
    if (count > 0)
        log_info("found %zu attempts of an earlier worker", count);
    free(tokens);
    return 0;
}

static int read_machine(struct worker_loop *loop, struct err *err)
{
    if (!boot_id_read(loop->boot_id))
        return err_set(err, "cannot read /proc/sys/kernel/random/boot_id");
    if (readlink("/proc/self/exe", loop->program, sizeof loop->program - 1) < 0)
        return err_set(err, "cannot tell where this program is: %s", strerror(errno));
    return 0;
}

static int open_events(struct worker_loop *loop, struct err *err)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before any thread starts, so that all inherit it */
    loop->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->signal_fd};
    if (loop->signal_fd < 0 || loop->epoll_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->signal_fd, &event) < 0)
        return err_set(err, "cannot watch events: %s", strerror(errno));
    return 0;
}

static int open_link(struct worker_loop *loop, struct err *err)
{
    const struct link_options options = {.frame_bytes_max = LIMIT_CONTROL_FRAME_BYTES,
                                         .send_high_water = HIGH_WATER,
                                         .receive_high_water = HIGH_WATER};
    loop->zmq = zmq_ctx_new();
    assert(loop->zmq);
    loop->link = link_connect(loop->zmq, loop->options->connect, loop->server_key, &loop->key,
                              &options, err);
    if (!loop->link)
        return -1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = loop->link};
    int failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, link_fd(loop->link), &event);
    assert(!failed);
    return 0;
}

static void probe_first(struct worker_loop *loop)
{
    const struct worker_options *options = loop->options;
    options_isolation(options, false, &loop->isolation, &loop->host_arena);
    const struct probe_limits limits = options_probe_limits(options, &loop->isolation);
    probe_host(&limits, &loop->host, &loop->host_arena);
    loop->cgroup =
        options->cgroup[0] != '\0' ? options->cgroup : cgroups_prepare(&loop->host_arena);
    cgroups_drop_left(loop->cgroup, options->home);
    if (loop->host.problem[0] != '\0')
        log_warn("this host takes no builds: %s", loop->host.problem);
    log_info("isolation of recipes: %s%s%s", isolation_names[loop->isolation.level],
             *loop->host.isolation_why ? ": " : "", loop->host.isolation_why);
}

/* After the first probe, which finds the cgroup. */
static void open_parts(struct worker_loop *loop)
{
    const struct worker_options *options = loop->options;
    loop->secrets = held_secrets_create();
    loop->logs = log_route_create(&(struct log_route_options){.zmq_context = loop->zmq,
                                                              .server_public_key = loop->server_key,
                                                              .own = &loop->key,
                                                              .home = options->home,
                                                              .connect = options->connect,
                                                              .log_connect = options->log_connect});
    loop->attempts = attempts_create(&(struct attempts_options){.home = options->home,
                                                                .program = loop->program,
                                                                .supervisor = options->supervisor,
                                                                .cgroup = loop->cgroup,
                                                                .host = &loop->host,
                                                                .isolation = &loop->isolation,
                                                                .epoll_fd = loop->epoll_fd,
                                                                .inputs = &loop->pending});
}

static int open_loop(struct worker_loop *loop, struct err *err)
{
    const struct worker_options *options = loop->options;
    const char *key = arena_print(&loop->host_arena, "%s/worker.key", options->home);
    if (options_server_key(options, loop->server_key, err) < 0 ||
        (loop->lock_fd = worker_home_lock(options->home, err)) < 0 ||
        keys_ensure(key, &loop->key, err) < 0 ||
        worker_home_instance(options->home, loop->instance, err) < 0 ||
        read_machine(loop, err) < 0 || open_events(loop, err) < 0)
        return -1;
    loop->sweeper = sweeper_start(options->home, err);
    if (!loop->sweeper || open_link(loop, err) < 0)
        return -1;
    probe_first(loop);
    open_parts(loop);
    const struct probe_limits limits = options_probe_limits(options, &loop->isolation);
    loop->prober = prober_start(&limits, &loop->isolation, err);
    if (!loop->prober)
        return -1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->prober};
    int failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, prober_fd(loop->prober), &event);
    assert(!failed);
    loop->agent = agent_create(&(struct agent_options){.program = FARM_VERSION,
                                                       .instance = loop->instance,
                                                       .boot_id = loop->boot_id,
                                                       .capabilities = &loop->host});
    return find_all_again(loop, err);
}

static void close_loop(struct worker_loop *loop)
{
    attempts_destroy(loop->attempts);
    held_secrets_destroy(loop->secrets);
    log_route_destroy(loop->logs);
    sweeper_stop(loop->sweeper);
    prober_stop(loop->prober);
    link_close(loop->link, 0);
    if (loop->zmq)
        zmq_ctx_term(loop->zmq);
    agent_destroy(loop->agent);
    const int fds[] = {loop->lock_fd, loop->signal_fd, loop->epoll_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    input_queue_release(&loop->pending);
    arena_clear(&loop->host_arena);
    arena_clear(&loop->probed_arena);
}

int loop_run(const struct worker_options *options, struct err *err)
{
    struct worker_loop loop = {.options = options, .lock_fd = -1, .signal_fd = -1, .epoll_fd = -1};
    int result = open_loop(&loop, err);
    if (result == 0) {
        log_info("worker %s, key %s", FARM_VERSION, loop.key.public_key);
        loop_turns(&loop);
    }
    close_loop(&loop);
    return result;
}
