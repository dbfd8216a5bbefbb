/* SPDX-License-Identifier: MIT */
/* options.c - the table of every key of farm.yaml, and values as texts. */
#include "coordinator/config/options.h"

#include "proto/base/units.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const listener_kind_names[] = {"none", "webhook", "mail", "command", "github", NULL};

const char *const sandbox_mode_names[] = {"auto", "required", "off", NULL};

/* ---- the table ------------------------------------------------------------------------------ */

#define AT(struct_type, member) .offset = offsetof(struct_type, member)
#define ITEMS(struct_type, member)                                                                 \
    .offset = offsetof(struct_type, member), .count_offset = offsetof(struct_type, member##_count)
#define END                                                                                        \
    {                                                                                              \
        .key = NULL                                                                                \
    }

static const struct config_option listen_options[] = {
    {"control", "tcp://127.0.0.1:7471",
     "Address for workers and clients. Use tcp://*:7471 when workers are on other hosts; all "
     "traffic is encrypted and every peer is identified by its key.",
     OPTION_TEXT, AT(struct config_listen, control), .needs_restart = true},
    {"log", "tcp://127.0.0.1:7472",
     "Address for build logs from workers; a separate socket, so that logs never delay a "
     "heartbeat.",
     OPTION_TEXT, AT(struct config_listen, log), .needs_restart = true},
    {"join", "tcp://127.0.0.1:7473",
     "Address for joining with a token. The socket is open only while an unused token exists.",
     OPTION_TEXT, AT(struct config_listen, join)},
    END};

static const struct config_option timing_options[] = {
    {"heartbeat", "5s", "Longest time between two status messages of a worker.", OPTION_TIME,
     AT(struct policy, heartbeat_ms), .least = 100, .most = 600000},
    {"lease_ttl", "30s",
     "A worker that is silent for this long counts as offline and gets no new work; at least two "
     "heartbeats.",
     OPTION_TIME, AT(struct policy, lease_ttl_ms), .least = 200, .most = 86400000},
    {"lost_grace", "2h",
     "When a worker stays offline for this much longer, its builds are given to others. The "
     "default is long because a reboot or an hour without network must not throw away a build of "
     "four hours.",
     OPTION_TIME, AT(struct policy, lost_grace_ms), .most = 30 * 86400000ull},
    {"retry_delay", "30s",
     "Delay before the first retry of a job; it doubles with each retry, up to 32 times its "
     "length.",
     OPTION_TIME, AT(struct policy, retry_delay_ms), .most = 86400000},
    {"evaluate_after", "1m",
     "Jobs that have waited this long are evaluated in slots that builds leave free, so that a "
     "recipe that does not evaluate is found before its turn; 0 turns this off.",
     OPTION_TIME, AT(struct policy, evaluate_after_ms), .most = 30 * 86400000ull},
    END};

static const struct config_option retry_options[] = {
    {"attempts_max", "4", "Maximum failures from the job itself, or from the same external cause.",
     OPTION_U32, AT(struct policy, attempts_max), .least = 1, .most = LIMIT_ATTEMPTS_PER_JOB},
    {"lost_max", "3", "A job whose host was lost this many times is stopped: it may be the reason.",
     OPTION_U32, AT(struct policy, lost_max), .least = 1, .most = LIMIT_ATTEMPTS_PER_JOB},
    {"publish_tries_max", "5", "Maximum tries of a publication that certainly failed.", OPTION_U32,
     AT(struct policy, publish_tries_max), .least = 1, .most = 100},
    END};

static const struct config_option target_options[] = {
    {"name", NULL, "The name that branches use under `publish`.", OPTION_TEXT,
     AT(struct config_target, name)},
    {"kind", NULL, "The kind of target: a Flox organisation, a Nix binary cache, or a command.",
     OPTION_ENUM, AT(struct config_target, kind), .names = target_kind_names},
    {"org", "", "flox only: organisation (default: the target's name).", OPTION_TEXT,
     AT(struct config_target, org)},
    {"location", "", "nix-cache only: the store's URI, e.g. file:///srv/cache or s3://bucket.",
     OPTION_TEXT, AT(struct config_target, location)},
    {"command", "",
     "command only: run by sh -c on the host that built, with FARM_PACKAGE and others; exit status "
     "77 means that the target refuses the account.",
     OPTION_TEXT, AT(struct config_target, command)},
    {"secret", "", "Name of the secret that publishing needs; set it with `farm secret set NAME`.",
     OPTION_TEXT, AT(struct config_target, secret)},
    {"no_rebuild", "false",
     "Refuse to publish when flox would build again what was checked. Off until you have tried it "
     "with your flox.",
     OPTION_FLAG, AT(struct config_target, no_rebuild)},
    {"branches", NULL,
     "Branches (globs) that publish here, unless their own `publish` names another target.",
     OPTION_TEXTS, ITEMS(struct config_target, branches)},
    {"collisions", "refuse",
     "Which branch publishes a name that several branches of this target have. refuse: none, until "
     "you decide; newest: the one of the highest version line; versions: all, the lowest line "
     "first; order: the one that stands first in `order`. `wins` of a branch outranks it.",
     OPTION_ENUM, AT(struct config_target, collisions), .names = collisions_names},
    {"order", NULL,
     "collisions: order only: branches (globs), the preferred first; PROJECT/BRANCH where two "
     "projects have a branch of that name.",
     OPTION_TEXTS, ITEMS(struct config_target, order)},
    END};

static const struct config_option listener_options[] = {
    {"name", NULL, "Name in the farm's messages.", OPTION_TEXT, AT(struct config_listener, name)},
    {"kind", NULL,
     "webhook: a POST with JSON; mail: sent through sendmail; command: run by sh -c with the JSON "
     "on its standard input; github: a commit status for each branch of a run.",
     OPTION_ENUM, AT(struct config_listener, kind), .names = listener_kind_names},
    {"url", "",
     "webhook: the address to post to; github: its API (default: https://api.github.com).",
     OPTION_TEXT, AT(struct config_listener, url)},
    {"to", "", "mail only: one or more addresses, separated by commas.", OPTION_TEXT,
     AT(struct config_listener, to)},
    {"from", "", "mail only: the sender (default: sendmail's own).", OPTION_TEXT,
     AT(struct config_listener, from)},
    {"command", "",
     "command: the command to run; mail: the sendmail program (default: /usr/sbin/sendmail).",
     OPTION_TEXT, AT(struct config_listener, command)},
    {"secret", "",
     "Name of a secret. webhook: the key that signs each POST (HMAC-SHA256, header "
     "X-Farm-Signature-256); github: the token.",
     OPTION_TEXT, AT(struct config_listener, secret)},
    {"kinds", NULL,
     "Send only these notices: run-opened, run-ended, publishing-held, publication-unknown, "
     "worker-quarantined, intake-closed, hosts-wanted, coordinator-sleeps (default: all but "
     "run-opened). github always gets run-opened and run-ended.",
     OPTION_TEXTS, ITEMS(struct config_listener, kinds)},
    END};

static const struct config_option branch_options[] = {
    {"name", NULL, "A branch, or a glob over branches; an exact name takes precedence over a glob.",
     OPTION_TEXT, AT(struct config_branch, name)},
    {"publish", "",
     "Name of a target; by default the one whose `branches` match. Without one the branch is built "
     "but not published.",
     OPTION_TEXT, AT(struct config_branch, publish)},
    {"wins", NULL,
     "Packages (globs) that this branch publishes when another branch has a package of the same "
     "name, whatever `collisions` of the target says.",
     OPTION_TEXTS, ITEMS(struct config_branch, wins)},
    {"line", "",
     "The version line of the branch, e.g. \"2.8\", for `collisions`; default: the first number in "
     "its name, one with a dot before others (pytorch-2.10, v2.9, cuda-12_9).",
     OPTION_TEXT, AT(struct config_branch, line)},
    {"include", NULL, "Only these packages (globs; default: all).", OPTION_TEXTS,
     ITEMS(struct config_branch, include)},
    {"exclude", NULL, "Not these packages (globs).", OPTION_TEXTS,
     ITEMS(struct config_branch, exclude)},
    END};

static const struct config_option limit_options[] = {
    {"match", NULL, "A filter for the variants, as on the command line: gpu=sm90 isa=avx512.",
     OPTION_TEXT, AT(struct config_limit, match)},
    {"wall", "0", "Overrides the project's value; 0 keeps it.", OPTION_TIME,
     AT(struct config_limit, wall_ms), .most = 30 * 86400000ull},
    {"silence", "0", "Overrides the project's value; 0 keeps it.", OPTION_TIME,
     AT(struct config_limit, silence_ms), .most = 30 * 86400000ull},
    {"memory", "0", "Overrides the project's value; 0 keeps it.", OPTION_BYTES,
     AT(struct config_limit, memory_bytes), .most = 1ull << 50},
    {"disk", "0", "Overrides the project's value; 0 keeps it.", OPTION_BYTES,
     AT(struct config_limit, disk_bytes), .most = 1ull << 60},
    END};

static const struct config_option rule_options[] = {
    {"match", NULL,
     "A regular expression (PCRE2); ^ and $ match the beginning and the end of a line.",
     OPTION_TEXT, AT(struct config_rule, match)},
    {"cause", NULL,
     "The cause that a matching log has; docs/failures.md says what follows from each.",
     OPTION_ENUM, AT(struct config_rule, cause), .names = cause_names},
    END};

static const struct config_option project_options[] = {
    {"name", NULL, "Name in the farm's commands and messages.", OPTION_TEXT,
     AT(struct config_project, name)},
    {"url", NULL, "Public git URL; flox stores it in the catalog as the package's source.",
     OPTION_TEXT, AT(struct config_project, url)},
    {"builder", "flox", "The builder: flox, nix (nix-build of the same recipe), or a command.",
     OPTION_ENUM, AT(struct config_project, builder), .names = builder_names},
    {"command", "", "builder command only: run by sh -c, with FARM_PACKAGE and others.",
     OPTION_TEXT, AT(struct config_project, command)},
    {"evaluate", "",
     "builder command only: run by sh -c, with FARM_PACKAGE and others, to find out early whether "
     "a package evaluates; it must not build. flox and nix need none.",
     OPTION_TEXT, AT(struct config_project, evaluate)},
    {"checkout", "true", "builder command only: false runs it in an empty folder, without git.",
     OPTION_FLAG, AT(struct config_project, checkout)},
    {"system", "",
     "System to assume when name and recipe do not show one, e.g. x86_64-linux; without it such "
     "packages are unroutable.",
     OPTION_TEXT, AT(struct config_project, system)},
    {"check", "auto",
     "Run the branch's test-build.sh after a build. auto: check if the host can; required: build "
     "only on hosts that can; off: no check.",
     OPTION_ENUM, AT(struct config_project, check), .names = check_mode_names},
    {"heavy", "true",
     "Run only one of these builds at a time on a host, because they use all cores.", OPTION_FLAG,
     AT(struct config_project, heavy)},
    {"supersede", "false",
     "A run takes jobs of older runs off the queue that have not begun, when it builds a newer "
     "commit of the same branch; `farm rebuild --supersede` does so for one run.",
     OPTION_FLAG, AT(struct config_project, supersede)},
    {"restrict_eval", "false",
     "For the builders flox and nix: evaluate with nix's restrict-eval. A recipe can then read "
     "only "
     "its checkout (with flox also the nix store), sees no environment variables, and fetches only "
     "what `allowed_uris` allows.",
     OPTION_FLAG, AT(struct config_project, restrict_eval)},
    {"allowed_uris", NULL,
     "With restrict_eval: the URI prefixes from which an evaluation may fetch. Each ends in /, "
     "e.g. "
     "https://github.com/NixOS/. path:/FOLDER/ also lets it read that folder, where the sandbox "
     "shows it. flox also needs its base nixpkgs: https://github.com/flox/ and "
     "git+https://github.com/flox/.",
     OPTION_TEXTS, ITEMS(struct config_project, allowed_uris)},
    {"nix_sandbox", "auto",
     "Which builds are kept from hosts whose nix has its sandbox off; /build exists only in that "
     "sandbox. auto: builds whose recipe names /build; required: all; off: none. A host that does "
     "not say is not excluded.",
     OPTION_ENUM, AT(struct config_project, nix_sandbox), .names = sandbox_mode_names},
    {"memory", "8GiB", "Reserved for each build until the farm has measured its real use.",
     OPTION_BYTES, AT(struct config_project, memory_bytes), .most = 1ull << 50},
    {"disk", "20GiB", "Reserved for each build until the farm has measured its real use.",
     OPTION_BYTES, AT(struct config_project, disk_bytes), .most = 1ull << 60},
    {"wall", "8h", "Stop a build that takes longer; 0 means no limit.", OPTION_TIME,
     AT(struct config_project, wall_ms), .most = 30 * 86400000ull},
    {"silence", "2h",
     "Stop a build that neither prints nor computes for this long; 0 means no limit.", OPTION_TIME,
     AT(struct config_project, silence_ms), .most = 30 * 86400000ull},
    {"limits", "", "Other limits for some variants; the last match counts.", OPTION_LIST,
     ITEMS(struct config_project, limits), .options = limit_options,
     .item_size = sizeof(struct config_limit)},
    {"branches", NULL, "The branches to build.", OPTION_LIST,
     ITEMS(struct config_project, branches), .options = branch_options,
     .item_size = sizeof(struct config_branch),
     .note_offset = offsetof(struct config_branch, note)},
    END};

const struct config_option config_options[] = {
    {"name", "farm", "The farm's name, for its pages and commands.", OPTION_TEXT,
     AT(struct config, name)},
    {"listen", "", "Addresses that the coordinator listens on.", OPTION_GROUP,
     AT(struct config, listen), .options = listen_options},
    {"timing", "", "Timeouts and delays.", OPTION_GROUP, AT(struct config, policy),
     .options = timing_options},
    {"retry", "", "Limits on retries.", OPTION_GROUP, AT(struct config, policy),
     .options = retry_options},
    {"disk_floor", "2GiB",
     "Free disk space that a host keeps beyond its reservations: with less, git and the store "
     "fail.",
     OPTION_BYTES, AT(struct config, policy.disk_floor_bytes), .most = 1ull << 60},
    {"keep_closed_runs", "20",
     "Closed runs to keep in the live farm; older ones are archived and stay readable.", OPTION_U32,
     AT(struct config, keep_closed_runs), .least = 1, .most = 1000},
    {"targets", "", "Places that packages may be published to.", OPTION_LIST,
     ITEMS(struct config, targets), .options = target_options,
     .item_size = sizeof(struct config_target)},
    {"rules", "", "Your log patterns for classifying failures; checked before the built-in ones.",
     OPTION_LIST, ITEMS(struct config, rules), .options = rule_options,
     .item_size = sizeof(struct config_rule)},
    {"notices", "",
     "Recipients of notices when a run ends or a person is needed; `farm notice test` tries them.",
     OPTION_LIST, ITEMS(struct config, listeners), .options = listener_options,
     .item_size = sizeof(struct config_listener)},
    {"projects", "", "Git repositories with recipes: what the farm builds.", OPTION_LIST,
     ITEMS(struct config, projects), .options = project_options,
     .item_size = sizeof(struct config_project),
     .note_offset = offsetof(struct config_project, note)},
    END};

/* ---- values as texts ------------------------------------------------------------------------ */

static const struct unit *units_of(const struct config_option *option)
{
    return option->type == OPTION_BYTES  ? units_of_bytes
           : option->type == OPTION_TIME ? units_of_time
                                         : units_of_counts;
}

static const char *expected_of(const struct config_option *option)
{
    return option->type == OPTION_BYTES  ? "a size like 8G or 500MiB"
           : option->type == OPTION_TIME ? "a time like 90s, 30m or 2h"
                                         : "a whole number";
}

static const char *print_number(const struct config_option *option, uint64_t number,
                                struct arena *arena)
{
    const struct unit *unit = units_of(option);
    while (unit[1].name && (number == 0 || number % unit->factor != 0))
        unit++;
    return arena_print(arena, "%llu%s", (unsigned long long)(number / unit->factor),
                       number ? unit->name : "");
}

static int set_option_number(const struct config_option *option, const char *text, void *member,
                             struct arena *arena, struct err *err)
{
    uint64_t number;
    if (!units_parse(units_of(option), text, &number))
        return err_set(err, "%s: expected %s, not \"%s\"", option->key, expected_of(option), text);
    if (number < option->least)
        return err_set(err, "%s: at least %s, not %s", option->key,
                       print_number(option, option->least, arena), text);
    if (option->most && number > option->most)
        return err_set(err, "%s: at most %s, not %s", option->key,
                       print_number(option, option->most, arena), text);
    if (option->type == OPTION_U32)
        *(uint32_t *)member = (uint32_t)number;
    else
        *(uint64_t *)member = number;
    return 0;
}

/* "flox, nix or command" */
static const char *list_names(const struct config_option *option, struct arena *arena)
{
    const char *const *names = option->names;
    const char *text = "";
    for (size_t i = strcmp(names[0], "none") == 0; names[i]; i++)
        text = arena_print(arena, "%s%s%s", text,
                           !*text         ? ""
                           : names[i + 1] ? ", "
                                          : " or ",
                           names[i]);
    return text;
}

static int set_enum(const struct config_option *option, const char *text, int *member,
                    struct arena *arena, struct err *err)
{
    int value = shape_enum_value(option->names, text);
    if (value < 0 || strcmp(text, "none") == 0)
        return err_set(err, "%s: expected %s, not \"%s\"", option->key, list_names(option, arena),
                       text);
    *member = value;
    return 0;
}

static int set_option_flag(const struct config_option *option, const char *text, bool *member,
                           struct err *err)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return err_set(err, "%s: expected true or false, not \"%s\"", option->key, text);
    *member = *text == 't';
    return 0;
}

int option_set(const struct config_option *option, const char *text, void *plain,
               struct arena *arena, struct err *err)
{
    void *member = (char *)plain + option->offset;
    switch (option->type) {
    case OPTION_TEXT:
        *(const char **)member = arena_text(arena, text);
        return 0;
    case OPTION_FLAG:
        return set_option_flag(option, text, member, err);
    case OPTION_ENUM:
        return set_enum(option, text, member, arena, err);
    case OPTION_U32:
    case OPTION_BYTES:
    case OPTION_TIME:
        return set_option_number(option, text, member, arena, err);
    case OPTION_TEXTS:
    case OPTION_GROUP:
    case OPTION_LIST:
        break;
    }
    assert(!"an option that is not a single text");
    return -1;
}

const char *option_as_text(const struct config_option *option, const void *plain,
                           struct arena *arena)
{
    const void *member = (const char *)plain + option->offset;
    switch (option->type) {
    case OPTION_TEXT:
        return *(const char *const *)member;
    case OPTION_FLAG:
        return *(const bool *)member ? "true" : "false";
    case OPTION_ENUM:
        return option->names[*(const int *)member];
    case OPTION_U32:
        return print_number(option, *(const uint32_t *)member, arena);
    case OPTION_BYTES:
    case OPTION_TIME:
        return print_number(option, *(const uint64_t *)member, arena);
    case OPTION_TEXTS:
    case OPTION_GROUP:
    case OPTION_LIST:
        break;
    }
    assert(!"an option that is not a single text");
    return "";
}

static void init_option(const struct config_option *option, void *plain, struct arena *arena)
{
    struct err err;
    switch (option->type) {
    case OPTION_TEXT: /* the table outlives every config */
        *(const char **)((char *)plain + option->offset) =
            option->otherwise ? option->otherwise : "";
        return;
    case OPTION_FLAG:
    case OPTION_ENUM:
    case OPTION_U32:
    case OPTION_BYTES:
    case OPTION_TIME:
        if (option->otherwise) {
            int failed = option_set(option, option->otherwise, plain, arena, &err);
            assert(!failed && "a default that its own table refuses");
        }
        return;
    case OPTION_GROUP:
        options_init(option->options, (char *)plain + option->offset);
        return;
    case OPTION_TEXTS:
    case OPTION_LIST:
        return; /* empty */
    }
}

void options_init(const struct config_option *options, void *plain)
{
    struct arena arena = {0};
    for (const struct config_option *option = options; option->key; option++)
        init_option(option, plain, &arena);
    arena_clear(&arena);
}
