/* SPDX-License-Identifier: MIT */
/* lfs.c - see lfs.h.
 *
 * The batch API of git-lfs (docs/api/batch.md) with its "basic" transfer. Header fields that an
 * answer wants on a download are left out: they are credentials.
 */
#include "worker/disk/lfs.h"
#include "proto/base/beneath.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/lfs.h"
#include "proto/limits.h"
#include "worker/disk/git_tool.h"
#include "worker/disk/home.h"
#include "worker/disk/workspace.h"
#include "worker/process/public_https.h"
#include "worker/process/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lfs_file {
    const char *path; /* below the worktree */
    bool is_program;
    struct lfs_pointer pointer;
};

struct restoring {
    const struct lfs_wish *wish;
    struct arena *arena;
    struct git_tool *git;
    const char *store;    /* farm-lfs */
    const char *endpoint; /* of the server */
    struct lfs_file *files;
    size_t count;
    uint64_t bytes; /* of all files */
};

#define LFS_ADVICE "make it public, commit the file itself, or have the recipe fetch it by hash"

/* Completes the reason in err for a file that cannot be had. */
static int refuse_file(const char *path, struct err *err)
{
    struct err reason = *err;
    return err_set(err, "git-lfs: %.200s cannot be fetched: %.600s; " LFS_ADVICE, path,
                   reason.text);
}

/* Takes over what https_fetch says of a file. */
static int fetch_failed(enum https_result result, const char *path, struct err *err)
{
    return result == HTTPS_REFUSED ? refuse_file(path, err) : err_prefix(err, "git-lfs server");
}

/* ---- which files -------------------------------------------------------------------------- */

/* Adds a file if it is a pointer. */
static int take_file(struct restoring *all, const char *path, bool is_program, struct err *err)
{
    struct buf text = {0};
    struct lfs_pointer pointer;
    enum beneath found =
        beneath_read(all->wish->worktree, path, LIMIT_LFS_POINTER_BYTES, &text, err);
    if (found == BENEATH_REFUSED)
        return err_prefix(err, "git-lfs: the checkout was changed");
    enum lfs_kind kind = found == BENEATH_FOUND && text.size
                             ? lfs_read_pointer((struct bytes){text.data, text.size}, &pointer)
                             : LFS_CONTENTS;
    buf_release(&text);
    if (kind == LFS_CONTENTS)
        return 0;
    if (kind == LFS_BROKEN) {
        err_set(err, "its pointer is not one of version 1 without extensions");
        return refuse_file(path, err);
    }
    if (all->wish->from_git_alone)
        return err_set(err,
                       "git-lfs: git has only the pointer of %.200s, and flox builds and publishes "
                       "from git: commit the file itself, or have the recipe fetch it by hash",
                       path);
    if (all->count == LIMIT_LFS_FILES || pointer.size > LIMIT_LFS_BYTES - all->bytes) {
        err_set(err, "a checkout may have %d files of git-lfs with %llu GiB together",
                LIMIT_LFS_FILES, LIMIT_LFS_BYTES >> 30);
        return refuse_file(path, err);
    }
    all->bytes += pointer.size;
    all->files[all->count++] = (struct lfs_file){path, is_program, pointer};
    return 0;
}

/* Reads `git ls-files --stage -z`: "MODE ID STAGE\tPATH" and a NUL for each file. */
static int take_listing(struct restoring *all, const struct buf *listing, struct err *err)
{
    for (size_t at = 0; at < listing->size;) {
        const char *entry = (const char *)listing->data + at, *tab = strchr(entry, '\t');
        at += strlen(entry) + 1;
        bool is_program = strncmp(entry, "100755 ", 7) == 0;
        if (!tab || (!is_program && strncmp(entry, "100644 ", 7) != 0))
            continue; /* a link, a submodule */
        if (take_file(all, arena_text(all->arena, tab + 1), is_program, err) < 0)
            return -1;
    }
    return 0;
}

static int find_files(struct restoring *all, struct err *err)
{
    struct buf listing = {0};
    int code = git_tool_run(all->git, all->wish->worktree, &listing, err, "-c",
                            "core.attributesFile=/dev/null", "ls-files", "--stage", "-z", "--",
                            ":(attr:filter=lfs)", NULL);
    int result = code < 0 ? -1 : 0;
    if (code > 0)
        result = err_set(err, "cannot list the files of git-lfs: git exited with status %d", code);
    all->files = arena_new(all->arena, LIMIT_LFS_FILES * sizeof *all->files);
    if (result == 0)
        result = take_listing(all, &listing, err);
    buf_release(&listing);
    return result;
}

/* ---- the server --------------------------------------------------------------------------- */

/* lfs.url of the commit's .lfsconfig; "" without one. Read from git, so that no link is followed
 * and no other file included. */
static const char *configured_endpoint(const struct restoring *all)
{
    struct buf said = {0};
    const char *blob = arena_print(all->arena, "%s:.lfsconfig", all->wish->commit);
    const char *url = "";
    int exists = git_tool_run(all->git, all->wish->worktree, &said, NULL, "ls-files", "--",
                              ".lfsconfig", NULL);
    bool is_there = exists == 0 && said.size;
    buf_clear(&said);
    if (is_there && git_tool_run(all->git, all->wish->worktree, &said, NULL, "config",
                                 "--no-includes", "--blob", blob, "--get", "lfs.url", NULL) == 0)
        url = arena_print(all->arena, "%.*s", (int)said.size, (const char *)said.data);
    buf_release(&said);
    char *line = arena_text(all->arena, url);
    line[strcspn(line, "\n")] = '\0';
    for (size_t length = strlen(line); length && line[length - 1] == '/';)
        line[--length] = '\0';
    return line;
}

static int find_endpoint(struct restoring *all, struct err *err)
{
    all->endpoint = configured_endpoint(all);
    if (!*all->endpoint)
        all->endpoint = lfs_endpoint(all->wish->url, all->arena);
    if (all->endpoint)
        return 0;
    err_set(err, "the URL of its repository names no https server");
    return refuse_file(all->files[0].path, err);
}

static int text_take(void *context, const void *data, size_t size, struct err *err)
{
    struct buf *text = context;
    (void)err;
    if (!size)
        buf_clear(text);
    buf_add(text, data, size);
    return 0;
}

static char *batch_request(const struct lfs_file *const *files, size_t count)
{
    json_t *objects = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(objects, json_pack("{s:s, s:I}", "oid", files[i]->pointer.oid, "size",
                                                 (json_int_t)files[i]->pointer.size));
    json_t *request = json_pack("{s:s, s:[s], s:s, s:o}", "operation", "download", "transfers",
                                "basic", "hash_algo", "sha256", "objects", objects);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

/* Asks where the objects are. The answer is the caller's; NULL with err. */
static json_t *batch_ask(const struct restoring *all, const struct lfs_file *const *files,
                         size_t count, struct err *err)
{
    static const char *const heads[] = {"Accept: application/vnd.git-lfs+json",
                                        "Content-Type: application/vnd.git-lfs+json", NULL};
    struct buf text = {0};
    char *body = batch_request(files, count);
    struct https_request request = {.url =
                                        arena_print(all->arena, "%s/objects/batch", all->endpoint),
                                    .heads = heads,
                                    .body = body,
                                    .bytes_max = LIMIT_LFS_ANSWER_BYTES,
                                    .take = text_take,
                                    .context = &text};
    enum https_result result = https_fetch(&request, all->arena, err);
    json_t *answer =
        result == HTTPS_DONE ? json_loadb((const char *)text.data, text.size, 0, NULL) : NULL;
    if (result != HTTPS_DONE)
        fetch_failed(result, files[0]->path, err);
    else if (!answer) {
        err_set(err, "%.200s does not speak the batch API of git-lfs", all->endpoint);
        refuse_file(files[0]->path, err);
    }
    buf_release(&text);
    free(body);
    return answer;
}

/* The URL of an object in the answer; NULL with err. */
static const char *answer_url(const json_t *answer, const struct lfs_file *file, struct err *err)
{
    size_t index;
    json_t *object;
    const char *transfer = json_string_value(json_object_get(answer, "transfer"));
    json_array_foreach(json_object_get(answer, "objects"), index, object)
    {
        const char *oid = json_string_value(json_object_get(object, "oid"));
        const json_t *download = json_object_get(json_object_get(object, "actions"), "download");
        const char *url = json_string_value(json_object_get(download, "href"));
        if (oid && strcmp(oid, file->pointer.oid) == 0 && url &&
            (!transfer || strcmp(transfer, "basic") == 0))
            return url;
    }
    err_set(err, "the server does not offer it to everybody");
    refuse_file(file->path, err);
    return NULL;
}

/* ---- contents ----------------------------------------------------------------------------- */

/* A file that is being written, and what its contents are so far. */
struct writing {
    int fd;
    EVP_MD_CTX *digest;
    uint64_t bytes;
};

static int writing_begin(struct writing *writing, const char *path, mode_t mode, struct err *err)
{
    unlink(path); /* of a checkout that was killed */
    *writing = (struct writing){
        .fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
    if (writing->fd < 0)
        return err_set(err, "cannot make %s: %s", path, strerror(errno));
    writing->digest = EVP_MD_CTX_new();
    EVP_DigestInit_ex(writing->digest, EVP_sha256(), NULL);
    return 0;
}

/* A piece of 0 bytes begins again (public_https.h). */
static int writing_take(void *context, const void *data, size_t size, struct err *err)
{
    struct writing *writing = context;
    if (!size) {
        writing->bytes = 0;
        EVP_DigestInit_ex(writing->digest, EVP_sha256(), NULL);
        if (ftruncate(writing->fd, 0) < 0 || lseek(writing->fd, 0, SEEK_SET) < 0)
            return err_set(err, "cannot empty a file: %s", strerror(errno));
        return 0;
    }
    writing->bytes += size;
    EVP_DigestUpdate(writing->digest, data, size);
    return io_write_all(writing->fd, data, size, err);
}

/* Ends writing; whether the contents are those of the pointer. */
static bool writing_end(struct writing *writing, const struct lfs_pointer *pointer)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char digits[2 * EVP_MAX_MD_SIZE + 1];
    unsigned size = 0;
    EVP_DigestFinal_ex(writing->digest, hash, &size);
    EVP_MD_CTX_free(writing->digest);
    close(writing->fd);
    hex_write(digits, hash, size);
    return writing->bytes == pointer->size && strcmp(digits, pointer->oid) == 0;
}

static const char *stored(const struct restoring *all, const struct lfs_file *file)
{
    return arena_print(all->arena, "%s/%s", all->store, file->pointer.oid);
}

static int download(const struct restoring *all, const struct lfs_file *file, const char *url,
                    struct err *err)
{
    struct writing writing;
    const char *fresh = arena_print(all->arena, "%s/fresh", all->store);
    struct https_request request = {
        .url = url, .bytes_max = file->pointer.size, .take = writing_take, .context = &writing};
    printf("fetching %s of git-lfs: %llu bytes\n", file->path,
           (unsigned long long)file->pointer.size);
    fflush(stdout);
    if (writing_begin(&writing, fresh, 0644, err) < 0)
        return -1;
    enum https_result result = https_fetch(&request, all->arena, err);
    bool is_right = writing_end(&writing, &file->pointer);
    if (result != HTTPS_DONE) {
        unlink(fresh);
        return fetch_failed(result, file->path, err);
    }
    if (!is_right) {
        unlink(fresh);
        err_set(err, "what the server has is not what its pointer says (size %llu, sha256 %s)",
                (unsigned long long)file->pointer.size, file->pointer.oid);
        return refuse_file(file->path, err);
    }
    if (rename(fresh, stored(all, file)) < 0)
        return err_set(err, "cannot put %s in place: %s", stored(all, file), strerror(errno));
    return 0;
}

static int fetch_batch(const struct restoring *all, const struct lfs_file *const *files,
                       size_t count, struct err *err)
{
    json_t *answer = batch_ask(all, files, count, err);
    int result = answer ? 0 : -1;
    for (size_t i = 0; i < count && result == 0; i++) {
        if (io_exists(stored(all, files[i])))
            continue; /* two files with the same contents */
        const char *url = answer_url(answer, files[i], err);
        result = url ? download(all, files[i], url, err) : -1;
    }
    json_decref(answer);
    return result;
}

static int fetch_missing(const struct restoring *all, struct err *err)
{
    const struct lfs_file *batch[LIMIT_LFS_BATCH];
    size_t in_batch = 0;
    int result = 0;
    for (size_t i = 0; i < all->count && result == 0; i++) {
        if (!io_exists(stored(all, &all->files[i])))
            batch[in_batch++] = &all->files[i];
        if (in_batch && (in_batch == LIMIT_LFS_BATCH || i + 1 == all->count)) {
            result = fetch_batch(all, batch, in_batch, err);
            in_batch = 0;
        }
    }
    return result;
}

/* ---- into the worktree -------------------------------------------------------------------- */

static int copy(int from, struct writing *to, struct err *err)
{
    char data[65536];
    for (;;) {
        ssize_t n = read(from, data, sizeof data);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, "cannot read an object of git-lfs: %s", strerror(errno));
        if (n == 0)
            return 0;
        if (writing_take(to, data, (size_t)n, err) < 0)
            return -1;
    }
}

/* Moves a file to its place in the worktree; no folder on the way to it is a link. */
static int move_file(const struct restoring *all, const char *from, const char *path,
                     struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *above = arena_print(all->arena, "%.*s", slash ? (int)(slash - path) : 0, path);
    int folder = beneath_folder(all->wish->worktree, above, err);
    if (folder < 0)
        return -1;
    int result = renameat(AT_FDCWD, from, folder, slash ? slash + 1 : path);
    if (result < 0)
        err_set(err, "cannot put %s/%s in place: %s", all->wish->worktree, path, strerror(errno));
    close(folder);
    return result;
}

/* Replaces a pointer. The copy is the worktree's own: a build may write to it. It is made beside
 * the worktree, where no file of the commit can have its name. */
static int put_file(const struct restoring *all, const struct lfs_file *file, struct err *err)
{
    struct writing writing;
    const char *from = stored(all, file);
    const char *fresh = arena_print(all->arena, "%s.lfs", all->wish->worktree);
    int source = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (source < 0)
        return err_set(err, "cannot open %s: %s", from, strerror(errno));
    int result = writing_begin(&writing, fresh, file->is_program ? 0755 : 0644, err);
    if (result == 0) {
        result = copy(source, &writing, err);
        if (!writing_end(&writing, &file->pointer) && result == 0) {
            unlink(from);
            result = err_set(err, "git-lfs server: %s was damaged here and is fetched again", from);
        }
    }
    close(source);
    return result == 0 ? move_file(all, fresh, file->path, err) : -1;
}

/* ---- outside ------------------------------------------------------------------------------ */

int lfs_restore(const struct lfs_wish *wish, struct arena *arena, struct err *err)
{
    struct restoring all = {
        .wish = wish,
        .arena = arena,
        .git = git_tool_new(arena),
        .store =
            arena_print(arena, "%s/farm-lfs", workspace_clone(wish->home, wish->project, arena))};
    if (find_files(&all, err) < 0)
        return -1;
    if (!all.count)
        return 0;
    if (find_endpoint(&all, err) < 0 || io_make_folders(all.store, 0755, err) < 0)
        return -1;
    if (!tool_exists("curl"))
        return err_set(err, "git-lfs needs curl, which this host has not: install it (Debian: "
                            "apt-get install curl)");
    int lock = worker_home_lock_file(wish->home, "clones",
                                     arena_print(arena, "%s.lfs.lock", wish->project), arena, err);
    int result = lock < 0 ? -1 : fetch_missing(&all, err);
    if (lock >= 0)
        close(lock);
    for (size_t i = 0; i < all.count && result == 0; i++)
        result = put_file(&all, &all.files[i], err);
    return result;
}
