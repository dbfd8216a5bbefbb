/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. Owns the table of settings. */
#include "worker/host/options.h"

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

enum setting_kind { SETTING_TEXT, SETTING_TEXTS, SETTING_COUNT, SETTING_BYTES, SETTING_FLAG };

struct setting {
    const char *name;
    const char *arg; /* NULL: a flag */
    const char *help;
    enum setting_kind kind;
    size_t offset;
    uint64_t most; /* COUNT, BYTES: the largest value */
    int commands;
};

/* Commands that take the owner's settings, all of which may be in the file. */
enum {
    OWNED = OPTIONS_RUN | OPTIONS_ENROL | OPTIONS_JOIN,
    LIMITS = OWNED | OPTIONS_HOME | OPTIONS_DOCTOR,
    ANY = LIMITS | OPTIONS_SERVICE | OPTIONS_CLEAN
};

#define AT(member) offsetof(struct worker_options, member)
static const struct setting settings[] = {
    {"home", "DIR",
     "Folder of this worker: key, attempts, clones (default: /var/lib/floxfarm/worker for root, "
     "else ~/.floxfarm/worker)",
     SETTING_TEXT, AT(home), 0, ANY},
    {"connect", "ENDPOINT", "The coordinator, tcp://HOST:PORT", SETTING_TEXT, AT(connect), 0,
     OPTIONS_RUN},
    {"server-key", "KEY", "The coordinator's public key, or @FILE", SETTING_TEXT, AT(server_key), 0,
     OPTIONS_RUN},
    {"log-connect", "ENDPOINT", "The coordinator's log store (default: the port after --connect's)",
     SETTING_TEXT, AT(log_connect), 0, OPTIONS_RUN},
    {"coordinator", "ENDPOINT", "The coordinator, tcp://HOST:PORT", SETTING_TEXT, AT(connect), 0,
     OPTIONS_ENROL},
    {"coordinator-key", "KEY", "The coordinator's public key, or @FILE", SETTING_TEXT,
     AT(server_key), 0, OPTIONS_ENROL},
    {"log-coordinator", "ENDPOINT",
     "The coordinator's log store (default: the port after --coordinator's)", SETTING_TEXT,
     AT(log_connect), 0, OPTIONS_ENROL},
    {"token", "TOKEN", "The token that `farm token create` printed; - reads it from standard input",
     SETTING_TEXT, AT(invitation), 0, OPTIONS_JOIN},
    {"name", "NAME", "Name of this worker in the farm (default: the host's name)", SETTING_TEXT,
     AT(name), 0, OWNED},
    {"slots", "N", "Attempts at a time (default: by cores and memory)", SETTING_COUNT, AT(slots),
     LIMIT_SLOTS, LIMITS},
    {"heavy", "N", "Heavy attempts at a time (default 1)", SETTING_COUNT, AT(heavy), LIMIT_SLOTS,
     LIMITS},
    {"memory", "BYTES", "Memory for attempts, for example 24G (default: all but 1 GiB)",
     SETTING_BYTES, AT(memory_bytes), UINT64_MAX, LIMITS},
    {"may-publish", NULL, "Publish from this host; it then gets secrets of the organisation",
     SETTING_FLAG, AT(may_publish), 0, LIMITS},
    {"no-publish", NULL, "Do not publish from this host (the default)", SETTING_FLAG,
     AT(no_publish), 0, OPTIONS_ENROL | OPTIONS_JOIN},
    {"isolation", "LEVEL",
     "Keep recipes away from this host: auto, users, users-only, namespaces or none (default auto: "
     "the highest "
     "that works)",
     SETTING_TEXT, AT(isolation), 0, LIMITS},
    {"build-users", "FIRST:COUNT",
     "User ids that no account has, for isolation users (default " BUILD_USERS_DEFAULT ")",
     SETTING_TEXT, AT(build_users), 0, LIMITS},
    {"trust-recipes", NULL, "Publish even where recipes are not isolated or nix has known escapes",
     SETTING_FLAG, AT(trust_recipes), 0, LIMITS},
    {"trust-nix", NULL, "Publish although nix here has known escapes (docs/nix-versions.md)",
     SETTING_FLAG, AT(trust_nix), 0, LIMITS},
    {"emulate", "SYSTEM", "Also take jobs for this emulated system, for example aarch64-linux",
     SETTING_TEXT, AT(emulate), 0, LIMITS},
    {"supervisor", "PATH", "Path of farm-supervisor (default: beside this program)", SETTING_TEXT,
     AT(supervisor), 0, OPTIONS_RUN},
    {"cgroup", "DIR", "Delegated cgroup below which each heavy phase gets its own", SETTING_TEXT,
     AT(cgroup), 0, OPTIONS_RUN},
    {"mode", "MODE",
     "How to run the service: system or user (both systemd) or process (default: depends on the "
     "host)",
     SETTING_TEXT, AT(mode), 0, OPTIONS_SERVICE | OPTIONS_JOIN},
    {"user", "NAME", "User of the system unit (default: floxfarm, made if it does not exist)",
     SETTING_TEXT, AT(user), 0, OPTIONS_SERVICE | OPTIONS_JOIN},
    {"no-service", NULL, "Do not install and start the service", SETTING_FLAG, AT(no_service), 0,
     OPTIONS_JOIN},
    {"clock", "MS", "The caller's time in ms since 1970, to compare this host's clock with",
     SETTING_COUNT, AT(clock_ms), UINT64_MAX, OPTIONS_DOCTOR},
    {"project", "URL", "Check access to this git URL; may be repeated", SETTING_TEXTS, AT(projects),
     0, OPTIONS_DOCTOR},
    {"keep", "BYTES", "Stop when this much is free, for example 150G", SETTING_BYTES,
     AT(keep_bytes), UINT64_MAX, OPTIONS_CLEAN},
    {"dry-run", NULL, "Only print what would be removed", SETTING_FLAG, AT(dry_run), 0,
     OPTIONS_CLEAN},
    {"json", NULL, "Print JSON", SETTING_FLAG, AT(json), 0,
     OPTIONS_ENROL | OPTIONS_SERVICE | OPTIONS_DOCTOR},
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

static int add_text(struct worker_texts *list, const char *text, const char *name, struct err *err)
{
    if (list->count == sizeof list->items / sizeof list->items[0])
        return err_set(err, "--%s is given too often", name);
    list->items[list->count++] = text;
    return 0;
}

static int setting_set(struct worker_options *options, const struct setting *setting,
                       const char *text, struct err *err)
{
    void *at = (char *)options + setting->offset;
    uint64_t number = 0;
    switch (setting->kind) {
    case SETTING_TEXT:
        *(const char **)at = arena_text(&options->arena, text);
        return 0;
    case SETTING_TEXTS:
        return add_text(at, arena_text(&options->arena, text), setting->name, err);
    case SETTING_FLAG:
        if (read_flag(text, at) == 0)
            return 0;
        return err_set(err, "%s must be yes or no, not \"%s\"", setting->name, text);
    case SETTING_COUNT:
    case SETTING_BYTES:
        if (read_number(text, setting->kind == SETTING_BYTES, &number) < 0 ||
            number > setting->most)
            break;
        *(uint64_t *)at = number;
        return 0;
    }
    return err_set(err, "%s must be a number%s, not \"%s\"", setting->name,
                   setting->kind == SETTING_BYTES ? " of bytes (K, M, G, T may follow)" : "", text);
}

/* ---- the command line ------------------------------------------------------------------------ */

struct parsing {
    struct worker_options *options;
    int command;
    bool given[SETTING_COUNT_ALL];
};

/* The argument that some commands take. */
static void take_word(struct parsing *parsing, const char *word, struct argp_state *state)
{
    if (!(parsing->command & OPTIONS_SERVICE) || parsing->options->verb[0] != '\0')
        argp_error(state, "unexpected argument: %s", word);
    parsing->options->verb = arena_text(&parsing->options->arena, word);
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct err err;
    if (key == ARGP_KEY_ARG) {
        take_word(parsing, arg, state);
        return 0;
    }
    if (key < KEY_BASE || key >= KEY_BASE + SETTING_COUNT_ALL)
        return ARGP_ERR_UNKNOWN;
    const struct setting *setting = &settings[key - KEY_BASE];
    if (setting_set(parsing->options, setting, arg ? arg : "yes", &err) < 0)
        argp_error(state, "%s", err.text);
    parsing->given[key - KEY_BASE] = true;
    return 0;
}

static void argv_parse(int argc, char **argv, int command, struct parsing *parsing)
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

static char *text_trimmed(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        text[--size] = '\0';
    return text;
}

static bool may_stand_in_file(const struct setting *setting)
{
    return (setting->commands & OPTIONS_RUN) != 0 && strcmp(setting->name, "home") != 0;
}

/* Whether the command line has this setting, or another one that sets the same field. */
static bool is_given(const struct parsing *parsing, size_t index)
{
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++)
        if (parsing->given[i] && settings[i].offset == settings[index].offset)
            return true;
    return false;
}

static int read_line(struct parsing *parsing, char *line, struct err *err)
{
    char *name = text_trimmed(line);
    if (*name == '\0' || *name == '#') /* only at the start of a line: keys may contain '#' */
        return 0;
    char *value = name + strcspn(name, " \t");
    if (*value != '\0')
        *value++ = '\0';
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++)
        if (strcmp(settings[i].name, name) == 0 && may_stand_in_file(&settings[i]))
            return is_given(parsing, i)
                       ? 0
                       : setting_set(parsing->options, &settings[i], text_trimmed(value), err);
    return err_set(err, "unknown setting \"%s\" (`farm-worker run --help` lists them)", name);
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

/* ---- writing it ------------------------------------------------------------------------------ */

/* Settings of enrolment are saved; paths of programs are not, because upgrades move them. */
static bool is_saved(const struct setting *setting)
{
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++)
        if (settings[i].offset == setting->offset && settings[i].commands & OPTIONS_ENROL)
            return may_stand_in_file(setting);
    return false;
}

/* The value as text for the file; false when it is the default. */
static bool value_of(const struct worker_options *options, const struct setting *setting, char *out,
                     size_t size)
{
    const void *at = (const char *)options + setting->offset;
    switch (setting->kind) {
    case SETTING_TEXT:
        snprintf(out, size, "%s", *(const char *const *)at);
        return *out != '\0';
    case SETTING_FLAG:
        snprintf(out, size, "%s", *(const bool *)at ? "yes" : "no");
        return *(const bool *)at;
    case SETTING_COUNT:
    case SETTING_BYTES:
        snprintf(out, size, "%llu", (unsigned long long)*(const uint64_t *)at);
        return *(const uint64_t *)at != 0;
    case SETTING_TEXTS:
        break;
    }
    return false;
}

static const struct setting *setting_of_line(const char *line)
{
    const char *name = line + strspn(line, " \t");
    size_t size = strcspn(name, " \t\r");
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++)
        if (strlen(settings[i].name) == size && strncmp(settings[i].name, name, size) == 0)
            return is_saved(&settings[i]) ? &settings[i] : NULL;
    return NULL;
}

/* Copies the old text with updated lines for saved settings; `stands` marks those that had a line.
 */
static void file_rewrite(const struct worker_options *options, char *old, bool *stands,
                         struct buf *out)
{
    char value[LIMIT_TEXT_BYTES];
    for (char *line; (line = strsep(&old, "\n"));) {
        const struct setting *setting = setting_of_line(line);
        if (!setting) {
            buf_print(out, *line || old ? "%s\n" : "%s", line);
            continue;
        }
        stands[setting - settings] = true;
        if (value_of(options, setting, value, sizeof value) || setting->kind == SETTING_FLAG)
            buf_print(out, "%s %s\n", setting->name, value);
    }
}

int options_save(struct worker_options *options, bool *changed, struct err *err)
{
    const char *path = arena_print(&options->arena, "%s/worker.conf", options->home);
    struct buf old = {0}, text = {0};
    bool stands[SETTING_COUNT_ALL] = {false};
    char value[LIMIT_TEXT_BYTES];
    bool exists = io_exists(path);
    if (exists && io_read_file(path, LIMIT_CONFIG_BYTES, &old, err) < 0)
        return -1;
    if (old.size)
        file_rewrite(options, arena_text(&options->arena, (char *)old.data), stands, &text);
    else
        buf_print(
            &text,
            "# Settings of this host's owner; `farm-worker run --help` lists all settings.\n");
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++)
        if (is_saved(&settings[i]) && !stands[i] &&
            value_of(options, &settings[i], value, sizeof value))
            buf_print(&text, "%s %s\n", settings[i].name, value);
    *changed = !exists || text.size != old.size || memcmp(text.data, old.data, old.size) != 0;
    int result = *changed ? io_write_file(path, text.data, text.size, 0644, true, err) : 0;
    buf_release(&old);
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

/* Makes the home absolute, because other programs get paths below it and run in other folders. */
static int settle_home(struct worker_options *options, struct err *err)
{
    const char *user_home = getenv("HOME");
    if (options->home[0] == '\0' && geteuid() == 0)
        options->home = OPTIONS_ROOT_HOME;
    if (options->home[0] == '\0' && !user_home)
        return err_set(err, "the variable HOME is not set: use --home DIR");
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
        return err_set(err, "the coordinator's address is missing: --connect tcp://HOST:PORT");
    if (options->server_key[0] == '\0')
        return err_set(err, "the coordinator's key is missing: --server-key KEY or @FILE");
    return 0;
}

int options_read(int argc, char **argv, int command, struct worker_options *options,
                 struct err *err)
{
    struct parsing parsing = {.options = options, .command = command};
    *options = (struct worker_options){.home = "",
                                       .connect = "",
                                       .server_key = "",
                                       .log_connect = "",
                                       .name = "",
                                       .invitation = "",
                                       .emulate = "",
                                       .isolation = "",
                                       .build_users = "",
                                       .supervisor = "",
                                       .cgroup = "",
                                       .mode = "",
                                       .user = "",
                                       .verb = ""};
    argv_parse(argc, argv, command, &parsing);
    if (settle_home(options, err) < 0 || read_file(&parsing, err) < 0)
        return -1;
    if (options->supervisor[0] == '\0')
        options->supervisor = beside_us(&options->arena, "farm-supervisor");
    return command & OPTIONS_RUN ? check_needed(options, err) : 0;
}

static bool may_publish_at(const struct worker_options *options,
                           const struct isolation_host *isolation)
{
    bool is_isolated =
        isolation_hides_host(isolation->level) && !isolation_reaches_cloud(isolation);
    return options->may_publish && (is_isolated || options->trust_recipes || !*options->isolation);
}

void options_isolation(const struct worker_options *options, bool trial, struct isolation_host *out,
                       struct arena *arena)
{
    isolation_look(options->isolation, options->build_users, options->home, options->supervisor,
                   out, arena);
    isolation_close_network(out, "/sys", trial, arena);
    if (options->may_publish && !may_publish_at(options, out))
        out->why_not =
            arena_print(arena, "%s; it publishes when that is mended, or with `trust-recipes yes`",
                        out->why_not);
}

struct probe_limits options_probe_limits(const struct worker_options *options,
                                         const struct isolation_host *isolation)
{
    return (struct probe_limits){.isolation = isolation->level,
                                 .isolation_why = isolation->why_not,
                                 .isolation_fails = isolation->fails,
                                 .home = options->home,
                                 .slots = (uint32_t)options->slots,
                                 .heavy_slots = (uint32_t)options->heavy,
                                 .memory_bytes = options->memory_bytes,
                                 .may_publish = may_publish_at(options, isolation),
                                 .trusts_nix = options->trust_nix || options->trust_recipes ||
                                               !*options->isolation,
                                 .emulate = options->emulate,
                                 .nix_store = ""};
}

void options_release(struct worker_options *options)
{
    arena_clear(&options->arena);
}

int options_server_key(const struct worker_options *options, char key[KEY_TEXT_BYTES],
                       struct err *err)
{
    return keys_named(options->server_key, key, err) < 0 ? err_prefix(err, "the coordinator's key")
                                                         : 0;
}
