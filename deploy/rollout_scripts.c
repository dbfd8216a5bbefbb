/* SPDX-License-Identifier: MIT */
/* rollout_scripts.c - see rollout_scripts.h. Owns the scripts that run on hosts, but the probe. */
#include "deploy/rollout_scripts.h"

#include <ctype.h>
#include <string.h>

/* No rollout of a host takes longer. A lock whose holder lost its connection ends after this time.
 */
#define LOCK_SECONDS "600"

/* Wraps a script in one line that works in any login shell of the user. */
static const char *shell_line(const char *script, struct arena *arena)
{
    return arena_print(arena, "exec sh -c %s", arena_shell_word(arena, script));
}

/* ---- scripts --------------------------------------------------------------------------------- */

static const char *worker_function(const struct step_call *call, struct arena *arena)
{
    const char *home =
        *call->wanted->worker_home
            ? arena_print(arena, " --home %s", arena_shell_word(arena, call->wanted->worker_home))
            : "";
    return arena_print(arena,
                       "w() { verb=$1; shift; %s/current/bin/farm-worker $verb \"$@\"%s; }\n",
                       arena_shell_word(arena, call->facts->prefix), home);
}

/* Only upgrades an installed flox: how flox is installed on a host is its owner's choice. */
static const char flox_script[] =
    "s=; [ \"$(id -u)\" = 0 ] || s='sudo -n'\n"
    "command -v flox >/dev/null || exit 6\n"
    "if dpkg-query -W flox; then\n"
    "  $s apt-get -q update && $s apt-get -qy install --only-upgrade flox\n"
    "elif rpm -q flox; then\n"
    "  $s dnf -qy upgrade flox\n"
    "elif nix --extra-experimental-features 'nix-command flakes' profile list | grep -q flox; "
    "then\n"
    "  nix --extra-experimental-features 'nix-command flakes' profile upgrade '.*flox.*'\n"
    "else\n"
    "  exit 7\n"
    "fi >/dev/null && flox --version";

static const char *lock_script(const struct step_call *call, struct arena *arena)
{
    return arena_print(arena,
                       "umask 022; p=%s; mkdir -p \"$p\" && exec 9>>\"$p/.lock\" || exit 3\n"
                       "flock -n 9 || { cat \"$p/.lock.holder\" >&2; exit 75; }\n"
                       "echo %s >\"$p/.lock.holder\"; echo locked\n"
                       "exec timeout " LOCK_SECONDS " cat >/dev/null",
                       arena_shell_word(arena, call->facts->prefix),
                       arena_shell_word(arena, call->who));
}

static const char *upload_script(const struct step_call *call, struct arena *arena)
{
    const struct bundle *bundle = call->plan->bundle;
    return arena_print(arena,
                       "umask 022; p=%s; n=\"$p/.incoming\"; id=%s\n"
                       "rm -rf \"$n\"; mkdir \"$n\" && tar -xzof - -C \"$n\" || "
                       "{ rm -rf \"$n\"; exit 4; }\n"
                       "[ \"$(sha256sum <\"$n/MANIFEST\")\" = '%s  -' ] &&\n"
                       "(cd \"$n\" && sed -n 's/^sha256 //p' MANIFEST | sha256sum -c >/dev/null) ||"
                       " { rm -rf \"$n\"; exit 5; }\n"
                       "rm -rf \"$p/$id\"; mv \"$n\" \"$p/$id\"",
                       arena_shell_word(arena, call->facts->prefix), bundle->id, bundle->digest);
}

static const char *switch_script(const struct step_call *call, struct arena *arena)
{
    return arena_print(arena, "cd %s && ln -sfn %s .current.new && mv -T .current.new current",
                       arena_shell_word(arena, call->facts->prefix), call->plan->bundle->id);
}

static const char *enrol_script(const struct step_call *call, struct arena *arena)
{
    const struct wishes *wanted = call->wanted;
    const char *slots =
        *wanted->slots ? arena_print(arena, " --slots %s", arena_shell_word(arena, wanted->slots))
                       : "";
    const char *heavy =
        *wanted->heavy ? arena_print(arena, " --heavy %s", arena_shell_word(arena, wanted->heavy))
                       : "";
    const char *logs = *wanted->logs ? arena_print(arena, " --log-coordinator %s",
                                                   arena_shell_word(arena, wanted->logs))
                                     : "";
    const char *isolation =
        wanted->isolation && *wanted->isolation
            ? arena_print(arena, " --isolation %s", arena_shell_word(arena, wanted->isolation))
            : "";
    return arena_print(
        arena, "%sw enrol --coordinator %s%s --coordinator-key %s --name %s %s%s%s%s%s",
        worker_function(call, arena), arena_shell_word(arena, wanted->coordinator), logs,
        arena_shell_word(arena, wanted->coordinator_key), arena_shell_word(arena, wanted->name),
        wanted->may_publish ? "--may-publish" : "--no-publish", slots, heavy, isolation,
        wanted->trust_recipes ? " --trust-recipes" : "");
}

static const char *doctor_script(const struct step_call *call, struct arena *arena)
{
    return arena_print(arena, "%sw doctor --json --clock %llu", worker_function(call, arena),
                       (unsigned long long)call->wall_ms);
}

static const char *install_script(const struct step_call *call, struct arena *arena)
{
    const char *run_as = call->wanted->run_as;
    return arena_print(arena, "%sw service install --json%s%s", worker_function(call, arena),
                       *run_as ? " --user " : "", *run_as ? arena_shell_word(arena, run_as) : "");
}

/* The farm's folder on the host, by the same rule as coordinator/cli/home.h. */
static const char *farm_home(const struct step_call *call, struct arena *arena)
{
    return *call->farm->home
               ? arena_print(arena, "h=%s\n", arena_shell_word(arena, call->farm->home))
               : "h=${FARM_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/floxfarm}\n";
}

/* A running coordinator takes the changed file, or says why not. The first time there is no program
 * yet: `farm up` reads the file then. */
static const char *config_script(const struct step_call *call, struct arena *arena)
{
    return arena_print(arena,
                       "%sf=%s/current/bin/farm\n"
                       "mkdir -p \"$h\" && cat >\"$h/.farm.yaml.new\" || exit 3\n"
                       "cmp -s \"$h/.farm.yaml.new\" \"$h/farm.yaml\" && "
                       "{ rm \"$h/.farm.yaml.new\"; exit 0; }\n"
                       "mv \"$h/.farm.yaml.new\" \"$h/farm.yaml\"\n"
                       "[ ! -x \"$f\" ] || \"$f\" --home \"$h\" config reload >/dev/null || exit 3",
                       farm_home(call, arena), arena_shell_word(arena, call->facts->prefix));
}

/* A key has no quotes, backslashes or control characters, so it is valid in JSON unescaped. */
static const char *up_script(const struct step_call *call, struct arena *arena)
{
    const char *key = arena_shell_word(arena, call->farm->own_key);
    return arena_print(
        arena,
        "%sf=%s/current/bin/farm\n"
        "\"$f\" --home \"$h\" up --no-worker >/dev/null || exit 3\n"
        "boot=no\n"
        "\"$f\" --home \"$h\" up --no-worker --at-boot >/dev/null 2>&1 && boot=yes\n"
        "\"$f\" --home \"$h\" key list --json | grep -qF %s ||\n"
        "\"$f\" --home \"$h\" key add %s --role admin --public %s >/dev/null || exit 3\n"
        "echo \"{\\\"home\\\":\\\"$h\\\",\\\"boot\\\":\\\"$boot\\\"\"\n"
        "sed -n 's/^\\(control\\|log\\) \\(.*\\)/,\"\\1\":\"\\2\"/p' \"$h/run/endpoints\"\n"
        "sed -n 's/^public \\(.*\\)/,\"key\":\"\\1\"}/p' \"$h/keys/farmd.key.pub\"",
        farm_home(call, arena), arena_shell_word(arena, call->facts->prefix), key,
        arena_shell_word(arena, call->wanted->name), key);
}

static const char *tidy_script(const struct step_call *call, struct arena *arena)
{
    const char *ids = "";
    for (const char *const *id = call->facts->other; *id; id++)
        if (rollout_removes(call->facts, call->plan->bundle, *id))
            ids = arena_print(arena, "%s %s", ids, arena_shell_word(arena, *id));
    return arena_print(arena, "cd %s && rm -rf%s", arena_shell_word(arena, call->facts->prefix),
                       ids);
}

/* The service prints the worker's home, which may be the default one. */
static const char *leave_script(const struct step_call *call, struct arena *arena)
{
    return arena_print(arena, "%sw service stop --json >/dev/null && w service remove --json",
                       worker_function(call, arena));
}

/* Deletes our files of PREFIX, and PREFIX itself if nothing else is in it. */
static const char *clear_script(const struct step_call *call, struct arena *arena)
{
    const char *home = call->plan->purges && *call->home
                           ? arena_print(arena, "rm -rf %s\n", arena_shell_word(arena, call->home))
                           : "";
    return arena_print(arena,
                       "%scd %s && rm -rf [0-9]*-* .incoming current .lock.holder .lock &&\n"
                       "cd / && rmdir %s 2>/dev/null || true",
                       home, arena_shell_word(arena, call->facts->prefix),
                       arena_shell_word(arena, call->facts->prefix));
}

const char *rollout_line(enum rollout_step step, const struct step_call *call, struct arena *arena)
{
    const char *script = NULL;
    switch (step) {
    case STEP_LOCK:
        script = lock_script(call, arena);
        break;
    case STEP_UPLOAD:
        script = upload_script(call, arena);
        break;
    case STEP_SWITCH:
        script = switch_script(call, arena);
        break;
    case STEP_ENROL:
        script = enrol_script(call, arena);
        break;
    case STEP_DOCTOR:
        script = doctor_script(call, arena);
        break;
    case STEP_INSTALL:
        script = install_script(call, arena);
        break;
    case STEP_START:
        script = arena_print(arena, "%sw service %s --json", worker_function(call, arena),
                             call->restart ? "restart" : "start");
        break;
    case STEP_TIDY:
        script = tidy_script(call, arena);
        break;
    case STEP_CONFIG:
        script = config_script(call, arena);
        break;
    case STEP_UP:
        script = up_script(call, arena);
        break;
    case STEP_FLOX:
        script = flox_script;
        break;
    case STEP_LEAVE:
        script = leave_script(call, arena);
        break;
    case STEP_CLEAR:
        script = clear_script(call, arena);
        break;
    case STEP_ADMIT:
    case STEP_TUNNEL:
    case STEP_SEEN:
    case STEP_SMOKE:
    case STEPS:
        return NULL;
    }
    return shell_line(script, arena);
}

/* ---- complaints ------------------------------------------------------------------------------ */

static const char *last_line(const char *said, struct arena *arena)
{
    size_t size = strlen(said);
    while (size && isspace((unsigned char)said[size - 1]))
        size--;
    size_t begin = size;
    while (begin && said[begin - 1] != '\n')
        begin--;
    return arena_print(arena, "%.*s", (int)(size - begin), said + begin);
}

const char *rollout_complaint(enum rollout_step step, const struct step_call *call, int status,
                              const char *said, struct arena *arena)
{
    const char *last = last_line(said, arena), *prefix = call->facts->prefix;
    if (step == STEP_LOCK && status == 75)
        return arena_print(arena,
                           "the host is being set up by %s: wait until that ends (at the latest "
                           "after " LOCK_SECONDS " s, if the connection was lost)",
                           *last ? last : "somebody else");
    if (strstr(said, "No space left") || strstr(said, "quota exceeded"))
        return arena_print(
            arena, "no space is left in %s: free some, then run the same command again", prefix);
    if (strstr(said, "Read-only file system") || strstr(said, "Permission denied"))
        return arena_print(arena,
                           "user %s cannot write to %s (%s): choose another folder with "
                           "--prefix",
                           call->facts->user, prefix, last);
    if (step == STEP_FLOX && status == 6)
        return "the host has no flox: install it (https://flox.dev/docs)";
    if (step == STEP_FLOX && status == 7)
        return "flox was not installed by apt, dnf or nix profile: upgrade it by hand";
    if (step == STEP_UPLOAD && status == 5)
        return "the received bundle differs from the one sent: run the same command again";
    return arena_print(arena, "%s failed on the host with status %d: %s", step_names[step], status,
                       *last ? last : "no output");
}
