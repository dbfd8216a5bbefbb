/* SPDX-License-Identifier: MIT */
/* ssh_command.c - one command at a time over a session, and one that is held beside it.
 *
 * When libssh2 cannot send everything, it keeps the rest in the session, and the same call must be
 * the next one that sends. So a turn starts with the stage in which the last one stopped, and a
 * session has one command at a time; nothing is ever sent to the held one. */
#include "deploy/ssh_private.h"
#include "proto/base/clock.h"

#include <assert.h>
#include <string.h>

static int session_cut(struct ssh *ssh)
{
    return ssh_fail(ssh, SSH_CUT,
                    "the connection to %s was lost: run the same command again, it continues where "
                    "it stopped",
                    ssh->to->alias);
}

/* Handles a result of libssh2 other than success: EAGAIN means to wait, all others end the session.
 */
static int ended_by(struct ssh *ssh, int said, const char *what)
{
    if (said == LIBSSH2_ERROR_EAGAIN)
        return 0;
    if (said == LIBSSH2_ERROR_SOCKET_DISCONNECT || said == LIBSSH2_ERROR_SOCKET_RECV ||
        said == LIBSSH2_ERROR_SOCKET_SEND)
        return session_cut(ssh);
    return ssh_fail(ssh, SSH_CUT, "%s: %s (%s)", ssh->to->alias, what, ssh_reason(ssh));
}

/* Stages of a command; a stage is repeated until it does not have to wait. */
enum command_stage { STAGE_OPEN, STAGE_EXEC, STAGE_STREAM, STAGE_CLOSE, STAGE_GONE };

static void deadline_extend(struct ssh *ssh)
{
    ssh->deadline_ms = clock_boot_ms() + ssh->command.quiet_ms;
}

static int command_open(struct ssh *ssh)
{
    ssh->channel = libssh2_channel_open_session(ssh->session);
    if (ssh->channel)
        return 1;
    int said = libssh2_session_last_errno(ssh->session);
    if (said == LIBSSH2_ERROR_CHANNEL_FAILURE)
        return ssh_fail(ssh, SSH_REFUSED,
                        "%s lets %s log in but run no commands: check MaxSessions and ForceCommand "
                        "in its sshd_config",
                        ssh->to->alias, ssh->to->user);
    return ended_by(ssh, said, "cannot open a channel");
}

static int command_exec(struct ssh *ssh)
{
    const char *line = ssh->command.line;
    int said =
        libssh2_channel_process_startup(ssh->channel, "exec", 4, line, (unsigned)strlen(line));
    return said ? ended_by(ssh, said, "cannot start a command") : 1;
}

/* Sends input. 1 when all of it was sent. */
static int input_feed(struct ssh *ssh)
{
    const struct bytes *input = &ssh->command.input;
    while (!ssh->is_fed && ssh->sent < input->size) {
        ssize_t wrote = libssh2_channel_write(ssh->channel, (const char *)input->data + ssh->sent,
                                              input->size - ssh->sent);
        if (wrote == LIBSSH2_ERROR_CHANNEL_CLOSED || wrote == LIBSSH2_ERROR_CHANNEL_EOF_SENT)
            ssh->is_fed = true; /* the command ended without reading all; see its status */
        else if (wrote < 0)
            return ended_by(ssh, (int)wrote, "cannot send");
        if (wrote < 0)
            break;
        ssh->sent += (size_t)wrote;
        deadline_extend(ssh);
    }
    if (ssh->is_fed || ssh->command.hold)
        return 1;
    int said = libssh2_channel_send_eof(ssh->channel);
    if (said == LIBSSH2_ERROR_EAGAIN || said == LIBSSH2_ERROR_SOCKET_SEND)
        return ended_by(ssh, said, "cannot send");
    ssh->is_fed = true;
    return 1;
}

/* Reads everything available from one stream. 1 if there was anything, 0 if not, -1 on failure. */
static int stream_drain(struct ssh *ssh, int stream, struct buf *out)
{
    char bytes[16384];
    bool any = false;
    for (;;) {
        ssize_t got = libssh2_channel_read_ex(ssh->channel, stream, bytes, sizeof bytes);
        if (got == 0 || got == LIBSSH2_ERROR_EAGAIN)
            return any;
        if (got == LIBSSH2_ERROR_CHANNEL_CLOSED)
            return any;
        if (got < 0)
            return ended_by(ssh, (int)got, "cannot read");
        size_t room = SSH_OUTPUT_BYTES - out->size;
        buf_add(out, bytes, (size_t)got < room ? (size_t)got : room);
        if (room)
            deadline_extend(ssh);
        any = true;
    }
}

static int command_stream(struct ssh *ssh)
{
    struct ssh_result *result = &ssh->result;
    int fed = input_feed(ssh);
    /* Unsent data is still in the session: no other call may send now, not even a read, which may
     * send a window adjustment. */
    bool stuck = libssh2_session_block_directions(ssh->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND;
    if (fed < 0 || (fed == 0 && stuck))
        return fed;
    if (stream_drain(ssh, 0, &result->out) < 0 ||
        stream_drain(ssh, SSH_EXTENDED_DATA_STDERR, &result->err) < 0)
        return -1;
    if (libssh2_channel_eof(ssh->channel))
        return 1;
    if (ssh->command.hold && result->out.size && memchr(result->out.data, '\n', result->out.size)) {
        ssh->held = ssh->channel;
        ssh->channel = NULL;
        ssh->stage = STAGE_GONE;
    }
    return 0;
}

static int command_close(struct ssh *ssh)
{
    int said = libssh2_channel_close(ssh->channel);
    if (said == 0)
        said = libssh2_channel_wait_closed(ssh->channel);
    if (said)
        return ended_by(ssh, said, "cannot end a command");
    char *signal_name = NULL;
    size_t size = 0;
    libssh2_channel_get_exit_signal(ssh->channel, &signal_name, &size, NULL, NULL, NULL, NULL);
    ssh->result.status = signal_name ? 128 + 9 : libssh2_channel_get_exit_status(ssh->channel);
    if (signal_name)
        libssh2_free(ssh->session, signal_name);
    return 1;
}

int command_turn(struct ssh *ssh)
{
    static int (*const stages[])(struct ssh *) = {[STAGE_OPEN] = command_open,
                                                  [STAGE_EXEC] = command_exec,
                                                  [STAGE_STREAM] = command_stream,
                                                  [STAGE_CLOSE] = command_close};
    while (ssh->stage != STAGE_GONE) {
        int result = stages[ssh->stage](ssh);
        if (result <= 0 && ssh->stage != STAGE_GONE)
            return result;
        if (result > 0)
            ssh->stage++;
        deadline_extend(ssh);
    }
    if (ssh->channel)
        libssh2_channel_free(ssh->channel);
    ssh->channel = NULL;
    return ssh_enter(ssh, SSH_READY, UINT64_MAX);
}

void ssh_run(struct ssh *ssh, const struct ssh_command *command)
{
    assert(ssh->state == SSH_READY && !ssh->channel && !(command->hold && ssh->held));
    buf_clear(&ssh->result.out);
    buf_clear(&ssh->result.err);
    ssh->result.status = 0;
    ssh->command = *command;
    ssh->command.line = arena_text(&ssh->arena, command->line);
    ssh->sent = 0;
    ssh->is_fed = false;
    ssh->stage = STAGE_OPEN;
    ssh_enter(ssh, SSH_BUSY, command->quiet_ms);
}
