/* SPDX-License-Identifier: MIT */
#include "worker/held_secrets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct held_secret {
    struct token token;
    uint8_t *pages;
    size_t size, room; /* room: whole pages */
};

struct held_secrets {
    struct held_secret *items;
    size_t count, capacity;
};

struct held_secrets *held_secrets_create(void)
{
    return mem_new(sizeof(struct held_secrets));
}

static size_t held_find(const struct held_secrets *held, struct token token)
{
    for (size_t i = 0; i < held->count; i++)
        if (token_equal(held->items[i].token, token))
            return i;
    return SIZE_MAX;
}

static void held_drop(struct held_secrets *held, size_t at)
{
    struct held_secret *item = &held->items[at];
    explicit_bzero(item->pages, item->room);
    munmap(item->pages, item->room);
    held->items[at] = held->items[--held->count];
}

void held_secrets_destroy(struct held_secrets *held)
{
    if (!held)
        return;
    while (held->count)
        held_drop(held, held->count - 1);
    free(held->items);
    free(held);
}

/* NULL when out of memory. The lock and the advice are best effort: a user may lock little, and an
 * old kernel knows less. */
static uint8_t *pages_get(size_t room)
{
    void *pages = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    (void)!mlock(pages, room);
    madvise(pages, room, MADV_DONTDUMP);
    madvise(pages, room, MADV_DONTFORK);
    return pages;
}

static bool held_add(struct held_secrets *held, struct token token, struct bytes secret)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (secret.size + page - 1) / page * page;
    uint8_t *pages = pages_get(room);
    if (!pages)
        return false;
    memcpy(pages, secret.data, secret.size);
    MEM_GROW(held->items, held->count, held->capacity);
    held->items[held->count++] =
        (struct held_secret){.token = token, .pages = pages, .size = secret.size, .room = room};
    return true;
}

bool held_secrets_move(struct held_secrets *held, struct order *order)
{
    struct bytes secret = order->secret;
    if (secret.size == 0)
        return true;
    held_secrets_drop(held, order->token);
    bool taken = held_add(held, order->token, secret);
    explicit_bzero((void *)(uintptr_t)secret.data, secret.size);
    order->secret = (struct bytes){0};
    return taken;
}

struct bytes held_secrets_of(const struct held_secrets *held, struct token token)
{
    size_t at = held_find(held, token);
    if (at == SIZE_MAX)
        return (struct bytes){0};
    return (struct bytes){held->items[at].pages, held->items[at].size};
}

void held_secrets_drop(struct held_secrets *held, struct token token)
{
    size_t at = held_find(held, token);
    if (at != SIZE_MAX)
        held_drop(held, at);
}

void held_secrets_keep(struct held_secrets *held,
                       bool (*awaits)(const void *of, struct token token), const void *of)
{
    for (size_t i = held->count; i-- > 0;)
        if (!awaits(of, held->items[i].token))
            held_drop(held, i);
}
