/* SPDX-License-Identifier: MIT */
/* Files of git-lfs: pointers, servers, which addresses are public, and what stands in a worktree.
 * The server and redirects are tests/e2e/lfs.bats. */
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/git_url.h"
#include "proto/lfs.h"
#include "tests/unit/folders.h"
#include "worker/disk/lfs.h"
#include "worker/disk/workspace.h"
#include "worker/process/public_https.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OID  "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
#define HEAD "version https://git-lfs.github.com/spec/v1\n"

/* ---- pointers ----------------------------------------------------------------------------- */

static void a_pointer_is_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        enum lfs_kind kind;
        uint64_t size;
    } rows[] = {
        {HEAD "oid sha256:" OID "\nsize 12345\n", LFS_POINTER, 12345},
        {HEAD "oid sha256:" OID "\nsize 0", LFS_POINTER, 0},
        {"version https://hawser.github.com/spec/v1\noid sha256:" OID "\nsize 7\n", LFS_POINTER, 7},
        {HEAD "oid sha256:" OID "\nsize 999999999999999999\n", LFS_POINTER, 999999999999999999u},
        /* more digits than any file has bytes */
        {HEAD "oid sha256:" OID "\nsize 9999999999999999999\n", LFS_BROKEN, 0},
        {HEAD "oid sha256:" OID "\nsize 18446744073709551617\n", LFS_BROKEN, 0},
        {HEAD "oid sha256:" OID "\nsize -1\n", LFS_BROKEN, 0},
        {HEAD "oid sha256:" OID "\nsize 0x10\n", LFS_BROKEN, 0},
        {HEAD "oid sha256:" OID "\nsize \n", LFS_BROKEN, 0},
        {HEAD "oid sha256:" OID "\nsize 5\nmore\n", LFS_BROKEN, 0},
        {HEAD "oid sha256:" OID "\n", LFS_BROKEN, 0},
        {HEAD "oid sha256:4d7a\nsize 5\n", LFS_BROKEN, 0},
        {HEAD "oid sha256:../../../../../../../../../../../../../../../../../../../etc/pass\n"
              "size 5\n",
         LFS_BROKEN, 0},
        {HEAD "oid md5:4d7a214614ab2935c943f9e0ff69d22e\nsize 5\n", LFS_BROKEN, 0},
        {HEAD "ext-0-foo sha256:" OID "\noid sha256:" OID "\nsize 5\n", LFS_BROKEN, 0},
        {"version https://git-lfs.github.com/spec/v2\noid sha256:" OID "\nsize 5\n", LFS_BROKEN, 0},
        {HEAD, LFS_BROKEN, 0},
        {"version https://git-lfs.github.com/spec", LFS_CONTENTS, 0},
        {"", LFS_CONTENTS, 0},
        {"\x7f"
         "ELF",
         LFS_CONTENTS, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct lfs_pointer pointer = {.oid = ""};
        size_t size = strlen(rows[i].text);
        uint8_t *exact = mem_new(size); /* so that a sanitizer sees what is read beyond it */
        memcpy(exact, rows[i].text, size);
        enum lfs_kind kind = lfs_read_pointer((struct bytes){exact, size}, &pointer);
        free(exact);
        if (kind != rows[i].kind || (kind == LFS_POINTER && pointer.size != rows[i].size))
            fail_msg("%s: %d", rows[i].text, kind);
        if (kind == LFS_POINTER)
            assert_string_equal(pointer.oid, OID);
    }
}

static void the_server_follows_from_the_url(void **state)
{
    static const char *const rows[][2] = {
        {"https://git.example/a/b", "https://git.example/a/b.git/info/lfs"},
        {"https://git.example/a/b.git", "https://git.example/a/b.git/info/lfs"},
        {"https://git.example:8443/a/b.git/", "https://git.example:8443/a/b.git/info/lfs"},
        {"https://token@git.example/a", "https://git.example/a.git/info/lfs"},
        {"https://me:p@ss@git.example/a", "https://git.example/a.git/info/lfs"},
        {"git@git.example:a/b.git", "https://git.example/a/b.git/info/lfs"},
        {"ssh://git@git.example/a/b", "https://git.example/a/b.git/info/lfs"},
        {"ssh://git@git.example:2222/a/b", "https://git.example/a/b.git/info/lfs"},
        {"git@git.example:a@b:c/d", "https://git.example/a@b:c/d.git/info/lfs"},
        {"https://[2600::1]:8443/a", "https://[2600::1]:8443/a.git/info/lfs"},
        {"ssh://git@[2600::1]:22/a", "https://[2600::1]/a.git/info/lfs"},
        {"git@[2600::1]:a/b", "https://[2600::1]/a/b.git/info/lfs"},
        {"[2600::1]:a", "https://[2600::1]/a.git/info/lfs"},
        {"[2600::1]/a", NULL},
        {"http://git.example/a/b", NULL},
        {"git://git.example/a/b", NULL},
        {"file:///srv/a", NULL},
        {"/srv/a", NULL},
        {"./a:b", NULL},
        {"https://", NULL},
        {"https://git.example", NULL},
        {"https://git.example/", NULL},
        {"https:///a", NULL},
        {"", NULL},
    };
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *endpoint = lfs_endpoint(rows[i][0], &arena);
        const char *found = endpoint ? endpoint : "none", *wanted = rows[i][1];
        if (strcmp(found, wanted ? wanted : "none") != 0)
            fail_msg("%s: %s", rows[i][0], found);
    }
    arena_clear(&arena);
}

static void a_submodule_is_where_its_url_or_its_parent_says(void **state)
{
    static const char parent[] = "https://git.example/org/top.git";
    static const char *const rows[][2] = {
        {"https://other.example/a.git", "https://other.example/a.git"},
        {"git@other.example:a/b.git", "https://other.example/a/b.git"},
        {"../sub.git", "https://git.example/org/sub.git"},
        {"./sub", "https://git.example/org/top.git/sub"},
        {"../../x/./sub", "https://git.example/x/./sub"},
        {"../../../sub", NULL},
        {"../../../../evil.example/sub", NULL},
        {"http://other.example/a", NULL},
        {"file:///etc", NULL},
        {"/etc", NULL},
        {"--upload-pack=x", NULL},
        {"", NULL},
    };
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *url = git_url_submodule(parent, rows[i][0], &arena);
        const char *found = url ? url : "none", *wanted = rows[i][1];
        if (strcmp(found, wanted ? wanted : "none") != 0)
            fail_msg("%s: %s", rows[i][0], found);
    }
    assert_null(git_url_submodule("", "../sub", &arena)); /* a parent that nobody else can read */
    arena_clear(&arena);
}

/* ---- addresses ---------------------------------------------------------------------------- */

static bool is_public(const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1)
        return https_is_public_v4(v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6), 1);
    return https_is_public_v6(&v6);
}

/* The first and the last address of each range, and their neighbours outside. */
static void only_public_addresses_are_public(void **state)
{
    static const char *const yes[] = {
        "1.0.0.0",         "9.255.255.255",   "11.0.0.0",         "100.63.255.255",
        "100.128.0.0",     "126.255.255.255", "128.0.0.0",        "169.253.255.255",
        "169.255.0.0",     "172.15.255.255",  "172.32.0.0",       "191.255.255.255",
        "192.0.1.0",       "192.0.3.0",       "192.88.98.255",    "192.88.100.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",   "198.20.0.0",
        "198.51.99.255",   "198.51.101.0",    "203.0.112.255",    "203.0.114.0",
        "223.255.255.255", "2001:200::",      "2001:db7:ffff::1", "2001:db9::1",
        "2003::1",         "2606:4700::1111", "3ffe:ffff::1",     "3fff:1000::1",
        "::ffff:1.2.3.4",  "64:ff9b::1.2.3.4"};
    static const char *const no[] = {"0.0.0.0",
                                     "0.255.255.255",
                                     "10.0.0.0",
                                     "10.255.255.255",
                                     "100.64.0.0",
                                     "100.127.255.255",
                                     "127.0.0.1",
                                     "127.255.255.255",
                                     "169.254.0.0",
                                     "169.254.169.254",
                                     "169.254.255.255",
                                     "172.16.0.0",
                                     "172.31.255.255",
                                     "192.0.0.1",
                                     "192.0.0.255",
                                     "192.0.2.1",
                                     "192.88.99.1",
                                     "192.168.0.0",
                                     "192.168.255.255",
                                     "198.18.0.0",
                                     "198.19.255.255",
                                     "198.51.100.1",
                                     "203.0.113.1",
                                     "224.0.0.1",
                                     "239.255.255.255",
                                     "240.0.0.1",
                                     "255.255.255.255",
                                     "::",
                                     "::1",
                                     "::ffff:127.0.0.1",
                                     "::ffff:10.1.2.3",
                                     "::ffff:169.254.169.254",
                                     "::127.0.0.1",
                                     "64:ff9b::10.0.0.1",
                                     "64:ff9b:1::1",
                                     "100::1",
                                     "1fff:ffff::1",
                                     "2001::1",
                                     "2001:1ff:ffff::1",
                                     "2001:db8::1",
                                     "2001:db8:ffff::1",
                                     "2002:7f00:1::1",
                                     "3fff::1",
                                     "3fff:fff:ffff::1",
                                     "4000::1",
                                     "5f00::1",
                                     "fc00::1",
                                     "fd00:ec2::254",
                                     "fe80::1",
                                     "fec0::1",
                                     "ff02::1"};
    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        if (!is_public(yes[i]))
            fail_msg("%s is public", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (is_public(no[i]))
            fail_msg("%s is not public", no[i]);
}

static void only_plain_https_urls_are_fetched(void **state)
{
    static const char *const yes[][3] = {
        {"https://lfs.example/a?b#c", "lfs.example", "443"},
        {"https://lfs.example", "lfs.example", "443"},
        {"https://1.2.3.4:8443/", "1.2.3.4", "8443"},
        {"https://[2606:4700::1111]/a", "2606:4700::1111", "443"},
        {"https://[2606:4700::1111]:8443/a", "2606:4700::1111", "8443"}};
    static const char *const no[] = {"http://lfs.example/",
                                     "HTTPS://lfs.example/",
                                     "file:///etc/passwd",
                                     "/etc/passwd",
                                     "https://",
                                     "https:///a",
                                     "https://me@lfs.example/",
                                     "https://me:word@lfs.example/",
                                     "https://lfs.example:/",
                                     "https://lfs.example:443x/",
                                     "https://lfs.example:444444/",
                                     "https://lfs.example\\@10.0.0.1/",
                                     "https://lfs%2eexample/",
                                     "https://[]/",
                                     "https://[::1/",
                                     "https://[::1%25lo]/",
                                     "https://[::1]x/",
                                     "https://lfs.example/a b",
                                     "https://lfs.example/a\r\nHost: x",
                                     "https://lfs.example/\x80"};
    struct arena arena = {0};
    struct err err = {""};
    struct https_place place;
    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_int_equal(https_parse(yes[i][0], &place, &arena, &err), 0);
        assert_string_equal(place.host, yes[i][1]);
        assert_string_equal(place.port, yes[i][2]);
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (https_parse(no[i], &place, &arena, &err) == 0 || strpbrk(err.text, "\r\n\x80"))
            fail_msg("%s was taken, or is repeated as it is: %s", no[i], err.text);
    arena_clear(&arena);
}

static int take_nothing(void *context, const void *data, size_t size, struct err *err)
{
    (void)context;
    (void)data;
    (void)size;
    (void)err;
    fail_msg("a server was asked");
    return 0;
}

/* Every way to write an address of this host, or a name for it. Nothing is sent. */
static void a_server_in_a_private_network_is_not_asked(void **state)
{
    static const char *const urls[] = {"https://127.0.0.1/",
                                       "https://localhost/",
                                       "https://127.1/",
                                       "https://0x7f.1/",
                                       "https://2130706433/",
                                       "https://017700000001/",
                                       "https://0/",
                                       "https://[::1]/",
                                       "https://[::ffff:127.0.0.1]/",
                                       "https://169.254.169.254/"};
    struct arena arena = {0};
    struct err err = {""};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct https_request request = {.url = urls[i], .take = take_nothing};
        if (https_fetch(&request, &arena, &err) != HTTPS_REFUSED ||
            !strstr(err.text, "which is no public address"))
            fail_msg("%s: %s", urls[i], err.text);
    }
    arena_clear(&arena);
}

/* ---- worktrees ---------------------------------------------------------------------------- */

static const char *shell(struct place *place, const char *script)
{
    struct buf output = {0};
    struct err err = {""};
    const char *argv[] = {"sh", "-euc", script, NULL};
    int code = io_run(argv, place->path, 1 << 20, 60000, &output, &err);
    if (code != 0)
        fail_msg("%s: %d %s %s", script, code, err.text, (const char *)output.data);
    char *text = arena_print(&place->arena, "%.*s", (int)output.size, (const char *)output.data);
    buf_release(&output);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static const char *oid_of(struct place *place, const char *contents)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size;
    EVP_Digest(contents, strlen(contents), hash, &size, EVP_sha256(), NULL);
    return hex_text(&place->arena, hash, size);
}

/* Commits FILE as a pointer to `contents` of `size` bytes. */
static void commit_pointer(struct place *place, const char *file, const char *contents,
                           unsigned long long size)
{
    shell(place, arena_print(&place->arena,
                             "[ -d origin ] || { git init -q -b main origin; cd origin; "
                             "git config user.name t; git config user.email t@t; "
                             "echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes; "
                             "cd ..; }; cd origin; printf '" HEAD "oid sha256:%s\\nsize %llu\\n' "
                             "> %s; git -c filter.lfs.clean=cat add -A; git commit -q -m %s",
                             oid_of(place, contents), size, file, file));
}

/* Puts contents where they are kept when they were fetched. */
static void keep(struct place *place, const char *contents, const char *kept)
{
    const char *store = home_path(place, "home/clones/vision.git/farm-lfs");
    assert_int_equal(io_make_folders(store, 0755, NULL), 0);
    place_write(
        place,
        arena_print(&place->arena, "home/clones/vision.git/farm-lfs/%s", oid_of(place, contents)),
        kept);
}

static struct lfs_wish checkout(struct place *place, bool from_git_alone, struct err *err)
{
    struct workspace_wish wish = {.home = home_path(place, "home"),
                                  .project = "vision",
                                  .url = home_path(place, "origin"),
                                  .branch = "main",
                                  .commit = shell(place, "git -C origin rev-parse main"),
                                  .bundle = "",
                                  .token = {.epoch = 1, .number = 1}};
    char *path;
    if (workspace_prepare(&wish, &place->arena, &path, err) < 0)
        fail_msg("%s", err->text);
    return (struct lfs_wish){.home = wish.home,
                             .project = wish.project,
                             .url = "https://127.0.0.1:1/vision.git",
                             .commit = wish.commit,
                             .worktree = path,
                             .from_git_alone = from_git_alone};
}

static int restore(struct place *place, bool from_git_alone, struct err *err)
{
    struct lfs_wish files = checkout(place, from_git_alone, err);
    return lfs_restore(&files, &place->arena, err);
}

static void refuses(struct place *place, bool from_git_alone, const char *words)
{
    struct err err = {""};
    assert_int_equal(restore(place, from_git_alone, &err), -1);
    if (!strstr(err.text, words) || strchr(err.text, '\n'))
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

static void restores(struct place *place)
{
    struct err err = {""};
    if (restore(place, false, &err) < 0)
        fail_msg("%s", err.text);
}

static void contents_stand_in_place_of_pointers(void **state)
{
    struct place *place = *state;
    commit_pointer(place, "a.bin", "weights", 7);
    commit_pointer(place, "same.bin", "weights", 7);
    commit_pointer(place, "plain.txt", "no attribute names it", 5);
    shell(place, "cd origin; echo itself > itself.bin; chmod +x a.bin; ln -s a.bin link.bin; "
                 "git -c filter.lfs.clean=cat add -A; git commit -qm more");
    restore(place, true, NULL); /* makes the clone */
    keep(place, "weights", "weights");
    for (int i = 0; i < 2; i++) { /* also where an interrupted checkout left something */
        restores(place);
        assert_string_equal(place_read(place, "home/attempts/1.1/box/checkout/a.bin"), "weights");
        assert_string_equal(place_read(place, "home/attempts/1.1/box/checkout/same.bin"),
                            "weights");
        assert_string_equal(place_read(place, "home/attempts/1.1/box/checkout/itself.bin"),
                            "itself\n");
        assert_string_equal(shell(place, "head -n 1 home/attempts/1.1/box/checkout/plain.txt"),
                            "version https://git-lfs.github.com/spec/v1");
        assert_string_equal(shell(place, "cd home/attempts/1.1/box/checkout; readlink link.bin; "
                                         "test -x a.bin; test ! -x same.bin"),
                            "a.bin");
        assert_string_equal(shell(place, "cd home/attempts/1.1/box/checkout; ls -A | wc -l"), "7");
        shell(place,
              "cd home/attempts/1.1/box/checkout; echo x > a.bin; rm same.bin; echo y > left");
    }
    /* What a worktree does to its copy is not seen by others. */
    assert_string_equal(shell(place, "cat home/clones/vision.git/farm-lfs/*"), "weights");
}

static void the_next_commit_has_its_own_contents(void **state)
{
    struct place *place = *state;
    commit_pointer(place, "a.bin", "one", 3);
    restore(place, true, NULL);
    keep(place, "one", "one");
    keep(place, "three", "three");
    restores(place);
    commit_pointer(place, "a.bin", "three", 5);
    restores(place);
    assert_string_equal(place_read(place, "home/attempts/1.1/box/checkout/a.bin"), "three");
}

static void damaged_contents_are_not_used(void **state)
{
    struct place *place = *state;
    commit_pointer(place, "a.bin", "weights", 7);
    restore(place, true, NULL);
    keep(place, "weights", "weighty");
    refuses(place, false, "git-lfs server: ");
    assert_string_equal(shell(place, "ls home/clones/vision.git/farm-lfs | wc -l"), "0");
    assert_string_equal(shell(place, "head -n 1 home/attempts/1.1/box/checkout/a.bin"),
                        "version https://git-lfs.github.com/spec/v1");
}

/* In the place of a file, and of a folder above it: what is outside is neither read nor written. */
static void a_checkout_that_was_changed_is_refused(void **state)
{
    static const char *const changes[] = {
        "rm dir/a.bin; ln -s ../../../../../outside/a.bin dir/a.bin",
        "rm -r dir; ln -s ../../../../outside dir", "rm dir/a.bin; mkfifo dir/a.bin"};
    struct place *place = *state;
    shell(place, "mkdir -p outside");
    commit_pointer(place, "b.bin", "weights", 7);
    shell(place, "mkdir -p origin/dir");
    commit_pointer(place, "dir/a.bin", "weights", 7);
    shell(place, "cp origin/dir/a.bin outside");
    restore(place, true, NULL);
    keep(place, "weights", "weights");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct err err = {""};
        struct lfs_wish files = checkout(place, false, &err);
        shell(place, arena_print(&place->arena, "cd %s; %s", files.worktree, changes[i]));
        assert_int_equal(lfs_restore(&files, &place->arena, &err), -1);
        if (!strstr(err.text, "git-lfs: the checkout was changed: "))
            fail_msg("%s", err.text);
        assert_string_equal(shell(place, "head -n 1 outside/a.bin"),
                            "version https://git-lfs.github.com/spec/v1");
    }
    restores(place);
}

static void what_will_not_be_fetched_is_refused(void **state)
{
    struct place *place = *state;
    commit_pointer(place, "a.bin", "weights", 7);
    refuses(place, true, "git-lfs: git has only the pointer of a.bin, and flox builds");
    refuses(place, false,
            "git-lfs: a.bin cannot be fetched: 127.0.0.1 is at 127.0.0.1, which is "
            "no public address; make it public");
    commit_pointer(place, "b.bin", "too large", 17ull << 30);
    refuses(place, false,
            "git-lfs: b.bin cannot be fetched: a checkout may have 4096 files of "
            "git-lfs with 16 GiB together");
    commit_pointer(place, "b.bin", "each fits, both do not", (16ull << 30) - 6);
    refuses(place, false, "b.bin cannot be fetched: a checkout may have");
    shell(place, "cd origin; printf '" HEAD "oid sha256:x\\n' > b.bin; "
                 "git -c filter.lfs.clean=cat add -A; git commit -qm broken");
    refuses(place, false, "git-lfs: b.bin cannot be fetched: its pointer is not one");
}

/* The commit's own word for the server is under the same rules. */
static void an_lfsconfig_reaches_nothing_else(void **state)
{
    static const char *const rows[][2] = {
        {"http://lfs.example/x", "http://lfs.example/x/objects/batch is not https"},
        {"file:///etc", "file:///etc/objects/batch is not https"},
        {"ssh://lfs.example/x", "is not https"},
        {"../../../../etc", "is not https"},
        {"https://me:word@lfs.example/x", "without user name"},
        {"https://169.254.169.254/x", "169.254.169.254, which is no public address"},
        {"https://localhost:8080/x", "which is no public address"}};
    struct place *place = *state;
    commit_pointer(place, "a.bin", "weights", 7);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        shell(place, arena_print(&place->arena,
                                 "cd origin; git config -f .lfsconfig lfs.url '%s'; "
                                 "git -c filter.lfs.clean=cat add -A; git commit -qm config",
                                 rows[i][0]));
        refuses(place, false, rows[i][1]);
    }
    /* A link of that name is a file of one line, not what it points to; an include is not read. */
    place_write(place, "elsewhere", "[lfs]\n\turl = https://10.0.0.1/x\n");
    shell(place, "cd origin; ln -sf ../../../../elsewhere .lfsconfig; "
                 "git -c filter.lfs.clean=cat add -A; git commit -qm link");
    refuses(place, false, "127.0.0.1 is at 127.0.0.1");
    shell(place, "cd origin; rm .lfsconfig; git config -f .lfsconfig include.path "
                 "\"$PWD/../elsewhere\"; git -c filter.lfs.clean=cat add -A; git commit -qm path");
    refuses(place, false, "127.0.0.1 is at 127.0.0.1");
}

/* Where git-lfs is installed, its filter would fetch with the user's credentials. */
static void the_filter_of_git_lfs_does_not_run(void **state)
{
    struct place *place = *state;
    commit_pointer(place, "a.bin", "weights", 7);
    place_write(place, "gitconfig",
                "[filter \"lfs\"]\n\tsmudge = touch ran; cat\n\tprocess = touch ran\n"
                "\trequired = true\n");
    setenv("GIT_CONFIG_GLOBAL", home_path(place, "gitconfig"), 1);
    refuses(place, false, "which is no public address");
    unsetenv("GIT_CONFIG_GLOBAL");
    assert_string_equal(shell(place, "find . -name ran | wc -l"), "0");
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pointer_is_read_or_refused),
        cmocka_unit_test(the_server_follows_from_the_url),
        cmocka_unit_test(a_submodule_is_where_its_url_or_its_parent_says),
        cmocka_unit_test(only_public_addresses_are_public),
        cmocka_unit_test(only_plain_https_urls_are_fetched),
        cmocka_unit_test(a_server_in_a_private_network_is_not_asked),
        PLACED(contents_stand_in_place_of_pointers),
        PLACED(the_next_commit_has_its_own_contents),
        PLACED(damaged_contents_are_not_used),
        PLACED(a_checkout_that_was_changed_is_refused),
        PLACED(what_will_not_be_fetched_is_refused),
        PLACED(an_lfsconfig_reaches_nothing_else),
        PLACED(the_filter_of_git_lfs_does_not_run),
    };
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
