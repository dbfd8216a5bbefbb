/* SPDX-License-Identifier: MIT */
/* redact.c - see redact.h. Libc only.
 *
 * The forms are a tree of bytes. Most nodes have one child, so children are a list of siblings;
 * only the root has a table. Invariant of the search: the state is the node of the longest end of
 * the input that is a beginning of a form, so no occurrence that ends later begins before the last
 * `depth` bytes, and all others are final.
 */
#include "worker/process/redact.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORM_BYTES_MIN = 8, /* of a line and of an encoded form */
    ROOT = 0
};

struct node {
    uint32_t child;   /* the first one; 0: none */
    uint32_t sibling; /* the next child of the same parent; 0: none */
    uint32_t fail;    /* the longest proper end of this node's text that is a node */
    uint32_t depth;
    uint32_t match; /* size of the longest form that ends here; 0: none */
    unsigned char byte;
};

struct redactor {
    struct node *nodes;
    size_t count, capacity;
    bool failed; /* out of memory */
    size_t longest;
    uint32_t first[256];  /* children of the root */
    uint64_t pairs[1024]; /* a bit for each pair of bytes with which a form begins */
    uint32_t state;
    size_t run; /* of the bytes before the next one, how many in a row are overwritten */
};

/* ---- the tree of forms ----------------------------------------------------------------------- */

static uint32_t node_child(const struct redactor *redactor, uint32_t node, unsigned char byte)
{
    if (node == ROOT)
        return redactor->first[byte];
    uint32_t child = redactor->nodes[node].child;
    while (child && redactor->nodes[child].byte != byte)
        child = redactor->nodes[child].sibling;
    return child;
}

static bool nodes_grow(struct redactor *redactor)
{
    if (redactor->count < redactor->capacity)
        return true;
    size_t capacity = redactor->capacity ? 2 * redactor->capacity : 4096;
    struct node *nodes = malloc(capacity * sizeof *nodes);
    if (!nodes)
        return false;
    if (redactor->count)
        memcpy(nodes, redactor->nodes, redactor->count * sizeof *nodes);
    /* Not realloc, which would leave a copy of what the forms are. */
    if (redactor->nodes)
        explicit_bzero(redactor->nodes, redactor->count * sizeof *nodes);
    free(redactor->nodes);
    redactor->nodes = nodes;
    redactor->capacity = capacity;
    return true;
}

/* 0 when out of memory. */
static uint32_t node_add(struct redactor *redactor, uint32_t parent, unsigned char byte)
{
    if (!nodes_grow(redactor)) {
        redactor->failed = true;
        return 0;
    }
    uint32_t at = (uint32_t)redactor->count++;
    redactor->nodes[at] = (struct node){.byte = byte, .depth = redactor->nodes[parent].depth + 1};
    if (parent == ROOT) {
        redactor->first[byte] = at;
        return at;
    }
    redactor->nodes[at].sibling = redactor->nodes[parent].child;
    redactor->nodes[parent].child = at;
    return at;
}

static void pairs_add(struct redactor *redactor, const unsigned char *form, size_t size)
{
    unsigned first = (unsigned)form[0] << 8;
    for (unsigned second = 0; second < 256; second++)
        if (size == 1 || second == form[1])
            redactor->pairs[(first | second) / 64] |= 1ull << (second % 64);
}

static void form_add(struct redactor *redactor, const void *form, size_t size)
{
    const unsigned char *bytes = form;
    uint32_t node = ROOT;
    for (size_t i = 0; i < size && !redactor->failed; i++) {
        uint32_t child = node_child(redactor, node, bytes[i]);
        node = child ? child : node_add(redactor, node, bytes[i]);
    }
    if (size == 0 || redactor->failed)
        return;
    redactor->nodes[node].match = (uint32_t)size;
    if (size > redactor->longest)
        redactor->longest = size;
    pairs_add(redactor, bytes, size);
}

static void encoded_add(struct redactor *redactor, const char *form, size_t size)
{
    if (size >= FORM_BYTES_MIN)
        form_add(redactor, form, size);
}

/* Sets `fail` of each node, shorter texts first, and takes over the forms that end there. */
static bool nodes_link(struct redactor *redactor)
{
    uint32_t *queue = malloc(redactor->count * sizeof *queue);
    size_t begin = 0, end = 0;
    if (!queue)
        return false;
    for (int byte = 0; byte < 256; byte++)
        if (redactor->first[byte])
            queue[end++] = redactor->first[byte];
    while (begin < end) {
        uint32_t at = queue[begin++];
        struct node *node = &redactor->nodes[at];
        if (!node->match)
            node->match = redactor->nodes[node->fail].match;
        for (uint32_t child = node->child; child; child = redactor->nodes[child].sibling) {
            unsigned char byte = redactor->nodes[child].byte;
            uint32_t fail = node->fail;
            while (fail != ROOT && !node_child(redactor, fail, byte))
                fail = redactor->nodes[fail].fail;
            redactor->nodes[child].fail = node_child(redactor, fail, byte);
            queue[end++] = child;
        }
    }
    free(queue);
    return true;
}

/* ---- the forms ------------------------------------------------------------------------------- */

static bool is_blank(unsigned char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static void add_lines(struct redactor *redactor, const unsigned char *secret, size_t size)
{
    for (size_t from = 0; from < size;) {
        const unsigned char *newline = memchr(secret + from, '\n', size - from);
        size_t next = newline ? (size_t)(newline - secret) + 1 : size;
        size_t begin = from, end = newline ? next - 1 : size;
        while (begin < end && is_blank(secret[begin]))
            begin++;
        while (end > begin && is_blank(secret[end - 1]))
            end--;
        if (end - begin >= FORM_BYTES_MIN)
            form_add(redactor, secret + begin, end - begin);
        from = next;
    }
}

/* The characters of base64 that depend on the secret alone, when `before` bytes modulo 3 precede
 * it. Returns their number; `out` has room for 4/3 of the size and 4. */
static size_t write_base64(const unsigned char *secret, size_t size, size_t before, bool url,
                           char *out)
{
    static const char digits[2][65] = {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};
    size_t first = (8 * before + 5) / 6, last = 8 * (before + size) / 6, count = 0;
    for (size_t digit = first; digit < last; digit++) {
        size_t bit = 6 * digit - 8 * before, at = bit / 8;
        unsigned two = (unsigned)secret[at] << 8 | (at + 1 < size ? secret[at + 1] : 0u);
        out[count++] = digits[url][two >> (10 - bit % 8) & 63];
    }
    return count;
}

static void add_base64(struct redactor *redactor, const unsigned char *secret, size_t size,
                       char *room)
{
    static const size_t widths[] = {64, 76};
    for (int url = 0; url < 2; url++)
        for (size_t before = 0; before < 3; before++)
            encoded_add(redactor, room, write_base64(secret, size, before, url, room));
    size_t count = write_base64(secret, size, 0, false, room);
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        for (size_t at = 0; at < count; at += widths[i])
            encoded_add(redactor, room + at, count - at < widths[i] ? count - at : widths[i]);
}

static void add_url(struct redactor *redactor, const unsigned char *secret, size_t size, char *room)
{
    for (unsigned way = 0; way < 8; way++) {
        const char *hex = way & 1 ? "0123456789abcdef" : "0123456789ABCDEF";
        size_t count = 0;
        for (size_t i = 0; i < size; i++) {
            unsigned char byte = secret[i];
            bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                         (byte >= 'a' && byte <= 'z') || (byte && strchr("-._~", byte));
            if (plain || (byte == '/' && way & 2)) {
                room[count++] = (char)byte;
            } else if (byte == ' ' && way & 4) {
                room[count++] = '+';
            } else {
                room[count++] = '%';
                room[count++] = hex[byte >> 4];
                room[count++] = hex[byte & 15];
            }
        }
        encoded_add(redactor, room, count);
    }
}

struct redactor *redactor_create(const void *secret, size_t size)
{
    struct redactor *redactor = calloc(1, sizeof *redactor);
    size_t room_size = 3 * size + 4;
    char *room = malloc(room_size);
    if (redactor && room && nodes_grow(redactor)) {
        redactor->nodes[redactor->count++] = (struct node){0};
        form_add(redactor, secret, size);
        add_lines(redactor, secret, size);
        add_base64(redactor, secret, size, room);
        add_url(redactor, secret, size, room);
    }
    bool fine = redactor && room && redactor->count && !redactor->failed && nodes_link(redactor);
    if (room)
        explicit_bzero(room, room_size);
    free(room);
    if (!fine) {
        redactor_destroy(redactor);
        return NULL;
    }
    return redactor;
}

void redactor_destroy(struct redactor *redactor)
{
    if (!redactor)
        return;
    if (redactor->nodes)
        explicit_bzero(redactor->nodes, redactor->count * sizeof *redactor->nodes);
    free(redactor->nodes);
    explicit_bzero(redactor, sizeof *redactor);
    free(redactor);
}

size_t redactor_held_max(const struct redactor *redactor)
{
    return redactor->longest - 1;
}

/* ---- the search ------------------------------------------------------------------------------ */

/* The next place at which a form can begin; the last byte always may. */
static size_t skip_plain(const struct redactor *redactor, const unsigned char *data, size_t from,
                         size_t size)
{
    for (; from + 1 < size; from++) {
        unsigned pair = (unsigned)data[from] << 8 | data[from + 1];
        if (redactor->pairs[pair / 64] >> (pair % 64) & 1)
            break;
    }
    return from;
}

static uint32_t state_after(const struct redactor *redactor, uint32_t state, unsigned char byte)
{
    for (;;) {
        uint32_t next = node_child(redactor, state, byte);
        if (next || state == ROOT)
            return next;
        state = redactor->nodes[state].fail;
    }
}

/* Overwrites data[end - size, end), but not again what the run of stars before `end` has. */
static void cover(struct redactor *redactor, unsigned char *data, size_t end, size_t size)
{
    size_t done = redactor->run;
    data[end - 1] = '*';
    if (size > done + 1)
        memset(data + end - size, '*', size - done - 1);
    redactor->run = size > done + 1 ? size : done + 1;
}

size_t redactor_pass(struct redactor *redactor, unsigned char *data, size_t held, size_t size)
{
    uint32_t state = redactor->state;
    for (size_t i = held; i < size; i++) {
        if (state == ROOT) {
            size_t begin = skip_plain(redactor, data, i, size);
            if (begin > i)
                redactor->run = 0;
            i = begin;
        }
        state = state_after(redactor, state, data[i]);
        size_t match = redactor->nodes[state].match;
        if (match)
            cover(redactor, data, i + 1, match);
        else
            redactor->run = 0;
    }
    /* What nothing can follow is final. */
    while (state != ROOT && !redactor->nodes[state].child)
        state = redactor->nodes[state].fail;
    redactor->state = state;
    return size - redactor->nodes[state].depth;
}
