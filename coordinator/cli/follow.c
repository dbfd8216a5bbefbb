/* SPDX-License-Identifier: MIT */
/* follow.c - how a run goes, live.
 *
 * Events say that something changed and are the lines that are printed; how the run stands is
 * always asked from the farm, never counted here, so a lost event costs a late line and no wrong
 * number. The farm is asked at most every REFRESH_MS, and at least every IDLE_MS.
 */
#include "coordinator/cli/follow.h"

#include "coordinator/cli/client.h"
#include "coordinator/cli/screen/events.h"
#include "coordinator/cli/screen/grid.h"
#include "coordinator/cli/screen/print.h"
#include "proto/base/clock.h"
#include "proto/json.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define REFRESH_MS 500
#define IDLE_MS    5000

struct follow {
    struct invocation *invocation;
    uint64_t run;
    enum follow_mode mode;
    struct screen screen;
    struct teller *teller;
    struct buf text;
    int interrupt_fd;
    bool drawn;        /* a progress line stands on the terminal */
    uint64_t asked_ms; /* when the farm was asked last */
    bool changed;      /* events came since */
    json_t *state;     /* the run, as last asked; with jobs in FOLLOW_GRID */
};

/* ---- Ctrl-C -------------------------------------------------------------------------------- */

static int open_interrupts(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void close_interrupts(int fd)
{
    struct signalfd_siginfo info;
    sigset_t signals;
    while (read(fd, &info, sizeof info) > 0)
        ; /* what came is answered; unblocking must not deliver it again */
    close(fd);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

/* ---- drawing ------------------------------------------------------------------------------- */

static void erase(struct follow *follow)
{
    if (follow->drawn)
        buf_print(&follow->text, "\r\033[K");
    follow->drawn = false;
}

/* One line, cut to the width of the terminal so that \r finds its beginning again. */
static void draw_progress(struct follow *follow)
{
    struct buf line = {0};
    grid_counts(follow->state, false, &line);
    size_t size = strcspn((char *)line.data, "\n");
    erase(follow);
    buf_print(&follow->text, "%.*s",
              (int)(size < follow->screen.columns ? size : follow->screen.columns - 1),
              (char *)line.data);
    follow->drawn = true;
    buf_release(&line);
}

static void draw_grid(struct follow *follow)
{
    buf_print(&follow->text, "\033[H\033[2J");
    grid_print(follow->state, follow->screen.colours, &follow->text);
    grid_counts(follow->state, follow->screen.colours, &follow->text);
    grid_stops(follow->state, follow->screen.colours, &follow->text);
    grid_failures(follow->state, follow->screen.colours, &follow->text);
}

static void draw(struct follow *follow)
{
    if (follow->screen.is_terminal && follow->mode == FOLLOW_GRID)
        draw_grid(follow);
    else if (follow->screen.is_terminal)
        draw_progress(follow);
    screen_write(&follow->screen, &follow->text);
}

static void note(struct follow *follow, const char *text)
{
    erase(follow);
    screen_write(&follow->screen, &follow->text);
    fprintf(stderr, "farm: %s\n", text);
}

static enum exit_code interrupted(struct follow *follow)
{
    erase(follow);
    screen_write(&follow->screen, &follow->text);
    if (follow->run)
        fprintf(stderr,
                "farm: run %llu goes on; farm watch %llu follows it, farm cancel %llu ends it\n",
                (unsigned long long)follow->run, (unsigned long long)follow->run,
                (unsigned long long)follow->run);
    return EXIT_INTERRUPTED;
}

/* ---- asking -------------------------------------------------------------------------------- */

/* Asks for as long as it takes: a coordinator that restarts is no end of a run. Steals `arguments`.
 */
static enum exit_code ask(struct follow *follow, const char *verb, json_t *arguments, json_t **body)
{
    struct err err;
    enum exit_code code;
    for (bool told = false;; told = true) {
        code = client_ask(follow->invocation->client, verb, arguments, body, &err);
        if (code != EXIT_UNREACHABLE)
            break;
        if (!told)
            note(follow, "the coordinator does not answer; builds go on, waiting for it");
    }
    json_decref(arguments);
    if (code == EXIT_INTERRUPTED)
        return interrupted(follow);
    return code == EXIT_FINE ? code : fail(code, "%s", err.text);
}

static enum exit_code ask_jobs(struct follow *follow, json_t **run)
{
    json_t *arguments = json_object(), *body = NULL;
    json_object_set_new(arguments, "run", json_integer((json_int_t)follow->run));
    enum exit_code code = ask(follow, "status", arguments, &body);
    if (code == EXIT_FINE)
        *run = json_incref(json_object_get(body, "run"));
    json_decref(body);
    return code;
}

/* The run among all runs: cheap however many jobs it has. */
static enum exit_code ask_numbers(struct follow *follow, json_t **run)
{
    json_t *body = NULL, *row;
    size_t index;
    enum exit_code code = ask(follow, "runs", NULL, &body);
    json_array_foreach(json_object_get(body, "runs"), index, row)
    {
        if (json_get_u64(row, "run", 0) == follow->run)
            *run = json_incref(row);
    }
    json_decref(body);
    if (code == EXIT_FINE && !*run)
        return ask_jobs(follow, run); /* archived meanwhile */
    return code;
}

static enum exit_code refresh(struct follow *follow)
{
    json_t *run = NULL;
    bool with_jobs = follow->mode == FOLLOW_GRID && follow->screen.is_terminal;
    enum exit_code code = with_jobs ? ask_jobs(follow, &run) : ask_numbers(follow, &run);
    follow->asked_ms = clock_boot_ms();
    follow->changed = false;
    if (code == EXIT_FINE) {
        json_decref(follow->state);
        follow->state = run;
        draw(follow);
    }
    return code;
}

/* ---- following ----------------------------------------------------------------------------- */

static void tell(struct follow *follow, const json_t *body)
{
    struct buf line = {0};
    size_t index;
    json_t *event;
    json_array_foreach(json_object_get(body, "events"), index, event)
    {
        buf_clear(&line);
        enum weight weight = teller_tell(follow->teller, event, follow->run, &line);
        bool wanted = follow->screen.is_terminal
                          ? follow->mode == FOLLOW_PROGRESS && weight == EVENT_BAD
                          : weight != EVENT_UNTOLD;
        if (!wanted)
            continue;
        erase(follow);
        buf_add(&follow->text, line.data, line.size);
    }
    follow->changed = true;
    screen_write(&follow->screen, &follow->text);
    buf_release(&line);
}

/* Waits for news once and deals with them. *ended: the following ends with the code. */
static enum exit_code step(struct follow *follow, uint64_t timeout_ms, bool *ended)
{
    json_t *body = NULL;
    struct err err;
    switch (client_next(follow->invocation->client, timeout_ms, &body, &err)) {
    case CLIENT_BODY:
        tell(follow, body);
        break;
    case CLIENT_LOST:
        note(follow, "the coordinator does not answer; builds go on, waiting for it");
        break;
    case CLIENT_BACK:
        note(follow, "the coordinator is back");
        follow->changed = true;
        break;
    case CLIENT_INTERRUPTED:
        *ended = true;
        return interrupted(follow);
    case CLIENT_REFUSED:
        *ended = true;
        erase(follow);
        screen_write(&follow->screen, &follow->text);
        return fail(EXIT_REFUSED, "%s", err.text);
    case CLIENT_QUIET:
        break;
    }
    json_decref(body);
    return EXIT_FINE;
}

static bool refresh_due(const struct follow *follow, uint64_t now_ms)
{
    uint64_t since_ms = now_ms - follow->asked_ms;
    return (follow->changed && since_ms >= REFRESH_MS) || since_ms >= IDLE_MS;
}

static enum exit_code until_over(struct follow *follow)
{
    bool ended = false;
    enum exit_code code = refresh(follow);
    while (code == EXIT_FINE && !run_is_over(follow->state)) {
        code = step(follow, follow->changed ? REFRESH_MS : IDLE_MS, &ended);
        if (ended)
            return code;
        if (refresh_due(follow, clock_boot_ms()))
            code = refresh(follow);
    }
    return code;
}

static enum exit_code finish(struct follow *follow)
{
    json_t *run = NULL;
    enum exit_code code = ask_jobs(follow, &run);
    if (code != EXIT_FINE)
        return code;
    bool well = run_went_well(run), refused = !strcmp(json_get_text(run, "state", ""), "refused");
    erase(follow);
    if (follow->mode == FOLLOW_PROGRESS || !follow->screen.is_terminal)
        grid_failures(run, follow->screen.colours, &follow->text);
    if (!refused) {
        run_summary(run, &follow->text);
        buf_print(&follow->text, "\n");
    }
    screen_write(&follow->screen, &follow->text);
    if (refused)
        code = fail(EXIT_REFUSED, "%s", json_get_text(run, "reason", "the run was refused"));
    else if (!well)
        code = EXIT_BAD_END;
    json_decref(run);
    return code;
}

static enum exit_code begin(struct follow *follow, struct invocation *invocation, uint64_t run)
{
    json_t *arguments = json_object(), *body = NULL;
    follow->invocation = invocation;
    follow->run = run;
    follow->screen = screen_of(stdout);
    follow->teller = teller_create();
    follow->interrupt_fd = open_interrupts();
    enum exit_code code = invocation_connect(invocation);
    if (code == EXIT_FINE) {
        json_object_set_new(arguments, "follow", json_true());
        json_object_set_new(arguments, "since", json_integer(0));
        if (run)
            json_object_set_new(arguments, "run", json_integer((json_int_t)run));
        client_interrupt_by(invocation->client, follow->interrupt_fd);
        client_follow(invocation->client, "events", arguments);
        code = invocation_ask(invocation, "workers", NULL, &body);
    }
    teller_learn(follow->teller, NULL, json_object_get(body, "workers"));
    json_decref(body);
    json_decref(arguments);
    return code;
}

static void end(struct follow *follow)
{
    if (follow->invocation->client)
        client_interrupt_by(follow->invocation->client, -1);
    close_interrupts(follow->interrupt_fd);
    teller_destroy(follow->teller);
    json_decref(follow->state);
    buf_release(&follow->text);
}

enum exit_code follow_run(struct invocation *invocation, uint64_t run, enum follow_mode mode)
{
    struct follow follow = {.mode = mode};
    json_t *jobs = NULL;
    enum exit_code code = begin(&follow, invocation, run);
    if (code == EXIT_FINE)
        code = ask_jobs(&follow, &jobs);
    if (code == EXIT_FINE) {
        teller_learn(follow.teller, jobs, NULL);
        code = until_over(&follow);
    }
    if (code == EXIT_FINE)
        code = finish(&follow);
    json_decref(jobs);
    end(&follow);
    return code;
}

enum exit_code follow_farm(struct invocation *invocation)
{
    struct follow follow = {.mode = FOLLOW_PROGRESS};
    bool ended = false;
    enum exit_code code = begin(&follow, invocation, 0);
    follow.screen.is_terminal = false; /* every event is a line, also on a terminal */
    while (code == EXIT_FINE && !ended)
        code = step(&follow, IDLE_MS, &ended);
    end(&follow);
    return code;
}
