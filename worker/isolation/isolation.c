/* SPDX-License-Identifier: MIT */
/* isolation.c - what an attempt's sandbox contains, and its record FOLDER/isolation. */
#include "worker/isolation/isolation.h"

#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "worker/isolation/store.h"
#include "worker/isolation/words.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_BYTES_MAX = 8192 };

extern char **environ;

/* ---- the record ------------------------------------------------------------------------------ */

static int record_write(const struct isolation_host *host, const char *folder, uid_t user,
                        struct err *err)
{
    struct arena arena = {0};
    struct buf text = {0};
    buf_print(&text, "level %s\nuser %u\nusers %d\nsupervisor %s\nbwrap %s\nnetwork %s\n",
              isolation_names[host->level], (unsigned)user, user ? BUILD_USERS_BLOCK : 0,
              host->supervisor, host->bwrap, host->network_closed ? "closed" : "open");
    int result = io_write_file(arena_print(&arena, "%s/isolation", folder), text.data, text.size,
                               0644, false, err);
    buf_release(&text);
    arena_clear(&arena);
    return result;
}

static const char *record_value(const char *text, const char *name, struct arena *arena)
{
    size_t size = strlen(name);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, name, size) == 0 && line[size] == ' ')
            return arena_print(arena, "%.*s", (int)strcspn(line + size + 1, "\n"), line + size + 1);
    return "";
}

int isolation_read(const char *home, const char *folder, struct isolation *out, struct arena *arena,
                   struct err *err)
{
    struct buf text = {0};
    *out = (struct isolation){.level = ISOLATION_NONE};
    enum beneath found = beneath_read(folder, "isolation", RECORD_BYTES_MAX, &text, err);
    if (found != BENEATH_FOUND)
        return found == BENEATH_ABSENT ? 0 : -1;
    const char *record = text.size ? (const char *)text.data : "";
    int level = shape_enum_value(isolation_names, record_value(record, "level", arena));
    out->level = level > 0 ? (enum isolation_level)level : ISOLATION_UNKNOWN;
    out->user = (uid_t)strtoul(record_value(record, "user", arena), NULL, 10);
    out->users = (unsigned)strtoul(record_value(record, "users", arena), NULL, 10);
    out->supervisor = record_value(record, "supervisor", arena);
    out->bwrap = record_value(record, "bwrap", arena);
    out->etc = arena_print(arena, "%s/sandbox", home);
    buf_release(&text);
    bool good = out->level != ISOLATION_UNKNOWN &&
                isolation_has_users(out->level) == (out->user != 0 && out->users != 0);
    return !good ? err_set(err, "%s/isolation cannot be read", folder) : 0;
}

/* ---- the box --------------------------------------------------------------------------------- */

/* Modes of an attempt's folders. Without namespaces they alone keep other build users out, and a
 * folder that stays root's is one in which a build user moves and removes only what is its own. */
enum { MODE_SHOWN = 0755, MODE_OWN = 0700, MODE_PASSED = 0710, MODE_SHARED = 01770 };

static int set_mode(const char *path, mode_t mode, struct err *err)
{
    return chmod(path, mode) < 0
               ? err_set(err, "cannot change the mode of %s: %s", path, strerror(errno))
               : 0;
}

static int make_owned(const char *path, const struct isolation *isolation, struct err *err)
{
    uid_t user = isolation->user;
    if (mkdir(path, MODE_SHOWN) < 0 && errno != EEXIST)
        return err_set(err, "cannot make %s: %s", path, strerror(errno));
    if (isolation->level == ISOLATION_USERS_ONLY && set_mode(path, MODE_OWN, err) < 0)
        return -1;
    if (user && lchown(path, user, user) < 0)
        return err_set(err, "cannot give %s to user %u: %s", path, (unsigned)user, strerror(errno));
    return 0;
}

/* The user's group may use a folder of root's. */
static int share(const char *path, uid_t user, mode_t mode, struct err *err)
{
    if (lchown(path, 0, user) < 0)
        return err_set(err, "cannot give %s to group %u: %s", path, (unsigned)user,
                       strerror(errno));
    return set_mode(path, mode, err);
}

/* Git refuses repositories of another user, and this one is root's. */
static int trust_repository(const char *folder, uid_t user, struct err *err)
{
    static const char settings[] = "[safe]\n\tdirectory = *\n";
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/box/home/.gitconfig", folder);
    if (io_write_file(path, settings, sizeof settings - 1, 0644, false, err) < 0)
        return -1;
    return lchown(path, user, user) < 0 ? err_set(err, "cannot give %s to user %u: %s", path,
                                                  (unsigned)user, strerror(errno))
                                        : 0;
}

/* Other build users get no further than to the folder of all attempts, and cannot list that. */
static int close_folder(const char *folder, uid_t user, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/box", folder);
    if (share(folder, user, MODE_PASSED, err) < 0 || share(path, user, MODE_SHARED, err) < 0)
        return -1;
    return trust_repository(folder, user, err);
}

static int make_box(const char *folder, const struct isolation *isolation, struct err *err)
{
    static const char *const names[] = {"box", "box/home", "box/scratch", "box/roots", NULL};
    char path[PATH_MAX];
    for (size_t i = 0; names[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (make_owned(path, isolation, err) < 0)
            return -1;
    }
    return isolation->level == ISOLATION_USERS_ONLY ? close_folder(folder, isolation->user, err)
                                                    : 0;
}

int isolation_make_temporary(const struct isolation *isolation, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    if (isolation->level == ISOLATION_NONE)
        return 0;
    snprintf(path, sizeof path, "%s/tmp", folder);
    return io_remove_tree(path, err) < 0 ? -1 : make_owned(path, isolation, err);
}

int isolation_assign(const struct isolation_host *host, const char *folder, struct err *err)
{
    struct isolation isolation = {.level = host->level};
    struct stat record;
    if (beneath_look(folder, "isolation", &record, NULL) == BENEATH_FOUND)
        return 0;
    if (isolation_has_users(host->level) &&
        build_users_lease(&host->users, folder, &isolation.user, err) < 0)
        return -1;
    if (make_box(folder, &isolation, err) < 0)
        return -1;
    return record_write(host, folder, isolation.user, err);
}

static int check_own_home(struct err *err)
{
    const char *home = getenv("HOME");
    if (!home || !*home) /* programs then ask passwd */
        return 0;
    if (io_make_folders(home, 0755, err) < 0)
        return err_prefix(err, "HOME of this worker cannot be written");
    if (access(home, W_OK | X_OK) < 0)
        return err_set(err, "HOME of this worker, %s, cannot be written: %s", home,
                       strerror(errno));
    return 0;
}

/* Root may write what the build user may not, and the agent wrote there just now: so owner and mode
 * decide. */
int isolation_check_home(const struct isolation *isolation, const char *folder, struct err *err)
{
    struct stat about;
    char path[PATH_MAX];
    if (isolation->level == ISOLATION_NONE)
        return check_own_home(err);
    snprintf(path, sizeof path, "%s/box/home", folder);
    enum beneath found = beneath_look(folder, "box/home", &about, err);
    if (found == BENEATH_REFUSED)
        return err_prefix(err, "HOME of the recipe cannot be written");
    uid_t user = isolation_has_users(isolation->level) ? isolation->user : geteuid();
    if (found != BENEATH_FOUND || !S_ISDIR(about.st_mode))
        return err_set(err, "HOME of the recipe, %s, is no folder", path);
    if (about.st_uid != user || (about.st_mode & S_IRWXU) != S_IRWXU)
        return err_set(err,
                       "HOME of the recipe, %s, cannot be written by user %u: the file system of "
                       "the worker's folder does not keep owners or modes",
                       path, (unsigned)user);
    return 0;
}

/* Whether the entry stays root's: the repository in the tree's top folder. */
static bool stays(const struct isolation *isolation, const FTSENT *entry)
{
    return isolation->level == ISOLATION_USERS_ONLY && entry->fts_level == 1 &&
           strcmp(entry->fts_name, ".git") == 0;
}

static int give_all(FTS *tree, const struct isolation *isolation, struct err *err)
{
    uid_t user = isolation->user;
    for (FTSENT *entry; (entry = fts_read(tree));) {
        if (stays(isolation, entry))
            fts_set(tree, entry, FTS_SKIP);
        else if (entry->fts_info != FTS_D && lchown(entry->fts_accpath, user, user) < 0)
            return err_set(err, "cannot give %s to user %u: %s", entry->fts_path, (unsigned)user,
                           strerror(errno));
    }
    return 0;
}

int isolation_give(const struct isolation *isolation, const char *folder, const char *path,
                   struct err *err)
{
    char whole[PATH_MAX];
    if (!isolation_has_users(isolation->level))
        return 0;
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    FTS *tree =
        fts_open((char *const[]){whole, NULL}, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    if (!tree)
        return err_set(err, "cannot read %s: %s", whole, strerror(errno));
    int result = give_all(tree, isolation, err);
    fts_close(tree);
    if (result == 0 && isolation->level == ISOLATION_USERS_ONLY)
        result = share(whole, isolation->user, MODE_SHARED, err);
    return result;
}

/* ---- what is present ------------------------------------------------------------------------- */

/* Never /etc/nix, which may hold tokens, nor a user's files. */
static void add_etc(struct texts *argv, const char *etc)
{
    static const char *const theirs[] = {
        "/etc/resolv.conf", "/etc/hosts",           "/etc/ssl",
        "/etc/pki",         "/etc/ca-certificates", "/etc/ld.so.cache",
        "/etc/ld.so.conf",  "/etc/ld.so.conf.d",    "/etc/alternatives",
        "/etc/localtime",   "/etc/protocols",       "/etc/services",
        "/etc/static",      "/etc/os-release",      NULL};
    static const char *const ours[] = {"passwd", "group", "nsswitch.conf", "nix/nix.conf", NULL};
    for (size_t i = 0; theirs[i]; i++)
        words_bind(argv, "--ro-bind-try", theirs[i]);
    for (size_t i = 0; ours[i]; i++) {
        texts_add(argv, "--ro-bind");
        texts_add(argv, "%s/%s", etc, ours[i]);
        texts_add(argv, "/etc/%s", ours[i]);
    }
}

/* The nodes of these GPUs and those that control the NVIDIA driver; never /dev/dri, which has all
 * GPUs. The driver's libraries are below /usr, or below /run/opengl-driver on NixOS. */
static void add_gpu(const char *const *gpus, struct texts *argv)
{
    static const char *const nodes[] = {"/dev/nvidiactl",        "/dev/nvidia-uvm",
                                        "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset",
                                        "/dev/nvidia-caps",      NULL};
    for (size_t i = 0; nodes[i]; i++)
        words_bind(argv, "--dev-bind-try", nodes[i]);
    for (size_t i = 0; gpus[i]; i++)
        words_bind(argv, "--dev-bind-try", gpus[i]);
    words_bind(argv, "--ro-bind-try", "/run/opengl-driver");
    words_bind(argv, "--ro-bind-try", "/sys/bus/pci");
    words_bind(argv, "--ro-bind-try", "/sys/module/nvidia");
}

/* Before all else: what the sandbox shows may lie below the host's /tmp. */
static void add_temporary(const struct isolation_view *view, struct texts *argv)
{
    for (int i = 0; i < 2; i++) {
        texts_add(argv, "--bind");
        texts_add(argv, "%s/tmp", view->folder);
        texts_add(argv, i ? "/var/tmp" : "/tmp");
    }
}

static void add_folder(const struct isolation_view *view, struct texts *argv)
{
    texts_add(argv, "--chdir");
    if (view->working_folder)
        texts_add(argv, "%s", view->working_folder);
    else
        texts_add(argv, "%s/box", view->folder);
}

static void add_box(const struct isolation_view *view, struct texts *argv)
{
    const char *box = arena_print(argv->arena, "%s/box", view->folder);
    words_bind(argv, "--bind", box);
    if (view->objects && *view->objects)
        words_bind(argv, "--ro-bind", view->objects);
    if (view->repository && *view->repository) {
        texts_add(argv, "--ro-bind");
        texts_add(argv, "%s", view->repository);
        texts_add(argv, "%s", view->git_place);
    }
    if (view->seed && *view->seed) /* nix fetches again what it misses */
        words_bind(argv, "--ro-bind-try", view->seed);
    add_folder(view, argv);
}

/* What namespaces show, and where the command starts. */
static void add_view(const struct isolation *isolation, const struct isolation_view *view,
                     struct texts *argv)
{
    struct store store;
    add_temporary(view, argv);
    words_programs(isolation->etc, argv); /* in the home */
    texts_add(argv, "--dev");
    texts_add(argv, "/dev");
    texts_add(argv, "--proc");
    texts_add(argv, "/proc");
    words_bind(argv, "--ro-bind-try", "/sys/devices/system/cpu");
    words_bind(argv, "--ro-bind-try", "/sys/devices/system/node");
    if (view->gpu)
        add_gpu(view->gpu, argv);
    add_etc(argv, isolation->etc);
    store_look(&store, argv->arena);
    store_words(&store, view->socket_folder, argv);
    add_box(view, argv);
}

void isolation_words(const struct isolation *isolation, const struct isolation_view *view,
                     struct texts *argv)
{
    if (isolation->level == ISOLATION_NONE)
        return;
    texts_add(argv, "%s", isolation->supervisor);
    texts_add(argv, "sandbox");
    if (isolation_has_users(isolation->level)) {
        texts_add(argv, "--uid");
        texts_add(argv, "%u", (unsigned)isolation->user);
        texts_add(argv, "--gid");
        texts_add(argv, "%u", (unsigned)isolation->user);
    }
    texts_add(argv, "--status");
    texts_add(argv, "%s/sandbox", view->folder);
    if (*isolation->bwrap) {
        texts_add(argv, "--by");
        texts_add(argv, "%s", isolation->bwrap);
    }
    if (isolation->level == ISOLATION_USERS_ONLY)
        texts_add(argv, "--no-namespaces");
    texts_add(argv, "--");
    if (isolation->level == ISOLATION_USERS_ONLY)
        add_folder(view, argv);
    else
        add_view(isolation, view, argv);
    texts_add(argv, "--");
}

/* ---- the environment ------------------------------------------------------------------------- */

const char *isolation_account(enum isolation_level level, uid_t user, struct arena *arena)
{
    return isolation_has_users(level) ? arena_print(arena, "build-%u", (unsigned)user) : "build";
}

/* The names that pass; one that ends in '*' is a prefix. What may be a URL with a password does not
 * pass with one. The FLOX_* say which FloxHub an owner uses. */
static const char *const passing[] = {"PATH",
                                      "LANG",
                                      "LC_*",
                                      "TZ",
                                      "SSL_CERT_FILE",
                                      "SSL_CERT_DIR",
                                      "NIX_SSL_CERT_FILE",
                                      "FLOX_FLOXHUB_URL",
                                      "FLOX_CATALOG_URL",
                                      "http_proxy",
                                      "https_proxy",
                                      "all_proxy",
                                      "no_proxy",
                                      "HTTP_PROXY",
                                      "HTTPS_PROXY",
                                      "ALL_PROXY",
                                      "NO_PROXY",
                                      NULL};

static bool passes(const char *entry)
{
    size_t name = strcspn(entry, "=");
    bool is_url = strcasestr(entry, "proxy=") || strncmp(entry, "FLOX_", 5) == 0;
    if (is_url && strchr(entry + name, '@'))
        return false;
    for (size_t i = 0; passing[i]; i++) {
        size_t size = strlen(passing[i]);
        if (passing[i][size - 1] == '*' ? strncmp(entry, passing[i], size - 1) == 0
                                        : name == size && strncmp(entry, passing[i], size) == 0)
            return true;
    }
    return false;
}

void isolation_environment(const struct isolation *isolation, const struct isolation_view *view,
                           struct texts *environment)
{
    static const char *const without[] = {"FARM_*", NULL};
    struct store store;
    if (isolation->level == ISOLATION_NONE) {
        texts_environment(environment, without);
        return;
    }
    for (char **entry = environ; *entry; entry++)
        if (passes(*entry)) {
            const char *equals = strchr(*entry, '=');
            texts_set(environment,
                      arena_print(environment->arena, "%.*s", (int)(equals - *entry), *entry), "%s",
                      equals + 1);
        }
    texts_set(environment, "HOME", "%s/box/home", view->folder);
    if (isolation->level == ISOLATION_USERS_ONLY) {
        texts_set(environment, "TMPDIR", "%s/tmp", view->folder);
        texts_set(environment, "NIX_CONF_DIR", "%s/nix",
                  isolation->etc); /* the host's has tokens */
    } else {
        texts_set(environment, "TMPDIR", "/tmp");
    }
    const char *account = isolation_account(isolation->level, isolation->user, environment->arena);
    texts_set(environment, "USER", "%s", account);
    texts_set(environment, "LOGNAME", "%s", account);
    store_look(&store, environment->arena);
    store_environment(&store, view->socket_folder, environment);
}

bool isolation_failed(const struct isolation *isolation, const char *folder)
{
    struct stat there;
    return isolation->level != ISOLATION_NONE &&
           beneath_look(folder, "sandbox", &there, NULL) == BENEATH_FOUND && there.st_size == 0;
}
