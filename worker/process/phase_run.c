/* SPDX-License-Identifier: MIT */
#include "worker/process/phase_run.h"

#include "proto/base/beneath.h"
#include "worker/process/tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

unsigned long long run_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

_Noreturn void run_give_up(const struct phase_run *run, int code, const char *what,
                           const char *name)
{
    int reason = errno;
    char line[512];
    int size = snprintf(line, sizeof line, "farm-supervisor: cannot %s %s: %s\n", what, name,
                        beneath_reason(reason));
    if (size > (int)sizeof line - 1)
        size = sizeof line - 1;
    if (write(STDERR_FILENO, line, (size_t)size) < 0 || run->log < 0)
        _exit(code);
    if (lseek(run->log, 0, SEEK_END) >= 0 && write(run->log, line, (size_t)size) < 0)
        _exit(code);
    _exit(code);
}

size_t run_signal_tree(const struct phase_run *run, int number)
{
    struct tree_wish wish = {.root = getpid(), .marker = run->is_subreaper ? NULL : run->marker};
    return tree_signal(&wish, number);
}

unsigned long long run_free_bytes(const struct phase_run *run)
{
    struct statvfs disk;
    const char *folder = run->options.working_folder;
    if (!folder || statvfs(folder, &disk) < 0)
        if (statvfs(run->options.folder, &disk) < 0)
            return 0;
    return (unsigned long long)disk.f_bavail * disk.f_frsize;
}
