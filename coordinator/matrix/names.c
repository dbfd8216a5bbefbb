/* SPDX-License-Identifier: MIT */
/* names.c - package names: their attributes, their validity, and similar names. */
#include "coordinator/matrix/names.h"

#include "proto/limits.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* ---- attributes in a name ------------------------------------------------------------------ */

/* A dash-separated part of a name. */
struct part {
    const char *text;
    size_t size;
};

static bool part_starts(struct part part, const char *prefix)
{
    size_t size = strlen(prefix);
    return part.size > size && strncmp(part.text, prefix, size) == 0;
}

static bool part_equals(struct part part, const char *text)
{
    return part.size == strlen(text) && strncmp(part.text, text, part.size) == 0;
}

/* Whether all characters from `from` on are in `set`. */
static bool part_has_only(struct part part, size_t from, const char *set)
{
    for (size_t i = from; i < part.size; i++)
        if (!strchr(set, part.text[i]))
            return false;
    return from < part.size;
}

#define DIGITS "0123456789"
#define WORD   DIGITS "abcdefghijklmnopqrstuvwxyz_"

/* python313 -> 3.13; the first digit is the major version, as in Python's package names. */
static const char *python_of(struct part part, struct arena *arena)
{
    if (!part_starts(part, "python") || !part_has_only(part, 6, DIGITS))
        return NULL;
    const char *version = part.text + 6;
    int minor_size = (int)part.size - 7;
    return minor_size > 0 ? arena_print(arena, "%c.%.*s", version[0], minor_size, version + 1)
                          : arena_print(arena, "%c", version[0]);
}

static const char *cuda_of(struct part part, struct arena *arena)
{
    if (!part_starts(part, "cuda") || !part_has_only(part, 4, DIGITS "_"))
        return NULL;
    char *version = arena_print(arena, "%.*s", (int)part.size - 4, part.text + 4);
    for (char *at = version; (at = strchr(at, '_'));)
        *at = '.';
    return version;
}

static const char *gpu_of(struct part part, struct arena *arena)
{
    bool is_sm =
        part_starts(part, "sm") && strchr(DIGITS, part.text[2]) && part_has_only(part, 2, WORD);
    if (!is_sm && !part_equals(part, "cpu") && !part_equals(part, "darwin"))
        return NULL;
    return arena_print(arena, "%.*s", (int)part.size, part.text);
}

static const char *isa_of(struct part part, struct arena *arena)
{
    bool is_arm = part_starts(part, "armv") && part_has_only(part, 4, WORD ".");
    bool is_x86 =
        part_equals(part, "avx") || (part_starts(part, "avx") && part_has_only(part, 3, WORD));
    if (!is_arm && !is_x86 && !part_equals(part, "mps"))
        return NULL;
    char *isa = arena_print(arena, "%.*s", (int)part.size, part.text);
    for (char *at = isa; (at = strchr(at, '.'));)
        *at = '_';
    return isa;
}

static const char *system_of_isa(const char *isa)
{
    if (strncmp(isa, "avx", 3) == 0)
        return "x86_64-linux";
    if (strncmp(isa, "armv", 4) == 0)
        return "aarch64-linux";
    return strcmp(isa, "mps") == 0 ? "aarch64-darwin" : "";
}

/* Keeps the value of the first part that has one. */
static void keep_first(const char **attribute, const char *found)
{
    if (found && !**attribute)
        *attribute = found;
}

void variant_parse_name(const char *package, struct variant *out, struct arena *arena)
{
    out->python = out->cuda = out->gpu = out->isa = "";
    for (const char *at = package; *at;) {
        struct part part = {at, strcspn(at, "-")};
        keep_first(&out->python, python_of(part, arena));
        keep_first(&out->cuda, cuda_of(part, arena));
        keep_first(&out->gpu, gpu_of(part, arena));
        keep_first(&out->isa, isa_of(part, arena));
        at += part.size + (at[part.size] == '-');
    }
    out->system = system_of_isa(out->isa);
}

/* ---- valid names --------------------------------------------------------------------------- */

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool is_name(const char *name, size_t bytes_max)
{
    size_t size = 0;
    while (is_name_character(name[size]) && size <= bytes_max)
        size++;
    return !name[size] && size > 0 && size <= bytes_max;
}

bool name_is_package(const char *name)
{
    return is_name(name, LIMIT_PACKAGE_BYTES) && name[0] != '.' && name[0] != '-';
}

bool name_is_plain(const char *name)
{
    return is_name(name, LIMIT_NAME_BYTES) && name[0] != '.' && name[0] != '-';
}

bool name_is_branch(const char *name)
{
    return *name && *name != '-' && strlen(name) <= LIMIT_BRANCH_BYTES && !strpbrk(name, " \t\r\n");
}

/* The size of a number such as "2", "2.10" or "12_9" at the beginning of a text. */
static size_t number_size(const char *text, bool *has_dot)
{
    static const char digits[] = "0123456789";
    size_t size = strspn(text, digits), part;
    *has_dot = false;
    while (size && (text[size] == '.' || text[size] == '_') &&
           (part = strspn(text + size + 1, digits)) > 0) {
        size += 1 + part;
        *has_dot = true;
    }
    return size;
}

const char *branch_line(const char *branch, struct arena *arena)
{
    const char *first = "";
    size_t first_size = 0, size;
    bool has_dot = false;
    for (const char *at = branch; *at && !has_dot; at += size ? size : 1) {
        size = number_size(at, &has_dot);
        if (size && (!first_size || has_dot)) {
            first = at;
            first_size = size;
        }
    }
    char *line = (char *)(uintptr_t)arena_print(arena, "%.*s", (int)first_size, first);
    for (char *at = line; (at = strchr(at, '_'));)
        *at = '.';
    return line;
}

bool glob_matches(const char *glob, const char *text)
{
    return fnmatch(glob, text, 0) == 0;
}

bool glob_is(const char *text)
{
    return strpbrk(text, "*?[") != NULL;
}

/* ---- similar names ------------------------------------------------------------------------- */

enum { NEAREST_MAX = 3 };

/* Maximum length of compared texts: package names are shorter, and the cost is quadratic. */
enum { DISTANCE_BYTES_MAX = LIMIT_BRANCH_BYTES };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The Levenshtein distance: letters to insert, remove or change. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[DISTANCE_BYTES_MAX + 1];
    size_t a_size = strnlen(a, DISTANCE_BYTES_MAX), b_size = strnlen(b, DISTANCE_BYTES_MAX);
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = min_size(change, min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_size];
}

struct near {
    const char *name;
    size_t distance;
};

/* The edit distance, except that a name that contains `wrong` is near, however long it is. */
static size_t name_distance(const char *wrong, const char *name)
{
    size_t size = strlen(wrong);
    if (size >= 3 && strstr(name, wrong))
        return 1;
    return edit_distance(wrong, name);
}

/* Inserts in order of distance; equal ones keep their order. */
static void insert_near(struct near *found, size_t *count, struct near near)
{
    size_t at = *count;
    for (size_t i = 0; i < *count; i++)
        if (strcmp(found[i].name, near.name) == 0)
            return;
    while (at > 0 && found[at - 1].distance > near.distance)
        at--;
    if (at == NEAREST_MAX)
        return;
    size_t last = min_size(*count, NEAREST_MAX - 1);
    memmove(&found[at + 1], &found[at], (last - at) * sizeof *found);
    found[at] = near;
    *count = last + 1;
}

const char *names_nearest(const char *wrong, const char *const *names, size_t count,
                          struct arena *arena)
{
    struct near found[NEAREST_MAX];
    size_t found_count = 0, size = strlen(wrong), far = size / 3 > 2 ? size / 3 : 2;
    for (size_t i = 0; i < count; i++) {
        struct near near = {names[i], name_distance(wrong, names[i])};
        /* Too far: more than a third differs, or all of it. */
        if (near.distance <= far && near.distance < size)
            insert_near(found, &found_count, near);
    }
    if (found_count == 0)
        return "";
    if (found_count == 1)
        return arena_text(arena, found[0].name);
    if (found_count == 2)
        return arena_print(arena, "%s or %s", found[0].name, found[1].name);
    return arena_print(arena, "%s, %s or %s", found[0].name, found[1].name, found[2].name);
}
