/* SPDX-License-Identifier: MIT */
/* destination.c - see destination.h. */
#include "deploy/destination.h"

#include "deploy/ssh_options.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

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

int destination_split(const char *typed, struct arena *arena, struct destination *out,
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

/* ---- values ---------------------------------------------------------------------------------- */

struct completion {
    struct destination *out;
    const char *shown, *defaults;
    const struct destination_user *user;
    struct arena *arena;
    struct err *err;
};

/* The first value of an option; "" when it is not set or "none". */
static const char *value_of(const struct completion *with, const char *name)
{
    const char *value = ssh_option_value(with->shown, name, 0, with->arena);
    return value && strcasecmp(value, "none") != 0 ? value : "";
}

static bool says_yes(const struct completion *with, const char *name)
{
    const char *value = value_of(with, name);
    return !strcasecmp(value, "yes") || !strcasecmp(value, "true");
}

static bool says_no(const struct completion *with, const char *name)
{
    const char *value = value_of(with, name);
    return !strcasecmp(value, "no") || !strcasecmp(value, "false");
}

/* A value that the user set: NULL when it is the default of the installed ssh. */
static const char *chosen_value(const struct completion *with, const char *name)
{
    const char *value = ssh_option_value(with->shown, name, 0, with->arena);
    const char *usual = ssh_option_value(with->defaults, name, 0, with->arena);
    return !value || (usual && !strcmp(value, usual)) ? NULL : value;
}

/* The tokens of ssh_config(5), "TOKENS"; NULL: there is no such token, or it is not supported. */
static const char *token_value(const struct completion *with, char token)
{
    const struct destination *out = with->out;
    switch (token) {
    case '%':
        return "%";
    case 'd':
        return with->user->home;
    case 'h':
        return out->address;
    case 'i':
        return arena_print(with->arena, "%u", with->user->uid);
    case 'k':
        return *value_of(with, "hostkeyalias") ? value_of(with, "hostkeyalias") : out->address;
    case 'l':
        return with->user->host;
    case 'L':
        return arena_print(with->arena, "%.*s", (int)strcspn(with->user->host, "."),
                           with->user->host);
    case 'n':
        return out->alias;
    case 'p':
        return out->port;
    case 'r':
        return out->user;
    case 'u':
        return with->user->login;
    default:
        return NULL;
    }
}

/* ${NAME}: advances *at behind it. */
static const char *variable_value(const struct completion *with, const char **at)
{
    size_t size = strcspn(*at + 2, "}");
    const char *name = arena_print(with->arena, "%.*s", (int)size, *at + 2);
    const char *value = (*at)[2 + size] == '}' ? getenv(name) : NULL;
    *at += 2 + size + (value != NULL);
    return value;
}

/* Replaces the tokens, and with `variables` also ${NAME}. NULL with err when one has no value. */
static const char *expand(const struct completion *with, const char *option, const char *text,
                          bool variables)
{
    struct buf out = {0};
    const char *at = text, *value = "";
    while (*at && value) {
        if (*at == '%') {
            value = token_value(with, at[1]);
            at += value ? 2 : 0;
        } else if (variables && at[0] == '$' && at[1] == '{') {
            value = variable_value(with, &at);
        } else {
            value = arena_print(with->arena, "%c", *at++);
        }
        buf_print(&out, "%s", value ? value : "");
    }
    const char *copy = arena_text(with->arena, out.size ? (char *)out.data : "");
    buf_release(&out);
    if (value)
        return copy;
    err_set(with->err, "your ssh_config sets %s to \"%s\", in which a token has no value here",
            option, text);
    return NULL;
}

static const char *expand_path(const struct completion *with, const char *option, const char *path)
{
    const char *full = path[0] == '~' && (path[1] == '/' || !path[1])
                           ? arena_print(with->arena, "%s%s", with->user->home, path + 1)
                           : path;
    return expand(with, option, full, true);
}

/* ---- each part ------------------------------------------------------------------------------- */

static int complete_address(const struct completion *with)
{
    struct destination *out = with->out;
    const char *address = value_of(with, "hostname"), *user = value_of(with, "user"),
               *port = value_of(with, "port");
    out->address = out->alias; /* "%h" is the host as typed here */
    if (*address)
        out->address = expand(with, "HostName", address, false);
    if (!out->address)
        return -1;
    if (!*out->user)
        out->user = *user ? user : with->user->login;
    if (!*out->port)
        out->port = *port ? port : "22";
    if (!port_is_fine(out->port))
        return err_set(with->err, "your ssh_config gives %s the port \"%s\", which is not a port",
                       out->alias, out->port);
    if (!word_is_fine(out->address) || !word_is_fine(out->user))
        return err_set(with->err,
                       "your ssh_config gives %s the address \"%s\" and the user \"%s\": farm uses "
                       "only letters, digits and \"._-:%%+$\" in them",
                       out->alias, out->address, out->user);
    return 0;
}

static const char *lower_case(struct arena *arena, const char *text)
{
    char *copy = arena_text(arena, text);
    for (char *at = copy; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

static void complete_key_name(const struct completion *with)
{
    struct destination *out = with->out;
    const char *alias = value_of(with, "hostkeyalias");
    const char *name = lower_case(with->arena, *alias ? alias : out->address);
    bool is_plain = *alias || !strcmp(out->port, "22");
    out->key_name = is_plain ? name : arena_print(with->arena, "[%s]:%s", name, out->port);
    out->plain_key_name = is_plain ? NULL : name;
}

/* Adds the paths of a list that ssh prints on one line. */
static int add_known_hosts(const struct completion *with, const char *option, size_t *used)
{
    char *list = arena_text(with->arena, value_of(with, option)), *word;
    while ((word = strsep(&list, " \t"))) {
        const char *path = *word ? expand_path(with, option, word) : "";
        if (!path)
            return -1;
        if (!*path)
            continue;
        if (*path != '/' || *used == DESTINATION_FILES)
            return err_set(with->err,
                           "your ssh_config sets %s for %s to more than farm can use: write at "
                           "most %d absolute paths without blanks",
                           option, with->out->alias, DESTINATION_FILES);
        with->out->known_hosts[(*used)++] = path;
    }
    return 0;
}

static int complete_known_hosts(const struct completion *with)
{
    size_t used = 0;
    if (add_known_hosts(with, "UserKnownHostsFile", &used) < 0)
        return -1;
    if (!used) /* nothing is stored there */
        with->out->known_hosts[used++] = "/dev/null";
    return add_known_hosts(with, "GlobalKnownHostsFile", &used);
}

/* Whether the user named key files, rather than ssh its defaults. */
static bool names_identities(const struct completion *with)
{
    for (size_t i = 0;; i++) {
        const char *value = ssh_option_value(with->shown, "identityfile", i, with->arena);
        const char *usual = ssh_option_value(with->defaults, "identityfile", i, with->arena);
        if (!value || !usual)
            return value != usual;
        if (strcmp(value, usual) != 0)
            return true;
    }
}

static int complete_identities(const struct completion *with, const char *identity)
{
    struct destination *out = with->out;
    const char *value;
    size_t used = 0;
    bool named = names_identities(with);
    if (*identity)
        out->identities[used++] = identity;
    for (size_t i = 0;
         (named || !*identity) &&
         (value = ssh_option_value(with->shown, "identityfile", i, with->arena)) != NULL;
         i++) {
        const char *path = expand_path(with, "IdentityFile", value);
        if (!path)
            return -1;
        if (strcasecmp(path, "none") != 0 && used < DESTINATION_IDENTITIES)
            out->identities[used++] = path;
    }
    out->has_named_identities = named || *identity;
    out->only_identities = says_yes(with, "identitiesonly");
    return 0;
}

static int complete_agent(const struct completion *with)
{
    const char *value = ssh_option_value(with->shown, "identityagent", 0, with->arena);
    if (!value || !strcmp(value, "SSH_AUTH_SOCK"))
        return 0;
    if (!strcasecmp(value, "none"))
        with->out->agent = "";
    else if (*value == '$' && value[1] != '{')
        with->out->agent = arena_text(with->arena, getenv(value + 1));
    else
        with->out->agent = expand_path(with, "IdentityAgent", value);
    return with->out->agent ? 0 : -1;
}

static void complete_methods(const struct completion *with)
{
    struct destination *out = with->out;
    const char *list = value_of(with, "preferredauthentications");
    out->avoids_keys =
        says_no(with, "pubkeyauthentication") || (*list && !strstr(list, "publickey"));
    out->avoids_passwords =
        says_no(with, "passwordauthentication") || (*list && !strstr(list, "password"));
    out->avoids_prompts = says_no(with, "kbdinteractiveauthentication") ||
                          says_no(with, "challengeresponseauthentication") ||
                          (*list && !strstr(list, "keyboard-interactive"));
}

/* `ssh -W` to the last jump host, through those before it. Nobody can answer its questions. */
static const char *const *jump_command(const struct completion *with, const char *jump)
{
    const struct destination *out = with->out;
    const char **argv = arena_new(with->arena, 20 * sizeof *argv);
    size_t used = 0;
    const char *comma = strrchr(jump, ','), *last = comma ? comma + 1 : jump;
    struct destination to;
    if (destination_split(last, with->arena, &to, with->err) < 0)
        return NULL;
    const char *const fixed[] = {"ssh", "-T", "-o", "BatchMode=yes"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        argv[used++] = fixed[i];
    const char *const pairs[][2] = {
        {"-J", comma ? arena_print(with->arena, "%.*s", (int)(comma - jump), jump) : ""},
        {"-l", to.user},
        {"-p", to.port},
        {"-W", arena_print(with->arena, "[%s]:%s", out->address, out->port)}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (*pairs[i][1]) {
            argv[used++] = pairs[i][0];
            argv[used++] = pairs[i][1];
        }
    argv[used++] = "--";
    argv[used++] = to.alias;
    return argv;
}

/* As ssh does, with the user's shell. */
static const char *const *proxy_command(const struct completion *with, const char *command)
{
    const char *shell = getenv("SHELL");
    const char *line = expand(with, "ProxyCommand", command, false);
    const char **argv = arena_new(with->arena, 4 * sizeof *argv);
    argv[0] = shell && *shell ? shell : "/bin/sh";
    argv[1] = "-c";
    argv[2] = line ? arena_print(with->arena, "exec %s", line) : NULL;
    return line ? argv : NULL;
}

static int complete_proxy(const struct completion *with)
{
    struct destination *out = with->out;
    const char *jump = value_of(with, "proxyjump"), *command = value_of(with, "proxycommand");
    if (!*jump && !*command)
        return 0;
    if (!strcmp(command, "-"))
        return err_set(with->err,
                       "your ssh_config sets ProxyCommand to \"-\" for %s: farm cannot "
                       "use its standard input as the connection",
                       out->alias);
    out->proxy = *jump ? jump_command(with, jump) : proxy_command(with, command);
    out->proxy_name = arena_print(with->arena, "%s %s", *jump ? "ProxyJump" : "ProxyCommand",
                                  *jump ? jump : command);
    return out->proxy ? 0 : -1;
}

static void complete_connection(const struct completion *with)
{
    struct destination *out = with->out;
    const char *family = value_of(with, "addressfamily"), *own = value_of(with, "bindaddress");
    const char *seconds = value_of(with, "connecttimeout");
    out->family = !strcmp(family, "inet") ? AF_INET : !strcmp(family, "inet6") ? AF_INET6 : 0;
    out->own_address = *own ? own : NULL;
    out->connect_ms = strtoull(seconds, NULL, 10) * 1000;
    out->hashes_names = says_yes(with, "hashknownhosts");
    out->checks_address = says_yes(with, "checkhostip");
    out->trusts_only_known = says_yes(with, "stricthostkeychecking");
    out->ciphers = chosen_value(with, "ciphers");
    out->macs = chosen_value(with, "macs");
    out->key_exchanges = chosen_value(with, "kexalgorithms");
    out->hostkey_types = chosen_value(with, "hostkeyalgorithms");
}

int destination_complete(struct destination *out, const char *shown, const char *defaults,
                         const char *identity, const struct destination_user *user,
                         struct arena *arena, struct err *err)
{
    const struct completion with = {out, shown, defaults, user, arena, err};
    if (ssh_options_check(shown, defaults, out->alias, arena, err) < 0 ||
        complete_address(&with) < 0)
        return -1;
    complete_key_name(&with);
    complete_methods(&with);
    complete_connection(&with);
    return complete_known_hosts(&with) < 0 || complete_identities(&with, identity) < 0 ||
                   complete_agent(&with) < 0 || complete_proxy(&with) < 0
               ? -1
               : 0;
}

/* ---- the installed ssh ----------------------------------------------------------------------- */

static bool ssh_is_installed(struct arena *arena)
{
    const char *path = getenv("PATH");
    char *rest = arena_text(arena, path ? path : "/usr/bin:/bin"), *folder;
    while ((folder = strsep(&rest, ":")))
        if (access(arena_print(arena, "%s/ssh", *folder ? folder : "."), X_OK) == 0)
            return true;
    return false;
}

/* What `ssh -G` prints; with `plain` without any configuration. Messages between the lines are no
 * options, because they begin with no name. */
static int ask_ssh(const struct destination *to, bool plain, struct arena *arena,
                   const char **shown, struct err *err)
{
    const char *argv[16] = {"ssh", "-G", "-T"};
    size_t used = 3;
    const char *const pairs[][2] = {
        {"-F", plain ? "/dev/null" : ""}, {"-l", to->user}, {"-p", to->port}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (*pairs[i][1]) {
            argv[used++] = pairs[i][0];
            argv[used++] = pairs[i][1];
        }
    argv[used++] = "--";
    argv[used++] = to->alias;
    struct buf out = {0};
    int code = io_run(argv, NULL, LIMIT_CONFIG_BYTES, LIMIT_SSH_ASK_MS, &out, err);
    *shown = arena_text(arena, out.size ? (char *)out.data : "");
    buf_release(&out);
    return code > 0
               ? err_set(err, "ssh cannot read its configuration for %s: %s", to->alias, *shown)
               : code;
}

static int read_configs(const char *home, struct arena *arena, const char **text, struct err *err)
{
    const char *const paths[] = {arena_print(arena, "%s/.ssh/config", home), "/etc/ssh/ssh_config"};
    struct buf all = {0};
    int result = 0;
    for (size_t i = 0; i < 2 && result == 0; i++)
        if (io_exists(paths[i])) {
            buf_print(&all, "Host *\n");
            result = io_read_file(paths[i], LIMIT_CONFIG_BYTES, &all, err);
            buf_print(&all, "\n");
        }
    *text = arena_text(arena, all.size ? (char *)all.data : "");
    buf_release(&all);
    return result;
}

/* Without ssh: its configuration files as far as we understand them, with its default files. */
static int read_ourselves(const struct destination *to, const char *home, struct arena *arena,
                          const char **shown, const char **defaults, struct err *err)
{
    const char *config;
    *defaults = "identityfile ~/.ssh/id_ed25519\nidentityfile ~/.ssh/id_ecdsa\n"
                "identityfile ~/.ssh/id_rsa\n"
                "userknownhostsfile ~/.ssh/known_hosts ~/.ssh/known_hosts2\n"
                "globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2\n";
    if (read_configs(home, arena, &config, err) < 0 ||
        ssh_options_show(config, to->alias, arena, shown, err) < 0)
        return -1;
    bool named = ssh_option_value(*shown, "identityfile", 0, arena) != NULL;
    *shown = arena_print(arena, "%s%s", *shown, named ? strstr(*defaults, "userknown") : *defaults);
    return 0;
}

int destination_find(const char *typed, const char *identity, struct arena *arena,
                     struct destination *out, struct err *err)
{
    const struct passwd *entry = getpwuid(getuid());
    const char *home = getenv("HOME"), *shown, *defaults;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    const struct destination_user user = {.login =
                                              arena_text(arena, entry ? entry->pw_name : "root"),
                                          .home = arena_text(arena, entry           ? entry->pw_dir
                                                                    : home && *home ? home
                                                                                    : "/"),
                                          .host = arena_text(arena, host),
                                          .uid = getuid()};
    if (destination_split(typed, arena, out, err) < 0)
        return -1;
    if (!ssh_is_installed(arena)) {
        if (read_ourselves(out, user.home, arena, &shown, &defaults, err) < 0)
            return -1;
    } else if (ask_ssh(out, false, arena, &shown, err) < 0 ||
               ask_ssh(out, true, arena, &defaults, err) < 0) {
        return -1;
    }
    return destination_complete(out, shown, defaults, identity, &user, arena, err);
}
