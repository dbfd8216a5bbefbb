/* SPDX-License-Identifier: MIT */
/* An attempt's folder. The input is a row of files: a byte that names one, two bytes of size, its
 * content. Nothing here may take a live process for a supervisor: what is found is only released,
 * and a phase is asked for its facts only when its exit is written. */
#include "tests/fuzz/fuzz.h"

#include "proto/vocab.h"
#include "worker/custody.h"
#include "worker/folder.h"
#include "worker/phase.h"

static const char *const names[] = {"order",       "product",   "result",      "checkout.run",
                                    "build.run",   "check.run", "publish.run", "log",
                                    "finding",     "outputs",   "worktree",    "bundle"};
enum { NAMES = sizeof names / sizeof *names };

static void write_files(const char *folder, struct bytes input)
{
    char path[128];
    io_remove_tree(folder, NULL);
    io_make_folders(folder, 0755, NULL);
    while (input.size > 0) {
        const char *name = names[fuzz_number(&input, 1) % NAMES];
        size_t size = (size_t)fuzz_number(&input, 2);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        fuzz_write(path, fuzz_bytes(&input, size));
    }
}

static void read_custody(const char *folder)
{
    for (int phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++) {
        struct custody *custody = NULL;
        struct err err;
        custody_log_from(folder, (enum phase)phase);
        if (custody_find(folder, (enum phase)phase, &custody, &err) == 0)
            custody_release(custody);
    }
}

/* A supervisor that is gone without an exit would have its processes ended: not here. */
static bool exit_is_written(const char *folder, enum phase phase)
{
    struct exit_facts facts;
    return custody_exit(folder, phase, &facts);
}

static void finish_phases(const char *home, const char *folder, const struct order *order,
                          struct arena *arena)
{
    static const struct capabilities host;
    for (int phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++) {
        struct agent_phase_ended ended;
        struct err err;
        if (exit_is_written(folder, (enum phase)phase))
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
    read_custody(folder);
    if (folder_read(home, token, &found, &arena, &err) == 0)
        finish_phases(home, folder, &found.order, &arena);
    arena_clear(&arena);
    return 0;
}
