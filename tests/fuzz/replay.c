/* SPDX-License-Identifier: MIT */
/* replay.c - runs a fuzz target on stored inputs: seeds, and all inputs that ever crashed it.
 *
 *   replay_X FOLDER|FILE...
 *
 * Works in every build, also without libFuzzer. Exits with 1 when there is no input at all.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 64 << 20 };

/* From memory that ends where the input ends. */
static bool run_file(const char *path)
{
    struct buf content = {0};
    struct err err;
    if (io_read_file(path, INPUT_BYTES_MAX, &content, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    uint8_t *exact = malloc(content.size ? content.size : 1);
    assert(exact);
    memcpy(exact, content.data, content.size);
    LLVMFuzzerTestOneInput(exact, content.size);
    free(exact);
    buf_release(&content);
    return true;
}

static size_t run_path(const char *path)
{
    struct stat what;
    DIR *folder = NULL;
    if (stat(path, &what) == 0 && S_ISDIR(what.st_mode))
        folder = opendir(path);
    if (!folder)
        return run_file(path) ? 1 : 0;
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        fprintf(stderr, "%s\n", entry->d_name); /* the last one is who crashed it */
        count += run_path(file);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1;
}
