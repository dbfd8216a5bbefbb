/* SPDX-License-Identifier: MIT */
#include "worker/process/run_command.h"

#include "worker/process/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IOPRIO_BEST_EFFORT_LOWEST = (2 << 13) | 7 };

/* ---- the secret and the environment ---------------------------------------------------------- */

void run_command_read_secret(struct phase_run *run)
{
    if (!run->options.secret_env && !run->options.secret_fd_env)
        return;
    for (ssize_t n = 1; n > 0 && run->secret_size < sizeof run->secret;) {
        n = read(STDIN_FILENO, run->secret + run->secret_size,
                 sizeof run->secret - run->secret_size);
        if (n < 0)
            run_give_up(run, EXIT_CANNOT, "read", "the secret");
        run->secret_size += (size_t)n;
    }
    errno = EFBIG;
    if (run->secret_size > LIMIT_SECRET_BYTES)
        run_give_up(run, EXIT_CANNOT, "take", "the secret");
    run->secret[run->secret_size] = '\0';
}

size_t run_command_bare_secret(const struct phase_run *run)
{
    size_t size = run->secret_size;
    while (size > 0 && (run->secret[size - 1] == '\n' || run->secret[size - 1] == '\r'))
        size--;
    return size;
}

static void export_text(const struct phase_run *run, const char *name, const char *value)
{
    if (setenv(name, value, 1) < 0)
        run_give_up(run, EXIT_CANNOT, "set the variable", name);
}

/* The variable gets the path of a sealed memory file that stays open in the command. */
static void export_as_file(const struct phase_run *run, const char *name)
{
    char path[40];
    int file = (int)syscall(SYS_memfd_create, "secret", MFD_ALLOW_SEALING);
    if (file < 0 || write(file, run->secret, run->secret_size) != (ssize_t)run->secret_size ||
        fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        run_give_up(run, EXIT_CANNOT, "make a memory file for", "the secret");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    export_text(run, name, path);
}

/* Runs between fork and exec, so that only the command's environment has the secret. */
static void export_secret(struct phase_run *run)
{
    if (run->options.secret_fd_env)
        export_as_file(run, run->options.secret_fd_env);
    if (run->options.secret_env) {
        run->secret[run_command_bare_secret(run)] = '\0';
        export_text(run, run->options.secret_env, run->secret);
    }
}

void run_command_mark(struct phase_run *run)
{
    snprintf(run->marker, sizeof run->marker, ATTEMPT_MARK "=%s", run->options.folder);
    export_text(run, ATTEMPT_MARK, run->options.folder);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Below the agent's priority, which must send heartbeats while this compiles. Best effort: the
 * kernel may refuse it to an unprivileged worker. */
static void lower_priority(const struct phase_run *run)
{
    errno = 0;
    setpriority(PRIO_PROCESS, 0, run->options.nice);
    syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, IOPRIO_BEST_EFFORT_LOWEST);
    tree_write("/proc/self", "oom_score_adj", "500");
}

static void enter_cgroups(const struct phase_run *run)
{
    for (int i = 0; i < run->options.cgroup_count; i++)
        tree_write(run->options.cgroups[i], "cgroup.procs", "0");
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: becomes the command. A failure here is the last line of the command's output. */
static _Noreturn void become_command(struct phase_run *run, int output)
{
    const char *folder = run->options.working_folder;
    char **command = run->options.command;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    run->log = -1;
    setpgid(0, 0);
    enter_cgroups(run);
    lower_priority(run);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        run_give_up(run, EXIT_CANNOT, "connect", command[0]);
    if (folder && chdir(folder) < 0)
        run_give_up(run, EXIT_CANNOT, "enter", folder);
    export_secret(run);
    reset_signals();
    execvp(command[0], command);
    run_give_up(run, errno == ENOENT ? 127 : 126, "run", command[0]);
}

void run_command_start(struct phase_run *run)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        run_give_up(run, EXIT_CANNOT, "make", "a pipe");
    fcntl(ends[1], F_SETPIPE_SZ, SINK_CHUNK_BYTES); /* may be refused by the user's quota */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    run->pipe = ends[0];
    run->started_ms = run->output_ms = run_now_ms();
    run->command = fork(); /* cheap: this process is tiny */
    if (run->command < 0)
        run_give_up(run, EXIT_CANNOT, "start", run->options.command[0]);
    if (run->command == 0)
        become_command(run, ends[1]);
    close(ends[1]);
}
