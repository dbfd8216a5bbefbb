/* SPDX-License-Identifier: MIT */
/* sandbox_command.c - see sandbox_command.h. Libc only, static. */
#include "worker/process/sandbox_command.h"

#include "proto/base/landlock.h"
#include "proto/base/sandbox.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { EXIT_WORDS = 64, EXIT_SANDBOX = 71 };

struct command {
    struct sandbox sandbox;
    struct sandbox_entry entries[LIMIT_SANDBOX_ENTRIES];
    const char *bwrap, *status_path;
    int status; /* FILE, or -1 */
    char **words, **argv;
};

/* ---- the words of bwrap ---------------------------------------------------------------------- */

static const struct word {
    const char *name;
    int arguments; /* 1: TO; 2: FROM TO */
    enum sandbox_kind kind;
    bool optional;
} words[] = {
    {"--ro-bind", 2, SANDBOX_READ, false},    {"--ro-bind-try", 2, SANDBOX_READ, true},
    {"--bind", 2, SANDBOX_WRITE, false},      {"--bind-try", 2, SANDBOX_WRITE, true},
    {"--dev-bind", 2, SANDBOX_DEVICE, false}, {"--dev-bind-try", 2, SANDBOX_DEVICE, true},
    {"--symlink", 2, SANDBOX_LINK, false},    {"--tmpfs", 1, SANDBOX_TMPFS, false},
    {"--dir", 1, SANDBOX_FOLDER, false},      {"--dev", 1, SANDBOX_DEV, false},
    {"--proc", 1, SANDBOX_PROC, false},       {"--remount-ro", 1, SANDBOX_SEAL, false},
};

static const struct word *find_word(const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

/* The number of words that the first one takes with its arguments; 0: not one of ours. */
static int take_word(struct command *command, char **at, int left)
{
    struct sandbox *sandbox = &command->sandbox;
    const struct word *word = find_word(at[0]);
    if (strcmp(at[0], "--trusted") == 0)
        return sandbox->trusted = true, 1;
    if (strcmp(at[0], "--unshare-net") == 0) {
        sandbox->own_network = true;
        return 1;
    }
    if (strcmp(at[0], "--chdir") == 0 && left > 1) {
        sandbox->folder = at[1];
        return 2;
    }
    if (!word || left <= word->arguments || sandbox->entries_count == LIMIT_SANDBOX_ENTRIES ||
        at[word->arguments][0] != '/')
        return 0;
    command->entries[sandbox->entries_count++] =
        (struct sandbox_entry){.kind = word->kind,
                               .from = word->arguments == 2 ? at[1] : "",
                               .to = at[word->arguments],
                               .optional = word->optional};
    return 1 + word->arguments;
}

static bool take_words(struct command *command, int count)
{
    int at = 0;
    while (at < count && strcmp(command->words[at], "--") != 0) {
        int taken = take_word(command, command->words + at, count - at);
        if (taken == 0) {
            fprintf(stderr, "farm-supervisor: wrong word for a sandbox: %s\n", command->words[at]);
            return false;
        }
        at += taken;
    }
    command->argv = command->words + at + 1;
    command->sandbox.entries = command->entries;
    return at + 1 < count;
}

/* ---- our own options ------------------------------------------------------------------------- */

static bool take_id(const char *text, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    *out = (unsigned)number;
    return !errno && end != text && !*end && number > 0 && number < 0xfffffffe;
}

static bool take_options(struct command *command, int argc, char **argv)
{
    enum { UID = 1, GID, STATUS, BY, NO_NAMESPACES };
    static const struct option options[] = {{"uid", required_argument, NULL, UID},
                                            {"gid", required_argument, NULL, GID},
                                            {"status", required_argument, NULL, STATUS},
                                            {"by", required_argument, NULL, BY},
                                            {"no-namespaces", no_argument, NULL, NO_NAMESPACES},
                                            {NULL, 0, NULL, 0}};
    bool good = true;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        switch (option) {
        case UID:
            command->sandbox.become = good &= take_id(optarg, &command->sandbox.uid);
            break;
        case GID:
            good &= take_id(optarg, &command->sandbox.gid);
            break;
        case STATUS:
            command->status_path = optarg;
            break;
        case BY:
            command->bwrap = optarg;
            break;
        case NO_NAMESPACES:
            command->sandbox.no_namespaces = true;
            break;
        default:
            good = false;
        }
    }
    command->words = argv + optind;
    command->sandbox.processes_max = LIMIT_SANDBOX_PROCESSES;
    return good && command->sandbox.become == (command->sandbox.gid != 0) &&
           take_words(command, argc - optind);
}

/* ---- running --------------------------------------------------------------------------------- */

static int open_status(struct command *command)
{
    command->status = -1;
    if (!command->status_path)
        return 0;
    command->status =
        open(command->status_path,
             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (command->status < 0)
        fprintf(stderr, "farm-supervisor: cannot write %s: %s\n", command->status_path,
                strerror(errno));
    return command->status < 0 ? -1 : 0;
}

/* As the command ended: with its status, or by its signal. */
static int end_alike(const struct command *command, int status)
{
    if (command->status >= 0 && write(command->status, "ended\n", 6) < 0)
        return EXIT_SANDBOX;
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    sigset_t none;
    sigemptyset(&none);
    signal(WTERMSIG(status), SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

static int run_own(struct command *command)
{
    struct err err;
    int status;
    if (sandbox_run(&command->sandbox, command->argv, environ, &status, &err) == 0)
        return end_alike(command, status);
    fprintf(stderr, "farm-supervisor: the sandbox could not start: %s\n", err.text);
    return EXIT_SANDBOX;
}

/* For a trusted program bwrap makes folders alone. It needs a user namespace unless it runs as
 * root. */
static const char *const trusted_words[] = {"--die-with-parent", "--json-status-fd"};
static const char *const trusted_user_words[] = {"--unshare-user", "--die-with-parent",
                                                 "--json-status-fd"};

/* What our own sandbox does without being told. bwrap's pid 1 is readable inside: it gets the
 * command's environment and no other. */
static const char *const bwrap_words[] = {"--unshare-user",
                                          "--unshare-pid",
                                          "--unshare-ipc",
                                          "--unshare-uts",
                                          "--unshare-cgroup-try",
                                          "--cap-drop",
                                          "ALL",
                                          "--new-session",
                                          "--hostname",
                                          "build",
                                          "--die-with-parent",
                                          "--json-status-fd"};
enum { BWRAP_WORDS_MAX = sizeof bwrap_words / sizeof bwrap_words[0], STATUS_BYTES = 4096 };

static size_t first_words(const struct command *command, const char *const **out)
{
    *out = bwrap_words;
    if (!command->sandbox.trusted)
        return BWRAP_WORDS_MAX;
    *out = geteuid() == 0 ? trusted_words : trusted_user_words;
    return geteuid() == 0 ? 2 : 3;
}

static _Noreturn void fail_to_start(const char *why)
{
    fprintf(stderr, "farm-supervisor: the sandbox could not start: %s\n", why);
    _exit(EXIT_SANDBOX);
}

/* A stranger's command can neither be root nor keep what bwrap would pass on. */
static void become_stranger(const struct command *command)
{
    struct err err;
    if (!command->sandbox.become && geteuid() == 0)
        fail_to_start("root inside would own root's files outside: name another user");
    if (sandbox_check(&command->sandbox, &err) < 0)
        fail_to_start(err.text);
    if (sandbox_open_way(&command->sandbox, &err) < 0 ||
        sandbox_become(&command->sandbox, &err) < 0)
        fail_to_start(err.text);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    umask(022);
    /* The limit counts all processes of a user, and this one is new. */
    if (command->sandbox.become) {
        setrlimit(RLIMIT_NPROC, &(struct rlimit){LIMIT_SANDBOX_PROCESSES, LIMIT_SANDBOX_PROCESSES});
        landlock_scope();
    }
}

/* bwrap passes on all descriptors that it does not know. */
static void keep_descriptors(int status)
{
    for (int fd = STDERR_FILENO + 1; fd < status; fd++)
        close(fd);
    syscall(SYS_close_range, status + 1, ~0u, 0);
    fcntl(status, F_SETFD, 0);
}

/* The words, of which bwrap does not know --trusted, and must not enter the folder: if a stranger
 * removed it, that is the command's failure and not the sandbox's. */
static size_t add_words(const struct command *command, char **argv)
{
    static const char *const last[] = {"--remount-ro", "/", "--"};
    size_t used = 0;
    for (char **word = command->words; word < command->argv - 1; word++) {
        if (strcmp(*word, "--chdir") == 0 && !command->sandbox.trusted)
            word++;
        else if (strcmp(*word, "--trusted") != 0)
            argv[used++] = *word;
    }
    memcpy(argv + used, last, sizeof last);
    return used + sizeof last / sizeof last[0];
}

static void add_command(const struct command *command, char **argv)
{
    static const char enter_and_run[] = "cd -- \"$0\" || exit 127; exec \"$@\"";
    const char *folder = command->sandbox.folder;
    const char *const shell[] = {"sh", "-c", enter_and_run, folder ? folder : "/"};
    if (!command->sandbox.trusted) {
        memcpy(argv, shell, sizeof shell);
        argv += sizeof shell / sizeof shell[0];
    }
    for (char **word = command->argv; *word; word++)
        *argv++ = *word;
}

static _Noreturn void become_bwrap(const struct command *command, int status, size_t count)
{
    enum { ADDED_WORDS = 6 };
    char number[16];
    const char *const *first;
    char **argv = calloc(count + BWRAP_WORDS_MAX + ADDED_WORDS + 3, sizeof *argv);
    size_t used = first_words(command, &first);
    if (!argv)
        fail_to_start("no memory");
    if (!command->sandbox.trusted)
        become_stranger(command);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* after the change of user, which resets it */
    keep_descriptors(status);
    snprintf(number, sizeof number, "%d", status);
    argv[0] = (char *)command->bwrap;
    memcpy(argv + 1, first, used * sizeof *argv);
    argv[++used] = number;
    used += add_words(command, argv + used + 1);
    add_command(command, argv + used + 1);
    execv(command->bwrap, argv);
    fprintf(stderr, "farm-supervisor: cannot run %s: %s\n", command->bwrap, strerror(errno));
    _exit(EXIT_SANDBOX);
}

/* bwrap ends with 1 for a command that failed and for a sandbox that could not start; only its
 * status tells them apart. */
static bool command_ran(int status)
{
    char text[STATUS_BYTES];
    size_t size = 0;
    for (ssize_t n;
         size < sizeof text - 1 && (n = read(status, text + size, sizeof text - 1 - size));)
        if (n > 0)
            size += (size_t)n;
        else if (errno != EINTR)
            break;
    text[size] = '\0';
    return strstr(text, "\"exit-code\"") != NULL;
}

static int run_bwrap(const struct command *command, size_t count)
{
    int status[2], ended;
    if (pipe2(status, O_CLOEXEC) < 0)
        return EXIT_SANDBOX;
    pid_t bwrap = fork();
    if (bwrap == 0)
        become_bwrap(command, status[1], count);
    close(status[1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    bool ran = bwrap > 0 && command_ran(status[0]);
    while (bwrap > 0 && waitpid(bwrap, &ended, 0) < 0)
        if (errno != EINTR)
            return EXIT_SANDBOX;
    if (bwrap > 0 && (ran || WIFSIGNALED(ended)))
        return end_alike(command, ended);
    fprintf(stderr, "farm-supervisor: the sandbox could not start: see bwrap's line above\n");
    return EXIT_SANDBOX;
}

int sandbox_command_main(int argc, char **argv)
{
    static struct command command;
    bool good = take_options(&command, argc, argv);
    if (open_status(&command) < 0)
        return EXIT_SANDBOX;
    if (!good) {
        fprintf(stderr, "usage: farm-supervisor sandbox [--uid UID --gid GID] [--status FILE] "
                        "[--by BWRAP | --no-namespaces] -- WORD... -- COMMAND [ARG...]\n");
        return command.status_path ? EXIT_SANDBOX : EXIT_WORDS;
    }
    size_t count = (size_t)(argv + argc - command.words);
    return command.bwrap ? run_bwrap(&command, count) : run_own(&command);
}
