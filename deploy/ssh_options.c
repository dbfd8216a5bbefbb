/* SPDX-License-Identifier: MIT */
/* ssh_options.c - see ssh_options.h. */
#include "deploy/ssh_options.h"

#include <ctype.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

const struct ssh_option ssh_option_rows[] = {
#define OPTION(name, treatment, note) {#name, SSH_##treatment, note},
#include "deploy/ssh_options.def"
#undef OPTION
    {NULL, SSH_HARMLESS, NULL}};

const struct ssh_option *ssh_option_find(const char *name)
{
    for (const struct ssh_option *row = ssh_option_rows; row->name; row++)
        if (!strcasecmp(row->name, name))
            return row;
    return NULL;
}

/* ---- what ssh prints ------------------------------------------------------------------------- */

static bool line_is_about(const char *line, const char *name)
{
    size_t size = strlen(name);
    return !strncasecmp(line, name, size) && (line[size] == ' ' || line[size] == '\n');
}

static const char *next_line(const char *line)
{
    const char *end = line + strcspn(line, "\n");
    return *end ? end + 1 : end;
}

const char *ssh_option_value(const char *shown, const char *name, size_t index, struct arena *arena)
{
    for (const char *line = shown; *line; line = next_line(line)) {
        if (!line_is_about(line, name) || index-- > 0)
            continue;
        const char *value = line + strlen(name);
        value += *value == ' ';
        return arena_print(arena, "%.*s", (int)strcspn(value, "\r\n"), value);
    }
    return NULL;
}

/* Whether the option has the same values in both. */
static bool is_same(const char *shown, const char *defaults, const char *name, struct arena *arena)
{
    for (size_t i = 0;; i++) {
        const char *value = ssh_option_value(shown, name, i, arena);
        const char *usual = ssh_option_value(defaults, name, i, arena);
        if (!value || !usual)
            return !value && !usual;
        if (strcmp(value, usual) != 0)
            return false;
    }
}

/* Names of options are letters and digits; a message of ssh has other characters. */
static bool is_name(const char *text)
{
    const char *at = text;
    while (isalnum((unsigned char)*at))
        at++;
    return *text && !*at;
}

int ssh_options_check(const char *shown, const char *defaults, const char *host,
                      struct arena *arena, struct err *err)
{
    for (const char *line = shown; *line; line = next_line(line)) {
        size_t size = strcspn(line, " \r\n");
        const char *name = arena_print(arena, "%.*s", (int)size, line);
        const struct ssh_option *row = ssh_option_find(name);
        if (!is_name(name) || (row && row->treatment != SSH_UNSUPPORTED) ||
            is_same(shown, defaults, name, arena))
            continue;
        return err_set(err,
                       "your ssh_config sets %s for %s, which farm does not support: set it to its "
                       "default for this host, or run `farm-worker join` on the host with a token "
                       "(`farm token create`)",
                       row ? row->name : name, host);
    }
    return 0;
}

/* ---- without ssh ----------------------------------------------------------------------------- */

struct config_reading {
    const char *host;
    struct arena *arena;
    struct buf shown;
    bool applies; /* the present block is about this host */
};

/* The next word of a line without its quotes; NULL at the end. Advances *at. */
static char *next_word(char **at)
{
    while (isspace((unsigned char)**at) || **at == '=')
        (*at)++;
    if (!**at)
        return NULL;
    bool quoted = **at == '"';
    char *word = *at + quoted;
    *at = word + (quoted ? strcspn(word, "\"") : strcspn(word, " \t\r="));
    if (**at)
        *(*at)++ = '\0';
    return word;
}

/* As in ssh_config(5): a pattern must match, and none that begins with '!'. */
static bool host_matches(char *patterns, const char *host)
{
    bool matches = false;
    char *pattern;
    while ((pattern = next_word(&patterns))) {
        if (*pattern == '!' && !fnmatch(pattern + 1, host, 0))
            return false;
        if (*pattern != '!' && !fnmatch(pattern, host, 0))
            matches = true;
    }
    return matches;
}

/* Debian's own ssh_config includes a folder that is usually empty. */
static bool includes_nothing(char *patterns)
{
    char *pattern;
    while ((pattern = next_word(&patterns))) {
        glob_t found;
        int result = *pattern == '/' ? glob(pattern, 0, NULL, &found) : 0;
        if (result == 0 && *pattern == '/')
            globfree(&found);
        if (result != GLOB_NOMATCH)
            return false;
    }
    return true;
}

static bool may_repeat(const char *name)
{
    return !strcasecmp(name, "IdentityFile");
}

/* The rest of the line is the value: one word without its quotes, or, as for ProxyCommand, all of
 * it. */
static void option_take(struct config_reading *reading, const char *name, char *value)
{
    const char *so_far = reading->shown.size ? (const char *)reading->shown.data : "";
    if (!may_repeat(name) && ssh_option_value(so_far, name, 0, reading->arena))
        return;
    while (isspace((unsigned char)*value) || *value == '=')
        value++;
    if (*value == '"' && strcasecmp(name, "ProxyCommand") != 0)
        value = next_word(&value);
    value[strcspn(value, "\r")] = '\0';
    buf_print(&reading->shown, "%s %s\n", name, value);
}

static int read_line(struct config_reading *reading, char *line, struct err *err)
{
    char *word = next_word(&line);
    if (!word || *word == '#')
        return 0;
    if (!strcasecmp(word, "Host")) {
        reading->applies = host_matches(line, reading->host);
        return 0;
    }
    if (!strcasecmp(word, "Include") && includes_nothing(line))
        return 0;
    const struct ssh_option *row = ssh_option_find(word);
    if (!row || row->treatment == SSH_APPLIED || !strcasecmp(word, "ProxyJump"))
        return err_set(err,
                       "your ssh_config has the word %s, which farm can follow only through ssh: "
                       "install it (package openssh-client)",
                       word);
    if (reading->applies)
        option_take(reading, word, line);
    return 0;
}

int ssh_options_show(const char *config, const char *host, struct arena *arena, const char **shown,
                     struct err *err)
{
    struct config_reading reading = {.host = host, .arena = arena, .applies = true};
    char *rest = arena_text(arena, config), *line;
    int result = 0;
    while (result == 0 && (line = strsep(&rest, "\n")))
        result = read_line(&reading, line, err);
    *shown = arena_text(arena, reading.shown.size ? (char *)reading.shown.data : "");
    buf_release(&reading.shown);
    return result;
}
