/* SPDX-License-Identifier: MIT */
/* Files that a stranger replaced: each attack is tried on each function, by the kernel's openat2
 * and by the walk that takes its place. A call that waits for somebody ends the test by its alarm.
 */
#include "proto/base/beneath.h"
#include "tests/unit/folders.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

enum { PATIENCE_S = 60 };

/* ---- the attacks ---------------------------------------------------------------------------- */

static void put_link(const char *path)
{
    assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void put_link_inside(const char *path)
{
    assert_int_equal(symlink("plain", path), 0);
}

static void put_dangling_link(const char *path)
{
    assert_int_equal(symlink("nowhere", path), 0);
}

static void put_magic_link(const char *path)
{
    assert_int_equal(symlink("/proc/self/fd/0", path), 0);
}

static void put_fifo(const char *path)
{
    assert_int_equal(mkfifo(path, 0666), 0);
}

static void put_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
}

static void put_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

/* /dev/zero has no end. Only root makes one; a FIFO stands in for it elsewhere. */
static void put_device(const char *path)
{
    if (mknod(path, S_IFCHR | 0666, makedev(1, 5)) < 0)
        put_fifo(path);
}

static const struct attack {
    void (*put)(const char *path);
    const char *words; /* of the reason */
} attacks[] = {{put_link, "symbolic link"},
               {put_link_inside, "symbolic link"},
               {put_dangling_link, "symbolic link"},
               {put_magic_link, "symbolic link"},
               {put_fifo, "a FIFO"},
               {put_folder, "a folder"},
               {put_socket, "a socket"},
               {put_device, "it is a "}};

static int set_up(void **state)
{
    if (place_setup(state) < 0)
        return -1;
    place_write(*state, "plain", "plain");
    assert_int_equal(io_make_folders(home_path(*state, "top/sub"), 0755, NULL), 0);
    place_write(*state, "top/plain", "inside");
    place_write(*state, "top/sub/file", "below");
    alarm(PATIENCE_S);
    return 0;
}

static void has_words(const struct err *err, const char *words)
{
    if (!strstr(err->text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err->text);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void what_is_no_file_is_refused_by_its_kind(void **state)
{
    const char *top = home_path(*state, "top"), *path = home_path(*state, "top/x");
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        static const int flags[] = {O_RDONLY, O_RDWR, O_WRONLY, O_RDWR | O_CREAT,
                                    O_WRONLY | O_CREAT | O_TRUNC};
        struct buf read = {0};
        struct err err = {""};
        attacks[i].put(path);
        assert_int_equal(beneath_read(top, "x", 100, &read, &err), BENEATH_REFUSED);
        has_words(&err, attacks[i].words);
        has_words(&err, "top/x");
        assert_int_equal(read.size, 0);
        for (size_t j = 0; j < sizeof flags / sizeof *flags; j++) {
            int fd = 0;
            assert_int_equal(beneath_open(top, "x", flags[j], &fd, &err), BENEATH_REFUSED);
            has_words(&err, attacks[i].words);
            assert_int_equal(fd, -1);
        }
        buf_release(&read);
        assert_int_equal(io_remove_tree(path, &err), 0);
    }
    assert_false(io_exists(home_path(*state, "top/nowhere"))); /* not made through the link */
    assert_string_equal(place_read(*state, "top/plain"), "inside");
}

static void what_is_absent_is_not_refused(void **state)
{
    struct buf read = {0};
    struct err err = {""};
    struct stat about;
    const char *target;
    struct arena arena = {0};
    int fd;
    assert_int_equal(beneath_read(home_path(*state, "top"), "none", 9, &read, &err),
                     BENEATH_ABSENT);
    assert_int_equal(beneath_read(home_path(*state, "none"), "x", 9, &read, &err), BENEATH_ABSENT);
    assert_int_equal(beneath_look(home_path(*state, "top"), "sub/none", &about, &err),
                     BENEATH_ABSENT);
    assert_int_equal(beneath_open(home_path(*state, "top"), "none", O_RDWR, &fd, &err),
                     BENEATH_ABSENT);
    assert_int_equal(beneath_link(home_path(*state, "top"), "none", &arena, &target, NULL, &err),
                     BENEATH_ABSENT);
    assert_string_equal(err.text, "");
}

static void a_file_is_appended_to_what_is_there(void **state)
{
    struct buf read = {0};
    struct err err = {""};
    buf_print(&read, "kept ");
    assert_int_equal(beneath_read(home_path(*state, "top"), "sub/file", 5, &read, &err),
                     BENEATH_FOUND);
    assert_string_equal((const char *)read.data, "kept below");
    assert_int_equal(beneath_read(home_path(*state, "top"), "sub/file", 4, &read, &err),
                     BENEATH_TOO_LARGE);
    has_words(&err, "larger than 4 bytes");
    assert_string_equal((const char *)read.data, "kept below");
    buf_release(&read);
}

/* A sparse file of a terabyte is refused before a byte of it is read. */
static void a_file_without_end_is_too_large(void **state)
{
    struct buf read = {0};
    struct err err = {""};
    place_write(*state, "top/huge", "x");
    int made = truncate(home_path(*state, "top/huge"), (off_t)1 << 40);
    if (made < 0) /* a file system that has no such files */
        assert_int_equal(truncate(home_path(*state, "top/huge"), (off_t)1 << 30), 0);
    assert_int_equal(beneath_read(home_path(*state, "top"), "huge", 65536, &read, &err),
                     BENEATH_TOO_LARGE);
    assert_int_equal(read.capacity, 0);
}

static void no_name_leads_outside(void **state)
{
    static const char *const names[] = {"",         "/",      ".",         "..",
                                        "../plain", "sub/..", "sub/../..", "/etc/passwd",
                                        "sub//",    "sub/",   "./plain",   "sub/./file"};
    struct buf read = {0};
    struct err err = {""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(beneath_read(home_path(*state, "top"), names[i], 100, &read, &err),
                         BENEATH_REFUSED);
        assert_int_equal(read.size, 0);
    }
}

static void no_link_on_the_way_is_followed(void **state)
{
    struct buf read = {0};
    struct err err = {""};
    struct stat about;
    assert_int_equal(symlink("sub", home_path(*state, "top/way")), 0);
    assert_int_equal(symlink("top", home_path(*state, "other")), 0);
    assert_int_equal(beneath_read(home_path(*state, "top"), "way/file", 100, &read, &err),
                     BENEATH_REFUSED);
    assert_int_equal(beneath_look(home_path(*state, "top"), "way/file", &about, &err),
                     BENEATH_REFUSED);
    assert_int_equal(beneath_folder(home_path(*state, "top"), "way", &err), -1);
    assert_int_equal(beneath_read(home_path(*state, "other"), "plain", 100, &read, &err),
                     BENEATH_REFUSED);
    has_words(&err, "not a folder");
    assert_int_equal(beneath_folder(home_path(*state, "other"), "", &err), -1);
    assert_int_equal(beneath_disk_bytes(home_path(*state, "other"), ""), 0);
    assert_int_equal(beneath_read("/proc/self", "status", 100, &read, &err), BENEATH_REFUSED);
    assert_int_equal(read.size, 0);
}

/* ---- links and folders ---------------------------------------------------------------------- */

static void a_link_is_read_not_followed(void **state)
{
    struct arena *arena = &((struct place *)*state)->arena;
    const char *top = home_path(*state, "top"), *target;
    struct stat about;
    struct err err = {""};
    assert_int_equal(symlink("/nix/store/aaaa-x", home_path(*state, "top/result")), 0);
    assert_int_equal(beneath_link(top, "result", arena, &target, &about, &err), BENEATH_FOUND);
    assert_string_equal(target, "/nix/store/aaaa-x");
    assert_true(S_ISLNK(about.st_mode));
    assert_int_equal(beneath_link(top, "plain", arena, &target, NULL, &err), BENEATH_REFUSED);
    has_words(&err, "a regular file, not a link");
    put_fifo(home_path(*state, "top/fifo"));
    assert_int_equal(beneath_link(top, "fifo", arena, &target, NULL, &err), BENEATH_REFUSED);
    assert_int_equal(beneath_look(top, "fifo", &about, &err), BENEATH_FOUND);
    assert_true(S_ISFIFO(about.st_mode));
}

static void a_listing_has_a_bound(void **state)
{
    struct arena *arena = &((struct place *)*state)->arena;
    const char *top = home_path(*state, "top"), **names;
    size_t count;
    struct err err = {""};
    static const char *const made[] = {"top/result-b", "top/result-a", "top/result-c"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(symlink("/x", home_path(*state, made[i])), 0);
    assert_int_equal(beneath_list(top, "", "result-", 3, arena, &names, &count, &err),
                     BENEATH_FOUND);
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "result-a");
    assert_string_equal(names[2], "result-c");
    assert_int_equal(beneath_list(top, "", "result-", 2, arena, &names, &count, &err),
                     BENEATH_TOO_LARGE);
    assert_int_equal(count, 0);
    assert_int_equal(beneath_list(top, "sub", "", 9, arena, &names, &count, &err), BENEATH_FOUND);
    assert_int_equal(count, 1);
    assert_int_equal(beneath_list(top, "result-a", "", 9, arena, &names, &count, &err),
                     BENEATH_REFUSED);
    assert_int_equal(beneath_list(top, "none", "", 9, arena, &names, &count, &err), BENEATH_ABSENT);
    put_fifo(home_path(*state, "top/fifo"));
    assert_int_equal(beneath_list(top, "fifo", "", 9, arena, &names, &count, &err),
                     BENEATH_REFUSED);
}

static void disk_space_is_counted_inside_only(void **state)
{
    char *data = mem_new(1 << 20);
    memset(data, 'x', 1 << 20);
    assert_int_equal(io_write_file(home_path(*state, "large"), data, 1 << 20, 0644, false, NULL),
                     0);
    free(data);
    assert_int_equal(symlink("../large", home_path(*state, "top/link")), 0);
    assert_int_equal(symlink("..", home_path(*state, "top/up")), 0);
    put_fifo(home_path(*state, "top/fifo"));
    uint64_t inside = beneath_disk_bytes(home_path(*state, "top"), "");
    uint64_t all = beneath_disk_bytes(((struct place *)*state)->path, "");
    assert_true(inside > 0 && inside < 1 << 20);
    assert_true(all >= 1 << 20);
    assert_true(beneath_disk_bytes(home_path(*state, "top"), "sub") < inside);
}

/* ---- without openat2 ------------------------------------------------------------------------ */

/* From now on the kernel says of openat2 what an older one says. */
static bool forget_openat2(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0) < 0 && errno == ENOSYS;
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(what_is_no_file_is_refused_by_its_kind),
        IN_PLACE(what_is_absent_is_not_refused),
        IN_PLACE(a_file_is_appended_to_what_is_there),
        IN_PLACE(a_file_without_end_is_too_large),
        IN_PLACE(no_name_leads_outside),
        IN_PLACE(no_link_on_the_way_is_followed),
        IN_PLACE(a_link_is_read_not_followed),
        IN_PLACE(a_listing_has_a_bound),
        IN_PLACE(disk_space_is_counted_inside_only),
    };
    int failed = cmocka_run_group_tests_name("by the kernel", tests, NULL, NULL);
    if (!forget_openat2()) {
        printf("skipped: no filter of system calls can be set here\n");
        return failed;
    }
    return failed + cmocka_run_group_tests_name("by steps", tests, NULL, NULL);
}
