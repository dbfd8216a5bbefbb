/* SPDX-License-Identifier: MIT */
/* user_leftovers.c - see user_leftovers.h. Linked by farm-supervisor, which is static. */
#include "proto/base/user_leftovers.h"

#include "proto/base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS_MAX = 1000, KILL_AGAIN_NS = 10000000 }; /* 10 s */
enum { KEYRING_CLEAR = 7, KEYRING_OF_USER = -4, KEYRING_OF_USER_SESSION = -5 };

/* ---- processes ------------------------------------------------------------------------------- */

/* By /proc/PID/status: "State: Z", and no thread but the first, which may end before the others. */
static bool has_ended(const char *status)
{
    const char *threads = strstr(status, "\nThreads:");
    return strstr(status, "\nState:\tZ") &&
           (!threads || strtoul(threads + strlen("\nThreads:"), NULL, 10) <= 1);
}

/* By the line "Uid: real effective saved files" there. */
static bool has_user(const char *pid, uid_t uid)
{
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    text[n > 0 ? n : 0] = '\0';
    char *at = strstr(text, "\nUid:");
    at = at && !has_ended(text) ? at + strlen("\nUid:") : NULL;
    for (int i = 0; at && i < 4; i++)
        if (strtoul(at, &at, 10) == uid)
            return true;
    return false;
}

/* getpriority(2) finds any process of a real user by one call, one that ended, too. Reading a
 * status costs 20 us for each process, and a host with many cores has thousands. What a recipe runs
 * keeps its real user. */
unsigned user_processes(uid_t uid)
{
    unsigned found = 0;
    errno = 0;
    if (getpriority(PRIO_USER, uid) == -1 && errno == ESRCH)
        return 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        found += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && has_user(entry->d_name, uid);
    if (folder)
        closedir(folder);
    return found;
}

/* Runs `act` in a child that is the user. Of root, that change takes all capabilities. */
static void run_as(uid_t uid, gid_t gid, void (*act)(uid_t))
{
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
            setresuid(uid, uid, uid) == 0)
            act(uid);
        _exit(0);
    }
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* The kernel excepts whoever asks. */
static void kill_all(uid_t uid)
{
    (void)uid;
    kill(-1, SIGKILL);
}

/* A fork bomb may kill the child that kills it, so that is repeated. */
static int end_processes(uid_t uid, gid_t gid, struct err *err)
{
    struct timespec pause = {.tv_nsec = KILL_AGAIN_NS};
    for (int tries = 0; tries < KILLS_MAX; tries++) {
        run_as(uid, gid, kill_all);
        bool none = user_processes(uid) == 0;
        /* Orphans are ours by now; nobody else may wait for them (process 1 of a container). */
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (none)
            return 0;
        nanosleep(&pause, NULL);
    }
    return err_set(err, "processes of user %u do not end", (unsigned)uid);
}

/* ---- files and objects ----------------------------------------------------------------------- */

static void remove_files(uid_t uid, const char *place)
{
    DIR *folder = opendir(place);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        struct stat about;
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%.*s", place, NAME_MAX, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            lstat(path, &about) == 0 && about.st_uid == uid)
            io_remove_tree(path, NULL);
    }
    if (folder)
        closedir(folder);
}

/* The kernel lets a user remove its own and no others, so all are tried. */
static void remove_objects(const char *kind)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/sysvipc/%s", kind);
    FILE *list = fopen(path, "re");
    while (list && fgets(line, sizeof line, list)) {
        char *key, *end;
        strtol(line, &key, 10);
        int id = (int)strtol(key, &end, 10);
        if (end == key) /* the first line has names */
            continue;
        if (*kind == 's' && kind[1] == 'h')
            shmctl(id, IPC_RMID, NULL);
        else if (*kind == 's')
            semctl(id, 0, IPC_RMID);
        else
            msgctl(id, IPC_RMID, NULL);
    }
    if (list)
        fclose(list);
}

static void remove_rest(uid_t uid)
{
    static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"};
    static const char *const kinds[] = {"shm", "sem", "msg"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        remove_files(uid, places[i]);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        remove_objects(kinds[i]);
    syscall(SYS_keyctl, KEYRING_CLEAR, KEYRING_OF_USER_SESSION);
    syscall(SYS_keyctl, KEYRING_CLEAR, KEYRING_OF_USER);
}

int user_leftovers_end(uid_t uid, gid_t gid, struct err *err)
{
    if (end_processes(uid, gid, err) < 0)
        return -1;
    run_as(uid, gid, remove_rest);
    return 0;
}
