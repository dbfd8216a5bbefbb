/* SPDX-License-Identifier: MIT */
/* destination.c - see destination.h. */
#include "deploy/destination.h"

#include "proto/base/io.h"
#include "proto/limits.h"

#include <ctype.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct config_reading {
    struct destination *out;
    const char *home;
    struct arena *arena;
    size_t identities;
    const char *proxy; /* the option that sets a proxy; NULL: none */
    bool applies;      /* the present block is about this host */
};

/* ---- what was typed -------------------------------------------------------------------------- */

static bool port_is_fine(const char *port)
{
    char *end;
    unsigned long number = strtoul(port, &end, 10);
    return isdigit((unsigned char)*port) && !*end && number > 0 && number < 65536;
}

/* Host and user become words of an ssh command line: refuses options and characters of the shell.
 */
static bool word_is_fine(const char *word)
{
    if (!*word || *word == '-' || strlen(word) > LIMIT_BRANCH_BYTES)
        return false;
    for (; *word; word++)
        if (!isalnum((unsigned char)*word) && !strchr("._-:%+$", *word))
            return false;
    return true;
}

/* HOST, HOST:PORT, [V6], [V6]:PORT, or a bare address of IPv6. */
static int split_host(const char *text, struct arena *arena, struct destination *out,
                      struct err *err)
{
    const char *colon = strrchr(text, ':');
    bool bracketed = *text == '[';
    const char *end = bracketed ? strchr(text, ']') : NULL;
    if (bracketed && (!end || (end[1] && end[1] != ':')))
        return err_set(err, "\"%s\": write an IPv6 address as [ADDRESS] or [ADDRESS]:PORT", text);
    if (bracketed) {
        out->alias = arena_print(arena, "%.*s", (int)(end - text - 1), text + 1);
        out->port = end[1] ? arena_text(arena, end + 2) : "";
    } else if (colon && strchr(text, ':') == colon) {
        out->alias = arena_print(arena, "%.*s", (int)(colon - text), text);
        out->port = arena_text(arena, colon + 1);
    } else {
        out->alias = arena_text(arena, text);
        out->port = "";
    }
    if (!word_is_fine(out->alias))
        return err_set(err, "\"%s\" is not a host: write USER@HOST or USER@HOST:PORT", text);
    if (end ? end[1] != '\0' : *out->port != '\0')
        return port_is_fine(out->port)
                   ? 0
                   : err_set(err, "\"%s\" is not a port: write USER@HOST:PORT", out->port);
    return colon && !bracketed && colon[1] == '\0'
               ? err_set(err, "\"%s\" has no port after the colon", text)
               : 0;
}

static int typed_split(const char *typed, struct arena *arena, struct destination *out,
                       struct err *err)
{
    const char *at = strrchr(typed, '@');
    *out = (struct destination){.typed = arena_text(arena, typed), .user = ""};
    if (at) {
        out->user = arena_print(arena, "%.*s", (int)(at - typed), typed);
        if (!word_is_fine(out->user))
            return err_set(err, "\"%s\" is not a user name: write USER@HOST", out->user);
    }
    return split_host(at ? at + 1 : typed, arena, out, err);
}

/* ---- ssh_config ------------------------------------------------------------------------------ */

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
static bool host_matches(char *patterns, const char *alias)
{
    bool matches = false;
    char *pattern;
    while ((pattern = next_word(&patterns))) {
        if (*pattern == '!' && !fnmatch(pattern + 1, alias, 0))
            return false;
        if (*pattern != '!' && !fnmatch(pattern, alias, 0))
            matches = true;
    }
    return matches;
}

/* Expands "~" and the escapes %d, %h, %r, %u and %%. */
static const char *expand_path(const struct config_reading *reading, const char *path)
{
    if (path[0] == '~' && path[1] == '/')
        return arena_print(reading->arena, "%s%s", reading->home, path + 1);
    if (path[0] == '%' && path[1] == 'd' && path[2] == '/')
        return arena_print(reading->arena, "%s%s", reading->home, path + 2);
    return arena_text(reading->arena, path);
}

static const char *expand_address(const struct config_reading *reading, const char *text)
{
    const char *percent = strstr(text, "%h");
    if (!percent)
        return arena_text(reading->arena, text);
    return arena_print(reading->arena, "%.*s%s%s", (int)(percent - text), text, reading->out->alias,
                       percent + 2);
}

static void option_take(struct config_reading *reading, const char *word, char *value)
{
    struct destination *out = reading->out;
    if (!strcasecmp(word, "HostName") && !*out->address)
        out->address = expand_address(reading, value);
    else if (!strcasecmp(word, "User") && !*out->user)
        out->user = arena_text(reading->arena, value);
    else if (!strcasecmp(word, "Port") && !*out->port)
        out->port = arena_text(reading->arena, value);
    else if (!strcasecmp(word, "UserKnownHostsFile") && !out->known_hosts)
        out->known_hosts = expand_path(reading, value);
    else if (!strcasecmp(word, "IdentityFile") && reading->identities < DESTINATION_IDENTITIES - 1)
        out->identities[reading->identities++] = expand_path(reading, value);
    else if ((!strcasecmp(word, "ProxyJump") || !strcasecmp(word, "ProxyCommand")) &&
             !reading->proxy)
        reading->proxy =
            strcasecmp(value, "none") ? arena_text(reading->arena, word) : ""; /* "": no proxy */
}

static void read_line(struct config_reading *reading, char *line)
{
    char *word = next_word(&line);
    if (!word || *word == '#')
        return;
    if (!strcasecmp(word, "Host")) {
        reading->applies = host_matches(line, reading->out->alias);
        return;
    }
    if (!strcasecmp(word, "Match"))
        reading->applies = false;
    char *value = reading->applies ? next_word(&line) : NULL;
    if (value)
        option_take(reading, word, value);
}

/* ---- both ------------------------------------------------------------------------------------ */

static void defaults_fill(struct config_reading *reading, const char *login)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
    struct destination *out = reading->out;
    if (!*out->address)
        out->address = out->alias;
    if (!*out->user)
        out->user = arena_text(reading->arena, login);
    if (!*out->port)
        out->port = "22";
    if (!out->known_hosts)
        out->known_hosts = arena_print(reading->arena, "%s/.ssh/known_hosts", reading->home);
    for (size_t i = 0; !reading->identities && i < sizeof names / sizeof *names; i++)
        out->identities[i] = arena_print(reading->arena, "%s/.ssh/%s", reading->home, names[i]);
}

int destination_read(const char *typed, const char *config, const char *home, const char *login,
                     struct arena *arena, struct destination *out, struct err *err)
{
    struct config_reading reading = {.out = out, .home = home, .arena = arena, .applies = true};
    char *rest = arena_text(arena, config), *line;
    if (typed_split(typed, arena, out, err) < 0)
        return -1;
    out->address = "";
    while ((line = strsep(&rest, "\n")))
        read_line(&reading, line);
    if (reading.proxy && *reading.proxy)
        return err_set(err,
                       "your ssh_config reaches %s through a %s, which farm does not support: run "
                       "`farm-worker join` on that host with a token (`farm token create`)",
                       out->alias, reading.proxy);
    defaults_fill(&reading, login);
    if (!port_is_fine(out->port))
        return err_set(err, "your ssh_config gives %s the port \"%s\", which is not a port",
                       out->alias, out->port);
    return 0;
}

/* The named key is tried before those of the configuration. */
static void put_first(struct destination *out, const char *identity)
{
    if (!*identity)
        return;
    memmove(out->identities + 1, out->identities,
            (DESTINATION_IDENTITIES - 1) * sizeof *out->identities);
    out->identities[0] = identity;
    out->identities[DESTINATION_IDENTITIES] = NULL;
}

int destination_find(const char *typed, const char *identity, struct arena *arena,
                     struct destination *out, struct err *err)
{
    const struct passwd *user = getpwuid(getuid());
    const char *home = getenv("HOME");
    struct buf text = {0};
    if (!home || !*home)
        home = user ? user->pw_dir : "/";
    const char *path = arena_print(arena, "%s/.ssh/config", home);
    int result = io_exists(path) ? io_read_file(path, LIMIT_CONFIG_BYTES, &text, err) : 0;
    if (result == 0)
        result = destination_read(typed, text.size ? (char *)text.data : "", home,
                                  user ? user->pw_name : "root", arena, out, err);
    buf_release(&text);
    if (result == 0)
        put_first(out, identity);
    return result;
}
