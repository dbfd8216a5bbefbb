/* SPDX-License-Identifier: MIT */
/* main.c - the program farm-worker: one row per command. */
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/base/version.h"
#include "proto/private_process.h"
#include "worker/disk/folder.h"
#include "worker/host/cleaner.h"
#include "worker/host/commands.h"
#include "worker/host/nix_escapes.h"
#include "worker/host/options.h"
#include "worker/host/probe.h"
#include "worker/loop.h"
#include "worker/phase/cause_rules.h"
#include "worker/phase/phase.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subcommand {
    const char *name;
    const char *help;
    int options; /* the settings it takes (options.h); 0: it parses its own arguments */
    int (*run)(struct worker_options *options, struct err *err);
};

static int print_keys(struct worker_options *options, struct err *err)
{
    struct arena arena = {0};
    struct key_pair key;
    int result = keys_ensure(arena_print(&arena, "%s/worker.key", options->home), &key, err);
    if (result == 0)
        printf("%s\n", key.public_key);
    arena_clear(&arena);
    return result;
}

static int print_probe(struct worker_options *options, struct err *err)
{
    struct arena arena = {0};
    struct capabilities host;
    struct buf text = {0};
    struct isolation_host isolation;
    options_isolation(options, true, &isolation, &arena);
    const struct probe_limits limits = options_probe_limits(options, &isolation);
    (void)err;
    probe_host(&limits, &host, &arena);
    shape_print(&capabilities_shape, &host, &text);
    printf("%s\n", (char *)text.data);
    buf_release(&text);
    arena_clear(&arena);
    return 0;
}

static void print_folder(const char *home, struct token token, struct arena *arena)
{
    struct agent_found found;
    struct err err;
    printf("%u.%llu\t", (unsigned)token.epoch, (unsigned long long)token.number);
    if (folder_read(home, token, &found, arena, &err) < 0) {
        printf("broken\t%s\n", err.text);
        return;
    }
    const char *state = found.state == ITEM_ENDED ? outcome_names[found.result.outcome]
                        : found.supervisor_gone   ? "supervisor lost"
                                                  : item_state_names[found.state];
    printf("%s\t%s\t%s\t%llu bytes of log\n", state, phase_names[found.phase],
           found.order.variant.package, (unsigned long long)found.log_bytes);
}

/* Escapes '|', which would end the cell of a table. */
static void print_cell(const char *text)
{
    for (; *text; text++)
        printf(*text == '|' ? "\\|" : "%c", *text);
}

/* Prints the second half of docs/failures.md; farmd prints the first. */
static int print_rules(struct worker_options *options, struct err *err)
{
    (void)options, (void)err;
    printf("\n## How the worker finds the cause\n\n"
           "1. Evidence: processes that the kernel killed for lack of memory, limits, the free "
           "bytes at the exit, a killed supervisor.\n"
           "   Only this, and nix-daemon in step 4, is a witness.\n"
           "2. Your own rules: `rules` in `farm.yaml`.\n"
           "3. The rules below, in this order, applied to the last 256 KiB of the log. The first "
           "that matches wins.\n"
           "4. If no rule gives a reason and flox or nix was building or publishing: processes of "
           "nix-daemon's cgroup that the kernel killed for lack of\n"
           "   memory (oom), or a restart of nix-daemon (host-lost).\n\n"
           "| cause | phases | pattern | source |\n|---|---|---|---|\n");
    const struct cause_rule *rule;
    for (size_t i = 0; (rule = cause_rule_at(i)); i++) {
        printf("| %s |", cause_names[rule->cause]);
        for (int phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++)
            if (rule->phases & 1u << phase)
                printf(" %s", phase_names[phase]);
        printf(" | `");
        print_cell(rule->pattern);
        printf("` | %s |\n", rule->source);
    }
    return 0;
}

/* Prints docs/nix-versions.md. */
static int print_escapes(struct worker_options *options, struct err *err)
{
    const struct nix_escape *escape;
    (void)options, (void)err;
    printf(
        "# Versions of nix with known escapes\n\n"
        "Printed by `farm-worker escapes` from `worker/host/nix_escapes.c`. A host with such "
        "a nix publishes only with\n`trust-recipes` or `trust-nix` "
        "([security.md](security.md#who-builds)). The ranges are those of the records of the CVE "
        "programme,\nwhich the first column leads to. Versions from 2.90 on are Lix. A package "
        "that mends a version without changing its number\nis taken for what its number says.\n\n"
        "| record | a recipe | versions, each from the first to before the second | advisory "
        "|\n|---|---|---|---|\n");
    for (size_t i = 0; (escape = nix_escape_at(i)); i++) {
        printf("| [%s](https://www.cve.org/CVERecord?id=%s) | %s |", escape->name, escape->name,
               escape->allows);
        for (size_t k = 0; k < NIX_RANGES_MAX && escape->ranges[k].from; k++)
            printf("%s %s to %s", k ? "," : "", escape->ranges[k].from, escape->ranges[k].before);
        printf(*escape->source ? " | [advisory](%s) |\n" : " | %s |\n", escape->source);
    }
    return 0;
}

static int print_status(struct worker_options *options, struct err *err)
{
    struct arena arena = {0};
    struct token *tokens;
    size_t count;
    if (folder_list(options->home, &tokens, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        print_folder(options->home, tokens[i], &arena);
    free(tokens);
    arena_clear(&arena);
    return 0;
}

static int run_loop(struct worker_options *options, struct err *err)
{
    private_process_begin();
    return loop_run(options, err);
}

static const struct subcommand commands[] = {
    {"enrol", "make this host a worker: write key pair and configuration, print the public key",
     OPTIONS_ENROL, host_enrol},
    {"join", "make this host a worker with a token of `farm token create`", OPTIONS_JOIN,
     host_join},
    {"service", "install, start, restart, stop, status or remove the worker's service",
     OPTIONS_SERVICE, host_service},
    {"doctor", "check whether this host can build; prints a fix for each problem", OPTIONS_DOCTOR,
     host_doctor},
    {"clean", "free disk space: old builds, clones, then nix garbage", OPTIONS_CLEAN, cleaner_run},
    {"run", "run the worker until SIGTERM or SIGINT", OPTIONS_RUN, run_loop},
    {"keep", "run the watchdog that restarts the worker (started by `service`)", OPTIONS_HOME,
     host_keep},
    {"keys", "print this worker's public key; makes a key pair if there is none", OPTIONS_HOME,
     print_keys},
    {"probe", "print this host's capabilities", OPTIONS_HOME, print_probe},
    {"status", "list the attempts in this worker's home", OPTIONS_HOME, print_status},
    {"rules", "print the rules that find the cause of a failure", OPTIONS_HOME, print_rules},
    {"escapes", "print the versions of nix with known escapes", OPTIONS_HOME, print_escapes},
    {"phase", "run one phase of an attempt (started by the supervisor)", 0, NULL},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int usage_print(FILE *to)
{
    fprintf(to, "Usage: farm-worker COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "\nfarm-worker COMMAND --help lists a command's options.\n");
    return to == stdout ? 0 : 2;
}

static int run_command(const struct subcommand *command, int argc, char **argv)
{
    struct worker_options options;
    struct err err;
    if (command->options == 0)
        return phase_main(argc, argv);
    int result = options_read(argc, argv, command->options, &options, &err);
    if (result == 0)
        result = command->run(&options, &err);
    if (result < 0)
        log_error("%s", err.text);
    options_release(&options);
    return result < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    log_open("farm-worker", LOG_INFO);
    if (argc < 2)
        return usage_print(stderr);
    if (strcmp(argv[1], "--version") == 0) {
        printf("farm-worker %s\n", version_text);
        return 0;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage_print(stdout);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run_command(&commands[i], argc - 1, argv + 1);
    fprintf(stderr, "farm-worker: unknown command \"%s\"\n", argv[1]);
    return usage_print(stderr);
}
