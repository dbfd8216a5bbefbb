/* SPDX-License-Identifier: MIT */
/* cleaner.c - see cleaner.h. */
#include "worker/host/cleaner.h"

#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "worker/disk/seeds.h"
#include "worker/disk/workspace.h"
#include "worker/host/build_path.h"
#include "worker/process/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    LIST_BYTES_MAX = 256 << 20, /* enough for the list of a store with a million paths */
    PRODUCTS_BYTES_MAX = 16 << 20
};
static const uint64_t nix_ms_max = 4ull * 3600 * 1000; /* collecting terabytes takes hours */

struct cleaning {
    const struct worker_options *options;
    struct arena *arena;
    const char *store;
    uint64_t freed; /* bytes; in a dry run those that would be freed */
};

/* ---- disk space ---------------------------------------------------------------------------- */

static uint64_t free_bytes(const char *path)
{
    struct statvfs disk;
    return statvfs(path, &disk) < 0 ? UINT64_MAX : (uint64_t)disk.f_bavail * disk.f_frsize;
}

/* In a dry run, the bytes that would have been removed count as free. */
static bool is_enough(const struct cleaning *cleaning, const char *path)
{
    uint64_t now = free_bytes(path);
    if (cleaning->options->dry_run && now < UINT64_MAX - cleaning->freed)
        now += cleaning->freed;
    return now >= cleaning->options->keep_bytes;
}

static void removal_report(struct cleaning *cleaning, uint64_t bytes, const char *what)
{
    cleaning->freed += bytes;
    printf("%s %8.1f MiB  %s\n", cleaning->options->dry_run ? "would remove" : "removed",
           (double)bytes / (1 << 20), what);
    fflush(stdout);
}

/* ---- products ------------------------------------------------------------------------------ */

void cleaner_note(const char *home, const struct product *product)
{
    struct buf text = {0};
    struct arena arena = {0};
    for (size_t i = 0; i < product->paths_count; i++)
        buf_print(&text, "%s\n", product->paths[i]);
    int fd = text.size ? open(arena_print(&arena, "%s/products", home),
                              O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)
                       : -1;
    if (fd >= 0) {
        (void)!write(fd, text.data, text.size);
        close(fd);
    }
    buf_release(&text);
    arena_clear(&arena);
}

/* Whether `of` has `line` as one of its lines. */
static bool has_line(const char *of, const char *line, size_t size)
{
    for (const char *at = of; (at = memmem(at, strlen(at), line, size)); at++)
        if ((at == of || at[-1] == '\n') && (at[size] == '\n' || at[size] == '\0'))
            return true;
    return false;
}

static uint64_t store_path_bytes(const char *path)
{
    const char *argv[] = {"nix-store", "--query", "--size", path, NULL};
    struct buf said = {0};
    uint64_t bytes = 0;
    if (io_run(argv, NULL, 4096, nix_ms_max, &said, NULL) == 0 && said.size)
        bytes = strtoull((const char *)said.data, NULL, 10);
    buf_release(&said);
    return bytes;
}

static void drop_path(struct cleaning *cleaning, const char *path)
{
    const char *argv[] = {"nix-store", "--delete", path, NULL};
    struct buf said = {0};
    uint64_t bytes = store_path_bytes(path);
    if (cleaning->options->dry_run || io_run(argv, NULL, 1 << 20, nix_ms_max, &said, NULL) == 0)
        removal_report(cleaning, bytes, path);
    buf_release(&said);
}

/* Rewrites the file with the products that are still in the store, each once. */
static void keep_products(const char *file, const char *products)
{
    struct buf kept = {0};
    for (const char *line = products; *line;) {
        size_t size = strcspn(line, "\n");
        char path[4096];
        snprintf(path, sizeof path, "%.*s", (int)size, line);
        bool twice = kept.size && has_line((const char *)kept.data, line, size);
        if (size && !twice && io_exists(path))
            buf_print(&kept, "%s\n", path);
        line += size + (line[size] == '\n');
    }
    if (io_write_file(file, kept.data ? (const char *)kept.data : "", kept.size, 0644, false,
                      NULL) < 0)
        log_warn("cannot write %s: %s", file, strerror(errno));
    buf_release(&kept);
}

static int clean_products(struct cleaning *cleaning, struct err *err)
{
    static const char *const argv[] = {"nix-store", "--gc", "--print-dead", NULL};
    const char *file = arena_print(cleaning->arena, "%s/products", cleaning->options->home);
    struct buf products = {0}, dead = {0};
    if (!tool_exists("nix-store") || !io_exists(file))
        return 0;
    int result = io_read_file(file, PRODUCTS_BYTES_MAX, &products, err);
    int code = result == 0 ? io_run(argv, NULL, LIST_BYTES_MAX, nix_ms_max, &dead, err) : -1;
    if (code > 0)
        result = err_set(err, "nix-store --gc --print-dead exited with status %d", code);
    const char *line = code == 0 && products.size ? (const char *)products.data : "";
    while (*line && !is_enough(cleaning, cleaning->store)) {
        size_t size = strcspn(line, "\n");
        if (size && dead.size && has_line((const char *)dead.data, line, size))
            drop_path(cleaning, arena_print(cleaning->arena, "%.*s", (int)size, line));
        line += size + (line[size] == '\n');
    }
    if (code == 0 && products.size && !cleaning->options->dry_run)
        keep_products(file, (const char *)products.data);
    buf_release(&products);
    buf_release(&dead);
    return code < 0 ? -1 : result;
}

/* ---- clones -------------------------------------------------------------------------------- */

static void clean_clone(struct cleaning *cleaning, const char *project)
{
    const char *home = cleaning->options->home;
    const char *path = workspace_clone(home, project, cleaning->arena);
    uint64_t bytes = beneath_disk_bytes(path, "");
    struct err err;
    int result = workspace_drop_clone(home, project, cleaning->options->dry_run, &err);
    if (result < 0)
        log_warn("%s", err.text);
    else if (result == 0)
        removal_report(cleaning, bytes, path);
}

static void clean_clones(struct cleaning *cleaning)
{
    static const char end[] = ".git";
    const char *home = cleaning->options->home;
    const char **names;
    size_t count;
    struct err err = {""};
    if (beneath_list(home, "clones", "", BENEATH_ENTRIES_MAX, cleaning->arena, &names, &count,
                     &err) != BENEATH_FOUND &&
        err.text[0])
        log_warn("%s", err.text);
    for (size_t i = 0; i < count && !is_enough(cleaning, home); i++) {
        size_t length = strlen(names[i]);
        if (length >= sizeof end && strcmp(names[i] + length - (sizeof end - 1), end) == 0)
            clean_clone(cleaning, arena_print(cleaning->arena, "%.*s",
                                              (int)(length - (sizeof end - 1)), names[i]));
    }
}

/* ---- seeds --------------------------------------------------------------------------------- */

/* What they protect in the store is nix's to collect. */
static void clean_seeds(struct cleaning *cleaning)
{
    const char *home = cleaning->options->home, **keys;
    size_t count = seeds_list(home, &keys, cleaning->arena);
    for (size_t i = 0; i < count; i++) {
        if (is_enough(cleaning, home) && is_enough(cleaning, cleaning->store))
            return;
        const char *path = seeds_path(home, keys[i], "", cleaning->arena);
        uint64_t bytes = beneath_disk_bytes(path, "");
        if (cleaning->options->dry_run || seeds_drop(home, keys[i]))
            removal_report(cleaning, bytes, path);
    }
}

/* ---- the rest of the store ----------------------------------------------------------------- */

static int collect_rest(struct cleaning *cleaning, struct err *err)
{
    uint64_t now = free_bytes(cleaning->store), keep = cleaning->options->keep_bytes;
    const char *wanted = arena_print(cleaning->arena, "%llu", (unsigned long long)(keep - now));
    const char *argv[] = {"nix-store", "--gc", "--max-freed", wanted, NULL};
    struct buf said = {0};
    if (!tool_exists("nix-store"))
        return 0;
    if (cleaning->options->dry_run) {
        printf("would let nix collect %s bytes of garbage\n", wanted);
        return 0;
    }
    int code = io_run(argv, NULL, LIST_BYTES_MAX, nix_ms_max, &said, err);
    uint64_t then = free_bytes(cleaning->store);
    if (code == 0)
        removal_report(cleaning, then > now ? then - now : 0, "garbage in the nix store");
    buf_release(&said);
    return code > 0 ? err_set(err, "nix-store --gc exited with status %d", code) : code;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void totals_report(const struct cleaning *cleaning)
{
    double gib = (double)(1ull << 30);
    printf("%s %.1f MiB; free now: %.1f GiB for builds",
           cleaning->options->dry_run ? "would remove" : "removed",
           (double)cleaning->freed / (1 << 20), (double)free_bytes(cleaning->options->home) / gib);
    if (io_exists(cleaning->store))
        printf(", %.1f GiB in the store", (double)free_bytes(cleaning->store) / gib);
    printf("\n");
}

int cleaner_run(struct worker_options *options, struct err *err)
{
    const char *store = getenv("NIX_STORE_DIR");
    struct cleaning cleaning = {.options = options,
                                .arena = &options->arena,
                                .store = store && *store ? store : "/nix/store"};
    if (options->keep_bytes == 0)
        return err_set(err, "the space to free is missing: for example --keep 150G");
    setenv("PATH", build_path(&options->arena), 1);
    int result = 0;
    if (!is_enough(&cleaning, cleaning.store))
        result = clean_products(&cleaning, err);
    if (result == 0 && !is_enough(&cleaning, options->home))
        clean_clones(&cleaning);
    if (result == 0)
        clean_seeds(&cleaning);
    if (result == 0 && !is_enough(&cleaning, cleaning.store))
        result = collect_rest(&cleaning, err);
    totals_report(&cleaning);
    return result;
}
