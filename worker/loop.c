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
#define uthash_fatal(text) assert(!(text))
#include "worker/loop.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/base/pidfile.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "worker/agent/agent.h"
#include "worker/disk/folder.h"
#include "worker/disk/sweeper.h"
#include "worker/host/cleaner.h"
#include "worker/host/probe.h"
#include "worker/host/prober.h"
#include "worker/logtail.h"
#include "worker/phase/phase.h"
#include "worker/process/cgroups.h"
#include "worker/process/hostfacts.h"
#include "worker/process/run_file_reader.h"
#include "worker/process/supervisor_client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>
#include <zmq.h>

enum {
    PROBE_MS = 2000,           /* measures free space and pressure for the next heartbeat */
    STOP_GRACE_MS = 10 * 1000, /* from TERM to KILL */
    EVENTS_PER_TURN = 64,
    WAIT_MS_MAX = 10 * 1000,
    HIGH_WATER = 1000
};

/* Key of the hash table: the token's bytes without the padding of its struct. */
struct attempt_key {
    uint8_t bytes[12];
};

/* What the loop keeps for a token until the agent forgets it: the order and the supervisor. */
struct running_attempt {
    struct attempt_key key;
    struct token token;
    struct supervisor_client *client; /* NULL while no phase runs */
    enum phase phase;
    struct order order; /* without secret and bundle */
    struct arena arena; /* owns the order */
    UT_hash_handle hh;
};

struct worker_loop {
    const struct worker_options *options;
    char server_key[KEY_TEXT_BYTES];
    struct key_pair key;
    char instance[33], boot_id[BOOT_ID_BYTES], program[PATH_MAX];
    int lock_fd, signal_fd, epoll_fd;
    void *zmq;
    struct link *link;
    struct agent *agent;
    struct logtail *tail; /* NULL until the log store's endpoint is known */
    char *log_endpoint;
    struct sweeper *sweeper;
    struct prober *prober;
    struct arena probed_arena; /* owns `host` after the first new probe */
    struct capabilities host;
    struct pressure pressure;
    const char *cgroup;
    struct arena host_arena; /* owns `cgroup` and the `host` of the first probe */
    struct running_attempt *running_attempts;
    struct agent_input *pending; /* caused by effects, to be stepped in this turn */
    size_t pending_count, pending_capacity;
    struct arena turn_arena; /* owns the data of this turn's inputs */
    uint64_t probe_at_ms;
    bool stopping;
};

/* ---- running attempts ------------------------------------------------------------------------ */

static struct attempt_key attempt_key_of(struct token token)
{
    struct attempt_key key;
    memcpy(key.bytes, &token.epoch, sizeof token.epoch);
    memcpy(key.bytes + 4, &token.number, sizeof token.number);
    return key;
}

static struct running_attempt *find_attempt(struct worker_loop *loop, struct token token)
{
    struct attempt_key key = attempt_key_of(token);
    struct running_attempt *running;
    HASH_FIND(hh, loop->running_attempts, &key, sizeof key, running);
    return running;
}

static struct running_attempt *add_attempt(struct worker_loop *loop, const struct order *order)
{
    struct running_attempt *running = find_attempt(loop, order->token);
    if (running)
        return running;
    running = mem_new(sizeof *running);
    running->key = attempt_key_of(order->token);
    running->token = order->token;
    struct order kept = *order;
    kept.secret = kept.bundle = (struct bytes){0};
    shape_copy(&order_shape, &running->order, &kept, &running->arena);
    HASH_ADD(hh, loop->running_attempts, key, sizeof running->key, running);
    return running;
}

static void drop_attempt(struct worker_loop *loop, struct running_attempt *running)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): uthash */
    HASH_DELETE(hh, loop->running_attempts, running);
    supervisor_client_release(running->client);
    arena_clear(&running->arena);
    free(running);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static void input_push(struct worker_loop *loop, const struct agent_input *input)
{
    MEM_GROW(loop->pending, loop->pending_count, loop->pending_capacity);
    loop->pending[loop->pending_count++] = *input;
}

static void push_prepared(struct worker_loop *loop, struct token token, const char *problem)
{
    struct agent_input input = {.kind = AGENT_INPUT_PREPARED};
    input.prepared.token = token;
    input.prepared.problem = arena_text(&loop->turn_arena, problem);
    input_push(loop, &input);
}

/* A phase that could not be started, or whose exit facts cannot be read. */
static void push_failed(struct worker_loop *loop, const struct running_attempt *running,
                        const struct err *why)
{
    struct agent_input input = {.kind = AGENT_INPUT_PHASE_ENDED};
    struct agent_phase_ended *ended = &input.phase_ended;
    shape_init(&product_shape, &ended->product);
    ended->token = running->token;
    ended->phase = running->phase;
    ended->facts.status = -1;
    ended->cause = CAUSE_UNKNOWN;
    ended->detail = arena_text(&loop->turn_arena, why->text);
    log_error("%s", why->text);
    input_push(loop, &input);
}

/* The supervisor of this phase ended, or the phase was skipped and had none. */
static void push_ended(struct worker_loop *loop, const struct running_attempt *running)
{
    struct agent_input input = {.kind = AGENT_INPUT_PHASE_ENDED};
    struct err err;
    if (phase_finish(loop->options->home, &running->order, running->phase, &loop->host,
                     &loop->turn_arena, &input.phase_ended, &err) < 0)
        push_failed(loop, running, &err);
    else
        input_push(loop, &input);
}

/* ---- phases ---------------------------------------------------------------------------------- */

static void supervisor_watch(struct worker_loop *loop, struct running_attempt *running,
                             struct supervisor_client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = running};
    running->client = client;
    int failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, supervisor_client_fd(client), &event);
    assert(!failed);
}

/* Finds and watches the live supervisor of the phase; false if there is none. */
static bool find_supervisor(struct worker_loop *loop, struct running_attempt *running)
{
    struct arena arena = {0};
    struct supervisor_client *client = NULL;
    struct err err;
    const char *folder = folder_path(loop->options->home, running->token, NULL, &arena);
    if (supervisor_client_find(folder, running->phase, &client, &err) < 0)
        log_error("%s", err.text);
    arena_clear(&arena);
    if (client)
        supervisor_watch(loop, running, client);
    return client != NULL;
}

static void supervisor_unwatch(struct worker_loop *loop, struct running_attempt *running)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, supervisor_client_fd(running->client), NULL);
    supervisor_client_release(running->client);
    running->client = NULL;
}

/* Another supervisor may still own the phase: an agent killed right after starting a supervisor
 * leaves one that the next agent does not see in time, so that it starts a second one. Only one of
 * the two gets the lock. */
static void supervisor_ended(struct worker_loop *loop, struct running_attempt *running)
{
    supervisor_unwatch(loop, running);
    if (!find_supervisor(loop, running))
        push_ended(loop, running);
}

static int begin_phase(struct worker_loop *loop, const struct running_attempt *running,
                       const struct order *order, struct supervisor_client **client,
                       struct err *err)
{
    const char *home = loop->options->home;
    struct phase_command command = {0};
    if (phase_command(loop->program, home, order, running->phase, &loop->turn_arena, &command,
                      err) < 0)
        return -1;
    const struct supervisor_client_start start = {
        .program = loop->options->supervisor,
        .folder = folder_path(home, running->token, NULL, &loop->turn_arena),
        .phase = running->phase,
        .argv = command.argv,
        .environment = command.environment,
        .working_folder = command.working_folder,
        .wall_ms = command.wall_ms,
        .silence_ms = command.silence_ms,
        .stop_grace_ms = STOP_GRACE_MS,
        .secret = command.secret_env[0] != '\0' || command.secret_fd_env[0] != '\0'
                      ? order->secret
                      : (struct bytes){0},
        .secret_env = command.secret_env,
        .secret_fd_env = command.secret_fd_env,
        .cgroup_parent = command.own_cgroup ? loop->cgroup : "",
        .host_root = command.looks_at_host ? "" : NULL};
    return supervisor_client_begin(&start, client, err);
}

static void start_phase(struct worker_loop *loop, const struct agent_effect *effect)
{
    struct running_attempt *running = add_attempt(loop, effect->order);
    struct supervisor_client *client;
    struct err err;
    running->phase = effect->phase;
    if (loop->tail)
        logtail_follow(loop->tail, running->token);
    if (phase_skip(effect->order, effect->phase, &loop->host))
        push_ended(loop, running);
    else if (begin_phase(loop, running, effect->order, &client, &err) < 0)
        push_failed(loop, running, &err);
    else
        supervisor_watch(loop, running, client);
}

/* ---- effects --------------------------------------------------------------------------------- */

static void folder_prepare(struct worker_loop *loop, const struct order *order)
{
    struct err err = {""};
    add_attempt(loop, order);
    if (folder_make(loop->options->home, order, &err) < 0)
        log_error("%s", err.text);
    push_prepared(loop, order->token, err.text);
}

static void save_result(struct worker_loop *loop, const struct item *item)
{
    struct err err;
    const char *folder = folder_path(loop->options->home, item->token, NULL, &loop->turn_arena);
    if (item->outcome == OUTCOME_OK && !item->is_publication)
        cleaner_note(loop->options->home, &item->product);
    /* If saving fails nothing is lost: the next agent derives the same result from exit facts. */
    if (io_exists(folder) && folder_save_result(loop->options->home, item, &err) < 0)
        log_error("%s", err.text);
    if (loop->tail)
        logtail_finish(loop->tail, item->token, item->log_bytes);
}

static void attempt_forget(struct worker_loop *loop, struct token token)
{
    struct running_attempt *running = find_attempt(loop, token);
    struct err err;
    if (running)
        drop_attempt(loop, running);
    if (loop->tail)
        logtail_forget(loop->tail, token);
    if (sweeper_forget(loop->sweeper, token, &err) < 0)
        log_warn("%s", err.text);
}

static void kill_phase(struct worker_loop *loop, struct token token)
{
    const struct running_attempt *running = find_attempt(loop, token);
    if (running && running->client) /* without one the phase ended and the agent will be told */
        supervisor_client_stop(running->client);
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
        start_phase(loop, effect);
        break;
    case AGENT_EFFECT_KILL:
        kill_phase(loop, effect->token);
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

static void loop_step(struct worker_loop *loop, struct agent_input *input)
{
    struct agent_outcome outcome = {0};
    input->now_ms = clock_boot_ms();
    input->wall_ms = clock_wall_ms();
    agent_step(loop->agent, input, &outcome);
    for (size_t i = 0; i < outcome.effect_count; i++)
        effect_perform(loop, &outcome.effects[i]);
    agent_outcome_clear(&outcome);
}

/* Steps the inputs that effects caused, including those caused meanwhile. */
static void pending_settle(struct worker_loop *loop)
{
    for (size_t i = 0; i < loop->pending_count; i++) {
        struct agent_input input = loop->pending[i];
        loop_step(loop, &input);
    }
    loop->pending_count = 0;
    arena_clear(&loop->turn_arena);
}

/* ---- the log tail ---------------------------------------------------------------------------- */

/* The default: the port after the control port. */
static char *default_log_endpoint(const char *control)
{
    const char *colon = strrchr(control, ':');
    struct buf text = {0};
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    if (!colon || port <= 0 || port >= 65535)
        return NULL;
    buf_print(&text, "%.*s:%ld", (int)(colon - control), control, port + 1);
    return (char *)text.data;
}

static char *choose_log_endpoint(const struct worker_loop *loop, const char *told)
{
    if (told[0] != '\0')
        return mem_text(told);
    if (loop->options->log_connect[0] != '\0')
        return mem_text(loop->options->log_connect);
    return default_log_endpoint(loop->options->connect);
}

static void follow_all(struct worker_loop *loop)
{
    const struct item *items;
    size_t count = agent_items(loop->agent, &items);
    for (size_t i = 0; i < count; i++) {
        if (items[i].state == ITEM_ENDED)
            logtail_finish(loop->tail, items[i].token, items[i].log_bytes);
        else if (items[i].state == ITEM_RUNNING)
            logtail_follow(loop->tail, items[i].token);
    }
}

static void connect_logs(struct worker_loop *loop, const char *told)
{
    char *endpoint = choose_log_endpoint(loop, told);
    struct err err = {"the log store's address is unknown: set --log-connect"};
    if (endpoint && loop->tail && strcmp(endpoint, loop->log_endpoint) == 0) {
        free(endpoint);
        return;
    }
    const struct logtail_options options = {.zmq_context = loop->zmq,
                                            .endpoint = endpoint,
                                            .server_public_key = loop->server_key,
                                            .own = loop->key,
                                            .home = loop->options->home};
    struct logtail *tail = endpoint ? logtail_start(&options, &err) : NULL;
    logtail_stop(loop->tail);
    free(loop->log_endpoint);
    loop->tail = tail;
    loop->log_endpoint = endpoint;
    if (tail)
        follow_all(loop);
    else
        log_error("logs are not sent to the coordinator: %s", err.text);
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void take_message(struct worker_loop *loop, const struct message *message)
{
    struct agent_input input = {0};
    switch ((int)message->kind) {
    case MESSAGE_WELCOME:
        log_info("welcomed as %s", message->welcome.worker);
        connect_logs(loop, message->welcome.log_endpoint);
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
        input.kind = AGENT_INPUT_ORDERS;
        input.orders = message->orders;
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

static uint64_t log_bytes(const struct worker_loop *loop, struct token token, struct arena *arena)
{
    struct stat info;
    if (stat(folder_path(loop->options->home, token, "log", arena), &info) < 0)
        return 0;
    return (uint64_t)info.st_size;
}

/* Tells the agent the progress of a running phase. */
static void look_at(struct worker_loop *loop, const struct running_attempt *running)
{
    struct agent_input input = {.kind = AGENT_INPUT_LOOKED};
    struct agent_look *look = &input.looked;
    look->token = running->token;
    look->bytes = log_bytes(loop, running->token, &loop->turn_arena);
    look->stop_cause = run_file_coming_stop(
        folder_path(loop->options->home, running->token, NULL, &loop->turn_arena), running->phase,
        &look->stop_at_ms);
    loop_step(loop, &input);
}

static void host_probe(struct worker_loop *loop)
{
    struct agent_input input = {.kind = AGENT_INPUT_PROBED};
    probe_now(&loop->host, loop->host.filesystems, &loop->pressure);
    input.probed.capabilities = loop->host;
    input.probed.pressure = loop->pressure;
    loop_step(loop, &input);
    for (const struct running_attempt *running = loop->running_attempts; running;
         running = running->hh.next)
        if (running->client)
            look_at(loop, running);
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
            supervisor_ended(loop, events[i].data.ptr);
    }
    pending_settle(
        loop); /* before messages: one may free a running attempt that `events` points to */
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

/* Restores the item of a folder that an earlier worker left. */
static void find_again(struct worker_loop *loop, struct token token)
{
    struct agent_input input = {.kind = AGENT_INPUT_FOUND};
    struct agent_found *found = &input.found;
    struct err err;
    if (folder_read(loop->options->home, token, found, &loop->turn_arena, &err) < 0) {
        log_error("attempt folder ignored: %s", err.text);
        return;
    }
    struct running_attempt *running = add_attempt(loop, &found->order);
    bool runs = found->state == ITEM_RUNNING;
    running->phase = found->phase;
    found->supervisor_gone = false; /* PHASE_ENDED reports it, after its process tree was ended */
    loop_step(loop, &input);
    if (runs && !find_supervisor(loop, running))
        push_ended(loop, running);
}

static int find_all_again(struct worker_loop *loop, struct err *err)
{
    struct token *tokens;
    size_t count;
    if (folder_list(loop->options->home, &tokens, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        find_again(loop, tokens[i]);
    pending_settle(
        loop); /* after all of them: the coordinator gives up items that a hello does not list */
    if (count > 0)
        log_info("found %zu attempts of an earlier worker", count);
    free(tokens);
    return 0;
}

static int lock_home(struct worker_loop *loop, struct err *err)
{
    const char *path = arena_print(&loop->host_arena, "%s/lock", loop->options->home);
    loop->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (loop->lock_fd < 0)
        return err_set(err, "cannot open %s: %s", path, strerror(errno));
    if (flock(loop->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, "another worker runs in %s: stop it, or give this one its own --home",
                       loop->options->home);
    return pidfile_write(arena_print(&loop->host_arena, "%s/agent.pid", loop->options->home),
                         getpid(), err);
}

/* Drawn at random once: tells apart two workers that have the same key. */
static int read_instance(struct worker_loop *loop, struct err *err)
{
    const char *path = arena_print(&loop->host_arena, "%s/instance", loop->options->home);
    struct buf text = {0};
    int result = 0;
    if (io_exists(path)) {
        result = io_read_file(path, 4096, &text, err);
        if (result == 0)
            snprintf(loop->instance, sizeof loop->instance, "%.32s", (char *)text.data);
    } else {
        io_random_hex(loop->instance, sizeof loop->instance / 2);
        result = io_write_file(path, loop->instance, strlen(loop->instance), 0644, true, err);
    }
    buf_release(&text);
    return result;
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
    const struct probe_limits limits = options_probe_limits(options);
    probe_host(&limits, &loop->host, &loop->host_arena);
    loop->cgroup = options->cgroup[0] != '\0' ? options->cgroup
                                              : cgroups_prepare(&loop->host_arena);
    if (loop->host.problem[0] != '\0')
        log_warn("this host takes no builds: %s", loop->host.problem);
}

static int open_loop(struct worker_loop *loop, struct err *err)
{
    const struct worker_options *options = loop->options;
    const char *key = arena_print(&loop->host_arena, "%s/worker.key", options->home);
    if (options_server_key(options, loop->server_key, err) < 0 || lock_home(loop, err) < 0 ||
        keys_ensure(key, &loop->key, err) < 0 || read_instance(loop, err) < 0 ||
        read_machine(loop, err) < 0 || open_events(loop, err) < 0)
        return -1;
    loop->sweeper = sweeper_start(options->home, err);
    if (!loop->sweeper || open_link(loop, err) < 0)
        return -1;
    probe_first(loop);
    const struct probe_limits limits = options_probe_limits(options);
    loop->prober = prober_start(&limits, err);
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
    struct running_attempt *running, *next;
    HASH_ITER(hh, loop->running_attempts, running, next)
    drop_attempt(loop, running);
    logtail_stop(loop->tail);
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
    free(loop->log_endpoint);
    free(loop->pending);
    arena_clear(&loop->turn_arena);
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
