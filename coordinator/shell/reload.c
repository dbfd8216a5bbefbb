/* SPDX-License-Identifier: MIT */
#include "coordinator/shell/reload.h"

#include "proto/base/hash.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/limits.h"

static void apply_config(struct shell *shell, struct config *fresh, uint64_t hash)
{
    config_release(&shell->config);
    shell->config = *fresh;
    shell->config_hash = hash;
    struct input input = {.kind = INPUT_POLICY, .policy = shell->config.policy};
    shell_step(shell, &input);
}

static void log_changes(const struct config_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct config_change *at = &changes->items[i];
        log_info("farm.yaml: %s: \"%s\" is now \"%s\"%s", at->key, at->before, at->after,
                 at->waits ? " at the next start" : "");
    }
}

static int take_text(struct shell *shell, const struct buf *text, const char *path,
                     struct config_changes *changes, struct err *err)
{
    struct config fresh = {0};
    uint64_t hash = hash_bytes(0, text->data, text->size);
    if (hash == shell->config_hash)
        return 0;
    if (config_parse((struct bytes){text->data, text->size}, path, &fresh, err)) {
        config_release(&fresh);
        return -1;
    }
    config_compare(&shell->config, &fresh, changes);
    log_changes(changes);
    apply_config(shell, &fresh, hash);
    return 0;
}

int reload_config(struct shell *shell, struct config_changes *changes, struct err *err)
{
    const char *path = shell_path(shell, "farm.yaml");
    struct buf text = {0};
    struct config_changes own = {0};
    int result = io_read_file(path, LIMIT_CONFIG_BYTES, &text, err);
    if (result == 0)
        result = take_text(shell, &text, path, changes ? changes : &own, err);
    config_changes_release(&own);
    buf_release(&text);
    return result;
}
