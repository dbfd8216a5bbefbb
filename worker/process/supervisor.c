/* SPDX-License-Identifier: MIT */
/* supervisor.c - see supervisor.h. Libc only: of proto/ it uses nothing but constants.
 *
 *   running ──command ended, or TERM, or a limit──▶ ending ──grace over──▶ killing
 *      └───────────────┴────────── no child is left ──────────┴──▶ gone: exit facts are written
 *
 * The supervisor is subreaper of all its descendants (a feature of Linux that qemu-user does not
 * emulate). So "no child is left" (ECHILD) means that the whole tree is gone, even if its members
 * forked, changed their session or cleared their environment. Only the command enters the cgroups,
 * so that cgroup.kill and the OOM killer do not hit the supervisor.
 */
#include "worker/process/supervisor.h"
#include "proto/limits.h"
#include "worker/process/hostfacts.h"
#include "worker/process/sink.h"
#include "worker/process/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    CGROUPS_MAX = 4,
    KILL_AGAIN_MS = 20,  /* repeated, because a tree may fork faster than one scan */
    KILLS_IN_HASTE = 50, /* a process that survives this many kills hangs in the kernel */
    KILL_SLOWLY_MS = 2000,
    LOCK_TRIES = 100, /* a reader that tests whether the lock is free holds it for microseconds */
    EXIT_USAGE = 64,  /* sysexits.h: wrong arguments */
    EXIT_CANNOT = 71, /* the system refused something before the command was started */
    EXIT_TAKEN = 75,  /* another supervisor runs this phase, or the phase is over */
    IOPRIO_BEST_EFFORT_LOWEST = (2 << 13) | 7
};

struct supervisor_options {
    const char *folder, *phase, *working_folder;
    unsigned long long wall_ms, silence_ms, stop_grace_ms, log_bytes_max;
    const char *cgroups[CGROUPS_MAX];
    int cgroup_count;
    int nice;
    const char *secret_env, *secret_fd_env;
    const char *host_root; /* NULL: no host facts */
    char **command;
};

enum run_stage { RUNNING, ENDING, KILLING, GONE };

struct phase_run {
    struct supervisor_options options;
    enum run_stage stage;
    int folder, record, log, signals, pipe; /* record: PHASE.run */
    char secret[LIMIT_SECRET_BYTES + 1];
    size_t secret_size;
    struct sink *sink;
    pid_t command;
    int status; /* from wait(), once the command ended */
    unsigned long long started_ms, output_ms, ending_since_ms, killed_ms;
    unsigned long long warned_wall_ms, warned_silence_ms; /* when the stop was announced; 0: not */
    unsigned long long stop_at_ms; /* the stop that PHASE.run announces; 0: none */
    unsigned long long cpu_ms;     /* at the last check for silence */
    unsigned long long free_at_first, free_at_least, looked_ms; /* free bytes of the disk */
    unsigned kills;
    bool timed_out, silent;
    bool is_subreaper;         /* if not (qemu-user 7.2), orphans are found by their environment */
    bool is_childless;         /* no child is left; orphans that we did not inherit may be */
    struct daemon_look daemon; /* at the start of the phase */
    char marker[4200];
};

static unsigned long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

/* Before the command runs, the only way to handle a failure is to report it and exit. */
static _Noreturn void give_up(const struct phase_run *run, int code, const char *what,
                              const char *name)
{
    int reason = errno;
    char line[512];
    int size = snprintf(line, sizeof line, "farm-supervisor: cannot %s %s: %s\n", what, name,
                        strerror(reason));
    if (size > (int)sizeof line - 1)
        size = sizeof line - 1;
    if (write(STDERR_FILENO, line, (size_t)size) < 0 || run->log < 0)
        _exit(code);
    if (lseek(run->log, 0, SEEK_END) >= 0 && write(run->log, line, (size_t)size) < 0)
        _exit(code);
    _exit(code);
}

/* ---- arguments ---------------------------------------------------------------------------- */

enum {
    OPT_FOLDER = 1,
    OPT_PHASE,
    OPT_WALL,
    OPT_SILENCE,
    OPT_GRACE,
    OPT_LOG_MAX,
    OPT_CGROUP,
    OPT_CHDIR,
    OPT_NICE,
    OPT_SECRET_ENV,
    OPT_SECRET_FD,
    OPT_HOST_FACTS
};

static const struct option long_options[] = {
    {"folder", required_argument, NULL, OPT_FOLDER},
    {"phase", required_argument, NULL, OPT_PHASE},
    {"wall-ms", required_argument, NULL, OPT_WALL},
    {"silence-ms", required_argument, NULL, OPT_SILENCE},
    {"stop-grace-ms", required_argument, NULL, OPT_GRACE},
    {"log-bytes-max", required_argument, NULL, OPT_LOG_MAX},
    {"cgroup", required_argument, NULL, OPT_CGROUP},
    {"chdir", required_argument, NULL, OPT_CHDIR},
    {"nice", required_argument, NULL, OPT_NICE},
    {"secret-env", required_argument, NULL, OPT_SECRET_ENV},
    {"secret-fd", required_argument, NULL, OPT_SECRET_FD},
    {"host-facts", required_argument, NULL, OPT_HOST_FACTS},
    {NULL, 0, NULL, 0},
};

static bool take_number(const char *text, unsigned long long *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool is_phase(const char *name)
{
    static const char *const names[] = {"checkout", "build", "check", "publish"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool take_option(struct supervisor_options *options, int option, const char *value)
{
    unsigned long long number = 0;
    switch (option) {
    case OPT_FOLDER:
        options->folder = value;
        return true;
    case OPT_PHASE:
        options->phase = value;
        return is_phase(value);
    case OPT_WALL:
        return take_number(value, &options->wall_ms);
    case OPT_SILENCE:
        return take_number(value, &options->silence_ms);
    case OPT_GRACE:
        return take_number(value, &options->stop_grace_ms);
    case OPT_LOG_MAX:
        return take_number(value, &options->log_bytes_max);
    case OPT_CGROUP:
        if (options->cgroup_count == CGROUPS_MAX)
            return false;
        options->cgroups[options->cgroup_count++] = value;
        return true;
    case OPT_CHDIR:
        options->working_folder = value;
        return true;
    case OPT_NICE:
        options->nice = take_number(value, &number) && number < 20 ? (int)number : -1;
        return options->nice >= 0;
    case OPT_SECRET_ENV:
        options->secret_env = value;
        return *value != '\0';
    case OPT_SECRET_FD:
        options->secret_fd_env = value;
        return *value != '\0';
    case OPT_HOST_FACTS:
        options->host_root = value;
        return true;
    default:
        return false;
    }
}

static bool options_parse(struct supervisor_options *options, int argc, char **argv)
{
    *options = (struct supervisor_options){
        .nice = 10, .stop_grace_ms = 10000, .log_bytes_max = LIMIT_LOG_BYTES};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "+", long_options, NULL)) != -1;)
        if (!take_option(options, option, optarg))
            return false;
    options->command = argv + optind;
    return options->folder && options->phase && optind < argc &&
           !(options->secret_env && options->secret_fd_env);
}

/* ---- the phase's folder ------------------------------------------------------------------- */

static int open_in(const struct phase_run *run, int folder, const char *name, int flags)
{
    int file = openat(folder, name, flags | O_CLOEXEC | O_NOCTTY, 0644);
    if (file < 0)
        give_up(run, EXIT_CANNOT, "open", name);
    return file;
}

/* Held until this process ends; the descriptor is never closed. */
static void take_lock(const struct phase_run *run)
{
    for (int tries = 0; flock(run->record, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            give_up(run, EXIT_TAKEN, "take the lock of phase", run->options.phase);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Allocates the room for the exit facts now, so that a full disk cannot refuse them later. */
static void prepare_exit(const struct phase_run *run)
{
    char first = '\0';
    if (pread(run->record, &first, 1, SUPERVISOR_EXIT_OFFSET) > 0 && first != '\0') {
        errno = EEXIST;
        give_up(run, EXIT_TAKEN, "run a phase that is over:", run->options.phase);
    }
    int reason = posix_fallocate(run->record, 0, SUPERVISOR_STOP_OFFSET + SUPERVISOR_STOP_BYTES);
    if (reason) {
        errno = reason;
        give_up(run, EXIT_CANNOT, "reserve room for the exit facts of", run->options.phase);
    }
}

static void write_identity(const struct phase_run *run)
{
    char boot_id[BOOT_ID_BYTES], text[SUPERVISOR_EXIT_OFFSET];
    int room = (int)sizeof text;
    boot_id_read(boot_id);
    int size =
        snprintf(text, sizeof text, "boot_id %s\npid %d\nstart_time %llu\nlog_from %lld\n", boot_id,
                 getpid(), tree_start_time(getpid()), (long long)lseek(run->log, 0, SEEK_END));
    for (int i = 0; i < run->options.cgroup_count && size < room; i++)
        size +=
            snprintf(text + size, (size_t)(room - size), "cgroup %s\n", run->options.cgroups[i]);
    if (size < room)
        size += snprintf(text + size, (size_t)(room - size), "end\n");
    errno = ENAMETOOLONG;
    if (size >= room || pwrite(run->record, text, (size_t)size, 0) != size)
        give_up(run, EXIT_CANNOT, "record the supervisor of phase", run->options.phase);
}

static void open_folder(struct phase_run *run)
{
    char name[32];
    run->folder = open(run->options.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->folder < 0)
        give_up(run, EXIT_CANNOT, "open", run->options.folder);
    snprintf(name, sizeof name, "%s.run", run->options.phase);
    run->record = open_in(run, run->folder, name, O_RDWR | O_CREAT);
    take_lock(run);
    prepare_exit(run);
    run->log = open_in(run, run->folder, "log", O_WRONLY | O_CREAT);
    write_identity(run);
}

/* ---- the secret --------------------------------------------------------------------------- */

static void read_secret(struct phase_run *run)
{
    if (!run->options.secret_env && !run->options.secret_fd_env)
        return;
    for (ssize_t n = 1; n > 0 && run->secret_size < sizeof run->secret;) {
        n = read(STDIN_FILENO, run->secret + run->secret_size,
                 sizeof run->secret - run->secret_size);
        if (n < 0)
            give_up(run, EXIT_CANNOT, "read", "the secret");
        run->secret_size += (size_t)n;
    }
    errno = EFBIG;
    if (run->secret_size > LIMIT_SECRET_BYTES)
        give_up(run, EXIT_CANNOT, "take", "the secret");
    run->secret[run->secret_size] = '\0';
}

/* Size of the secret without the line end that secret files usually have; logs are searched for
 * this. */
static size_t bare_secret(const struct phase_run *run)
{
    size_t size = run->secret_size;
    while (size > 0 && (run->secret[size - 1] == '\n' || run->secret[size - 1] == '\r'))
        size--;
    return size;
}

static void export_text(const struct phase_run *run, const char *name, const char *value)
{
    if (setenv(name, value, 1) < 0)
        give_up(run, EXIT_CANNOT, "set the variable", name);
}

/* The variable gets the path of a sealed memory file that stays open in the command. */
static void export_as_file(const struct phase_run *run, const char *name)
{
    char path[40];
    int file = (int)syscall(SYS_memfd_create, "secret", MFD_ALLOW_SEALING);
    if (file < 0 || write(file, run->secret, run->secret_size) != (ssize_t)run->secret_size ||
        fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        give_up(run, EXIT_CANNOT, "make a memory file for", "the secret");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    export_text(run, name, path);
}

/* Runs between fork and exec, so that only the command's environment has the secret. */
static void export_secret(struct phase_run *run)
{
    if (run->options.secret_fd_env)
        export_as_file(run, run->options.secret_fd_env);
    if (run->options.secret_env) {
        run->secret[bare_secret(run)] = '\0';
        export_text(run, run->options.secret_env, run->secret);
    }
}

/* ---- the command -------------------------------------------------------------------------- */

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
        give_up(run, EXIT_CANNOT, "connect", command[0]);
    if (folder && chdir(folder) < 0)
        give_up(run, EXIT_CANNOT, "enter", folder);
    export_secret(run);
    reset_signals();
    execvp(command[0], command);
    give_up(run, errno == ENOENT ? 127 : 126, "run", command[0]);
}

static void block_signals(struct phase_run *run)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (run->signals < 0)
        give_up(run, EXIT_CANNOT, "watch", "signals");
}

/* Both outputs share one pipe, so that their order is kept. */
static void start_command(struct phase_run *run)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        give_up(run, EXIT_CANNOT, "make", "a pipe");
    fcntl(ends[1], F_SETPIPE_SZ, SINK_CHUNK_BYTES); /* may be refused by the user's quota */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    run->pipe = ends[0];
    run->started_ms = run->output_ms = now_ms();
    run->command = fork(); /* cheap: this process is tiny */
    if (run->command < 0)
        give_up(run, EXIT_CANNOT, "start", run->options.command[0]);
    if (run->command == 0)
        become_command(run, ends[1]);
    close(ends[1]);
}

/* ---- ending the tree ---------------------------------------------------------------------- */

/* Signals all descendants; returns how many there are. */
static size_t signal_tree(const struct phase_run *run, int number)
{
    struct tree_wish wish = {.root = getpid(), .marker = run->is_subreaper ? NULL : run->marker};
    return tree_signal(&wish, number);
}

static void begin_ending(struct phase_run *run)
{
    if (run->stage != RUNNING)
        return;
    run->stage = ENDING;
    run->ending_since_ms = now_ms();
    signal_tree(run, SIGTERM);
}

static void kill_tree(struct phase_run *run)
{
    run->stage = KILLING;
    run->killed_ms = now_ms();
    run->kills++;
    for (int i = 0; i < run->options.cgroup_count; i++)
        tree_kill_cgroup(run->options.cgroups[i]);
    signal_tree(run, SIGKILL);
}

static void look_for_strays(struct phase_run *run)
{
    if (run->is_subreaper || signal_tree(run, 0) == 0)
        run->stage = GONE;
}

/* Reaps ended children. Processes that outlive the command are ended: nothing waits for them. */
static void children_reap(struct phase_run *run)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        run->is_childless = pid < 0 && errno == ECHILD;
        if (pid <= 0)
            break;
        if (pid == run->command) {
            run->status = status;
            run->command = 0;
        }
    }
    if (run->is_childless)
        look_for_strays(run);
    if (run->command == 0)
        begin_ending(run);
}

static void take_signals(struct phase_run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            children_reap(run);
        else
            begin_ending(run);
    }
}

/* ---- limits ------------------------------------------------------------------------------- */

enum {
    /* A stop is announced when 1/WARN_PART of its limit is left, but early enough for people: at
     * least a minute before; of a limit under two minutes, when half of it is left. */
    WARN_PART = 10,
    WARN_LEAST_MS = 60000,
    COMPUTES_PART = 100,    /* CPU time of 1/100 of the silence limit shows that the tree works */
    COMPUTES_LEAST_MS = 50, /* and this much more, which starting a shell may take */
    DISK_LOOK_MS = 10000,   /* how often the free space is read while the command runs */
};

static unsigned long long min_ms(unsigned long long a, unsigned long long b)
{
    return a < b ? a : b;
}

/* "1h 20m", "45s" */
static void print_time(char out[32], unsigned long long ms)
{
    unsigned long long seconds = ms / 1000;
    if (seconds >= 3600)
        snprintf(out, 32, "%lluh %llum", seconds / 3600, seconds / 60 % 60);
    else if (seconds >= 60)
        snprintf(out, 32, "%llum %llus", seconds / 60, seconds % 60);
    else
        snprintf(out, 32, "%llus", seconds);
}

/* Announces a coming stop in the log, where people look when a build takes long. */
static void stop_announce(struct phase_run *run, const char *what, unsigned long long left_ms,
                          const char *option)
{
    char line[200], left[32];
    print_time(left, left_ms);
    snprintf(line, sizeof line,
             "\n[farm-supervisor: %s: the phase will be stopped in %s (%s in farm.yaml)]\n", what,
             left, option);
    sink_note(run->sink, line);
}

/* Writes the earlier of the announced stops to PHASE.run, where the agent reads it, and removes it
 * when the build makes progress. If the write fails only the announcement is lost: the limits still
 * hold. */
static void tell_coming_stop(struct phase_run *run)
{
    const struct supervisor_options *options = &run->options;
    unsigned long long at_ms = run->warned_wall_ms ? run->started_ms + options->wall_ms : 0,
                       silent_at_ms = run->output_ms + options->silence_ms;
    bool is_silence = run->warned_silence_ms > run->output_ms && (!at_ms || silent_at_ms < at_ms);
    char text[SUPERVISOR_STOP_BYTES] = "";
    if (is_silence)
        at_ms = silent_at_ms;
    if (at_ms == run->stop_at_ms)
        return;
    if (at_ms)
        snprintf(text, sizeof text, "stop_cause %s\nstop_at_ms %llu\nend\n",
                 is_silence ? "silent" : "timeout", at_ms);
    run->stop_at_ms = at_ms;
    if (pwrite(run->record, text, sizeof text, SUPERVISOR_STOP_OFFSET) < 0)
        run->stop_at_ms = 0;
}

/* When a stop for a limit that runs from `from_ms` is announced. */
static unsigned long long warn_at_ms(unsigned long long from_ms, unsigned long long limit_ms)
{
    unsigned long long notice_ms = limit_ms / WARN_PART;
    if (notice_ms < WARN_LEAST_MS)
        notice_ms = min_ms(WARN_LEAST_MS, limit_ms / 2);
    return from_ms + limit_ms - notice_ms;
}

static void warn_of_limits(struct phase_run *run, unsigned long long now)
{
    const struct supervisor_options *options = &run->options;
    if (options->wall_ms && !run->warned_wall_ms &&
        now >= warn_at_ms(run->started_ms, options->wall_ms)) {
        run->warned_wall_ms = now;
        stop_announce(run, "the time limit is near", run->started_ms + options->wall_ms - now,
                      "wall");
    }
    if (options->silence_ms && run->warned_silence_ms < run->output_ms + 1 &&
        now >= warn_at_ms(run->output_ms, options->silence_ms)) {
        run->warned_silence_ms = now;
        stop_announce(run, "no output for a long time", run->output_ms + options->silence_ms - now,
                      "silence");
    }
    tell_coming_stop(run);
}

/* A build that uses CPU time does not count as silent: linking PyTorch prints nothing for an hour.
 * Builds of nix-daemon are not our descendants; for them only the output counts. */
static bool tree_computes(struct phase_run *run)
{
    struct tree_wish wish = {.root = getpid(), .marker = run->is_subreaper ? NULL : run->marker};
    struct rusage ended;
    getrusage(RUSAGE_CHILDREN, &ended);
    unsigned long long before = run->cpu_ms;
    run->cpu_ms = tree_cpu_ms(&wish) +
                  (unsigned long long)(ended.ru_utime.tv_sec + ended.ru_stime.tv_sec) * 1000;
    return run->cpu_ms >= before + run->options.silence_ms / COMPUTES_PART + COMPUTES_LEAST_MS;
}

/* When the tree is killed next. */
static unsigned long long kill_at_ms(const struct phase_run *run)
{
    if (run->stage == ENDING)
        return run->ending_since_ms + run->options.stop_grace_ms;
    return run->killed_ms + (run->kills < KILLS_IN_HASTE ? KILL_AGAIN_MS : KILL_SLOWLY_MS);
}

static unsigned long long free_bytes(const struct phase_run *run)
{
    struct statvfs disk;
    const char *folder = run->options.working_folder;
    if (!folder || statvfs(folder, &disk) < 0)
        if (statvfs(run->options.folder, &disk) < 0)
            return 0;
    return (unsigned long long)disk.f_bavail * disk.f_frsize;
}

/* Reads the free space regularly: builds write gigabytes and remove them before they end. */
static void look_at_disk(struct phase_run *run, unsigned long long now)
{
    if (run->looked_ms && now - run->looked_ms < DISK_LOOK_MS)
        return;
    unsigned long long free_now = free_bytes(run);
    if (!run->looked_ms)
        run->free_at_first = run->free_at_least = free_now;
    if (free_now < run->free_at_least)
        run->free_at_least = free_now;
    run->looked_ms = now;
}

static bool is_silent(struct phase_run *run, unsigned long long now)
{
    unsigned long long limit_ms = run->options.silence_ms;
    if (!limit_ms || now - run->output_ms < limit_ms)
        return false;
    if (!tree_computes(run))
        return true;
    run->output_ms = now; /* CPU time counts as output */
    return false;
}

static void check_limits(struct phase_run *run)
{
    unsigned long long now = now_ms();
    const struct supervisor_options *options = &run->options;
    look_at_disk(run, now);
    if (run->stage == RUNNING) {
        run->timed_out = options->wall_ms && now - run->started_ms >= options->wall_ms;
        run->silent = !run->timed_out && is_silent(run, now);
        if (run->timed_out || run->silent)
            begin_ending(run);
        else
            warn_of_limits(run, now);
    } else if (now >= kill_at_ms(run)) {
        kill_tree(run);
    }
    if (run->is_childless)
        look_for_strays(run); /* no signal reports the end of processes that are not our children */
}

/* Milliseconds until check_limits has something to do. */
static int wait_ms(const struct phase_run *run)
{
    const struct supervisor_options *options = &run->options;
    unsigned long long at = ~0ull, now = now_ms();
    if (run->stage == RUNNING && options->wall_ms)
        at = run->warned_wall_ms ? run->started_ms + options->wall_ms
                                 : warn_at_ms(run->started_ms, options->wall_ms);
    if (run->stage == RUNNING && options->silence_ms)
        at = min_ms(at, run->warned_silence_ms > run->output_ms
                            ? run->output_ms + options->silence_ms
                            : warn_at_ms(run->output_ms, options->silence_ms));
    if (run->stage != RUNNING)
        at = kill_at_ms(run);
    if (run->is_childless)
        at = min_ms(at, now + KILL_AGAIN_MS);
    at = min_ms(at, run->looked_ms + DISK_LOOK_MS);
    return at <= now ? 0 : (int)min_ms(at - now, 3600 * 1000);
}

/* ---- the loop ----------------------------------------------------------------------------- */

/* False when no writer is left. */
static bool take_output(struct phase_run *run)
{
    ssize_t taken = sink_take(run->sink, run->pipe);
    if (taken > 0)
        run->output_ms = now_ms();
    return taken > 0 || (taken < 0 && (errno == EAGAIN || errno == EINTR));
}

static void command_follow(struct phase_run *run)
{
    struct pollfd wait[2] = {{.fd = run->signals, .events = POLLIN},
                             {.fd = run->pipe, .events = POLLIN}};
    while (run->stage != GONE) {
        int ready = poll(wait, 2, wait_ms(run));
        if (ready > 0 && wait[1].revents && !take_output(run))
            wait[1].fd = -1; /* the command closed its outputs; it may still run */
        if (ready > 0 && wait[0].revents)
            take_signals(run);
        if (run->stage != GONE)
            check_limits(run);
    }
    while (sink_take(run->sink, run->pipe) > 0)
        ;
}

/* ---- exit facts --------------------------------------------------------------------------- */

struct cgroup_facts {
    unsigned long long oom_kills, memory_peak;
};

/* Each value: the file of v2 first, then the one of v1. */
static void read_cgroup(const char *cgroup, struct cgroup_facts *facts)
{
    unsigned long long value;
    if (tree_read_number(cgroup, "memory.events", "oom_kill", &value) ||
        tree_read_number(cgroup, "memory.oom_control", "oom_kill", &value))
        facts->oom_kills += value;
    if (tree_read_number(cgroup, "memory.peak", "", &value) ||
        tree_read_number(cgroup, "memory.max_usage_in_bytes", "", &value))
        facts->memory_peak = value > facts->memory_peak ? value : facts->memory_peak;
}

static unsigned long long cpu_ms(const struct rusage *usage)
{
    return (unsigned long long)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
           (unsigned long long)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

struct host_exit_facts {
    unsigned long long oom_kills;
    bool restarted;
    unsigned memory_stall, io_stall;
};

static struct host_exit_facts read_host(const struct phase_run *run)
{
    struct daemon_look now;
    if (!run->options.host_root)
        return (struct host_exit_facts){0};
    daemon_look(run->options.host_root, &now);
    return (struct host_exit_facts){daemon_oom_kills(&run->daemon, &now),
                                    daemon_restarted(&run->daemon, &now),
                                    pressure_stall(run->options.host_root, "memory", "full"),
                                    pressure_stall(run->options.host_root, "io", "full")};
}

static void write_exit(const struct phase_run *run, unsigned long long lost)
{
    struct host_exit_facts host = read_host(run);
    char text[SUPERVISOR_EXIT_BYTES] = "";
    struct cgroup_facts cgroup = {0};
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    cgroup.memory_peak = (unsigned long long)usage.ru_maxrss * 1024;
    for (int i = 0; i < run->options.cgroup_count; i++)
        read_cgroup(run->options.cgroups[i], &cgroup);
    bool exited = WIFEXITED(run->status);
    int size = snprintf(text, sizeof text,
                        "status %d\nsignal %d\noom_kills %llu\nfree_bytes %llu\ncpu_ms %llu\n"
                        "memory_peak %llu\nwall_ms %llu\ntimed_out %d\nsilent %d\n"
                        "log_lost_bytes %llu\ndisk_bytes %llu\ndaemon_oom_kills %llu\n"
                        "daemon_restarted %d\nmemory_stall %u\nio_stall %u\nend\n",
                        exited ? WEXITSTATUS(run->status) : -1, exited ? 0 : WTERMSIG(run->status),
                        cgroup.oom_kills, free_bytes(run), cpu_ms(&usage), cgroup.memory_peak,
                        now_ms() - run->started_ms, run->timed_out, run->silent, lost,
                        run->free_at_first - run->free_at_least, host.oom_kills, host.restarted,
                        host.memory_stall, host.io_stall);
    if (pwrite(run->record, text, (size_t)size, SUPERVISOR_EXIT_OFFSET) != size)
        give_up(run, EXIT_CANNOT, "write", "the exit facts");
}

/* ---- main --------------------------------------------------------------------------------- */

/* The marker by which the agent (and, without subreaper, this program) finds the attempt's
 * processes. */
static void mark_environment(struct phase_run *run)
{
    snprintf(run->marker, sizeof run->marker, "FARM_ATTEMPT=%s", run->options.folder);
    export_text(run, "FARM_ATTEMPT", run->options.folder);
}

int supervisor_main(int argc, char **argv)
{
    struct phase_run *run = calloc(1, sizeof *run);
    if (!run)
        return EXIT_CANNOT;
    run->log = -1;
    if (!options_parse(&run->options, argc, argv)) {
        fprintf(stderr, "usage: farm-supervisor --folder DIR --phase NAME [OPTION...] "
                        "-- COMMAND [ARG...]\n");
        free(run);
        return EXIT_USAGE;
    }
    setsid(); /* fails if we already lead a session, which is as good */
    run->is_subreaper = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
    mark_environment(run);
    prctl(PR_SET_DUMPABLE, run->options.secret_env || run->options.secret_fd_env ? 0 : 1, 0, 0, 0);
    block_signals(run);
    read_secret(run);
    open_folder(run);
    struct sink_options sink = {.log = run->log,
                                .folder = run->folder,
                                .bytes_max = run->options.log_bytes_max,
                                .secret = run->secret,
                                .secret_size = bare_secret(run)};
    run->sink = sink_open(&sink);
    if (!run->sink)
        give_up(run, EXIT_CANNOT, "find memory for", "the log");
    if (run->options.host_root)
        daemon_look(run->options.host_root, &run->daemon);
    start_command(run);
    command_follow(run);
    write_exit(run, sink_close(run->sink));
    free(run);
    return 0;
}
