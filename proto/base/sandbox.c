/* SPDX-License-Identifier: MIT */
/* sandbox.c - see sandbox.h. Libc only: farm-supervisor, which is static, links it.
 *
 *   caller ── becomes the user, new namespaces ──▶ init (process 1 inside): makes the root folder
 *                                                    └─▶ the program
 *
 * Both children report through one pipe: what failed before the program ran, or how it ended. When
 * init ends, the kernel kills all processes of its namespace; init ends when the program or the
 * caller does.
 */
#include "proto/base/sandbox.h"
#include "proto/base/landlock.h"

#include "proto/base/user_leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYRING_JOIN_SESSION = 1 };
enum { NAME_BYTES = 1024 };

/* What init or the program's process tells the caller. */
struct report {
    bool ended; /* the program ended; else something failed before it ran */
    int number; /* wait status, or errno */
    char what[NAME_BYTES];
};

/* A tree of the host as a mount that is not attached yet, or -1. */
typedef int detached_mount;

static const char *const dev_nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
enum { DEV_NODES = sizeof dev_nodes / sizeof dev_nodes[0] };

struct making {
    const struct sandbox *sandbox;
    int reports;           /* write end */
    int life;              /* read end of a pipe that the caller holds open */
    detached_mount *trees; /* of the entries, in their order */
    detached_mount nodes[DEV_NODES];
    int root; /* descriptor of the folder that becomes the root */
};

/* ---- reports --------------------------------------------------------------------------------- */

static _Noreturn void give_up(const struct making *making, const char *what, const char *name)
{
    struct report report = {.number = errno};
    snprintf(report.what, sizeof report.what, "%s%s%s", what, *name ? " " : "", name);
    if (write(making->reports, &report, sizeof report) < 0)
        _exit(2);
    _exit(1);
}

static void check(const struct making *making, long result, const char *what, const char *name)
{
    if (result < 0)
        give_up(making, what, name);
}

/* ---- the user -------------------------------------------------------------------------------- */

static int write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t n = write(file, text, strlen(text));
    int reason = errno;
    close(file);
    errno = reason;
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Of a set that only who has CAP_SETPCAP may change; a new user namespace begins with all. */
static void drop_bounding_set(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;)
        capability++; /* until the last one, or refused */
}

/* All sets: a change from one ordinary user to another keeps effective and ambient capabilities. */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    drop_bounding_set(); /* refused to some callers; see below */
    if (syscall(SYS_capset, &header, none) < 0)
        return -1;
    /* Without capabilities and with this, no program file can bring any back. */
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int sandbox_become(const struct sandbox *sandbox, struct err *err)
{
    if (!sandbox->become)
        return 0;
    drop_bounding_set(); /* while root */
    if (setgroups(0, NULL) < 0 || setresgid(sandbox->gid, sandbox->gid, sandbox->gid) < 0 ||
        setresuid(sandbox->uid, sandbox->uid, sandbox->uid) < 0)
        return err_set(err, "cannot become user %u: %s", (unsigned)sandbox->uid, strerror(errno));
    if (drop_capabilities() < 0)
        return err_set(err, "cannot drop capabilities: %s", strerror(errno));
    return 0;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static int map_ids(struct err *err)
{
    char text[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(CLONE_NEWUSER) < 0)
        return err_set(err, "this host refuses user namespaces: %s", strerror(errno));
    snprintf(text, sizeof text, "%u %u 1", (unsigned)uid, (unsigned)uid);
    if (write_text("/proc/self/setgroups", "deny") < 0 ||
        write_text("/proc/self/uid_map", text) < 0)
        return err_set(err, "this host refuses user namespaces (uid map): %s", strerror(errno));
    snprintf(text, sizeof text, "%u %u 1", (unsigned)gid, (unsigned)gid);
    if (write_text("/proc/self/gid_map", text) < 0)
        return err_set(err, "this host refuses user namespaces (gid map): %s", strerror(errno));
    return 0;
}

static int enter_namespaces(const struct sandbox *sandbox, struct err *err)
{
    /* A process that changed its user cannot write its own maps unless it is dumpable. It has no
     * secret: the program is not there yet. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (map_ids(err) < 0)
        return -1;
    int kinds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                (sandbox->own_network ? CLONE_NEWNET : 0);
    if (unshare(kinds) < 0)
        return err_set(err, "this host refuses namespaces: %s", strerror(errno));
    unshare(CLONE_NEWCGROUP); /* hides the cgroup's path where the kernel can */
    return 0;
}

static void raise_loopback(const struct making *making)
{
    struct ifreq request = {.ifr_name = "lo"};
    int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    check(making, socket_fd, "make a socket", "");
    check(making, ioctl(socket_fd, SIOCSIFFLAGS, &request), "raise", "the loopback interface");
    close(socket_fd);
}

/* ---- the root folder ------------------------------------------------------------------------- */

/* The folder `name`, made if it is not there; a descriptor of it, or -1. What a stranger put in its
 * place, where an earlier phase could write, goes: it must not keep the sandbox from starting. */
static int make_part(int at, const char *name)
{
    for (int tries = 0; tries < 2; tries++) {
        int made = mkdirat(at, name, 0755);
        if (made < 0 && errno != EEXIST && errno != EROFS)
            return -1;
        int below = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0 || (errno != ENOTDIR && errno != ELOOP) || unlinkat(at, name, 0) < 0)
            return below;
    }
    return -1;
}

/* A descriptor of a folder below the new root that is there already, without a link on its path; or
 * -1. */
static int find_folder(const struct making *making, const char *path, size_t size)
{
    char below[PATH_MAX];
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    snprintf(below, sizeof below, "./%.*s", (int)size, path);
    return (int)syscall(SYS_openat2, making->root, below, &how, sizeof how);
}

/* mkdir -p below the new root, without the last part when `parents_only`. Returns a descriptor of
 * the last folder, or -1. Follows no link: a part of the path may be a folder that an earlier phase
 * could write. */
static int make_folders(const struct making *making, const char *path, bool parents_only)
{
    const char *slash = strrchr(path, '/');
    path += strspn(path, "/");
    int found = find_folder(making, path,
                            !parents_only  ? strlen(path)
                            : slash > path ? (size_t)(slash - path)
                                           : 0);
    if (found >= 0)
        return found;
    int at = openat(making->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char *part = path; at >= 0 && *part;) {
        char name[NAME_MAX + 1];
        size_t size = strcspn(part, "/");
        const char *next = part + size + strspn(part + size, "/");
        if (!*next && parents_only)
            break;
        if (size > NAME_MAX)
            return errno = ENAMETOOLONG, -1;
        memcpy(name, part, size);
        name[size] = '\0';
        int below = make_part(at, name);
        int reason = errno;
        close(at);
        errno = reason;
        at = below;
        part = next;
    }
    return at;
}

static int make_folder(const struct making *making, const char *path)
{
    int folder = make_folders(making, path, false);
    check(making, folder, "make", path);
    return folder;
}

/* An empty file to mount one on; a descriptor of it. */
static int make_file(const struct making *making, const char *path)
{
    int folder = make_folders(making, path, true);
    if (folder < 0)
        return -1;
    const char *name = strrchr(path, '/') + 1;
    int made = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (made >= 0)
        close(made);
    int file = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    close(folder);
    return file;
}

static bool is_bind(const struct sandbox_entry *entry)
{
    return entry->kind == SANDBOX_READ || entry->kind == SANDBOX_WRITE ||
           entry->kind == SANDBOX_DEVICE;
}

/* Before the root changes, so that links in the path mean what they mean on the host. Leaves -1 in
 * *out for an optional one that is absent. */
static int take_tree(const struct sandbox_entry *entry, detached_mount *out)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID};
    *out = -1;
    if (!is_bind(entry))
        return 0;
    int tree = open_tree(AT_FDCWD, entry->from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0 && entry->optional && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
        return 0;
    *out = tree;
    if (entry->kind != SANDBOX_DEVICE)
        attributes.attr_set |= MOUNT_ATTR_NODEV;
    if (entry->kind == SANDBOX_READ)
        attributes.attr_set |= MOUNT_ATTR_RDONLY;
    return tree < 0 ? -1
                    : mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                                    sizeof attributes);
}

static void attach_tree(const struct making *making, detached_mount tree, const char *at)
{
    struct stat there;
    check(making, fstat(tree, &there), "look at", at);
    int place = S_ISDIR(there.st_mode) ? make_folders(making, at, false) : make_file(making, at);
    check(making, place, "make", at);
    check(making,
          move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
          "attach", at);
    close(place);
    close(tree);
}

/* By the folder's descriptor, because mount(2) would follow links in a path. */
static void mount_at(const struct making *making, const char *kind, const char *to,
                     unsigned long flags, const char *data)
{
    int folder = make_folder(making, to);
    check(making, fchdir(folder), "enter", to);
    check(making, mount(kind, ".", kind, flags, data), "mount", to);
    close(folder);
}

static void make_link(const struct making *making, const char *text, const char *path)
{
    int folder = make_folders(making, path, true);
    check(making, folder, "make", path);
    check(making, symlinkat(text, folder, strrchr(path, '/') + 1), "link", path);
    close(folder);
}

static void make_dev(const struct making *making, const char *at)
{
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"},
                                           {"pts/ptmx", "ptmx"}};
    char part[256];
    mount_at(making, "tmpfs", at, MS_NOSUID | MS_NOEXEC, "mode=755,size=64k");
    for (size_t i = 0; i < DEV_NODES; i++) {
        snprintf(part, sizeof part, "%s/%s", at, dev_nodes[i]);
        attach_tree(making, making->nodes[i], part);
    }
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        snprintf(part, sizeof part, "%s/%s", at, links[i][1]);
        make_link(making, links[i][0], part);
    }
    snprintf(part, sizeof part, "%s/pts", at);
    mount_at(making, "devpts", part, MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620");
    snprintf(part, sizeof part, "%s/shm", at);
    mount_at(making, "tmpfs", part, MS_NOSUID | MS_NODEV, "mode=1777");
}

static void seal(const struct making *making, const char *path)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    int folder = make_folder(making, path);
    check(making, mount_setattr(folder, "", AT_EMPTY_PATH, &attributes, sizeof attributes), "seal",
          path);
    close(folder);
}

static void make_entry(const struct making *making, const struct sandbox_entry *entry,
                       detached_mount tree)
{
    switch (entry->kind) {
    case SANDBOX_FOLDER:
        close(make_folder(making, entry->to));
        return;
    case SANDBOX_READ:
    case SANDBOX_WRITE:
    case SANDBOX_DEVICE:
        if (tree >= 0)
            attach_tree(making, tree, entry->to);
        return;
    case SANDBOX_LINK:
        make_link(making, entry->from, entry->to);
        return;
    case SANDBOX_TMPFS:
        mount_at(making, "tmpfs", entry->to, MS_NOSUID | MS_NODEV, "mode=755");
        return;
    case SANDBOX_DEV:
        make_dev(making, entry->to);
        return;
    case SANDBOX_PROC:
        mount_at(making, "proc", entry->to, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
        return;
    case SANDBOX_SEAL:
        seal(making, entry->to);
        return;
    }
}

/* The host's trees of all entries. Root takes them before it becomes a user who may not enter the
 * folders above. Returns NULL, or the path that cannot be had, with errno. */
static const char *take_trees(struct making *making)
{
    static const char *const nodes[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                        "/dev/random", "/dev/urandom", "/dev/tty"};
    const struct sandbox *sandbox = making->sandbox;
    making->trees = calloc(sandbox->entries_count + 1, sizeof *making->trees);
    if (!making->trees)
        return "memory";
    for (size_t i = 0; i < sandbox->entries_count; i++)
        if (take_tree(&sandbox->entries[i], &making->trees[i]) < 0)
            return sandbox->entries[i].from;
    for (size_t i = 0; i < DEV_NODES; i++)
        if (take_tree(&(struct sandbox_entry){SANDBOX_DEVICE, nodes[i], nodes[i], false},
                      &making->nodes[i]) < 0)
            return nodes[i];
    return NULL;
}

static void take_trees_inside(struct making *making)
{
    const char *failed = making->trees ? NULL : take_trees(making);
    if (failed)
        give_up(making, "open", failed);
}

/* A file system of our own, mounted somewhere on the host's, becomes the root. What the host has is
 * then below it, and is left. Nothing of a stranger runs in these namespaces before that. */
static void make_root(struct making *making)
{
    const struct sandbox *sandbox = making->sandbox;
    const char *base = access("/tmp", F_OK) == 0 ? "/tmp" : "/sys";
    check(making, mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "detach", "/");
    check(making, mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"), "mount", base);
    making->root = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    check(making, making->root, "open", base);
    for (size_t i = 0; i < sandbox->entries_count; i++)
        make_entry(making, &sandbox->entries[i], making->trees[i]);
    seal(making, "/");
    check(making, fchdir(making->root), "enter", "the new root");
    check(making, syscall(SYS_pivot_root, ".", "."), "change", "the root");
    check(making, umount2(".", MNT_DETACH), "leave", "the host's files");
    check(making, chdir("/"), "enter", "/");
    close(making->root);
}

/* ---- the program ----------------------------------------------------------------------------- */

static void limit(int resource, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0 || (now.rlim_max != RLIM_INFINITY && now.rlim_max < most))
        return;
    now.rlim_cur = now.rlim_max = most;
    setrlimit(resource, &now);
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The sandbox stands, and what is missing now, the command's own folder or file, a stranger can
 * take away: that is the command's failure, with the exit status of a shell. */
static _Noreturn void fail_as_command(const char *what, const char *name)
{
    int status = errno == ENOENT ? 127 : 126;
    fprintf(stderr, "farm-supervisor: cannot %s %s: %s\n", what, name, strerror(errno));
    fflush(stderr);
    _exit(status);
}

static _Noreturn void become_program(struct making *making, char *const *argv,
                                     char *const *environment)
{
    const char *folder = making->sandbox->folder;
    setsid();
    syscall(SYS_keyctl, KEYRING_JOIN_SESSION, NULL);
    if (folder && chdir(folder) < 0)
        fail_as_command("enter", folder);
    landlock_scope();
    umask(022);
    reset_signals();
    execvpe(argv[0], argv, environment);
    if (strchr(argv[0], '/'))
        fail_as_command("run", argv[0]);
    give_up(making, "run", argv[0]); /* a program of the host, in a PATH of the host */
}

/* All children are reaped; the program's end is reported. */
static _Noreturn void wait_for_program(const struct making *making, pid_t program)
{
    struct report report = {.ended = true};
    pid_t ended;
    do
        ended = waitpid(-1, &report.number, 0);
    while (ended != program && (ended > 0 || errno == EINTR));
    _exit(write(making->reports, &report, sizeof report) < 0 ? 2 : 0);
}

/* Descriptors of the caller would be those of the program. */
static void keep_descriptors(struct making *making)
{
    /* Moved out of the way first; close-on-exec, so that the program gets 0, 1 and 2 alone. */
    int reports = fcntl(making->reports, F_DUPFD_CLOEXEC, 3);
    check(making, reports, "keep", "a descriptor");
    making->reports = reports;
    for (int fd = 3; fd < reports; fd++)
        close(fd);
    syscall(SYS_close_range, reports + 1, ~0u, 0);
}

/* Process 1 of the sandbox. The kernel ignores signals to it that it does not handle. */
static _Noreturn void be_init(struct making *making, char *const *argv, char *const *environment)
{
    char go;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (read(making->life, &go, 1) != 1)
        _exit(2); /* the caller ended before that was set */
    if (making->sandbox->own_network)
        raise_loopback(making);
    take_trees_inside(making);
    make_root(making);
    check(making, sethostname("build", 5), "set", "the host name");
    if (making->sandbox->processes_max)
        limit(RLIMIT_NPROC, making->sandbox->processes_max);
    limit(RLIMIT_CORE, 0);
    check(making, drop_capabilities(), "drop", "capabilities");
    keep_descriptors(making);
    /* The program can read /proc/1 of its own user unless that is not dumpable. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    pid_t program = fork();
    check(making, program, "start", argv[0]);
    if (program == 0)
        become_program(making, argv, environment);
    wait_for_program(making, program);
}

/* ---- how it ended ---------------------------------------------------------------------------- */

/* The report of a failure comes before init's end, and the end of the program after it began. */
static int read_reports(int reports, pid_t init, int *status, struct err *err)
{
    struct report report, last = {.ended = true};
    int init_status = 0;
    bool told = false;
    for (ssize_t n; (n = read(reports, &report, sizeof report)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof report)
            break;
        if (!told || last.ended)
            last = report; /* of a failure to start, the first one tells why */
        told = true;
    }
    while (waitpid(init, &init_status, 0) < 0 && errno == EINTR)
        ;
    if (told && !last.ended)
        return err_set(err, "cannot %s: %s", last.what, strerror(last.number));
    *status = told ? last.number : init_status;
    return 0;
}

/* ---- a trusted program ----------------------------------------------------------------------- */

/* Root needs no user namespace, in which a nix-daemon could not become its build users. */
static int enter_folders(struct err *err)
{
    if (geteuid() != 0 && map_ids(err) < 0)
        return -1;
    if (unshare(CLONE_NEWNS) < 0)
        return err_set(err, "this host refuses namespaces: %s", strerror(errno));
    return 0;
}

static int run_trusted(const struct sandbox *sandbox, char *const *argv, char *const *environment,
                       int *status, struct err *err)
{
    int reports[2];
    if (pipe2(reports, O_CLOEXEC) < 0)
        return err_set(err, "cannot make a pipe: %s", strerror(errno));
    if (enter_folders(err) < 0)
        return -1;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    pid_t program = fork();
    if (program < 0)
        return err_set(err, "cannot start the program: %s", strerror(errno));
    if (program == 0) {
        struct making making = {.sandbox = sandbox, .reports = reports[1], .life = -1};
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        take_trees_inside(&making);
        make_root(&making);
        if (sandbox->folder)
            check(&making, chdir(sandbox->folder), "enter", sandbox->folder);
        reset_signals();
        execvpe(argv[0], argv, environment);
        give_up(&making, "run", argv[0]);
    }
    close(reports[1]);
    return read_reports(reports[0], program, status, err);
}

/* ---- the caller ------------------------------------------------------------------------------ */

static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); /* those meant for the program reach it without us */
}

static int open_pipes(int reports[2], int life[2], struct err *err)
{
    if (pipe2(reports, O_CLOEXEC) < 0 || pipe2(life, O_CLOEXEC) < 0)
        return err_set(err, "cannot make a pipe: %s", strerror(errno));
    return 0;
}

int sandbox_check(const struct sandbox *sandbox, struct err *err)
{
    char real[PATH_MAX];
    for (size_t i = 0; i < sandbox->entries_count; i++) {
        const struct sandbox_entry *entry = &sandbox->entries[i];
        if (entry->kind != SANDBOX_WRITE || sandbox->trusted)
            continue;
        if (realpath(entry->from, real) && strcmp(real, entry->from) != 0)
            return err_set(err, "%s leads through a link to %s", entry->from, real);
    }
    return 0;
}

static int run_stranger(struct making *making, char *const *argv, char *const *environment,
                        int *status, struct err *err)
{
    const struct sandbox *sandbox = making->sandbox;
    int reports[2] = {-1, -1}, life[2] = {-1, -1};
    const char *failed = sandbox->become ? take_trees(making) : NULL;
    if (failed)
        return err_set(err, "cannot open %s: %s", failed, strerror(errno));
    if (sandbox_become(sandbox, err) < 0 || enter_namespaces(sandbox, err) < 0 ||
        open_pipes(reports, life, err) < 0)
        return -1;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    making->reports = reports[1];
    making->life = life[0];
    pid_t init = fork();
    if (init < 0)
        return err_set(err, "cannot start the sandbox: %s", strerror(errno));
    if (init == 0) {
        close(life[1]);
        be_init(making, argv, environment);
    }
    close(reports[1]);
    close(life[0]);
    if (write(life[1], "g", 1) < 0) /* init is gone; its status tells more */
        close(life[1]);
    return read_reports(reports[0], init, status, err);
}

/* ---- without namespaces ---------------------------------------------------------------------- */

static _Noreturn void be_user(struct making *making, char *const *argv, char *const *environment)
{
    const struct sandbox *sandbox = making->sandbox;
    struct err err;
    char go;
    if (sandbox->processes_max) /* of a user that nobody else is */
        limit(RLIMIT_NPROC, sandbox->processes_max);
    if (sandbox_become(sandbox, &err) < 0)
        give_up(making, "become", "a build user");
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* after the change of user, which resets it */
    if (read(making->life, &go, 1) != 1)
        _exit(2); /* the caller ended before that was set */
    keep_descriptors(making);
    become_program(making, argv, environment);
}

/* The caller stays root, out of reach of the program, and takes its orphans, so that those are
 * reaped. What is left when somebody kills the caller, its own parent ends, and the next program of
 * that user removes. */
static int run_user(struct making *making, char *const *argv, char *const *environment, int *status,
                    struct err *err)
{
    const struct sandbox *sandbox = making->sandbox;
    struct err after;
    int reports[2] = {-1, -1}, life[2] = {-1, -1};
    if (!sandbox->become)
        return err_set(err, "without namespaces a stranger is another user, and none is named");
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (user_leftovers_end(sandbox->uid, sandbox->gid, err) < 0 ||
        open_pipes(reports, life, err) < 0)
        return -1;
    making->reports = reports[1];
    making->life = life[0];
    pid_t program = fork();
    if (program < 0)
        return err_set(err, "cannot start the program: %s", strerror(errno));
    if (program == 0) {
        close(life[1]);
        be_user(making, argv, environment);
    }
    close(reports[1]);
    close(life[0]);
    if (write(life[1], "g", 1) < 0) /* the program is gone; its status tells more */
        close(life[1]);
    int result = read_reports(reports[0], program, status, err);
    if (user_leftovers_end(sandbox->uid, sandbox->gid, &after) < 0)
        fprintf(stderr, "farm-supervisor: %s\n", after.text);
    return result;
}

int sandbox_run(const struct sandbox *sandbox, char *const *argv, char *const *environment,
                int *status, struct err *err)
{
    struct making making = {.sandbox = sandbox};
    if (sandbox->trusted) /* a signal ends the caller, and thereby the program */
        return run_trusted(sandbox, argv, environment, status, err);
    if (!sandbox->become && geteuid() == 0)
        return err_set(err, "root inside would own root's files outside: name another user");
    if (sandbox_check(sandbox, err) < 0)
        return -1;
    block_signals();
    limit(RLIMIT_CORE, 0); /* the caller may end by the program's signal */
    int result = sandbox->no_namespaces ? run_user(&making, argv, environment, status, err)
                                        : run_stranger(&making, argv, environment, status, err);
    free(making.trees);
    return result;
}
