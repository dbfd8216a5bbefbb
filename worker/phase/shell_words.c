/* SPDX-License-Identifier: MIT */
/* shell_words.c - see shell_words.h.
 *
 * One pass over the text. A word is read with its quotes (read_word); what follows from a word that
 * stands where a command begins is in take_command. Command substitutions are read as scripts of
 * their own. Whatever is not understood makes the reader leave words out, never invent them. */
#include "worker/phase/shell_words.h"

#include <ctype.h>
#include <string.h>

enum { DEPTH_MAX = 8, HERE_MAX = 8, WORD_BYTES = 256 };

struct here { /* a here-document whose text begins after this line */
    char end[WORD_BYTES];
    bool strip_tabs;
};

struct reader {
    const char *at, *end;
    bool at_command; /* the next word is the first of a simple command */
    bool by_itself;  /* the words of this command are names that the script looks for itself */
    unsigned case_depth;
    unsigned depth; /* of command substitutions */
    struct here here[HERE_MAX];
    size_t here_count;
    struct shell_words *calls, *known;
};

struct word {
    char text[WORD_BYTES];
    size_t length; /* of the text; longer words are dynamic */
    bool dynamic;  /* not known before the script runs */
    bool quoted;
};

/* ---- lists --------------------------------------------------------------------------------- */

static bool is_listed(const struct shell_words *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], word) == 0)
            return true;
    return false;
}

static void add_word(struct shell_words *list, const char *word)
{
    if (!*word || is_listed(list, word))
        return;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        const char **items = arena_new(list->arena, capacity * sizeof *items);
        for (size_t i = 0; i < list->count; i++)
            items[i] = list->items[i];
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = arena_text(list->arena, word);
}

/* POSIX's reserved words after which a command begins, and those after which none does. */
static const char *const openers[] = {"if", "then", "else", "elif",  "do", "while",
                                      "{",  "!",    "time", "until", NULL};
static const char *const closers[] = {"fi", "done", "esac", "}", "for", "select", "[[", NULL};
/* Utilities that shells have built in (POSIX and bash). */
static const char *const builtins[] = {
    ":",       ".",       "[",      "alias",    "bg",        "break",   "cd",      "continue",
    "declare", "dirs",    "disown", "echo",     "eval",      "exit",    "export",  "false",
    "fg",      "getopts", "jobs",   "kill",     "let",       "local",   "mapfile", "popd",
    "printf",  "pushd",   "pwd",    "read",     "return",    "set",     "shift",   "shopt",
    "source",  "test",    "times",  "trap",     "true",      "typeset", "ulimit",  "umask",
    "unalias", "unset",   "wait",   "readonly", "readarray", NULL};
/* Those whose first operand is a command. */
static const char *const runners[] = {"command", "exec", "builtin", NULL};
/* Those whose operands are names that the script looks for. */
static const char *const seekers[] = {"type", "which", "hash", NULL};

static bool is_one_of(const char *const *names, const char *word)
{
    while (*names && strcmp(*names, word) != 0)
        names++;
    return *names;
}

/* ---- words --------------------------------------------------------------------------------- */

static void read_script(const char *text, size_t size, unsigned depth, struct shell_words *calls,
                        struct shell_words *known);

static void put_letter(struct word *word, char letter)
{
    if (word->length + 1 < sizeof word->text)
        word->text[word->length++] = letter;
    else
        word->dynamic = true;
}

static bool is_separator(char letter)
{
    return letter == ';' || letter == '&' || letter == '|' || letter == '(' || letter == ')' ||
           letter == '<' || letter == '>' || letter == '\n' || letter == ' ' || letter == '\t';
}

/* The place after the `close` that ends what was opened before `at`. */
static const char *skip_nested(const char *at, const char *end, char open, char close)
{
    for (unsigned depth = 1; at < end; at++) {
        if (*at == '\\' && at + 1 < end) {
            at++;
        } else if (*at == '\'' && close != '`') {
            const char *quote = memchr(at + 1, '\'', (size_t)(end - at - 1));
            at = quote ? quote : at;
        } else if (*at == '"' && close != '`') {
            for (at++; at + 1 < end && *at != '"'; at++)
                at += *at == '\\';
        } else if (*at == close && --depth == 0) {
            return at + 1;
        } else if (*at == open && open != close) {
            depth++;
        }
    }
    return end;
}

/* What a '$' or a backquote begins; commands in it are read. */
static void read_expansion(struct reader *reader, struct word *word)
{
    const char *at = reader->at, *end = reader->end, *past = at + 1;
    bool is_command = *at == '`';
    word->dynamic = true;
    if (*at == '`') {
        past = skip_nested(at + 1, end, '`', '`');
    } else if (at + 1 < end && at[1] == '(') {
        is_command = at + 2 >= end || at[2] != '(';
        past = skip_nested(at + 2, end, '(', ')');
    } else if (at + 1 < end && at[1] == '{') {
        past = skip_nested(at + 2, end, '{', '}');
    } else if (at + 1 < end && strchr("?!#$@*-", at[1])) {
        past = at + 2;
    }
    const char *inner = at + (*at == '`' ? 1 : 2);
    if (is_command && past > inner && reader->depth < DEPTH_MAX)
        read_script(inner, (size_t)(past - 1 - inner), reader->depth + 1, reader->calls,
                    reader->known);
    reader->at = past;
}

static void read_double_quotes(struct reader *reader, struct word *word)
{
    for (reader->at++; reader->at < reader->end && *reader->at != '"';) {
        if (*reader->at == '$' || *reader->at == '`') {
            read_expansion(reader, word);
            continue;
        }
        if (*reader->at == '\\' && reader->at + 1 < reader->end)
            reader->at++;
        put_letter(word, *reader->at++);
    }
    reader->at += reader->at < reader->end;
}

static void read_single_quotes(struct reader *reader, struct word *word)
{
    for (reader->at++; reader->at < reader->end && *reader->at != '\''; reader->at++)
        put_letter(word, *reader->at);
    reader->at += reader->at < reader->end;
}

/* Reads a word up to the next separator. */
static void read_word(struct reader *reader, struct word *word)
{
    *word = (struct word){.length = 0};
    while (reader->at < reader->end && !is_separator(*reader->at)) {
        char letter = *reader->at;
        word->quoted |= letter == '"' || letter == '\'' || letter == '\\';
        if (letter == '\'') {
            read_single_quotes(reader, word);
        } else if (letter == '"') {
            read_double_quotes(reader, word);
        } else if (letter == '$' || letter == '`') {
            read_expansion(reader, word);
        } else {
            word->dynamic |= letter == '*' || letter == '?';
            reader->at += letter == '\\' && reader->at + 1 < reader->end;
            put_letter(word, *reader->at++);
        }
    }
    word->text[word->length] = '\0';
}

/* ---- lines --------------------------------------------------------------------------------- */

static void skip_line(struct reader *reader)
{
    const char *line = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    reader->at = line ? line : reader->end;
}

/* Skips the here-documents that the line before asked for. */
static void skip_here_documents(struct reader *reader)
{
    for (size_t i = 0; i < reader->here_count; i++) {
        const struct here *here = &reader->here[i];
        for (bool done = false; !done && reader->at < reader->end;) {
            const char *line = reader->at;
            skip_line(reader);
            while (here->strip_tabs && line < reader->at && *line == '\t')
                line++;
            size_t length = (size_t)(reader->at - line);
            done = length == strlen(here->end) && memcmp(line, here->end, length) == 0;
            reader->at += reader->at < reader->end;
        }
    }
    reader->here_count = 0;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
        reader->at++;
}

static void read_redirection(struct reader *reader)
{
    struct word target;
    bool is_here = reader->at + 1 < reader->end && reader->at[0] == '<' && reader->at[1] == '<';
    bool is_text = is_here && reader->at + 2 < reader->end && reader->at[2] == '<';
    while (reader->at < reader->end && strchr("<>&|", *reader->at))
        reader->at++;
    bool strip_tabs = is_here && reader->at < reader->end && *reader->at == '-';
    reader->at += strip_tabs;
    skip_blanks(reader);
    if (reader->at < reader->end && *reader->at == '(') { /* a process substitution */
        const char *inner = reader->at + 1;
        reader->at = skip_nested(inner, reader->end, '(', ')');
        if (reader->depth < DEPTH_MAX)
            read_script(inner, (size_t)(reader->at - inner), reader->depth + 1, reader->calls,
                        reader->known);
        return;
    }
    read_word(reader, &target);
    if (is_here && !is_text && reader->here_count < HERE_MAX) {
        struct here *here = &reader->here[reader->here_count++];
        memcpy(here->end, target.text, sizeof here->end);
        here->strip_tabs = strip_tabs;
    }
}

/* The patterns of a `case`: up to its ')' , or `esac`. */
static void skip_pattern(struct reader *reader)
{
    struct word word;
    while (reader->at < reader->end) {
        while (reader->at < reader->end && strchr(" \t\n|(", *reader->at))
            reader->at++;
        if (reader->at < reader->end && *reader->at == '#') {
            skip_line(reader);
            continue;
        }
        if (reader->at < reader->end && *reader->at == ')') {
            reader->at++;
            return;
        }
        const char *before = reader->at;
        read_word(reader, &word);
        if (!word.quoted && strcmp(word.text, "esac") == 0) {
            reader->case_depth--;
            reader->at_command = false;
            return;
        }
        reader->at += reader->at == before && reader->at < reader->end;
    }
}

/* ---- commands ------------------------------------------------------------------------------ */

static bool is_assignment(const struct word *word)
{
    size_t length = 0;
    while (isalnum((unsigned char)word->text[length]) || word->text[length] == '_')
        length++;
    bool adds = word->text[length] == '+' && word->text[length + 1] == '=';
    return length > 0 && !isdigit((unsigned char)word->text[0]) &&
           (word->text[length] == '=' || word->text[length] == '[' || adds);
}

static void skip_to_text(struct reader *reader, const char *text)
{
    const char *found = memmem(reader->at, (size_t)(reader->end - reader->at), text, strlen(text));
    reader->at = found ? found + strlen(text) : reader->end;
}

static void begin_case(struct reader *reader)
{
    struct word word = {.length = 0};
    while (reader->at < reader->end && strcmp(word.text, "in") != 0) {
        while (reader->at < reader->end && isspace((unsigned char)*reader->at))
            reader->at++;
        const char *before = reader->at;
        read_word(reader, &word);
        reader->at += reader->at == before && reader->at < reader->end;
    }
    reader->case_depth++;
    reader->at_command = true;
    skip_pattern(reader);
}

static void note_function(struct reader *reader, const char *name)
{
    add_word(reader->known, name);
    skip_blanks(reader);
    if (reader->at < reader->end && *reader->at == '(')
        reader->at = skip_nested(reader->at + 1, reader->end, '(', ')');
    reader->at_command = true;
}

static void take_reserved(struct reader *reader, const char *text)
{
    reader->at_command = is_one_of(openers, text);
    reader->case_depth -= reader->case_depth && strcmp(text, "esac") == 0;
    if (strcmp(text, "[[") == 0)
        skip_to_text(reader, "]]");
}

/* The first word of a simple command. */
static void take_command(struct reader *reader, const struct word *word)
{
    const char *text = word->text;
    if (is_assignment(word))
        return;
    reader->at_command = false;
    skip_blanks(reader);
    bool has_list = reader->at < reader->end && *reader->at == '(';
    if (!word->quoted && !word->dynamic && has_list) {
        note_function(reader, text);
    } else if (!word->quoted && strcmp(text, "case") == 0) {
        begin_case(reader);
    } else if (!word->quoted && strcmp(text, "function") == 0) {
        struct word name;
        read_word(reader, &name);
        note_function(reader, name.text);
    } else if (!word->quoted && (is_one_of(openers, text) || is_one_of(closers, text))) {
        take_reserved(reader, text);
    } else if (is_one_of(runners, text)) {
        reader->at_command = true;
    } else if (is_one_of(seekers, text)) {
        reader->by_itself = true;
    } else if (!word->dynamic && !is_one_of(builtins, text) &&
               (text[0] == '/' || !strchr(text, '/'))) {
        add_word(reader->calls, text);
    }
}

static void take_word(struct reader *reader)
{
    struct word word;
    read_word(reader, &word);
    bool is_array = word.length && word.text[word.length - 1] == '=' && reader->at < reader->end &&
                    *reader->at == '(';
    if (is_array)
        reader->at = skip_nested(reader->at + 1, reader->end, '(', ')');
    bool is_number = word.length && strspn(word.text, "0123456789") == word.length;
    if (is_number && reader->at < reader->end && strchr("<>", *reader->at))
        return; /* 2>/dev/null */
    if (reader->by_itself) {
        if (word.text[0] != '-')
            add_word(reader->known, word.text);
    } else if (reader->at_command && word.text[0] == '-' && !word.quoted) {
        /* an option of `command` or `exec` */
        reader->by_itself = strpbrk(word.text, "vV");
    } else if (reader->at_command) {
        take_command(reader, &word);
    }
}

static void take_separator(struct reader *reader)
{
    char letter = *reader->at++;
    reader->at_command = true;
    reader->by_itself = false;
    if (letter == '(' && reader->at < reader->end && *reader->at == '(') { /* arithmetic */
        reader->at = skip_nested(reader->at, reader->end, '(', ')');
        reader->at_command = false;
    }
    if (letter == '\n')
        skip_here_documents(reader);
    bool ends_branch =
        letter == ';' && reader->at < reader->end && (*reader->at == ';' || *reader->at == '&');
    if (!ends_branch || !reader->case_depth)
        return;
    while (reader->at < reader->end && strchr(";&", *reader->at))
        reader->at++;
    skip_pattern(reader);
}

static void read_script(const char *text, size_t size, unsigned depth, struct shell_words *calls,
                        struct shell_words *known)
{
    struct reader reader = {.at = text,
                            .end = text + size,
                            .at_command = true,
                            .depth = depth,
                            .calls = calls,
                            .known = known};
    while (reader.at < reader.end) {
        char letter = *reader.at;
        if (letter == ' ' || letter == '\t' || letter == '\r')
            reader.at++;
        else if (letter == '\\' && reader.at + 1 < reader.end && reader.at[1] == '\n')
            reader.at += 2;
        else if (letter == '#')
            skip_line(&reader);
        else if (letter == '<' || letter == '>' ||
                 (letter == '&' && reader.at + 1 < reader.end && reader.at[1] == '>'))
            read_redirection(&reader);
        else if (is_separator(letter))
            take_separator(&reader);
        else
            take_word(&reader);
    }
}

void shell_words_read(const char *text, size_t size, struct shell_words *out)
{
    struct shell_words calls = {.arena = out->arena}, known = {.arena = out->arena};
    if (memchr(text, '\0', size))
        return; /* a program, no script */
    read_script(text, size, 0, &calls, &known);
    for (size_t i = 0; i < calls.count; i++)
        if (!is_listed(&known, calls.items[i]))
            add_word(out, calls.items[i]);
}

const char *shell_words_interpreter(const char *text, size_t size, struct arena *arena)
{
    size_t end = 0;
    while (end < size && text[end] != '\n' && text[end] != '\r')
        end++;
    if (end < 3 || text[0] != '#' || text[1] != '!')
        return "";
    const char *line = arena_print(arena, "%.*s", (int)(end - 2), text + 2);
    line += strspn(line, " \t");
    size_t length = strcspn(line, " \t");
    bool is_env = length >= 4 && strncmp(line + length - 4, "/env", 4) == 0;
    if (is_env) {
        line += length;
        line += strspn(line, " \t");
        if (strncmp(line, "-S", 2) == 0)
            line += 2 + strspn(line + 2, " \t");
        length = strcspn(line, " \t");
    }
    return arena_print(arena, "%.*s", (int)length, line);
}
