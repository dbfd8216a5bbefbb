/* SPDX-License-Identifier: MIT */
#include "worker/options.h"

#include "proto/base/io.h"
#include "proto/limits.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum setting_kind { SETTING_TEXT, SETTING_COUNT, SETTING_BYTES, SETTING_FLAG };

struct setting {
    const char *name;
    const char *arg; /* NULL: a flag */
    const char *help;
    enum setting_kind kind;
    size_t offset;
    uint64_t most; /* COUNT, BYTES */
    int commands;
};

#define AT(member) offsetof(struct worker_options, member)
static const struct setting settings[] = {
    {"home", "DIR", "Folder of this worker: key, attempts, clones (default ~/.floxfarm/worker)",
     SETTING_TEXT, AT(home), 0, OPTIONS_RUN | OPTIONS_HOME},
    {"connect", "ENDPOINT", "The coordinator, tcp://HOST:PORT", SETTING_TEXT, AT(connect), 0,
     OPTIONS_RUN},
    {"server-key", "KEY", "The coordinator's public key, or @FILE", SETTING_TEXT, AT(server_key), 0,
     OPTIONS_RUN},
    {"log-connect", "ENDPOINT", "Its log store (default: the port behind the control port)",
     SETTING_TEXT, AT(log_connect), 0, OPTIONS_RUN},
    {"slots", "N", "Attempts at a time (default: heavy ones and one more)", SETTING_COUNT,
     AT(slots), LIMIT_SLOTS, OPTIONS_RUN | OPTIONS_HOME},
    {"heavy", "N", "Heavy attempts at a time (default 1)", SETTING_COUNT, AT(heavy), LIMIT_SLOTS,
     OPTIONS_RUN | OPTIONS_HOME},
    {"memory", "BYTES", "Memory to give to attempts, e.g. 24G (default: all but 1 GiB)",
     SETTING_BYTES, AT(memory_bytes), UINT64_MAX, OPTIONS_RUN | OPTIONS_HOME},
    {"may-publish", NULL, "Publish from here: this host then holds secrets of the organisation",
     SETTING_FLAG, AT(may_publish), 0, OPTIONS_RUN | OPTIONS_HOME},
    {"emulate", "SYSTEM", "Take jobs of this system too, emulated (e.g. aarch64-linux)",
     SETTING_TEXT, AT(emulate), 0, OPTIONS_RUN | OPTIONS_HOME},
    {"supervisor", "PATH", "farm-supervisor (default: beside this program)", SETTING_TEXT,
     AT(supervisor), 0, OPTIONS_RUN},
    {"cgroup", "DIR", "Delegated cgroup below which each heavy phase gets its own", SETTING_TEXT,
     AT(cgroup), 0, OPTIONS_RUN},
};
#undef AT
enum { SETTING_COUNT_ALL = sizeof settings / sizeof settings[0], KEY_BASE = 1000 };

/* ---- one setting ----------------------------------------------------------------------------- */

static int read_number(const char *text, bool with_unit, uint64_t *out)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || end == text || !isdigit((unsigned char)text[0]))
        return -1;
    const char *unit = *end && with_unit ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        int shift = 10 * (int)(unit - units + 1);
        if (number > UINT64_MAX >> shift)
            return -1;
        number <<= shift;
        end++;
    }
    *out = number;
    return *end ? -1 : 0;
}

static int read_flag(const char *text, bool *out)
{
    *out = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
    return *out || strcmp(text, "no") == 0 || strcmp(text, "false") == 0 ? 0 : -1;
}

static int set(struct worker_options *options, const struct setting *setting, const char *text,
               struct err *err)
{
    void *at = (char *)options + setting->offset;
    uint64_t number = 0;
    switch (setting->kind) {
    case SETTING_TEXT:
        *(const char **)at = arena_text(&options->arena, text);
        return 0;
    case SETTING_FLAG:
        if (read_flag(text, at) == 0)
            return 0;
        return err_set(err, "%s is yes or no, not \"%s\"", setting->name, text);
    case SETTING_COUNT:
    case SETTING_BYTES:
        if (read_number(text, setting->kind == SETTING_BYTES, &number) < 0 ||
            number > setting->most)
            break;
        *(uint64_t *)at = number;
        return 0;
    }
    return err_set(err, "%s is a number%s, not \"%s\"", setting->name,
                   setting->kind == SETTING_BYTES ? " of bytes (K, M, G, T may follow)" : "", text);
}

/* ---- the command line ------------------------------------------------------------------------ */

struct parsing {
    struct worker_options *options;
    bool given[SETTING_COUNT_ALL];
};

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct err err;
    if (key == ARGP_KEY_ARG)
        argp_error(state, "nothing is expected here: %s", arg);
    if (key < KEY_BASE || key >= KEY_BASE + SETTING_COUNT_ALL)
        return ARGP_ERR_UNKNOWN;
    const struct setting *setting = &settings[key - KEY_BASE];
    if (set(parsing->options, setting, arg ? arg : "yes", &err) < 0)
        argp_error(state, "%s", err.text);
    parsing->given[key - KEY_BASE] = true;
    return 0;
}

static void parse(int argc, char **argv, int command, struct parsing *parsing)
{
    struct argp_option rows[SETTING_COUNT_ALL + 1] = {{0}};
    size_t count = 0;
    for (int i = 0; i < SETTING_COUNT_ALL; i++)
        if (settings[i].commands & command)
            rows[count++] = (struct argp_option){.name = settings[i].name,
                                                 .key = KEY_BASE + i,
                                                 .arg = settings[i].arg,
                                                 .doc = settings[i].help};
    const struct argp argp = {.options = rows, .parser = on_option};
    char name[64];
    snprintf(name, sizeof name, "farm-worker %s", argv[0]);
    argv[0] = name;
    argp_parse(&argp, argc, argv, 0, NULL, parsing);
}

/* ---- the file -------------------------------------------------------------------------------- */

static char *trimmed(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        text[--size] = '\0';
    return text;
}

static int read_line(struct parsing *parsing, char *line, struct err *err)
{
    char *name = trimmed(line);
    if (*name == '\0' || *name == '#') /* only there: keys have '#' in them */
        return 0;
    char *value = name + strcspn(name, " \t");
    if (*value != '\0')
        *value++ = '\0';
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++)
        if (strcmp(settings[i].name, name) == 0 && strcmp(name, "home") != 0)
            return parsing->given[i] ? 0 : set(parsing->options, &settings[i], trimmed(value), err);
    return err_set(err, "there is no setting \"%s\" (farm-worker run --help lists them)", name);
}

static int read_file(struct parsing *parsing, struct err *err)
{
    char *path = arena_print(&parsing->options->arena, "%s/worker.conf", parsing->options->home);
    struct buf text = {0};
    if (!io_exists(path))
        return 0;
    int result = io_read_file(path, LIMIT_CONFIG_BYTES, &text, err);
    char *rest = (char *)text.data, *line;
    for (unsigned number = 1; result == 0 && (line = strsep(&rest, "\n")); number++)
        if ((result = read_line(parsing, line, err)) < 0)
            err_prefix(err, "%s:%u", path, number);
    buf_release(&text);
    return result;
}

/* ---- defaults -------------------------------------------------------------------------------- */

static const char *beside_us(struct arena *arena, const char *name)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0)
        return name;
    self[size] = '\0';
    char *slash = strrchr(self, '/');
    return arena_print(arena, "%.*s/%s", slash ? (int)(slash - self) : 0, self, name);
}

/* Folders stand in orders to other programs, which have working folders of their own. */
static int settle_home(struct worker_options *options, struct err *err)
{
    const char *user_home = getenv("HOME");
    if (options->home[0] == '\0' && !user_home)
        return err_set(err, "there is no HOME: say --home DIR");
    if (options->home[0] == '\0')
        options->home = arena_print(&options->arena, "%s/.floxfarm/worker", user_home);
    if (io_make_folders(options->home, 0755, err) < 0)
        return -1;
    char absolute[PATH_MAX];
    if (!realpath(options->home, absolute))
        return err_set(err, "cannot find %s: %s", options->home, strerror(errno));
    options->home = arena_text(&options->arena, absolute);
    return 0;
}

static int check_needed(const struct worker_options *options, struct err *err)
{
    if (options->connect[0] == '\0')
        return err_set(err, "say where the coordinator is: --connect tcp://HOST:PORT");
    if (options->server_key[0] == '\0')
        return err_set(err, "say which key the coordinator has: --server-key KEY or @FILE");
    return 0;
}

int options_read(int argc, char **argv, int command, struct worker_options *options,
                 struct err *err)
{
    struct parsing parsing = {.options = options};
    *options = (struct worker_options){.home = "",
                                       .connect = "",
                                       .server_key = "",
                                       .log_connect = "",
                                       .emulate = "",
                                       .supervisor = "",
                                       .cgroup = ""};
    parse(argc, argv, command, &parsing);
    if (settle_home(options, err) < 0 || read_file(&parsing, err) < 0)
        return -1;
    if (options->supervisor[0] == '\0')
        options->supervisor = beside_us(&options->arena, "farm-supervisor");
    return command & OPTIONS_RUN ? check_needed(options, err) : 0;
}

void options_release(struct worker_options *options)
{
    arena_clear(&options->arena);
}

int options_server_key(const struct worker_options *options, char key[KEY_TEXT_BYTES],
                       struct err *err)
{
    if (keys_valid(options->server_key)) { /* first: a key may begin with '@' */
        memcpy(key, options->server_key, KEY_TEXT_BYTES);
        return 0;
    }
    if (options->server_key[0] == '@')
        return keys_load_public(options->server_key + 1, key, err);
    return err_set(err, "--server-key is 40 characters of Z85, or @FILE");
}
