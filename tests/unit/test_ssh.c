/* SPDX-License-Identifier: MIT */
/* Sessions with a real sshd of our own, on a port of its own, with keys of its own. */
#include "deploy/ssh.h"
#include "deploy/tunnel.h"
#include "proto/limits.h"
#include "tests/unit/sshd_rig.h"

#include <libssh2.h>
#include <pthread.h>

/* ---- turning -----------------------------------------------------------------------------------
 */

static bool goes_on(enum ssh_state state)
{
    return state == SSH_CONNECTING || state == SSH_HANDSHAKE || state == SSH_LOGIN ||
           state == SSH_BUSY;
}

static enum ssh_state turn_until_it_rests(struct ssh *ssh)
{
    uint64_t until_ms = clock_boot_ms() + BOUND_MS;
    enum ssh_state state;
    while (goes_on(state = ssh_turn(ssh))) {
        struct pollfd fd;
        uint64_t deadline_ms;
        ssh_wait(ssh, &fd, &deadline_ms);
        assert_true(clock_boot_ms() < until_ms);
        poll(&fd, 1, 1000);
    }
    return state;
}

static struct ssh *open_ready(struct rig *rig)
{
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){.accept_new = true});
    if (turn_until_it_rests(ssh) != SSH_READY)
        fail_msg("not ready: %s", ssh_error(ssh));
    return ssh;
}

static const struct ssh_result *run(struct ssh *ssh, const char *line, struct bytes input)
{
    struct ssh_command command = {.line = line, .input = input, .quiet_ms = BOUND_MS};
    ssh_run(ssh, &command);
    if (turn_until_it_rests(ssh) != SSH_READY)
        fail_msg("%s: %s", line, ssh_error(ssh));
    return ssh_result(ssh);
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void test_commands_have_streams_and_a_status(void **state)
{
    struct ssh *ssh = open_ready(*state);
    const struct ssh_result *result = run(ssh, "echo out; echo err >&2; exit 3", (struct bytes){0});
    assert_int_equal(result->status, 3);
    assert_string_equal((char *)result->out.data, "out\n");
    assert_string_equal((char *)result->err.data, "err\n");
    assert_int_equal(run(ssh, "kill -9 $$", (struct bytes){0})->status, 137);
    assert_string_equal(ssh_own_address(ssh), "127.0.0.1");
    ssh_close(ssh);
}

static void test_input_arrives_whole(void **state)
{
    struct ssh *ssh = open_ready(*state);
    size_t size = 9 << 20;
    uint8_t *data = mem_new(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 9));
    struct bytes input = {data, size};
    const struct ssh_result *result = run(ssh, "tee /dev/stderr | wc -c", input);
    assert_int_equal(strtoul((char *)result->out.data, NULL, 10), size);
    assert_int_equal(result->err.size, SSH_OUTPUT_BYTES);
    assert_memory_equal(result->err.data, data, SSH_OUTPUT_BYTES);
    assert_int_equal(ssh_sent(ssh), size);
    /* One that does not read its input is not waited for. */
    assert_int_equal(run(ssh, "exit 4", input)->status, 4);
    free(data);
    ssh_close(ssh);
}

static void test_a_held_command_stays_while_others_run(void **state)
{
    struct rig *rig = *state;
    struct ssh *ssh = open_ready(rig), *second = open_ready(rig);
    const char *line =
        arena_print(&rig->arena, "flock -n %s -c 'echo mine; cat' || echo taken", at(rig, "lock"));
    struct ssh_command hold = {.line = line, .quiet_ms = BOUND_MS, .hold = true};
    ssh_run(ssh, &hold);
    assert_int_equal(turn_until_it_rests(ssh), SSH_READY);
    assert_string_equal((char *)ssh_result(ssh)->out.data, "mine\n");
    assert_string_equal((char *)run(ssh, "echo beside", (struct bytes){0})->out.data, "beside\n");
    assert_string_equal((char *)run(second, line, (struct bytes){0})->out.data, "taken\n");
    ssh_close(ssh); /* and with it the lock */
    const char *wait = arena_print(&rig->arena, "flock -w 10 %s echo free", at(rig, "lock"));
    assert_string_equal((char *)run(second, wait, (struct bytes){0})->out.data, "free\n");
    ssh_close(second);
}

static void test_unknown_keys_are_asked_about_once(void **state)
{
    struct rig *rig = *state;
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){0});
    assert_int_equal(turn_until_it_rests(ssh), SSH_ASKS_TRUST);
    assert_non_null(strstr(ssh_question(ssh), "ssh-ed25519 SHA256:"));
    ssh_answer_trust(ssh, false);
    assert_int_equal(ssh_turn(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_WRONG_KEY);
    assert_non_null(strstr(ssh_error(ssh), "--accept-new"));
    ssh_close(ssh);
    ssh = ssh_open(&rig->to, (struct ssh_trust){0});
    turn_until_it_rests(ssh);
    ssh_answer_trust(ssh, true);
    assert_int_equal(turn_until_it_rests(ssh), SSH_READY);
    ssh_close(ssh);
    ssh = ssh_open(&rig->to, (struct ssh_trust){0});
    assert_int_equal(turn_until_it_rests(ssh), SSH_READY);
    ssh_close(ssh);
}

/* Another key of the same host, in the file of those that are known. */
static void know_another_key(struct rig *rig, const char *type)
{
    struct buf text = {0};
    struct err err;
    make_key(rig, type, type, "");
    io_make_folders(at(rig, "ssh"), 0700, &err);
    assert_int_equal(
        io_read_file(arena_print(&rig->arena, "%s.pub", at(rig, type)), 4096, &text, &err), 0);
    write_text(rig, "ssh/known_hosts",
               arena_print(&rig->arena, "[127.0.0.1]:%s %s", rig->to.port, (char *)text.data));
    buf_release(&text);
}

static void test_changed_keys_are_refused(void **state)
{
    struct rig *rig = *state;
    know_another_key(rig, "ed25519");
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){.accept_new = true});
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_WRONG_KEY);
    assert_non_null(strstr(ssh_error(ssh), "ssh/known_hosts line 1"));
    assert_non_null(strstr(ssh_error(ssh), "--replace"));
    ssh_close(ssh);
    struct ssh_trust replaced = {.accept_new = true, .replaces_key = true};
    ssh = ssh_open(&rig->to, replaced);
    assert_int_equal(turn_until_it_rests(ssh), SSH_READY);
    ssh_close(ssh);
    ssh_close(open_ready(rig)); /* the new one is known, the old one is not any more */
}

static void test_a_key_of_another_type_is_no_news(void **state)
{
    struct rig *rig = *state;
    know_another_key(rig, "ecdsa");
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){.accept_new = true});
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_non_null(strstr(ssh_error(ssh), "known only by a key of type ecdsa-sha2-nistp256"));
    ssh_close(ssh);
}

static void test_refused_logins_say_what_to_do(void **state)
{
    struct rig *rig = *state;
    make_key(rig, "stranger", "ed25519", "");
    make_key(rig, "rsa", "rsa", "");
    rig->to.identities[0] = at(rig, "stranger");
    rig->to.identities[1] = at(rig, "rsa");
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){.accept_new = true});
    assert_int_equal(turn_until_it_rests(ssh), SSH_ASKS_SECRET);
    ssh_answer_secret(ssh, NULL);
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_REFUSED);
    assert_non_null(strstr(ssh_error(ssh), "ssh-copy-id me@localhost"));
    if (!libssh2_version(0x010b00)) /* newer ones sign as hosts ask */
        assert_non_null(strstr(ssh_error(ssh), "your RSA key was skipped"));
    ssh_close(ssh);
}

static void test_passphrases_are_asked_for(void **state)
{
    struct rig *rig = *state;
    struct buf key = {0};
    make_key(rig, "locked", "ed25519", "open sesame");
    io_peek_file(at(rig, "locked.pub"), 4096, &key);
    write_text(rig, "authorized", (char *)key.data);
    buf_release(&key);
    rig->to.identities[0] = at(rig, "locked");
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){.accept_new = true});
    assert_int_equal(turn_until_it_rests(ssh), SSH_ASKS_SECRET);
    assert_non_null(strstr(ssh_question(ssh), "locked"));
    ssh_answer_secret(ssh, "open sesame");
    assert_int_equal(turn_until_it_rests(ssh), SSH_READY);
    ssh_close(ssh);
    ssh = ssh_open(&rig->to, (struct ssh_trust){0});
    turn_until_it_rests(ssh);
    ssh_answer_secret(ssh, NULL); /* neither the passphrase, nor then a password */
    assert_int_equal(turn_until_it_rests(ssh), SSH_ASKS_SECRET);
    ssh_answer_secret(ssh, NULL);
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_REFUSED);
    ssh_close(ssh);
}

static void test_passwords_are_asked_for_three_times(void **state)
{
    struct rig *rig = *state;
    rig->to.identities[0] = NULL;
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){.accept_new = true});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(turn_until_it_rests(ssh), SSH_ASKS_SECRET);
        assert_non_null(strstr(ssh_question(ssh), "Password of "));
        assert_int_equal(strstr(ssh_question(ssh), "Wrong password") != NULL, i > 0);
        ssh_answer_secret(ssh, "certainly not this one");
    }
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_REFUSED);
    ssh_close(ssh);
}

static void test_a_cut_connection_is_told(void **state)
{
    struct ssh *ssh = open_ready(*state);
    struct ssh_command command = {.line = "kill -9 $PPID", .quiet_ms = BOUND_MS};
    ssh_run(ssh, &command);
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_CUT);
    ssh_close(ssh);
}

static void test_nobody_and_somebody_else(void **state)
{
    struct rig *rig = *state;
    int port, fd = listener(true, &port);
    rig->to.port = arena_print(&rig->arena, "%d", port);
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){0});
    while (ssh_turn(ssh) == SSH_CONNECTING)
        ;
    int peer = accept(fd, NULL, NULL);
    assert_int_equal(write(peer, "HTTP/1.1 400 No\r\n\r\n", 19), 19);
    close(peer);
    close(fd);
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_NO_AGREEMENT);
    ssh_close(ssh);
    ssh = ssh_open(&rig->to, (struct ssh_trust){0});
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_UNREACHABLE);
    ssh_close(ssh);
}

/* ---- hosts that send without a pause ----------------------------------------------------------
 */

/* Fails with SSH_SILENT, in time. */
static void is_stopped(struct rig *rig, const char *line, uint64_t quiet_ms, uint64_t limit_ms)
{
    struct ssh *ssh = open_ready(rig);
    struct ssh_command command = {.line = line, .quiet_ms = quiet_ms};
    if (limit_ms)
        ssh_limit(ssh, limit_ms);
    ssh_run(ssh, &command);
    assert_int_equal(turn_until_it_rests(ssh), SSH_FAILED);
    assert_int_equal(ssh_fault(ssh), SSH_SILENT);
    assert_true(ssh_result(ssh)->out.size <= SSH_OUTPUT_BYTES);
    ssh_close(ssh);
}

static void test_output_without_end_is_stopped(void **state)
{
    is_stopped(*state, "exec yes", 300, 0);
    is_stopped(*state, "while echo x; do sleep 0.02; done", BOUND_MS, 700);
}

/* Greets, then sends packets that every client ignores (RFC 4253, 11.2), and no key exchange. */
static void *flood_one(void *context)
{
    static const uint8_t ignored[16] = {0, 0, 0, 12, 6, 2};
    static const char greeting[] = "SSH-2.0-flood\r\n";
    static uint8_t packets[1 << 16];
    int fd = accept(*(int *)context, NULL, NULL);
    for (size_t i = 0; i < sizeof packets; i++)
        packets[i] = ignored[i % sizeof ignored];
    send(fd, greeting, sizeof greeting - 1, MSG_NOSIGNAL);
    while (send(fd, packets, sizeof packets, MSG_NOSIGNAL) > 0)
        ;
    close(fd);
    return NULL;
}

/* The most that libssh2 takes from a socket at once, with room. */
enum { SOCKET_READ_BYTES = 1 << 17 };

/* Each turn ends, so that the time limit is looked at. */
static void test_a_handshake_without_end_is_stopped(void **state)
{
    struct rig *rig = *state;
    int port, fd = listener(true, &port);
    pthread_t thread;
    uint64_t until_ms = clock_boot_ms() + BOUND_MS;
    rig->to.port = arena_print(&rig->arena, "%d", port);
    rig->to.connect_ms = 300;
    assert_int_equal(pthread_create(&thread, NULL, flood_one, &fd), 0);
    struct ssh *ssh = ssh_open(&rig->to, (struct ssh_trust){0});
    for (uint64_t before = 0; ssh_turn(ssh) != SSH_FAILED; before = ssh_received(ssh)) {
        assert_true(ssh_received(ssh) - before <= LIMIT_SSH_TURN_BYTES + SOCKET_READ_BYTES);
        assert_true(clock_boot_ms() < until_ms);
    }
    assert_int_equal(ssh_fault(ssh), SSH_SILENT);
    ssh_close(ssh);
    pthread_join(thread, NULL);
    close(fd);
}

/* ---- a tunnel ----------------------------------------------------------------------------------
 */

struct served {
    struct ssh *ssh;
    pthread_t thread;
    struct tunnel_port ports[2];
    pid_t server; /* the sshd that serves the session */
    int stop[2], open[2], result;
    enum ssh_fault fault;
    struct err err;
};

static void say_open(void *context)
{
    struct served *served = context;
    assert_int_equal(write(served->open[1], "x", 1), 1);
}

static void *serve(void *context)
{
    struct served *served = context;
    served->result = tunnel_serve(served->ssh, served->ports, 2, served->stop[0], say_open, served,
                                  &served->fault, &served->err);
    if (served->result < 0)
        say_open(served); /* the test waits for either */
    return NULL;
}

/* Opens a session and tunnels of two free ports of the host to these here. */
static void tunnel_begin(struct rig *rig, struct served *served, const int near_port[2],
                         int far_port[2])
{
    char byte;
    *served = (struct served){.ssh = open_ready(rig)};
    const struct ssh_result *result = run(served->ssh, "echo $PPID", (struct bytes){NULL, 0});
    served->server = (pid_t)strtol((char *)result->out.data, NULL, 10);
    assert_true(served->server > 1);
    for (int i = 0; i < 2; i++) {
        listener(false, &far_port[i]);
        served->ports[i] = (struct tunnel_port){(unsigned)far_port[i], "127.0.0.1",
                                                arena_print(&rig->arena, "%d", near_port[i])};
    }
    assert_int_equal(pipe(served->stop) | pipe(served->open), 0);
    assert_int_equal(pthread_create(&served->thread, NULL, serve, served), 0);
    assert_int_equal(read(served->open[0], &byte, 1), 1);
    assert_string_equal(served->err.text, "");
}

static void tunnel_end(struct served *served)
{
    pthread_join(served->thread, NULL);
    for (int i = 0; i < 2; i++) {
        close(served->stop[i]);
        close(served->open[i]);
    }
    ssh_close(served->ssh);
}

static int connect_to(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static uint8_t byte_at(size_t at, int which)
{
    return (uint8_t)(at * 31 + (at >> 11) + (size_t)which);
}

enum { ENDS = 4, EACH = 3 << 20 };

/* One step of an end: sends what is due, reads and compares what its partner sent. */
static void move_bytes(int fd, short events, int own, int partner, size_t *sent, size_t *got)
{
    uint8_t bytes[8192];
    size_t due = EACH - *sent < sizeof bytes ? EACH - *sent : sizeof bytes;
    for (size_t i = 0; i < due; i++)
        bytes[i] = byte_at(*sent + i, own);
    ssize_t moved = due && events & POLLOUT ? send(fd, bytes, due, MSG_DONTWAIT) : 0;
    *sent += moved > 0 ? (size_t)moved : 0;
    moved = events & POLLIN ? recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) : 0;
    for (ssize_t i = 0; i < moved; i++)
        assert_int_equal(bytes[i], byte_at(*got + (size_t)i, partner));
    *got += moved > 0 ? (size_t)moved : 0;
}

/* Ends 0 and 1 are the host's, 2 and 3 those here; all of them send and read at once. */
static void exchange(const int fds[ENDS])
{
    size_t sent[ENDS] = {0}, got[ENDS] = {0};
    uint64_t until_ms = clock_boot_ms() + 3 * BOUND_MS;
    for (bool busy = true; busy;) {
        struct pollfd polls[ENDS];
        busy = false;
        for (int i = 0; i < ENDS; i++)
            polls[i] = (struct pollfd){.fd = fds[i],
                                       .events = (short)(POLLIN | (sent[i] < EACH ? POLLOUT : 0))};
        assert_true(poll(polls, ENDS, BOUND_MS) > 0 && clock_boot_ms() < until_ms);
        for (int i = 0; i < ENDS; i++) {
            move_bytes(fds[i], polls[i].revents, i, (i + 2) % ENDS, &sent[i], &got[i]);
            busy |= sent[i] < EACH || got[i] < EACH;
        }
    }
}

/* More than one packet of ssh's takes, with nothing else going on that would wake the tunnel. */
static void send_alone(int from, int to)
{
    enum { SIZE = 32768 };
    static uint8_t bytes[SIZE];
    uint64_t began_ms = clock_boot_ms();
    assert_int_equal(send(from, bytes, SIZE, 0), SIZE);
    for (size_t got = 0; got < SIZE;) {
        struct pollfd fd = {.fd = to, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, BOUND_MS), 1);
        ssize_t moved = recv(to, bytes, SIZE, 0);
        assert_true(moved > 0);
        got += (size_t)moved;
    }
    assert_true(clock_boot_ms() - began_ms < 10000); /* a keepalive comes after 15 s */
}

static void test_a_tunnel_carries_two_connections_both_ways(void **state)
{
    struct rig *rig = *state;
    int near_port[2], far_port[2], listeners[2], fds[ENDS];
    struct served served;
    char byte;
    for (int i = 0; i < 2; i++)
        listeners[i] = listener(true, &near_port[i]);
    tunnel_begin(rig, &served, near_port, far_port);
    for (int i = 0; i < 2; i++) {
        fds[i] = connect_to(far_port[i]);
        fds[i + 2] = accept(listeners[i], NULL, NULL);
    }
    exchange(fds);
    send_alone(fds[3], fds[1]);
    /* An end that closes is an end of file for its partner. */
    shutdown(fds[0], SHUT_WR);
    assert_int_equal(read(fds[2], &byte, 1), 0);
    assert_int_equal(write(fds[2], "y", 1), 1);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(write(served.stop[1], "x", 1), 1);
    tunnel_end(&served);
    assert_int_equal(served.result, 0);
    for (int i = 0; i < ENDS; i++)
        close(fds[i]);
    for (int i = 0; i < 2; i++)
        close(listeners[i]);
}

/* Its partner sees the end at once, and other connections go on. */
static void test_a_connection_that_nobody_takes_is_ended(void **state)
{
    struct rig *rig = *state;
    int near_port[2], far_port[2];
    int fd = listener(true, &near_port[0]);
    listener(false, &near_port[1]);
    struct served served;
    char byte = 'x';
    tunnel_begin(rig, &served, near_port, far_port);
    int lost = connect_to(far_port[1]), good = connect_to(far_port[0]);
    int taken = accept(fd, NULL, NULL);
    struct pollfd ended = {.fd = lost, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, BOUND_MS), 1);
    assert_true(read(lost, &byte, 1) <= 0);
    assert_int_equal(write(good, "y", 1), 1);
    assert_int_equal(read(taken, &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(write(served.stop[1], "x", 1), 1);
    tunnel_end(&served);
    assert_int_equal(served.result, 0);
    close(fd);
    close(lost);
    close(good);
    close(taken);
}

static void test_a_tunnel_that_was_cut_says_so(void **state)
{
    struct rig *rig = *state;
    int near_port[2], far_port[2];
    int fd = listener(true, &near_port[0]);
    near_port[1] = near_port[0];
    struct served served;
    tunnel_begin(rig, &served, near_port, far_port);
    int held = connect_to(far_port[0]), taken = accept(fd, NULL, NULL);
    assert_int_equal(kill(served.server, SIGKILL), 0);
    tunnel_end(&served);
    assert_int_equal(served.result, -1);
    assert_int_equal(served.fault, SSH_CUT);
    assert_non_null(strstr(served.err.text, "the connection was cut"));
    char byte;
    assert_int_equal(read(taken, &byte, 1), 0); /* its connections here are closed */
    close(fd);
    close(held);
    close(taken);
}

static void test_a_tunnel_without_a_port_says_so(void **state)
{
    struct rig *rig = *state;
    int taken, fd = listener(true, &taken);
    struct ssh *ssh = open_ready(rig);
    struct tunnel_port port = {(unsigned)taken, "127.0.0.1", "1"};
    enum ssh_fault fault;
    struct err err;
    assert_int_equal(tunnel_serve(ssh, &port, 1, -1, say_open, NULL, &fault, &err), -1);
    assert_int_equal(fault, SSH_REFUSED);
    assert_non_null(strstr(err.text, "the port may be in use"));
    close(fd);
    ssh_close(ssh);
}

int main(void)
{
    if (access(SSHD, X_OK) != 0) {
        print_message("no %s: sessions are not tested\n", SSHD);
        return 77;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, sshd_setup, sshd_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_commands_have_streams_and_a_status),
        TEST(test_input_arrives_whole),
        TEST(test_a_held_command_stays_while_others_run),
        TEST(test_unknown_keys_are_asked_about_once),
        TEST(test_changed_keys_are_refused),
        TEST(test_a_key_of_another_type_is_no_news),
        TEST(test_refused_logins_say_what_to_do),
        TEST(test_passphrases_are_asked_for),
        TEST(test_passwords_are_asked_for_three_times),
        TEST(test_a_cut_connection_is_told),
        TEST(test_nobody_and_somebody_else),
        TEST(test_output_without_end_is_stopped),
        TEST(test_a_handshake_without_end_is_stopped),
        TEST(test_a_tunnel_carries_two_connections_both_ways),
        TEST(test_a_connection_that_nobody_takes_is_ended),
        TEST(test_a_tunnel_that_was_cut_says_so),
        TEST(test_a_tunnel_without_a_port_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
