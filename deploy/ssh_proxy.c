/* SPDX-License-Identifier: MIT */
/* ssh_proxy.c - ProxyJump and ProxyCommand: a child whose stdin and stdout are the connection.
 *
 * It has no terminal, so it can ask nothing; what it says on stderr becomes part of the error. */
#include "deploy/ssh_private.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ssh ends at once, and a command that started others may take a moment. */
enum { STOP_WAIT_MS = 1000, STOP_STEP_MS = 10 };

static void close_pair(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

int proxy_start(struct proxy *proxy, const char *const *argv, struct err *err)
{
    int ends[2], messages[2];
    *proxy = (struct proxy){.messages_fd = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(err, "cannot make a socket: %s", strerror(errno));
    if (pipe2(messages, O_CLOEXEC) < 0) {
        close_pair(ends);
        return err_set(err, "cannot make a pipe: %s", strerror(errno));
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(messages[0], F_SETFL, O_NONBLOCK);
    const struct io_spawn spawn = {.argv = argv,
                                   .stdin_fd = ends[1],
                                   .stdout_fd = ends[1],
                                   .stderr_fd = messages[1],
                                   .new_session = true};
    pid_t pid = io_spawn(&spawn, err);
    close(ends[1]);
    close(messages[1]);
    if (pid < 0) {
        close(ends[0]);
        close(messages[0]);
        return -1;
    }
    proxy->pid = pid;
    proxy->messages_fd = messages[0];
    return ends[0];
}

void proxy_listen(struct proxy *proxy)
{
    char bytes[4096];
    ssize_t got;
    while (proxy->pid && (got = read(proxy->messages_fd, bytes, sizeof bytes - 1)) > 0) {
        bytes[got] = '\0';
        char *rest = bytes, *line;
        while ((line = strsep(&rest, "\r\n")))
            if (*line) {
                size_t size = strlen(line);
                size = size < sizeof proxy->said ? size : sizeof proxy->said - 1;
                memcpy(proxy->said, line, size);
                proxy->said[size] = '\0';
            }
    }
}

static bool has_ended(pid_t pid, uint64_t wait_ms)
{
    uint64_t until_ms = clock_boot_ms() + wait_ms;
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (clock_boot_ms() >= until_ms)
            return false;
        poll(NULL, 0, STOP_STEP_MS);
    }
    return true;
}

void proxy_stop(struct proxy *proxy)
{
    if (!proxy->pid)
        return;
    kill(-proxy->pid, SIGTERM); /* its leader is not reaped yet, so the number is still ours */
    bool ended = has_ended(proxy->pid, STOP_WAIT_MS);
    if (!ended) {
        kill(-proxy->pid, SIGKILL);
        waitpid(proxy->pid, NULL, 0);
    }
    close(proxy->messages_fd);
    *proxy = (struct proxy){.messages_fd = -1};
}
