/* SPDX-License-Identifier: MIT */
/* start.c - see start.h. */
#include "coordinator/start.h"

#include "coordinator/storage/backup.h"
#include "proto/base/io.h"
#include "proto/base/lockfile.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/limits.h"

#include <poll.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 1000 };

/* One of an older version locks the journal only: its endpoints are not ours to remove. */
static int check_journal_is_free(const char *home, struct err *err)
{
    int lock;
    return backup_lock(home, &lock, err) < 0 ? -1 : close(lock);
}

int start_claim(const char *home, struct err *err)
{
    struct arena arena = {0};
    int result = io_make_folders(arena_print(&arena, "%s/run", home), 0755, err);
    if (result == 0) /* the descriptor stays open: the lock is ours until we end */
        result = lockfile_take(arena_print(&arena, "%s/run/farmd.pid", home), 0, err);
    if (result == LOCKFILE_HELD)
        err_prefix(err, "another coordinator runs in %s, stop it first (farm down)", home);
    if (result >= 0)
        result = check_journal_is_free(home, err);
    if (result == 0)
        unlink(arena_print(&arena, "%s/run/endpoints", home));
    arena_clear(&arena);
    return result < 0 ? -1 : 0;
}

bool start_lacks_room(const char *home)
{
    uint64_t free_bytes;
    return io_free_bytes(home, &free_bytes) && free_bytes < LIMIT_START_ROOM_BYTES;
}

void start_await_room(const char *home)
{
    if (!start_lacks_room(home))
        return;
    log_error("the disk of %s has less than %u MiB free: waiting for room", home,
              LIMIT_START_ROOM_BYTES >> 20);
    while (start_lacks_room(home))
        poll(NULL, 0, LOOK_AGAIN_MS);
    log_info("the disk has room again");
}
