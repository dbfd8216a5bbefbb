/* SPDX-License-Identifier: MIT */
/* cmd_backup.c - `farm backup` and `farm restore`. Both work on the farm's folder directly: a
 * backup does not need a coordinator, and a restore refuses to run beside one. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/tarball.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/local_farmd.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "coordinator/storage/backup.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A backup is small (keys and a journal), so an hour covers the slowest disk. */
#define TAR_WAIT_MS 3600000u

static int run_tar(const char *const *argv, struct err *err)
{
    struct buf said = {0};
    int code = io_run(argv, NULL, LIMIT_CONFIG_BYTES, TAR_WAIT_MS, &said, err);
    const char *text = said.size ? (const char *)said.data : "failed without a message";
    if (code > 0)
        err_set(err, "tar: %.*s", (int)strcspn(text, "\n"), text);
    buf_release(&said);
    return code ? -1 : 0;
}

/* ---- backup -------------------------------------------------------------------------------- */

static const char *fresh_folder(struct invocation *invocation, const char *name, struct err *err)
{
    char *path = arena_print(&invocation->arena, "%s/.%s-XXXXXX", invocation->home, name);
    if (mkdtemp(path))
        return path;
    err_set(err, "cannot make a folder in %s: %s", invocation->home, strerror(errno));
    return NULL;
}

const char *tarball_stage(struct invocation *invocation, struct err *err)
{
    const char *stage = fresh_folder(invocation, "backup", err);
    if (!stage || backup_journal(invocation->home, stage, err) == 0)
        return stage;
    tarball_drop(stage);
    return NULL;
}

void tarball_drop(const char *stage)
{
    if (stage)
        io_remove_tree(stage, NULL);
}

const char *const *tarball_command(struct invocation *invocation, const char *stage,
                                   const char *file)
{
    struct arena *arena = &invocation->arena;
    const char **argv = arena_new(arena, 16 * sizeof *argv);
    size_t count = 0;
    const char *const head[] = {"tar", "--create", "--file",     file,          "--directory",
                                stage, "backup",   "journal.db", "--directory", invocation->home,
                                NULL};
    for (; head[count]; count++)
        argv[count] = head[count];
    for (const char *const *name = backup_names; *name; name++)
        if (io_exists(home_path(arena, invocation->home, *name)))
            argv[count++] = *name;
    return argv;
}

static const char *absolute_path(struct arena *arena, const char *path)
{
    char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    const char *result = here ? arena_print(arena, "%s/%s", here, path) : arena_text(arena, path);
    free(here);
    return result;
}

/* Readable only by its owner, from its first byte on: the file contains keys. */
static int make_private(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int failed = fd < 0 || fchmod(fd, 0600) < 0;
    if (failed)
        err_set(err, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

static int put_in_place(const char *part, const char *path, struct err *err)
{
    int fd = open(part, O_RDONLY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) < 0;
    if (fd >= 0)
        close(fd);
    if (failed || rename(part, path) < 0)
        return err_set(err, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

static int write_tarball(struct invocation *invocation, const char *path, struct err *err)
{
    const char *part = arena_print(&invocation->arena, "%s.part", path);
    if (io_may_replace(path, err) < 0 || io_may_replace(part, err) < 0)
        return -1;
    const char *stage = tarball_stage(invocation, err);
    int result = stage ? make_private(part, err) : -1;
    if (result == 0)
        result = run_tar(tarball_command(invocation, stage, part), err);
    if (result == 0)
        result = put_in_place(part, path, err);
    tarball_drop(stage);
    if (result < 0)
        unlink(part);
    return result;
}

enum exit_code cmd_backup(struct invocation *invocation)
{
    const char *path = absolute_path(&invocation->arena, invocation->arguments[0]);
    struct stat file;
    struct err err;
    if (write_tarball(invocation, path, &err) < 0)
        return fail(EXIT_REFUSED, "cannot make the backup: %s", err.text);
    uint64_t bytes = stat(path, &file) == 0 ? (uint64_t)file.st_size : 0;
    if (report_answer(json_pack("{s:o, s:I}", "file", json_text(path), "bytes", (json_int_t)bytes)))
        printf("wrote %s (%s). It contains keys: keep it safe. It does not contain logs and "
               "secrets\n",
               path, format_bytes(&invocation->arena, bytes));
    return EXIT_FINE;
}

/* ---- restore ------------------------------------------------------------------------------- */

/* Extracts only the names that a backup has, whatever else is in the file. */
static int unpack_tarball(const char *path, const char *stage, struct err *err)
{
    static const char *const optional[] = {"keys", "bundles", NULL};
    const char *argv[] = {"tar", "--extract", "--no-same-owner", "--file",    path, "--directory",
                          stage, "backup",    "journal.db",      "farm.yaml", NULL};
    if (access(path, R_OK) < 0)
        return err_set(err, "cannot read %s: %s", path, strerror(errno));
    if (run_tar(argv, err) < 0)
        return err_prefix(err, "%s is not a backup of a farm", path);
    argv[8] = NULL;
    for (const char *const *name = optional; *name; name++) {
        argv[7] = *name;
        run_tar(argv, NULL); /* optional: may be missing */
    }
    return 0;
}

/* A backup has no secrets, but the farm's own folder may still have them. */
static bool has_secrets(struct invocation *invocation)
{
    glob_t found = {0};
    const char *pattern = home_path(&invocation->arena, invocation->home, "secrets/*");
    bool any = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0;
    globfree(&found);
    return any;
}

static void print_restored(struct invocation *invocation, const struct backup_restored *restored)
{
    printf("%s is restored, epoch %u\n", invocation->home, restored->epoch);
    if (*restored->aside)
        printf("the previous files are in %s\n", restored->aside);
    if (!has_secrets(invocation))
        puts("backups contain no secrets: set those that farm.yaml names with farm secret set");
    puts(option_given(invocation, "complete")
             ? "Next: farm up"
             : "The farm is paused. Next: farm up; wait until farm worker list shows all workers "
               "with the builds that they started after the backup; then farm resume");
}

/* A keeper without a coordinator is about to start one. Holds the lock, so that nobody does. */
static int refuse_beside_keeper(struct invocation *invocation, struct err *err)
{
    if (local_farmd_lock(&invocation->arena, invocation->home, err) < 0)
        return -1;
    return local_farmd_keeper(&invocation->arena, invocation->home)
               ? err_set(err, "a coordinator runs in %s: stop it first (farm down)",
                         invocation->home)
               : 0;
}

enum exit_code cmd_restore(struct invocation *invocation)
{
    const char *path = absolute_path(&invocation->arena, invocation->arguments[0]);
    struct backup_wish wish = {.home = invocation->home,
                               .back = option_given(invocation, "back"),
                               .complete = option_given(invocation, "complete")};
    struct backup_restored restored;
    struct err err;
    const char *stage = NULL;
    int result = io_make_folders(invocation->home, 0750, &err);
    if (result == 0)
        result = refuse_beside_keeper(invocation, &err);
    if (result == 0 && !(stage = fresh_folder(invocation, "restore", &err)))
        result = -1;
    if (result == 0)
        result = unpack_tarball(path, stage, &err);
    wish.folder = stage;
    if (result == 0)
        result = backup_restore(&wish, &invocation->arena, &restored, &err);
    tarball_drop(stage);
    if (result)
        return fail(EXIT_REFUSED, "cannot restore: %s", err.text);
    if (report_answer(json_pack("{s:o, s:I, s:o, s:b}", "home", json_text(invocation->home),
                                "epoch", (json_int_t)restored.epoch, "aside",
                                json_text(restored.aside), "paused",
                                (int)!option_given(invocation, "complete"))))
        print_restored(invocation, &restored);
    return EXIT_FINE;
}
