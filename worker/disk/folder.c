/* SPDX-License-Identifier: MIT */
/* folder.c - see folder.h.
 *
 * Owns the layout and the format number. Every file read here may be the result of a crash, a full
 * disk or an editor: sizes are limited, contents are checked, and errors name the file. Files are
 * small and few, because making ten inodes takes longer than a light job.
 */
#include "worker/disk/folder.h"
#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"
#include "worker/process/run_file.h"

#include <assert.h>
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

enum { FOLDER_ABSENT = 1 };

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

/* Reads a file of a folder; FOLDER_ABSENT without err when there is none. */
static int read_file(const char *folder, const char *name, struct buf *out, struct err *err)
{
    enum beneath found = beneath_read(folder, name, LIMIT_CONTROL_FRAME_BYTES, out, err);
    return found == BENEATH_FOUND ? 0 : found == BENEATH_ABSENT ? FOLDER_ABSENT : -1;
}

static int read_must(const char *folder, const char *name, struct buf *out, struct err *err)
{
    int result = read_file(folder, name, out, err);
    return result == FOLDER_ABSENT ? err_set(err, "there is no %s/%s", folder, name) : result;
}

static int unpack_file(const struct codec *codec, const char *folder, const char *name, void *plain,
                       struct arena *arena, struct err *err)
{
    struct buf packed = {0};
    int result = read_file(folder, name, &packed, err);
    if (result == 0) {
        struct bytes bytes = {packed.data, packed.size};
        result = codec_unpack(codec, bytes, plain, arena, err);
        if (result < 0)
            err_prefix(err, "%s/%s is damaged", folder, name);
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
    int result = read_must(folder, "order", &file, err);
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
    int file;
    enum beneath found = beneath_open(folder, name, O_WRONLY | O_CREAT | O_EXCL, &file, err);
    if (found != BENEATH_FOUND)
        return found == BENEATH_ABSENT ? err_set(err, "%s is gone", folder) : -1;
    /* Other build users may come to the folder before it is closed to them, and read nothing. */
    int result = fchmod(file, 0600) < 0
                     ? err_set(err, "cannot change its mode: %s", strerror(errno))
                     : io_write_all(file, data, size, err);
    if (result < 0)
        err_prefix(err, "%s/%s", folder, name);
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

/* No recipe has to read what a publication has. The mode tells it from an attempt where the order
 * cannot be read, so it does not depend on the umask. */
static int folder_fill(const char *folder, const struct order *order, const struct buf *packed,
                       struct err *err)
{
    if (chmod(folder, order->is_publication ? 0700 : 0755) < 0)
        return err_set(err, "cannot change the mode of %s: %s", folder, strerror(errno));
    if (write_new(folder, "order", packed->data, packed->size, err) < 0)
        return -1;
    if (order->bundle.size)
        return write_new(folder, "bundle", order->bundle.data, order->bundle.size, err);
    return 0;
}

/* Checks that the existing folder has this order. */
static int order_confirm(const char *folder, const struct buf *packed, struct err *err)
{
    struct buf there = {0};
    int result = read_must(folder, "order", &there, err);
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
    if (folder_exists(home, order->token))
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
    shape_init(&product_shape, product);
    int result = unpack_file(product_codec(), folder, "product", product, arena, err);
    return result == FOLDER_ABSENT ? 0 : result;
}

int folder_save_result(const char *home, const struct item *item, struct err *err)
{
    struct arena arena = {0};
    const char *path = folder_path(home, item->token, "result", &arena);
    bool durable = item->is_publication || item->facts.wall_ms >= DURABLE_WALL_MS;
    /* With its result the lease of its build user ends; that user's next attempt has no way in. */
    if (geteuid() == 0 && lchown(folder_path(home, item->token, NULL, &arena), 0, 0) < 0)
        log_warn("cannot close the folder of %lu.%llu: %s", (unsigned long)item->token.epoch,
                 (unsigned long long)item->token.number, strerror(errno));
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
 * for longer than we hold the lock. A file that is refused was one once: its phase began. */
static enum phase_run_state run_state(const char *folder, enum phase phase, struct arena *arena)
{
    int file;
    const char *name = arena_print(arena, "%s.run", phase_names[phase]);
    enum beneath found = beneath_open(folder, name, O_RDONLY, &file, NULL);
    if (found != BENEATH_FOUND)
        return found == BENEATH_ABSENT ? RUN_NONE : RUN_GONE;
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

uint64_t folder_log_bytes(const char *folder)
{
    struct stat log;
    if (beneath_look(folder, "log", &log, NULL) != BENEATH_FOUND || !S_ISREG(log.st_mode))
        return 0;
    return (uint64_t)log.st_size < LIMIT_LOG_FILE_BYTES ? (uint64_t)log.st_size
                                                        : LIMIT_LOG_FILE_BYTES;
}

/* Whether what is there is a file of at most `bytes_max` bytes. */
static int check_file(const char *folder, const char *name, uint64_t bytes_max, struct err *err)
{
    struct stat about;
    enum beneath found = beneath_look(folder, name, &about, err);
    if (found == BENEATH_FOUND && !S_ISREG(about.st_mode))
        err_set(err, "%s/%s is %s", folder, name, beneath_kind(about.st_mode));
    else if (found == BENEATH_FOUND && (uint64_t)about.st_size > bytes_max)
        err_set(err, "%s/%s is larger than %llu bytes", folder, name,
                (unsigned long long)bytes_max);
    else if (found != BENEATH_REFUSED)
        return 0;
    return err_prefix(err, "the attempt's folder was tampered with");
}

int folder_check(const char *folder, struct err *err)
{
    static const char *const files[] = {
        "order", "bundle", "worktree",     "product",   "isolation", "sandbox",    "finding",
        "gpu",   "result", "checkout.run", "build.run", "check.run", "publish.run"};
    int result = check_file(folder, "log", LIMIT_LOG_FILE_BYTES, err);
    for (size_t i = 0; i < sizeof files / sizeof *files && result == 0; i++)
        result = check_file(folder, files[i], LIMIT_CONTROL_FRAME_BYTES, err);
    return result;
}

/* By its order, or where that cannot be read by its mode (folder_fill). */
static bool is_publications(const char *home, struct token token, struct order *order,
                            struct arena *arena)
{
    struct stat about;
    const char *folder = folder_path(home, token, NULL, arena);
    if (folder_read_order(folder, order, arena, NULL) == 0 && token_equal(order->token, token))
        return order->is_publication || order->kind == ORDER_GRANT;
    shape_init(&order_shape, order);
    order->token = token;
    order->kind = ORDER_GRANT;
    order->is_publication = true;
    return beneath_look(arena_print(arena, "%s/attempts", home), strrchr(folder, '/') + 1, &about,
                        NULL) == BENEATH_FOUND &&
           (about.st_mode & 0777) == 0700;
}

bool folder_is_publication(const char *home, struct token token)
{
    struct arena arena = {0};
    struct order order;
    bool is = is_publications(home, token, &order, &arena);
    arena_clear(&arena);
    return is;
}

bool folder_end_publication(const char *home, struct token token, const char *why, struct err *err)
{
    struct arena arena = {0};
    struct order order;
    struct item item;
    bool ends = is_publications(home, token, &order, &arena);
    shape_init(&item_shape, &item);
    item.token = token;
    item.is_publication = item.unsure = true;
    item.state = ITEM_ENDED;
    item.phase = item.failed_phase = PHASE_PUBLISH;
    item.outcome = OUTCOME_LOST;
    item.cause = CAUSE_HOST_LOST;
    item.witness = WITNESS_TRUSTED;
    item.detail = arena_text(&arena, why);
    item.variant = order.variant;
    ends = ends && folder_remove(home, token, err) == 0 && folder_make(home, &order, err) == 0 &&
           folder_save_result(home, &item, err) == 0;
    arena_clear(&arena);
    return ends;
}

static bool is_there(const char *top, const char *name)
{
    struct stat about;
    return beneath_look(top, name, &about, NULL) != BENEATH_ABSENT;
}

bool folder_exists(const char *home, struct token token)
{
    struct arena arena = {0};
    bool exists = is_there(arena_print(&arena, "%s/attempts", home),
                           arena_print(&arena, "%lu.%llu", (unsigned long)token.epoch,
                                       (unsigned long long)token.number));
    arena_clear(&arena);
    return exists;
}

bool folder_has_result(const char *home, struct token token)
{
    struct arena arena = {0};
    bool exists = is_there(folder_path(home, token, NULL, &arena), "result");
    arena_clear(&arena);
    return exists;
}

int folder_read(const char *home, struct token token, struct agent_found *found,
                struct arena *arena, struct err *err)
{
    const char *folder = folder_path(home, token, NULL, arena);
    *found = (struct agent_found){.state = ITEM_NONE};
    shape_init(&item_shape, &found->result);
    if (folder_read_order(folder, &found->order, arena, err) < 0)
        return -1;
    if (!token_equal(found->order.token, token))
        return err_set(err, "%s holds an order for %lu.%llu", folder,
                       (unsigned long)found->order.token.epoch,
                       (unsigned long long)found->order.token.number);
    found->log_bytes = folder_log_bytes(folder);
    read_progress(folder, found, arena);
    int result = unpack_file(item_codec(), folder, "result", &found->result, arena, err);
    if (result == FOLDER_ABSENT)
        return folder_read_product(folder, &found->result.product, arena, err);
    found->state = ITEM_ENDED;
    found->supervisor_gone = false;
    return result;
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
    struct arena arena = {0};
    const char **names;
    size_t names_count;
    *tokens = NULL;
    *count = 0;
    enum beneath found = beneath_list(arena_print(&arena, "%s/attempts", home), "", "",
                                      BENEATH_ENTRIES_MAX, &arena, &names, &names_count, err);
    if (names_count)
        *tokens = mem_new(names_count * sizeof **tokens);
    for (size_t i = 0; i < names_count; i++)
        if (folder_token(names[i], &(*tokens)[*count]))
            (*count)++;
    if (*count)
        qsort(*tokens, *count, sizeof **tokens, compare_tokens);
    arena_clear(&arena);
    return found == BENEATH_FOUND || found == BENEATH_ABSENT ? 0 : -1;
}

int folder_remove(const char *home, struct token token, struct err *err)
{
    struct arena arena = {0};
    int result = io_remove_tree(folder_path(home, token, NULL, &arena), err);
    arena_clear(&arena);
    return result;
}
