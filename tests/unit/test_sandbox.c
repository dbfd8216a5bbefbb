/* SPDX-License-Identifier: MIT */
/* The sandbox as a program, `farm-supervisor sandbox`: our own and, where it is installed, bwrap
 * with the same words. As root the command runs as a build user, else as who runs the tests. */
#include "proto/base/io.h"
#include "proto/base/user_leftovers.h"
#include "tests/unit/folders.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

static const char supervisor[] = FARM_BINARY_DIR "/bin/farm-supervisor";
static const char bwrap[] = "/usr/bin/bwrap";
enum { USER = 59900, WORDS_MAX = 64, OUTPUT_BYTES = 1 << 16, TIMEOUT_MS = 30000 };

/* ---- running ---------------------------------------------------------------------------- */

struct run {
    struct place *place;
    bool by_bwrap;
    const char *argv[WORDS_MAX];
    size_t count;
};

static void add(struct run *run, const char *word)
{
    assert_true(run->count + 1 < WORDS_MAX);
    run->argv[run->count++] = word;
}

static void add_list(struct run *run, const char *const *words)
{
    for (; *words; words++)
        add(run, *words);
}

/* Up to the words; the host's programs are the first of them. */
static struct run begin(struct place *place, bool by_bwrap)
{
    static const char *const programs[] = {
        "--",        "--ro-bind", "/usr",  "/usr",      "--symlink", "usr/bin", "/bin",
        "--symlink", "usr/lib",   "/lib",  "--symlink", "usr/lib64", "/lib64",  "--symlink",
        "usr/sbin",  "/sbin",     "--dev", "/dev",      "--proc",    "/proc",   NULL};
    struct run run = {.place = place, .by_bwrap = by_bwrap};
    const char *id = arena_print(&place->arena, "%d", USER);
    add_list(&run, (const char *const[]){supervisor, "sandbox", "--status",
                                         home_path(place, "status"), NULL});
    if (geteuid() == 0)
        add_list(&run, (const char *const[]){"--uid", id, "--gid", id, NULL});
    if (by_bwrap)
        add_list(&run, (const char *const[]){"--by", bwrap, NULL});
    add_list(&run, programs);
    return run;
}

/* Without namespaces; as root only. */
static struct run begin_as_user(struct place *place, const char *folder)
{
    struct run run = {.place = place};
    const char *id = arena_print(&place->arena, "%d", USER);
    add_list(&run, (const char *const[]){supervisor, "sandbox", "--status",
                                         home_path(place, "status"), "--uid", id, "--gid", id,
                                         "--no-namespaces", "--", "--chdir", folder, NULL});
    return run;
}

/* Its exit status, 128 and the signal that ended it, with its output in the place's arena. */
static int finish(struct run *run, const char *const *command, const char **output)
{
    struct buf said = {0};
    int ends[2], status;
    struct err err = {""};
    add(run, "--");
    add_list(run, command);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = io_spawn(
        &(struct io_spawn){
            .argv = run->argv, .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = ends[1]},
        &err);
    close(ends[1]);
    assert_true(pid > 0);
    for (char data[4096];;) {
        ssize_t n = read(ends[0], data, sizeof data);
        if (n <= 0)
            break;
        buf_add(&said, data, (size_t)n);
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    const char *text = said.size ? (const char *)said.data : "";
    if (output)
        *output = arena_text(&run->place->arena, text);
    buf_release(&said);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int shell(struct run *run, const char *script, const char **output)
{
    return finish(run, (const char *const[]){"sh", "-c", script, NULL}, output);
}

static bool status_says_ended(struct place *place)
{
    return strcmp(place_read(place, "status"), "ended\n") == 0;
}

static void expect(struct place *place, bool by_bwrap, const char *script, const char *output)
{
    const char *said;
    struct run run = begin(place, by_bwrap);
    int code = shell(&run, script, &said);
    if (code != 0 || strcmp(said, output) != 0)
        fail_msg("%s\nended with %d and printed\n%s\nnot\n%s", script, code, said, output);
    assert_true(status_says_ended(place));
}

/* Each test runs with both makers. */
static int makers(void)
{
    return access(bwrap, X_OK) == 0 ? 2 : 1;
}

/* ---- what is present -------------------------------------------------------------------- */

static void test_only_the_list_is_present(void **state)
{
    struct place *place = *state;
    for (int by = 0; by < makers(); by++) {
        expect(place, by, "echo /* /usr/../*",
               "/bin /dev /lib /lib64 /proc /sbin /usr "
               "/usr/../bin /usr/../dev /usr/../lib /usr/../lib64 "
               "/usr/../proc /usr/../sbin /usr/../usr\n");
        expect(place, by, "cd /dev && echo *",
               by ? "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero\n"
                  : "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero\n");
        expect(place, by, "head -c 3 /dev/zero | wc -c; echo x >/dev/null; echo y >/dev/shm/y",
               "3\n");
    }
}

/* As the command's own user and as root of a namespace that it makes. */
static void test_read_only_is_read_only(void **state)
{
    struct place *place = *state;
    static const char attempts[] =
        "for f in /usr/x /x /bin/x; do (echo >$f) 2>/dev/null && echo wrote $f; done\n"
        "for o in remount,rw,bind remount,rw; do\n"
        "  unshare -Urm mount -o $o /usr 2>/dev/null && echo remounted $o; done\n"
        "unshare -Urm umount /usr 2>/dev/null && echo unmounted\n"
        "unshare -Urm true && echo can nest\n";
    for (int by = 0; by < makers(); by++)
        expect(place, by, attempts, "can nest\n");
}

static void test_written_is_kept_and_links_are_not_followed(void **state)
{
    struct place *place = *state;
    const char *box = home_path(place, "box"), *said;
    assert_int_equal(mkdir(box, 0777), 0);
    assert_int_equal(chmod(box, 0777), 0);
    assert_int_equal(chmod(place->path, 0755), 0);
    for (int by = 0; by < makers(); by++) {
        struct run run = begin(place, by);
        add_list(&run, (const char *const[]){"--bind", box, box, "--chdir", box, NULL});
        assert_int_equal(shell(&run, "pwd; echo $PPID; echo made >made", &said), 0);
        assert_non_null(strstr(said, box));
        assert_string_equal(place_read(place, "box/made"), "made\n");
    }
}

/* A link that a stranger left in the place of a writable folder would show what it leads to. */
static void test_writable_link_is_refused(void **state)
{
    struct place *place = *state;
    const char *secret = home_path(place, "secret"), *link = home_path(place, "link"), *said;
    assert_int_equal(chmod(place->path, 0755), 0);
    assert_int_equal(mkdir(secret, 0777), 0);
    assert_int_equal(symlink(secret, link), 0);
    for (int by = 0; by < makers(); by++) {
        struct run run = begin(place, by), below = begin(place, by);
        add_list(&run, (const char *const[]){"--bind", link, "/tmp", NULL});
        assert_int_equal(shell(&run, "echo shown", &said), 71);
        assert_non_null(strstr(said, "leads through a link"));
        add_list(&below, (const char *const[]){"--bind", secret, "/tmp", NULL});
        assert_int_equal(shell(&below, "echo shown", &said), 0);
    }
}

/* A worker of root may keep its home where only root comes. */
static void test_folders_that_the_user_cannot_enter(void **state)
{
    struct place *place = *state;
    const char *inner = home_path(place, "home/attempt"), *box = home_path(place, "home/attempt/b"),
               *file = home_path(place, "home/file"), *said;
    if (geteuid() != 0)
        skip();
    assert_int_equal(io_make_folders(box, 0755, NULL), 0);
    assert_int_equal(chown(box, USER, USER) | chmod(inner, 0700) | chmod(place->path, 0700), 0);
    place_write(place, "home/file", "shown\n");
    place_write(place, "home/key", "secret");
    for (int by = 0; by < makers(); by++) {
        struct run run = begin(place, by);
        const char *script =
            arena_print(&place->arena, "cd %s && echo made >here && cat %s && find %s %s ! -type d",
                        box, file, box, home_path(place, "home"));
        add_list(&run,
                 (const char *const[]){"--bind", box, box, "--ro-bind", file, file, "--ro-bind-try",
                                       home_path(place, "home/absent"), "/absent", NULL});
        int code = shell(&run, script, &said);
        const char *wanted = arena_print(&place->arena, "shown\n%s/here\n", box);
        if (code != 0 || strncmp(said, wanted, strlen(wanted)) != 0 || strstr(said, "key"))
            fail_msg("maker %d ended with %d and printed\n%s", by, code, said);
        assert_int_equal(unlink(home_path(place, "home/attempt/b/here")), 0);
    }
    assert_int_equal(access(home_path(place, "home/key"), F_OK), 0);
}

/* What an earlier phase left where the list wants a folder, as below a /tmp of the attempt. */
static void test_stranger_in_the_way(void **state)
{
    struct place *place = *state;
    const char *tmp = home_path(place, "tmp");
    assert_int_equal(chmod(place->path, 0755), 0);
    assert_int_equal(mkdir(tmp, 0755), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(tmp, USER, USER), 0);
    for (int i = 0; i < 2; i++) {
        struct run make = begin(place, false), run = begin(place, false);
        add_list(&make, (const char *const[]){"--bind", tmp, "/tmp", NULL});
        assert_int_equal(
            shell(&make, i ? "rm -rf /tmp/a; ln -s /proc /tmp/a" : "echo >/tmp/a", NULL), 0);
        add_list(&run, (const char *const[]){"--bind", tmp, "/tmp", "--ro-bind", "/usr/share",
                                             "/tmp/a/b", NULL});
        assert_int_equal(shell(&run, "test -e /tmp/a/b/doc", NULL), 0);
    }
}

/* ---- who it is -------------------------------------------------------------------------- */

static void test_no_capability(void **state)
{
    struct place *place = *state;
    for (int by = 0; by < makers(); by++)
        expect(place, by, "grep -E '^(Cap|NoNewPrivs)' /proc/self/status | tr -d '\\t'; ulimit -c",
               "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n"
               "CapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\n0\n");
}

static void test_user_without_groups(void **state)
{
    struct place *place = *state;
    if (geteuid() != 0)
        skip();
    for (int by = 0; by < makers(); by++)
        expect(place, by, "id -u; id -g; id -G; test -r /proc/1/mem && echo memory; umask",
               arena_print(&place->arena, "%d\n%d\n%d\n%s0022\n", USER, USER, USER,
                           by ? "memory\n" : ""));
}

static void test_descriptors(void **state)
{
    struct place *place = *state;
    int secret = open("/etc/passwd", O_RDONLY);
    assert_true(secret > 2);
    for (int by = 0; by < makers(); by++)
        expect(place, by, "cd /proc/$$/fd && echo *", "0 1 2 3\n"); /* 3: the folder itself */
    close(secret);
}

/* A zombie of a process that the command left behind is reaped by process 1. */
static void test_zombies_are_reaped(void **state)
{
    struct place *place = *state;
    static const char leave_one[] =
        "p=$(sh -c 'true & echo $!'); while test -e /proc/$p; do :; done; echo reaped";
    for (int by = 0; by < makers(); by++)
        expect(place, by, leave_one, "reaped\n");
}

static void test_network_of_its_own(void **state)
{
    struct place *place = *state;
    const char *said;
    for (int by = 0; by < makers(); by++) {
        struct run run = begin(place, by);
        add(&run, "--unshare-net");
        assert_int_equal(shell(&run, "tail -n +3 /proc/net/dev | cut -d: -f1", &said), 0);
        assert_string_equal(said + strspn(said, " "), "lo\n");
    }
}

/* ---- how it ends ------------------------------------------------------------------------ */

static void test_ends_as_the_command(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *script;
        int code;
    } rows[] = {{"exit 0", 0},    {"exit 1", 1},          {"exit 71", 71},       {"exit 255", 255},
                {"kill $$", 143}, {"kill -KILL $$", 137}, {"kill -SEGV $$", 139}};
    for (int by = 0; by < makers(); by++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct run run = begin(place, by);
            assert_int_equal(shell(&run, rows[i].script, NULL), rows[i].code);
            assert_true(status_says_ended(place));
        }
}

/* The host's fault: exit status 71 and an empty status. */
static void test_could_not_start(void **state)
{
    struct place *place = *state;
    static const char *const missing[] = {"--ro-bind", "/no/such", "/x", NULL};
    for (int by = 0; by < makers(); by++) {
        struct run run = begin(place, by);
        add_list(&run, missing);
        assert_int_equal(shell(&run, "true", NULL), 71);
        assert_string_equal(place_read(place, "status"), "");
        struct run many = begin(place, by);
        add(&many, "--no-such-word");
        assert_int_equal(shell(&many, "true", NULL), 71);
        assert_string_equal(place_read(place, "status"), "");
    }
    struct run run = begin(place, false);
    assert_int_equal(finish(&run, (const char *const[]){"no-such-program", NULL}, NULL), 71);
    assert_string_equal(place_read(place, "status"), "");
}

/* A namespace in which no other may be made, as on a host that refuses them. */
static void test_namespaces_refused(void **state)
{
    struct place *place = *state;
    static const char refuse[] = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    for (int by = 0; by < makers(); by++) {
        struct run run = begin(place, by), outer = {.place = place};
        add_list(&outer, (const char *const[]){"unshare", "--user", "--map-root-user", "sh", "-c",
                                               refuse, NULL});
        /* Without a change of user, for which this root has no right. */
        for (size_t i = 0; i < run.count; i++) {
            if (strcmp(run.argv[i], "--uid") == 0)
                i += 3;
            else
                add(&outer, run.argv[i]);
        }
        assert_int_equal(shell(&outer, "true", NULL), 71);
        assert_string_equal(place_read(place, "status"), "");
    }
}

/* ---- what is outside of namespaces ------------------------------------------------------ */

static bool kernel_scopes(void)
{
    enum { LANDLOCK_CREATE = 444, LANDLOCK_VERSION = 1, ABI_SCOPES = 6 };
    return syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION) >= ABI_SCOPES;
}

/* A socket in the abstract namespace, which belongs to a network and not to a folder. */
static int listen_abstract(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path + 1, name, strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* The control is the same command outside, and the sandbox's own socket inside. */
static void test_abstract_sockets(void **state)
{
    struct place *place = *state;
    const char *name = arena_print(&place->arena, "farm-test-%d", (int)getpid()), *said;
    const char *script =
        arena_print(&place->arena,
                    "/usr/bin/python3 -c 'import socket as s\n"
                    "own = s.socket(s.AF_UNIX); own.bind(\"\\0own-%s\"); own.listen()\n"
                    "for name in \"own-%s\", \"%s\":\n"
                    "    try: s.socket(s.AF_UNIX).connect(\"\\0\" + name); print(\"reached\")\n"
                    "    except PermissionError: print(\"refused\")'",
                    name, name, name);
    int host = listen_abstract(name);
    struct run control = {.place = place};
    add(&control, "env"); /* takes the "--" that follows */
    assert_int_equal(shell(&control, script, &said), 0);
    assert_string_equal(said, "reached\nreached\n");
    for (int by = 0; by < makers(); by++) {
        bool scopes = kernel_scopes() && (!by || geteuid() == 0);
        expect(place, by, script, scopes ? "reached\nrefused\n" : "reached\nreached\n");
    }
    close(host);
}

/* Process 1 of our own sandbox has the command's user and is not the command's. */
static void test_signals_stay_inside(void **state)
{
    struct place *place = *state;
    expect(place, false, "kill -0 1 2>/dev/null && echo outside; sleep 60 & kill $! && echo inside",
           kernel_scopes() ? "inside\n" : "outside\ninside\n");
}

/* Landlock's rules on files would forbid mounts, which nix's sandbox is made of. */
static void test_mounts_in_a_sandbox_inside(void **state)
{
    struct place *place = *state;
    static const char nested[] =
        "unshare --user --map-root-user --mount --pid --fork sh -c 'mount -t tmpfs none /dev/shm "
        "&& mount --bind /usr /dev/shm && mount -t proc none /proc && echo mounted'";
    for (int by = 0; by < makers(); by++)
        expect(place, by, nested, "mounted\n");
}

/* What a stranger can take away is never the host's fault. */
static void test_command_that_cannot_run(void **state)
{
    struct place *place = *state;
    static const char *const nothing[] = {"./nothing", NULL}, *const folder[] = {"/usr", NULL},
                             *const truth[] = {"true", NULL};
    for (int by = 0; by < makers(); by++) {
        struct run missing = begin(place, by), wrong = begin(place, by), gone = begin(place, by);
        assert_int_equal(finish(&missing, nothing, NULL), 127);
        assert_true(status_says_ended(place));
        assert_int_equal(finish(&wrong, folder, NULL), 126);
        assert_true(status_says_ended(place));
        add_list(&gone, (const char *const[]){"--chdir", "/gone", NULL});
        assert_int_equal(finish(&gone, truth, NULL), 127);
        assert_true(status_says_ended(place));
    }
}

/* ---- ending it -------------------------------------------------------------------------- */

/* Starts a command that says "ready" and waits; *output is its pipe. The caller of the sandbox. */
static pid_t start_waiting(struct place *place, bool by_bwrap, const char *script, int *output)
{
    struct run run = begin(place, by_bwrap);
    struct err err = {""};
    char line[6];
    int ends[2];
    add_list(&run, (const char *const[]){"--", "sh", "-c", script, NULL});
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = io_spawn(
        &(struct io_spawn){
            .argv = run.argv, .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = STDERR_FILENO},
        &err);
    close(ends[1]);
    assert_true(pid > 0);
    for (size_t at = 0; at < sizeof line; at++)
        assert_int_equal(read(ends[0], line + at, 1), 1);
    *output = ends[0];
    return pid;
}

/* The pipe ends when the last process inside is gone. */
static void test_dies_with_its_caller(void **state)
{
    struct place *place = *state;
    static const char bomb[] =
        "for i in 1 2 3 4 5; do setsid sh -c 'trap \"\" TERM HUP; sleep 600' & "
        "done; echo ready; wait";
    for (int by = 0; by < makers(); by++) {
        int output, status;
        char byte;
        pid_t pid = start_waiting(place, by, bomb, &output);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(read(output, &byte, 1), 0);
        close(output);
    }
}

static void test_term_reaches_the_command(void **state)
{
    struct place *place = *state;
    char text[16] = "";
    int output, status;
    pid_t pid = start_waiting(
        place, false, "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.01; done",
        &output);
    assert_true(tree_signal(&(struct tree_wish){.root = pid}, SIGTERM) > 1);
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(read(output, text, sizeof text - 1), 6);
    assert_string_equal(text, "asked\n");
    close(output);
}

/* ---- without namespaces ------------------------------------------------------------------ */

static void expect_as_user(struct place *place, const char *script, int status, const char *output)
{
    const char *said;
    struct run run = begin_as_user(place, "/tmp");
    int code = shell(&run, script, &said);
    if (code != status || strcmp(said, output) != 0)
        fail_msg("%s\nended with %d and printed\n%s\nnot\n%s", script, code, said, output);
    assert_true(status_says_ended(place));
}

static void test_only_the_user_changes(void **state)
{
    struct place *place = *state;
    const char *id = arena_print(&place->arena, "%d", USER);
    if (geteuid() != 0)
        skip();
    expect_as_user(place, "id -u; id -g; id -G; pwd", 0,
                   arena_print(&place->arena, "%s\n%s\n%s\n/tmp\n", id, id, id));
    expect_as_user(place, "grep -cE '^Cap.*:.0+$' /proc/self/status; ls /proc/self/fd | wc -l", 0,
                   "5\n4\n"); /* the fourth is ls's own */
    expect_as_user(place,
                   "grep -o '^NoNewPrivs.*1' /proc/self/status | wc -l; ulimit -c; ulimit -p", 0,
                   "1\n0\n4096\n");
    /* Neither the caller, who is root, nor its environment is in reach. */
    expect_as_user(place, "kill -0 $PPID 2>&- || echo no; cat /proc/$PPID/environ 2>&- || echo no",
                   0, "no\nno\n");
    expect_as_user(place, "exit 7", 7, "");
    expect_as_user(place, "kill -KILL $$", 128 + SIGKILL, "");
}

/* Nothing that the user left is there for its next program, nor after the last one. */
static void test_leftovers_of_a_user(void **state)
{
    struct place *place = *state;
    static const char leave[] =
        "cd /tmp && mkdir -p left-%d/below && chmod 0 left-%d/below &&\n"
        "echo >/var/tmp/left-%d && ipcmk -M 64 -S 1 -Q >&- &&\n"
        "{ setsid sleep 4000 & } && { (setsid sleep 4000 &) & } && echo left";
    if (geteuid() != 0)
        skip();
    expect_as_user(place, arena_print(&place->arena, leave, USER, USER, USER), 0, "left\n");
    struct run run = begin_as_user(place, "/");
    const char *said;
    assert_int_equal(shell(&run,
                           "ls -d /tmp/left-* /var/tmp/left-*; ipcs | grep -w $(id -u); "
                           "ps -o pid= -u $(id -u) | wc -l",
                           &said),
                     0);
    assert_null(strstr(said, "/tmp/left-5990"));
    assert_null(strstr(said, "59900"));
    assert_int_equal(user_processes(USER), 0);
}

static void test_what_cannot_start_without_namespaces(void **state)
{
    struct place *place = *state;
    struct run run = {.place = place};
    const char *said;
    if (geteuid() != 0)
        skip();
    run = begin_as_user(place, "/nowhere");
    assert_int_equal(shell(&run, "true", &said), 127); /* the command's failure */
    assert_true(status_says_ended(place));
    run = begin_as_user(place, "/");
    assert_int_equal(finish(&run, (const char *const[]){"no-such-program", NULL}, &said), 71);
    assert_string_equal(place_read(place, "status"), "");
    run = (struct run){.place = place};
    add_list(&run, (const char *const[]){supervisor, "sandbox", "--no-namespaces", "--", NULL});
    assert_int_equal(shell(&run, "true", &said), 71); /* as root */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_only_the_list_is_present),
        TEST(test_read_only_is_read_only),
        TEST(test_written_is_kept_and_links_are_not_followed),
        TEST(test_writable_link_is_refused),
        TEST(test_folders_that_the_user_cannot_enter),
        TEST(test_stranger_in_the_way),
        TEST(test_no_capability),
        TEST(test_user_without_groups),
        TEST(test_descriptors),
        TEST(test_zombies_are_reaped),
        TEST(test_network_of_its_own),
        TEST(test_ends_as_the_command),
        TEST(test_could_not_start),
        TEST(test_namespaces_refused),
        TEST(test_abstract_sockets),
        TEST(test_signals_stay_inside),
        TEST(test_mounts_in_a_sandbox_inside),
        TEST(test_command_that_cannot_run),
        TEST(test_dies_with_its_caller),
        TEST(test_term_reaches_the_command),
        TEST(test_only_the_user_changes),
        TEST(test_leftovers_of_a_user),
        TEST(test_what_cannot_start_without_namespaces),
    };
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
