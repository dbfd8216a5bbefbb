/* SPDX-License-Identifier: MIT */
#include "worker/process/run_file_writer.h"

#include "proto/base/beneath.h"
#include "worker/process/run_file.h"
#include "worker/process/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A reader that tests whether the lock is free holds it for microseconds. */
enum { LOCK_TRIES = 100 };

/* ---- at start -------------------------------------------------------------------------------- */

static int open_in(const struct phase_run *run, int folder, const char *name, int flags)
{
    int file = beneath_open_at(folder, name, flags, 0644);
    if (file < 0)
        run_give_up(run, EXIT_CANNOT, "open", name);
    return file;
}

/* Held until this process ends; the descriptor is never closed. */
static void take_lock(const struct phase_run *run)
{
    for (int tries = 0; flock(run->record, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            run_give_up(run, EXIT_TAKEN, "take the lock of phase", run->options.phase);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Allocates the room for the exit facts now, so that a full disk cannot refuse them later. */
static void prepare_exit(const struct phase_run *run)
{
    char first = '\0';
    if (pread(run->record, &first, 1, RUN_FILE_EXIT_OFFSET) > 0 && first != '\0') {
        errno = EEXIST;
        run_give_up(run, EXIT_TAKEN, "run a phase that is over:", run->options.phase);
    }
    int reason = posix_fallocate(run->record, 0, RUN_FILE_STOP_OFFSET + RUN_FILE_STOP_BYTES);
    if (reason) {
        errno = reason;
        run_give_up(run, EXIT_CANNOT, "reserve room for the exit facts of", run->options.phase);
    }
}

static void write_identity(const struct phase_run *run)
{
    char boot_id[BOOT_ID_BYTES], text[RUN_FILE_EXIT_OFFSET];
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
        run_give_up(run, EXIT_CANNOT, "record the supervisor of phase", run->options.phase);
}

void run_file_open(struct phase_run *run)
{
    char name[32];
    run->folder = open(run->options.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (run->folder < 0)
        run_give_up(run, EXIT_CANNOT, "open", run->options.folder);
    snprintf(name, sizeof name, "%s.run", run->options.phase);
    run->record = open_in(run, run->folder, name, O_RDWR | O_CREAT);
    take_lock(run);
    prepare_exit(run);
    run->log = open_in(run, run->folder, "log", O_WRONLY | O_CREAT);
    write_identity(run);
}

/* ---- while the phase runs -------------------------------------------------------------------- */

bool run_file_announce(const struct phase_run *run, const char *cause, unsigned long long at_ms)
{
    char text[RUN_FILE_STOP_BYTES] = "";
    if (at_ms)
        snprintf(text, sizeof text, "stop_cause %s\nstop_at_ms %llu\nend\n", cause, at_ms);
    return pwrite(run->record, text, sizeof text, RUN_FILE_STOP_OFFSET) >= 0;
}

/* ---- exit facts ------------------------------------------------------------------------------ */

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

void run_file_write_exit(const struct phase_run *run, unsigned long long lost)
{
    struct host_exit_facts host = read_host(run);
    char text[RUN_FILE_EXIT_BYTES] = "";
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
                        cgroup.oom_kills, run_free_bytes(run), cpu_ms(&usage), cgroup.memory_peak,
                        run_now_ms() - run->started_ms, run->timed_out, run->silent, lost,
                        run->free_at_first - run->free_at_least, host.oom_kills, host.restarted,
                        host.memory_stall, host.io_stall);
    if (pwrite(run->record, text, (size_t)size, RUN_FILE_EXIT_OFFSET) != size)
        run_give_up(run, EXIT_CANNOT, "write", "the exit facts");
}
