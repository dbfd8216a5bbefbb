/* SPDX-License-Identifier: MIT */
#include "worker/host/service_user.h"

#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "worker/process/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define OWN_USER_HOME "/var/lib/floxfarm"

enum { HOME_DEPTH = 100 }; /* of folders that are not the heir's yet */

int service_user_ensure(struct service *service, struct err *err)
{
    if (getpwnam(service->user))
        return 0;
    if (strcmp(service->user, SERVICE_OWN_USER) != 0)
        return err_set(err, "this host has no user %s", service->user);
    static const char *const argv[] = {"useradd",      "--system",       "--home-dir",
                                       OWN_USER_HOME,  "--shell",        "/usr/sbin/nologin",
                                       "--user-group", SERVICE_OWN_USER, NULL};
    struct buf said = {0};
    struct err why = {""};
    int code = tool_exists(argv[0])
                   ? io_run(argv, NULL, LIMIT_TOOL_BYTES, LIMIT_TOOL_MS, &said, &why)
                   : err_set(&why, "this host has no useradd");
    if (code != 0)
        err_set(err, "cannot make the user %s (%s): make it, or choose another one with --user",
                service->user, code < 0 ? why.text : (const char *)said.data);
    else
        service_note(service, "made the user " SERVICE_OWN_USER);
    buf_release(&said);
    return code == 0 ? 0 : -1;
}

static int hand_folder(int fd, const struct passwd *heir, int depth);

/* Gives one entry to the heir. It is opened, and then looked at and given by its descriptor: we are
 * root, and whoever had this home may put a link in its place meanwhile. Folders that the agent
 * made belong to it with all their contents. Sets errno on failure. */
static int hand_one(int folder, const char *name, const struct passwd *heir, int depth)
{
    struct stat about;
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int result = fstat(fd, &about);
    if (result == 0 && about.st_uid != heir->pw_uid) {
        result = fchownat(fd, "", heir->pw_uid, heir->pw_gid, AT_EMPTY_PATH);
        if (result == 0 && S_ISDIR(about.st_mode))
            result = hand_folder(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), heir, depth);
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return result;
}

/* Owns and closes `fd`. */
static int hand_folder(int fd, const struct passwd *heir, int depth)
{
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    int result = folder ? 0 : -1;
    if (depth == HOME_DEPTH) {
        errno = ENAMETOOLONG;
        result = -1;
    }
    for (const struct dirent *entry; result == 0 && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = hand_one(fd, entry->d_name, heir, depth + 1);
    int reason = errno;
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
    errno = reason;
    return result;
}

int service_user_own_home(const struct service *service, struct err *err)
{
    const struct passwd *user = getpwnam(service->user);
    if (!user)
        return err_set(err, "this host has no user %s", service->user);
    if (strcmp(service->user, SERVICE_OWN_USER) == 0 &&
        io_make_folders(OWN_USER_HOME, 0755, err) < 0)
        return -1;
    if (strcmp(service->user, SERVICE_OWN_USER) == 0)
        (void)!chown(OWN_USER_HOME, user->pw_uid, user->pw_gid);
    int home = beneath_folder(service->home, "", err);
    if (home < 0)
        return -1;
    if (fchown(home, user->pw_uid, user->pw_gid) < 0) {
        err_set(err, "cannot give %s to %s: %s", service->home, service->user, strerror(errno));
        close(home);
        return -1;
    }
    if (hand_folder(home, user, 0) < 0)
        return err_set(err, "cannot give %s to %s: %s", service->home, service->user,
                       strerror(errno));
    return 0;
}
