/* SPDX-License-Identifier: MIT */
/* test_agent.c - the worker's agent, tested by histories as text.
 *
 * A history is a list of inputs, each followed by the effects it must have, indented. The test
 * plays the inputs and compares the whole transcript. Inputs (T is a token's number, its epoch is
 * 1):
 *
 *   +MS                                        time passes (no input of its own)
 *   tick | again | again-late | connected | refused | refused-forever
 *   welcome SESSION INCARNATION [HEARTBEAT]    heartbeat 1000 ms
 *   offer T [heavy] [checkout] [check]         in the session that was welcomed last
 *   grant T [flox|cache|command] [checkout] [secret]
 *   stop T | forget T
 *   stale SESSION INCARNATION offer T          orders of another session
 *   prepared T [PROBLEM]
 *   ended T PHASE ok|pathless|status|signal|silent|timed-out|lost|CAUSE [already] [unsure] [lines]
 *                                              [disk]
 *   found T accepted|running|gone|ended [PHASE|OUTCOME] [grant] [secret] [checkout]
 *   order T                                    one of no kind
 *   look T BYTES [CAUSE AT] | probe [more] [disk]     at a running phase, that is stopped for CAUSE
 */
#include "proto/limits.h"
#include "worker/agent/agent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct play {
    struct agent *agent;
    uint64_t now_ms;
    uint64_t session, incarnation;
    struct capabilities host;
    struct buf transcript;
    const char *line; /* the words behind the input's name */
};

static struct capabilities a_host(void)
{
    struct capabilities host;
    shape_init(&capabilities_shape, &host);
    host.hostname = "oak";
    host.slots = 2;
    host.heavy_slots = 1;
    host.may_publish = true;
    return host;
}

static void play_begin(struct play *play, const struct capabilities *host)
{
    *play = (struct play){.now_ms = 1000, .session = 7, .incarnation = 1, .host = *host};
    play->agent = agent_create(&(struct agent_options){
        .program = "0", .instance = "abc", .boot_id = "boot", .capabilities = host});
}

static void play_end(struct play *play)
{
    agent_destroy(play->agent);
    buf_release(&play->transcript);
}

/* ---- printing effects ---- */

static void print_item(struct buf *out, const struct item *item)
{
    buf_print(out, " %llu:%s", (unsigned long long)item->token.number,
              item_state_names[item->state]);
    if (item->state == ITEM_RUNNING)
        buf_print(out, "-%s", phase_names[item->phase]);
    if (item->state == ITEM_ENDED)
        buf_print(out, "-%s", outcome_names[item->outcome]);
    if (item->cause != CAUSE_NONE)
        buf_print(out, "(%s)", cause_names[item->cause]);
    if (item->unsure)
        buf_print(out, "?");
    if (item->already_published)
        buf_print(out, "!");
    if (item->log_bytes)
        buf_print(out, "+%llu", (unsigned long long)item->log_bytes);
    if (item->stop_cause != CAUSE_NONE)
        buf_print(out, "<%s@%llu>", cause_names[item->stop_cause],
                  (unsigned long long)item->stop_at_ms);
}

static void print_effect(struct buf *out, const struct agent_effect *effect)
{
    unsigned long long number = effect->token.number;
    const struct message *message = &effect->message;
    switch (effect->kind) {
    case AGENT_EFFECT_SEND:
        if (message->kind == MESSAGE_HELLO) {
            buf_print(out, "  hello");
            for (size_t i = 0; i < message->hello.items_count; i++)
                print_item(out, &message->hello.items[i]);
        } else {
            buf_print(out, "  status %llu", (unsigned long long)message->status.sequence);
            for (size_t i = 0; i < message->status.items_count; i++)
                print_item(out, &message->status.items[i]);
        }
        break;
    case AGENT_EFFECT_PREPARE:
        buf_print(out, "  prepare %llu", number);
        break;
    case AGENT_EFFECT_START_PHASE:
        assert_int_equal(effect->order->secret.size, 0);
        buf_print(out, "  start %llu %s", number, phase_names[effect->phase]);
        break;
    case AGENT_EFFECT_KILL:
        buf_print(out, "  kill %llu %s", number, phase_names[effect->phase]);
        break;
    case AGENT_EFFECT_SAVE_RESULT:
        assert_int_equal(effect->item->state, ITEM_ENDED);
        buf_print(out, "  save");
        print_item(out, effect->item);
        break;
    case AGENT_EFFECT_FORGET:
        buf_print(out, "  forget %llu", number);
        break;
    case AGENT_EFFECT_NONE:
        break;
    }
    buf_print(out, "\n");
}

static void step(struct play *play, struct agent_input *input)
{
    struct agent_outcome outcome = {0};
    input->now_ms = play->now_ms;
    agent_step(play->agent, input, &outcome);
    for (size_t i = 0; i < outcome.effect_count; i++)
        print_effect(&play->transcript, &outcome.effects[i]);
    agent_outcome_clear(&outcome);
    assert_true(agent_deadline_ms(play->agent) > play->now_ms || input->kind == AGENT_INPUT_FOUND);
}

/* ---- reading inputs ---- */

static bool has(const struct play *play, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = play->line; (at = strstr(at, word)); at += size)
        if ((at == play->line || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

/* The n-th word behind the input's name, "" when there is none. */
static const char *word(const struct play *play, int n)
{
    static char words[4][64]; /* by n: short-lived */
    const char *at = play->line;
    for (int i = 0; i < n; i++) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    snprintf(words[n], sizeof words[n], "%.*s", (int)strcspn(at, " "), at);
    return words[n];
}

static struct token token_at(const struct play *play, int n)
{
    return (struct token){1, strtoull(word(play, n), NULL, 10)};
}

static struct order an_order(const struct play *play, enum order_kind kind)
{
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = kind;
    order.token = token_at(play, 0);
    order.is_publication = kind == ORDER_GRANT;
    order.needs.heavy = has(play, "heavy");
    order.recipe.checkout = has(play, "checkout") || has(play, "check");
    order.recipe.has_check = has(play, "check");
    order.target.kind = has(play, "flox")      ? TARGET_FLOX
                        : has(play, "command") ? TARGET_COMMAND
                                               : TARGET_NIX_CACHE;
    if (has(play, "secret")) {
        order.target.secret = "token";
        order.secret = (struct bytes){(const uint8_t *)"hush", 4};
    }
    return order;
}

static void give_order(struct play *play, struct order order, uint64_t session,
                       uint64_t incarnation)
{
    struct agent_input input = {.kind = AGENT_INPUT_ORDERS};
    input.orders = (struct orders){session, incarnation, &order, 1};
    step(play, &input);
}

static void in_offer(struct play *play)
{
    give_order(play, an_order(play, ORDER_OFFER), play->session, play->incarnation);
}

static void in_grant(struct play *play)
{
    give_order(play, an_order(play, ORDER_GRANT), play->session, play->incarnation);
}

static void in_stop(struct play *play)
{
    give_order(play, an_order(play, ORDER_STOP), play->session, play->incarnation);
}

static void in_forget(struct play *play)
{
    give_order(play, an_order(play, ORDER_FORGET), play->session, play->incarnation);
}

static void in_order(struct play *play)
{
    give_order(play, an_order(play, ORDER_NONE), play->session, play->incarnation);
}

static void in_stale(struct play *play)
{
    uint64_t session = strtoull(word(play, 0), NULL, 10);
    uint64_t incarnation = strtoull(word(play, 1), NULL, 10);
    play->line = strstr(play->line, "offer ") + 6;
    give_order(play, an_order(play, ORDER_OFFER), session, incarnation);
}

static void in_welcome(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_WELCOME};
    play->session = strtoull(word(play, 0), NULL, 10);
    play->incarnation = strtoull(word(play, 1), NULL, 10);
    input.welcome =
        (struct welcome){.session = play->session,
                         .incarnation = play->incarnation,
                         .heartbeat_ms = *word(play, 2) ? strtoull(word(play, 2), NULL, 10) : 1000,
                         .worker = "oak",
                         .log_endpoint = ""};
    step(play, &input);
}

static void in_prepared(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_PREPARED};
    input.prepared.token = token_at(play, 0);
    input.prepared.problem = word(play, 1);
    step(play, &input);
}

static void in_ended(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_PHASE_ENDED};
    struct agent_phase_ended *ended = &input.phase_ended;
    const char *how = word(play, 2);
    int cause = shape_enum_value(cause_names, how);
    const char *paths[] = {"/nix/store/out"};
    shape_init(&product_shape, &ended->product);
    ended->token = token_at(play, 0);
    ended->phase = (enum phase)shape_enum_value(phase_names, word(play, 1));
    ended->detail = "";
    ended->already_published = has(play, "already");
    ended->lines = has(play, "lines") ? "error: no" : NULL;
    ended->facts.disk_bytes = has(play, "disk") ? 1000 : 0;
    ended->unsure = has(play, "unsure");
    ended->facts.wall_ms = 10;
    ended->facts.memory_peak = 100;
    if (strcmp(how, "lost") == 0)
        ended->supervisor_lost = true;
    else if (strcmp(how, "signal") == 0)
        ended->facts = (struct exit_facts){.status = -1, .signal = 15};
    else if (strcmp(how, "silent") == 0)
        ended->facts.silent = true;
    else if (strcmp(how, "timed-out") == 0)
        ended->facts.timed_out = true;
    else if (strcmp(how, "status") == 0)
        ended->facts.status = 1;
    else if (strcmp(how, "pathless") == 0)
        ended->product.derivation = "/nix/store/x.drv";
    else if (cause > 0)
        ended->cause = (enum cause)cause, ended->facts.status = 1;
    else if (strcmp(how, "light") == 0)
        ended->product.isolation = ISOLATION_USERS;
    else if (ended->phase == PHASE_BUILD)
        ended->product =
            (struct product){"/nix/store/x.drv", paths, 1, CHECKED_NONE, "", ISOLATION_NAMESPACES};
    else if (ended->phase == PHASE_CHECK)
        ended->product.checked = CHECKED_CPU;
    step(play, &input);
}

static void in_found(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_FOUND};
    struct agent_found *found = &input.found;
    const char *state = word(play, 1);
    shape_init(&item_shape, &found->result);
    found->order = an_order(play, has(play, "grant") ? ORDER_GRANT : ORDER_OFFER);
    found->order.secret = (struct bytes){0};
    found->phase = PHASE_NONE;
    found->state = ITEM_ACCEPTED;
    if (strcmp(state, "ended") == 0) {
        found->state = ITEM_ENDED;
        found->result.token = found->order.token;
        found->result.state = ITEM_ENDED;
        found->result.outcome = (enum outcome)shape_enum_value(outcome_names, word(play, 2));
    } else if (strcmp(state, "accepted") != 0) {
        found->state = ITEM_RUNNING;
        found->phase = (enum phase)shape_enum_value(phase_names, word(play, 2));
        found->supervisor_gone = strcmp(state, "gone") == 0;
    }
    step(play, &input);
}

static void in_look(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_LOOKED};
    int cause = shape_enum_value(cause_names, word(play, 2));
    input.looked.token = token_at(play, 0);
    input.looked.bytes = strtoull(word(play, 1), NULL, 10);
    input.looked.stop_cause = cause > 0 ? (enum cause)cause : CAUSE_NONE;
    input.looked.stop_at_ms = strtoull(word(play, 3), NULL, 10);
    step(play, &input);
}

static void in_probe(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_PROBED};
    static struct filesystem disk = {.id = "8:1"};
    play->host.slots += has(play, "more");
    if (has(play, "disk")) {
        play->host.filesystems = &disk;
        play->host.filesystems_count = 1;
    }
    input.probed.capabilities = play->host;
    step(play, &input);
}

static void in_tick(struct play *play)
{
    step(play, &(struct agent_input){.kind = AGENT_INPUT_TICK});
}

static void in_again(struct play *play)
{
    step(play, &(struct agent_input){.kind = AGENT_INPUT_HELLO_AGAIN});
}

/* The answer to a status of an earlier session. */
static void in_again_late(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_HELLO_AGAIN};
    input.hello_again.session = play->session - 1;
    step(play, &input);
}

static void in_connected(struct play *play)
{
    step(play, &(struct agent_input){.kind = AGENT_INPUT_CONNECTED});
}

static void refused(struct play *play, bool permanent)
{
    struct agent_input input = {.kind = AGENT_INPUT_REFUSED};
    input.refused = (struct refused){"no", permanent};
    step(play, &input);
}

static void in_refused(struct play *play)
{
    refused(play, false);
}

static void in_refused_forever(struct play *play)
{
    refused(play, true);
}

static void in_awaits(struct play *play)
{
    for (uint64_t number = 1; number < 10; number++)
        if (agent_awaits_secret(play->agent, (struct token){1, number}))
            buf_print(&play->transcript, "  the secret of %llu\n", (unsigned long long)number);
}

static const struct {
    const char *name;
    void (*play)(struct play *play);
} inputs[] = {
    {"tick", in_tick},           {"again", in_again},       {"again-late", in_again_late},
    {"connected", in_connected}, {"refused", in_refused},   {"refused-forever", in_refused_forever},
    {"welcome", in_welcome},     {"offer", in_offer},       {"grant", in_grant},
    {"stop", in_stop},           {"forget", in_forget},     {"order", in_order},
    {"stale", in_stale},         {"prepared", in_prepared}, {"ended", in_ended},
    {"awaits", in_awaits},       {"found", in_found},       {"look", in_look},
    {"probe", in_probe},
};

static void play_line(struct play *play, const char *line)
{
    size_t size = strcspn(line, " ");
    buf_print(&play->transcript, "%s\n", line);
    if (line[0] == '+') {
        play->now_ms += strtoull(line + 1, NULL, 10);
        return;
    }
    play->line = line[size] ? line + size + 1 : "";
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        if (strlen(inputs[i].name) == size && strncmp(inputs[i].name, line, size) == 0) {
            inputs[i].play(play);
            return;
        }
    fail_msg("no such input: %s", line);
}

static void play_all(struct play *play, const char *history)
{
    char *copy = mem_text(history), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")))
        if (line[0] != ' ' && line[0] != '\0')
            play_line(play, line);
    free(copy);
    assert_string_equal((char *)play->transcript.data, history);
}

static void assert_history_on(const struct capabilities *host, const char *history)
{
    struct play play;
    play_begin(&play, host);
    play_all(&play, history);
    play_end(&play);
}

static void assert_history(const char *history)
{
    struct capabilities host = a_host();
    assert_history_on(&host, history);
}

/* ---- histories ---- */

#define WELCOMED                                                                                   \
    "tick\n"                                                                                       \
    "  hello\n"                                                                                    \
    "welcome 7 1\n"                                                                                \
    "  status 1\n"

static void an_attempt_goes_through_its_phases(void **state)
{
    (void)state;
    assert_history(WELCOMED "offer 1 heavy check\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "prepared 1\n"
                            "  start 1 checkout\n"
                            "  status 3 1:running-checkout\n"
                            "ended 1 checkout ok\n"
                            "  start 1 build\n"
                            "  status 4 1:running-build\n"
                            "ended 1 build ok\n"
                            "  start 1 check\n"
                            "  status 5 1:running-check\n"
                            "ended 1 check ok\n"
                            "  save 1:ended-ok\n"
                            "  status 6 1:ended-ok\n"
                            "forget 1\n"
                            "  forget 1\n"
                            "  status 7\n");
}

static void a_light_job_only_builds(void **state)
{
    (void)state;
    assert_history(WELCOMED "offer 1\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "prepared 1\n"
                            "  start 1 build\n"
                            "  status 3 1:running-build\n"
                            "ended 1 build ok\n"
                            "  save 1:ended-ok\n"
                            "  status 4 1:ended-ok\n");
}

/* The loop drops a secret that the agent does not await. */
static void a_secret_is_awaited_until_its_publish_starts(void **state)
{
    (void)state;
    assert_history(WELCOMED "grant 1 flox secret\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "offer 2 secret\n"
                            "  prepare 2\n"
                            "  status 3 1:accepted 2:accepted\n"
                            "awaits\n"
                            "  the secret of 1\n"
                            "prepared 1\n"
                            "  start 1 checkout\n"
                            "  status 4 1:running-checkout 2:accepted\n"
                            "awaits\n"
                            "  the secret of 1\n"
                            "ended 1 checkout auth\n"
                            "  save 1:ended-failed(auth)\n"
                            "  status 5 1:ended-failed(auth) 2:accepted\n"
                            "awaits\n"
                            "grant 3 cache secret\n"
                            "  prepare 3\n"
                            "  status 6 1:ended-failed(auth) 2:accepted 3:accepted\n"
                            "prepared 3\n"
                            "  start 3 publish\n"
                            "  status 7 1:ended-failed(auth) 2:accepted 3:running-publish\n"
                            "awaits\n"
                            "grant 1 flox secret\n" /* once more: it ended */
                            "awaits\n");
}

static void publications(void **state)
{
    (void)state;
    assert_history(WELCOMED "grant 1 cache checkout secret\n" /* a cache needs no worktree */
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "prepared 1\n"
                            "  start 1 publish\n"
                            "  status 3 1:running-publish\n"
                            "ended 1 publish ok already\n"
                            "  save 1:ended-ok!\n"
                            "  status 4 1:ended-ok!\n"
                            "grant 2 flox secret\n"
                            "  prepare 2\n"
                            "  status 5 1:ended-ok! 2:accepted\n"
                            "prepared 2\n"
                            "  start 2 checkout\n"
                            "  status 6 1:ended-ok! 2:running-checkout\n"
                            "awaits\n"
                            "  the secret of 2\n"
                            "ended 2 checkout ok\n"
                            "  start 2 publish\n"
                            "  status 7 1:ended-ok! 2:running-publish\n"
                            "ended 2 publish auth\n"
                            "  save 2:ended-failed(auth)\n"
                            "  status 8 1:ended-ok! 2:ended-failed(auth)\n");
}

/* A publish that does not say how it ended may have happened; a build did not. */
static void what_was_cut_off(void **state)
{
    (void)state;
    assert_history("found 1 running publish grant\n"
                   "found 2 running publish grant\n"
                   "found 3 running build\n"
                   "found 4 running publish grant\n"
                   "ended 1 publish signal\n"
                   "  save 1:ended-failed(unknown)?\n"
                   "  hello 1:ended-failed(unknown)? 2:running-publish 3:running-build "
                   "4:running-publish\n"
                   "ended 2 publish lost\n"
                   "  save 2:ended-lost(host-lost)?\n"
                   "ended 3 build lost\n"
                   "  save 3:ended-lost(host-lost)\n"
                   "ended 4 publish network unsure\n"
                   "  save 4:ended-failed(network)?\n");
}

static void a_phase_that_fails_is_the_last(void **state)
{
    (void)state;
    assert_history(WELCOMED "offer 1 check\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "prepared 1\n"
                            "  start 1 checkout\n"
                            "  status 3 1:running-checkout\n"
                            "ended 1 build ok\n" /* not the phase that runs */
                            "ended 1 checkout network\n"
                            "  save 1:ended-failed(network)\n"
                            "  status 4 1:ended-failed(network)\n"
                            "ended 1 checkout ok\n");
}

static void orders_are_idempotent(void **state)
{
    (void)state;
    assert_history(WELCOMED "offer 1\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "offer 1\n"
                            "prepared 1\n"
                            "  start 1 build\n"
                            "  status 3 1:running-build\n"
                            "offer 1\n"
                            "prepared 1\n"
                            "forget 1\n" /* nothing but a stop ends it */
                            "stop 1\n"
                            "  kill 1 build\n"
                            "stop 1\n"
                            "offer 1\n"
                            "forget 1\n"
                            "ended 1 build signal\n"
                            "  save 1:ended-stopped\n"
                            "  status 4 1:ended-stopped\n"
                            "stop 1\n"
                            "offer 1\n"
                            "forget 1\n"
                            "  forget 1\n"
                            "  status 5\n"
                            "forget 1\n"
                            "stop 1\n"
                            "offer 1\n" /* it comes late: its token is spent */
                            "grant 1\n");
}

static void a_stop_may_come_at_any_time(void **state)
{
    (void)state;
    assert_history(WELCOMED "stop 1\n" /* before the offer */
                            "  save 1:ended-stopped\n"
                            "  status 2 1:ended-stopped\n"
                            "offer 1\n"
                            "offer 2\n"
                            "  prepare 2\n"
                            "  status 3 1:ended-stopped 2:accepted\n"
                            "stop 2\n" /* before there is a folder */
                            "stop 2\n"
                            "forget 2\n"
                            "prepared 2\n"
                            "  save 2:ended-stopped\n"
                            "  status 4 1:ended-stopped 2:ended-stopped\n"
                            "offer 3\n"
                            "  prepare 3\n"
                            "  status 5 1:ended-stopped 2:ended-stopped 3:accepted\n"
                            "stop 3\n"
                            "prepared 3 disk-full\n"
                            "  save 3:ended-stopped\n"
                            "  status 6 1:ended-stopped 2:ended-stopped 3:ended-stopped\n");
}

/* It ended well before the signal reached it: then it is published, whatever was wished. */
static void a_stopped_publish_tells_the_truth(void **state)
{
    (void)state;
    assert_history("found 1 running publish grant\n"
                   "found 2 running publish grant\n"
                   "found 3 running build\n"
                   "welcome 7 1\n"
                   "  status 1 1:running-publish 2:running-publish 3:running-build\n"
                   "stop 1\n"
                   "  kill 1 publish\n"
                   "stop 2\n"
                   "  kill 2 publish\n"
                   "stop 3\n"
                   "  kill 3 build\n"
                   "ended 1 publish ok\n"
                   "  save 1:ended-ok\n"
                   "  status 2 1:ended-ok 2:running-publish 3:running-build\n"
                   "ended 2 publish signal\n"
                   "  save 2:ended-stopped?\n"
                   "  status 3 1:ended-ok 2:ended-stopped? 3:running-build\n"
                   "ended 3 build ok\n" /* no longer wanted: no matter */
                   "  save 3:ended-stopped\n"
                   "  status 4 1:ended-ok 2:ended-stopped? 3:ended-stopped\n");
}

static void folders_that_cannot_be_made(void **state)
{
    (void)state;
    assert_history(WELCOMED "offer 1\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "prepared 1 disk-full\n"
                            "  save 1:ended-refused\n"
                            "  status 3 1:ended-refused\n"
                            "forget 1\n"
                            "  forget 1\n"
                            "  status 4\n");
}

static void no_more_than_its_slots(void **state)
{
    (void)state;
    assert_history(WELCOMED "offer 1 heavy\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "offer 2 heavy\n"
                            "  save 2:ended-refused\n"
                            "  status 3 1:accepted 2:ended-refused\n"
                            "offer 3\n"
                            "  prepare 3\n"
                            "  status 4 1:accepted 2:ended-refused 3:accepted\n"
                            "offer 4\n"
                            "  save 4:ended-refused\n"
                            "  status 5 1:accepted 2:ended-refused 3:accepted 4:ended-refused\n"
                            "grant 5\n" /* takes no slot */
                            "  prepare 5\n"
                            "  status 6 1:accepted 2:ended-refused 3:accepted 4:ended-refused "
                            "5:accepted\n");
}

static void hosts_with_a_problem(void **state)
{
    (void)state;
    struct capabilities host = a_host();
    host.problem = "git missing";
    host.may_publish = false;
    assert_history_on(&host, WELCOMED "offer 1\n"
                                      "  save 1:ended-refused\n"
                                      "  status 2 1:ended-refused\n"
                                      "grant 2\n"
                                      "  save 2:ended-refused\n"
                                      "  status 3 1:ended-refused 2:ended-refused\n");
}

static void what_is_found_goes_on(void **state)
{
    (void)state;
    assert_history("found 1 ended ok\n"
                   "found 2 running build check\n"
                   "found 3 gone build\n"
                   "  save 3:ended-lost(host-lost)\n"
                   "found 4 accepted checkout\n"
                   "  start 4 checkout\n"
                   "found 5 accepted grant secret\n" /* the secret died with the agent */
                   "  save 5:ended-lost(host-lost)\n"
                   "found 6 running checkout grant flox secret\n"
                   "found 7 accepted grant\n"
                   "  start 7 publish\n"
                   "found 1 ended failed\n" /* told twice */
                   "tick\n"
                   "  hello 1:ended-ok 2:running-build 3:ended-lost(host-lost) 4:running-checkout "
                   "5:ended-lost(host-lost) 6:running-checkout 7:running-publish\n"
                   "ended 6 checkout ok\n"
                   "  save 6:ended-lost(host-lost)\n"
                   "ended 2 build ok\n"
                   "  start 2 check\n"
                   "forget 1\n" /* not welcomed: nobody may say that */
                   "welcome 7 1\n"
                   "  status 1 1:ended-ok 2:running-check 3:ended-lost(host-lost) "
                   "4:running-checkout 5:ended-lost(host-lost) 6:ended-lost(host-lost) "
                   "7:running-publish\n");
}

static void stale_orders_are_ignored(void **state)
{
    (void)state;
    assert_history(WELCOMED "stale 6 1 offer 1\n"
                            "stale 7 0 offer 1\n"
                            "stale 7 2 offer 1\n"
                            "welcome 8 1\n"
                            "  status 2\n"
                            "stale 7 1 offer 1\n"
                            "offer 1\n"
                            "  prepare 1\n"
                            "  status 3 1:accepted\n");
}

static void heartbeats(void **state)
{
    (void)state;
    assert_history(WELCOMED "+999\n"
                            "tick\n"
                            "look 1 5\n" /* unknown */
                            "+1\n"
                            "tick\n"
                            "  status 2\n"
                            "offer 1\n"
                            "  prepare 1\n"
                            "  status 3 1:accepted\n"
                            "look 1 5000\n" /* told with the next heartbeat */
                            "look 1 4000\n"
                            "+1000\n"
                            "tick\n"
                            "  status 4 1:accepted+5000\n"
                            "probe\n" /* free bytes change: no reason to say hello */
                            "+100\n"
                            "tick\n");
}

/* At once, not with the next heartbeat; once; and it is over with its phase. */
static void a_coming_stop_is_told_and_taken_back(void **state)
{
    (void)state;
    assert_history(WELCOMED "offer 1 check\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "prepared 1\n"
                            "  start 1 checkout\n"
                            "  status 3 1:running-checkout\n"
                            "ended 1 checkout ok\n"
                            "  start 1 build\n"
                            "  status 4 1:running-build\n"
                            "look 1 5 silent 9000\n"
                            "  status 5 1:running-build+5<silent@9000>\n"
                            "look 1 5 silent 9000\n"
                            "look 1 6\n"
                            "  status 6 1:running-build+6\n"
                            "look 1 6 timeout 9500\n"
                            "  status 7 1:running-build+6<timeout@9500>\n"
                            "ended 1 build ok\n"
                            "  start 1 check\n"
                            "  status 8 1:running-check+6\n"
                            "look 1 6 timeout 9900\n"
                            "  status 9 1:running-check+6<timeout@9900>\n"
                            "ended 1 check timeout\n"
                            "  save 1:ended-failed(timeout)+6\n"
                            "  status 10 1:ended-failed(timeout)+6\n"
                            "look 1 6 timeout 9900\n"); /* nothing ends twice */
}

static void a_changed_host_says_hello(void **state)
{
    (void)state;
    assert_history(WELCOMED "probe\n"
                            "+1000\n"
                            "probe more\n"
                            "  hello\n"
                            "welcome 8 1\n"
                            "  status 2\n");
}

/* Silence, a lost session, a refusal: it says hello, and what runs goes on. */
static void losing_the_coordinator(void **state)
{
    (void)state;
    assert_history(WELCOMED "offer 1\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "prepared 1\n"
                            "  start 1 build\n"
                            "  status 3 1:running-build\n"
                            "+2999\n"
                            "tick\n"
                            "  status 4 1:running-build\n"
                            "+1\n"
                            "tick\n"
                            "  hello 1:running-build\n"
                            "ended 1 build ok\n" /* nobody to tell */
                            "  save 1:ended-ok\n"
                            "+100\n"
                            "tick\n"
                            "  hello 1:ended-ok\n"
                            "welcome 8 2\n"
                            "  status 5 1:ended-ok\n"
                            "again\n" /* it just did: a moment later */
                            "+100\n"
                            "tick\n"
                            "  hello 1:ended-ok\n"
                            "welcome 9 2\n"
                            "  status 6 1:ended-ok\n"
                            "again-late\n"
                            "+100\n"
                            "tick\n"
                            "welcome 5 1\n" /* of a coordinator that is no more */
                            "+500\n"
                            "again\n"
                            "  hello 1:ended-ok\n"
                            "refused-forever\n"
                            "+29999\n"
                            "tick\n"
                            "+31000\n"
                            "tick\n"
                            "  hello 1:ended-ok\n");
}

/* Who is there may be the same coordinator, which learns where we are now, or one that was started
 * meanwhile, which asks for a hello: neither waits for a heartbeat. */
static void a_new_connection_is_spoken_on_at_once(void **state)
{
    (void)state;
    assert_history(WELCOMED "+500\n"
                            "connected\n"
                            "  status 2\n"
                            "again\n"
                            "  hello\n"
                            "+10\n"
                            "connected\n" /* one is under way */
                            "refused-forever\n"
                            "+500\n"
                            "connected\n"
                            "  hello\n");
}

/* A coordinator without orders is silent too: it is not asked for ever. */
static void silence_is_asked_after_less_and_less(void **state)
{
    (void)state;
    assert_history(WELCOMED "+3000\n"
                            "tick\n"
                            "  hello\n"
                            "welcome 8 1\n"
                            "  status 2\n"
                            "+5999\n"
                            "tick\n"
                            "  status 3\n"
                            "+1\n"
                            "tick\n"
                            "  hello\n"
                            "welcome 9 1\n"
                            "  status 4\n"
                            "stop 1\n"
                            "  save 1:ended-stopped\n"
                            "  status 5 1:ended-stopped\n"
                            "+3000\n"
                            "tick\n"
                            "  hello 1:ended-stopped\n");
}

/* ---- every order in every state, and any sequence at all ---- */

static void silent_step(struct play *play, const char *line)
{
    play_line(play, line);
    buf_clear(&play->transcript);
}

/* What must hold whatever happened. */
static void assert_sane(struct play *play, bool *ended)
{
    const struct item *items;
    size_t count = agent_items(play->agent, &items), active = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(items[i].state != ITEM_NONE);
        for (size_t j = 0; j < i; j++)
            assert_false(token_equal(items[i].token, items[j].token));
        assert_true(items[i].state != ITEM_ENDED || items[i].outcome != OUTCOME_NONE);
        assert_true(items[i].outcome == OUTCOME_NONE || items[i].state == ITEM_ENDED);
        assert_true(items[i].outcome != OUTCOME_FAILED || items[i].cause != CAUSE_NONE);
        active += items[i].state != ITEM_ENDED && !items[i].is_publication;
        if (ended[items[i].token.number])
            assert_int_equal(items[i].state, ITEM_ENDED); /* ended stays ended */
        ended[items[i].token.number] = items[i].state == ITEM_ENDED;
    }
    assert_true(active <= 2);
}

static void any_sequence_is_survived(void **state)
{
    (void)state;
    static const char *const lines[] = {"offer %d",
                                        "offer %d heavy",
                                        "offer %d checkout",
                                        "offer %d check heavy",
                                        "grant %d",
                                        "grant %d flox",
                                        "stop %d",
                                        "forget %d",
                                        "prepared %d",
                                        "prepared %d problem",
                                        "ended %d checkout ok",
                                        "ended %d build ok",
                                        "ended %d check ok",
                                        "ended %d publish ok",
                                        "ended %d build oom",
                                        "ended %d build lost",
                                        "ended %d publish signal",
                                        "look %d 17",
                                        "look %d 17 silent 9000",
                                        "stale 3 3 offer %d",
                                        "tick",
                                        "again",
                                        "connected",
                                        "welcome 7 1",
                                        "refused",
                                        "+700",
                                        "prepared %d",
                                        "ended %d build ok",
                                        "offer %d"};
    for (unsigned seed = 0; seed < 300; seed++) {
        struct play play;
        struct capabilities host = a_host();
        bool ended[64] = {false};
        play_begin(&play, &host);
        silent_step(&play, "tick");
        silent_step(&play, "welcome 7 1");
        srand(seed);
        for (int n = 0; n < 400; n++) {
            char line[64];
            const char *pattern = lines[(size_t)rand() % (sizeof lines / sizeof lines[0])];
            int token = rand() % 12 + 1;
            if (strchr(pattern, '%'))
                snprintf(line, sizeof line, "%.*s%d%s", (int)(strchr(pattern, '%') - pattern),
                         pattern, token, strchr(pattern, '%') + 2);
            else
                snprintf(line, sizeof line, "%s", pattern);
            silent_step(&play, line);
            assert_sane(&play, ended);
        }
        play_end(&play);
    }
}

/* The same inputs, the same effects. */
static void it_is_deterministic(void **state)
{
    (void)state;
    struct buf transcripts[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        struct play play;
        struct capabilities host = a_host();
        play_begin(&play, &host);
        for (int n = 0; n < 30; n++) {
            play_line(&play, "+777");
            play_line(&play, n == 20 ? "welcome 7 1" : "tick");
        }
        transcripts[i] = play.transcript;
        play.transcript = (struct buf){0};
        play_end(&play);
    }
    assert_string_equal((char *)transcripts[0].data, (char *)transcripts[1].data);
    assert_non_null(strstr((char *)transcripts[0].data, "hello"));
    buf_release(&transcripts[0]);
    buf_release(&transcripts[1]);
}

static void facts_add_up(void **state)
{
    (void)state;
    struct play play;
    struct capabilities host = a_host();
    const struct item *item;
    play_begin(&play, &host);
    silent_step(&play, "tick");
    silent_step(&play, "welcome 7 1");
    silent_step(&play, "offer 1 check");
    silent_step(&play, "prepared 1");
    silent_step(&play, "ended 1 checkout ok");
    silent_step(&play, "ended 1 build ok");
    silent_step(&play, "ended 1 check ok");
    assert_int_equal(agent_items(play.agent, &item), 1);
    assert_int_equal(item->facts.wall_ms, 30);
    assert_int_equal(item->facts.memory_peak, 100);
    assert_int_equal(item->product.checked, CHECKED_CPU);
    assert_int_equal(item->product.paths_count, 1);
    assert_string_equal(item->product.derivation, "/nix/store/x.drv");
    assert_int_equal(item->product.isolation, ISOLATION_NAMESPACES);
    play_end(&play);
}

/* A command without a checkout has no product of its own; its check says nothing of the level. */
static void the_level_of_isolation_stays_with_the_attempt(void **state)
{
    (void)state;
    struct play play;
    struct capabilities host = a_host();
    const struct item *item;
    play_begin(&play, &host);
    silent_step(&play, "tick");
    silent_step(&play, "welcome 7 1");
    silent_step(&play, "offer 1 check");
    silent_step(&play, "prepared 1");
    silent_step(&play, "ended 1 checkout ok");
    silent_step(&play, "ended 1 build light");
    silent_step(&play, "ended 1 check ok");
    assert_int_equal(agent_items(play.agent, &item), 1);
    assert_int_equal(item->product.isolation, ISOLATION_USERS);
    assert_int_equal(item->product.checked, CHECKED_CPU);
    play_end(&play);
}

static void which_phases_an_order_has(void **state)
{
    (void)state;
    struct order order;
    shape_init(&order_shape, &order);
    order.recipe.checkout = order.recipe.has_check = true;
    assert_true(agent_wants_phase(&order, PHASE_CHECK));
    assert_true(agent_wants_phase(&order, PHASE_CHECKOUT));
    assert_false(agent_wants_phase(&order, PHASE_PUBLISH));
    assert_false(agent_wants_phase(&order, PHASE_NONE));
    order.recipe.check = CHECK_OFF;
    assert_false(agent_wants_phase(&order, PHASE_CHECK));
    order.is_publication = true;
    static const struct {
        enum target_kind kind;
        bool of_checkout, without;
    } cases[] = {
        {TARGET_FLOX, true, true}, {TARGET_NIX_CACHE, false, false}, {TARGET_COMMAND, true, false}};
    for (size_t i = 0; i < 3; i++) {
        order.target.kind = cases[i].kind;
        order.recipe.checkout = true;
        assert_int_equal(agent_wants_phase(&order, PHASE_CHECKOUT), cases[i].of_checkout);
        order.recipe.checkout = false;
        assert_int_equal(agent_wants_phase(&order, PHASE_CHECKOUT), cases[i].without);
    }
}

/* A stop that finds no item makes one of the order's kind, by the field alone. */
static void a_stop_of_an_unknown_publication_is_one(void **state)
{
    (void)state;
    struct capabilities host = a_host();
    struct play play;
    const struct item *item;
    play_begin(&play, &host);
    silent_step(&play, "tick");
    silent_step(&play, "welcome 7 1");
    silent_step(&play, "stop 1");
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = ORDER_STOP;
    order.token = (struct token){1, 2};
    order.is_publication = true;
    give_order(&play, order, 7, 1);
    assert_int_equal(agent_items(play.agent, &item), 2);
    assert_false(item[0].is_publication);
    assert_true(item[1].is_publication);
    play_end(&play);
}

/* Whatever an exit says, what was cut off did not end well, and a publish of that kind may have
 * happened. */
static void each_way_to_end_badly(void **state)
{
    (void)state;
    static const char *const ways[] = {"status", "signal", "silent", "timed-out"};
    for (size_t i = 0; i < 4; i++) {
        char history[400];
        snprintf(history, sizeof history,
                 WELCOMED "grant 1 cache\n"
                          "  prepare 1\n"
                          "  status 2 1:accepted\n"
                          "prepared 1\n"
                          "  start 1 publish\n"
                          "  status 3 1:running-publish\n"
                          "ended 1 publish %s\n"
                          "  save 1:ended-failed(unknown)%s\n"
                          "  status 4 1:ended-failed(unknown)%s\n",
                 ways[i], i ? "?" : "", i ? "?" : "");
        assert_history(history);
    }
}

static void a_stopped_publish_may_lose_its_supervisor(void **state)
{
    (void)state;
    assert_history(WELCOMED "grant 1 cache\n"
                            "  prepare 1\n"
                            "  status 2 1:accepted\n"
                            "prepared 1\n"
                            "  start 1 publish\n"
                            "  status 3 1:running-publish\n"
                            "stop 1\n"
                            "  kill 1 publish\n"
                            "ended 1 publish lost\n"
                            "  save 1:ended-stopped?\n"
                            "  status 4 1:ended-stopped?\n");
}

static void a_product_may_have_no_paths_yet(void **state)
{
    (void)state;
    struct play play;
    const struct item *items;
    struct capabilities host = a_host();
    play_begin(&play, &host);
    silent_step(&play, "tick");
    silent_step(&play, "welcome 7 1");
    silent_step(&play, "offer 1 checkout");
    silent_step(&play, "prepared 1");
    silent_step(&play, "ended 1 checkout ok disk");
    silent_step(&play, "ended 1 build pathless lines");
    assert_int_equal(agent_items(play.agent, &items), 1);
    assert_int_equal(items[0].facts.disk_bytes, 1000); /* the most of all phases */
    assert_string_equal(items[0].lines, "error: no");
    assert_string_equal(items[0].product.derivation, "/nix/store/x.drv");
    assert_int_equal(items[0].outcome, OUTCOME_OK);
    play_end(&play);
}

/* A coordinator asks for a heartbeat in reason, whatever it says. */
static void heartbeats_have_bounds(void **state)
{
    (void)state;
    assert_history("again\n" /* nobody was spoken to yet */
                   "  hello\n"
                   "welcome 7 1 1\n"
                   "  status 1\n"
                   "order 1\n" /* a kind of order that is not known */
                   "+20\n"
                   "tick\n"
                   "  status 2\n"
                   "welcome 8 1 999999\n"
                   "  status 3\n"
                   "+59999\n"
                   "tick\n"
                   "+1\n"
                   "tick\n"
                   "  status 4\n"
                   "probe disk\n"
                   "  hello\n");
}

static void silence_is_asked_after_in_the_end_every_192_heartbeats(void **state)
{
    (void)state;
    struct play play;
    struct capabilities host = a_host();
    play_begin(&play, &host);
    silent_step(&play, "tick");
    silent_step(&play, "welcome 7 1");
    uint64_t asked_ms = play.now_ms, silence_ms = 0;
    for (int hellos = 0; hellos < 9;) {
        play.now_ms = agent_deadline_ms(play.agent);
        play_line(&play, "tick");
        if (strstr((char *)play.transcript.data, "hello")) {
            silence_ms = play.now_ms - asked_ms;
            hellos++;
            silent_step(&play, "welcome 7 1");
            asked_ms = play.now_ms;
        }
        buf_clear(&play.transcript);
    }
    assert_int_equal(silence_ms, 192 * 1000);
    play_end(&play);
}

/* More than a status may list is not begun, nor stopped in advance; the oldest of the forgotten are
 * forgotten for good. */
static void lists_are_bounded(void **state)
{
    (void)state;
    struct play play;
    const struct item *items;
    struct capabilities host = a_host();
    char line[40];
    play_begin(&play, &host);
    silent_step(&play, "tick");
    silent_step(&play, "welcome 7 1");
    for (int i = 1; i <= 1030; i++) {
        snprintf(line, sizeof line, "stop %d", i);
        silent_step(&play, line);
        snprintf(line, sizeof line, "forget %d", i);
        silent_step(&play, line);
    }
    silent_step(&play, "stop 1030");
    assert_int_equal(agent_items(play.agent, &items), 0);
    silent_step(&play, "stop 1");
    assert_int_equal(agent_items(play.agent, &items), 1);
    struct order orders[LIMIT_ITEMS_PER_STATUS];
    play.line = "1";
    for (size_t i = 0; i < LIMIT_ITEMS_PER_STATUS; i++) {
        orders[i] = an_order(&play, ORDER_STOP);
        orders[i].token.number = 5000 + i;
    }
    struct agent_input input = {.kind = AGENT_INPUT_ORDERS};
    input.orders = (struct orders){7, 1, orders, LIMIT_ITEMS_PER_STATUS};
    step(&play, &input);
    assert_int_equal(agent_items(play.agent, &items), LIMIT_ITEMS_PER_STATUS);
    silent_step(&play, "offer 4000");
    assert_int_equal(agent_items(play.agent, &items), LIMIT_ITEMS_PER_STATUS);
    play_end(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_goes_through_its_phases),
        cmocka_unit_test(a_light_job_only_builds),
        cmocka_unit_test(a_secret_is_awaited_until_its_publish_starts),
        cmocka_unit_test(publications),
        cmocka_unit_test(what_was_cut_off),
        cmocka_unit_test(a_phase_that_fails_is_the_last),
        cmocka_unit_test(orders_are_idempotent),
        cmocka_unit_test(a_stop_may_come_at_any_time),
        cmocka_unit_test(a_stopped_publish_tells_the_truth),
        cmocka_unit_test(folders_that_cannot_be_made),
        cmocka_unit_test(no_more_than_its_slots),
        cmocka_unit_test(hosts_with_a_problem),
        cmocka_unit_test(what_is_found_goes_on),
        cmocka_unit_test(stale_orders_are_ignored),
        cmocka_unit_test(heartbeats),
        cmocka_unit_test(a_coming_stop_is_told_and_taken_back),
        cmocka_unit_test(a_changed_host_says_hello),
        cmocka_unit_test(losing_the_coordinator),
        cmocka_unit_test(a_new_connection_is_spoken_on_at_once),
        cmocka_unit_test(silence_is_asked_after_less_and_less),
        cmocka_unit_test(any_sequence_is_survived),
        cmocka_unit_test(it_is_deterministic),
        cmocka_unit_test(facts_add_up),
        cmocka_unit_test(the_level_of_isolation_stays_with_the_attempt),
        cmocka_unit_test(which_phases_an_order_has),
        cmocka_unit_test(a_stop_of_an_unknown_publication_is_one),
        cmocka_unit_test(each_way_to_end_badly),
        cmocka_unit_test(a_stopped_publish_may_lose_its_supervisor),
        cmocka_unit_test(a_product_may_have_no_paths_yet),
        cmocka_unit_test(heartbeats_have_bounds),
        cmocka_unit_test(silence_is_asked_after_in_the_end_every_192_heartbeats),
        cmocka_unit_test(lists_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
