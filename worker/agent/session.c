/* SPDX-License-Identifier: MIT */
#include "worker/agent/session.h"

#include "proto/base/hash.h"
#include "proto/frame.h"

#include <assert.h>
#include <string.h>

enum {
    HELLO_FIRST_MS = 100, /* doubled after each hello, so that 200 workers do not flood the farm */
    HELLO_LAST_MS = 4000,
    HELLO_PERMANENT_MS = 60 * 1000, /* a person must act first; retry all the same */
    HELLO_APART_MS = 100,           /* minimum between two hellos, however often one is requested */
    HEARTBEAT_LEAST_MS = 20,
    HEARTBEAT_MOST_MS = 60 * 1000,
    /* Heartbeats without an answer before the agent says hello again. A coordinator without orders
     * sends nothing, and one that does not know our session answers every status. So silence is
     * usually harmless, and the agent checks at growing intervals. */
    SILENT_BEATS_FIRST = 3,
    SILENT_BEATS_LAST = 192
};

void session_init(struct agent *agent)
{
    agent->hello_wait_ms = HELLO_FIRST_MS;
    agent->silent_beats = SILENT_BEATS_FIRST;
    agent->random = hash_bytes(HASH_START, agent->instance, strlen(agent->instance));
}

static void send_hello(struct agent *agent, struct agent_outcome *outcome)
{
    assert(agent->session_state == SESSION_NONE && "a hello would end the session that is open");
    assert(agent->hello_wait_ms >= HELLO_FIRST_MS && agent->hello_wait_ms <= HELLO_LAST_MS);
    struct hello hello = {.major = FRAME_MAJOR,
                          .minor = FRAME_MINOR,
                          .program = agent->program,
                          .instance = agent->instance,
                          .boot_id = agent->boot_id,
                          .at_ms = agent->now_ms,
                          .capabilities = agent->host,
                          .items = agent->items,
                          .items_count = agent->count};
    struct message *message = &effect_add(outcome, AGENT_EFFECT_SEND, (struct token){0})->message;
    message->kind = MESSAGE_HELLO;
    shape_copy(&hello_shape, &message->hello, &hello, &outcome->arena);
    uint64_t wait = agent->hello_wait_ms;
    agent->hello_last_ms = agent->now_ms;
    agent->hello_at_ms = agent->now_ms + wait / 2 + hash_draw(&agent->random) % (wait / 2 + 1);
    agent->hello_wait_ms = wait * 2 < HELLO_LAST_MS ? wait * 2 : HELLO_LAST_MS;
    assert(agent->hello_at_ms > agent->now_ms && "hellos without a pause");
}

static void send_status(struct agent *agent, struct agent_outcome *outcome)
{
    assert(agent->session_state == SESSION_OPEN && "a status without a session");
    struct status status = {.session = agent->welcome.session,
                            .sequence = ++agent->sequence,
                            .incarnation = agent->welcome.incarnation,
                            .at_ms = agent->now_ms,
                            .items = agent->items,
                            .items_count = agent->count,
                            .filesystems = agent->host.filesystems,
                            .filesystems_count = agent->host.filesystems_count,
                            .pressure = agent->pressure};
    struct message *message = &effect_add(outcome, AGENT_EFFECT_SEND, (struct token){0})->message;
    message->kind = MESSAGE_STATUS;
    shape_copy(&status_shape, &message->status, &status, &outcome->arena);
    agent->status_at_ms = agent->now_ms + agent->welcome.heartbeat_ms;
    assert(agent->status_at_ms > agent->now_ms && "statuses without a pause");
    agent->changed = false;
}

void session_lose(struct agent *agent)
{
    if (agent->session_state == SESSION_OPEN) {
        agent->session_state = SESSION_NONE;
        agent->hello_wait_ms = HELLO_FIRST_MS;
        agent->hello_at_ms = agent->now_ms;
    }
    uint64_t earliest = agent->hello_last_ms ? agent->hello_last_ms + HELLO_APART_MS : 0;
    if (agent->hello_at_ms < earliest)
        agent->hello_at_ms = earliest;
}

void session_take_connection(struct agent *agent)
{
    agent->changed = true;
    if (agent->hello_at_ms > agent->now_ms + HELLO_APART_MS)
        agent->hello_at_ms = agent->now_ms;
}

void session_take_welcome(struct agent *agent, const struct welcome *welcome)
{
    if (agent->session_state == SESSION_OPEN && welcome->incarnation < agent->welcome.incarnation)
        return; /* from an earlier incarnation of the coordinator */
    uint64_t heartbeat_ms = welcome->heartbeat_ms;
    if (heartbeat_ms < HEARTBEAT_LEAST_MS)
        heartbeat_ms = HEARTBEAT_LEAST_MS;
    if (heartbeat_ms > HEARTBEAT_MOST_MS)
        heartbeat_ms = HEARTBEAT_MOST_MS;
    agent->session_state = SESSION_OPEN;
    agent->welcome = (struct welcome){.session = welcome->session,
                                      .incarnation = welcome->incarnation,
                                      .heartbeat_ms = heartbeat_ms};
    agent->hello_wait_ms = HELLO_FIRST_MS;
    agent->heard_ms = agent->now_ms;
    agent->changed = true;
}

void session_take_refused(struct agent *agent, const struct refused *refused)
{
    uint64_t wait = refused->permanent ? HELLO_PERMANENT_MS : HELLO_LAST_MS;
    agent->session_state = SESSION_NONE;
    agent->hello_at_ms = agent->now_ms + wait / 2 + hash_draw(&agent->random) % (wait / 2);
    assert(agent->hello_at_ms > agent->now_ms && "refused, and back at once");
}

bool session_take_orders(struct agent *agent, const struct orders *orders)
{
    if (agent->session_state != SESSION_OPEN || orders->session != agent->welcome.session ||
        orders->incarnation != agent->welcome.incarnation)
        return false;
    agent->heard_ms = agent->now_ms;
    agent->silent_beats = SILENT_BEATS_FIRST;
    return true;
}

static uint64_t silence_at_ms(const struct agent *agent)
{
    return agent->heard_ms + agent->silent_beats * agent->welcome.heartbeat_ms;
}

uint64_t session_deadline_ms(const struct agent *agent)
{
    if (agent->session_state != SESSION_OPEN)
        return agent->hello_at_ms;
    uint64_t silence = silence_at_ms(agent);
    return agent->status_at_ms < silence ? agent->status_at_ms : silence;
}

void session_speak(struct agent *agent, struct agent_outcome *outcome)
{
    if (agent->session_state == SESSION_OPEN && agent->now_ms >= silence_at_ms(agent)) {
        session_lose(agent);
        if (agent->silent_beats < SILENT_BEATS_LAST)
            agent->silent_beats *= 2;
    }
    if (agent->session_state == SESSION_OPEN) {
        if (agent->changed || agent->now_ms >= agent->status_at_ms)
            send_status(agent, outcome);
    } else if (agent->now_ms >= agent->hello_at_ms) {
        send_hello(agent, outcome);
    }
    agent->changed = false;
    assert(session_deadline_ms(agent) > agent->now_ms && "something that is due was left");
}
