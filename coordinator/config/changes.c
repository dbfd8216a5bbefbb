/* SPDX-License-Identifier: MIT */
/* changes.c - what differs between two configurations, key by key, from the table of options. */
#include "coordinator/config/options.h"

#include <stdlib.h>
#include <string.h>

struct comparison {
    struct config_changes *out;
    struct arena *arena;
};

static void add_change(struct comparison *comparison, const char *key, const char *before,
                       const char *after, bool waits)
{
    struct config_changes *out = comparison->out;
    MEM_GROW(out->items, out->count, out->capacity);
    /* Copied: the old configuration is released while its changes are told. */
    out->items[out->count++] = (struct config_change){key, arena_text(comparison->arena, before),
                                                      arena_text(comparison->arena, after), waits};
}

static const char *path_of(struct comparison *comparison, const char *above, const char *key)
{
    return *above ? arena_print(comparison->arena, "%s.%s", above, key) : key;
}

static void compare_options(struct comparison *comparison, const struct config_option *options,
                            const void *before, const void *after, const char *above);

/* ---- lists of texts and lists of mappings -------------------------------------------------- */

static const char *texts_joined(struct comparison *comparison, const struct config_option *option,
                                const void *plain)
{
    const char *const *texts = *(const char *const *const *)((const char *)plain + option->offset);
    size_t count = *(const size_t *)((const char *)plain + option->count_offset);
    const char *joined = "";
    for (size_t i = 0; i < count; i++)
        joined = arena_print(comparison->arena, "%s%s%s", joined, i ? ", " : "", texts[i]);
    return joined;
}

struct items {
    const char *first;
    size_t count;
    const struct config_option *option;
};

static struct items items_of(const struct config_option *option, const void *plain)
{
    return (struct items){*(const char *const *)((const char *)plain + option->offset),
                          *(const size_t *)((const char *)plain + option->count_offset), option};
}

static const char *item_at(const struct items *items, size_t index)
{
    return items->first + index * items->option->item_size;
}

/* An item is known by its first key: a name, or what a rule or a limit matches. */
static const char *item_name(struct comparison *comparison, const struct items *items, size_t index)
{
    return option_as_text(items->option->options, item_at(items, index), comparison->arena);
}

static const char *find_item(struct comparison *comparison, const struct items *items,
                             const char *name)
{
    for (size_t i = 0; i < items->count; i++)
        if (strcmp(item_name(comparison, items, i), name) == 0)
            return item_at(items, i);
    return NULL;
}

static void compare_lists(struct comparison *comparison, const struct config_option *option,
                          const void *before, const void *after, const char *key)
{
    struct items old = items_of(option, before), fresh = items_of(option, after);
    for (size_t i = 0; i < fresh.count; i++) {
        const char *name = item_name(comparison, &fresh, i);
        const char *known = find_item(comparison, &old, name);
        if (known)
            compare_options(comparison, option->options, known, item_at(&fresh, i),
                            path_of(comparison, key, name));
        else
            add_change(comparison, key, "", name, false);
    }
    for (size_t i = 0; i < old.count; i++) {
        const char *name = item_name(comparison, &old, i);
        if (!find_item(comparison, &fresh, name))
            add_change(comparison, key, name, "", false);
    }
}

/* ---- values -------------------------------------------------------------------------------- */

static void compare_texts(struct comparison *comparison, const struct config_option *option,
                          const char *before, const char *after, const char *key)
{
    if (strcmp(before, after) != 0)
        add_change(comparison, key, before, after, option->needs_restart);
}

static void compare_option(struct comparison *comparison, const struct config_option *option,
                           const void *before, const void *after, const char *key)
{
    switch (option->type) {
    case OPTION_GROUP:
        compare_options(comparison, option->options, (const char *)before + option->offset,
                        (const char *)after + option->offset, key);
        return;
    case OPTION_LIST:
        compare_lists(comparison, option, before, after, key);
        return;
    case OPTION_TEXTS:
        compare_texts(comparison, option, texts_joined(comparison, option, before),
                      texts_joined(comparison, option, after), key);
        return;
    case OPTION_TEXT:
    case OPTION_U32:
    case OPTION_FLAG:
    case OPTION_ENUM:
    case OPTION_BYTES:
    case OPTION_TIME:
        compare_texts(comparison, option, option_as_text(option, before, comparison->arena),
                      option_as_text(option, after, comparison->arena), key);
        return;
    }
}

static void compare_options(struct comparison *comparison, const struct config_option *options,
                            const void *before, const void *after, const char *above)
{
    for (const struct config_option *option = options; option->key; option++)
        compare_option(comparison, option, before, after, path_of(comparison, above, option->key));
}

void config_compare(const struct config *before, const struct config *after,
                    struct config_changes *out)
{
    struct comparison comparison = {out, &out->arena};
    compare_options(&comparison, config_options, before, after, "");
}

void config_changes_release(struct config_changes *changes)
{
    free(changes->items);
    arena_clear(&changes->arena);
    *changes = (struct config_changes){0};
}
