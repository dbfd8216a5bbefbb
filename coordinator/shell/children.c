/* SPDX-License-Identifier: MIT */
/* children.c - bounded child processes of the coordinator; children.h has the rules. */
#include "coordinator/shell/children.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    uint64_t tag;
    pid_t pid;
    int output;
    uint64_t deadline_ms;
    struct buf answer;
};

struct waiting {
    struct waiting *next;
    uint64_t tag;
    char *question;
};

struct children {
    struct children_kind is;
    struct child running[LIMIT_DISCOVERY_CHILDREN];
    size_t running_count;
    struct waiting *first, **last;
};

struct children *children_create(const struct children_kind *kind)
{
    struct children *children = mem_new(sizeof *children);
    children->is = *kind;
    children->last = &children->first;
    return children;
}

/* Puts the question into a memory file: unlike a pipe, it cannot fill up and block the writer. */
static int question_fd(const char *question, struct err *err)
{
    int fd = memfd_create("question", MFD_CLOEXEC);
    if (fd < 0)
        return err_set(err, "cannot make a memory file: %s", strerror(errno));
    if (io_write_all(fd, question, strlen(question), err) || lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int start_child(struct children *children, const struct waiting *waiting, struct err *err)
{
    int in = question_fd(waiting->question, err);
    if (in < 0)
        return -1;
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK)) {
        close(in);
        return err_set(err, "cannot make a pipe: %s", strerror(errno));
    }
    /* Only our end is non-blocking: the child must be able to block while it writes. */
    fcntl(pipe_fds[1], F_SETFL, 0);
    struct io_spawn spawn = {
        .argv = children->is.argv,
        .stdin_fd = in,
        .stdout_fd = pipe_fds[1],
        .stderr_fd = STDERR_FILENO,
        .new_session = true,
    };
    pid_t pid = io_spawn(&spawn, err);
    close(in);
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return -1;
    }
    children->running[children->running_count++] =
        (struct child){.tag = waiting->tag,
                       .pid = pid,
                       .output = pipe_fds[0],
                       .deadline_ms = clock_boot_ms() + children->is.timeout_ms};
    return 0;
}

static void start_next_child(struct children *children)
{
    while (children->first && children->running_count < LIMIT_DISCOVERY_CHILDREN) {
        struct waiting *waiting = children->first;
        children->first = waiting->next;
        if (!children->first)
            children->last = &children->first;
        struct err err;
        if (start_child(children, waiting, &err))
            children->is.done(children->is.context, waiting->tag, (struct bytes){0}, err.text);
        free(waiting->question);
        free(waiting);
    }
}

void children_ask(struct children *children, uint64_t tag, const char *question)
{
    struct waiting *waiting = mem_new(sizeof *waiting);
    waiting->tag = tag;
    waiting->question = mem_text(question);
    *children->last = waiting;
    children->last = &waiting->next;
    start_next_child(children);
}

size_t children_poll(const struct children *children, struct pollfd *polls)
{
    for (size_t i = 0; i < children->running_count; i++)
        polls[i] = (struct pollfd){.fd = children->running[i].output, .events = POLLIN};
    return children->running_count;
}

/* The child leads its own session, so that git and others that it started are killed with it. */
static void end_child(const struct child *child)
{
    kill(-child->pid, SIGKILL);
}

static void finish_child(struct children *children, size_t index, const char *problem)
{
    struct child child = children->running[index];
    children->running[index] = children->running[--children->running_count];
    if (*problem)
        end_child(&child);
    close(child.output);
    int status = 0;
    while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
        ;
    char text[128] = "";
    if (!*problem && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        snprintf(text, sizeof text, "%s ended with %s %d; the coordinator's log has its messages",
                 children->is.what, WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    children->is.done(children->is.context, child.tag,
                      (struct bytes){child.answer.data, child.answer.size},
                      *problem ? problem : text);
    buf_release(&child.answer);
}

/* Reads the available output. Returns 1 at its end. */
static int read_output(struct child *child)
{
    for (;;) {
        buf_reserve(&child->answer, 65536);
        ssize_t n = read(child->output, child->answer.data + child->answer.size, 65536);
        if (n > 0) {
            child->answer.size += (size_t)n;
            child->answer.data[child->answer.size] = '\0';
            if (child->answer.size > LIMIT_DISCOVERY_BYTES)
                return 0;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        return n == 0 || errno != EAGAIN;
    }
}

void children_work(struct children *children, uint64_t now_ms)
{
    for (size_t i = children->running_count; i-- > 0;) {
        struct child *child = &children->running[i];
        int ended = read_output(child);
        if (ended)
            finish_child(children, i, "");
        else if (child->answer.size > LIMIT_DISCOVERY_BYTES)
            finish_child(children, i, "its answer is larger than limits.h allows");
        else if (now_ms >= child->deadline_ms)
            finish_child(children, i, children->is.timeout_advice);
    }
    start_next_child(children);
}

void children_destroy(struct children *children)
{
    if (!children)
        return;
    for (size_t i = 0; i < children->running_count; i++) {
        struct child *child = &children->running[i];
        end_child(child);
        close(child->output);
        waitpid(child->pid, NULL, 0);
        buf_release(&child->answer);
    }
    while (children->first) {
        struct waiting *next = children->first->next;
        free(children->first->question);
        free(children->first);
        children->first = next;
    }
    free(children);
}
