/* SPDX-License-Identifier: MIT */
/* An attempt's folder. The input is a row of files: a byte that names one and says what stands in
 * its place, two bytes of size, its content (that of a link is its target).
 *
 * What the code under test may signal or remove is only what a run file of this very boot names: so
 * no input may name this boot, nor a folder by an absolute path. */
#include "tests/fuzz/fuzz.h"

#include "proto/base/beneath.h"
#include "proto/vocab.h"
#include "worker/builders/tools.h"
#include "worker/disk/folder.h"
#include "worker/phase/check.h"
#include "worker/phase/phase.h"
#include "worker/process/run_file.h"
#include "worker/process/run_file_reader.h"
#include "worker/process/supervisor_client.h"

static const char *const names[] = {
    "order", "product", "result",      "checkout.run", "build.run", "check.run",    "publish.run",
    "log",   "finding", "box/outputs", "worktree",     "bundle",    "test-build.sh"};
enum { NAMES = sizeof names / sizeof *names };

static const char *boot_id(void)
{
    static struct buf id;
    if (!id.size && !io_peek_file("/proc/sys/kernel/random/boot_id", 64, &id))
        abort();
    id.data[strcspn((char *)id.data, "\n")] = '\0';
    return (const char *)id.data;
}

static void write_run_file(const char *path, struct bytes content)
{
    uint8_t *tame = mem_new(content.size + 1), *found;
    if (content.size)
        memcpy(tame, content.data, content.size);
    for (size_t i = 0; i < content.size; i++)
        if (tame[i] == '/')
            tame[i] = '_';
    while ((found = memmem(tame, content.size, boot_id(), strlen(boot_id()))))
        *found = 'x';
    fuzz_write(path, (struct bytes){tame, content.size});
    free(tame);
}

/* Byte / NAMES: what is there in place of a regular file. */
enum { IS_FILE, IS_LINK, IS_FIFO, IS_FOLDER, IS_SPARSE };

static void put_other(const char *path, uint64_t kind, struct bytes content)
{
    char *target = fuzz_text(content);
    unlink(path);
    rmdir(path);
    if (kind == IS_LINK && *target && *target != '/' && !strstr(target, ".."))
        (void)!symlink(target, path);
    else if (kind == IS_FIFO)
        (void)!mkfifo(path, 0644);
    else if (kind == IS_FOLDER)
        (void)!mkdir(path, 0755);
    else
        fuzz_write(path, content);
    if (kind == IS_SPARSE)
        (void)!truncate(path, (off_t)1 << 40);
    free(target);
}

/* A link that was put there before is not written through. */
static bool is_file_or_absent(const char *path)
{
    struct stat there;
    return lstat(path, &there) < 0 || S_ISREG(there.st_mode);
}

static void write_files(const char *folder, struct bytes input)
{
    char path[128];
    io_remove_tree(folder, NULL);
    snprintf(path, sizeof path, "%s/box", folder);
    io_make_folders(path, 0755, NULL);
    while (input.size > 0) {
        uint64_t byte = fuzz_number(&input, 1), kind = byte / NAMES;
        const char *name = names[byte % NAMES];
        struct bytes content = fuzz_bytes(&input, (size_t)fuzz_number(&input, 2));
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (kind != IS_FILE && !(kind == IS_SPARSE && strstr(name, ".run")))
            put_other(path, kind, content);
        else if (!is_file_or_absent(path))
            continue;
        else if (strstr(name, ".run"))
            write_run_file(path, content);
        else
            fuzz_write(path, content);
    }
}

static void read_supervisor_client(const char *folder)
{
    for (int phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++) {
        struct supervisor_client *client = NULL;
        struct err err;
        uint64_t stop_at_ms;
        supervisor_client_log_from(folder, (enum phase)phase);
        run_file_coming_stop(folder, (enum phase)phase, &stop_at_ms);
        if (supervisor_client_find(folder, (enum phase)phase, &client, &err) == 0)
            supervisor_client_release(client);
    }
}

/* A supervisor that is gone without an exit has its processes looked for in all of /proc: that is
 * left out, it takes longer than everything else. */
static bool has_exit(const char *folder, enum phase phase)
{
    char name[32];
    struct buf text = {0};
    snprintf(name, sizeof name, "%s.run", phase_names[phase]);
    bool found = beneath_read(folder, name, 65536, &text, NULL) == BENEATH_FOUND &&
                 text.size > RUN_FILE_EXIT_OFFSET &&
                 strstr((char *)text.data + RUN_FILE_EXIT_OFFSET, "\nend\n");
    buf_release(&text);
    return found;
}

static void finish_phases(const char *home, const char *folder, const struct order *order,
                          bool is_whole, struct arena *arena)
{
    struct capabilities host;
    shape_init(&capabilities_shape, &host);
    for (int phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++) {
        struct agent_phase_ended ended;
        struct err err;
        if (!has_exit(folder, (enum phase)phase) ||
            phase_finish(home, order, (enum phase)phase, &host, arena, &ended, &err) < 0)
            continue;
        assert(is_whole || (ended.cause == CAUSE_CONFIG && !ended.product.paths_count));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *home = fuzz_folder();
    struct arena arena = {0};
    struct agent_found found;
    struct err err;
    struct token token = {1, 42};
    const char *folder = folder_path(home, token, NULL, &arena);
    struct product product;
    shape_init(&product_shape, &product);
    write_files(folder, (struct bytes){data, size});
    bool is_whole = folder_check(folder, &err) == 0;
    assert(is_whole || strstr(err.text, folder));
    read_supervisor_client(folder);
    check_missing(folder, &arena);
    tools_outputs(folder, &product, &arena, &err);
    if (folder_read(home, token, &found, &arena, &err) == 0)
        finish_phases(home, folder, &found.order, is_whole, &arena);
    arena_clear(&arena);
    return 0;
}
