/* SPDX-License-Identifier: MIT */
/* main.c - `farmd config-check` and `farmd config-explain`, which `farm config` runs, and the
 * page of the docs. */
#include "coordinator/config/config.h"

#include <stdio.h>

int config_check_main(const char *home)
{
    struct arena arena = {0};
    struct config config;
    struct err err = {""};
    size_t branches = 0;
    int result = config_read(arena_print(&arena, "%s/farm.yaml", home), &config, &err);
    for (size_t i = 0; i < config.projects_count; i++)
        branches += config.projects[i].branches_count;
    if (result < 0)
        fprintf(stderr, "%s\n", err.text);
    else
        printf("farm.yaml is fine: projects %zu, branches %zu, targets %zu\n",
               config.projects_count, branches, config.targets_count);
    config_release(&config);
    arena_clear(&arena);
    return result < 0 ? 1 : 0;
}

int config_explain_main(void (*print)(struct buf *out))
{
    struct buf out = {0};
    print(&out);
    int written = fwrite(out.data, 1, out.size, stdout) == out.size && fflush(stdout) == 0;
    buf_release(&out);
    return written ? 0 : 1;
}
