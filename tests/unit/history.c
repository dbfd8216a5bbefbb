/* SPDX-License-Identifier: MIT */
#include "tests/unit/history.h"

#include "proto/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 64, ITEMS_MAX = 64 };

struct history {
    struct farm *farm;
    struct farm_outcome outcome;
    struct arena arena; /* of the line that is read */
    struct record *journal;
    size_t journal_count, journal_capacity;
    struct arena journal_arena;
    struct buf said, told;
    uint64_t boot_ms, wall_ms, session;
    uint64_t sequences[128]; /* by worker */
    bool unchecked;
};

/* ---- words --------------------------------------------------------------------------------- */

struct words {
    char *at[WORDS_MAX];
    size_t count;
};

static struct words split(char *line, const char *separators)
{
    struct words words = {.count = 0};
    char *rest = NULL;
    for (char *at = strtok_r(line, separators, &rest); at; at = strtok_r(NULL, separators, &rest)) {
        assert_true(words.count < WORDS_MAX);
        words.at[words.count++] = at;
    }
    return words;
}

/* A word that is not there is empty. */
static const char *word(const struct words *words, size_t index)
{
    const char *text = index < words->count ? words->at[index] : NULL;
    return text ? text : "";
}

static bool has(const struct words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->at[i], word) == 0)
            return true;
    return false;
}

static const char *value(const struct words *words, const char *name, const char *otherwise)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < words->count; i++)
        if (strncmp(words->at[i], name, size) == 0 && words->at[i][size] == '=')
            return words->at[i] + size + 1;
    return otherwise;
}

static uint64_t number(const struct words *words, const char *name, uint64_t otherwise)
{
    const char *text = value(words, name, NULL);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t gib(const struct words *words, const char *name, uint64_t otherwise)
{
    return number(words, name, otherwise) << 30;
}

static struct token token_of(const char *text)
{
    if (*text == 'p')
        text++;
    char *end;
    uint32_t epoch = (uint32_t)strtoul(text, &end, 10);
    return (struct token){epoch, strtoull(end + 1, NULL, 10)};
}

static const char **list(struct history *history, const char *text, size_t *count)
{
    struct words words = split(arena_text(&history->arena, text), "+");
    const char **out = arena_new(&history->arena, (words.count + 1) * sizeof *out);
    for (*count = 0; *count < words.count; ++*count)
        out[*count] = words.at[*count];
    return out;
}

static uint64_t worker_of(const struct history *history, const char *name)
{
    uint64_t worker = view_worker_by_name(history->farm, name);
    return worker ? worker : strtoull(name, NULL, 10);
}

/* ---- what is said -------------------------------------------------------------------------- */

static bool tells_people(const struct history *history)
{
    struct farm_view farm;
    view_farm(history->farm, &farm);
    return farm.policy.notices;
}

static void say_record(struct history *history, const struct record *record)
{
    const struct record_info *info = record_info(record->kind);
    bool is_notice = record->kind == RECORD_NOTICE_RAISED || record->kind == RECORD_NOTICE_TOLD ||
                     record->kind == RECORD_NOTICE_ENDED;
    if (is_notice && !tells_people(history))
        return;
    if (info->is_passing && record->kind != RECORD_CLOCK_JUMPED &&
        record->kind != RECORD_INTAKE_SET && record->kind != RECORD_SLEEP_SET)
        return;
    struct buf line = {0};
    record_print(record, &line);
    const char *text = strchr((const char *)line.data, ']') + 2;
    buf_print(&history->said, "%s", text);
    buf_release(&line);
}

static void say_effect(struct history *history, const struct effect *effect)
{
    struct buf *said = &history->said;
    unsigned long long worker = effect->worker, run = effect->run;
    switch (effect->kind) {
    case EFFECT_REPLY:
        buf_print(said, "> reply %s", effect->ok ? "ok" : "no");
        if (run)
            buf_print(said, " run=%llu", run);
        if (*effect->text)
            buf_print(said, " %s", effect->text);
        buf_print(said, "\n");
        return;
    case EFFECT_WELCOME:
        buf_print(said, "> welcome %llu\n", worker);
        return;
    case EFFECT_REFUSE:
        buf_print(said, "> refuse %llu%s: %s\n", worker, effect->permanent ? " for ever" : "",
                  effect->text);
        return;
    case EFFECT_HELLO_AGAIN:
        buf_print(said, "> hello-again %llu\n", worker);
        return;
    case EFFECT_FOREIGN:
        buf_print(said, "> foreign %u.%llu from %llu\n", effect->token.epoch,
                  (unsigned long long)effect->token.number, worker);
        return;
    case EFFECT_ORDERS:
        buf_print(said, "> orders %llu\n", worker);
        return;
    case EFFECT_RESOLVE:
        buf_print(said, "> resolve %llu\n", run);
        return;
    case EFFECT_PREFLIGHT:
        buf_print(said, "> preflight %llu\n", run);
        return;
    case EFFECT_EXPECT_LOG:
        buf_print(said, "> expect-log %u.%llu from %llu\n", effect->token.epoch,
                  (unsigned long long)effect->token.number, worker);
        return;
    case EFFECT_PEERS:
        buf_print(said, "> peers\n");
        return;
    case EFFECT_NOTIFY:
        if (!tells_people(history))
            return;
        buf_print(said, "> notify %llu\n", (unsigned long long)effect->notice);
        return;
    case EFFECT_NONE:
        break;
    }
    fail_msg("an effect of an unknown kind");
}

static void keep(struct history *history, const struct record *record)
{
    if (record_info(record->kind)->is_passing)
        return;
    MEM_GROW(history->journal, history->journal_count, history->journal_capacity);
    record_copy(&history->journal[history->journal_count++], record, &history->journal_arena);
}

const struct farm_outcome *history_step(struct history *history, struct input *input)
{
    input->now_ms = history->boot_ms;
    input->wall_ms = history->wall_ms;
    farm_outcome_clear(&history->outcome);
    farm_step(history->farm, input, &history->outcome);
    if (!history->unchecked)
        farm_check(history->farm);
    for (size_t i = 0; i < history->outcome.record_count; i++) {
        keep(history, &history->outcome.records[i]);
        say_record(history, &history->outcome.records[i]);
    }
    for (size_t i = 0; i < history->outcome.effect_count; i++)
        say_effect(history, &history->outcome.effects[i]);
    return &history->outcome;
}

/* ---- time ---------------------------------------------------------------------------------- */

struct farm *history_uncheck(struct history *history)
{
    history->unchecked = true;
    return history->farm;
}

uint64_t history_now_ms(const struct history *history)
{
    return history->boot_ms;
}

void history_advance(struct history *history, uint64_t ms)
{
    history->boot_ms += ms;
    history->wall_ms += ms;
}

/* As the loop does it: wakes at each deadline. */
static void tick(struct history *history, uint64_t ms)
{
    uint64_t end_ms = history->boot_ms + ms;
    while (history->boot_ms < end_ms) {
        uint64_t next_ms = farm_deadline_ms(history->farm);
        if (next_ms > end_ms)
            next_ms = end_ms;
        if (next_ms <= history->boot_ms)
            next_ms = history->boot_ms + 1;
        history_advance(history, next_ms - history->boot_ms);
        history_step(history, &(struct input){.kind = INPUT_TICK});
    }
}

/* ---- workers ------------------------------------------------------------------------------- */

static void read_item(struct history *history, char *text, struct item *item)
{
    struct words words = split(text, " ");
    shape_init(&item_shape, item);
    assert_true(words.count >= 2);
    item->token = token_of(word(&words, 0));
    item->is_publication = *word(&words, 0) == 'p';
    item->state = (enum item_state)shape_enum_value(item_state_names, word(&words, 1));
    item->log_bytes = number(&words, "bytes", 10);
    item->already_published = has(&words, "already");
    item->unsure = has(&words, "unsure");
    item->rebuilt = has(&words, "rebuilt");
    item->product.isolation = (enum isolation_level)shape_enum_value(
        isolation_names, value(&words, "isolation", "unknown"));
    item->failed_phase = (enum phase)shape_enum_value(phase_names, value(&words, "at", "none"));
    item->detail = arena_text(&history->arena, value(&words, "detail", ""));
    for (char *at = (char *)item->detail; (at = strchr(at, '_'));)
        *at = ' ';
    item->variant.project = value(&words, "project", "p");
    item->variant.branch = value(&words, "branch", "main");
    item->variant.commit = value(&words, "commit", "c1");
    item->variant.package = value(&words, "pkg", "");
    item->variant.gpu = value(&words, "gpu", "");
    item->variant.system = value(&words, "system", "x86_64-linux");
    item->facts.memory_peak = number(&words, "peak", 0);
    item->facts.disk_bytes = number(&words, "used", 0);
    item->facts.oom_kills = (uint32_t)number(&words, "kills", 0);
    item->facts.free_bytes = number(&words, "free", 0);
    item->witness = (enum witness)shape_enum_value(witness_names, value(&words, "by", "none"));
    item->signature = number(&words, "sign", 0);
    item->lines = value(&words, "lines", "");
    item->warning = value(&words, "warning", "");
    int stop = shape_enum_value(cause_names, value(&words, "stop", "none"));
    item->stop_cause = (enum cause)stop;
    item->stop_at_ms = number(&words, "stopat", 0);
    if (item->state == ITEM_RUNNING)
        item->phase = (enum phase)shape_enum_value(phase_names, word(&words, 2));
    if (item->state != ITEM_ENDED)
        return;
    item->outcome = (enum outcome)shape_enum_value(outcome_names, word(&words, 2));
    assert_int_not_equal((int)item->outcome, -1);
    int cause = words.count > 3 ? shape_enum_value(cause_names, word(&words, 3)) : -1;
    item->cause = cause >= 0 ? (enum cause)cause : CAUSE_NONE;
    if (item->outcome == OUTCOME_OK) {
        item->product.paths = list(history, "/nix/store/out", &item->product.paths_count);
        item->product.derivation = "/nix/store/x.drv";
    }
}

/* What follows the colon. */
static struct item *read_items(struct history *history, char *line, size_t *count)
{
    struct item *items = arena_new(&history->arena, ITEMS_MAX * sizeof *items);
    *count = 0;
    char *colon = strstr(line, " :");
    if (!colon)
        return items;
    struct words texts = split(colon + 2, ",");
    *colon = '\0';
    for (size_t i = 0; i < texts.count; i++)
        read_item(history, texts.at[i], &items[(*count)++]);
    return items;
}

/* fs=USES/ID/FREE[/TOTAL]+... in GiB, else one that serves all, with `free_bytes`. */
static struct filesystem *filesystems(struct history *history, const struct words *words,
                                      uint64_t free_bytes, size_t *count)
{
    const char **texts = list(history, value(words, "fs", "bst/8:1/0"), count);
    struct filesystem *out = arena_new(&history->arena, *count * sizeof *out);
    for (size_t i = 0; i < *count; i++) {
        struct words parts = split(arena_text(&history->arena, texts[i]), "/");
        const char *uses = word(&parts, 0);
        uint64_t given = strtoull(word(&parts, 2), NULL, 10) << 30;
        out[i] = (struct filesystem){.id = word(&parts, 1),
                                     .is_store = strchr(uses, 's'),
                                     .is_build = strchr(uses, 'b'),
                                     .is_state = strchr(uses, 't'),
                                     .free_bytes = given ? given : free_bytes,
                                     .total_bytes = (uint64_t)1 << 50};
        if (*word(&parts, 3))
            out[i].total_bytes = strtoull(word(&parts, 3), NULL, 10) << 30;
    }
    return out;
}

static void do_hello(struct history *history, char *line)
{
    struct input input = {.kind = INPUT_HELLO};
    struct hello *hello = &input.hello.hello;
    shape_init(&hello_shape, hello);
    hello->items = read_items(history, line, &hello->items_count);
    struct words words = split(line, " ");
    input.hello.worker = worker_of(history, word(&words, 1));
    input.hello.session = ++history->session;
    history->sequences[input.hello.worker] = 0;
    hello->major = 1;
    hello->program = "farm-worker test";
    hello->instance = value(&words, "instance", word(&words, 1));
    hello->boot_id = "boot";
    hello->at_ms = number(&words, "at", 0);
    struct capabilities *host = &hello->capabilities;
    host->hostname = word(&words, 1);
    host->machine_id = value(&words, "machine", word(&words, 1));
    host->systems = list(history, word(&words, 2), &host->systems_count);
    host->features = list(history, value(&words, "features", ""), &host->features_count);
    host->builders = list(history, value(&words, "builders", "nix+command"), &host->builders_count);
    const char **gpus = list(history, value(&words, "gpu", ""), &host->gpus_count);
    host->gpus = arena_new(&history->arena, (host->gpus_count + 1) * sizeof *host->gpus);
    for (size_t i = 0; i < host->gpus_count; i++)
        host->gpus[i] = (struct gpu){"gpu", gpus[i]};
    host->filesystems =
        filesystems(history, &words, gib(&words, "disk", 1000), &host->filesystems_count);
    host->cores = 8;
    host->memory_bytes = gib(&words, "mem", 64);
    host->slots = (uint32_t)number(&words, "slots", 2);
    host->heavy_slots = (uint32_t)number(&words, "heavy", 1);
    host->may_publish = has(&words, "publish");
    host->problem = value(&words, "problem", "");
    host->restricts_eval = has(&words, "restricts");
    host->nix_sandbox =
        (enum nix_sandbox)shape_enum_value(nix_sandbox_names, value(&words, "sandbox", "unknown"));
    history_step(history, &input);
}

static void do_status(struct history *history, char *line)
{
    struct input input = {.kind = INPUT_STATUS};
    struct status *status = &input.status.status;
    struct worker_view worker = {0};
    struct farm_view farm;
    shape_init(&status_shape, status);
    status->items = read_items(history, line, &status->items_count);
    struct words words = split(line, " ");
    input.status.worker = worker_of(history, word(&words, 1));
    if (!view_worker(history->farm, input.status.worker, &worker))
        worker.session = 0; /* a line about a worker that is not there yet */
    view_farm(history->farm, &farm);
    status->session = number(&words, "session", worker.session);
    status->sequence = number(&words, "seq", history->sequences[input.status.worker] + 1);
    status->incarnation = number(&words, "inc", farm.incarnation);
    status->at_ms = number(&words, "at", 0);
    if (status->sequence > history->sequences[input.status.worker])
        history->sequences[input.status.worker] = status->sequence;
    if (value(&words, "free", NULL) || value(&words, "fs", NULL))
        status->filesystems =
            filesystems(history, &words, gib(&words, "free", 0), &status->filesystems_count);
    history_step(history, &input);
}

static void do_enrol(struct history *history, const struct words *words, enum role role)
{
    const char *name = word(words, 1);
    struct input input = {.kind = INPUT_ENROL};
    input.enrol = (struct input_enrol){
        .asked = {value(words, "id", ""), "ann"},
        .name = name,
        .public_key = value(words, "key", arena_print(&history->arena, "key-of-%s", name)),
        .role = role,
        .may_publish = has(words, "publish"),
    };
    history_step(history, &input);
}

/* ---- runs ---------------------------------------------------------------------------------- */

/* Returns whether it is a rival. */
static bool read_plan_item(char *text, struct plan_item *item)
{
    struct words words = split(text, " ");
    shape_init(&plan_item_shape, item);
    item->variant.project = value(&words, "project", "p");
    item->variant.branch = value(&words, "branch", "main");
    item->variant.commit = value(&words, "commit", "c1");
    item->variant.package = word(&words, 0);
    item->variant.system = words.count > 1 && !strchr(word(&words, 1), '=') ? word(&words, 1) : "";
    item->variant.isa = value(&words, "isa", "");
    item->variant.gpu = value(&words, "gpu", "");
    item->variant.cuda = value(&words, "cuda", "");
    item->recipe.builder = has(&words, "command") ? BUILDER_COMMAND : BUILDER_NIX;
    item->recipe.url = "https://example.org/p.git";
    item->recipe.allowed_uris = value(&words, "restrict", "");
    item->recipe.restrict_eval = value(&words, "restrict", NULL);
    item->recipe.check = has(&words, "check") ? CHECK_REQUIRED : CHECK_AUTO;
    item->needs.heavy = has(&words, "heavy");
    item->needs.nix_sandbox = has(&words, "sandboxed");
    item->needs.memory_bytes = gib(&words, "mem", 0);
    item->needs.disk_bytes = gib(&words, "disk", 0);
    item->inputs.hash = value(&words, "inputs", "");
    item->inputs.pinned = *item->inputs.hash || has(&words, "pinned");
    item->target.name = value(&words, "org", value(&words, "cache", ""));
    item->target.kind = !*item->target.name            ? TARGET_NONE
                        : value(&words, "cache", NULL) ? TARGET_NIX_CACHE
                                                       : TARGET_FLOX;
    item->target.secret = value(&words, "secret", "");
    item->problem = value(&words, "problem", "");
    int policy = shape_enum_value(collisions_names, value(&words, "collisions", "refuse"));
    item->claim.policy = (enum collisions)policy;
    item->claim.wins = has(&words, "wins");
    item->claim.rank = (uint32_t)number(&words, "rank", 0);
    item->claim.line = value(&words, "line", "");
    item->claim.depth = number(&words, "depth", 0);
    item->claim.diverged = value(&words, "diverged", "");
    for (char *at = strchr(item->claim.diverged, '+'); at; at = strchr(at, '+'))
        *at = ' ';
    item->claim.supersedes = has(&words, "supersedes");
    return has(&words, "rival");
}

static void do_resolved(struct history *history, char *line)
{
    struct input input = {.kind = INPUT_RESOLVED};
    char *rest = NULL;
    strtok_r(line, " ", &rest);
    input.resolved.run = strtoull(strtok_r(NULL, " ", &rest), NULL, 10);
    input.resolved.problem = "";
    struct plan_item *items = arena_new(&history->arena, ITEMS_MAX * sizeof *items);
    struct plan_item *rivals = arena_new(&history->arena, ITEMS_MAX * sizeof *rivals);
    if (rest && strncmp(rest, "problem ", 8) == 0) {
        input.resolved.problem = rest + 8;
    } else if (rest) {
        struct words texts = split(rest, ",");
        for (size_t i = 0; i < texts.count; i++) {
            struct plan_item item;
            if (read_plan_item(texts.at[i], &item))
                rivals[input.resolved.rivals_count++] = item;
            else
                items[input.resolved.items_count++] = item;
        }
    }
    input.resolved.rivals = rivals;
    input.resolved.items = items;
    history_step(history, &input);
}

static void do_submit(struct history *history, const struct words *words)
{
    struct input input = {.kind = INPUT_SUBMIT};
    input.submit.asked = (struct asked){word(words, 1), "ann"};
    struct run_options *options = &input.submit.options;
    shape_init(&run_options_shape, options);
    options->publish = has(words, "publish");
    options->force = has(words, "force");
    options->local = has(words, "local");
    options->supersede = has(words, "supersede");
    options->worker = value(words, "on", "");
    options->priority = (int64_t)number(words, "priority", 0);
    options->give_up_ms = number(words, "give-up", 0);
    options->retry_of = number(words, "retry", 0);
    options->task = value(words, "task", "");
    history_step(history, &input);
}

/* ---- everything else ----------------------------------------------------------------------- */

static void do_policy(struct history *history, const struct words *words)
{
    struct farm_view farm;
    view_farm(history->farm, &farm);
    struct policy policy = farm.policy;
    policy.lease_ttl_ms = number(words, "ttl", policy.lease_ttl_ms);
    policy.lost_grace_ms = number(words, "grace", policy.lost_grace_ms);
    policy.retry_delay_ms = number(words, "delay", policy.retry_delay_ms);
    policy.attempts_max = (uint32_t)number(words, "attempts", policy.attempts_max);
    policy.lost_max = (uint32_t)number(words, "lost", policy.lost_max);
    policy.publish_tries_max = (uint32_t)number(words, "tries", policy.publish_tries_max);
    policy.notices = number(words, "notices", policy.notices);
    policy.evaluate_after_ms = number(words, "evaluate", policy.evaluate_after_ms);
    struct input input = {.kind = INPUT_POLICY, .policy = policy};
    history_step(history, &input);
}

static void do_worker_admin(struct history *history, const struct words *words,
                            enum worker_verb verb)
{
    struct input input = {.kind = INPUT_WORKER_ADMIN};
    input.worker_admin = (struct input_worker_admin){{word(words, 1), "ann"},
                                                     worker_of(history, word(words, 2)),
                                                     verb,
                                                     "",
                                                     has(words, "discard")};
    history_step(history, &input);
}

static void do_publish(struct history *history, const struct words *words)
{
    struct input input = {.kind = INPUT_PUBLISH};
    uint64_t jobs[WORDS_MAX];
    input.publish.asked = (struct asked){word(words, 1), "ann"};
    for (size_t i = 2; i < words->count; i++)
        jobs[input.publish.jobs_count++] = strtoull(words->at[i], NULL, 10);
    input.publish.jobs = jobs;
    history_step(history, &input);
}

static void do_settle(struct history *history, const struct words *words)
{
    struct input input = {.kind = INPUT_SETTLE};
    const char *how = word(words, 3);
    input.settle = (struct input_settle){{word(words, 1), "ann"},
                                         strtoull(word(words, 2), NULL, 10),
                                         strcmp(how, "published") == 0 ? SETTLE_PUBLISHED
                                         : strcmp(how, "not") == 0     ? SETTLE_NOT_PUBLISHED
                                                                       : SETTLE_GIVE_UP};
    history_step(history, &input);
}

static void do_import(struct history *history, const struct words *words)
{
    struct input input = {.kind = INPUT_LEDGER_IMPORT};
    struct ledger_entry entry;
    shape_init(&ledger_entry_shape, &entry);
    entry.target = word(words, 2);
    entry.variant.package = word(words, 3);
    entry.variant.system = word(words, 4);
    entry.variant.commit = word(words, 5);
    entry.inputs = words->count > 6 ? word(words, 6) : "";
    input.ledger_import = (struct input_ledger_import){{word(words, 1), "ann"}, &entry, 1};
    history_step(history, &input);
}

static bool do_request(struct history *history, const struct words *words)
{
    const char *verb = word(words, 0);
    struct asked asked = {words->count > 1 ? word(words, 1) : "", "ann"};
    struct input input = {.kind = INPUT_NONE};
    if (strcmp(verb, "cancel") == 0) {
        input.kind = INPUT_CANCEL;
        input.cancel =
            (struct input_cancel){asked, number(words, "run", 0), number(words, "job", 0)};
    } else if (strcmp(verb, "pause") == 0 || strcmp(verb, "resume") == 0) {
        input.kind = *verb == 'p' ? INPUT_PAUSE : INPUT_RESUME;
        input.pause = (struct input_paused){asked, ""};
    } else if (strcmp(verb, "release") == 0) {
        input.kind = INPUT_RELEASE;
        input.release = (struct input_release){asked, word(words, 2), number(words, "run", 0),
                                               number(words, "job", 0)};
    } else if (strcmp(verb, "revoke") == 0) {
        input.kind = INPUT_REVOKE;
        input.revoke = (struct input_revoke){
            {"", "ann"}, arena_print(&history->arena, "key-of-%s", word(words, 1))};
    } else {
        return false;
    }
    history_step(history, &input);
    return true;
}

static bool do_shell(struct history *history, const struct words *words, char *line)
{
    const char *verb = word(words, 0);
    struct input input = {.kind = INPUT_NONE};
    if (strcmp(verb, "start") == 0) {
        input.kind = INPUT_START;
        input.start = (struct input_start){(uint32_t)number(words, "epoch", 1), "farmd test"};
    } else if (strcmp(verb, "preflighted") == 0) {
        input.kind = INPUT_PREFLIGHTED;
        char *text = strchr(strchr(line, ' ') + 1, ' ');
        input.preflighted = (struct input_preflighted){strtoull(word(words, 1), NULL, 10),
                                                       text ? text + 1 : "", ""};
    } else if (strcmp(verb, "sealed") == 0) {
        input.kind = INPUT_LOG_SEALED;
        input.sealed =
            (struct input_sealed){token_of(word(words, 1)), strtoull(word(words, 2), NULL, 10)};
    } else if (strcmp(verb, "failed") == 0) {
        input.kind = INPUT_SEND_FAILED;
        input.send_failed = worker_of(history, word(words, 1));
    } else if (strcmp(verb, "intake") == 0) {
        input.kind = INPUT_INTAKE;
        input.intake = (struct input_intake){has(words, "open"), "disk-full"};
    } else if (strcmp(verb, "sleep") == 0) {
        input.kind = INPUT_SLEEP;
        input.sleep.reason = words->count > 1 ? word(words, 1) : "";
    } else if (strcmp(verb, "notified") == 0) {
        input.kind = INPUT_NOTIFIED;
        input.notified.notice = strtoull(word(words, 1), NULL, 10);
        input.notified.problem = words->count > 2 ? word(words, 2) : "";
    } else if (strcmp(verb, "archive") == 0) {
        input.kind = INPUT_ARCHIVE;
        input.archive = strtoull(word(words, 1), NULL, 10);
    } else {
        return false;
    }
    history_step(history, &input);
    return true;
}

static bool do_time(struct history *history, const struct words *words)
{
    if (strcmp(word(words, 0), "tick") == 0) {
        tick(history, strtoull(word(words, 1), NULL, 10));
    } else if (strcmp(word(words, 0), "jump") == 0) {
        history_advance(history, strtoull(word(words, 1), NULL, 10));
        history_step(history, &(struct input){.kind = INPUT_TICK});
    } else {
        return false;
    }
    return true;
}

static bool do_words(struct history *history, const struct words *words)
{
    const char *verb = word(words, 0);
    if (strcmp(verb, "enrol") == 0)
        do_enrol(history, words, ROLE_WORKER);
    else if (strcmp(verb, "viewer") == 0)
        do_enrol(history, words, ROLE_VIEWER);
    else if (strcmp(verb, "submit") == 0)
        do_submit(history, words);
    else if (strcmp(verb, "policy") == 0)
        do_policy(history, words);
    else if (strcmp(verb, "drain") == 0)
        do_worker_admin(history, words, WORKER_DRAIN);
    else if (strcmp(verb, "undrain") == 0)
        do_worker_admin(history, words, WORKER_RESUME);
    else if (strcmp(verb, "remove") == 0)
        do_worker_admin(history, words, WORKER_REMOVE);
    else if (strcmp(verb, "publish") == 0)
        do_publish(history, words);
    else if (strcmp(verb, "settle") == 0)
        do_settle(history, words);
    else if (strcmp(verb, "import") == 0)
        do_import(history, words);
    else
        return false;
    return true;
}

static void do_line(struct history *history, const char *text)
{
    arena_clear(&history->arena);
    char *line = arena_text(&history->arena, text);
    struct words words = split(arena_text(&history->arena, text), " ");
    if (!words.count)
        return;
    if (strcmp(word(&words, 0), "hello") == 0)
        do_hello(history, line);
    else if (strcmp(word(&words, 0), "status") == 0)
        do_status(history, line);
    else if (strcmp(word(&words, 0), "resolved") == 0)
        do_resolved(history, line);
    else if (!do_time(history, &words) && !do_words(history, &words) &&
             !do_request(history, &words) && !do_shell(history, &words, line))
        fail_msg("a history does not know: %s", text);
}

void history_do(struct history *history, const char *script)
{
    char *copy = mem_text(script), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        do_line(history, line);
    free(copy);
}

/* ---- expectations -------------------------------------------------------------------------- */

static bool line_fits(const char *said, size_t said_size, const char *wanted, size_t wanted_size)
{
    if (wanted_size >= 3 && memcmp(wanted + wanted_size - 3, "...", 3) == 0)
        return said_size >= wanted_size - 3 && memcmp(said, wanted, wanted_size - 3) == 0;
    return said_size == wanted_size && memcmp(said, wanted, wanted_size) == 0;
}

const char *history_said(struct history *history)
{
    buf_clear(&history->told);
    buf_add(&history->told, history->said.data, history->said.size);
    buf_clear(&history->said);
    return (const char *)history->told.data;
}

void history_expect(struct history *history, const char *script, const char *wanted)
{
    buf_clear(&history->said);
    history_do(history, script);
    const char *all = history_said(history), *said = all, *line = wanted;
    while (*said || *line) {
        size_t said_size = strcspn(said, "\n"), line_size = strcspn(line, "\n");
        if (!line_fits(said, said_size, line, line_size))
            fail_msg("after\n%s\nwas said\n%s\nbut wanted\n%s\nthey differ at\n%.*s\n%.*s", script,
                     all, wanted, (int)said_size, said, (int)line_size, line);
        said += said_size + (said[said_size] == '\n');
        line += line_size + (line[line_size] == '\n');
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

struct history *history_begin(void)
{
    struct history *history = mem_new(sizeof *history);
    history->farm = farm_create();
    history->boot_ms = 5000000;
    history->wall_ms = 1700000000000;
    history_do(history,
               "start\npolicy ttl=30000 grace=60000 delay=10000 attempts=4 lost=3 tries=3");
    buf_clear(&history->said);
    return history;
}

static void print_export(const struct farm *farm, struct buf *out)
{
    struct farm_outcome export = {0};
    farm_export(farm, &export);
    for (size_t i = 0; i < export.record_count; i++)
        if (!record_info(export.records[i].kind)->is_passing)
            record_print(&export.records[i], out);
    farm_outcome_release(&export);
}

/* Equal by digest; else says where their exports begin to differ. */
static void assert_same(const struct farm *wanted, const struct farm *found)
{
    if (farm_digest(wanted) == farm_digest(found))
        return;
    struct buf a = {0}, b = {0};
    print_export(wanted, &a);
    print_export(found, &b);
    const char *at = (const char *)a.data, *bt = (const char *)b.data;
    assert_true(at && bt); /* an export is never empty */
    if (!at || !bt)
        return;
    size_t line = strcspn(at, "\n");
    while (*at && strncmp(at, bt, line + 1) == 0) {
        at += line + 1;
        bt += line + 1;
        line = strcspn(at, "\n");
    }
    fail_msg("two farms differ; one has\n%.*s\nthe other\n%.*s", (int)line, at,
             (int)strcspn(bt, "\n"), bt);
}

static struct farm *replayed(const struct history *history)
{
    struct farm *farm = farm_create();
    for (size_t i = 0; i < history->journal_count; i++)
        farm_apply(farm, &history->journal[i]);
    farm_check(farm);
    assert_same(history->farm, farm);
    return farm;
}

static struct farm *rebuilt(const struct history *history)
{
    struct farm_outcome export = {0};
    struct farm *farm = farm_create();
    farm_export(history->farm, &export);
    for (size_t i = 0; i < export.record_count; i++)
        farm_apply(farm, &export.records[i]);
    farm_check(farm);
    assert_same(history->farm, farm);
    farm_outcome_release(&export);
    return farm;
}

void history_rebuild(struct history *history)
{
    struct farm *farm = rebuilt(history);
    farm_destroy(history->farm);
    history->farm = farm;
}

void history_restart(struct history *history)
{
    struct farm *farm = replayed(history);
    farm_destroy(history->farm);
    history->farm = farm;
    history_do(history, "start");
    struct farm_outcome outcome = {0};
    farm_resume(history->farm, &outcome);
    for (size_t i = 0; i < outcome.effect_count; i++)
        say_effect(history, &outcome.effects[i]);
    farm_outcome_release(&outcome);
}

const struct farm *history_farm(const struct history *history)
{
    return history->farm;
}

void history_end(struct history *history)
{
    farm_destroy(replayed(history));
    farm_destroy(rebuilt(history));
    farm_destroy(history->farm);
    farm_outcome_release(&history->outcome);
    arena_clear(&history->arena);
    arena_clear(&history->journal_arena);
    buf_release(&history->said);
    buf_release(&history->told);
    free(history->journal);
    free(history);
}
