/* SPDX-License-Identifier: MIT */
#include "worker/host/service_user.h"

#include "proto/base/io.h"
#include "proto/limits.h"
#include "worker/process/tool.h"

#include <errno.h>
#include <ftw.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define OWN_USER_HOME "/var/lib/floxfarm"

enum { TREE_FILES = 16 };

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

static uid_t heir_uid;
static gid_t heir_gid;
static int hand_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    if (info->st_uid != heir_uid && lchown(path, heir_uid, heir_gid) < 0)
        return FTW_STOP;
    /* Folders that the agent made belong to it with all their contents. */
    bool skip = type == FTW_D && at->level > 0 && info->st_uid == heir_uid;
    return skip ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
}

int service_user_own_home(const struct service *service, struct err *err)
{
    const struct passwd *user = getpwnam(service->user);
    if (!user)
        return err_set(err, "this host has no user %s", service->user);
    heir_uid = user->pw_uid;
    heir_gid = user->pw_gid;
    if (strcmp(service->user, SERVICE_OWN_USER) == 0 &&
        io_make_folders(OWN_USER_HOME, 0755, err) < 0)
        return -1;
    if (strcmp(service->user, SERVICE_OWN_USER) == 0)
        (void)!chown(OWN_USER_HOME, heir_uid, heir_gid);
    if (nftw(service->home, hand_one, TREE_FILES, FTW_PHYS | FTW_ACTIONRETVAL) != 0)
        return err_set(err, "cannot give %s to %s: %s", service->home, service->user,
                       strerror(errno));
    return 0;
}
