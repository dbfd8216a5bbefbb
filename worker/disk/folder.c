/* SPDX-License-Identifier: MIT */
/* folder.c - see folder.h.
 *
 * Owns the layout and the format number. Every file read here may be the result of a crash, a full
 * disk or an editor: sizes are limited, contents are checked, and errors name the file. Files are
 * small and few, because making ten inodes takes longer than a light job.
 */
#include "worker/disk/folder.h"
#include "proto/base/io.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"
#include "worker/process/run_file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char format_begin[] = "floxfarm attempt ";

/* The result of a build that took at least this long is worth an fsync. */
enum { DURABLE_WALL_MS = 1000 };

char *folder_path(const char *home, struct token token, const char *name, struct arena *arena)
{
    return arena_print(arena, "%s/attempts/%lu.%llu%s%s", home, (unsigned long)token.epoch,
                       (unsigned long long)token.number, name ? "/" : "", name ? name : "");
}

/* Parses digits without a leading zero, so that each token has exactly one name. */
static const char *take_number(const char *text, uint64_t most, uint64_t *value)
{
    *value = 0;
    if (*text == '0')
        return text + 1;
    if (*text < '1' || *text > '9')
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*value > (most - digit) / 10)
            return NULL;
        *value = *value * 10 + digit;
    }
    return text;
}

bool folder_token(const char *text, struct token *token)
{
    uint64_t epoch, number;
    const char *at = take_number(text, UINT32_MAX, &epoch);
    if (!at || *at != '.')
        return false;
    at = take_number(at + 1, UINT64_MAX, &number);
    *token = (struct token){.epoch = (uint32_t)epoch, .number = number};
    return at && *at == '\0';
}

/* ---- packed files ------------------------------------------------------------------------- */

static const struct codec *order_codec(void)
{
    return codec_bind(&order_shape, &farm__v1__order__descriptor);
}

static const struct codec *item_codec(void)
{
    return codec_bind(&item_shape, &farm__v1__item__descriptor);
}

static const struct codec *product_codec(void)
{
    return codec_bind(&product_shape, &farm__v1__product__descriptor);
}

static int unpack_file(const struct codec *codec, const char *path, void *plain,
                       struct arena *arena, struct err *err)
{
    struct buf packed = {0};
    int result = io_read_file(path, LIMIT_CONTROL_FRAME_BYTES, &packed, err);
    if (result == 0) {
        struct bytes bytes = {packed.data, packed.size};
        result = codec_unpack(codec, bytes, plain, arena, err);
        if (result < 0)
            err_prefix(err, "%s is damaged", path);
    }
    buf_release(&packed);
    return result;
}

static int pack_file(const struct codec *codec, const char *path, const void *plain, bool durable,
                     struct err *err)
{
    struct buf packed = {0};
    codec_pack(codec, plain, &packed);
    int result = io_write_file(path, packed.data, packed.size, 0644, durable, err);
    buf_release(&packed);
    return result;
}

/* ---- the order ---------------------------------------------------------------------------- */

static void pack_order(const struct order *order, struct buf *out)
{
    struct order kept = *order;
    kept.secret = (struct bytes){0};
    kept.bundle = (struct bytes){0};
    buf_print(out, "%s%d\n", format_begin, FOLDER_FORMAT);
    codec_pack(order_codec(), &kept, out);
}

/* Checks the format line; *rest are the bytes after it. */
static int check_format(const char *path, const struct buf *file, struct bytes *rest,
                        struct err *err)
{
    size_t begin = sizeof format_begin - 1;
    const char *text = (const char *)file->data;
    if (file->size <= begin || memcmp(text, format_begin, begin) != 0)
        return err_set(err, "%s is damaged: it does not begin with \"%s\"", path, format_begin);
    char *end;
    unsigned long number = strtoul(text + begin, &end, 10);
    if (end == text + begin || *end != '\n')
        return err_set(err, "%s is damaged: its format has no number", path);
    if (number != FOLDER_FORMAT)
        return err_set(err,
                       "%s has format %lu but this worker supports only format %d: run the newer "
                       "worker that wrote it, or remove the folder",
                       path, number, FOLDER_FORMAT);
    size_t line = (size_t)(end + 1 - text);
    *rest = (struct bytes){file->data + line, file->size - line};
    return 0;
}

static int unpack_order(const char *path, const struct buf *file, struct order *order,
                        struct arena *arena, struct err *err)
{
    struct bytes rest = {0};
    if (check_format(path, file, &rest, err) < 0)
        return -1;
    if (codec_unpack(order_codec(), rest, order, arena, err) < 0)
        return err_prefix(err, "%s is damaged", path);
    return 0;
}

int folder_read_order(const char *folder, struct order *order, struct arena *arena, struct err *err)
{
    struct buf file = {0};
    const char *path = arena_print(arena, "%s/order", folder);
    int result = io_read_file(path, LIMIT_CONTROL_FRAME_BYTES, &file, err);
    if (result == 0)
        result = unpack_order(path, &file, order, arena, err);
    buf_release(&file);
    return result;
}

/* ---- making ------------------------------------------------------------------------------- */

/* Writes a file of a folder that is not visible yet, so it needs no temporary name. */
static int write_new(const char *folder, const char *name, const void *data, size_t size,
                     struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0)
        return err_set(err, "cannot make %s: %s", path, strerror(errno));
    int result = io_write_all(file, data, size, err);
    if (result < 0)
        err_prefix(err, "%s", path);
    close(file);
    return result;
}

/* Makes an empty folder. A crash may have left one of that name, which nothing uses; and a new home
 * has no attempts/ yet. */
static int make_empty(const char *home, const char *folder, struct err *err)
{
    char above[PATH_MAX];
    if (mkdir(folder, 0755) == 0)
        return 0;
    if (errno == EEXIST && io_remove_tree(folder, err) < 0)
        return -1;
    snprintf(above, sizeof above, "%s/attempts", home);
    if (io_make_folders(above, 0755, err) < 0)
        return -1;
    return mkdir(folder, 0755) == 0 ? 0
                                    : err_set(err, "cannot make %s: %s", folder, strerror(errno));
}

static int folder_fill(const char *folder, const struct order *order, const struct buf *packed,
                       struct err *err)
{
    if (write_new(folder, "order", packed->data, packed->size, err) < 0)
        return -1;
    if (order->bundle.size)
        return write_new(folder, "bundle", order->bundle.data, order->bundle.size, err);
    return 0;
}

/* Checks that the existing folder has this order. */
static int order_confirm(const char *folder, const struct buf *packed, struct err *err)
{
    char path[PATH_MAX];
    struct buf there = {0};
    snprintf(path, sizeof path, "%s/order", folder);
    int result = io_read_file(path, LIMIT_CONTROL_FRAME_BYTES, &there, err);
    if (result == 0 &&
        (there.size != packed->size || memcmp(there.data, packed->data, packed->size) != 0))
        result = err_set(err, "%s holds another order under the same token", folder);
    buf_release(&there);
    return result;
}

static int make_packed(const char *home, const struct order *order, const struct buf *packed,
                       struct arena *arena, struct err *err)
{
    const char *folder = folder_path(home, order->token, NULL, arena);
    const char *fresh =
        arena_print(arena, "%s/attempts/.new-%lu.%llu", home, (unsigned long)order->token.epoch,
                    (unsigned long long)order->token.number);
    if (io_exists(folder))
        return order_confirm(folder, packed, err);
    if (make_empty(home, fresh, err) < 0 || folder_fill(fresh, order, packed, err) < 0)
        return -1;
    if (rename(fresh, folder) < 0)
        return err_set(err, "cannot put %s in place: %s", folder, strerror(errno));
    return 0;
}

int folder_make(const char *home, const struct order *order, struct err *err)
{
    assert(!token_none(order->token));
    struct arena arena = {0};
    struct buf packed = {0};
    pack_order(order, &packed);
    int result = make_packed(home, order, &packed, &arena, err);
    buf_release(&packed);
    arena_clear(&arena);
    return result;
}

/* ---- product and result ------------------------------------------------------------------- */

int folder_save_product(const char *folder, const struct product *product, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/product", folder);
    return pack_file(product_codec(), path, product, true, err);
}

int folder_read_product(const char *folder, struct product *product, struct arena *arena,
                        struct err *err)
{
    const char *path = arena_print(arena, "%s/product", folder);
    shape_init(&product_shape, product);
    if (!io_exists(path))
        return 0;
    return unpack_file(product_codec(), path, product, arena, err);
}

int folder_save_result(const char *home, const struct item *item, struct err *err)
{
    struct arena arena = {0};
    const char *path = folder_path(home, item->token, "result", &arena);
    bool durable = item->is_publication || item->facts.wall_ms >= DURABLE_WALL_MS;
    int result = pack_file(item_codec(), path, item, durable, err);
    arena_clear(&arena);
    return result;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The state of a supervisor by its PHASE.run: no file; holds the lock; neither holds the lock nor
 * wrote exit facts; wrote exit facts. */
enum phase_run_state { RUN_NONE, RUN_LIVES, RUN_GONE, RUN_OVER };

static bool exit_written(int file)
{
    char text[RUN_FILE_EXIT_BYTES + 1];
    ssize_t n = pread(file, text, sizeof text - 1, RUN_FILE_EXIT_OFFSET);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, "\nend\n") != NULL;
}

/* Takes the lock only to see whether it is free. A supervisor that starts at this moment retries
 * for longer than we hold the lock. */
static enum phase_run_state run_state(const char *folder, enum phase phase, struct arena *arena)
{
    const char *path = arena_print(arena, "%s/%s.run", folder, phase_names[phase]);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return RUN_NONE;
    enum phase_run_state state = RUN_GONE;
    if (flock(file, LOCK_SH | LOCK_NB) < 0)
        state = RUN_LIVES;
    if (exit_written(file))
        state = RUN_OVER;
    close(file);
    return state;
}

static void read_progress(const char *folder, struct agent_found *found, struct arena *arena)
{
    static const enum phase newest_first[] = {PHASE_PUBLISH, PHASE_CHECK, PHASE_BUILD,
                                              PHASE_CHECKOUT};
    found->state = ITEM_ACCEPTED;
    for (size_t i = 0; i < sizeof newest_first / sizeof newest_first[0]; i++) {
        enum phase_run_state state = run_state(folder, newest_first[i], arena);
        if (state == RUN_NONE)
            continue;
        found->state = ITEM_RUNNING;
        found->phase = newest_first[i];
        found->supervisor_gone = state == RUN_GONE;
        return;
    }
}

static uint64_t file_size(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 ? (uint64_t)there.st_size : 0;
}

int folder_read(const char *home, struct token token, struct agent_found *found,
                struct arena *arena, struct err *err)
{
    const char *folder = folder_path(home, token, NULL, arena);
    const char *result = folder_path(home, token, "result", arena);
    *found = (struct agent_found){.state = ITEM_NONE};
    shape_init(&item_shape, &found->result);
    if (folder_read_order(folder, &found->order, arena, err) < 0)
        return -1;
    if (!token_equal(found->order.token, token))
        return err_set(err, "%s holds an order for %lu.%llu", folder,
                       (unsigned long)found->order.token.epoch,
                       (unsigned long long)found->order.token.number);
    found->log_bytes = file_size(folder_path(home, token, "log", arena));
    read_progress(folder, found, arena);
    if (!io_exists(result))
        return folder_read_product(folder, &found->result.product, arena, err);
    found->state = ITEM_ENDED;
    found->supervisor_gone = false;
    return unpack_file(item_codec(), result, &found->result, arena, err);
}

/* ---- the home ----------------------------------------------------------------------------- */

static int compare_tokens(const void *a, const void *b)
{
    const struct token *left = a, *right = b;
    if (token_equal(*left, *right))
        return 0;
    return token_less(*left, *right) ? -1 : 1;
}

int folder_list(const char *home, struct token **tokens, size_t *count, struct err *err)
{
    char path[PATH_MAX];
    size_t capacity = 0;
    *tokens = NULL;
    *count = 0;
    snprintf(path, sizeof path, "%s/attempts", home);
    DIR *folder = opendir(path);
    if (!folder && errno == ENOENT)
        return 0;
    if (!folder)
        return err_set(err, "cannot read %s: %s", path, strerror(errno));
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct token token;
        if (!folder_token(entry->d_name, &token))
            continue;
        MEM_GROW(*tokens, *count, capacity);
        (*tokens)[(*count)++] = token;
    }
    closedir(folder);
    if (*count)
        qsort(*tokens, *count, sizeof **tokens, compare_tokens);
    return 0;
}

int folder_remove(const char *home, struct token token, struct err *err)
{
    struct arena arena = {0};
    int result = io_remove_tree(folder_path(home, token, NULL, &arena), err);
    arena_clear(&arena);
    return result;
}
