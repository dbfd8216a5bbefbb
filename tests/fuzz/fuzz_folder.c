/* SPDX-License-Identifier: MIT */
/* An attempt's folder. The input is a row of files: a byte that names one, two bytes of size, its
 * content. What the code under test may signal or remove is only what a run file of this very boot
 * names: so no input may name this boot, nor a folder by an absolute path. */
#include "tests/fuzz/fuzz.h"

#include "proto/vocab.h"
#include "worker/disk/folder.h"
#include "worker/phase/phase.h"
#include "worker/process/run_file.h"
#include "worker/process/run_file_reader.h"
#include "worker/process/supervisor_client.h"

static const char *const names[] = {"order",     "product",   "result",      "checkout.run",
                                    "build.run", "check.run", "publish.run", "log",
                                    "finding",   "outputs",   "worktree",    "bundle"};
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

static void write_files(const char *folder, struct bytes input)
{
    char path[128];
    io_remove_tree(folder, NULL);
    io_make_folders(folder, 0755, NULL);
    while (input.size > 0) {
        const char *name = names[fuzz_number(&input, 1) % NAMES];
        struct bytes content = fuzz_bytes(&input, (size_t)fuzz_number(&input, 2));
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (strstr(name, ".run"))
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
    char path[128];
    struct buf text = {0};
    snprintf(path, sizeof path, "%s/%s.run", folder, phase_names[phase]);
    bool found = io_peek_file(path, 65536, &text) && text.size > RUN_FILE_EXIT_OFFSET &&
                 strstr((char *)text.data + RUN_FILE_EXIT_OFFSET, "\nend\n");
    buf_release(&text);
    return found;
}

static void finish_phases(const char *home, const char *folder, const struct order *order,
                          struct arena *arena)
{
    struct capabilities host;
    shape_init(&capabilities_shape, &host);
    for (int phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++) {
        struct agent_phase_ended ended;
        struct err err;
        if (has_exit(folder, (enum phase)phase))
            phase_finish(home, order, (enum phase)phase, &host, arena, &ended, &err);
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
    write_files(folder, (struct bytes){data, size});
    read_supervisor_client(folder);
    if (folder_read(home, token, &found, &arena, &err) == 0)
        finish_phases(home, folder, &found.order, &arena);
    arena_clear(&arena);
    return 0;
}
