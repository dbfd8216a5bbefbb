/* SPDX-License-Identifier: MIT */
/* build_users.c - see build_users.h. */
#include "worker/isolation/build_users.h"

#include "proto/base/io.h"
#include "proto/base/user_leftovers.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    DYNAMIC_FIRST = 61184,
    DYNAMIC_LAST = 65519,
    NOBODY_FIRST = 65534,
    NOBODY_LAST = 65535,
    ORDINARY_FIRST = 1000,
    SUBIDS_BYTES = 1 << 20
};

/* ---- the range ------------------------------------------------------------------------------- */

static bool overlaps(const struct build_users *users, uint64_t first, uint64_t count)
{
    return first < (uint64_t)users->first + users->count && users->first < first + count;
}

/* "NUMBER:NUMBER" and nothing behind it. */
static bool read_pair(const char *text, unsigned long long *first, unsigned long long *second)
{
    char *end;
    errno = 0;
    *first = strtoull(text, &end, 10);
    if (end == text || *end != ':' || text[0] < '0' || text[0] > '9')
        return false;
    text = end + 1;
    *second = strtoull(text, &end, 10);
    return end != text && !*end && text[0] >= '0' && text[0] <= '9' && !errno;
}

/* A line of /etc/subuid is NAME:FIRST:COUNT. */
static int check_subids(const struct build_users *users, const char *path, struct err *err)
{
    struct buf text = {0};
    char *rest, *line;
    int result = 0;
    if (!io_peek_file(path, SUBIDS_BYTES, &text) || !text.size) {
        buf_release(&text);
        return 0;
    }
    for (rest = (char *)text.data; result == 0 && (line = strsep(&rest, "\n"));) {
        unsigned long long first, count;
        char *colon = strchr(line, ':');
        if (colon && read_pair(colon + 1, &first, &count) && overlaps(users, first, count))
            result =
                err_set(err, "the build users %u to %u are given away in %s: choose others",
                        (unsigned)users->first, (unsigned)users->first + users->count - 1, path);
    }
    buf_release(&text);
    return result;
}

static int check_accounts(const struct build_users *users, struct err *err)
{
    for (uid_t id = users->first; id < users->first + users->count; id++) {
        const struct passwd *user = getpwuid(id);
        const struct group *group = user ? NULL : getgrgid(id);
        if (user || group)
            return err_set(err, "%u is the %s %s, so it cannot be a build user", (unsigned)id,
                           user ? "user" : "group", user ? user->pw_name : group->gr_name);
    }
    return 0;
}

int build_users_parse(const char *text, struct build_users *out, struct err *err)
{
    unsigned long long first, count;
    if (!read_pair(text, &first, &count) || first < ORDINARY_FIRST || count < BUILD_USERS_BLOCK ||
        count > BUILD_USERS_BLOCK * LIMIT_SLOTS || first > INT32_MAX - count)
        return err_set(err,
                       "build-users is FIRST:COUNT, for example " BUILD_USERS_DEFAULT
                       ", with a COUNT of %d to %d, not \"%s\"",
                       BUILD_USERS_BLOCK, BUILD_USERS_BLOCK * LIMIT_SLOTS, text);
    *out = (struct build_users){.first = (uid_t)first, .count = (unsigned)count};
    if (overlaps(out, DYNAMIC_FIRST, DYNAMIC_LAST - DYNAMIC_FIRST + 1))
        return err_set(err,
                       "systemd gives the users %d to %d to services: choose other build users",
                       DYNAMIC_FIRST, DYNAMIC_LAST);
    if (overlaps(out, NOBODY_FIRST, NOBODY_LAST - NOBODY_FIRST + 1))
        return err_set(err, "%d and %d stand for nobody: choose other build users", NOBODY_FIRST,
                       NOBODY_LAST);
    if (check_subids(out, "/etc/subuid", err) < 0 || check_subids(out, "/etc/subgid", err) < 0)
        return -1;
    return check_accounts(out, err);
}

/* ---- processes ------------------------------------------------------------------------------- */

bool build_users_run(uid_t first)
{
    for (uid_t user = first; user < first + BUILD_USERS_BLOCK; user++)
        if (user_processes(user))
            return true;
    return false;
}

/* ---- leases ---------------------------------------------------------------------------------- */

static const char *run_folder(const struct build_users *users)
{
    return users->run ? users->run : BUILD_USERS_RUN;
}

static int lock_leases(const struct build_users *users, struct err *err)
{
    char path[PATH_MAX];
    if (io_make_folders(run_folder(users), 0755, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/lock", run_folder(users));
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0) {
        err_set(err, "cannot lock %s: %s", run_folder(users), strerror(errno));
        if (lock >= 0)
            close(lock);
        return -1;
    }
    return lock;
}

/* The folder that a lease names; "" for none. */
static void lease_holder(const struct build_users *users, uid_t first, char out[PATH_MAX])
{
    char link[PATH_MAX];
    snprintf(link, sizeof link, "%s/%u", run_folder(users), (unsigned)first);
    ssize_t size = readlink(link, out, PATH_MAX - 1);
    out[size > 0 ? size : 0] = '\0';
}

static bool is_over(const char *folder)
{
    char result[PATH_MAX + 8];
    snprintf(result, sizeof result, "%s/result", folder);
    return !io_exists(folder) || io_exists(result);
}

/* Whether an attempt that is not over has the block, or, by a farm whose range begins elsewhere, a
 * part of it. *holder is that of the block itself. */
static bool is_held(const struct build_users *users, uid_t first, char holder[PATH_MAX])
{
    char other[PATH_MAX];
    bool held = false;
    for (uid_t near = first - BUILD_USERS_BLOCK + 1; near < first + BUILD_USERS_BLOCK; near++) {
        lease_holder(users, near, other);
        held |= *other && !is_over(other);
    }
    lease_holder(users, first, holder);
    return held;
}

static int lease_write(const struct build_users *users, uid_t first, const char *folder,
                       struct err *err)
{
    char link[PATH_MAX];
    snprintf(link, sizeof link, "%s/%u", run_folder(users), (unsigned)first);
    unlink(link);
    return symlink(folder, link) < 0 ? err_set(err, "cannot make %s: %s", link, strerror(errno))
                                     : 0;
}

/* The block of this folder, or else the first one that is free; 0: none is. */
static uid_t choose_block(const struct build_users *users, const char *folder)
{
    char holder[PATH_MAX];
    uid_t free_block = 0;
    for (unsigned at = 0; at + BUILD_USERS_BLOCK <= users->count; at += BUILD_USERS_BLOCK) {
        uid_t first = users->first + at;
        bool held = is_held(users, first, holder), same = strcmp(holder, folder) == 0;
        /* Also of the same folder nothing may run yet: there was another one of that name. */
        if ((same || (!free_block && !held)) && !build_users_run(first))
            free_block = first;
        if (free_block == first && same)
            break;
        if (free_block && !*holder)
            break; /* this block and all later ones were never leased */
    }
    return free_block;
}

int build_users_lease(const struct build_users *users, const char *folder, uid_t *first,
                      struct err *err)
{
    int lock = lock_leases(users, err);
    if (lock < 0)
        return -1;
    *first = choose_block(users, folder);
    int result = *first ? lease_write(users, *first, folder, err)
                        : err_set(err, "no build user is free: give this host more (build-users)");
    close(lock);
    return result;
}
