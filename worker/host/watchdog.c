/* SPDX-License-Identifier: MIT */
/* watchdog.c - `farm-worker keep`: keeps an agent running on a host without systemd.
 *
 * One small process in a session of its own, which keeps the agent as proto/base/keeper.h says.
 * Builds are not its children and outlive both. Started by root, it first becomes the owner of the
 * home. Invariant: per home one watchdog (keep.lock) and one agent (its own lock). */
#include "proto/base/boot.h"
#include "proto/base/keeper.h"
#include "proto/base/lockfile.h"
#include "proto/base/pidfile.h"
#include "worker/host/build_path.h"
#include "worker/host/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_BYTES_MAX = 4 << 20 };

/* ---- beginning ----------------------------------------------------------------------------- */

/* As root: becomes the owner of the home. Also changes to the home, because the owner may have no
 * access to root's working folder, where git would fail. */
static int become_owner(const char *home, struct err *err)
{
    struct stat info;
    if (geteuid() != 0 || stat(home, &info) < 0 || info.st_uid == 0)
        return 0;
    const struct passwd *owner = getpwuid(info.st_uid);
    if (!owner)
        return err_set(err, "the owner of %s has no account on this host (uid %u)", home,
                       (unsigned)info.st_uid);
    (void)!fchown(STDERR_FILENO, owner->pw_uid, owner->pw_gid); /* the log, opened by root */
    if (initgroups(owner->pw_name, owner->pw_gid) < 0 || setgid(owner->pw_gid) < 0 ||
        setuid(owner->pw_uid) < 0)
        return err_set(err, "cannot become user %s: %s", owner->pw_name, strerror(errno));
    setenv("HOME", owner->pw_dir, 1);
    setenv("USER", owner->pw_name, 1);
    setenv("LOGNAME", owner->pw_name, 1);
    return chdir(home) < 0 ? err_set(err, "cannot change to %s: %s", home, strerror(errno)) : 0;
}

/* Lowers the OOM score. Call before become_owner: only root may do this. */
static void oom_score_lower(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "-500", 4);
    close(fd);
}

int host_keep(struct worker_options *options, struct err *err)
{
    struct arena *arena = &options->arena;
    const char *argv[] = {boot_program(arena, "farm-worker"), "run", "--home", options->home, NULL};
    const struct keeper keeper = {.name = "the worker",
                                  .argv = argv,
                                  .log_file = arena_print(arena, "%s/service.log", options->home),
                                  .log_bytes_max = LOG_BYTES_MAX,
                                  .times = keeper_times};
    const char *agent_file = arena_print(arena, "%s/agent.pid", options->home);
    setenv("PATH", build_path(arena), 1);
    oom_score_lower();
    if (become_owner(options->home, err) < 0)
        return -1;
    int lock = lockfile_take(arena_print(arena, "%s/keep.lock", options->home), 0, err);
    if (lock == LOCKFILE_HELD)
        return err_prefix(err, "another watchdog runs");
    if (lock < 0)
        return -1;
    /* An earlier watchdog may have been killed and left its agent; ours replaces it. */
    int result = process_stop(agent_file, keeper.times.stop_ms_max, err);
    if (result >= 0)
        result = keeper_run(&keeper, err);
    close(lock);
    return result < 0 ? -1 : 0;
}
