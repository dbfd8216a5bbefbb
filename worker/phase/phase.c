/* SPDX-License-Identifier: MIT */
/* phase.c - the loop's side of phase.h. The supervised process is phase_main.c. */
#include "worker/phase/phase.h"
#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "proto/hardware.h"
#include "proto/limits.h"
#include "worker/agent/phases.h"
#include "worker/builders/builder.h"
#include "worker/builders/tools.h"
#include "worker/disk/folder.h"
#include "worker/isolation/isolation.h"
#include "worker/phase/cause.h"
#include "worker/phase/check.h"
#include "worker/phase/signature.h"
#include "worker/process/supervisor_client.h"
#include "worker/process/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FINDING_BYTES_MAX = 4096, GPU_BYTES_MAX = 4096, WORKTREE_BYTES_MAX = 4096 };

/* ---- skipping ----------------------------------------------------------------------------- */

static bool skip_checkout(const struct order *order)
{
    if (!order->recipe.checkout)
        return true;
    const struct target_row *target = order->is_publication ? target_row(order->target.kind) : NULL;
    return target && !target->needs_checkout;
}

static bool skip_check(const struct order *order, const struct capabilities *host)
{
    if (order->recipe.check == CHECK_REQUIRED)
        return false;
    return order->recipe.check == CHECK_OFF || !order->recipe.has_check ||
           !order->recipe.checkout || hardware_unprovable(host, &order->variant);
}

bool phase_skip(const struct order *order, enum phase phase, const struct capabilities *host)
{
    if (phase == PHASE_CHECKOUT)
        return skip_checkout(order);
    return phase == PHASE_CHECK && skip_check(order, host);
}

/* ---- what to run -------------------------------------------------------------------------- */

/* A light job: no process of ours between supervisor and command, and no checkout. A command that
 * calls nix is none: the phase's process brings it a nix-daemon where it needs one. */
static bool is_light(const struct order *order, enum phase phase)
{
    return phase == PHASE_BUILD && order->recipe.builder == BUILDER_COMMAND &&
           !order->recipe.checkout && order->recipe.tool == BUILDER_NONE &&
           !strstr(order->recipe.command, "nix");
}

static int light_command(const char *home, const char *folder, const struct order *order,
                         struct texts *argv, struct texts *environment, struct phase_command *out,
                         struct err *err)
{
    const char *scratch = arena_print(argv->arena, "%s/box/scratch", folder);
    const struct isolation_view view = {
        .folder = folder, .working_folder = scratch, .socket_folder = ""};
    struct isolation isolation;
    if (isolation_read(home, folder, &isolation, argv->arena, err) < 0 ||
        io_make_folders(scratch, 0755, err) < 0 ||
        isolation_make_temporary(&isolation, folder, err) < 0)
        return -1;
    if (!isolation.supervisor) /* no record: it would run outside */
        return err_set(err, "%s has no record of its isolation", folder);
    isolation_words(&isolation, &view, argv);
    isolation_environment(&isolation, &view, environment);
    texts_add(argv, "sh");
    texts_add(argv, "-c");
    texts_add(argv, "%s", order->recipe.command);
    tools_describe(environment, order, folder);
    if (isolation.level == ISOLATION_NONE)
        out->working_folder = scratch;
    return 0;
}

/* The tools say that HOME cannot be written in words that look like an error of the recipe. Without
 * isolation HOME is the owner's: flox does nothing without one, unless told to use other folders;
 * nix and commands may not need it. */
static int check_home(const char *home, const char *folder, const struct order *order,
                      struct arena *arena, struct err *err)
{
    struct isolation isolation;
    if (isolation_read(home, folder, &isolation, arena, err) < 0)
        return -1;
    if (isolation.level == ISOLATION_NONE && (order->recipe.builder != BUILDER_FLOX ||
                                              getenv("XDG_CACHE_HOME") || getenv("FLOX_CACHE_DIR")))
        return 0;
    return isolation_check_home(&isolation, folder, err);
}

/* The worker's own work: outside, for it is on the worker's home. */
static int upkeep_command(const char *program, const char *home, const struct order *order,
                          struct texts *argv, struct err *err)
{
    static const char clean[] = "clean ";
    const char *work = order->recipe.upkeep, *number = work + strlen(clean);
    bool is_clean = strncmp(work, clean, strlen(clean)) == 0;
    size_t digits = is_clean ? strspn(number, "0123456789") : 0;
    const char *rest = is_clean ? number + digits : "";
    if (!digits || (*rest && strcmp(rest, " dry-run") != 0))
        return err_set(err, "this worker does not know the work \"%s\"", order->recipe.upkeep);
    texts_add(argv, "%s", program);
    texts_add(argv, "clean");
    texts_add(argv, "--home");
    texts_add(argv, "%s", home);
    texts_add(argv, "--keep");
    texts_add(argv, "%.*s", (int)digits, number);
    if (*rest)
        texts_add(argv, "--dry-run");
    return 0;
}

static void set_limits(const struct order *order, enum phase phase, struct phase_command *out)
{
    switch (phase) {
    case PHASE_CHECKOUT:
        out->wall_ms = LIMIT_CHECKOUT_MS;
        return;
    case PHASE_BUILD:
        out->wall_ms = order->recipe.wall_ms;
        out->silence_ms = order->recipe.silence_ms;
        return;
    case PHASE_CHECK:
        out->wall_ms = LIMIT_CHECK_MS + LIMIT_GPU_WAIT_MS;
        return;
    case PHASE_PUBLISH:
        out->wall_ms = LIMIT_PUBLISH_MS;
        return;
    case PHASE_NONE:
        return;
    }
}

static void set_secret(const struct order *order, enum phase phase, struct phase_command *out)
{
    const struct target_row *target =
        phase == PHASE_PUBLISH ? target_row(order->target.kind) : NULL;
    out->secret_env = target ? target->secret_env : "";
    out->secret_fd_env = target ? target->secret_fd_env : "";
}

int phase_command(const char *program, const char *home, const struct order *order,
                  enum phase phase, const struct capabilities *host, struct arena *arena,
                  struct phase_command *out, struct err *err)
{
    static const char *const without[] = {"FARM_*", NULL};
    const char *folder = folder_path(home, order->token, NULL, arena);
    struct texts argv = {.arena = arena}, environment = {.arena = arena};
    *out = (struct phase_command){.working_folder = ""};
    if (phase == PHASE_BUILD && !*order->recipe.upkeep &&
        check_home(home, folder, order, arena, err) < 0)
        return -1;
    if (*order->recipe.upkeep) {
        texts_environment(&environment, without);
        if (upkeep_command(program, home, order, &argv, err) < 0)
            return -1;
    } else if (is_light(order, phase)) {
        if (light_command(home, folder, order, &argv, &environment, out, err) < 0)
            return -1;
    } else {
        texts_environment(&environment, without);
        texts_add(&argv, "%s", program);
        texts_add(&argv, "phase");
        texts_add(&argv, "%s", phase_names[phase]);
        texts_add(&argv, "%s", folder);
        out->own_cgroup = phase != PHASE_CHECKOUT;
        out->looks_at_host = phase == PHASE_BUILD || phase == PHASE_PUBLISH;
    }
    if (phase == PHASE_CHECK)
        texts_set(&environment, "FARM_CHECK", "%s",
                  hardware_proof(host, &order->variant) == CHECKED_GPU ? "gpu" : "cpu");
    set_limits(order, phase, out);
    set_secret(order, phase, out);
    out->argv = argv.items;
    out->environment = environment.items;
    return 0;
}

/* ---- the result --------------------------------------------------------------------------- */

/* The last bytes of the log, at most LIMIT_CAUSE_BYTES and only what this phase printed. */
static void read_tail(const char *folder, enum phase phase, uint64_t log_bytes, struct buf *tail)
{
    uint64_t from = supervisor_client_log_from(folder, phase);
    int file;
    if (beneath_open(folder, "log", O_RDONLY, &file, NULL) != BENEATH_FOUND)
        return;
    if (log_bytes > LIMIT_CAUSE_BYTES && from < log_bytes - LIMIT_CAUSE_BYTES)
        from = log_bytes - LIMIT_CAUSE_BYTES;
    size_t want = log_bytes > from ? (size_t)(log_bytes - from) : 0;
    buf_reserve(tail, want);
    for (ssize_t n = 1; n > 0 && tail->size < want;) {
        n = pread(file, tail->data + tail->size, want - tail->size, (off_t)(from + tail->size));
        if (n > 0)
            tail->size += (size_t)n;
    }
    close(file);
}

static void find_cause(const char *folder, const struct order *order, struct arena *arena,
                       struct agent_phase_ended *out)
{
    struct buf tail = {0};
    struct cause_verdict verdict = {0};
    const struct exit_facts *facts = &out->facts;
    if (out->supervisor_lost || facts->status != 0 || facts->timed_out || facts->silent)
        read_tail(folder, out->phase, out->log_bytes, &tail);
    cause_find(out->phase, order->recipe.builder, &out->facts, out->supervisor_lost,
               (struct bytes){tail.data, tail.size}, order->recipe.rules, &verdict);
    buf_release(&tail);
    out->cause = verdict.cause;
    out->witness = verdict.witness;
    out->detail = arena_text(arena, verdict.detail);
    out->signature = verdict.signature;
    out->lines = arena_text(arena, verdict.lines);
}

/* The account was refused where no recipe could have a word in it: a failed publish failed for
 * that, and that is what the coordinator may believe. */
static void take_rejection(struct agent_phase_ended *out)
{
    if (out->cause == CAUSE_NONE)
        return;
    if (out->cause != CAUSE_AUTH && out->cause != CAUSE_DENIED) {
        out->cause = CAUSE_AUTH;
        out->signature = signature_of(out->cause, out->detail);
    }
    out->witness = WITNESS_PROBE;
}

/* Reads what the publish phase recorded. Without "ended" it was killed on the way, and a file that
 * is refused tells nothing: then only the target itself knows whether the publish happened. */
static void read_finding(const char *folder, struct agent_phase_ended *out)
{
    struct buf text = {0};
    enum beneath found = beneath_read(folder, "finding", FINDING_BYTES_MAX, &text, NULL);
    out->unsure = found != BENEATH_FOUND && found != BENEATH_ABSENT;
    if (found == BENEATH_FOUND && text.size) {
        const char *finding = (const char *)text.data;
        out->already_published = strstr(finding, "already\n") != NULL;
        if (strstr(finding, "rejected\n"))
            take_rejection(out);
        out->rebuilt = strstr(finding, "rebuilt\n") != NULL;
        out->unsure = strstr(finding, "unsure\n") || !strstr(finding, "ended\n");
    }
    buf_release(&text);
}

/* What a command made, from its file: one that cannot be taken is an error of the command. */
static void read_outputs(const char *folder, struct agent_phase_ended *out, struct arena *arena)
{
    struct err err;
    if (tools_outputs(folder, &out->product, arena, &err) == 0 || out->cause != CAUSE_NONE)
        return;
    out->cause = CAUSE_CONFIG;
    out->detail = arena_text(arena, err.text);
}

/* Only the sandbox's own status tells a sandbox that could not start from a command that failed. */
static int judge_sandbox(const char *home, const char *folder, struct agent_phase_ended *out,
                         struct arena *arena, struct err *err)
{
    struct isolation isolation;
    if (isolation_read(home, folder, &isolation, arena, err) < 0)
        return -1;
    if (out->facts.status != EXIT_NO_SANDBOX || !isolation_failed(&isolation, folder))
        return 0;
    out->cause = CAUSE_WRONG_HOST;
    out->witness = WITNESS_SANDBOX;
    out->detail = "this host could not start the sandbox: `farm-worker doctor` says why";
    out->signature = 0;
    return 0;
}

/* What the recipe ran in, however it ended. The worker's own work is no recipe. */
static int read_isolation(const char *home, const char *folder, const struct order *order,
                          struct agent_phase_ended *out, struct arena *arena, struct err *err)
{
    struct isolation isolation;
    if (*order->recipe.upkeep)
        return 0;
    if (isolation_read(home, folder, &isolation, arena, err) < 0)
        return -1;
    out->product.isolation = isolation.level;
    return 0;
}

static int read_product(const char *home, const char *folder, const struct order *order,
                        struct agent_phase_ended *out, struct arena *arena, struct err *err)
{
    if (out->phase != PHASE_BUILD && out->phase != PHASE_CHECK)
        return 0;
    if (!is_light(order, out->phase) && folder_read_product(folder, &out->product, arena, err) < 0)
        return -1;
    if (read_isolation(home, folder, order, out, arena, err) < 0)
        return -1;
    if (order->recipe.builder == BUILDER_COMMAND)
        read_outputs(folder, out, arena);
    return 0;
}

/* ---- the check ----------------------------------------------------------------------------- */

/* A check that proves nothing is no failure, unless it is required. */
static void forgive_check(struct agent_phase_ended *out, const char *reason)
{
    out->product.unchecked = reason;
    out->cause = CAUSE_NONE;
    out->witness = WITNESS_NONE;
    out->detail = out->lines = "";
    out->signature = 0;
}

/* From what the phase recorded of its GPU (phase_main.c): why its failure says nothing about the
 * product; NULL: it may. A shared GPU explains only that its memory was full. That GPUs are busy is
 * no evidence against the host. */
static const char *read_gpu(const char *folder, struct bytes tail, struct arena *arena,
                            enum witness *witness)
{
    struct buf text = {0};
    const char *reason = NULL;
    *witness = WITNESS_TRUSTED;
    if (beneath_read(folder, "gpu", GPU_BYTES_MAX, &text, NULL) == BENEATH_FOUND && text.size) {
        const char *line = arena_print(arena, "%.*s", (int)strcspn((const char *)text.data, "\n"),
                                       (const char *)text.data);
        const char *what = strchr(line, ' ');
        if (what && strncmp(line, "none ", 5) == 0)
            *witness = WITNESS_NONE, reason = what + 1;
        else if (what && strncmp(line, "failed ", 7) == 0)
            reason = arena_print(arena, "its check failed, and so did the hardware: %s", what + 1);
        else if (what && strncmp(line, "shared ", 7) == 0 && check_lacked_gpu_memory(tail))
            reason =
                arena_print(arena, "the GPU had no memory left, and %s uses it, too", what + 1);
    }
    buf_release(&text);
    return reason;
}

static void judge_check(const char *folder, const struct order *order,
                        const struct capabilities *host, struct agent_phase_ended *out,
                        struct arena *arena)
{
    struct buf tail = {0};
    bool required = order->recipe.check == CHECK_REQUIRED;
    enum checked proof = hardware_proof(host, &order->variant);
    if (out->cause == CAUSE_NONE) {
        out->product.checked = proof;
        return;
    }
    read_tail(folder, out->phase, out->log_bytes, &tail);
    struct bytes log = {tail.data, tail.size};
    enum witness witness = out->witness;
    const char *gpu = proof == CHECKED_GPU ? read_gpu(folder, log, arena, &witness) : NULL;
    const char *reason = gpu;
    if (!gpu && (out->cause == CAUSE_CHECK || out->cause == CAUSE_CONFIG))
        reason = check_not_started(&out->facts, log, &out->product, arena);
    if (reason)
        out->warning = reason;
    if (reason && required) {
        out->cause = gpu ? CAUSE_WRONG_HOST : CAUSE_CONFIG;
        out->witness = gpu ? witness : out->witness;
        out->detail = reason;
    }
    if (out->cause == CAUSE_HARDWARE && proof != CHECKED_GPU)
        reason = arena_print(arena, "its check looked for a GPU: %s", out->detail);
    if (reason && !required)
        forgive_check(out, reason);
    buf_release(&tail);
}

/* What the check of this branch will miss, found before its build begins. */
static void look_ahead(const char *folder, const struct order *order,
                       const struct capabilities *host, struct agent_phase_ended *out,
                       struct arena *arena)
{
    struct buf worktree = {0};
    bool wanted = agent_wants_phase(order, PHASE_CHECK) && !skip_check(order, host);
    if (wanted &&
        beneath_read(folder, "worktree", WORKTREE_BYTES_MAX, &worktree, NULL) == BENEATH_FOUND &&
        worktree.size)
        out->warning = check_missing((const char *)worktree.data, arena);
    buf_release(&worktree);
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* Who replaced a file of the folder may have replaced what it names, too: nothing of it is used. A
 * recipe can do it on a host that does not confine it, so it is not held against the host. */
static bool was_tampered(const char *folder, struct agent_phase_ended *out, struct arena *arena)
{
    struct err err;
    if (folder_check(folder, &err) == 0)
        return false;
    out->cause = CAUSE_CONFIG;
    out->detail = arena_text(arena, err.text);
    out->lines = "";
    out->signature = 0;
    out->unsure = out->phase == PHASE_PUBLISH; /* only the target knows */
    return true;
}

int phase_finish(const char *home, const struct order *order, enum phase phase,
                 const struct capabilities *host, struct arena *arena,
                 struct agent_phase_ended *out, struct err *err)
{
    const char *folder = folder_path(home, order->token, NULL, arena);
    bool skipped = phase_skip(order, phase, host);
    *out = (struct agent_phase_ended){
        .token = order->token, .phase = phase, .detail = "", .lines = "", .warning = ""};
    shape_init(&product_shape, &out->product);
    if (!skipped &&
        supervisor_client_facts(folder, phase, &out->facts, &out->supervisor_lost, err) < 0)
        return -1;
    out->log_bytes = folder_log_bytes(folder);
    if (!skipped)
        find_cause(folder, order, arena, out);
    if (!skipped && judge_sandbox(home, folder, out, arena, err) < 0)
        return -1;
    if (phase == PHASE_PUBLISH)
        read_finding(folder, out);
    if (was_tampered(folder, out, arena))
        return 0;
    if (read_product(home, folder, order, out, arena, err) < 0)
        return -1;
    if (phase == PHASE_CHECKOUT && out->cause == CAUSE_NONE)
        look_ahead(folder, order, host, out, arena);
    if (phase == PHASE_CHECK && skipped && agent_wants_phase(order, phase))
        out->product.unchecked = check_obstacle(host, &order->variant, arena);
    else if (phase == PHASE_CHECK && !skipped)
        judge_check(folder, order, host, out, arena);
    return 0;
}
