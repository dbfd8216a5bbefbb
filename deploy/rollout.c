/* SPDX-License-Identifier: MIT */
/* rollout.c - what a host is, and the steps that make it what it should be. Owns the script that
 * probes a host. */
#include "deploy/rollout.h"

#include "proto/limits.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Free space that a worker's own files need beside the unpacked bundle, without any clone. */
#define SPARE_BYTES (64u << 20)

const char *const step_names[STEPS] = {
    [STEP_LOCK] = "lock",     [STEP_UPLOAD] = "upload",   [STEP_SWITCH] = "switch",
    [STEP_ENROL] = "enrol",   [STEP_ADMIT] = "admit",     [STEP_TUNNEL] = "tunnel",
    [STEP_DOCTOR] = "doctor", [STEP_INSTALL] = "install", [STEP_START] = "start",
    [STEP_SEEN] = "seen",     [STEP_SMOKE] = "smoke",     [STEP_TIDY] = "tidy"};

/* ---- observing ------------------------------------------------------------------------------- */

/* Needs only POSIX sh and tools of any Linux; if a tool is missing, its line is missing. */
static const char probe[] =
    "echo probe 1\n"
    "echo kernel $(uname -s)\n"
    "echo cpu $(uname -m)\n"
    "echo hostname $(uname -n)\n"
    "echo user $(id -un)\n"
    "(. /etc/os-release; echo os $PRETTY_NAME) 2>/dev/null\n"
    "echo git $(git --version 2>/dev/null)\n"
    "for p in tar gzip sha256sum flock timeout sed df; do\n"
    "  command -v $p >/dev/null 2>&1 || echo missing $p\n"
    "done\n"
    "if [ -z \"$prefix\" ]; then\n"
    "  if [ \"$(id -u)\" = 0 ]; then prefix=/opt/floxfarm$kind; else "
    "prefix=$HOME/.local/share/floxfarm$kind; fi\n"
    "fi\n"
    "echo prefix \"$prefix\"\n"
    "d=$prefix\n"
    "while [ ! -d \"$d\" ] && [ -n \"${d%/*}\" ] && [ \"$d\" != \"${d%/*}\" ]; do d=${d%/*}; done\n"
    "[ -d \"$d\" ] || d=/\n"
    "[ -w \"$d\" ] && echo writable\n"
    "df -Pk \"$d\" 2>/dev/null | { read -r title; read -r dev all used free rest; echo free $free; "
    "}\n"
    "[ -L \"$prefix/current\" ] && echo current $(readlink \"$prefix/current\")\n"
    "for b in \"$prefix\"/[0-9]*; do\n"
    "  [ -d \"$b\" ] || continue\n"
    "  id=${b##*/}\n"
    "  case \" $wanted \" in *\" $id \"*)\n"
    "    if (cd \"$b\" && sed -n 's/^sha256 //p' MANIFEST | sha256sum -c) >/dev/null 2>&1; then\n"
    "      echo whole $id $(sha256sum <\"$b/MANIFEST\"); continue\n"
    "    fi\n"
    "  esac\n"
    "  echo other $id\n"
    "done\n"
    "taken=\" $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |\n"
    "  while read -r n l r s x; do [ \"$s\" = 0A ] && echo \"${l##*:}\"; done | tr '\\n' ' ') \"\n"
    "port=17017\n"
    "while [ $port -lt 17217 ]; do\n"
    "  one=$(printf %04X $port) two=$(printf %04X $((port + 1)))\n"
    "  case $taken in *\" $one \"* | *\" $two \"*) port=$((port + 2)) ;; *) break ;; esac\n"
    "done\n"
    "echo tunnel $port\n"
    "echo end\n";

const char *rollout_probe(const char *prefix, const char *kind, const struct bundle *bundles,
                          size_t count, struct arena *arena)
{
    const char *ids = "";
    for (size_t i = 0; i < count; i++)
        ids = arena_print(arena, "%s%s%s", ids, *ids ? " " : "", bundles[i].id);
    return arena_print(arena, "prefix=%s\nkind=%s\nwanted=%s\n%s", arena_shell_word(arena, prefix),
                       arena_shell_word(arena, kind), arena_shell_word(arena, ids), probe);
}

struct observing {
    struct host_facts *out;
    struct arena *arena;
    size_t whole, other;
    bool ended;
};

static const char *without_domain(const char *hostname, struct arena *arena)
{
    return arena_print(arena, "%.*s", (int)strcspn(hostname, "."), hostname);
}

static const char *usual_cpu(const char *cpu)
{
    return !strcmp(cpu, "arm64") ? "aarch64" : !strcmp(cpu, "amd64") ? "x86_64" : cpu;
}

static void observe_bundle(struct observing *observing, const char *word, const char *value)
{
    struct host_facts *out = observing->out;
    if (!strcmp(word, "whole") && observing->whole < ROLLOUT_BUNDLES_MAX)
        out->whole[observing->whole++] = value;
    else if (!strcmp(word, "other") && observing->other < ROLLOUT_BUNDLES_MAX)
        out->other[observing->other++] = value;
}

static void observe_line(struct observing *observing, char *line)
{
    struct host_facts *out = observing->out;
    const char *word = strsep(&line, " "), *value = line ? line : "";
    if (!strcmp(word, "kernel"))
        out->kernel = value;
    else if (!strcmp(word, "cpu"))
        out->cpu = usual_cpu(value);
    else if (!strcmp(word, "os"))
        out->os = value;
    else if (!strcmp(word, "hostname"))
        out->hostname = without_domain(value, observing->arena);
    else if (!strcmp(word, "user"))
        out->user = value;
    else if (!strcmp(word, "git"))
        out->git = strncmp(value, "git version ", 12) ? "" : value + 12;
    else if (!strcmp(word, "missing"))
        out->missing =
            arena_print(observing->arena, "%s%s%s", out->missing, *out->missing ? " " : "", value);
    else if (!strcmp(word, "prefix"))
        out->prefix = value;
    else if (!strcmp(word, "writable"))
        out->is_writable = true;
    else if (!strcmp(word, "free"))
        out->free_bytes = strtoull(value, NULL, 10) * 1024;
    else if (!strcmp(word, "current"))
        out->current = value;
    else if (!strcmp(word, "tunnel"))
        out->tunnel_port = value;
    else if (!strcmp(word, "end"))
        observing->ended = true;
    else
        observe_bundle(observing, word, value);
}

int rollout_observe(const char *text, struct arena *arena, struct host_facts *out, struct err *err)
{
    struct observing observing = {.out = out, .arena = arena};
    char *rest = arena_text(arena, text), *line;
    *out = (struct host_facts){.kernel = "",
                               .cpu = "",
                               .os = "",
                               .hostname = "",
                               .user = "",
                               .git = "",
                               .missing = "",
                               .prefix = "",
                               .current = "",
                               .tunnel_port = ""};
    while ((line = strsep(&rest, "\n")))
        observe_line(&observing, line);
    if (!observing.ended || *out->prefix != '/')
        return err_set(err,
                       "the host's shell does not run commands as expected (it printed "
                       "\"%.200s\"): check that this user can run sh there",
                       text);
    return 0;
}

/* ---- planning -------------------------------------------------------------------------------- */

static bool list_has(const char *const *list, const char *id)
{
    for (; *list; list++)
        if (!strncmp(*list, id, strlen(id)) &&
            ((*list)[strlen(id)] == '\0' || (*list)[strlen(id)] == ' '))
            return true;
    return false;
}

/* Whether the host has the bundle, verified and with the same manifest as ours: the probe prints
 * "ID DIGEST". */
static bool is_there(const struct host_facts *facts, const struct bundle *bundle,
                     struct arena *arena)
{
    return list_has(facts->whole, arena_print(arena, "%s %s", bundle->id, bundle->digest));
}

struct planning {
    const struct host_facts *facts;
    const struct wishes *wanted;
    struct arena *arena;
    struct plan *out;
};

__attribute__((format(printf, 2, 3))) static void problem_add(struct planning *planning,
                                                              const char *format, ...)
{
    char text[LIMIT_TEXT_BYTES];
    struct plan *out = planning->out;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (out->problem_count < sizeof out->problems / sizeof *out->problems)
        out->problems[out->problem_count++] = arena_text(planning->arena, text);
}

static void choose_bundle(struct planning *planning)
{
    const struct host_facts *facts = planning->facts;
    const struct wishes *wanted = planning->wanted;
    bool supported = !strcmp(facts->cpu, "x86_64") || !strcmp(facts->cpu, "aarch64");
    for (size_t i = 0; i < wanted->bundle_count; i++)
        if (*wanted->bundles[i].id && !strcmp(wanted->bundles[i].cpu, facts->cpu))
            planning->out->bundle = &wanted->bundles[i];
    if (strcmp(facts->kernel, "Linux") != 0)
        problem_add(planning, "the host runs %s: a worker needs Linux", facts->kernel);
    else if (!supported)
        problem_add(planning, "the host's processor is %s: a worker needs x86_64 or aarch64",
                    facts->cpu);
    else if (!planning->out->bundle)
        problem_add(
            planning,
            "this machine has no bundle for %s: build it with `deploy/packages cross`, then "
            "`cmake --build build/release --target bundles`",
            facts->cpu);
}

static void check_programs(struct planning *planning)
{
    const struct host_facts *facts = planning->facts;
    if (!*facts->git)
        problem_add(planning, "the host has no git: install it (Debian: apt-get install git)");
    if (*facts->missing)
        problem_add(
            planning,
            "missing on the host: %s. Install them (Debian: apt-get install tar gzip coreutils "
            "util-linux sed)",
            facts->missing);
}

static void check_room(struct planning *planning)
{
    const struct host_facts *facts = planning->facts;
    const struct bundle *bundle = planning->out->bundle;
    uint64_t need = bundle && !is_there(facts, bundle, planning->arena) ? bundle->bytes : 0;
    if (facts->free_bytes < need + SPARE_BYTES)
        problem_add(
            planning,
            "%s has %llu MiB free, but a worker needs %llu: free some space, or choose another "
            "folder with --prefix",
            facts->prefix, (unsigned long long)(facts->free_bytes >> 20),
            (unsigned long long)((need + SPARE_BYTES) >> 20));
    if (!facts->is_writable)
        problem_add(
            planning,
            "user %s cannot write to %s: log in as another user, or choose another folder with "
            "--prefix",
            facts->user, facts->prefix);
}

__attribute__((format(printf, 3, 4))) static void step_add(struct planning *planning,
                                                           enum rollout_step step,
                                                           const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    planning->out->steps[planning->out->count++] =
        (struct planned){step, arena_text(planning->arena, text)};
}

static void plan_programs(struct planning *planning)
{
    const struct host_facts *facts = planning->facts;
    const struct bundle *bundle = planning->out->bundle;
    step_add(planning, STEP_LOCK, "lock the host against other rollouts");
    if (planning->wanted->newer_flox)
        step_add(planning, STEP_FLOX, "upgrade flox");
    if (!is_there(facts, bundle, planning->arena))
        step_add(planning, STEP_UPLOAD, "send bundle %s (%.1f MB) to %s", bundle->id,
                 (double)bundle->archive.size / 1e6, facts->prefix);
    if (*facts->current && strcmp(facts->current, bundle->id) != 0)
        step_add(planning, STEP_SWITCH, "use the new bundle instead of %s", facts->current);
    else if (!*facts->current)
        step_add(planning, STEP_SWITCH, "use the bundle");
}

static void plan_membership(struct planning *planning)
{
    const struct wishes *wanted = planning->wanted;
    step_add(planning, STEP_ENROL, "make a key pair on the host and its configuration for %s",
             wanted->coordinator);
    step_add(planning, STEP_ADMIT, "enrol the host's public key as %s, which may %spublish",
             wanted->name, wanted->may_publish ? "" : "not ");
    if (wanted->by_tunnel)
        step_add(planning, STEP_TUNNEL, "keep a tunnel open to port %s of the host",
                 planning->facts->tunnel_port);
    step_add(planning, STEP_DOCTOR, "check what the host has and what is missing");
}

static void plan_running(struct planning *planning)
{
    bool renews = strcmp(planning->facts->current, planning->out->bundle->id) != 0;
    step_add(planning, STEP_INSTALL, "install the worker's service");
    step_add(planning, STEP_START,
             renews && *planning->facts->current ? "restart the worker; builds go on"
                                                 : "start the worker if it does not run");
    step_add(planning, STEP_SEEN, "wait until the worker has connected to the coordinator");
    if (!planning->wanted->only_upgrade && !planning->wanted->no_smoke)
        step_add(planning, STEP_SMOKE, "run the smoke task on the worker");
}

bool rollout_removes(const struct host_facts *facts, const struct bundle *bundle, const char *id)
{
    return strcmp(id, facts->current) != 0 && strcmp(id, bundle->id) != 0;
}

static void plan_tidying(struct planning *planning)
{
    size_t old = 0;
    for (const char *const *id = planning->facts->other; *id; id++)
        old += rollout_removes(planning->facts, planning->out->bundle, *id);
    if (old)
        step_add(planning, STEP_TIDY, "remove %zu older bundle%s", old, old == 1 ? "" : "s");
}

void rollout_plan(const struct host_facts *facts, const struct wishes *wanted, struct arena *arena,
                  struct plan *out)
{
    struct planning planning = {facts, wanted, arena, out};
    *out = (struct plan){0};
    choose_bundle(&planning);
    check_programs(&planning);
    check_room(&planning);
    if (!out->bundle)
        return;
    plan_programs(&planning);
    if (!wanted->only_upgrade)
        plan_membership(&planning);
    plan_running(&planning);
    plan_tidying(&planning);
}

void rollout_plan_leaving(const struct host_facts *facts, const struct wishes *wanted, bool purge,
                          struct arena *arena, struct plan *out)
{
    struct planning planning = {facts, wanted, arena, out};
    *out = (struct plan){.purges = purge};
    if (!*facts->current)
        return;
    step_add(&planning, STEP_LOCK, "lock the host against other rollouts");
    step_add(&planning, STEP_LEAVE, "stop and remove the service");
    step_add(&planning, STEP_CLEAR,
             purge ? "delete the programs and the worker's home" : "delete the programs");
}

void rollout_plan_farm(const struct host_facts *facts, const struct wishes *wanted,
                       struct arena *arena, struct plan *out)
{
    struct planning planning = {facts, wanted, arena, out};
    *out = (struct plan){0};
    choose_bundle(&planning);
    check_programs(&planning);
    check_room(&planning);
    if (!out->bundle)
        return;
    plan_programs(&planning);
    step_add(&planning, STEP_CONFIG, "send farm.yaml");
    step_add(&planning, STEP_UP, "start the coordinator and enrol your key");
    plan_tidying(&planning);
}
