/* SPDX-License-Identifier: MIT */
/* domain.c - see domain.h.
 *
 *   farmd discover ── fork ──▶ becomes the sandbox (proto/base/sandbox.h) ──▶ farmd discover-read
 *
 * Only the child in the middle says how the program ended, or that none of it ran: through memory
 * that the program does not have. So a program that was taken over cannot make itself be started
 * outside.
 */
#include "coordinator/discovery/domain.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/base/sandbox.h"
#include "proto/limits.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENTRIES_MAX = 32, NOBODY = 65534 };

/* A sanitizer reads /proc and takes more address space than the limit allows. */
#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Written by the child that becomes the sandbox. */
struct outcome {
    bool has_run; /* `status` is of waitpid(2); else `refusal` says why the host has no sandbox */
    int status;
    struct err refusal;
};

struct domain {
    const char *clone;
    const char *const *argv;
    const char *environment[8];
    struct sandbox_entry entries[ENTRIES_MAX];
    size_t count;
    int in, out, err; /* memory files */
    struct arena arena;
};

/* ---- what is present ------------------------------------------------------------------------ */

static void add(struct domain *domain, enum sandbox_kind kind, const char *from, const char *to)
{
    if (domain->count < ENTRIES_MAX)
        domain->entries[domain->count++] = (struct sandbox_entry){kind, from, to, true};
}

static void add_read(struct domain *domain, const char *path)
{
    add(domain, SANDBOX_READ, path, path);
}

/* /bin and its like are links into /usr on most hosts. */
static void add_top_folders(struct domain *domain)
{
    static const char *const names[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char target[PATH_MAX];
        ssize_t size = readlink(names[i], target, sizeof target - 1);
        if (size > 0)
            add(domain, SANDBOX_LINK, arena_print(&domain->arena, "%.*s", (int)size, target),
                names[i]);
        else
            add_read(domain, names[i]);
    }
}

static bool is_present(const char *path)
{
    static const char *const folders[] = {"/usr/", "/nix/store/"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (strncmp(path, folders[i], strlen(folders[i])) == 0)
            return true;
    return false;
}

/* The folder of a program that is not part of the machine: of farmd in a bundle or a build, or of a
 * git that somebody put into PATH. A bundle has its libraries beside, in ../lib. */
static void add_program(struct domain *domain, const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real) || is_present(real))
        return;
    char *folder = dirname(real);
    const char *libraries = arena_print(&domain->arena, "%s/../lib", folder);
    char real_libraries[PATH_MAX];
    add_read(domain, arena_text(&domain->arena, folder));
    if (strcmp(folder, "/bin") != 0 && realpath(libraries, real_libraries))
        add_read(domain, arena_text(&domain->arena, real_libraries));
}

/* A bundle's program finds its libraries by /proc/self/exe. */
static bool is_bundled(const char *program)
{
    char real[PATH_MAX];
    if (!realpath(program, real))
        return false;
    char *name = strrchr(real, '/');
    *name = '\0';
    struct arena arena = {0};
    bool found = access(arena_print(&arena, "%s/../lib/%s", real, name + 1), F_OK) == 0;
    arena_clear(&arena);
    return found;
}

static void add_git(struct domain *domain, const char *path)
{
    while (*path) {
        size_t size = strcspn(path, ":");
        const char *git = arena_print(&domain->arena, "%.*s/git", (int)size, path);
        if (access(git, X_OK) == 0) {
            const char *folder = arena_print(&domain->arena, "%.*s", (int)size, path);
            if (*folder == '/' && !is_present(git))
                add_read(domain, folder);
            add_program(domain, git);
            return;
        }
        path += size + (path[size] == ':');
    }
}

static void list_entries(struct domain *domain, const char *path)
{
    add_read(domain, "/usr");
    add_top_folders(domain);
    add_read(domain, "/nix/store");
    add_read(domain, "/etc/ld.so.cache");
    add_read(domain, "/etc/alternatives");
    add(domain, SANDBOX_DEVICE, "/dev/null", "/dev/null");
    add(domain, SANDBOX_DEVICE, "/dev/urandom", "/dev/urandom");
    if (SANITIZED || is_bundled(domain->argv[0]))
        add(domain, SANDBOX_PROC, "", "/proc");
    add_program(domain, domain->argv[0]);
    add_git(domain, path);
    add_read(domain, domain->clone);
}

static void list_environment(struct domain *domain, const char *path)
{
    size_t count = 0;
    domain->environment[count++] = arena_print(&domain->arena, "PATH=%s", path);
    domain->environment[count++] = "LC_ALL=C";
    domain->environment[count++] = "HOME=/nonexistent";
    domain->environment[count++] = "GIT_CONFIG_NOSYSTEM=1";
    domain->environment[count++] = "GIT_CONFIG_GLOBAL=/dev/null";
    if (SANITIZED)
        domain->environment[count++] = "ASAN_OPTIONS=detect_leaks=0";
}

/* ---- running -------------------------------------------------------------------------------- */

static int open_files(struct domain *domain, struct bytes input, struct err *err)
{
    domain->in = memfd_create("reading-input", MFD_CLOEXEC);
    domain->out = memfd_create("reading-output", MFD_CLOEXEC);
    domain->err = memfd_create("reading-error", MFD_CLOEXEC);
    if (domain->in < 0 || domain->out < 0 || domain->err < 0)
        return err_set(err, "cannot make a memory file: %s", strerror(errno));
    if (io_write_all(domain->in, input.data, input.size, err) < 0)
        return -1;
    lseek(domain->in, 0, SEEK_SET);
    return 0;
}

static void close_files(const struct domain *domain)
{
    const int fds[] = {domain->in, domain->out, domain->err};
    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static _Noreturn void become_sandbox(const struct domain *domain, struct outcome *outcome)
{
    const struct sandbox sandbox = {.entries = domain->entries,
                                    .entries_count = domain->count,
                                    .own_network = true,
                                    .become = geteuid() == 0,
                                    .uid = NOBODY,
                                    .gid = NOBODY};
    dup2(domain->in, 0);
    dup2(domain->out, 1);
    dup2(domain->err, 2);
    outcome->has_run =
        sandbox_run(&sandbox, (char *const *)domain->argv, (char *const *)domain->environment,
                    &outcome->status, &outcome->refusal) == 0;
    _exit(0);
}

static bool is_too_much(const struct domain *domain)
{
    struct stat out, error;
    return fstat(domain->out, &out) < 0 || fstat(domain->err, &error) < 0 ||
           (uint64_t)out.st_size + (uint64_t)error.st_size > LIMIT_DISCOVERY_BYTES;
}

/* Waits for a child; kills it, or its session, when it takes too long or prints too much. */
static int await(const struct domain *domain, pid_t pid, bool whole_session, int *status,
                 struct err *err)
{
    uint64_t deadline_ms = clock_boot_ms() + LIMIT_READING_MS;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), result = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (result == 0 && poll(&wait, 1, 100) != 1) {
        if (clock_boot_ms() > deadline_ms)
            result = err_set(err, "reading this repository took longer than %d minutes",
                             LIMIT_READING_MS / 60000);
        else if (is_too_much(domain))
            result = err_set(err, "reading this repository printed more than %u MB",
                             LIMIT_DISCOVERY_BYTES >> 20);
    }
    if (result < 0)
        kill(whole_session ? -pid : pid, SIGKILL); /* what is in the sandbox ends with the child */
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        continue;
    close(fd);
    return result;
}

static int run_inside(const struct domain *domain, struct outcome *outcome, struct err *err)
{
    int status;
    pid_t pid = fork();
    if (pid < 0)
        return err_set(err, "cannot start a process: %s", strerror(errno));
    if (pid == 0)
        become_sandbox(domain, outcome);
    if (await(domain, pid, false, &status, err) < 0)
        return -1;
    if (status) /* killed before it could tell anything */
        return err_set(err, "reading this repository crashed: its sandbox was killed");
    return 0;
}

static int run_outside(const struct domain *domain, int *status, struct err *err)
{
    struct io_spawn spawn = {.argv = domain->argv,
                             .environment = domain->environment,
                             .stdin_fd = domain->in,
                             .stdout_fd = domain->out,
                             .stderr_fd = domain->err,
                             .new_session = true};
    pid_t pid = io_spawn(&spawn, err);
    return pid < 0 ? -1 : await(domain, pid, true, status, err);
}

/* Beside the clone. Said when it changes, and not at each run. */
static void note_place(const struct domain *domain, const char *refusal)
{
    struct arena arena = {0};
    struct buf before = {0};
    const char *slash = strrchr(domain->clone, '/');
    const char *path =
        arena_print(&arena, "%.*s/reading", (int)(slash - domain->clone), domain->clone);
    const char *now =
        *refusal ? arena_print(&arena, "outside a sandbox: %s\n", refusal) : "in a sandbox\n";
    if (!io_peek_file(path, sizeof(struct err), &before) ||
        strcmp((const char *)before.data, now) != 0) {
        if (*refusal)
            log_warn("what repositories contain is read outside a sandbox, as the farm's user: %s",
                     refusal);
        io_write_file(path, now, strlen(now), 0600, false, NULL);
    }
    buf_release(&before);
    arena_clear(&arena);
}

static void read_back(int fd, struct buf *out)
{
    struct stat stat;
    if (fstat(fd, &stat) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return;
    buf_reserve(out, (size_t)stat.st_size + 1);
    for (ssize_t size; (size = read(fd, out->data + out->size, out->capacity - out->size - 1)) > 0;)
        out->size += (size_t)size;
    out->data[out->size] = '\0';
}

static int judge(const struct domain *domain, int status, struct err *err)
{
    struct buf said = {0};
    if (status == 0)
        return 0;
    read_back(domain->err, &said);
    if (said.size)
        log_warn("reading %s: %.2000s", domain->clone, (const char *)said.data);
    buf_release(&said);
    if (WIFSIGNALED(status))
        return err_set(err, "reading this repository crashed: signal %d", WTERMSIG(status));
    return err_set(err, "reading this repository failed with status %d", WEXITSTATUS(status));
}

static int run(struct domain *domain, struct bytes input, struct outcome *outcome, struct err *err)
{
    int result = open_files(domain, input, err);
    if (result == 0)
        result = run_inside(domain, outcome, err);
    if (result == 0) {
        note_place(domain, outcome->has_run ? "" : outcome->refusal.text);
        if (!outcome->has_run)
            result = run_outside(domain, &outcome->status, err);
    }
    return result < 0 ? -1 : judge(domain, outcome->status, err);
}

int domain_run(const char *clone, const char *const *argv, struct bytes input, struct buf *out,
               struct err *err)
{
    struct domain domain = {.clone = clone, .argv = argv, .in = -1, .out = -1, .err = -1};
    const char *path = getenv("PATH");
    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED)
        return err_set(err, "no memory: %s", strerror(errno));
    list_entries(&domain, path ? path : "/usr/bin:/bin");
    list_environment(&domain, path ? path : "/usr/bin:/bin");
    int result = run(&domain, input, outcome, err);
    if (result == 0)
        read_back(domain.out, out);
    close_files(&domain);
    munmap(outcome, sizeof *outcome);
    arena_clear(&domain.arena);
    return result;
}

void domain_limit_memory(void)
{
    const struct rlimit most = {LIMIT_READING_DATA_BYTES, LIMIT_READING_DATA_BYTES};
    if (!SANITIZED)
        setrlimit(RLIMIT_DATA, &most);
}
