/* SPDX-License-Identifier: MIT */
/* git.c - runs git, and reads a project's bare clone with it. */
#include "coordinator/discovery/git.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/landlock.h"
#include "proto/base/log.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- running git ---------------------------------------------------------------------------- */

enum { ARGUMENTS_MAX = 32, KILLED_MAX = 3 };

/* Options before every command, which override the machine's configuration. */
static const char *const always[] = {"git",
                                     "-c",
                                     "core.hooksPath=/dev/null",
                                     "-c",
                                     "gc.autoDetach=false",
                                     "-c",
                                     "protocol.ext.allow=never"};
enum { ALWAYS = sizeof always / sizeof always[0] };

static bool is_ours_to_hide(const char *variable)
{
    static const char *const hidden[] = {"GIT_DIR=",
                                         "GIT_WORK_TREE=",
                                         "GIT_INDEX_FILE=",
                                         "GIT_PREFIX=",
                                         "GIT_COMMON_DIR=",
                                         "GIT_OBJECT_DIRECTORY=",
                                         "GIT_ALTERNATE_OBJECT_DIRECTORIES=",
                                         "GIT_NAMESPACE=",
                                         "CREDENTIALS_DIRECTORY=",
                                         "LC_ALL=",
                                         "LANGUAGE=",
                                         NULL};
    for (size_t i = 0; hidden[i]; i++)
        if (strncmp(variable, hidden[i], strlen(hidden[i])) == 0)
            return true;
    return false;
}

/* Our environment, changed so that git neither prompts nor translates its messages. */
static const char **git_environment(const struct git *git)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    const char **out = mem_new((count + 6) * sizeof *out);
    for (size_t i = 0; i < count; i++)
        if (!is_ours_to_hide(environ[i]))
            out[kept++] = environ[i];
    out[kept++] = "LC_ALL=C";
    if (git && git->is_of_others) /* then git does not ask who owns the clone */
        out[kept++] = "GIT_DIR=.";
    out[kept++] = "GIT_TERMINAL_PROMPT=0";
    if (!getenv("GIT_ASKPASS"))
        out[kept++] = "GIT_ASKPASS=true";
    if (!getenv("GIT_SSH_COMMAND") && !getenv("GIT_SSH"))
        out[kept++] = "GIT_SSH_COMMAND=ssh -o BatchMode=yes";
    return out;
}

/* The files for git's standard input, output and error. */
struct files {
    int in, out, err;
};

static void close_files(const struct files *files)
{
    const int fds[] = {files->in, files->out, files->err};
    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int open_files(struct files *files, struct bytes input, struct err *err)
{
    files->in = memfd_create("git-input", MFD_CLOEXEC);
    files->out = memfd_create("git-output", MFD_CLOEXEC);
    files->err = memfd_create("git-error", MFD_CLOEXEC);
    if (files->in < 0 || files->out < 0 || files->err < 0)
        return err_set(err, "cannot make a memory file: %s", strerror(errno));
    if (io_write_all(files->in, input.data, input.size, err) < 0)
        return -1;
    lseek(files->in, 0, SEEK_SET);
    return 0;
}

static bool is_too_much(const struct files *files)
{
    struct stat out, error;
    return fstat(files->out, &out) < 0 || fstat(files->err, &error) < 0 ||
           (uint64_t)out.st_size + (uint64_t)error.st_size > LIMIT_GIT_BYTES;
}

/* Waits for git; kills its whole session when it takes too long or prints too much. */
static int await_git(pid_t pid, const struct files *files, const char *what, struct err *err)
{
    uint64_t deadline_ms = clock_boot_ms() + LIMIT_DISCOVERY_MS;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), result = 0, status = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    /* Checks ten times a second how much git printed: a memory file has no other bound. */
    while (result == 0 && poll(&wait, 1, 100) != 1) {
        if (clock_boot_ms() > deadline_ms)
            result = err_set(err, "git %s took longer than %d minutes: try again", what,
                             LIMIT_DISCOVERY_MS / 60000);
        else if (is_too_much(files))
            result = err_set(err, "git %s printed more than %u MB", what, LIMIT_GIT_BYTES >> 20);
    }
    if (result < 0)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    close(fd);
    if (result < 0)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int read_back(int fd, struct buf *out, struct err *err)
{
    struct stat stat;
    if (fstat(fd, &stat) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_set(err, "cannot read git's output: %s", strerror(errno));
    buf_reserve(out, (size_t)stat.st_size);
    for (;;) {
        ssize_t size = read(fd, out->data + out->size, out->capacity - out->size - 1);
        if (size < 0)
            return err_set(err, "cannot read git's output: %s", strerror(errno));
        if (size == 0)
            break;
        out->size += (size_t)size;
    }
    out->data[out->size] = '\0';
    return 0;
}

/* What git, ssh and servers say of a repository that cannot be read, and what to do. The order is
 * the priority: what stands first causes what stands below. */
static const struct {
    const char *text, *advice;
} reasons[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED",
     "if that is right, remove the old key: ssh-keygen -R HOST, as the user who runs farmd"},
    {"Host key verification failed",
     "no key of the host is known: connect once by ssh as the user who runs farmd, or add its key "
     "to ~/.ssh/known_hosts"},
    {"Permission denied (", "add an ssh key of the user who runs farmd to the account, or use the "
                            "https URL of a public repository"},
    {"Authentication failed", "the server wants a login: use an ssh URL with a key"},
    {"could not read Username",
     "the repository is private or does not exist: check the URL, or use "
     "an ssh URL with a key"},
    {"could not read Password", "the server wants a login: use an ssh URL with a key"},
    {"Repository not found", "check the URL; a private repository needs an ssh URL with a key"},
    {"' not found", "check the URL; a private repository needs an ssh URL with a key"},
    {"does not appear to be a git repository", "check the URL"},
    {"does not exist", "check the URL"},
    {"dubious ownership", "the repository belongs to another user: git config --global "
                          "safe.directory, as the user who runs farmd"},
    {"ould not resolve host", "check the host's name and the network"},
    {"Connection refused", "check the URL's host and port"},
    {"Connection timed out", "check the network: the host does not answer"},
    {"Network is unreachable", "check the network"},
    {"SSL certificate problem", "the server's certificate is not trusted here"},
};
enum { REASONS = sizeof reasons / sizeof reasons[0] };

/* Without git's and a server's prefixes. */
static const char *strip_prefixes(const char *line)
{
    static const char *const prefixes[] = {"remote: ", "fatal: ", "ERROR: ", "error: "};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(line, prefixes[i], strlen(prefixes[i])) == 0)
            line += strlen(prefixes[i]);
    return line;
}

/* These follow each failed connection and say nothing of it. */
static bool is_general(const char *line)
{
    return strstr(line, "Could not read from remote repository") ||
           strstr(line, "Please make sure you have the correct access rights") ||
           strcmp(line, "and the repository exists.") == 0;
}

/* The line that says why: of the highest row, or else git's last `fatal:` line, or else its last.
 * *advice is what to do, or "". Cuts the text into lines. */
static const char *find_reason(char *text, const char **advice)
{
    const char *found = NULL, *last = NULL;
    size_t best = REASONS;
    bool fatal = false;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        for (size_t i = 0; i < best; i++)
            if (strstr(line, reasons[i].text)) {
                best = i;
                found = line;
            }
        bool is_fatal = strncmp(line, "fatal: ", 7) == 0;
        if (*line && !is_general(line) && (is_fatal || !fatal))
            last = line;
        fatal |= is_fatal && !is_general(line);
    }
    *advice = best < REASONS ? reasons[best].advice : "";
    return found ? found : last;
}

static int set_git_error(const char *what, const struct files *files, struct err *err)
{
    struct buf text = {0};
    const char *advice;
    if (read_back(files->err, &text, err) < 0)
        return -1;
    const char *said = find_reason((char *)text.data, &advice);
    err_set(err, "git %s failed: %.300s%s%s", what,
            said ? strip_prefixes(said) : "it was killed or gave no reason", *advice ? ": " : "",
            advice);
    buf_release(&text);
    return -1;
}

/* Removes lock files. We hold the clone's lock, so they are from a git that was killed. No ref has
 * such a name. */
static void drop_stale_locks(const struct git *git)
{
    static const char *const files[] = {"config.lock", "packed-refs.lock", "HEAD.lock",
                                        "shallow.lock"};
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(arena_print(&arena, "%s/%s", git->folder, files[i]));
    io_remove_suffixed(arena_print(&arena, "%s/refs", git->folder), ".lock");
    arena_clear(&arena);
}

/* ---- what git may see ------------------------------------------------------------------------ */

/* HOME of HOME/git/NAME.git, in the arena. */
static const char *home_of(const struct git *git, struct arena *arena)
{
    const char *tail = strrchr(git->folder, '/');
    tail = tail ? memrchr(git->folder, '/', (size_t)(tail - git->folder)) : NULL;
    return tail ? arena_print(arena, "%.*s", (int)(tail - git->folder), git->folder) : "/";
}

/* What a thread starts that has given up the farm's files; ours has not. */
struct hidden_start {
    const struct io_spawn *spawn;
    const char *home, *seen;
    struct err *err, refusal;
    pid_t pid;
};

/* Whether the user's own configuration and keys would be hidden. */
static bool hides_users_home(const char *home)
{
    const char *users = getenv("HOME");
    size_t size = strlen(home);
    return users && strncmp(users, home, size) == 0 && users[size] == '/' && users[size + 1];
}

static void *start_hidden(void *context)
{
    struct hidden_start *start = context;
    /* Besides the clones what git and ssh have of a user whose home is the farm's, as that of the
     * service is. */
    const char *const kept[] = {"git",     ".ssh",   ".gitconfig", ".git-credentials",
                                ".config", ".netrc", start->seen,  NULL};
    start->refusal = (struct err){""};
    if (hides_users_home(start->home))
        err_set(&start->refusal, "the user's home lies below the farm's");
    else
        landlock_hide(start->home, kept, &start->refusal);
    start->pid = io_spawn(start->spawn, start->err);
    return NULL;
}

/* Beside the clones. Said when it changes, and not at each run. */
static void note_refusal(const char *home, const char *refusal, struct arena *arena)
{
    struct buf before = {0};
    const char *path = arena_print(arena, "%s/git/fetching", home);
    const char *now = *refusal ? arena_print(arena, "sees the farm's files: %s\n", refusal)
                               : "sees the clones alone\n";
    if (!io_peek_file(path, sizeof(struct err), &before) ||
        strcmp((const char *)before.data, now) != 0) {
        if (*refusal)
            log_warn("git, which reads what servers send, sees the farm's files: %s", refusal);
        io_write_file(path, now, strlen(now), 0600, false, NULL);
    }
    buf_release(&before);
}

/* As io_spawn. A reader of somebody else's clone is in a domain of its own (domain.h). */
static pid_t start_git(const struct git *git, const struct io_spawn *spawn, struct err *err)
{
    struct arena arena = {0};
    pthread_t thread;
    if (!git || git->is_of_others)
        return io_spawn(spawn, err);
    struct hidden_start start = {
        .spawn = spawn, .home = home_of(git, &arena), .seen = git->seen, .err = err, .pid = -1};
    int reason = pthread_create(&thread, NULL, start_hidden, &start);
    if (reason) {
        err_set(err, "cannot start a thread: %s", strerror(reason));
    } else {
        pthread_join(thread, NULL);
        note_refusal(start.home, start.refusal.text, &arena);
    }
    arena_clear(&arena);
    return start.pid;
}

/* Runs git once; returns its exit status, or -1. Its output is in `files`. */
static int run_once(const struct git *git, const char *const *argv, struct bytes input,
                    struct files *files, struct err *err)
{
    const char **environment = git_environment(git);
    int result = open_files(files, input, err);
    if (result == 0) {
        struct io_spawn spawn = {.argv = argv,
                                 .environment = environment,
                                 .folder = git ? git->folder : NULL,
                                 .stdin_fd = files->in,
                                 .stdout_fd = files->out,
                                 .stderr_fd = files->err,
                                 .new_session = true};
        pid_t pid = start_git(git, &spawn, err);
        result = pid < 0 ? -1 : await_git(pid, files, argv[ALWAYS], err);
    }
    free(environment);
    return result;
}

/* Runs git in the clone (NULL: in no clone) and appends its output. A killed git, for example when
 * memory is short, says nothing about the repository; all our commands may be repeated once its
 * lock files are removed. */
static int run_git(const struct git *git, const char *const *arguments, struct bytes input,
                   struct buf *out, struct err *err)
{
    const char *argv[ALWAYS + ARGUMENTS_MAX] = {0};
    struct files files;
    int result, tries = 0;
    memcpy(argv, always, sizeof always);
    for (size_t i = 0; arguments[i] && i < ARGUMENTS_MAX - 1; i++)
        argv[ALWAYS + i] = arguments[i];
    for (;;) {
        files = (struct files){-1, -1, -1};
        result = run_once(git, argv, input, &files, err);
        if (result != 128 + SIGKILL || ++tries == KILLED_MAX)
            break;
        close_files(&files);
        if (git)
            drop_stale_locks(git);
    }
    if (result > 0)
        result = set_git_error(arguments[0], &files, err);
    else if (result == 0)
        result = read_back(files.out, out, err);
    close_files(&files);
    return result;
}

#define NO_INPUT       ((struct bytes){0})
#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs git and ignores its output. */
static int do_git(const struct git *git, const char *const *arguments, struct err *err)
{
    struct buf out = {0};
    int result = run_git(git, arguments, NO_INPUT, &out, err);
    buf_release(&out);
    return result;
}

/* ---- the clone ------------------------------------------------------------------------------ */

/* Root's clones are read as nobody (domain.h), and were once made with any umask. HOME/git keeps
 * other users of the machine away. */
static int open_to_nobody(const struct git *git, struct err *err)
{
    const char *argv[] = {"chmod", "-R", "a+rX", "--", git->folder, NULL};
    struct stat now;
    struct buf out = {0};
    if (stat(git->folder, &now) == 0 && (now.st_mode & S_IXOTH))
        return 0;
    int status = io_run(argv, NULL, 1 << 16, LIMIT_DISCOVERY_MS, &out, err);
    buf_release(&out);
    return status > 0 ? err_set(err, "cannot make %s readable", git->folder) : status;
}

int git_open(const char *home, const char *name, struct git *git, struct arena *arena,
             struct err *err)
{
    const char *folder = arena_print(arena, "%s/git", home);
    const char *lock = arena_print(arena, "%s/%s.lock", folder, name);
    git->folder = arena_print(arena, "%s/%s.git", folder, name);
    git->lock_fd = -1;
    git->is_of_others = false;
    git->seen = NULL;
    if (io_make_folders(folder, 0700, err) < 0)
        return -1;
    git->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (git->lock_fd < 0)
        return err_set(err, "cannot open %s: %s", lock, strerror(errno));
    while (flock(git->lock_fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_set(err, "cannot lock %s: %s", lock, strerror(errno));
    drop_stale_locks(git);
    /* Harmless for an existing clone; completes one whose creation was interrupted. */
    if (geteuid() == 0)
        umask(022);
    if (io_make_folders(git->folder, 0777, err) < 0 ||
        do_git(git, ARGUMENTS("init", "--quiet", "--bare", "--", git->folder), err) < 0)
        return -1;
    return geteuid() == 0 ? open_to_nobody(git, err) : 0;
}

void git_close(struct git *git)
{
    if (git->lock_fd >= 0)
        close(git->lock_fd);
    git->lock_fd = -1;
}

/* The path that a URL names on this machine, or NULL. */
static const char *local_path(const char *url)
{
    static const char scheme[] = "file://";
    if (strncmp(url, scheme, sizeof scheme - 1) == 0)
        url += sizeof scheme - 1;
    return *url == '/' ? url : NULL;
}

int git_fetch(const struct git *git, const char *url, struct err *err)
{
    struct git fetching = *git;
    fetching.seen = local_path(url);
    return do_git(&fetching,
                  ARGUMENTS("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head",
                            "--", url, "+refs/heads/*:refs/remotes/origin/*"),
                  err);
}

bool git_has_commit(const struct git *git, const char *commit)
{
    struct arena arena = {0};
    const char *object = arena_print(&arena, "%s^{commit}", commit);
    bool has = do_git(git, ARGUMENTS("cat-file", "-e", object), NULL) == 0;
    arena_clear(&arena);
    return has;
}

bool git_on_branch(const struct git *git, const char *commit)
{
    struct arena arena = {0};
    struct buf out = {0};
    const char *contains = arena_print(&arena, "--contains=%s", commit);
    bool has = git_has_commit(git, commit) &&
               run_git(git,
                       ARGUMENTS("for-each-ref", "--count=1", "--format=%(refname)", contains,
                                 "refs/remotes/origin/"),
                       NO_INPUT, &out, NULL) == 0 &&
               out.size > 1;
    buf_release(&out);
    arena_clear(&arena);
    return has;
}

bool git_is_ancestor(const struct git *git, const char *older, const char *newer)
{
    return do_git(git, ARGUMENTS("merge-base", "--is-ancestor", older, newer), NULL) == 0;
}

uint64_t git_depth(const struct git *git, const char *commit)
{
    struct buf out = {0};
    uint64_t depth = 0;
    if (run_git(git, ARGUMENTS("rev-list", "--count", commit), NO_INPUT, &out, NULL) == 0)
        depth = strtoull((const char *)out.data, NULL, 10);
    buf_release(&out);
    return depth;
}

int git_unbundle(const struct git *git, const char *bundle, const char *commit, struct err *err)
{
    struct arena arena = {0};
    /* The ref protects the commit from git's garbage collection while workers may still need it. */
    const char *ref = arena_print(&arena, "refs/farm/local/%s", commit);
    struct git reading = *git;
    reading.seen = bundle;
    int result = do_git(&reading, ARGUMENTS("bundle", "unbundle", bundle), err);
    if (result == 0 && !git_has_commit(git, commit))
        result = err_set(err, "the bundle does not have commit %s", commit);
    if (result == 0)
        result = do_git(git, ARGUMENTS("update-ref", ref, commit), err);
    arena_clear(&arena);
    return result;
}

const char *git_head(const struct git *git, const char *url, struct arena *arena)
{
    static const char prefix[] = "ref: refs/heads/";
    struct buf out = {0};
    const char *head = "";
    struct git asking = *git;
    asking.seen = local_path(url);
    if (run_git(&asking, ARGUMENTS("ls-remote", "--symref", "--", url, "HEAD"), NO_INPUT, &out,
                NULL) == 0 &&
        strncmp((char *)out.data, prefix, strlen(prefix)) == 0) {
        const char *name = (char *)out.data + strlen(prefix);
        head = arena_print(arena, "%.*s", (int)strcspn(name, "\t\n"), name);
    }
    buf_release(&out);
    return head;
}

/* All refs below a prefix, which ends in '/', named without it. */
static int list_refs(const struct git *git, const char *prefix, struct git_branch **branches,
                     size_t *count, struct arena *arena, struct err *err)
{
    struct buf out = {0};
    size_t capacity = 0;
    struct git_branch *found = NULL;
    *count = 0;
    if (run_git(git, ARGUMENTS("for-each-ref", "--format=%(objectname) %(refname)", prefix),
                NO_INPUT, &out, err) < 0)
        return -1;
    for (char *rest = (char *)out.data, *line; (line = strsep(&rest, "\n"));) {
        char *ref = strchr(line, ' ');
        if (!ref || strncmp(ref + 1, prefix, strlen(prefix)) != 0)
            continue;
        *ref = '\0';
        MEM_GROW(found, *count, capacity);
        found[(*count)++] = (struct git_branch){arena_text(arena, ref + 1 + strlen(prefix)),
                                                arena_text(arena, line)};
    }
    *branches = arena_new(arena, *count * sizeof *found);
    if (*count)
        memcpy(*branches, found, *count * sizeof *found);
    free(found);
    buf_release(&out);
    return 0;
}

int git_branches(const struct git *git, struct git_branch **branches, size_t *count,
                 struct arena *arena, struct err *err)
{
    return list_refs(git, "refs/remotes/origin/", branches, count, arena, err);
}

int git_mentioned(const struct git *git, struct git_branch **branches, size_t *count,
                  struct arena *arena, struct err *err)
{
    return list_refs(git, "refs/farm/mentioned/", branches, count, arena, err);
}

int git_mention(const struct git *git, const struct git_branch *branch, struct err *err)
{
    struct arena arena = {0};
    const char *ref = arena_print(&arena, "refs/farm/mentioned/%s", branch->name);
    int result = do_git(git, ARGUMENTS("update-ref", ref, branch->commit), err);
    arena_clear(&arena);
    return result;
}

/* ---- trees and blobs ------------------------------------------------------------------------ */

/* "100644 blob ID\tPATH" */
static bool parse_entry(char *line, struct git_entry *entry)
{
    char *path = strchr(line, '\t');
    char *id = path ? memrchr(line, ' ', (size_t)(path - line)) : NULL;
    if (!id)
        return false;
    *path = '\0';
    entry->path = path + 1;
    entry->id = id + 1;
    entry->kind = strncmp(line, "120000", 6) == 0   ? GIT_LINK
                  : strncmp(line, "040000", 6) == 0 ? GIT_FOLDER
                  : strncmp(line, "160000", 6) == 0 ? GIT_MODULE
                                                    : GIT_FILE;
    return true;
}

static int compare_by_path(const void *a, const void *b)
{
    return strcmp(((const struct git_entry *)a)->path, ((const struct git_entry *)b)->path);
}

int git_tree(const struct git *git, const char *commit, struct git_entry **entries, size_t *count,
             struct arena *arena, struct err *err)
{
    struct buf out = {0};
    *count = 0;
    if (run_git(git, ARGUMENTS("ls-tree", "-r", "-t", "-z", "--full-tree", commit), NO_INPUT, &out,
                err) < 0)
        return -1;
    size_t lines = 1; /* the last line may have no newline */
    for (size_t i = 0; i < out.size; i++)
        lines += !out.data[i];
    char *text = arena_new(arena, out.size + 1);
    if (out.size)
        memcpy(text, out.data, out.size);
    *entries = arena_new(arena, lines * sizeof **entries);
    for (char *line = text; line < text + out.size;) {
        char *next = line + strlen(line) + 1;
        *count += parse_entry(line, &(*entries)[*count]);
        line = next;
    }
    qsort(*entries, *count, sizeof **entries, compare_by_path);
    buf_release(&out);
    return 0;
}

/* Reads an answer of cat-file: "ID blob SIZE\n", the bytes, "\n". Returns the offset of the next.
 */
static size_t read_blob(const struct buf *out, size_t at, struct bytes *blob)
{
    const char *head = (const char *)out->data + at;
    const char *end = memchr(head, '\n', out->size - at);
    const char *space = end ? memrchr(head, ' ', (size_t)(end - head)) : NULL;
    *blob = (struct bytes){0};
    if (!space)
        return out->size;
    size_t begin = (size_t)(end + 1 - (const char *)out->data);
    if (space[1] < '0' || space[1] > '9')
        return begin; /* "ID missing" */
    size_t size = strtoul(space + 1, NULL, 10);
    if (size >= out->size - begin)
        return out->size;
    if (size <= LIMIT_RECIPE_BYTES)
        *blob = (struct bytes){out->data + begin, size};
    return begin + size + 1;
}

/* Maximum blobs per git: real recipes are below 20 kB, so our memory stays below 160 MB. */
enum { BLOBS_AT_ONCE = 8192 };

static int show_blobs(const struct git *git, const char *const *ids, size_t first, size_t end,
                      git_visit visit, void *context, struct err *err)
{
    struct buf in = {0}, out = {0};
    for (size_t i = first; i < end; i++)
        buf_print(&in, "%s\n", ids[i]);
    int result =
        run_git(git, ARGUMENTS("cat-file", "--batch"), (struct bytes){in.data, in.size}, &out, err);
    size_t at = 0;
    for (size_t i = first; result == 0 && i < end; i++) {
        struct bytes blob;
        at = read_blob(&out, at, &blob);
        visit(context, i, blob);
    }
    buf_release(&in);
    buf_release(&out);
    return result;
}

int git_blobs(const struct git *git, const char *const *ids, size_t count, git_visit visit,
              void *context, struct err *err)
{
    for (size_t i = 0; i < count; i += BLOBS_AT_ONCE) {
        size_t end = count - i < BLOBS_AT_ONCE ? count : i + BLOBS_AT_ONCE;
        if (show_blobs(git, ids, i, end, visit, context, err) < 0)
            return -1;
    }
    return 0;
}
