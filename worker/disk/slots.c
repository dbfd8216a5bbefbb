/* SPDX-License-Identifier: MIT */
#include "worker/disk/slots.h"

#include "proto/base/io.h"
#include "proto/limits.h"
#include "worker/disk/folder.h"
#include "worker/disk/home.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *slot_owner(const char *slots, const char *slot, struct arena *arena)
{
    char owner[64];
    ssize_t size =
        readlink(arena_print(arena, "%s/%s.owner", slots, slot), owner, sizeof owner - 1);
    owner[size > 0 ? size : 0] = '\0';
    return arena_text(arena, owner);
}

/* An attempt has its slot until its result is written: from then on none of its processes runs. */
static bool is_free(const char *home, const char *owner, struct arena *arena)
{
    struct token token;
    if (!folder_token(owner, &token))
        return true;
    return !io_exists(folder_path(home, token, NULL, arena)) ||
           io_exists(folder_path(home, token, "result", arena));
}

/* Whether the slot's worktree is on the branch; reads its HEAD file without running git. */
static bool stands_on(const char *home, const char *project, const char *slot, const char *branch,
                      struct arena *arena)
{
    struct buf head = {0};
    const char *path = arena_print(arena, "%s/git/%s.git/worktrees/%s/HEAD", home, project, slot);
    const char *wanted = arena_print(arena, "ref: refs/heads/farm/%s/%s\n", slot, branch);
    bool same = io_peek_file(path, 1024, &head) && strcmp((const char *)head.data, wanted) == 0;
    buf_release(&head);
    return same;
}

bool slots_is_free(const char *home, const char *project, const char *slot, struct arena *arena)
{
    const char *slots = arena_print(arena, "%s/work/%s", home, project);
    return is_free(home, slot_owner(slots, slot, arena), arena);
}

int slots_lock(const char *home, const char *project, struct arena *arena, struct err *err)
{
    return worker_home_lock_file(home, arena_print(arena, "work/%s", project), "slots.lock", arena,
                                 err);
}

static const char *choose_slot(const char *home, const char *project, const char *branch,
                               const char *prefix, const char *own, struct arena *arena)
{
    const char *slots = arena_print(arena, "%s/work/%s", home, project);
    const char *any = NULL, *good = NULL;
    for (unsigned i = 1; i <= LIMIT_SLOTS; i++) {
        const char *slot = arena_print(arena, "%s%u", prefix, i);
        const char *owner = slot_owner(slots, slot, arena);
        if (strcmp(owner, own) == 0)
            return slot;
        bool used = io_exists(arena_print(arena, "%s/%s", slots, slot));
        if (!good && is_free(home, owner, arena)) {
            any = any ? any : slot;
            if (used && stands_on(home, project, slot, branch, arena))
                good = slot;
        }
        if (!used && !*owner)
            break; /* neither this slot nor a later one was ever used */
    }
    return good ? good : any;
}

static int own_slot(const char *home, const char *project, const char *slot, const char *own,
                    struct arena *arena, struct err *err)
{
    const char *link = arena_print(arena, "%s/work/%s/%s.owner", home, project, slot);
    const char *fresh = arena_print(arena, "%s.new", link);
    unlink(fresh);
    if (symlink(own, fresh) < 0 || rename(fresh, link) < 0)
        return err_set(err, "cannot take slot %s: %s", link, strerror(errno));
    return 0;
}

int slots_claim(const char *home, const char *project, const char *branch, char kind,
                struct token token, struct arena *arena, char **slot_out, struct err *err)
{
    if (!worker_home_good_name(project))
        return err_set(err, "\"%s\" cannot be the name of a project", project);
    const char *prefix = arena_print(arena, "%c", kind);
    const char *own = arena_print(arena, "%lu.%llu", (unsigned long)token.epoch,
                                  (unsigned long long)token.number);
    int lock = slots_lock(home, project, arena, err);
    if (lock < 0)
        return -1;
    int result = -1;
    const char *slot = choose_slot(home, project, branch, prefix, own, arena);
    if (!slot)
        err_set(err, "all %d slots of project %s are in use", LIMIT_SLOTS, project);
    else
        result = own_slot(home, project, slot, own, arena, err);
    close(lock);
    *slot_out = arena_text(arena, slot);
    return result;
}
