/* SPDX-License-Identifier: MIT */
/* keep.c - see keep.h. */
#include "coordinator/keep.h"

#include "coordinator/shell/shell.h"
#include "coordinator/storage/crash_copy.h"
#include "coordinator/storage/journal.h"
#include "proto/base/boot.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/keeper_note.h"
#include "proto/base/lockfile.h"
#include "proto/base/log.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_BYTES_MAX = 16 << 20, CRASHES_MAX = 3 };
/* What crashes a coordinator may be a timer, or a client that asks once every few minutes. */
enum { CRASH_MS_MAX = 3600 * 1000 };

struct keep {
    const char *home;
    const char *note_file;
    struct crash_count crashes;
    struct keeper_note note;
    struct arena arena;
};

/* ---- crashes ------------------------------------------------------------------------------- */

bool crash_is(const struct keeper_end *end)
{
    if (end->lasted_ms >= CRASH_MS_MAX)
        return false;
    if (WIFSIGNALED(end->status))
        return WTERMSIG(end->status) != SIGTERM && WTERMSIG(end->status) != SIGINT &&
               WTERMSIG(end->status) != SIGHUP && WTERMSIG(end->status) != SIGKILL;
    int status = WEXITSTATUS(end->status);
    return status != FARMD_STOPPED && status != FARMD_NOT_STARTED && status != FARMD_NO_ROOM;
}

bool crash_is_last(struct crash_count *count, const struct keeper_end *end, uint64_t head)
{
    if (!crash_is(end)) {
        count->crashes = 0;
        return false;
    }
    count->crashes = count->crashes && count->head == head ? count->crashes + 1 : 1;
    count->head = head;
    return count->crashes >= CRASHES_MAX;
}

/* ---- what it says -------------------------------------------------------------------------- */

static void write_note(struct keep *keep)
{
    struct err err;
    keep->note.wall_ms = clock_wall_ms();
    if (keeper_note_write(keep->note_file, &keep->note, &err) < 0)
        log_warn("%s", err.text);
}

static void give_up(struct keep *keep, const struct keeper_end *end)
{
    struct err err;
    const char *copy =
        arena_print(&keep->arena, "a copy of the journal is in %s/crashed", keep->home);
    if (crash_copy_make(keep->home, &err) < 0)
        copy = arena_print(&keep->arena, "the journal was not copied: %s", err.text);
    keep->note.gave_up = true;
    snprintf(keep->note.why, sizeof keep->note.why,
             "the coordinator crashed %d times in a row within an hour of its start, the last time "
             "by %s; it is not restarted any more; %s",
             CRASHES_MAX, keeper_end_text(&keep->arena, end->status), copy);
    log_error("%s", keep->note.why);
    write_note(keep);
}

/* ---- after each end ------------------------------------------------------------------------ */

/* Those of a killed coordinator: clients would wait for an answer, and not learn why there is none.
 * Another coordinator may run that is not ours: then they are its. */
static void remove_endpoints(struct keep *keep)
{
    if (lockfile_holder(arena_print(&keep->arena, "%s/run/farmd.pid", keep->home)) == 0)
        unlink(arena_print(&keep->arena, "%s/run/endpoints", keep->home));
}

static bool could_not_start(const struct keeper_end *end)
{
    return WIFEXITED(end->status) && WEXITSTATUS(end->status) == FARMD_NOT_STARTED &&
           end->lasted_ms < keeper_times.held_ms;
}

static bool start_again(void *context, const struct keeper_end *end)
{
    struct keep *keep = context;
    bool is_first = keep->note.restarts == 0;
    bool again = true;
    if (is_first && could_not_start(end))
        return false; /* farmd's own error is the last line of the log */
    remove_endpoints(keep);
    if (crash_is_last(&keep->crashes, end, journal_run_head(keep->home))) {
        give_up(keep, end);
        again = false;
    } else {
        keep->note.restarts++;
        bool is_full = WIFEXITED(end->status) && WEXITSTATUS(end->status) == FARMD_NO_ROOM;
        snprintf(keep->note.why, sizeof keep->note.why, "%s",
                 is_full ? "a full disk" : keeper_end_text(&keep->arena, end->status));
        write_note(keep);
    }
    arena_clear(&keep->arena);
    return again;
}

int keep_main(const char *home)
{
    struct arena arena = {0};
    struct err err;
    const char *argv[] = {boot_program(&arena, "farmd"), "--home", home, NULL};
    struct keep keep = {.home = home, .note_file = arena_print(&arena, "%s/run/keeper.note", home)};
    const struct keeper keeper = {.name = "the coordinator",
                                  .argv = argv,
                                  .log_file = arena_print(&arena, "%s/log/farmd.log", home),
                                  .log_bytes_max = LOG_BYTES_MAX,
                                  .times = keeper_times,
                                  .again = start_again,
                                  .context = &keep};
    int result = io_make_folders(arena_print(&arena, "%s/run", home), 0755, &err);
    if (result == 0)
        result = lockfile_take(arena_print(&arena, "%s/run/keeper.pid", home), 0, &err);
    if (result == LOCKFILE_HELD)
        err_prefix(&err, "another keeper runs in %s", home);
    if (result >= 0) {
        unlink(keep.note_file);
        result = keeper_run(&keeper, &err);
    }
    if (result < 0)
        log_error("%s", err.text);
    if (result == 0)
        unlink(keep.note_file);
    arena_clear(&arena);
    return result == 0 ? 0 : 1;
}
