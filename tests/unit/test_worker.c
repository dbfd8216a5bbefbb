/* SPDX-License-Identifier: MIT */
/* test_worker.c - the program farm-worker with its supervisors, against a coordinator played here:
 * real processes, sockets and folders. Jobs are commands that wait for a pipe of the test's, so
 * that nothing depends on time. */
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "proto/zap.h"
#include "worker/disk/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { WAIT_MS = 20000, HEARTBEAT_MS = 200 };

struct state {
    char home[64];
    void *zmq;
    struct zap *zap;
    struct key_pair server, worker;
    struct link *link;
    pid_t pid; /* of the worker, 0 none */
    link_peer peer;
    uint64_t session;
    uint64_t hellos;
    struct arena arena; /* of the newest status */
    struct item *items;
    size_t items_count;
};

/* ---- the coordinator ---- */

static char *home_path(struct state *s, const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", s->home, name);
    return path;
}

static void start_worker(struct state *s)
{
    struct err err;
    const char *argv[] = {FARM_BINARY_DIR "/bin/farm-worker",
                          "run",
                          "--isolation",
                          "none",
                          "--home",
                          s->home,
                          "--connect",
                          link_endpoint(s->link, 0),
                          "--server-key",
                          s->server.public_key,
                          "--slots=2",
                          "--may-publish",
                          NULL};
    int log = open(home_path(s, "worker.log"), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    struct io_spawn spawn = {.argv = argv, .stdin_fd = -1, .stdout_fd = log, .stderr_fd = log};
    s->pid = io_spawn(&spawn, &err);
    if (s->pid < 0)
        fail_msg("%s", err.text);
    close(log);
}

static int end_worker(struct state *s, int signal)
{
    int status = 0;
    kill(s->pid, signal);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    s->pid = 0;
    s->session = 0;
    return status;
}

static void welcome(struct state *s, const struct received *received)
{
    struct message answer = {.kind = MESSAGE_WELCOME};
    s->peer = received->peer;
    s->session = ++s->hellos;
    answer.welcome = (struct welcome){.session = s->session,
                                      .incarnation = 1,
                                      .heartbeat_ms = HEARTBEAT_MS,
                                      .worker = "oak",
                                      .log_endpoint = ""};
    assert_int_equal(link_send(s->link, s->peer, &answer, received->correlation), LINK_OK);
}

static void send_orders(struct state *s, struct order *orders, size_t count)
{
    struct message message = {.kind = MESSAGE_ORDERS, .orders = {s->session, 1, orders, count}};
    assert_int_equal(link_send(s->link, s->peer, &message, 0), LINK_OK);
}

static void take(struct state *s, const struct received *received)
{
    assert_string_equal(received->public_key, s->worker.public_key);
    if (received->message.kind == MESSAGE_HELLO) {
        welcome(s, received);
        return;
    }
    assert_int_equal(received->message.kind, MESSAGE_STATUS);
    const struct status *status = &received->message.status;
    if (status->session != s->session)
        return;
    struct status copy;
    arena_clear(&s->arena);
    shape_copy(&status_shape, &copy, status, &s->arena);
    s->items = copy.items;
    s->items_count = copy.items_count;
    send_orders(s, NULL, 0); /* each status is answered, so that the worker hears us */
}

/* Takes messages until there are none; true when there were some. */
static bool pump(struct state *s)
{
    struct received received;
    struct arena arena = {0};
    bool some = false;
    while (link_receive(s->link, &received, &arena) == LINK_OK) {
        take(s, &received);
        arena_clear(&arena);
        some = true;
    }
    arena_clear(&arena);
    return some;
}

static void wait_more(struct state *s, uint64_t deadline, const char *what)
{
    if (clock_boot_ms() >= deadline) {
        struct buf text = {0};
        io_peek_file(home_path(s, "worker.log"), 1 << 20, &text);
        fail_msg("waited too long for %s; the worker says:\n%s", what, (char *)text.data);
    }
    while (!pump(s)) /* before waiting: what was sent since may have swallowed the sign */
        if (poll(&(struct pollfd){.fd = link_fd(s->link), .events = POLLIN}, 1, HEARTBEAT_MS) == 0)
            return;
}

static void wait_welcomed(struct state *s)
{
    uint64_t deadline = clock_boot_ms() + WAIT_MS;
    s->items_count = 0;
    pump(s);
    while (s->session == 0)
        wait_more(s, deadline, "a hello");
}

static const struct item *find(const struct state *s, uint64_t number)
{
    for (size_t i = 0; i < s->items_count; i++)
        if (s->items[i].token.number == number)
            return &s->items[i];
    return NULL;
}

static const struct item *wait_state(struct state *s, uint64_t number, enum item_state state)
{
    uint64_t deadline = clock_boot_ms() + WAIT_MS;
    const struct item *item;
    while (!(item = find(s, number)) || item->state != state)
        wait_more(s, deadline, item_state_names[state]);
    return item;
}

static void wait_gone(struct state *s, uint64_t number)
{
    uint64_t deadline = clock_boot_ms() + WAIT_MS;
    while (find(s, number))
        wait_more(s, deadline, "an item to be forgotten");
}

static void order(struct state *s, enum order_kind kind, uint64_t number, const char *command)
{
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = kind;
    order.token = (struct token){1, number};
    order.variant.project = "p";
    order.variant.package = "noop";
    order.variant.system = "x86_64-linux";
    order.recipe.builder = BUILDER_COMMAND;
    order.recipe.command = command;
    order.recipe.check = CHECK_OFF;
    send_orders(s, &order, 1);
}

/* ---- set-up ---- */

static int setup(void **state)
{
    struct state *s = mem_new(sizeof *s);
    struct err err;
    const struct link_options options = {.frame_bytes_max = LIMIT_CONTROL_FRAME_BYTES,
                                         .send_high_water = 1000,
                                         .receive_high_water = 1000};
    const char *endpoint = "tcp://127.0.0.1:*";
    strcpy(s->home, "/tmp/farm-worker-XXXXXX");
    assert_non_null(mkdtemp(s->home));
    assert_int_equal(keys_make(&s->server, &err), 0);
    assert_int_equal(keys_ensure(home_path(s, "worker.key"), &s->worker, &err), 0);
    s->zmq = zmq_ctx_new();
    s->zap = zap_start(s->zmq, &err);
    const char *admitted[] = {s->worker.public_key};
    zap_admit(s->zap, admitted, 1);
    s->link = link_serve(s->zmq, &endpoint, 1, &s->server, &options, &err);
    assert_non_null(s->link);
    start_worker(s);
    wait_welcomed(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct state *s = *state;
    struct err err;
    if (s->pid)
        end_worker(s, SIGKILL);
    link_close(s->link, 0);
    zap_stop(s->zap);
    zmq_ctx_term(s->zmq);
    arena_clear(&s->arena);
    assert_int_equal(io_remove_tree(s->home, &err), 0);
    free(s);
    return 0;
}

/* A job that says that it runs and waits until the test lets it go. */
static const char *waiting_job(struct state *s)
{
    static char command[400];
    assert_int_equal(mkfifo(home_path(s, "gate"), 0600), 0);
    snprintf(command, sizeof command, "echo begun; read line <%s/gate; echo $line", s->home);
    return command;
}

static void open_gate(struct state *s, const char *line)
{
    int fd = open(home_path(s, "gate"), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    close(fd);
}

static char *folder_file(struct state *s, const char *name)
{
    char relative[64];
    snprintf(relative, sizeof relative, "attempts/1.1/%s", name);
    return home_path(s, relative);
}

static void assert_log(struct state *s, const char *expected)
{
    struct buf text = {0};
    struct err err;
    assert_int_equal(io_read_file(folder_file(s, "log"), 1 << 20, &text, &err), 0);
    if (!strstr((char *)text.data, expected))
        fail_msg("the log is \"%s\"", (char *)text.data);
    buf_release(&text);
}

/* ---- tests ---- */

static void does_a_job_and_forgets_it(void **state)
{
    struct state *s = *state;
    order(s, ORDER_OFFER, 1, "echo hello; exit 0");
    const struct item *item = wait_state(s, 1, ITEM_ENDED);
    assert_int_equal(item->outcome, OUTCOME_OK);
    assert_int_equal(item->log_bytes, 6);
    assert_int_equal(item->facts.status, 0);
    assert_true(io_exists(folder_file(s, "result")));
    assert_log(s, "hello\n");
    order(s, ORDER_FORGET, 1, "");
    wait_gone(s, 1);
    assert_false(io_exists(folder_file(s, "order")));
}

static void a_failure_has_its_cause(void **state)
{
    struct state *s = *state;
    order(s, ORDER_OFFER, 1, "echo some error; exit 3");
    const struct item *item = wait_state(s, 1, ITEM_ENDED);
    assert_int_equal(item->outcome, OUTCOME_FAILED);
    assert_int_equal(item->failed_phase, PHASE_BUILD);
    assert_int_equal(item->facts.status, 3);
    assert_int_not_equal(item->cause, CAUSE_NONE);
}

static void the_job_outlives(struct state *s, int signal)
{
    order(s, ORDER_OFFER, 1, waiting_job(s));
    wait_state(s, 1, ITEM_RUNNING);
    end_worker(s, signal);
    start_worker(s);
    wait_welcomed(s);
    wait_state(s, 1, ITEM_RUNNING);
    open_gate(s, "done\n");
    const struct item *item = wait_state(s, 1, ITEM_ENDED);
    assert_int_equal(item->outcome, OUTCOME_OK);
    assert_log(s, "begun\ndone\n");
}

static void a_job_outlives_the_killed_worker(void **state)
{
    the_job_outlives(*state, SIGKILL);
}

static void a_job_outlives_the_ended_worker(void **state)
{
    the_job_outlives(*state, SIGTERM);
}

/* It ends while nobody looks; the next worker reads its exit. */
static void a_job_ends_without_a_worker(void **state)
{
    struct state *s = *state;
    order(s, ORDER_OFFER, 1, waiting_job(s));
    wait_state(s, 1, ITEM_RUNNING);
    end_worker(s, SIGKILL);
    open_gate(s, "done\n");
    start_worker(s);
    wait_welcomed(s);
    assert_int_equal(wait_state(s, 1, ITEM_ENDED)->outcome, OUTCOME_OK);
    end_worker(s, SIGTERM);
    start_worker(s);
    wait_welcomed(s);
    const struct item *item = wait_state(s, 1, ITEM_ENDED); /* from its saved result */
    assert_int_equal(item->outcome, OUTCOME_OK);
    assert_int_equal(item->log_bytes, 11);
}

static void a_stop_ends_the_whole_tree(void **state)
{
    struct state *s = *state;
    char command[400];
    snprintf(command, sizeof command, "sh -c 'echo $$ >%s/pid; exec sleep 1000' & wait", s->home);
    order(s, ORDER_OFFER, 1, command);
    wait_state(s, 1, ITEM_RUNNING);
    uint64_t deadline = clock_boot_ms() + WAIT_MS;
    struct stat info;
    while (stat(home_path(s, "pid"), &info) < 0 || info.st_size == 0)
        wait_more(s, deadline, "the job to begin");
    order(s, ORDER_STOP, 1, "");
    const struct item *item = wait_state(s, 1, ITEM_ENDED);
    assert_int_equal(item->outcome, OUTCOME_STOPPED);
    struct buf text = {0};
    struct err err;
    assert_int_equal(io_read_file(home_path(s, "pid"), 100, &text, &err), 0);
    assert_int_equal(kill((pid_t)atoi((char *)text.data), 0), -1);
    assert_int_equal(errno, ESRCH);
    buf_release(&text);
}

static void a_killed_supervisor_loses_its_attempt(void **state)
{
    struct state *s = *state;
    order(s, ORDER_OFFER, 1, waiting_job(s));
    wait_state(s, 1, ITEM_RUNNING);
    struct buf text = {0};
    const char *pid = NULL;
    uint64_t deadline = clock_boot_ms() + WAIT_MS;
    while (!pid) {
        buf_clear(&text);
        if (io_peek_file(folder_file(s, "build.run"), 1 << 16, &text))
            pid = strstr((char *)text.data, "\npid ");
        if (!pid)
            wait_more(s, deadline, "the supervisor to say who it is");
    }
    assert_int_equal(kill((pid_t)atoi(pid + 5), SIGKILL), 0);
    const struct item *item = wait_state(s, 1, ITEM_ENDED);
    assert_int_equal(item->outcome, OUTCOME_LOST);
    assert_int_equal(item->cause, CAUSE_HOST_LOST);
    assert_string_equal(item->detail, "supervisor was killed");
    buf_release(&text);
}

static void a_third_job_finds_no_slot(void **state)
{
    struct state *s = *state;
    const char *command = waiting_job(s);
    order(s, ORDER_OFFER, 1, command);
    order(s, ORDER_OFFER, 2, command);
    order(s, ORDER_OFFER, 3, command);
    const struct item *item = wait_state(s, 3, ITEM_ENDED);
    assert_int_equal(item->outcome, OUTCOME_REFUSED);
    assert_string_equal(item->detail, "no free slot");
    order(s, ORDER_FORGET, 3, "");
    wait_gone(s, 3);
    order(s, ORDER_STOP, 1, "");
    order(s, ORDER_STOP, 2, "");
    wait_state(s, 1, ITEM_ENDED);
    wait_state(s, 2, ITEM_ENDED);
}

static void a_home_has_one_worker(void **state)
{
    struct state *s = *state;
    pid_t first = s->pid;
    int status;
    start_worker(s);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    s->pid = first;
}

/* Neither a broken folder nor a stranger's keeps the others from being found. */
static void a_broken_folder_is_left_alone(void **state)
{
    struct state *s = *state;
    struct err err;
    order(s, ORDER_OFFER, 1, "echo hello");
    wait_state(s, 1, ITEM_ENDED);
    end_worker(s, SIGKILL);
    assert_int_equal(io_make_folders(home_path(s, "attempts/1.7"), 0755, &err), 0);
    assert_int_equal(
        io_write_file(home_path(s, "attempts/1.7/order"), "garbage", 7, 0644, false, &err), 0);
    start_worker(s);
    wait_welcomed(s);
    assert_int_equal(wait_state(s, 1, ITEM_ENDED)->outcome, OUTCOME_OK);
    assert_null(find(s, 7));
}

/* Slot after slot; a status that crossed a FORGET shows a job a second time. */
static void many_light_jobs(void **state)
{
    struct state *s = *state;
    enum { JOBS = 200 };
    bool ended[JOBS + 1] = {false};
    uint64_t deadline = clock_boot_ms() + WAIT_MS, offered = 0, done = 0;
    while (done < JOBS) {
        for (size_t i = 0; i < s->items_count; i++) {
            const struct item *item = &s->items[i];
            if (item->state != ITEM_ENDED || ended[item->token.number])
                continue;
            assert_int_equal(item->outcome, OUTCOME_OK);
            ended[item->token.number] = true;
            done++;
            deadline = clock_boot_ms() + WAIT_MS; /* it goes on, however slowly */
            order(s, ORDER_FORGET, item->token.number, "");
        }
        while (offered < JOBS && offered - done < 2)
            order(s, ORDER_OFFER, ++offered, "true");
        wait_more(s, deadline, "the next status");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(does_a_job_and_forgets_it),
        TEST(a_failure_has_its_cause),
        TEST(a_job_outlives_the_killed_worker),
        TEST(a_job_outlives_the_ended_worker),
        TEST(a_job_ends_without_a_worker),
        TEST(a_stop_ends_the_whole_tree),
        TEST(a_killed_supervisor_loses_its_attempt),
        TEST(a_third_job_finds_no_slot),
        TEST(a_home_has_one_worker),
        TEST(a_broken_folder_is_left_alone),
        TEST(many_light_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
