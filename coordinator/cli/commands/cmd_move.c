/* SPDX-License-Identifier: MIT */
/* cmd_move.c - a farm's coordinator moves to another host, over the system's ssh.
 *
 *   look there -> stop here -> backup, logs and secrets there -> restore there -> HOME/MOVED ->
 * start
 *
 * At no moment may two coordinators run: this one is stopped and locked out before anything is
 * copied, and the other one is started only after HOME/MOVED, which keeps this one from ever
 * starting again, is on disk. Until then nothing has happened: `farm up` here goes on.
 */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/tarball.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/process.h"
#include "coordinator/storage/backup.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STOP_WAIT_MS 30000

struct move {
    struct invocation *invocation;
    const char *host;    /* USER@HOST */
    const char *program; /* farm there, quoted */
    const char *there;   /* the farm's folder there */
    const char *quoted;  /* the same for a shell */
    const char *file;    /* the backup there, quoted */
};

/* ---- the other host ------------------------------------------------------------------------- */

/* Runs a line of shell there; its output without the last newline. What goes wrong is said on
 * standard error by those whom it went wrong for. NULL when it did not end well. */
__attribute__((format(printf, 3, 4))) static const char *remote(const struct move *move,
                                                                struct err *err, const char *format,
                                                                ...)
{
    char line[LIMIT_TEXT_BYTES];
    struct buf out = {0};
    const char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    const char *argv[] = {"ssh", move->host, line, NULL};
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

/* The folder that farm would take there by itself (home.h). */
static const char *home_there(struct move *move, struct err *err)
{
    const char *wanted = option_text(move->invocation, "to");
    if (*wanted)
        return wanted;
    return remote(move, err,
                  "printf %%s \"${FARM_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/floxfarm}\"");
}

/* Everything that can be wrong is asked before this coordinator is stopped. */
static int look(struct move *move, struct err *err)
{
    struct arena *arena = &move->invocation->arena;
    if (*move->host == '-' || !*move->host)
        return err_set(err, "name the host as USER@HOST");
    if (!(move->there = home_there(move, err)))
        return -1;
    if (*move->there != '/')
        return err_set(err, "the farm's folder there must be an absolute path, not \"%s\"",
                       move->there);
    move->quoted = arena_shell_word(arena, move->there);
    move->file = arena_shell_word(arena, arena_print(arena, "%s/.move.tar", move->there));
    const char *version = remote(move, err, "%s --version", move->program);
    if (!version || strncmp(version, "farm ", 5) != 0)
        return err_set(err,
                       "there is no farm program on %s: install it there, or name it with "
                       "--program PATH",
                       move->host);
    if (!remote(move, err, "mkdir -p %s && chmod 700 %s && test -w %s", move->quoted, move->quoted,
                move->quoted))
        return err_prefix(err, "cannot make %s there", move->there);
    return 0;
}

/* ---- what travels ---------------------------------------------------------------------------- */

static int send_backup(const struct move *move, struct err *err)
{
    struct invocation *invocation = move->invocation;
    const char *line = arena_print(&invocation->arena, "umask 077; cat > %s", move->file);
    const char *to[] = {"ssh", move->host, line, NULL};
    const char *stage = tarball_stage(invocation, err);
    int result = stage ? process_pipe(tarball_command(invocation, stage, "-"), to, err) : -1;
    tarball_drop(stage);
    return result;
}

/* Logs and secrets are in no backup; they are the new coordinator's all the same. */
static int send_rest(const struct move *move, struct err *err)
{
    static const char *const names[] = {"logs", "secrets", NULL};
    struct invocation *invocation = move->invocation;
    const char *from[10] = {"tar", "--create", "--file", "-", "--directory", invocation->home};
    const char *line = arena_print(
        &invocation->arena, "tar --extract --no-same-owner --file - --directory %s", move->quoted);
    const char *to[] = {"ssh", move->host, line, NULL};
    size_t count = 6;
    for (const char *const *name = names; *name; name++)
        if (io_exists(home_path(&invocation->arena, invocation->home, *name)))
            from[count++] = *name;
    return count == 6 ? 0 : process_pipe(from, to, err);
}

/* ---- the move -------------------------------------------------------------------------------- */

/* Stopped, and kept from starting by the lock. */
static int stop_here(const struct move *move, int *lock, struct err *err)
{
    const char *home = move->invocation->home;
    const char *pid_file = home_path(&move->invocation->arena, home, "run/farmd.pid");
    if (process_stop(pid_file, STOP_WAIT_MS, err) < 0)
        return err_prefix(err, "the coordinator here");
    return backup_lock(home, lock, err);
}

static int carry(const struct move *move, struct err *err)
{
    puts("stopped here; builds go on");
    if (send_backup(move, err) < 0 || send_rest(move, err) < 0)
        return -1;
    puts("copied: what the farm knows, logs and secrets");
    const char *said =
        remote(move, err, "%s --home %s restore --back --complete %s >&2 && rm -f %s",
               move->program, move->quoted, move->file, move->file);
    return said ? backup_mark_moved(
                      move->invocation->home,
                      arena_print(&move->invocation->arena, "%s, %s", move->host, move->there), err)
                : -1;
}

static enum exit_code start_there(const struct move *move)
{
    struct err err;
    if (!remote(move, &err, "%s --home %s up --no-worker", move->program, move->quoted))
        return fail(EXIT_REFUSED,
                    "the farm is on %s in %s now, but its coordinator did not start (%s): see why, "
                    "and start it there with farm up",
                    move->host, move->there, err.text);
    const char *endpoint =
        remote(move, &err, "sed -n 's/^control //p' %s/run/endpoints", move->quoted);
    printf("the coordinator runs on %s now, in %s, and listens on %s\n"
           "Workers elsewhere know the old address: start each with --connect and the new one; "
           "what they build goes on\n",
           move->host, move->there, endpoint && *endpoint ? endpoint : "what farm.yaml says");
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
    if (backup_check_here(invocation->home, &err) < 0 || look(&move, &err) < 0 ||
        stop_here(&move, &lock, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    int result = carry(&move, &err);
    close(lock);
    if (result < 0)
        return fail(EXIT_REFUSED, "%s; the farm is still here: start it again with farm up",
                    err.text);
    return start_there(&move);
}
