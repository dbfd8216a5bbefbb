/* SPDX-License-Identifier: MIT */
/* landlock.c - see landlock.h.
 *
 * Rules only allow, for a folder and all below it. So the hidden folder is what is left when the
 * neighbours of it, and of each folder above it, are allowed. */
#include "proto/base/landlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's headers are older than some of this. Numbers: asm-generic/unistd.h and
 * uapi/linux/landlock.h of Linux 6.12. */
enum {
    CALL_CREATE = 444,
    CALL_ADD_RULE = 445,
    CALL_RESTRICT = 446,
    ASK_VERSION = 1,
    RULE_BELOW = 1,
    VERSION_REFER = 2, /* before, no file could be moved to another folder */
    VERSION_TRUNCATE = 3,
    VERSION_IOCTL = 5,
    VERSION_SCOPES = 6,
    SCOPE_SOCKETS = 1 << 0,
    SCOPE_SIGNALS = 1 << 1
};
enum { EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2 };
enum { RIGHTS_FIRST = (1 << 13) - 1, REFER = 1 << 13, TRUNCATE = 1 << 14, IOCTL = 1 << 15 };
enum { RIGHTS_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL };

struct ruleset {
    uint64_t files, network, scoped;
};
struct __attribute__((packed)) rule {
    uint64_t allowed;
    int32_t below;
};

static long version(void)
{
    return syscall(CALL_CREATE, NULL, 0, ASK_VERSION);
}

static int restrict_thread(int rules)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : (int)syscall(CALL_RESTRICT, rules, 0);
}

bool landlock_can_scope(void)
{
    return version() >= VERSION_SCOPES;
}

void landlock_scope(void)
{
    struct ruleset set = {.scoped = SCOPE_SOCKETS | SCOPE_SIGNALS};
    if (!landlock_can_scope())
        return; /* doctor and docs/security.md say so */
    int rules = (int)syscall(CALL_CREATE, &set, sizeof set, 0);
    if (rules < 0)
        return;
    restrict_thread(rules);
    close(rules);
}

/* Of root's capabilities only those for files stay: with CAP_PERFMON the kernel lets a process read
 * the environment of any other, in spite of Landlock (since Linux 6.15). */
static int keep_file_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[2];
    const uint32_t kept =
        1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER | 1U << CAP_FSETID;
    if (syscall(SYS_capget, &header, own) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        own[i].permitted &= i == 0 ? kept : 0;
        own[i].effective = own[i].permitted;
        own[i].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, own);
}

/* ---- hiding a folder ------------------------------------------------------------------------- */

struct hiding {
    int rules;
    uint64_t rights;
};

static uint64_t known_rights(long known)
{
    uint64_t rights = RIGHTS_FIRST | REFER;
    rights |= known >= VERSION_TRUNCATE ? TRUNCATE : 0;
    return rights | (known >= VERSION_IOCTL ? IOCTL : 0);
}

/* What a link leads to is allowed where it is. An entry that is gone, or that we may not look at,
 * needs no rule. */
static int allow(const struct hiding *hiding, int at, const char *name)
{
    struct stat about;
    int below = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), result = 0;
    if (below < 0)
        return 0;
    if (fstat(below, &about) == 0 && !S_ISLNK(about.st_mode)) {
        struct rule rule = {.below = below,
                            .allowed = S_ISDIR(about.st_mode) ? hiding->rights
                                                              : hiding->rights & RIGHTS_OF_FILES};
        result = (int)syscall(CALL_ADD_RULE, hiding->rules, RULE_BELOW, &rule, 0);
    }
    close(below);
    return result;
}

/* All entries of a folder but one. A folder that cannot be listed shows nothing of its own. */
static int allow_neighbours(const struct hiding *hiding, const char *folder, const char *except)
{
    DIR *listed = opendir(folder);
    int result = 0;
    for (struct dirent *entry; listed && result == 0 && (entry = readdir(listed));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, except) != 0)
            result = allow(hiding, dirfd(listed), entry->d_name);
    if (listed)
        closedir(listed);
    return result;
}

/* The neighbours of each part of the path, from the root on. Writes to `path`, and restores it. */
static int allow_around(const struct hiding *hiding, char *path)
{
    int result = 0;
    for (char *part = path; result == 0 && part && part[1];) {
        char *next = strchr(part + 1, '/'), *name = part + 1;
        if (next)
            *next = '\0';
        *part = '\0';
        result = allow_neighbours(hiding, *path ? path : "/", name);
        *part = '/';
        if (next)
            *next = '/';
        part = next;
    }
    return result;
}

static int allow_kept(const struct hiding *hiding, const char *path, const char *const *kept)
{
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), result = folder < 0 ? -1 : 0;
    for (; result == 0 && *kept; kept++)
        result = allow(hiding, folder, *kept);
    if (folder >= 0)
        close(folder);
    return result;
}

int landlock_hide(const char *folder, const char *const *kept, struct err *err)
{
    char path[PATH_MAX];
    long known = version();
    if (known < VERSION_REFER)
        return err_set(err, "this kernel has no Landlock of version %d", VERSION_REFER);
    if (!realpath(folder, path))
        return err_set(err, "cannot find %s: %s", folder, strerror(errno));
    struct ruleset set = {.files = known_rights(known),
                          .scoped = known >= VERSION_SCOPES ? SCOPE_SIGNALS : 0};
    struct hiding hiding = {(int)syscall(CALL_CREATE, &set, sizeof set, 0), set.files};
    if (hiding.rules < 0)
        return err_set(err, "cannot make rules of Landlock: %s", strerror(errno));
    int result = allow_around(&hiding, path);
    if (result == 0)
        result = allow_kept(&hiding, path, kept);
    if (result == 0)
        result = restrict_thread(hiding.rules);
    if (result == 0)
        result = keep_file_capabilities();
    int reason = errno;
    close(hiding.rules);
    return result < 0 ? err_set(err, "cannot hide %s by Landlock: %s", folder, strerror(reason))
                      : 0;
}
