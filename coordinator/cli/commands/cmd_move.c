/* SPDX-License-Identifier: MIT */
/* cmd_move.c - `farm move`: moves a coordinator to another host, over the system's ssh.
 *
 *   check the host -> stop here -> copy backup, logs and secrets -> restore there
 *                  -> write HOME/MOVED here -> start there
 *
 * Two coordinators must never run at the same time: this one is stopped and locked out before
 * anything is copied, and the other one is started only after HOME/MOVED, which keeps this one
 * from starting again, is on disk. Until then the move can be given up: `farm up` here continues.
 */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/tarball.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/local_farmd.h"
#include "coordinator/cli/process.h"
#include "coordinator/cli/report.h"
#include "coordinator/storage/backup.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct move {
    struct invocation *invocation;
    const char *host;    /* USER@HOST */
    const char *program; /* the farm program on the host, quoted for a shell */
    const char *there;   /* the farm's folder on the host */
    const char *quoted;  /* `there`, quoted for a shell */
    const char *file;    /* the path of the backup on the host, quoted for a shell */
};

/* ---- the other host ------------------------------------------------------------------------- */

/* Runs a shell command on the host; returns its output without the last newline, or NULL when it
 * failed. ssh and the command write their own errors to standard error. */
__attribute__((format(printf, 3, 4))) static const char *run_remote(const struct move *move,
                                                                    struct err *err,
                                                                    const char *format, ...)
{
    char line[LIMIT_TEXT_BYTES];
    struct buf out = {0};
    const char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    const char *argv[] = {"ssh", "--", move->host, line, NULL};
    if (size >= (int)sizeof line) {
        err_set(err, "a path is too long");
        return NULL;
    }
    int code = process_capture(argv, LIMIT_CONFIG_BYTES, &out, err);
    if (code == 0) {
        if (out.size && out.data[out.size - 1] == '\n')
            out.data[out.size - 1] = '\0';
        text = arena_text(&move->invocation->arena, out.size ? (char *)out.data : "");
    } else if (code > 0) {
        err_set(err, "`%s` on %s ended with %d", line, move->host, code);
    }
    buf_release(&out);
    return text;
}

/* The farm's folder on the host: --to, or the default of the farm program there (home.h). */
static const char *home_there(struct move *move, struct err *err)
{
    const char *wanted = option_text(move->invocation, "to");
    if (*wanted)
        return wanted;
    return run_remote(
        move, err, "printf %%s \"${FARM_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/floxfarm}\"");
}

/* Checks the host before this coordinator is stopped. */
static int check_host(struct move *move, struct err *err)
{
    struct arena *arena = &move->invocation->arena;
    if (*move->host == '-' || !*move->host)
        return err_set(err, "name the host as USER@HOST");
    if (!(move->there = home_there(move, err)))
        return -1;
    if (*move->there != '/')
        return err_set(err, "--to must be an absolute path, not \"%s\"", move->there);
    move->quoted = arena_shell_word(arena, move->there);
    move->file = arena_shell_word(arena, arena_print(arena, "%s/.move.tar", move->there));
    const char *version = run_remote(move, err, "%s --version", move->program);
    if (!version || strncmp(version, "farm ", 5) != 0)
        return err_set(err,
                       "there is no farm program on %s: install it there, or name it with "
                       "--program PATH",
                       move->host);
    if (!run_remote(move, err, "mkdir -p %s && chmod 700 %s && test -w %s", move->quoted,
                    move->quoted, move->quoted))
        return err_prefix(err, "cannot create %s on that host", move->there);
    return 0;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static int send_backup(const struct move *move, struct err *err)
{
    struct invocation *invocation = move->invocation;
    const char *line = arena_print(&invocation->arena, "umask 077; cat > %s", move->file);
    const char *to[] = {"ssh", "--", move->host, line, NULL};
    const char *stage = tarball_stage(invocation, err);
    int result = stage ? process_pipe(tarball_command(invocation, stage, "-"), to, err) : -1;
    tarball_drop(stage);
    return result;
}

/* A backup has no logs and secrets, but the new coordinator needs them. */
static int send_rest(const struct move *move, struct err *err)
{
    static const char *const names[] = {"logs", "secrets", NULL};
    struct invocation *invocation = move->invocation;
    const char *from[10] = {"tar", "--create", "--file", "-", "--directory", invocation->home};
    const char *line = arena_print(
        &invocation->arena, "tar --extract --no-same-owner --file - --directory %s", move->quoted);
    const char *to[] = {"ssh", "--", move->host, line, NULL};
    size_t count = 6;
    for (const char *const *name = names; *name; name++)
        if (io_exists(home_path(&invocation->arena, invocation->home, *name)))
            from[count++] = *name;
    return count == 6 ? 0 : process_pipe(from, to, err);
}

/* ---- the move -------------------------------------------------------------------------------- */

/* Stops this coordinator; the lock keeps it from starting again. */
static int stop_here(const struct move *move, int *lock, struct err *err)
{
    struct arena *arena = &move->invocation->arena;
    const char *home = move->invocation->home;
    if (local_farmd_lock(arena, home, err) < 0)
        return -1;
    if (local_farmd_stop(arena, home, err) < 0)
        return err_prefix(err, "the coordinator here");
    return backup_lock(home, lock, err);
}

static int move_state(const struct move *move, struct err *err)
{
    puts("stopped here; builds continue");
    if (send_backup(move, err) < 0 || send_rest(move, err) < 0)
        return -1;
    puts("copied the journal, farm.yaml, keys, logs and secrets");
    const char *said =
        run_remote(move, err, "%s --home %s restore --back --complete %s >&2 && rm -f %s",
                   move->program, move->quoted, move->file, move->file);
    return said ? backup_mark_moved(
                      move->invocation->home,
                      arena_print(&move->invocation->arena, "%s, %s", move->host, move->there), err)
                : -1;
}

static enum exit_code start_there(const struct move *move)
{
    struct err err;
    if (!run_remote(move, &err, "%s --home %s up --no-worker", move->program, move->quoted))
        return fail(EXIT_REFUSED,
                    "the farm is now on %s in %s, but its coordinator did not start (%s): correct "
                    "that and start it there with farm up",
                    move->host, move->there, err.text);
    const char *endpoint =
        run_remote(move, &err, "sed -n 's/^control //p' %s/run/endpoints", move->quoted);
    report_answer(
        json_pack("{s:o, s:o}", "host", json_text(move->host), "home", json_text(move->there)));
    printf("the coordinator now runs on %s in %s and listens on %s\n"
           "Workers on other hosts know the old address: restart each with --connect and the new "
           "one; their builds continue\n",
           move->host, move->there, endpoint && *endpoint ? endpoint : "the address in farm.yaml");
    return EXIT_FINE;
}

enum exit_code cmd_move(struct invocation *invocation)
{
    const char *program =
        option_given(invocation, "program") ? option_text(invocation, "program") : "farm";
    struct move move = {.invocation = invocation,
                        .host = invocation->arguments[0],
                        .program = arena_shell_word(&invocation->arena, program)};
    struct err err;
    int lock = -1;
    if (backup_check_here(invocation->home, &err) < 0 || check_host(&move, &err) < 0 ||
        stop_here(&move, &lock, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    int result = move_state(&move, &err);
    close(lock);
    if (result < 0)
        return fail(EXIT_REFUSED, "%s; the farm was not moved: start it again with farm up",
                    err.text);
    return start_there(&move);
}
