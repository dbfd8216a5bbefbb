/* SPDX-License-Identifier: MIT */
/* notifier.c - deliveries of notices by child processes, with retries. */
#include "coordinator/notify/notifier.h"

#include "coordinator/core/view.h"
#include "coordinator/render/render.h"
#include "coordinator/shell/children.h"
#include "coordinator/shell/reply.h"
#include "proto/base/log.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdlib.h>

/* The delay before a listener is tried again; it doubles from the first to the last. */
enum { FIRST_PAUSE_MS = 5000, LAST_PAUSE_MS = 600000 };

/* A notice that is being delivered. */
struct parcel {
    uint64_t tag;
    uint64_t notice; /* 0: a test, answered to `asker` */
    struct asker asker;
    json_t *payload;
    json_t *told; /* names of the listeners that got it */
    uint64_t since_ms, next_ms, pause_ms;
    bool away; /* a child is delivering it */
};

struct notifier {
    struct shell *shell;
    struct children *children;
    const char *argv[3];
    struct parcel **parcels;
    size_t count, capacity;
    uint64_t next_tag;
};

/* ---- parcels ------------------------------------------------------------------------------- */

static struct parcel *parcel_create(struct notifier *notifier, json_t *payload)
{
    struct parcel *parcel = mem_new(sizeof *parcel);
    parcel->tag = notifier->next_tag++;
    parcel->payload = payload;
    parcel->told = json_array();
    parcel->since_ms = parcel->next_ms = notifier->shell->now_ms;
    parcel->pause_ms = FIRST_PAUSE_MS;
    MEM_GROW(notifier->parcels, notifier->count, notifier->capacity);
    notifier->parcels[notifier->count++] = parcel;
    return parcel;
}

static void parcel_free(struct parcel *parcel)
{
    json_decref(parcel->payload);
    json_decref(parcel->told);
    free(parcel);
}

static void parcel_done(struct notifier *notifier, struct parcel *parcel)
{
    for (size_t i = 0; i < notifier->count; i++)
        if (notifier->parcels[i] == parcel)
            notifier->parcels[i] = notifier->parcels[--notifier->count];
    parcel_free(parcel);
}

static void send_away(struct notifier *notifier, struct parcel *parcel)
{
    struct shell *shell = notifier->shell;
    json_t *question = json_object();
    json_object_set_new(question, "home", json_text(shell->home));
    json_object_set_new(question, "config", json_text(shell_path(shell, "farm.yaml")));
    json_object_set(question, "payload", parcel->payload);
    json_object_set(question, "told", parcel->told);
    char *text = json_dumps(question, JSON_COMPACT);
    json_decref(question);
    parcel->away = true;
    children_ask(notifier->children, parcel->tag, text);
    free(text);
}

/* ---- answers of children ------------------------------------------------------------------- */

static void tell_core(struct notifier *notifier, uint64_t notice, const char *problem)
{
    struct input input = {.kind = INPUT_NOTIFIED, .notified = {notice, problem}};
    shell_step(notifier->shell, &input);
}

/* "team: connection refused; ann: ...", in the turn's arena. */
static const char *problems_of(struct notifier *notifier, const json_t *failed)
{
    const char *text = "";
    size_t index;
    json_t *row;
    json_array_foreach(failed, index, row)
    {
        text = arena_print(&notifier->shell->arena, "%s%s%s: %s", text, *text ? "; " : "",
                           json_get_text(row, "name", ""), json_get_text(row, "problem", ""));
    }
    return text;
}

static void answer_test(struct notifier *notifier, struct parcel *parcel, json_t *answer,
                        const char *problem)
{
    if (answer)
        reply_answer(notifier->shell->replies, &parcel->asker, false, json_incref(answer));
    else
        reply_refuse(notifier->shell->replies, &parcel->asker, 3, "%s", problem);
    parcel_done(notifier, parcel);
}

static void try_later(struct notifier *notifier, struct parcel *parcel, const char *problem)
{
    uint64_t now_ms = notifier->shell->now_ms;
    if (now_ms - parcel->since_ms >= LIMIT_NOTIFY_TRIES_MS) {
        log_error("gave up notice %llu: %s", (unsigned long long)parcel->notice, problem);
        tell_core(notifier, parcel->notice, problem);
        parcel_done(notifier, parcel);
        return;
    }
    log_warn("will send notice %llu again in %llu s: %s", (unsigned long long)parcel->notice,
             (unsigned long long)parcel->pause_ms / 1000, problem);
    parcel->next_ms = now_ms + parcel->pause_ms;
    parcel->pause_ms = parcel->pause_ms * 2 < LAST_PAUSE_MS ? parcel->pause_ms * 2 : LAST_PAUSE_MS;
}

static void take_answer(void *context, uint64_t tag, struct bytes text, const char *problem)
{
    struct notifier *notifier = context;
    struct parcel *parcel = NULL;
    for (size_t i = 0; i < notifier->count; i++)
        if (notifier->parcels[i]->tag == tag)
            parcel = notifier->parcels[i];
    if (!parcel)
        return;
    parcel->away = false;
    json_t *answer = *problem ? NULL : json_loadb((const char *)text.data, text.size, 0, NULL);
    const char *why = *problem ? problem : "the child's answer is not JSON";
    if (answer) {
        json_array_extend(parcel->told, json_object_get(answer, "told"));
        why = problems_of(notifier, json_object_get(answer, "failed"));
    }
    if (!parcel->notice) {
        answer_test(notifier, parcel, answer, why);
    } else if (*why) {
        try_later(notifier, parcel, why);
    } else {
        tell_core(notifier, parcel->notice, "");
        parcel_done(notifier, parcel);
    }
    json_decref(answer);
}

/* ---- the interface ------------------------------------------------------------------------- */

struct notifier *notifier_create(struct shell *shell)
{
    struct notifier *notifier = mem_new(sizeof *notifier);
    notifier->shell = shell;
    notifier->argv[0] = shell->program;
    notifier->argv[1] = "notify";
    notifier->next_tag = 1;
    notifier->children = children_create(&(struct children_kind){
        .argv = notifier->argv,
        .what = "farmd notify",
        .timeout_ms = LIMIT_NOTIFY_MS,
        .timeout_advice = "sending took longer than 2 minutes",
        .done = take_answer,
        .context = notifier,
    });
    return notifier;
}

void notifier_destroy(struct notifier *notifier)
{
    if (!notifier)
        return;
    children_destroy(notifier->children);
    for (size_t i = 0; i < notifier->count; i++)
        parcel_free(notifier->parcels[i]);
    free(notifier->parcels);
    free(notifier);
}

/* The payload for all listeners: the notice, and the present state of its run. */
static json_t *payload_of(struct shell *shell, const struct notice_view *notice)
{
    json_t *payload = render_notice(notice);
    struct farm_view farm;
    view_farm(shell->farm, &farm);
    json_object_set_new(payload, "farm", json_text(shell->config.name));
    json_object_set_new(
        payload, "id",
        json_text(arena_print(&shell->arena, "%s-%lu-%llu", shell->config.name,
                              (unsigned long)farm.epoch, (unsigned long long)notice->notice)));
    json_object_set_new(payload, "about",
                        notice->run ? render_run(shell->farm, notice->run, false) : json_null());
    return payload;
}

void notifier_tell(struct notifier *notifier, uint64_t id)
{
    struct shell *shell = notifier->shell;
    struct notice_view notice;
    if (!view_notice(shell->farm, id, &notice))
        return;
    if (!shell->config.listeners_count) {
        tell_core(notifier, id, "farm.yaml has no listener for it");
        return;
    }
    struct parcel *parcel = parcel_create(notifier, payload_of(shell, &notice));
    parcel->notice = id;
    send_away(notifier, parcel);
}

void notifier_test(struct notifier *notifier, const struct asker *asker)
{
    struct shell *shell = notifier->shell;
    struct notice_view notice = {
        .kind = NOTICE_NONE,
        .subject = "test",
        .text = arena_print(&shell->arena, "a test by %s: this is how the farm %s notifies you",
                            asker->who, shell->config.name),
        .problem = "",
        .raised_wall_ms = shell->wall_ms,
    };
    struct parcel *parcel = parcel_create(notifier, payload_of(shell, &notice));
    parcel->asker = *asker;
    send_away(notifier, parcel);
}

size_t notifier_poll(const struct notifier *notifier, struct pollfd *polls)
{
    return children_poll(notifier->children, polls);
}

uint64_t notifier_deadline_ms(const struct notifier *notifier)
{
    uint64_t deadline_ms = FARM_NEVER;
    for (size_t i = 0; i < notifier->count; i++)
        if (!notifier->parcels[i]->away && notifier->parcels[i]->next_ms < deadline_ms)
            deadline_ms = notifier->parcels[i]->next_ms;
    return deadline_ms;
}

void notifier_work(struct notifier *notifier)
{
    uint64_t now_ms = notifier->shell->now_ms;
    children_work(notifier->children, now_ms);
    for (size_t i = 0; i < notifier->count; i++)
        if (!notifier->parcels[i]->away && notifier->parcels[i]->next_ms <= now_ms)
            send_away(notifier, notifier->parcels[i]);
}
