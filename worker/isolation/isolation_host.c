/* SPDX-License-Identifier: MIT */
/* isolation_host.c - which level works on this host, found by starting the real thing. */
#include "proto/base/io.h"
#include "proto/base/landlock.h"
#include "proto/base/log.h"
#include "proto/base/sandbox.h"
#include "worker/isolation/isolation.h"
#include "worker/isolation/network.h"
#include "worker/isolation/store.h"
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

static int try_in(const struct isolation_host *host, const char *folder, uid_t user,
                  struct arena *arena, struct err *err)
{
    struct isolation isolation = {.level = host->level,
                                  .supervisor = host->supervisor,
                                  .bwrap = host->bwrap,
                                  .etc = arena_print(arena, "%s/sandbox", host->home),
                                  .user = user,
                                  .users = host->users.count ? BUILD_USERS_BLOCK : 0};
    const struct isolation_view view = {.folder = folder, .socket_folder = ""};
    struct texts argv = {.arena = arena}, environment = {.arena = arena};
    struct buf said = {0};
    if (io_make_folders(arena_print(arena, "%s/box", folder), 0755, err) < 0 ||
        isolation_make_temporary(&isolation, folder, err) < 0)
        return -1;
    /* Programs of other users can read it while the trial runs. */
    isolation_environment(&isolation, &view, &environment);
    texts_add(&argv, "env");
    texts_add(&argv, "-i");
    for (size_t i = 0; i < environment.count; i++)
        texts_add(&argv, "%s", environment.items[i]);
    isolation_words(&isolation, &view, &argv);
    texts_add(&argv, "true");
    int code = io_run(argv.items, NULL, TRIAL_BYTES, TRIAL_MS, &said, err);
    if (code > 0)
        err_set(err, "%.*s", said.size ? (int)strcspn((char *)said.data, "\n") : 0,
                said.size ? (char *)said.data : "");
    buf_release(&said);
    return code == 0 ? 0 : -1;
}

/* In a folder of its own, with a leased user: what that one has left is ended first. */
static int try_leased(const struct isolation_host *host, struct arena *arena, struct err *err)
{
    const char *folder = arena_print(arena, "%s/sandbox/trial.%d", host->home, (int)getpid());
    uid_t user;
    if (io_make_folders(folder, 0755, err) < 0)
        return -1;
    int result = build_users_lease(&host->users, folder, &user, err);
    if (result == 0)
        result = try_in(host, folder, user, arena, err);
    io_remove_tree(folder, NULL); /* ends the lease */
    return result;
}

static int try_level(const struct isolation_host *host, struct arena *arena, struct err *err)
{
    return isolation_has_users(host->level)
               ? try_leased(host, arena, err)
               : try_in(host, arena_print(arena, "%s/sandbox/trial", host->home), 0, arena, err);
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

/* Whoever may not enter the folders above the home does not come to his attempt's. */
static int check_way(const char *home, struct arena *arena, struct err *err)
{
    struct stat about;
    char *path = arena_text(arena, home);
    for (char *slash; (slash = strrchr(path, '/')) && slash != path;) {
        *slash = '\0';
        if (stat(path, &about) == 0 && !(about.st_mode & S_IXOTH))
            return err_set(err, "build users cannot enter %s: give the worker a home elsewhere",
                           path);
    }
    return 0;
}

/* Modes are all that keeps recipes out here. Nobody but root has to read or list these. */
static int close_home(const char *home, struct arena *arena, struct err *err)
{
    enum { MODE_PASSED = 0711, MODE_OWN_FOLDER = 0700, MODE_OWN = 0600 };
    static const struct {
        const char *name;
        mode_t mode;
    } parts[] = {{"", MODE_PASSED},
                 {"/attempts", MODE_PASSED},
                 {"/clones", MODE_OWN_FOLDER},
                 {"/worker.conf", MODE_OWN},
                 {"/instance", MODE_OWN}};
    if (io_make_folders(arena_print(arena, "%s/attempts", home), MODE_PASSED, err) < 0 ||
        io_make_folders(arena_print(arena, "%s/clones", home), MODE_OWN_FOLDER, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *path = arena_print(arena, "%s%s", home, parts[i].name);
        if (chmod(path, parts[i].mode) < 0 && errno != ENOENT)
            return err_set(err, "cannot change the mode of %s: %s", path, strerror(errno));
    }
    return 0;
}

/* A store that only root writes wants a daemon of the attempt's own, confined by namespaces. */
static int check_store(struct arena *arena, struct err *err)
{
    struct store store;
    store_look(&store, arena);
    if (!store.exists || *store.daemon_socket || !tool_exists("nix-store"))
        return 0;
    return err_set(err, "build users need a nix-daemon for %s, and none answers", store.folder);
}

/* After try_users: `err` has why namespaces do not work, and then why this does not either. */
static int try_users_only(const char *build_users, struct isolation_host *host, struct arena *arena,
                          struct err *err)
{
    struct err why;
    if (geteuid() != 0)
        return err_set(err, "only a worker that runs as root can use build users");
    if (build_users_parse(*build_users ? build_users : BUILD_USERS_DEFAULT, &host->users, &why) ==
            0 &&
        check_way(host->home, arena, &why) == 0 && check_store(arena, &why) == 0 &&
        close_home(host->home, arena, &why) == 0) {
        host->level = ISOLATION_USERS_ONLY;
        host->bwrap = "";
        if (put_etc(host, arena, &why) == 0 && try_level(host, arena, &why) == 0)
            return 0;
    }
    return *err->text ? err_set(err, "%s; %s", arena_text(arena, err->text), why.text)
                      : err_set(err, "%s", why.text);
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

/* HOME/sandbox/works: recipes were isolated here, and with the word users-only in it without
 * namespaces. A host on which that stops working takes no builds until its owner mends it or
 * chooses another level; strangers must not gain by it. */
enum { WORKS_BYTES = 64 };

static const char *works_file(const char *home, struct arena *arena)
{
    return arena_print(arena, "%s/sandbox/works", home);
}

static bool has_worked(const char *home, struct arena *arena)
{
    return io_exists(works_file(home, arena));
}

static bool has_hidden_host(const char *home, struct arena *arena)
{
    struct buf text = {0};
    bool hidden = io_peek_file(works_file(home, arena), WORKS_BYTES, &text) && !text.size;
    buf_release(&text);
    return hidden;
}

static void note_that_it_works(const struct isolation_host *host, struct arena *arena)
{
    struct err err;
    bool hides = isolation_hides_host(host->level);
    const char *word = hides ? "" : isolation_names[host->level];
    if (has_worked(host->home, arena) && (!hides || has_hidden_host(host->home, arena)))
        return;
    if (io_write_file(works_file(host->home, arena), word, strlen(word), 0644, false, &err) < 0)
        log_warn("%s", err.text);
}

/* ---- the choice ------------------------------------------------------------------------------ */

static const char without_namespaces[] =
    "recipes run as build users without namespaces, and see this host's files and processes: ";

/* Of root: users, and on a host that never made namespaces for recipes the same without them. */
static int try_root(const char *build_users, struct isolation_host *host, struct arena *arena,
                    struct err *err)
{
    int result = try_users(build_users, host, arena, err);
    if (result == 0 || has_hidden_host(host->home, arena))
        return result;
    result = try_users_only(build_users, host, arena, err);
    if (result == 0)
        host->why_not = arena_print(arena, "%s%.*s", without_namespaces,
                                    (int)strcspn(err->text, ";"), err->text); /* not bwrap's */
    return result;
}

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
    if (strcmp(choice, "none") == 0)
        result = err_set(&err, "its owner chose none");
    else if (automatic && geteuid() == 0)
        result = try_root(build_users, out, arena, &err);
    else if (strcmp(choice, "users") == 0)
        result = try_users(build_users, out, arena, &err);
    else if (strcmp(choice, "users-only") == 0)
        result = try_users_only(build_users, out, arena, &err);
    else if (automatic || strcmp(choice, "namespaces") == 0)
        result = try_namespaces(out, arena, &err);
    else
        err_set(&err, "isolation is auto, users, users-only, namespaces or none, not \"%s\"",
                choice);
    if (result == 0) {
        if (out->level == ISOLATION_USERS_ONLY && !*out->why_not)
            out->why_not = arena_print(arena, "%sits owner chose that", without_namespaces);
        note_that_it_works(out, arena);
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
                   (isolation_has_users(host->level) || !*host->bwrap);
    if (isolation_has_users(host->level))
        host->network_closed = network_close(&host->users, host->home, trial, arena, &err) == 0;
    else
        err_set(&err, "only build users can be kept away from them");
    host->network_waits = trial && host->network_closed && !network_is_closed(&host->users);
    host->network_open = host->network_closed ? "" : arena_text(arena, err.text);
    if (isolation_has_users(host->level) && !host->network_closed)
        host->why_not = arena_print(arena,
                                    "%s%srecipes reach the ports of this host and link-local "
                                    "addresses: %s",
                                    host->why_not, *host->why_not ? "; " : "", host->network_open);
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
