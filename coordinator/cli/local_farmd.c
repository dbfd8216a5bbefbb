/* SPDX-License-Identifier: MIT */
/* local_farmd.c - see local_farmd.h. */
#include "coordinator/cli/local_farmd.h"

#include "coordinator/cli/screen/print.h"
#include "proto/base/io.h"
#include "proto/base/keeper_note.h"
#include "proto/base/lockfile.h"
#include "proto/limits.h"

/* A start takes up to 30 s, and so does a stop. */
enum { LOCK_WAIT_MS = 60 * 1000, STOP_WAIT_MS = 30 * 1000 };
enum { NEWS_MS = 24 * 3600 * 1000 };

static const char *path_in(struct arena *arena, const char *home, const char *name)
{
    return arena_print(arena, "%s/%s", home, name);
}

int local_farmd_lock(struct arena *arena, const char *home, struct err *err)
{
    static bool is_locked;
    if (is_locked)
        return 0;
    if (io_make_folders(path_in(arena, home, "run"), 0755, err) < 0)
        return -1;
    /* The descriptor stays open: the lock ends with this program. */
    int lock = lockfile_take(path_in(arena, home, "run/up.lock"), LOCK_WAIT_MS, err);
    if (lock == LOCKFILE_HELD)
        return err_prefix(err,
                          "another command starts or stops this farm, and has not ended within %d "
                          "s; run this again when it has",
                          LOCK_WAIT_MS / 1000);
    is_locked = lock >= 0;
    return is_locked ? 0 : -1;
}

pid_t local_farmd_pid(struct arena *arena, const char *home)
{
    return lockfile_holder(path_in(arena, home, "run/farmd.pid"));
}

pid_t local_farmd_keeper(struct arena *arena, const char *home)
{
    return lockfile_holder(path_in(arena, home, "run/keeper.pid"));
}

/* ---- stopping ------------------------------------------------------------------------------ */

int local_farmd_stop(struct arena *arena, const char *home, struct err *err)
{
    const char *const files[] = {"run/keeper.pid", "run/farmd.pid"};
    int result = 1;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int stopped = lockfile_stop_holder(path_in(arena, home, files[i]), STOP_WAIT_MS, err);
        if (stopped < 0)
            return -1;
        if (stopped == 0)
            result = 0;
    }
    return result;
}

/* ---- what its keeper says ------------------------------------------------------------------ */

static bool read_note(struct arena *arena, const char *home, struct keeper_note *out)
{
    return keeper_note_read(path_in(arena, home, "run/keeper.note"), out);
}

const char *local_farmd_given_up(struct arena *arena, const char *home)
{
    struct keeper_note note;
    return read_note(arena, home, &note) && note.gave_up ? arena_text(arena, note.why) : "";
}

const char *local_farmd_trouble(struct arena *arena, const char *home)
{
    struct keeper_note note;
    uint64_t free_bytes;
    bool has_note = read_note(arena, home, &note);
    bool runs = local_farmd_pid(arena, home), kept = local_farmd_keeper(arena, home);
    if ((runs || kept) && io_free_bytes(home, &free_bytes) && free_bytes < LIMIT_START_ROOM_BYTES)
        return arena_print(arena,
                           "the coordinator waits for room on the disk of %s, which has %llu MiB "
                           "free: it begins by itself when there are %u MiB",
                           home, (unsigned long long)(free_bytes >> 20),
                           LIMIT_START_ROOM_BYTES >> 20);
    if (kept && !runs)
        return arena_print(arena,
                           "the coordinator ended%s%s, and its keeper is about to restart it: see "
                           "%s/log/farmd.log, or start it at once with farm up",
                           has_note ? " by " : "", has_note ? note.why : "", home);
    if (runs)
        return arena_print(arena, "the coordinator in %s is starting: see log/farmd.log", home);
    if (has_note && note.gave_up)
        return arena_print(arena, "%s; farm up starts it again", note.why);
    return "";
}

const char *local_farmd_restarts(struct arena *arena, const char *home, uint64_t now_wall_ms)
{
    struct keeper_note note;
    if (!read_note(arena, home, &note) || note.restarts == 0 ||
        now_wall_ms > note.wall_ms + NEWS_MS)
        return "";
    return arena_print(arena,
                       "the coordinator was restarted %llu time%s by its keeper, last at %s after "
                       "%s (log/farmd.log)",
                       (unsigned long long)note.restarts, note.restarts == 1 ? "" : "s",
                       format_time(arena, note.wall_ms), note.why);
}
