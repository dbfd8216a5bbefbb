/* SPDX-License-Identifier: MIT */
/* fleet.c - see fleet.h. */
#include "deploy/fleet.h"

#include "deploy/rollout_scripts.h"
#include "proto/base/clock.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* How often the callback `act` is called again while it is not done. */
#define ASK_EVERY_MS 100

struct fleet {
    const struct fleet_callbacks *callbacks;
    struct fleet_host *members;
    size_t count;
};

/* ---- a host's state -------------------------------------------------------------------------- */

static void member_end(struct fleet *fleet, struct fleet_host *member, enum fleet_state state)
{
    member->state = state;
    member->ended_ms = clock_boot_ms();
    ssh_close(member->ssh); /* also releases the lock on the host */
    member->ssh = NULL;
    fleet->callbacks->tell(fleet->callbacks->context, member);
}

static void member_fail(struct fleet *fleet, struct fleet_host *member, const char *text)
{
    member->error = arena_text(&member->arena, text);
    member_end(fleet, member, FLEET_FAILED);
}

static void member_begin(struct fleet *fleet, struct fleet_host *member)
{
    member->state = FLEET_CONNECTING;
    member->began_ms = clock_boot_ms();
    member->home = member->service = member->error = member->public_key = "";
    member->ssh = ssh_open(&member->to, member->trust);
    fleet->callbacks->tell(fleet->callbacks->context, member);
}

static void start_probe(struct fleet_host *member)
{
    const char *kind = member->goal == FLEET_FARM ? "-coordinator" : "";
    const char *script = rollout_probe(member->prefix, kind, member->wanted.bundles,
                                       member->wanted.bundle_count, &member->arena);
    struct ssh_command command = {.line = "exec sh -s",
                                  .input = {(const uint8_t *)script, strlen(script)},
                                  .quiet_ms = LIMIT_SSH_QUIET_MS};
    member->state = FLEET_PROBING;
    ssh_run(member->ssh, &command);
}

static struct step_call call_of(struct fleet *fleet, struct fleet_host *member)
{
    return (struct step_call){.facts = member->facts,
                              .wanted = &member->wanted,
                              .plan = &member->plan,
                              .who = fleet->callbacks->who,
                              .home = member->home,
                              .farm = &member->farm,
                              .wall_ms = clock_wall_ms(),
                              .restart = member->restart};
}

static const char *text_of(const struct buf *text)
{
    return text->size ? (const char *)text->data : "";
}

/* ---- planning -------------------------------------------------------------------------------- */

static void make_plan(struct fleet_host *member)
{
    if (member->goal == FLEET_LEAVE)
        rollout_plan_leaving(member->facts, &member->wanted, member->purges, &member->arena,
                             &member->plan);
    else if (member->goal == FLEET_FARM)
        rollout_plan_farm(member->facts, &member->wanted, &member->arena, &member->plan);
    else
        rollout_plan(member->facts, &member->wanted, &member->arena, &member->plan);
}

/* Runs the checks on a host that is a worker already. */
static void look_closer(struct fleet *fleet, struct fleet_host *member)
{
    for (member->at = 0; member->at < member->plan.count; member->at++)
        if (member->plan.steps[member->at].step == STEP_DOCTOR && *member->facts->current)
            return;
    member_end(fleet, member, FLEET_DONE);
}

static void member_probed(struct fleet *fleet, struct fleet_host *member)
{
    struct err err;
    const char *text = arena_text(&member->arena, text_of(&ssh_result(member->ssh)->out));
    struct host_facts *facts = arena_new(&member->arena, sizeof *facts);
    member->facts = rollout_observe(text, &member->arena, facts, &err) < 0 ? NULL : facts;
    if (!member->facts || fleet->callbacks->settle(fleet->callbacks->context, member, &err) < 0) {
        member_fail(fleet, member, err.text);
        return;
    }
    make_plan(member);
    member->state = FLEET_STEPPING;
    if (member->goal == FLEET_CHECK)
        look_closer(fleet, member);
    else if (member->plan.problem_count)
        member_fail(fleet, member, member->plan.problems[0]);
    else if (!member->plan.count)
        member_end(fleet, member, FLEET_DONE);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static int read_enrolment(struct fleet_host *member, const json_t *answer, struct err *err)
{
    member->public_key = arena_text(&member->arena, json_get_text(answer, "public_key", ""));
    member->restart |= json_get_flag(answer, "changed");
    return *member->public_key ? 0 : err_set(err, "enrol printed no public key on the host");
}

/* Fails with the first bad check and its fix; keeps all checks for the report. */
static int read_checks(struct fleet_host *member, json_t *answer, struct err *err)
{
    size_t index;
    json_t *check;
    json_decref(member->checks);
    member->checks = json_incref(json_object_get(answer, "checks"));
    json_array_foreach(member->checks, index, check)
    {
        if (!strcmp(json_get_text(check, "state", ""), "bad"))
            return err_set(err, "%s: %s", json_get_text(check, "text", ""),
                           json_get_text(check, "fix", "run `farm-worker doctor` on the host"));
    }
    return 0;
}

static int read_service(struct fleet_host *member, const json_t *answer)
{
    static const char *const kinds[][2] = {{"systemd-system", "a systemd service"},
                                           {"systemd-user", "a systemd user service"},
                                           {"process", "a background process"}};
    const char *kind = json_get_text(answer, "kind", "");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i][0], kind))
            member->service = arena_print(
                &member->arena, "%s%s", kinds[i][1],
                json_get_flag(answer, "starts_at_boot") ? "" : " that does not start at boot");
    member->home = arena_text(&member->arena, json_get_text(answer, "home", ""));
    return 0;
}

/* Parses the output of a step. */
static int read_answer(struct fleet_host *member, enum rollout_step step, struct err *err)
{
    bool speaks = step == STEP_ENROL || step == STEP_DOCTOR || step == STEP_INSTALL ||
                  step == STEP_START || step == STEP_LEAVE || step == STEP_UP;
    const struct buf *out = &ssh_result(member->ssh)->out;
    if (step == STEP_SWITCH)
        member->restart = true;
    if (!speaks)
        return 0;
    json_t *answer = json_loadb(text_of(out), out->size, 0, NULL);
    int result = 0;
    if (!json_is_object(answer))
        result = err_set(err, "%s printed \"%.200s\" on the host, not JSON", step_names[step],
                         text_of(out));
    else if (step == STEP_ENROL)
        result = read_enrolment(member, answer, err);
    else if (step == STEP_UP)
        member->place = json_incref(answer);
    else if (step == STEP_DOCTOR)
        result = read_checks(member, answer, err);
    else
        result = read_service(member, answer);
    json_decref(answer);
    return result;
}

static void next_step(struct fleet *fleet, struct fleet_host *member)
{
    member->at++;
    member->step_began = false;
    if (member->at == member->plan.count || member->goal == FLEET_CHECK)
        member_end(fleet, member, FLEET_DONE);
}

static void start_step(struct fleet *fleet, struct fleet_host *member, enum rollout_step step)
{
    struct step_call call = call_of(fleet, member);
    const char *line = rollout_line(step, &call, &member->arena);
    member->step_began = true;
    member->step_until_ms = clock_boot_ms() + (step == STEP_SMOKE ? LIMIT_SMOKE_MS : LIMIT_SEEN_MS);
    fleet->callbacks->tell(fleet->callbacks->context, member);
    if (!line)
        return;
    struct ssh_command command = {
        .line = line, .quiet_ms = LIMIT_SSH_QUIET_MS, .hold = step == STEP_LOCK};
    if (step == STEP_CONFIG)
        command.input = member->farm.config;
    if (step == STEP_UPLOAD)
        command.input =
            (struct bytes){member->plan.bundle->archive.data, member->plan.bundle->archive.size};
    ssh_run(member->ssh, &command);
}

static void finish_step(struct fleet *fleet, struct fleet_host *member, enum rollout_step step)
{
    struct step_call call = call_of(fleet, member);
    const struct ssh_result *result = ssh_result(member->ssh);
    struct err err;
    bool held = step != STEP_LOCK || !strcmp(text_of(&result->out), "locked\n");
    if (result->status != 0 || !held)
        member_fail(
            fleet, member,
            rollout_complaint(step, &call, result->status, text_of(&result->err), &member->arena));
    else if (read_answer(member, step, &err) < 0)
        member_fail(fleet, member, err.text);
    else
        next_step(fleet, member);
}

static bool is_callback_step(enum rollout_step step)
{
    return step == STEP_ADMIT || step == STEP_TUNNEL || step == STEP_SEEN || step == STEP_SMOKE;
}

static void ask_callbacks(struct fleet *fleet, struct fleet_host *member, enum rollout_step step)
{
    struct err err = {""};
    int result = fleet->callbacks->act(fleet->callbacks->context, member, step, &err);
    if (result < 0)
        member_fail(fleet, member, err.text);
    else if (result > 0)
        next_step(fleet, member);
    else if (clock_boot_ms() > member->step_until_ms)
        member_fail(
            fleet, member,
            *err.text ? err.text
            : step == STEP_SEEN
                ? "the worker was started but does not connect to the coordinator: see its log "
                  "(`farm-worker service status`), and check that it can reach the coordinator"
                : "the smoke task does not end: see `farm status` and `farm why`");
}

static void step_on(struct fleet *fleet, struct fleet_host *member)
{
    enum rollout_step step = member->plan.steps[member->at].step;
    if (!member->step_began)
        start_step(fleet, member, step);
    else if (is_callback_step(step))
        ask_callbacks(fleet, member, step);
    else
        finish_step(fleet, member, step);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void forgive_all(struct fleet *fleet, uint64_t since_ms)
{
    uint64_t away_ms = clock_boot_ms() - since_ms;
    for (size_t i = 0; i < fleet->count; i++)
        if (fleet->members[i].ssh)
            ssh_forgive(fleet->members[i].ssh, away_ms);
}

static void answer_question(struct fleet *fleet, struct fleet_host *member)
{
    const struct fleet_callbacks *callbacks = fleet->callbacks;
    uint64_t since_ms = clock_boot_ms();
    if (ssh_state(member->ssh) == SSH_ASKS_TRUST) {
        bool trusted = callbacks->trust(callbacks->context, ssh_question(member->ssh));
        forgive_all(fleet, since_ms);
        ssh_answer_trust(member->ssh, trusted);
        return;
    }
    char *secret = callbacks->secret(callbacks->context, ssh_question(member->ssh));
    forgive_all(fleet, since_ms);
    ssh_answer_secret(member->ssh, secret);
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* Proceeds with one host as far as possible; true when it would have to wait. */
static bool member_turn(struct fleet *fleet, struct fleet_host *member)
{
    switch (ssh_turn(member->ssh)) {
    case SSH_FAILED:
        member->fault = ssh_fault(member->ssh);
        member_fail(fleet, member, ssh_error(member->ssh));
        return true;
    case SSH_ASKS_TRUST:
    case SSH_ASKS_SECRET:
        answer_question(fleet, member);
        return false;
    case SSH_READY:
        break;
    case SSH_CONNECTING:
    case SSH_HANDSHAKE:
    case SSH_LOGIN:
    case SSH_BUSY:
        return true;
    }
    size_t at = member->at;
    bool began = member->step_began;
    if (member->state == FLEET_CONNECTING)
        start_probe(member);
    else if (member->state == FLEET_PROBING)
        member_probed(fleet, member);
    else
        step_on(fleet, member);
    bool over = member->state == FLEET_DONE || member->state == FLEET_FAILED;
    bool waits = member->state == FLEET_STEPPING && began && at == member->at && member->step_began;
    return over || waits;
}

static bool is_running(const struct fleet_host *member)
{
    return member->state == FLEET_CONNECTING || member->state == FLEET_PROBING ||
           member->state == FLEET_STEPPING;
}

static size_t start_waiting(struct fleet *fleet)
{
    size_t running = 0;
    for (size_t i = 0; i < fleet->count; i++)
        running += is_running(&fleet->members[i]);
    for (size_t i = 0; i < fleet->count && running < LIMIT_SSH_SESSIONS; i++)
        if (fleet->members[i].state == FLEET_WAITING) {
            member_begin(fleet, &fleet->members[i]);
            running++;
        }
    return running;
}

static bool is_sending(const struct fleet_host *member)
{
    return member->state == FLEET_STEPPING && member->plan.steps[member->at].step == STEP_UPLOAD;
}

static void wait_for_any(struct fleet *fleet)
{
    struct pollfd fds[LIMIT_SSH_SESSIONS];
    size_t used = 0;
    uint64_t now_ms = clock_boot_ms(), until_ms = now_ms + 1000;
    for (size_t i = 0; i < fleet->count; i++) {
        struct fleet_host *member = &fleet->members[i];
        uint64_t deadline_ms;
        if (!is_running(member))
            continue;
        assert(used < LIMIT_SSH_SESSIONS);
        ssh_wait(member->ssh, &fds[used++], &deadline_ms);
        if (member->state == FLEET_STEPPING && member->step_began &&
            is_callback_step(member->plan.steps[member->at].step))
            deadline_ms = now_ms + ASK_EVERY_MS;
        until_ms = deadline_ms < until_ms ? deadline_ms : until_ms;
    }
    for (size_t i = 0; i < fleet->count; i++)
        if (is_running(&fleet->members[i]) && is_sending(&fleet->members[i]))
            fleet->callbacks->tell(fleet->callbacks->context, &fleet->members[i]);
    poll(fds, used, until_ms > now_ms ? (int)(until_ms - now_ms) : 0);
}

size_t fleet_run(struct fleet_host *members, size_t count, const struct fleet_callbacks *callbacks)
{
    struct fleet fleet = {callbacks, members, count};
    size_t bad = 0;
    while (start_waiting(&fleet)) {
        bool any_ended = false;
        for (size_t i = 0; i < count; i++) {
            bool was_running = is_running(&members[i]);
            while (is_running(&members[i]) && !member_turn(&fleet, &members[i]))
                ;
            any_ended |= was_running && !is_running(&members[i]);
        }
        if (!any_ended) /* else another host may start, or all have ended */
            wait_for_any(&fleet);
    }
    for (size_t i = 0; i < count; i++)
        bad += members[i].state == FLEET_FAILED;
    return bad;
}

const char *fleet_doing(const struct fleet_host *member, struct arena *arena)
{
    switch (member->state) {
    case FLEET_WAITING:
        return "wait for other hosts";
    case FLEET_CONNECTING:
        return "connect";
    case FLEET_PROBING:
        return "probe the host";
    case FLEET_STEPPING:
        break;
    case FLEET_DONE:
    case FLEET_FAILED:
        return "";
    }
    if (member->at >= member->plan.count)
        return "";
    const struct planned *planned = &member->plan.steps[member->at];
    size_t all = planned->step == STEP_UPLOAD ? member->plan.bundle->archive.size : 0;
    size_t sent = all && member->ssh ? ssh_sent(member->ssh) : 0;
    return all ? arena_print(arena, "%s, %zu %%", planned->text, sent * 100 / all) : planned->text;
}

void fleet_release(struct fleet_host *member)
{
    ssh_close(member->ssh);
    json_decref(member->checks);
    json_decref(member->place);
    arena_clear(&member->arena);
}
