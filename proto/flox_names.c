/* SPDX-License-Identifier: MIT */
/* flox_names.c - see flox_names.h. */
#include "proto/flox_names.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool is_good(const char *name, size_t size)
{
    if (size == 0 || !is_one_of(*name, LETTERS))
        return false;
    for (size_t i = 1; i < size; i++)
        if (!is_one_of(name[i], LETTERS ".+-"))
            return false;
    return true;
}

/* ---- entries ------------------------------------------------------------------------------ */

/* Replaces what a line or a terminal would not show. */
static const char *printable(const char *path, char shown[256])
{
    size_t i = 0;
    for (; path[i] && i < 255; i++)
        shown[i] = path[i] >= ' ' && path[i] <= '~' ? path[i] : '?';
    shown[i] = '\0';
    return shown;
}

int flox_check_entry(const char *path, bool is_link, struct err *err)
{
    static const char *const own[] = {".flox", ".flox/env", FLOX_MANIFEST, ".flox/pkgs"};
    static const char root[] = ".flox/pkgs/";
    char shown[256];
    for (size_t i = 0; is_link && i < sizeof own / sizeof own[0]; i++)
        if (strcmp(path, own[i]) == 0)
            return err_set(err, "%s is a link: the farm reads no names through it", path);
    if (strncmp(path, root, sizeof root - 1) != 0)
        return 0;
    for (const char *part = path + sizeof root - 1;; part++) {
        size_t size = strcspn(part, "/");
        if (!is_good(part, size))
            return err_set(err,
                           "%s: rename it: flox's make may run what a name below .flox/pkgs holds, "
                           "unless it has only letters, digits, '.', '_', '+' and '-' and begins "
                           "with a letter, a digit or '_'",
                           printable(path, shown));
        part += size;
        if (!*part)
            return 0;
    }
}

/* ---- the manifest ------------------------------------------------------------------------- */

/* A dotted key: views of its first parts, and how many there are. */
enum { PARTS = 3 };
struct key {
    const char *at[PARTS];
    size_t size[PARTS];
    size_t count;
};

struct reader {
    const char *at, *end;
    unsigned line;
    struct err *err;
};

static int refuse(const struct reader *reader, const char *why)
{
    return err_set(reader->err, FLOX_MANIFEST ":%u: %s", reader->line, why);
}

static int refuse_unread(const struct reader *reader)
{
    return refuse(reader, "the farm cannot read this line, and flox's make may run what it holds: "
                          "write it as plain [build.NAME] tables with plain keys");
}

static bool is_at(const struct reader *reader, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(reader->end - reader->at) >= size && memcmp(reader->at, text, size) == 0;
}

static bool take(struct reader *reader, const char *text)
{
    if (!is_at(reader, text))
        return false;
    reader->at += strlen(text);
    return true;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && is_one_of(*reader->at, " \t\r"))
        reader->at++;
}

static void skip_comment(struct reader *reader)
{
    if (is_at(reader, "#"))
        while (reader->at < reader->end && *reader->at != '\n')
            reader->at++;
}

/* Takes the rest of a line, which must be blank or a comment. */
static bool take_line_end(struct reader *reader)
{
    skip_blanks(reader);
    skip_comment(reader);
    if (reader->at == reader->end)
        return true;
    reader->line++;
    return take(reader, "\n");
}

static bool take_part(struct reader *reader, struct key *key)
{
    char quote = is_at(reader, "\"") || is_at(reader, "'") ? *reader->at : '\0';
    reader->at += quote != '\0';
    const char *begin = reader->at;
    while (reader->at < reader->end &&
           (quote ? !is_one_of(*reader->at, "\"'\\\n") : is_one_of(*reader->at, LETTERS "-")))
        reader->at++;
    if (key->count < PARTS) {
        key->at[key->count] = begin;
        key->size[key->count] = (size_t)(reader->at - begin);
    }
    key->count++;
    return quote ? take(reader, (char[]){quote, '\0'}) : reader->at > begin;
}

/* Adds the parts of a dotted key. */
static bool take_key(struct reader *reader, struct key *key)
{
    do {
        skip_blanks(reader);
        if (!take_part(reader, key))
            return false;
        skip_blanks(reader);
    } while (take(reader, "."));
    return true;
}

static bool skip_string(struct reader *reader)
{
    char quote = *reader->at, three[] = {quote, quote, quote, '\0'};
    bool is_long = take(reader, three);
    reader->at += !is_long;
    while (reader->at < reader->end) {
        if (is_long ? take(reader, three) : *reader->at == quote) {
            /* Up to two quotes before the last three belong to the text. */
            for (int i = 0; i < (is_long ? 2 : 1); i++)
                reader->at += reader->at < reader->end && *reader->at == quote;
            return true;
        }
        if (*reader->at == '\n' && !is_long)
            return false;
        if (*reader->at == '\\' && quote == '"' && reader->end - reader->at > 1)
            reader->at++;
        reader->line += *reader->at++ == '\n';
    }
    return false;
}

/* Takes a value and the rest of its line. */
static bool skip_value(struct reader *reader)
{
    size_t depth = 0;
    while (reader->at < reader->end && (depth || !is_one_of(*reader->at, "#\n"))) {
        char c = *reader->at;
        if (c == '"' || c == '\'') {
            if (!skip_string(reader))
                return false;
            continue;
        }
        if (is_one_of(c, "]}") && depth-- == 0)
            return false;
        depth += is_one_of(c, "[{");
        if (c == '#')
            skip_comment(reader);
        else
            reader->line += *reader->at++ == '\n';
    }
    return depth == 0 && take_line_end(reader);
}

/* Whether the value is one string that is a good name, and nothing else. */
static bool is_plain(struct reader reader)
{
    char quote = is_at(&reader, "\"") || is_at(&reader, "'") ? *reader.at++ : '\0';
    const char *begin = reader.at;
    while (reader.at < reader.end && *reader.at != quote)
        reader.at++;
    size_t size = (size_t)(reader.at - begin);
    return quote && is_good(begin, size) && take(&reader, (char[]){quote, '\0'}) &&
           take_line_end(&reader);
}

static bool part_is(const struct key *key, size_t i, const char *text)
{
    return key->count > i && key->size[i] == strlen(text) &&
           memcmp(key->at[i], text, key->size[i]) == 0;
}

static bool is_run(const struct key *key)
{
    return part_is(key, 2, "version") || part_is(key, 2, "sandbox");
}

/* Judges a table, or the key of a value in full. */
static int judge(const struct reader *reader, const struct key *key, bool is_table)
{
    if (part_is(key, 0, "include"))
        return refuse(reader, "an environment that includes others may bring builds that the farm "
                              "does not read: leave [include] out for the builder flox");
    if (!part_is(key, 0, "build") || (is_table && key->count == 1))
        return 0;
    if (key->count == 1 || (key->count == 2 && !is_table))
        return refuse_unread(reader);
    if (!is_good(key->at[1], key->size[1]))
        return refuse(reader, "rename this build: flox's make may run what a name holds, unless it "
                              "has only letters, digits, '.', '_', '+' and '-' and begins with a "
                              "letter, a digit or '_'");
    if (is_run(key) && (is_table || key->count > PARTS || !is_plain(*reader)))
        return refuse(reader, "flox's make may run the version or sandbox of a build while it "
                              "makes another: write a plain version, such as \"1.2.3\"");
    return 0;
}

static int read_table(struct reader *reader, struct key *table)
{
    bool is_array = take(reader, "[[");
    reader->at += !is_array;
    *table = (struct key){0};
    if (!take_key(reader, table) || !take(reader, is_array ? "]]" : "]") ||
        (is_array && part_is(table, 0, "build")))
        return refuse_unread(reader);
    if (judge(reader, table, true) < 0)
        return -1;
    return take_line_end(reader) ? 0 : refuse_unread(reader);
}

static int read_pair(struct reader *reader, const struct key *table)
{
    struct key key = *table;
    if (!take_key(reader, &key) || !take(reader, "="))
        return refuse_unread(reader);
    skip_blanks(reader);
    if (judge(reader, &key, false) < 0)
        return -1;
    return skip_value(reader) ? 0 : refuse_unread(reader);
}

/* TOML has none of these, and other readers may take them for the end of a line. */
static bool has_controls(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool ends_line = c == '\r' && i + 1 < text.size && text.data[i + 1] == '\n';
        if (c == 0x7f || (c < ' ' && c != '\t' && c != '\n' && !ends_line))
            return true;
    }
    return false;
}

int flox_check_manifest(struct bytes text, struct err *err)
{
    struct reader reader = {(const char *)text.data, (const char *)text.data + text.size, 1, err};
    struct key table = {0};
    if (text.size == 0)
        return refuse(&reader, "it is empty, or too large to be read");
    if (has_controls(text))
        return refuse(&reader, "it has control characters: remove them");
    for (int result = 0; result == 0;) {
        skip_blanks(&reader);
        if (reader.at == reader.end)
            return 0;
        if (is_at(&reader, "\n") || is_at(&reader, "#"))
            result = take_line_end(&reader) ? 0 : -1;
        else
            result = is_at(&reader, "[") ? read_table(&reader, &table) : read_pair(&reader, &table);
    }
    return -1;
}
