/* SPDX-License-Identifier: MIT */
/* follow.c - follows a run live.
 *
 * Events are printed as lines and show that something changed. The state of the run is always
 * asked from the farm, never counted here, so a lost event costs a late line but no wrong number.
 * With --json each event of the run is one, and nothing is drawn.
 * The farm is asked at most every REFRESH_MS and at least every IDLE_MS.
 */
#include "coordinator/cli/follow.h"

#include "coordinator/cli/client.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/events.h"
#include "coordinator/cli/screen/page.h"
#include "coordinator/cli/screen/print.h"
#include "coordinator/cli/screen/run_text.h"
#include "proto/base/clock.h"
#include "proto/json.h"

#include <poll.h>
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
    bool wait_all; /* goes on while jobs wait for a host */
    struct screen screen;
    struct teller *teller;
    struct buf text;
    int interrupt_fd;
    bool drawn;           /* the terminal shows a progress line */
    uint64_t asked_ms;    /* when the farm was asked last */
    bool changed;         /* events arrived since then */
    json_t *state;        /* the run's last answer; with jobs in FOLLOW_GRID */
    struct buf waits;     /* the reasons why jobs wait for hosts, as told last */
    bool is_left_waiting; /* told that nothing else is left */
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
        ; /* drain pending signals: unblocking must not deliver them again */
    close(fd);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

/* ---- drawing ------------------------------------------------------------------------------- */

static void erase_progress(struct follow *follow)
{
    if (follow->drawn)
        buf_print(&follow->text, "\r\033[K");
    follow->drawn = false;
}

/* Draws one line, cut to the terminal's width so that \r returns to its beginning. */
static void draw_progress(struct follow *follow)
{
    struct buf line = {0};
    run_print_counts(follow->state, false, &line);
    size_t size = strcspn((char *)line.data, "\n");
    erase_progress(follow);
    buf_print(&follow->text, "%.*s",
              (int)(size < follow->screen.columns ? size : follow->screen.columns - 1),
              (char *)line.data);
    follow->drawn = true;
    buf_release(&line);
}

static void draw_grid(struct follow *follow)
{
    struct screen screen = screen_of(follow->screen.file); /* it may have been resized */
    struct page page = {screen.rows, screen.columns, screen.colours};
    json_t *status = json_pack("{s:O}", "run", follow->state);
    buf_print(&follow->text, "\033[H\033[2J");
    page_print(&page, status, &follow->text);
    json_decref(status);
}

static void draw_state(struct follow *follow)
{
    if (report_wanted())
        return;
    if (follow->screen.is_terminal && follow->mode == FOLLOW_GRID)
        draw_grid(follow);
    else if (follow->screen.is_terminal)
        draw_progress(follow);
    screen_write(&follow->screen, &follow->text);
}

static void print_note(struct follow *follow, const char *text)
{
    erase_progress(follow);
    screen_write(&follow->screen, &follow->text);
    fprintf(stderr, "farm: %s\n", text);
}

static enum exit_code end_interrupted(struct follow *follow)
{
    erase_progress(follow);
    screen_write(&follow->screen, &follow->text);
    if (follow->state)
        report_answer(json_pack("{s:O}", "run", follow->state));
    if (follow->run)
        fprintf(stderr,
                "farm: run %llu continues; farm watch %llu follows it, farm cancel %llu stops it\n",
                (unsigned long long)follow->run, (unsigned long long)follow->run,
                (unsigned long long)follow->run);
    return EXIT_INTERRUPTED;
}

/* ---- what waits for a host ----------------------------------------------------------------- */

static void list_reasons(const json_t *rows, struct buf *out)
{
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        buf_print(out, "%s\n", json_get_text(row, "reason", ""));
    }
}

/* Says what waits for a host when the reasons are others than before, and once when nothing else is
 * left: whoever goes home knows what to bring. */
static void tell_waits(struct follow *follow)
{
    struct buf reasons = {0};
    list_reasons(json_object_get(follow->state, "waits"), &reasons);
    list_reasons(json_object_get(follow->state, "delays"), &reasons);
    bool changed = reasons.size != follow->waits.size ||
                   (reasons.size && memcmp(reasons.data, follow->waits.data, reasons.size) != 0);
    bool left = follow->wait_all && !strcmp(json_get_text(follow->state, "progress", ""), "waits");
    bool shows_page = follow->mode == FOLLOW_GRID && follow->screen.is_terminal;
    if (changed && !shows_page) {
        erase_progress(follow);
        run_print_waits(follow->state, follow->screen.colours, &follow->text);
    }
    if (left && !follow->is_left_waiting && !shows_page)
        print_note(follow, "all else is done; this waits until a host comes (Ctrl-C leaves it)");
    follow->is_left_waiting = left;
    buf_release(&follow->waits);
    follow->waits = reasons;
}

/* ---- asking -------------------------------------------------------------------------------- */

/* Asks until there is an answer, because a run survives a restart of the coordinator. Steals
 * `arguments`. */
static enum exit_code ask_patiently(struct follow *follow, const char *verb, json_t *arguments,
                                    json_t **body)
{
    struct err err;
    enum exit_code code;
    for (bool told = false;; told = true) {
        code = client_ask(follow->invocation->client, verb, arguments, body, &err);
        if (code != EXIT_UNREACHABLE)
            break;
        if (!told)
            print_note(follow, "the coordinator does not answer; waiting for it, builds continue");
    }
    json_decref(arguments);
    if (code == EXIT_INTERRUPTED)
        return end_interrupted(follow);
    return code == EXIT_FINE ? code : fail(code, "%s", err.text);
}

static enum exit_code ask_jobs(struct follow *follow, json_t **run)
{
    json_t *arguments = json_object(), *body = NULL;
    json_object_set_new(arguments, "run", json_integer((json_int_t)follow->run));
    enum exit_code code = ask_patiently(follow, "status", arguments, &body);
    if (code == EXIT_FINE)
        *run = json_incref(json_object_get(body, "run"));
    json_decref(body);
    return code;
}

/* Asks for the run in the list of all runs, which is cheap however many jobs it has. */
static enum exit_code ask_numbers(struct follow *follow, json_t **run)
{
    json_t *body = NULL, *row;
    size_t index;
    enum exit_code code = ask_patiently(follow, "runs", NULL, &body);
    json_array_foreach(json_object_get(body, "runs"), index, row)
    {
        if (json_get_u64(row, "run", 0) == follow->run)
            *run = json_incref(row);
    }
    json_decref(body);
    if (code == EXIT_FINE && !*run)
        return ask_jobs(follow, run); /* it was archived meanwhile */
    return code;
}

static enum exit_code refresh_state(struct follow *follow)
{
    json_t *run = NULL;
    bool with_jobs = follow->mode == FOLLOW_GRID && follow->screen.is_terminal;
    enum exit_code code = with_jobs ? ask_jobs(follow, &run) : ask_numbers(follow, &run);
    follow->asked_ms = clock_boot_ms();
    follow->changed = false;
    if (code == EXIT_FINE) {
        json_decref(follow->state);
        follow->state = run;
        tell_waits(follow);
        draw_state(follow);
    }
    return code;
}

/* ---- following ----------------------------------------------------------------------------- */

static void print_events(struct follow *follow, const json_t *body)
{
    struct buf line = {0};
    size_t index;
    json_t *event;
    json_array_foreach(json_object_get(body, "events"), index, event)
    {
        buf_clear(&line);
        enum weight weight = teller_tell(follow->teller, event, follow->run, &line);
        if (weight != EVENT_UNTOLD && !report_event(json_incref(event)))
            continue;
        bool wanted = follow->screen.is_terminal
                          ? follow->mode == FOLLOW_PROGRESS && weight == EVENT_BAD
                          : weight != EVENT_UNTOLD;
        if (!wanted)
            continue;
        erase_progress(follow);
        buf_add(&follow->text, line.data, line.size);
    }
    follow->changed = true;
    screen_write(&follow->screen, &follow->text);
    buf_release(&line);
}

/* Waits for news once and handles them. *ended is set when following ends with this code. */
static enum exit_code follow_once(struct follow *follow, uint64_t timeout_ms, bool *ended)
{
    json_t *body = NULL;
    struct err err;
    switch (client_next(follow->invocation->client, timeout_ms, &body, &err)) {
    case CLIENT_BODY:
        print_events(follow, body);
        break;
    case CLIENT_LOST:
        print_note(follow, "the coordinator does not answer; waiting for it, builds continue");
        break;
    case CLIENT_BACK:
        print_note(follow, "the coordinator is back");
        follow->changed = true;
        break;
    case CLIENT_INTERRUPTED:
        *ended = true;
        return end_interrupted(follow);
    case CLIENT_REFUSED:
        *ended = true;
        erase_progress(follow);
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

static bool is_enough(const struct follow *follow)
{
    return run_is_over(follow->state) && !(follow->wait_all && run_waits(follow->state));
}

static enum exit_code follow_until_over(struct follow *follow)
{
    bool ended = false;
    enum exit_code code = refresh_state(follow);
    while (code == EXIT_FINE && !is_enough(follow)) {
        code = follow_once(follow, follow->changed ? REFRESH_MS : IDLE_MS, &ended);
        if (ended)
            return code;
        if (refresh_due(follow, clock_boot_ms()))
            code = refresh_state(follow);
    }
    return code;
}

enum exit_code run_exit(const json_t *run)
{
    static const struct {
        const char *progress; /* see progress.c */
        enum exit_code code;
    } ends[] = {{"well", EXIT_FINE},
                {"failed", EXIT_BAD_END},
                {"waits", EXIT_WAITS},
                {"nothing", EXIT_USAGE},
                {"refused", EXIT_REFUSED}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (!strcmp(ends[i].progress, json_get_text(run, "progress", "")))
            return ends[i].code;
    return EXIT_BAD_END;
}

static enum exit_code print_result(struct follow *follow)
{
    json_t *run = NULL;
    enum exit_code code = ask_jobs(follow, &run);
    if (code != EXIT_FINE)
        return code;
    enum exit_code end = run_exit(run);
    bool refused = !strcmp(json_get_text(run, "state", ""), "refused");
    bool people_read = report_answer(json_pack("{s:O}", "run", run));
    erase_progress(follow);
    if (people_read && (follow->mode == FOLLOW_PROGRESS || !follow->screen.is_terminal))
        run_print_failures(run, follow->screen.colours, &follow->text);
    if (people_read && !refused) {
        run_print_waits(run, follow->screen.colours, &follow->text);
        run_summary(run, &follow->text);
        buf_print(&follow->text, "\n");
    }
    screen_write(&follow->screen, &follow->text);
    if (refused)
        fail(end, "%s", json_get_text(run, "reason", "the run was refused"));
    json_decref(run);
    return end;
}

static enum exit_code follow_begin(struct follow *follow, struct invocation *invocation,
                                   uint64_t run)
{
    json_t *body = NULL;
    follow->invocation = invocation;
    follow->run = run;
    follow->screen = screen_of(stdout);
    follow->screen.is_terminal &= !report_wanted();
    follow->teller = teller_create();
    follow->interrupt_fd = open_interrupts();
    enum exit_code code = invocation_connect(invocation);
    if (code == EXIT_FINE) {
        client_interrupt_by(invocation->client, follow->interrupt_fd);
        client_follow(invocation->client, "events", NULL);
        code = invocation_ask(invocation, "workers", NULL, &body);
    }
    teller_learn(follow->teller, NULL, json_object_get(body, "workers"));
    json_decref(body);
    return code;
}

static void follow_end(struct follow *follow)
{
    if (follow->invocation->client)
        client_interrupt_by(follow->invocation->client, -1);
    close_interrupts(follow->interrupt_fd);
    teller_destroy(follow->teller);
    json_decref(follow->state);
    buf_release(&follow->text);
    buf_release(&follow->waits);
}

enum exit_code follow_run(struct invocation *invocation, uint64_t run, enum follow_mode mode,
                          bool wait_all)
{
    struct follow follow = {.mode = mode, .wait_all = wait_all};
    json_t *jobs = NULL;
    enum exit_code code = follow_begin(&follow, invocation, run);
    if (code == EXIT_FINE)
        code = ask_jobs(&follow, &jobs);
    if (code == EXIT_FINE) {
        teller_learn(follow.teller, jobs, NULL);
        code = follow_until_over(&follow);
    }
    if (code == EXIT_FINE)
        code = print_result(&follow);
    json_decref(jobs);
    follow_end(&follow);
    return code;
}

/* ---- detaching ------------------------------------------------------------------------------- */

static bool is_decided(const json_t *run)
{
    const char *state = json_get_text(run, "state", "");
    return strcmp(state, "resolving") != 0 && strcmp(state, "preflight") != 0;
}

static enum exit_code refresh_brief(struct follow *follow)
{
    json_t *body = NULL,
           *arguments = json_pack("{s:I, s:b}", "run", (json_int_t)follow->run, "brief", 1);
    enum exit_code code = ask_patiently(follow, "status", arguments, &body);
    if (code == EXIT_FINE) {
        json_decref(follow->state);
        follow->state = json_incref(json_object_get(body, "run"));
    }
    json_decref(body);
    return code;
}

static bool concerns_run(const json_t *body, uint64_t run)
{
    size_t index;
    json_t *event;
    json_array_foreach(json_object_get(body, "events"), index, event)
    {
        if (json_get_u64(event, "run", 0) == run)
            return true;
    }
    return false;
}

/* Waits until something happens to the run, or until it is time to ask without a reason. */
static enum exit_code await_event(struct follow *follow)
{
    json_t *body = NULL;
    struct err err;
    for (;;) {
        switch (client_next(follow->invocation->client, IDLE_MS, &body, &err)) {
        case CLIENT_BODY: {
            bool concerns = concerns_run(body, follow->run);
            json_decref(body);
            if (concerns)
                return EXIT_FINE;
            break;
        }
        case CLIENT_INTERRUPTED:
            return end_interrupted(follow);
        case CLIENT_REFUSED: /* too many follow already: without events, now and then */
            poll(NULL, 0, REFRESH_MS);
            return EXIT_FINE;
        case CLIENT_LOST:
        case CLIENT_BACK:
        case CLIENT_QUIET:
            return EXIT_FINE;
        }
    }
}

enum exit_code follow_until_decided(struct invocation *invocation, uint64_t run)
{
    struct follow follow = {.mode = FOLLOW_PROGRESS};
    enum exit_code code = follow_begin(&follow, invocation, run);
    if (code == EXIT_FINE)
        code = refresh_brief(&follow);
    while (code == EXIT_FINE && !is_decided(follow.state)) {
        code = await_event(&follow);
        if (code == EXIT_FINE)
            code = refresh_brief(&follow);
    }
    if (code == EXIT_FINE) {
        report_answer(json_pack("{s:O}", "run", follow.state));
        if (!strcmp(json_get_text(follow.state, "state", ""), "refused"))
            code = fail(run_exit(follow.state), "%s",
                        json_get_text(follow.state, "reason", "the run was refused"));
    }
    follow_end(&follow);
    return code;
}

enum exit_code follow_farm(struct invocation *invocation)
{
    struct follow follow = {.mode = FOLLOW_PROGRESS};
    bool ended = false;
    enum exit_code code = follow_begin(&follow, invocation, 0);
    follow.screen.is_terminal = false; /* print a line for each event, even on a terminal */
    while (code == EXIT_FINE && !ended)
        code = follow_once(&follow, IDLE_MS, &ended);
    follow_end(&follow);
    return code;
}
