/* SPDX-License-Identifier: MIT */
/* lockfile.c - see lockfile.h. */
#include "proto/base/lockfile.h"

#include "proto/base/clock.h"
#include "proto/base/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 20 };

/* O_NOFOLLOW, O_NONBLOCK: a link could lead to any file (CWE-59), and to open a pipe must not wait
 * for its writer. */
static int open_lock(const char *path, int flags)
{
    struct stat file;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0 || (fstat(fd, &file) == 0 && S_ISREG(file.st_mode)))
        return fd;
    close(fd);
    errno = ENOTSUP;
    return -1;
}

/* ---- the holder ---------------------------------------------------------------------------- */

static pid_t holder_of(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
        return 0;
    return lock.l_pid > 0 ? lock.l_pid : LOCKFILE_UNSEEN;
}

pid_t lockfile_holder(const char *path)
{
    int fd = open_lock(path, O_RDONLY);
    if (fd < 0)
        return 0;
    pid_t pid = holder_of(fd);
    close(fd);
    return pid;
}

/* ---- taking it ----------------------------------------------------------------------------- */

/* Whether it has the lock; errno says why not. */
static bool try_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &lock) == 0;
}

static bool is_held(void)
{
    return errno == EAGAIN || errno == EACCES || errno == EINTR;
}

static int refuse(int fd, const char *path, struct err *err)
{
    pid_t pid = holder_of(fd);
    if (pid > 0)
        err_set(err, "process %ld has locked %s", (long)pid, path);
    else
        err_set(err, "a process in another container or on another host has locked %s", path);
    return LOCKFILE_HELD;
}

static int await_lock(int fd, const char *path, uint64_t wait_ms, struct err *err)
{
    uint64_t deadline_ms = clock_boot_ms() + wait_ms;
    while (!try_lock(fd)) {
        if (!is_held())
            return err_set(err, "cannot lock %s: %s", path, strerror(errno));
        if (clock_boot_ms() >= deadline_ms)
            return refuse(fd, path, err);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return 0;
}

int lockfile_take(const char *path, uint64_t wait_ms, struct err *err)
{
    char text[32];
    int fd = open_lock(path, O_RDWR | O_CREAT);
    if (fd < 0)
        return err_set(err, "cannot open %s: %s", path,
                       errno == ENOTSUP ? "it is no regular file" : strerror(errno));
    /* Whoever may read a file may lock it against writers. An older version made it readable. */
    fchmod(fd, 0600);
    int failed = await_lock(fd, path, wait_ms, err);
    if (failed) {
        close(fd);
        return failed;
    }
    /* The text is only for people, so a full disk is no reason to fail. */
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (pwrite(fd, text, (size_t)size, 0) == size)
        (void)!ftruncate(fd, size);
    return fd;
}

/* ---- stopping it --------------------------------------------------------------------------- */

/* Opens the pidfd first and asks for the holder again afterwards: from then on the pidfd cannot
 * refer to another process. */
int lockfile_stop_holder(const char *path, uint64_t wait_ms, struct err *err)
{
    pid_t pid = lockfile_holder(path);
    if (pid == LOCKFILE_UNSEEN)
        return err_set(err,
                       "a process in another container or on another host has locked %s: stop it "
                       "there",
                       path);
    int pidfd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    int result = 1;
    if (pidfd >= 0 && lockfile_holder(path) == pid)
        result = process_end(pid, pidfd, wait_ms, err);
    if (pidfd >= 0)
        close(pidfd);
    return result;
}
