/* SPDX-License-Identifier: MIT */
/* recipe.c - scans Nix text, without evaluation or grammar.
 *
 * First comments are replaced by blanks (which must recognise strings, because '#' in a string does
 * not begin a comment), and in a second copy also strings. Words and paths are searched in the
 * second copy, because strings of recipes contain shell and C; the text after a word is read from
 * the first copy.
 */
#include "coordinator/discovery/recipe.h"

#include "proto/limits.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- comments ------------------------------------------------------------------------------- */

enum mode { IN_CODE, IN_STRING, IN_INDENTED };

/* Strings may contain code in ${...}, which may contain strings: the lexer's state is a stack. */
struct lexer {
    enum mode modes[64];
    unsigned braces[64]; /* open braces within this code */
    size_t depth;
    bool is_lost; /* the text is nested deeper than the stack: the scan is unreliable */
};

static void enter_mode(struct lexer *lexer, enum mode mode)
{
    if (lexer->depth + 1 == sizeof lexer->modes / sizeof lexer->modes[0]) {
        lexer->is_lost = true;
        return;
    }
    lexer->depth++;
    lexer->modes[lexer->depth] = mode;
    lexer->braces[lexer->depth] = 0;
}

static void leave_mode(struct lexer *lexer)
{
    if (lexer->depth > 0)
        lexer->depth--;
}

static size_t blank_text(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\n')
            text[i] = ' ';
    return size;
}

/* The size of the comment that begins at `at`; 0 if there is none. */
static size_t comment_size(const char *at)
{
    if (*at == '#')
        return strcspn(at, "\n");
    if (at[0] != '/' || at[1] != '*')
        return 0;
    const char *end = strstr(at + 2, "*/");
    return end ? (size_t)(end + 2 - at) : strlen(at);
}

/* Each step function consumes one token at `at` and returns its size. */
static size_t step_code(struct lexer *lexer, char *at)
{
    size_t comment = comment_size(at);
    if (comment)
        return blank_text(at, comment);
    if (*at == '"') {
        enter_mode(lexer, IN_STRING);
    } else if (at[0] == '\'' && at[1] == '\'') {
        enter_mode(lexer, IN_INDENTED);
        return 2;
    } else if (*at == '{') {
        lexer->braces[lexer->depth]++;
    } else if (*at == '}') {
        if (lexer->braces[lexer->depth])
            lexer->braces[lexer->depth]--;
        else
            leave_mode(lexer);
    }
    return 1;
}

static size_t step_string(struct lexer *lexer, const char *at)
{
    if (at[0] == '\\' && at[1])
        return 2;
    if (at[0] == '$' && at[1] == '{') {
        enter_mode(lexer, IN_CODE);
        return 2;
    }
    if (*at == '"')
        leave_mode(lexer);
    return 1;
}

/* In an indented string '' ends it, but ''$, ''\ and ''' are escapes. */
static size_t step_indented(struct lexer *lexer, const char *at)
{
    if (at[0] == '\'' && at[1] == '\'') {
        if (at[2] == '$' || at[2] == '\'' || (at[2] == '\\' && at[3]))
            return at[2] == '\\' ? 4 : 3;
        leave_mode(lexer);
        return 2;
    }
    if (at[0] == '$' && at[1] == '{') {
        enter_mode(lexer, IN_CODE);
        return 2;
    }
    return 1;
}

/* The text without comments, and the text without comments and contents of strings. */
struct source {
    char *text;
    char *code;
};

/* False when the text is nested too deeply. */
static bool blank_out(struct source source, size_t size)
{
    struct lexer lexer = {.modes = {IN_CODE}};
    for (size_t i = 0; i < size && !lexer.is_lost;) {
        enum mode mode = lexer.modes[lexer.depth];
        size_t step = mode == IN_CODE     ? step_code(&lexer, source.text + i)
                      : mode == IN_STRING ? step_string(&lexer, source.text + i)
                                          : step_indented(&lexer, source.text + i);
        for (size_t j = i; j < i + step && j < size; j++)
            source.code[j] = mode == IN_CODE ? source.text[j] : ' ';
        i += step;
    }
    return !lexer.is_lost;
}

/* ---- words ---------------------------------------------------------------------------------- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '\'';
}

/* The next occurrence of `word`, as a whole word, at or after `from`. */
static const char *find_word(const char *text, const char *from, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = from; (at = strstr(at, word)); at += size)
        if ((at == text || !is_word(at[-1])) && !is_word(at[size]))
            return at;
    return NULL;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* ---- systems -------------------------------------------------------------------------------- */

static bool read_system(const char **at, const char **system, struct arena *arena)
{
    *at = skip_blanks(*at);
    if (**at != '"')
        return false;
    size_t size = strcspn(*at + 1, "\"\\$\n");
    if ((*at)[1 + size] != '"' || size == 0 || size > LIMIT_NAME_BYTES)
        return false;
    *system = arena_print(arena, "%.*s", (int)size, *at + 1);
    *at += size + 2;
    return true;
}

/* Reads the first `platforms = [ "..." ... ]`; other forms are ignored. */
static void scan_systems(struct source source, struct recipe_facts *facts, struct arena *arena)
{
    enum { SYSTEMS_MAX = 16 };
    const char *next = source.code;
    while ((next = find_word(source.code, next, "platforms"))) {
        next += strlen("platforms");
        const char *at = skip_blanks(source.text + (next - source.code));
        if (*at != '=' || *(at = skip_blanks(at + 1)) != '[')
            continue;
        const char **systems = arena_new(arena, SYSTEMS_MAX * sizeof *systems);
        size_t count = 0;
        at++;
        while (count < SYSTEMS_MAX && read_system(&at, &systems[count], arena))
            count++;
        if (*skip_blanks(at) != ']' || count == 0)
            continue;
        facts->systems = systems;
        facts->system_count = count;
        return;
    }
}

/* ---- paths ---------------------------------------------------------------------------------- */

static bool is_path_character(char c)
{
    return isalnum((unsigned char)c) || strchr("._-+/", c);
}

static bool begins_path(const char *text, const char *at)
{
    bool is_relative = strncmp(at, "./", 2) == 0 || strncmp(at, "../", 3) == 0;
    return is_relative && (at == text || !is_path_character(at[-1]) || at[-1] == '-');
}

/* A path that contains ${...} may name anything in the folder before it. */
static size_t path_size(const char *at)
{
    size_t size = 0;
    while (at[size] && is_path_character(at[size]))
        size++;
    if (at[size] == '$')
        while (size > 0 && at[size - 1] != '/')
            size--;
    return size;
}

static void scan_paths(const char *text, struct recipe_facts *facts, struct arena *arena)
{
    size_t capacity = 0;
    const char **paths = NULL;
    for (const char *at = text; (at = strchr(at, '.'));) {
        size_t size = begins_path(text, at) ? path_size(at) : 0;
        if (size) {
            if (facts->path_count == capacity) {
                const char **old = paths;
                capacity = capacity ? capacity * 2 : 4;
                paths = arena_new(arena, capacity * sizeof *paths);
                if (old)
                    memcpy(paths, old, facts->path_count * sizeof *paths);
            }
            assert(paths && "the array was grown above");
            paths[facts->path_count++] = arena_print(arena, "%.*s", (int)size, at);
        }
        at += size ? size : 1;
    }
    facts->paths = paths;
}

/* ---- pins ----------------------------------------------------------------------------------- */

static bool has_commit(const char *text, size_t size)
{
    size_t run = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && isxdigit((unsigned char)text[i])) {
            run++;
            continue;
        }
        if (run == 40)
            return true;
        run = 0;
    }
    return false;
}

static bool contains_text(const char *text, size_t size, const char *wanted)
{
    return memmem(text, size, wanted, strlen(wanted)) != NULL;
}

/* The size of the argument that begins at `at`: a set, a parenthesis or a string. 0 for a name,
 * whose value is somewhere else. */
static size_t argument_size(const char *at)
{
    if (*at == '"')
        return strcspn(at + 1, "\"\n") + 2;
    char open = *at, close = open == '{' ? '}' : open == '(' ? ')' : '\0';
    if (!close)
        return 0;
    size_t depth = 0;
    for (size_t i = 0; at[i]; i++) {
        depth += at[i] == open;
        depth -= at[i] == close;
        if (depth == 0)
            return i + 1;
    }
    return 0;
}

static bool is_fetch_pinned(const char *argument)
{
    size_t size = argument_size(argument);
    return has_commit(argument, size) || contains_text(argument, size, "sha256") ||
           contains_text(argument, size, "narHash") || contains_text(argument, size, "hash =");
}

/* Whether all calls of fetchers that may be called without a hash have one. */
static bool are_fetches_pinned(struct source source)
{
    static const char *const fetchers[] = {
        "fetchTarball", "fetchGit", "fetchTree", "fetchurl", "getFlake", "fetchMercurial", NULL};
    for (size_t i = 0; fetchers[i]; i++)
        for (const char *at = source.code; (at = find_word(source.code, at, fetchers[i]));) {
            at += strlen(fetchers[i]);
            if (!is_fetch_pinned(skip_blanks(source.text + (at - source.code))))
                return false;
        }
    return true;
}

/* Whether the text uses functions whose result depends on the host or the day. */
static bool is_impure(const char *text)
{
    static const char *const words[] = {"getEnv", "currentTime", "storePath", "nixPath", NULL};
    for (size_t i = 0; words[i]; i++)
        if (find_word(text, text, words[i]))
            return true;
    return false;
}

/* Whether the text uses <nixpkgs>, which depends on the host. */
static bool has_search_path(const char *text)
{
    for (const char *at = text; (at = strchr(at, '<')); at++) {
        size_t size = 1;
        while (at[size] && is_path_character(at[size]))
            size++;
        if (size > 1 && at[size] == '>')
            return true;
    }
    return false;
}

/* ---- arguments ------------------------------------------------------------------------------ */

/* Whether `body` uses the name as a variable, not as an attribute or a key. */
static bool is_used(const char *body, const char *name)
{
    for (const char *at = body; (at = find_word(body, at, name)); at += strlen(name))
        if (at == body || at[-1] != '.')
            return true;
    return false;
}

/* Reads an argument of `{ a, b ? default, ... }`; returns the text after it. */
static const char *read_argument(const char *at, char name[LIMIT_PACKAGE_BYTES])
{
    size_t size = 0, depth = 0;
    at = skip_blanks(at);
    while (is_word(at[size]))
        size++;
    snprintf(name, LIMIT_PACKAGE_BYTES, "%.*s", (int)size, at);
    for (at += size; *at && (depth || (*at != ',' && *at != '}')); at++) {
        depth += strchr("{([", *at) != NULL;
        depth -= depth && strchr("})]", *at) != NULL;
    }
    return at;
}

/* For `{ pkgs ? import <nixpkgs> {} }: BODY`, returns BODY and whether it uses none of the
 * arguments. Text without such a head has no arguments. */
static const char *read_head(const char *text, bool *arguments_unused)
{
    const char *head = skip_blanks(text);
    *arguments_unused = true;
    if (*head != '{')
        return text;
    size_t size = argument_size(head);
    const char *body = skip_blanks(head + size);
    if (size == 0 || (*body != ':' && *body != '@'))
        return text;
    if (*body == '@') { /* a name for the whole set: its use cannot be followed */
        *arguments_unused = false;
        return body;
    }
    for (const char *at = head; at < head + size - 1;) {
        char name[LIMIT_PACKAGE_BYTES];
        at = read_argument(at + 1, name);
        if (*name && strcmp(name, "system") != 0 && is_used(body, name))
            *arguments_unused = false;
    }
    return body;
}

/* Whether a path that continues at `at` began before it. Before a quote that a word ends with, too:
 * "$PWD"/build. */
static bool is_within_path(const char *text, const char *at)
{
    if (at > text && (at[-1] == '"' || at[-1] == '\''))
        at--;
    return at > text && (isalnum((unsigned char)at[-1]) || strchr("._-/})~*+?", at[-1]));
}

/* Whether "/build" or "/build/..." stands there as an absolute path, in a string or not. */
static bool names_build(const char *text)
{
    static const char folder[] = "/build";
    for (const char *at = text; (at = strstr(at, folder)); at += strlen(folder)) {
        char after = at[strlen(folder)];
        if (!is_within_path(text, at) && !isalnum((unsigned char)after) &&
            (!after || !strchr("-_.+", after)))
            return true;
    }
    return false;
}

void recipe_scan(struct bytes bytes, struct recipe_facts *facts, struct arena *arena)
{
    *facts = (struct recipe_facts){0};
    struct source source = {mem_new(bytes.size + 1), mem_new(bytes.size + 1)};
    if (bytes.size)
        memcpy(source.text, bytes.data, bytes.size);
    bool is_text = strlen(source.text) == bytes.size && blank_out(source, bytes.size);
    if (is_text) {
        scan_paths(source.code, facts, arena);
        scan_systems(source, facts, arena);
        facts->names_build = names_build(source.text);
        const char *body = read_head(source.code, &facts->arguments_unused);
        facts->fetches_pinned =
            are_fetches_pinned(source) && !is_impure(body) && !has_search_path(body);
    }
    free(source.text);
    free(source.code);
}
