/* SPDX-License-Identifier: MIT */
/* filter.c - parses and applies filters; filter.h has the rules. */
#include "coordinator/matrix/filter.h"

#include "proto/limits.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Maximum words of a filter: people type a handful; more are a mistake. */
enum { WORDS_MAX = 64, VALUES_MAX = 4096 };

/* How values of a key are spelled before they are compared. */
enum spelling { SPELL_AS_IS, SPELL_PACKAGE, SPELL_LOWER, SPELL_ISA, SPELL_CUDA, SPELL_PYTHON };

struct filter_key {
    const char *name;
    size_t offset; /* of the text in struct variant */
    enum spelling spelling;
};

static const struct filter_key keys[] = {
    {"project", offsetof(struct variant, project), SPELL_AS_IS},
    {"branch", offsetof(struct variant, branch), SPELL_AS_IS},
    {"package", offsetof(struct variant, package), SPELL_PACKAGE},
    {"system", offsetof(struct variant, system), SPELL_LOWER},
    {"gpu", offsetof(struct variant, gpu), SPELL_LOWER},
    {"isa", offsetof(struct variant, isa), SPELL_ISA},
    {"cuda", offsetof(struct variant, cuda), SPELL_CUDA},
    {"python", offsetof(struct variant, python), SPELL_PYTHON},
};
enum { KEY_COUNT = sizeof keys / sizeof keys[0], KEY_PACKAGE = 2 };

/* How closely a bare word must match; see filter_settle. */
enum closeness { FIT_EXACT, FIT_PARTS, FIT_ANYWHERE };

struct value {
    const char *typed;
    const char *text;         /* in the key's spelling */
    enum closeness closeness; /* bare words only */
};

struct word {
    const struct filter_key *key;
    bool is_bare;      /* a word without '=' */
    const char *typed; /* the whole word, for messages */
    struct value *values;
    size_t count;
};

struct filter {
    struct word words[WORDS_MAX];
    size_t count;
    struct arena arena;
};

/* ---- spelling ------------------------------------------------------------------------------ */

static void replace_all(char *text, char from, char to)
{
    for (char *at = text; (at = strchr(at, from));)
        *at++ = to;
}

static void cut_prefix(char *text, const char *prefix)
{
    size_t size = strlen(prefix);
    if (strncmp(text, prefix, size) == 0)
        memmove(text, text + size, strlen(text + size) + 1);
}

static void lower_case(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* "armv8.2" anywhere in a package name becomes "armv8_2". */
static void spell_package(char *text)
{
    for (char *at = text; (at = strstr(at, "armv"));) {
        at += strlen("armv");
        at += strspn(at, "0123456789");
        if (*at == '.')
            *at = '_';
    }
}

/* 3.13, 313 and python313 become 3.13: the first digit is the major version. */
static void spell_python(char *text)
{
    cut_prefix(text, "python");
    size_t size = strlen(text);
    if (size >= 2 && strspn(text, "0123456789") == size) {
        memmove(text + 2, text + 1, size); /* including the NUL; the buffer has room */
        text[1] = '.';
    }
}

/* Copies the text to `room` in the key's spelling; `room` must fit one extra character. */
static const char *spell_value(enum spelling spelling, const char *text, char *room)
{
    memcpy(room, text, strlen(text) + 1);
    switch (spelling) {
    case SPELL_AS_IS:
        break;
    case SPELL_PACKAGE:
        spell_package(room);
        break;
    case SPELL_ISA:
        lower_case(room);
        replace_all(room, '.', '_');
        break;
    case SPELL_CUDA:
        lower_case(room);
        cut_prefix(room, "cuda");
        replace_all(room, '_', '.');
        break;
    case SPELL_PYTHON:
        spell_python(room);
        break;
    case SPELL_LOWER:
        lower_case(room);
        break;
    }
    return room;
}

/* ---- parsing ------------------------------------------------------------------------------- */

static const struct filter_key *find_key(const char *name, size_t size)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strlen(keys[i].name) == size && strncmp(keys[i].name, name, size) == 0)
            return &keys[i];
    return NULL;
}

static int refuse_filter_key(const char *typed, size_t size, struct arena *arena, struct err *err)
{
    const char *names[KEY_COUNT];
    struct buf all = {0};
    for (size_t i = 0; i < KEY_COUNT; i++) {
        names[i] = keys[i].name;
        buf_print(&all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *key = arena_print(arena, "%.*s", (int)size, typed);
    const char *nearest = names_nearest(key, names, KEY_COUNT, arena);
    if (*nearest)
        err_set(err, "a filter has no key \"%s\"; did you mean %s?", key, nearest);
    else
        err_set(err, "a filter has no key \"%s\"; the keys are %s", key, (char *)all.data);
    buf_release(&all);
    return -1;
}

static int add_values(struct word *word, char *values, struct arena *arena, struct err *err)
{
    size_t count = 1;
    for (const char *at = values; (at = strchr(at, ',')); at++)
        count++;
    if (count > VALUES_MAX)
        return err_set(err, "a filter's value may have at most %d parts", VALUES_MAX);
    word->values = arena_new(arena, count * sizeof *word->values);
    for (char *at = values, *typed; (typed = strsep(&at, ","));) {
        if (!*typed)
            return err_set(err, "\"%s\" has an empty value: write KEY=VALUE or KEY=VALUE,VALUE",
                           word->typed);
        struct value *value = &word->values[word->count++];
        value->typed = typed;
        value->text = spell_value(word->key->spelling, typed, arena_new(arena, strlen(typed) + 2));
        value->closeness = FIT_ANYWHERE;
    }
    return 0;
}

static int parse_word(struct filter *filter, char *typed, struct err *err)
{
    if (filter->count == WORDS_MAX)
        return err_set(err, "a filter may have at most %d words", WORDS_MAX);
    struct word *word = &filter->words[filter->count++];
    char *equals = strchr(typed, '=');
    word->typed = arena_text(&filter->arena, typed);
    word->is_bare = !equals;
    word->key = equals ? find_key(typed, (size_t)(equals - typed)) : &keys[KEY_PACKAGE];
    if (!word->key)
        return refuse_filter_key(typed, (size_t)(equals - typed), &filter->arena, err);
    return add_values(word, equals ? equals + 1 : typed, &filter->arena, err);
}

struct filter *filter_parse(const char *text, struct err *err)
{
    if (strlen(text) > LIMIT_TEXT_BYTES) {
        err_set(err, "a filter may have at most %d bytes", LIMIT_TEXT_BYTES);
        return NULL;
    }
    struct filter *filter = mem_new(sizeof *filter);
    char *rest = arena_text(&filter->arena, text);
    for (char *typed; (typed = strsep(&rest, " \t\r\n"));)
        if (*typed && parse_word(filter, typed, err) < 0) {
            filter_destroy(filter);
            return NULL;
        }
    return filter;
}

void filter_destroy(struct filter *filter)
{
    if (!filter)
        return;
    arena_clear(&filter->arena);
    free(filter);
}

/* ---- matching ------------------------------------------------------------------------------ */

/* Whether `name` contains `part` between dashes, dots or its ends. */
static bool has_parts(const char *name, const char *part)
{
    size_t size = strlen(part);
    for (const char *at = name; (at = strstr(at, part)); at++)
        if ((at == name || strchr("-.", at[-1])) && (!at[size] || strchr("-.", at[size])))
            return true;
    return false;
}

static bool bare_fits(const char *name, const struct value *value)
{
    if (glob_is(value->text))
        return glob_matches(value->text, name);
    switch (value->closeness) {
    case FIT_EXACT:
        return strcmp(name, value->text) == 0;
    case FIT_PARTS:
        return has_parts(name, value->text);
    case FIT_ANYWHERE:
        break;
    }
    return strstr(name, value->text) != NULL;
}

/* The variant's value for the word's key, in the key's spelling. */
static const char *variant_text(const struct word *word, const struct variant *variant, char *room,
                                size_t size)
{
    const char *text = *(const char *const *)((const char *)variant + word->key->offset);
    if (word->key->spelling == SPELL_AS_IS || strlen(text) + 2 > size)
        return text;
    return spell_value(word->key->spelling, text, room);
}

static bool value_fits(const struct word *word, const struct value *value, const char *text)
{
    return word->is_bare ? bare_fits(text, value) : glob_matches(value->text, text);
}

enum { ROOM = 256 }; /* longer than any legal name */

static bool word_fits(const struct word *word, const struct variant *variant)
{
    char room[ROOM];
    const char *text = variant_text(word, variant, room, sizeof room);
    for (size_t i = 0; i < word->count; i++)
        if (value_fits(word, &word->values[i], text))
            return true;
    return false;
}

bool filter_matches(const struct filter *filter, const struct variant *variant)
{
    for (size_t i = 0; i < filter->count; i++)
        if (!word_fits(&filter->words[i], variant))
            return false;
    return true;
}

static bool fits_any(const struct word *word, const struct value *value,
                     const struct plan_item *items, size_t count)
{
    char room[ROOM];
    for (size_t i = 0; i < count; i++)
        if (value_fits(word, value, variant_text(word, &items[i].variant, room, sizeof room)))
            return true;
    return false;
}

static void settle_value(const struct word *word, struct value *value,
                         const struct plan_item *items, size_t count)
{
    value->closeness = FIT_EXACT;
    while (value->closeness < FIT_ANYWHERE && !fits_any(word, value, items, count))
        value->closeness++;
}

void filter_settle(struct filter *filter, const struct plan_item *items, size_t count)
{
    for (size_t i = 0; i < filter->count; i++)
        for (size_t j = 0; filter->words[i].is_bare && j < filter->words[i].count; j++)
            settle_value(&filter->words[i], &filter->words[i].values[j], items, count);
}

/* ---- errors -------------------------------------------------------------------------------- */

/* "no package has gpu=sm99; did you mean sm90 or sm89?" */
static const char *miss_of(const struct word *word, const struct value *value,
                           const struct plan_item *items, size_t count, struct arena *arena)
{
    const char **texts = mem_new(count * sizeof *texts);
    for (size_t i = 0; i < count; i++)
        texts[i] = *(const char *const *)((const char *)&items[i].variant + word->key->offset);
    const char *nearest = names_nearest(value->text, texts, count, arena);
    free(texts);
    const char *what = word->is_bare
                           ? arena_print(arena, "nothing is named \"%s\"", value->typed)
                           : arena_print(arena, "nothing has %s=%s", word->key->name, value->typed);
    return *nearest ? arena_print(arena, "%s; did you mean %s?", what, nearest)
                    : arena_print(arena, "%s; `farm matrix` lists all variants", what);
}

const char *filter_miss(const struct filter *filter, const struct plan_item *items, size_t count,
                        struct arena *arena)
{
    for (size_t i = 0; i < filter->count; i++)
        for (size_t j = 0; j < filter->words[i].count; j++)
            if (!fits_any(&filter->words[i], &filter->words[i].values[j], items, count))
                return miss_of(&filter->words[i], &filter->words[i].values[j], items, count, arena);
    for (size_t i = 0; i < count; i++)
        if (filter_matches(filter, &items[i].variant))
            return "";
    return "nothing matches all words of the filter, though each matches some variants: omit a "
           "word";
}
