/* SPDX-License-Identifier: MIT */
/* isolation_host.c - which level works on this host, found by starting the real thing. */
#include "proto/base/io.h"
#include "proto/base/landlock.h"
#include "proto/base/log.h"
#include "proto/base/sandbox.h"
#include "worker/isolation/isolation.h"
#include "worker/isolation/network.h"
#include "worker/isolation/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIAL_BYTES = 4096, TRIAL_MS = 20000 };

/* ---- the few files of /etc ------------------------------------------------------------------- */

static int put(const char *folder, const char *name, const struct buf *text, struct arena *arena,
               struct err *err)
{
    return io_write_file(arena_print(arena, "%s/%s", folder, name), text->data, text->size, 0644,
                         false, err);
}

/* Programs that look up who they are need an entry: nix refuses to run without one. */
static int put_accounts(const struct isolation_host *host, const char *folder, struct arena *arena,
                        struct err *err)
{
    struct buf passwd = {0}, group = {0};
    uid_t first = host->users.count ? host->users.first : geteuid();
    unsigned step = host->users.count ? BUILD_USERS_BLOCK : 1,
             count = host->users.count ? host->users.count : 1;
    buf_print(&passwd, "root:x:0:0::/:/bin/sh\n");
    buf_print(&group, "root:x:0:\n");
    for (unsigned i = 0; i < count; i += step) {
        unsigned id = (unsigned)first + i;
        if (id == 0)
            continue;
        const char *account = isolation_account(host->level, id, arena);
        buf_print(&passwd, "%s:x:%u:%u::/:/bin/sh\n", account, id, id);
        buf_print(&group, "%s:x:%u:\n", account, id);
    }
    buf_print(&passwd, "nobody:x:65534:65534::/:/bin/sh\n");
    buf_print(&group, "nogroup:x:65534:\n");
    int result = put(folder, "passwd", &passwd, arena, err);
    if (result == 0)
        result = put(folder, "group", &group, arena, err);
    buf_release(&passwd);
    buf_release(&group);
    return result;
}

/* The daemon decides on substituters, sandbox and users; an attempt's own words on them are
 * ignored. Without the registry's line flox waits five seconds for it (flox-real 5). */
static int put_nix_conf(const char *folder, struct arena *arena, struct err *err)
{
    struct buf text = {0};
    buf_print(&text, "experimental-features = nix-command flakes\nflake-registry =\n");
    int result = io_make_folders(arena_print(arena, "%s/nix", folder), 0755, err);
    if (result == 0)
        result = put(folder, "nix/nix.conf", &text, arena, err);
    buf_release(&text);
    return result;
}

static int put_etc(const struct isolation_host *host, struct arena *arena, struct err *err)
{
    struct buf text = {0};
    const char *folder = arena_print(arena, "%s/sandbox", host->home);
    if (io_make_folders(folder, 0755, err) < 0 || put_accounts(host, folder, arena, err) < 0 ||
        put_nix_conf(folder, arena, err) < 0)
        return -1;
    buf_print(&text, "passwd: files\ngroup: files\nhosts: files dns\n");
    int result = put(folder, "nsswitch.conf", &text, arena, err);
    buf_release(&text);
    return result;
}

/* ---- trials ---------------------------------------------------------------------------------- */

static int try_level(const struct isolation_host *host, struct arena *arena, struct err *err)
{
    const char *folder = arena_print(arena, "%s/sandbox/trial", host->home);
    struct isolation isolation = {.level = host->level,
                                  .supervisor = host->supervisor,
                                  .bwrap = host->bwrap,
                                  .etc = arena_print(arena, "%s/sandbox", host->home),
                                  .user = host->users.first,
                                  .users = host->users.count ? BUILD_USERS_BLOCK : 0};
    struct texts argv = {.arena = arena};
    struct buf said = {0};
    if (io_make_folders(arena_print(arena, "%s/box", folder), 0755, err) < 0 ||
        isolation_make_temporary(&isolation, folder, err) < 0)
        return -1;
    isolation_words(&isolation, &(struct isolation_view){.folder = folder, .socket_folder = ""},
                    &argv);
    texts_add(&argv, "true");
    int code = io_run(argv.items, NULL, TRIAL_BYTES, TRIAL_MS, &said, err);
    if (code > 0)
        err_set(err, "%.*s", said.size ? (int)strcspn((char *)said.data, "\n") : 0,
                said.size ? (char *)said.data : "");
    buf_release(&said);
    return code == 0 ? 0 : -1;
}

/* Our own sandbox first, then the host's bwrap. */
static int try_makers(struct isolation_host *host, struct arena *arena, struct err *err)
{
    static const char *const places[] = {"/usr/bin/bwrap", "/run/current-system/sw/bin/bwrap",
                                         NULL};
    struct err why;
    if (words_show(host->home))
        return err_set(err, "%s lies where recipes see the host's programs: move it", host->home);
    host->bwrap = "";
    if (try_level(host, arena, err) == 0)
        return 0;
    for (size_t i = 0; places[i]; i++) {
        host->bwrap = places[i];
        if (!io_exists(places[i]))
            continue;
        if (try_level(host, arena, &why) == 0)
            return 0;
        err_set(err, "%s; %s", arena_text(arena, err->text), why.text);
    }
    host->bwrap = "";
    return -1;
}

static int try_users(const char *build_users, struct isolation_host *host, struct arena *arena,
                     struct err *err)
{
    if (geteuid() != 0)
        return err_set(err, "only a worker that runs as root can use build users");
    if (build_users_parse(*build_users ? build_users : BUILD_USERS_DEFAULT, &host->users, err) < 0)
        return -1;
    host->level = ISOLATION_USERS;
    return put_etc(host, arena, err) < 0 ? -1 : try_makers(host, arena, err);
}

/* Root inside would own root's files outside. */
static int try_namespaces(struct isolation_host *host, struct arena *arena, struct err *err)
{
    if (geteuid() == 0)
        return err_set(err, "a worker that runs as root needs build users");
    host->users = (struct build_users){0};
    host->level = ISOLATION_NAMESPACES;
    return put_etc(host, arena, err) < 0 ? -1 : try_makers(host, arena, err);
}

/* ---- what worked before ---------------------------------------------------------------------- */

/* HOME/sandbox/works: recipes were isolated here. A host on which that stops working takes no
 * builds until its owner mends it or chooses `none`; strangers must not gain by it. */
static const char *works_file(const char *home, struct arena *arena)
{
    return arena_print(arena, "%s/sandbox/works", home);
}

static bool has_worked(const char *home, struct arena *arena)
{
    return io_exists(works_file(home, arena));
}

static void note_that_it_works(const char *home, struct arena *arena)
{
    struct err err;
    if (!has_worked(home, arena) &&
        io_write_file(works_file(home, arena), "", 0, 0644, false, &err) < 0)
        log_warn("%s", err.text);
}

/* ---- the choice ------------------------------------------------------------------------------ */

void isolation_look(const char *choice, const char *build_users, const char *home,
                    const char *supervisor, struct isolation_host *out, struct arena *arena)
{
    struct err err = {""};
    bool automatic = !*choice || strcmp(choice, "auto") == 0;
    int result = -1;
    *out = (struct isolation_host){.level = ISOLATION_NONE,
                                   .why_not = "",
                                   .home = home,
                                   .supervisor = supervisor,
                                   .bwrap = "",
                                   .network_open = "",
                                   .cloud = ""};
    if (automatic)
        choice = geteuid() == 0 ? "users" : "namespaces";
    if (strcmp(choice, "none") == 0)
        result = err_set(&err, "its owner chose none");
    else if (strcmp(choice, "users") == 0)
        result = try_users(build_users, out, arena, &err);
    else if (strcmp(choice, "namespaces") == 0)
        result = try_namespaces(out, arena, &err);
    else
        err_set(&err, "isolation is auto, users, namespaces or none, not \"%s\"", choice);
    if (result == 0) {
        note_that_it_works(home, arena);
        return;
    }
    out->level = ISOLATION_NONE;
    out->why_not = arena_text(arena, err.text);
    out->fails = strcmp(choice, "none") != 0 && (!automatic || has_worked(home, arena));
}

/* ---- what is reached by network -------------------------------------------------------------- */

bool isolation_reaches_cloud(const struct isolation_host *host)
{
    return *host->cloud && !host->network_closed;
}

void isolation_close_network(struct isolation_host *host, const char *sysfs, bool trial,
                             struct arena *arena)
{
    struct err err = {""};
    host->cloud = network_cloud(sysfs);
    /* bwrap makes its own sandbox; only who becomes a build user can be scoped before it. */
    host->scoped = landlock_can_scope() && host->level != ISOLATION_NONE &&
                   (host->level == ISOLATION_USERS || !*host->bwrap);
    if (host->level == ISOLATION_USERS)
        host->network_closed = network_close(&host->users, host->home, trial, arena, &err) == 0;
    else
        err_set(&err, "only build users can be kept away from them");
    host->network_open = host->network_closed ? "" : arena_text(arena, err.text);
    if (host->level == ISOLATION_USERS && !host->network_closed)
        host->why_not = arena_print(arena,
                                    "recipes reach the ports of this host and link-local "
                                    "addresses: %s",
                                    host->network_open);
    else if (host->level == ISOLATION_NAMESPACES && *host->cloud)
        host->why_not = arena_print(arena, "recipes reach the metadata service of %s: %s",
                                    host->cloud, host->network_open);
}

void isolation_keep_closed(const struct isolation_host *host)
{
    struct arena arena = {0};
    struct err err;
    if (host->network_closed && network_close(&host->users, host->home, false, &arena, &err) < 0)
        log_warn("recipes reach the ports of this host now: %s", err.text);
    arena_clear(&arena);
}
