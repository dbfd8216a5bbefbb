/* SPDX-License-Identifier: MIT */
/* Leases, sessions, silence and return; keys and what people do to workers. */
#include "tests/unit/history.h"

#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct history *one_job(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux");
    return h;
}

/* The kind of the order for a token, ORDER_NONE when there is none. */
static enum order_kind ordered(struct history *h, uint64_t worker, uint64_t number)
{
    struct arena arena = {0};
    struct orders orders;
    enum order_kind kind = ORDER_NONE;
    view_orders(history_farm(h), worker, &orders, &arena);
    for (size_t i = 0; i < orders.orders_count; i++)
        if (orders.orders[i].token.number == number)
            kind = orders.orders[i].kind;
    arena_clear(&arena);
    return kind;
}

static uint64_t farm_now_ms(struct history *h)
{
    struct farm_view farm;
    view_farm(history_farm(h), &farm);
    return farm.now_ms;
}

static enum attempt_state attempt_state(struct history *h, uint64_t number)
{
    struct attempt_view attempt;
    assert_true(view_attempt(history_farm(h), (struct token){1, number}, &attempt));
    return attempt.state;
}

static void an_offer_is_repeated_until_it_is_shown(void **state)
{
    (void)state;
    struct history *h = one_job();
    assert_int_equal(ordered(h, 1, 1), ORDER_OFFER);
    history_expect(h, "status w1", "> orders 1\n");
    assert_int_equal(ordered(h, 1, 1), ORDER_OFFER);
    history_expect(h, "status w1 : 1.1 accepted", "");
    assert_int_equal(ordered(h, 1, 1), ORDER_NONE);
    history_end(h);
}

static void a_stale_status_renews_nothing(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 seq=5 : 1.1 running build");
    history_expect(h, "tick 20000\nstatus w1 seq=5 : 1.1 ended ok", "");
    history_expect(h, "status w1 seq=4 : 1.1 ended ok", "");
    history_expect(h, "status w1 seq=6 session=99 : 1.1 ended ok", "> hello-again 1\n");
    history_expect(h, "status w1 seq=6 inc=99 : 1.1 ended ok", "> hello-again 1\n");
    history_expect(h, "tick 10000", "worker-lost worker=1\n");
    history_expect(h, "status w1 seq=9 : 1.1 ended ok", "> hello-again 1\n");
    assert_int_equal(attempt_state(h, 1), ATTEMPT_BUILDING);
    history_end(h);
}

static void a_host_that_comes_back_within_the_grace_keeps_its_build(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 running build");
    history_expect(h, "tick 80000", "worker-lost worker=1\n");
    history_expect(h, "hello w1 x86_64-linux : 1.1 running build",
                   "worker-joined worker=1 session=2...\n> welcome 1\n");
    history_expect(h, "tick 20000\nstatus w1 : 1.1 running check\ntick 25000",
                   "attempt-moved token={epoch=1 number=1} phase=check\n");
    history_end(h);
}

static void a_host_that_comes_back_too_late_stops_and_forgets(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "enrol w2\nhello w2 x86_64-linux\nstatus w1 : 1.1 running build");
    for (int i = 0; i < 10; i++)
        history_do(h, "tick 9000\nstatus w2");
    assert_int_equal(attempt_state(h, 1), ATTEMPT_ENDED);
    history_do(h, "status w2 : 1.2 running build");
    history_expect(h, "hello w1 x86_64-linux : 1.1 running build",
                   "worker-joined...\n> welcome 1\n> orders 1\n");
    assert_int_equal(ordered(h, 1, 1), ORDER_STOP);
    /* An old token's result is acknowledged, and changes nothing. */
    history_expect(h, "status w1 : 1.1 ended ok", "");
    history_expect(h, "sealed 1.1 5", "attempt-sealed...\n> orders 1\n");
    assert_int_equal(ordered(h, 1, 1), ORDER_FORGET);
    struct job_view job;
    assert_true(view_job(history_farm(h), 1, &job));
    assert_int_equal(job.state, JOB_RUNNING);
    history_end(h);
}

/* A worker that will stop something soon says so by its own clock. It holds as long as the worker
 * is there to say it, and while the attempt lives. */
static void a_coming_stop_is_told_in_the_farms_time(void **state)
{
    (void)state;
    struct history *h = one_job();
    struct attempt_view attempt;
    struct token token = {1, 1};
    history_do(h, "status w1 at=7000 : 1.1 running build");
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.stop_cause, CAUSE_NONE);
    history_do(h, "status w1 at=8000 : 1.1 running build stop=silent stopat=38000");
    uint64_t said_ms = farm_now_ms(h);
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.stop_cause, CAUSE_SILENT);
    assert_int_equal(attempt.stop_at_ms, said_ms + 30000);
    history_rebuild(h); /* in the same process it is not forgotten */
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.stop_at_ms, said_ms + 30000);
    history_do(h, "tick 1000\nstatus w1 at=9000 : 1.1 running build"); /* it printed something */
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.stop_cause, CAUSE_NONE);
    assert_int_equal(attempt.stop_at_ms, 0);
    history_do(h, "status w1 at=9100 : 1.1 running build stop=timeout stopat=500");
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.stop_cause, CAUSE_TIMEOUT);
    assert_int_equal(attempt.stop_at_ms, farm_now_ms(h)); /* now, not before */
    history_do(h, "status w1 at=9200"); /* what it does not show it does not say */
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.stop_cause, CAUSE_NONE);
    history_end(h);
}

static void a_coming_stop_is_forgotten_with_its_worker(void **state)
{
    (void)state;
    struct history *h = one_job();
    struct attempt_view attempt;
    struct token token = {1, 1};
    history_do(h, "status w1 at=1 : 1.1 running build stop=silent stopat=90000\ntick 80000");
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.state, ATTEMPT_BUILDING);
    assert_int_equal(attempt.stop_cause, CAUSE_NONE);
    history_do(h, "hello w1 x86_64-linux at=80001 : 1.1 running build stop=silent stopat=90000");
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.stop_cause, CAUSE_SILENT);
    history_do(h, "status w1 at=90002 : 1.1 ended failed silent");
    attempt = must_attempt(history_farm(h), token);
    assert_int_equal(attempt.stop_cause, CAUSE_NONE);
    history_end(h);
}

/* Looking whether somebody is silent does not wait for a pause in what the others say. */
static void a_silent_host_is_lost_however_much_the_others_say(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "enrol w2\nhello w2 x86_64-linux\nstatus w1 : 1.1 running build");
    for (int i = 0; i < 500; i++) {
        history_advance(h, 100);
        history_do(h, "status w2");
        if (history_now_ms(h) >= farm_deadline_ms(history_farm(h)))
            history_step(h, &(struct input){.kind = INPUT_TICK});
    }
    assert_non_null(strstr(history_said(h), "worker-lost worker=1\n"));
    history_end(h);
}

static void an_offer_nobody_took_goes_elsewhere_at_once(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "enrol w2\nhello w2 x86_64-linux");
    history_expect(h, "tick 20000\nstatus w2\ntick 10000",
                   "worker-lost worker=1\n"
                   "attempt-ended token={epoch=1 number=1} outcome=lost cause=host-lost "
                   "detail=\"its worker went away before it took the job\"\n"
                   "job-ready job=1 cause=host-lost...\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=2\n"
                   "> expect-log 1.2 from 2\n> orders 2\n");
    history_end(h);
}

/* Its worker speaks, and is told again and again: it will not have it. */
static void an_offer_that_is_never_shown_goes_elsewhere(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "enrol w2\nhello w2 x86_64-linux");
    history_do(h, "tick 20000\nstatus w1\nstatus w2\ntick 9000\nstatus w1\nstatus w2");
    assert_int_equal(attempt_state(h, 1), ATTEMPT_OFFERED);
    history_expect(h, "tick 1000",
                   "attempt-ended token={epoch=1 number=1} outcome=lost cause=host-lost "
                   "detail=\"its worker did not take it\"\n"
                   "job-ready job=1 cause=host-lost...\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=2\n"
                   "> expect-log 1.2 from 2\n> orders 2\n");
    history_expect(h, "status w1 : 1.1 ended ok", ""); /* too late */
    history_end(h);
}

static void an_accepted_offer_is_kept(void **state)
{
    (void)state;
    struct history *h = one_job();
    for (int i = 0; i < 10; i++)
        history_do(h, "tick 9000\nstatus w1 : 1.1 accepted");
    assert_int_equal(attempt_state(h, 1), ATTEMPT_OFFERED);
    history_end(h);
}

/* A word of one worker does not put off the look at the others. */
static void a_busy_farm_looks_as_often(void **state)
{
    (void)state;
    struct history *h = one_job();
    int looks = 0;
    for (int i = 0; i < 100; i++) {
        history_advance(h, 100);
        history_do(h, "status w1 : 1.1 accepted");
        if (farm_deadline_ms(history_farm(h)) > history_now_ms(h))
            continue;
        looks++;
        history_step(h, &(struct input){.kind = INPUT_TICK});
    }
    assert_in_range(looks, 18, 22);
    history_end(h);
}

/* What another one has is neither kept for it nor ended by it. */
static void what_another_worker_has_is_not_ones_own(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "enrol w2\nhello w2 x86_64-linux\nstatus w1 : 1.1 running build");
    history_expect(h, "status w2 : 1.1 ended failed compile", "> foreign 1.1 from 2\n> orders 2\n");
    assert_int_equal(attempt_state(h, 1), ATTEMPT_BUILDING);
    history_end(h);
}

static void what_a_worker_lost_sight_of_is_lost(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 running build");
    history_expect(h, "status w1",
                   "attempt-ended token={epoch=1 number=1} outcome=lost...\n"
                   "job-ready job=1...\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=1\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    history_end(h);
}

static void a_failed_send_is_a_lost_session(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 running build");
    history_expect(h, "failed w1", "worker-lost worker=1\n");
    history_expect(h, "status w1 : 1.1 running build", "> hello-again 1\n");
    history_expect(h, "hello w1 x86_64-linux : 1.1 running build",
                   "worker-joined...\n> welcome 1\n");
    assert_int_equal(attempt_state(h, 1), ATTEMPT_BUILDING);
    history_end(h);
}

static void a_restored_journal_adopts_what_it_does_not_know(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nsubmit r1\nresolved 1 a x86_64-linux, b x86_64-linux\nstart epoch=2");
    history_expect(h,
                   "hello w1 x86_64-linux : 1.7 running build pkg=a, 1.8 running build pkg=zzz, "
                   "1.9 ended ok pkg=b",
                   "worker-joined...\n"
                   "attempt-adopted token={epoch=1 number=7} job=1 worker=1 phase=build\n"
                   "attempt-adopted token={epoch=1 number=9} job=2 worker=1\n"
                   "attempt-ended token={epoch=1 number=9} outcome=ok...\n"
                   "job-closed job=2 verdict=ok\n"
                   "> welcome 1\n"
                   "> expect-log 1.7 from 1\n"
                   "> expect-log 1.9 from 1\n"
                   "> orders 1\n");
    assert_int_equal(ordered(h, 1, 7), ORDER_NONE);
    assert_int_equal(ordered(h, 1, 8), ORDER_STOP);
    history_expect(h, "status w1 : 1.7 ended ok pkg=a, 1.8 ended stopped pkg=zzz, 1.9 ended ok",
                   "attempt-ended token={epoch=1 number=7}...\n"
                   "job-closed job=1 verdict=ok\n"
                   "run-closed run=1\n"
                   "> orders 1\n");
    assert_int_equal(ordered(h, 1, 8), ORDER_FORGET);
    history_end(h);
}

/* What was offered before the backup may have ended and been forgotten since: it is not offered
 * under the same token again, and what the worker has instead is adopted. */
static void a_restored_journal_does_not_repeat_its_offers(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "start epoch=2");
    history_expect(h, "hello w1 x86_64-linux slots=1 : 1.7 running build pkg=a",
                   "worker-joined...\n"
                   "attempt-ended token={epoch=1 number=1} outcome=lost...\n"
                   "job-ready job=1...\n"
                   "attempt-adopted token={epoch=1 number=7} job=1 worker=1 phase=build\n"
                   "> welcome 1\n"
                   "> expect-log 1.7 from 1\n");
    assert_int_equal(ordered(h, 1, 1), ORDER_NONE);
    assert_int_equal(ordered(h, 1, 7), ORDER_NONE);
    history_end(h);
}

/* It was sent before the build began, and came after a status that shows it. */
static void a_hello_that_was_overtaken_is_ignored(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux at=100\nsubmit r1\n"
                  "resolved 1 a x86_64-linux\nstatus w1 at=300 : 1.1 running build");
    history_expect(h, "hello w1 x86_64-linux at=100", "");
    history_expect(h, "hello w1 x86_64-linux at=200", "");
    assert_int_equal(attempt_state(h, 1), ATTEMPT_BUILDING);
    history_expect(h, "hello w1 x86_64-linux at=301 : 1.1 running build",
                   "worker-joined...\n> welcome 1\n");
    assert_int_equal(attempt_state(h, 1), ATTEMPT_BUILDING);
    history_end(h);
}

static void a_gap_extends_all_leases(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 running build\ntick 25000");
    history_expect(h, "jump 3600000", "clock-jumped gap_ms=3600000\n");
    history_expect(h, "tick 4999", "");
    history_expect(h, "tick 1", "worker-lost worker=1\n");
    history_end(h);
}

static void a_restart_gives_every_lease_a_full_term(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 running build\ntick 29000");
    history_said(h);
    history_restart(h);
    assert_string_equal(history_said(h),
                        "farm-started epoch=1 incarnation=2 program=\"farmd test\"\n"
                        "> peers\n> expect-log 1.1 from 1\n");
    history_expect(h, "status w1 : 1.1 running check", "> hello-again 1\n");
    history_expect(h, "tick 29999", "");
    history_expect(h, "hello w1 x86_64-linux : 1.1 running check",
                   "worker-joined...\n"
                   "attempt-moved token={epoch=1 number=1} phase=check\n"
                   "> welcome 1\n");
    history_end(h);
}

static void a_restart_owes_what_was_owed(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1\nsubmit r2 publish\nresolved 2 a x86_64-linux org=acme");
    history_said(h);
    history_restart(h);
    assert_string_equal(history_said(h),
                        "farm-started epoch=1 incarnation=2 program=\"farmd test\"\n"
                        "> peers\n> resolve 1\n> preflight 2\n");
    history_expect(h, "submit r1", "> reply ok run=1\n");
    history_end(h);
}

static void two_workers_with_one_key_are_told(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "hello w1 x86_64-linux instance=copy",
                   "> refuse 1: another worker is connected as w1 with the same key, on w1: give "
                   "each worker a key of its own (`farm worker add`)\n");
    history_expect(h, "hello w1 x86_64-linux", "worker-joined...\n> welcome 1\n> orders 1\n");
    history_do(h, "tick 30000");
    history_expect(h, "hello w1 x86_64-linux instance=copy",
                   "worker-joined worker=1 session=4 instance=copy...\n"
                   "lease-offered...\n> welcome 1\n> expect-log 1.2 from 1\n> orders 1\n");
    history_end(h);
}

/* Its attempts are lost at once and tried again, and nothing is guessed about what it published. */
static void a_host_that_lost_its_home(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux, b x86_64-linux, c x86_64-linux org=o, d x86_64-linux "
                  "org=q\npreflighted 1\n"
                  "status w1 : 1.1 running build, 1.2 accepted, 1.3 ended ok, 1.4 ended ok\n"
                  "status w1 : 1.1 running build, 1.2 accepted, p1.5 running publish\n"
                  "pause p1\nfailed w1");
    history_expect(h, "hello w1 x86_64-linux publish slots=4 instance=new",
                   "worker-joined...\n"
                   "attempt-ended token={epoch=1 number=1} outcome=lost cause=host-lost...\n"
                   "job-ready job=1...\n"
                   "attempt-ended token={epoch=1 number=2} outcome=lost cause=host-lost...\n"
                   "job-ready job=2...\n"
                   "publication-unknown publication=1 token={epoch=1 number=5}...\n"
                   "publication-unknown publication=2 token={epoch=1 number=6}...\n"
                   "> welcome 1\n");
    history_do(h, "resume p2"); /* asked again: only the target or a person can tell */
    history_expect(h, "status w1 : p1.7 ended failed stale at=publish, p1.8 ended ok already",
                   "publication-unknown publication=1 token={epoch=1 number=7}...\n"
                   "publication-published publication=2 token={epoch=1 number=8} already=true\n"
                   "ledger-entered...\n> orders 1\n");
    history_end(h);
}

static void other_systems_than_at_first_are_quarantined(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "hello w1 aarch64-linux : 1.1 accepted",
                   "worker-joined...\n"
                   "worker-moved worker=1 to=quarantined reason=\"it builds for aarch64-linux now "
                   "and built for x86_64-linux when it joined: `farm worker resume w1` accepts "
                   "that\"\n"
                   "> welcome 1\n");
    history_expect(h, "submit r2\nresolved 2 b aarch64-linux",
                   "run-submitted...\n> reply ok run=2\n> resolve 2\n"
                   "run-resolved run=2\njob-planned...\nrun-opened run=2\n");
    history_expect(h, "undrain u1 w1",
                   "worker-moved worker=1 to=online who=ann\n"
                   "request-known request_id=u1\n"
                   "lease-offered token={epoch=1 number=2} job=2 worker=1\n"
                   "> reply ok\n> expect-log 1.2 from 1\n> orders 1\n");
    history_rebuild(h);
    history_expect(h, "hello w1 aarch64-linux : 1.1 accepted, 1.2 accepted",
                   "worker-joined...\n> welcome 1\n");
    history_end(h);
}

static void a_draining_worker_ends_what_it_has(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 running build\ndrain d1 w1");
    history_expect(h, "submit r2\nresolved 2 b x86_64-linux",
                   "run-submitted...\n> reply ok run=2\n> resolve 2\n"
                   "run-resolved run=2\njob-planned...\nrun-opened run=2\n");
    history_expect(h, "status w1 : 1.1 ended ok",
                   "attempt-ended...\njob-closed job=1 verdict=ok\nrun-closed run=1\n");
    history_do(h, "tick 30000"); /* lost and back: still draining */
    history_expect(h, "hello w1 x86_64-linux : 1.1 ended ok", "worker-joined...\n> welcome 1\n");
    history_expect(h, "undrain u1 w1",
                   "worker-moved worker=1 to=online who=ann\n"
                   "request-known request_id=u1\n"
                   "lease-offered token={epoch=1 number=2} job=2 worker=1\n"
                   "> reply ok\n> expect-log 1.2 from 1\n> orders 1\n");
    history_end(h);
}

static void removing_a_host_that_owes_something_is_refused(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 running build");
    history_expect(h, "remove x1 w1",
                   "> reply no w1 still has 1 attempts and 0 publications that only it can end: "
                   "`farm worker drain w1` first, or --discard to give them up\n");
    history_expect(h, "remove x2 w1 discard",
                   "worker-moved worker=1 to=removed who=ann\n"
                   "attempt-ended token={epoch=1 number=1} outcome=lost...\n"
                   "job-ready job=1 cause=host-lost detail=\"its worker was removed\"\n"
                   "peer-revoked worker=1 name=w1 public_key=key-of-w1 role=worker\n"
                   "request-known request_id=x2\n"
                   "> peers\n> reply ok\n");
    history_expect(h, "hello w1 x86_64-linux",
                   "> refuse 1 for ever: this worker was removed from the farm: enrol it again to "
                   "use it\n");
    history_expect(h, "enrol w1", "> reply no this key was revoked: make a new one\n");
    history_end(h);
}

static void keys_and_names_are_unique(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_expect(h, "enrol w1",
                   "peer-enrolled worker=1 name=w1 public_key=key-of-w1 role=worker\n"
                   "> peers\n> reply ok\n");
    history_expect(h, "enrol w1", "> peers\n> reply ok\n");
    history_expect(
        h, "enrol w1 key=other",
        "> reply no worker w1 is enrolled already, with another key: choose another name, "
        "or revoke that key first\n");
    history_expect(h, "viewer bob key=key-of-w1",
                   "> reply no this key is enrolled already, as worker w1: revoke it first\n");
    history_expect(h, "revoke nobody",
                   "> reply no this key is not enrolled: see `farm key list`\n");
    history_expect(
        h, "viewer bob\nrevoke bob",
        "peer-enrolled name=bob public_key=key-of-bob role=viewer\n> peers\n> reply ok\n"
        "peer-revoked name=bob public_key=key-of-bob role=viewer\n> peers\n> reply ok\n");
    history_end(h);
}

static void a_log_may_be_stored_before_the_end_is_known(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 running build");
    history_expect(h, "sealed 1.1 77", "attempt-sealed token={epoch=1 number=1} log_bytes=77\n");
    history_expect(h, "status w1 : 1.1 ended ok",
                   "attempt-ended...\n"
                   "attempt-sealed token={epoch=1 number=1} log_bytes=77\n"
                   "job-closed job=1 verdict=ok\n"
                   "run-closed run=1\n> orders 1\n");
    assert_int_equal(ordered(h, 1, 1), ORDER_FORGET);
    history_expect(h, "sealed 1.1 77\nsealed 1.99 5", "");
    history_end(h);
}

static void foreign_attempts_take_slots(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1 : 1.50 running build pkg=q");
    history_expect(h, "submit r1\nresolved 1 a x86_64-linux",
                   "run-submitted...\n> reply ok run=1\n> resolve 1\n"
                   "run-resolved run=1\njob-planned...\nrun-opened run=1\n");
    history_expect(h, "status w1 : 1.50 ended stopped",
                   "lease-offered...\n> orders 1\n> expect-log 1.1 from 1\n> orders 1\n");
    history_end(h);
}

/* A worker that is nobody's, or shows what no attempt can be, changes nothing. */
static void odd_words_of_a_worker_are_survived(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "status 9", "> hello-again 9\n");
    history_expect(h, "hello 9 x86_64-linux", "> refuse 9 for ever: this worker was removed...\n");
    history_expect(h, "failed 9\nfailed w1\nfailed w1",
                   "worker-lost worker=1\n"
                   "attempt-ended...\njob-ready job=1...\n");
    history_do(h, "hello w1 x86_64-linux");
    history_expect(h, "status w1 : 1.2 running publish", ""); /* that is no phase of an attempt */
    assert_int_equal(attempt_state(h, 2), ATTEMPT_OFFERED);
    history_do(h, "status w1 : 1.2 running build");
    history_expect(h, "status w1 : 1.2 running checkout", ""); /* nor does one go back */
    history_expect(h, "status w1 : 1.2 ended none",            /* how, it does not say: not well */
                   "attempt-ended token={epoch=1 number=2} outcome=failed cause=unknown...\n"
                   "job-delayed job=1 until_ms=10000 cause=unknown\n");
    history_end(h);
}

static void a_host_that_builds_for_nothing_is_quarantined(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "hello w1 + : 1.1 accepted",
                   "worker-joined...\n"
                   "worker-moved worker=1 to=quarantined reason=\"it builds for none now and built "
                   "for x86_64-linux when it joined: `farm worker resume w1` accepts that\"\n"
                   "> welcome 1\n");
    history_do(h, "status w1 : 1.1 ended ok");
    history_expect(h, "remove x w1",
                   "worker-moved worker=1 to=removed who=ann\npeer-revoked...\n"
                   "request-known request_id=x\n> peers\n> reply ok\n");
    history_end(h);
}

/* What lies on a host that may not publish is of no use to a job that is to be published. */
static void what_may_not_be_published_is_not_adopted(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "start epoch=2\nenrol w1 publish\nenrol w2\nhello w1 x86_64-linux publish\n"
                  "pause p\nsubmit r1 publish\nresolved 1 a x86_64-linux org=acme\npreflighted 1");
    history_expect(h, "hello w2 x86_64-linux : 1.7 running build pkg=a",
                   "worker-joined...\n> welcome 2\n> orders 2\n");
    history_expect(h, "hello w1 x86_64-linux publish : 1.8 running build pkg=a",
                   "worker-joined...\n"
                   "attempt-adopted token={epoch=1 number=8} job=1 worker=1 phase=build\n"
                   "> welcome 1\n> expect-log 1.8 from 1\n");
    history_end(h);
}

/* What runs is adopted by a job that waits for it in an open run, and by no other. */
static void what_is_adopted_has_no_lease_elsewhere(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "start epoch=2\nenrol w1 publish\nenrol w2 publish\n"
                  "hello w1 x86_64-linux publish problem=later\n"
                  "hello w2 x86_64-linux publish problem=later\n"
                  "submit r1\nresolved 1 a x86_64-linux, b x86_64-linux\n"
                  "submit r2 publish\nresolved 2 c x86_64-linux org=o");
    history_expect(h, "status w1 : 1.7 running publish pkg=a, 1.8 running build pkg=c",
                   "attempt-adopted token={epoch=1 number=7} job=1 worker=1\n"
                   "> expect-log 1.7 from 1\n> orders 1\n");
    assert_int_equal(ordered(h, 1, 8), ORDER_STOP); /* nobody knows yet whether c is wanted */
    history_expect(h, "status w2 : 1.9 running build pkg=a", "> orders 2\n");
    assert_int_equal(ordered(h, 2, 9), ORDER_STOP);
    history_end(h);
}

/* Its key may have changed its rights; its name and role are for ever. */
static void who_enrols_again_may_publish_from_then_on(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "enrol w1 publish",
                   "peer-enrolled worker=1 name=w1 public_key=key-of-w1 role=worker "
                   "may_publish=true\n> peers\n> reply ok\n");
    history_expect(h, "viewer w1", /* another key; names are the worker's own */
                   "> reply no this key is enrolled already, as worker w1: revoke it first\n");
    history_expect(h, "viewer w1 key=other",
                   "peer-enrolled name=w1 public_key=other role=viewer\n> peers\n> reply ok\n");
    history_expect(h, "revoke w1",
                   "worker-moved worker=1 to=removed reason=\"its key was revoked\" who=ann\n"
                   "attempt-ended token={epoch=1 number=1} outcome=lost...\njob-ready job=1...\n"
                   "peer-revoked worker=1...\n> peers\n> reply ok\n");
    history_expect(h, "revoke w1", "> reply ok it was revoked already\n");
    history_expect(h, "remove x 1",
                   "request-known request_id=x\n> reply ok it was removed already\n");
    history_expect(h, "undrain y 1", "> reply no w1 was removed: enrol it again\n");
    history_expect(h, "drain z 9", "> reply no there is no such worker: see `farm worker list`\n");
    history_end(h);
}

static const char *enrolled(struct history *h, const char *name, const char *key, enum role role)
{
    struct input input = {.kind = INPUT_ENROL};
    input.enrol = (struct input_enrol){{"", "ann"}, name, key, role, false};
    history_said(h);
    history_step(h, &input);
    return history_said(h);
}

static void who_enrols_has_a_name_a_key_and_a_role(void **state)
{
    (void)state;
    struct history *h = history_begin();
    static const char too_long[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    assert_string_equal(enrolled(h, "", "k", ROLE_WORKER),
                        "> reply no give it a name of 1 to 63 characters\n");
    assert_string_equal(enrolled(h, too_long, "k", ROLE_WORKER),
                        "> reply no give it a name of 1 to 63 characters\n");
    assert_string_equal(enrolled(h, "w", "", ROLE_WORKER), "> reply no give the public key\n");
    assert_string_equal(enrolled(h, "w", "k", ROLE_NONE),
                        "> reply no give a role: viewer, operator, admin or worker\n");
    history_end(h);
}

static void a_farm_has_a_most_of_workers(void **state)
{
    (void)state;
    struct farm *farm = farm_create();
    struct farm_outcome outcome = {0};
    for (unsigned i = 0; i <= LIMIT_WORKERS; i++) {
        char name[20];
        snprintf(name, sizeof name, "w%u", i);
        struct input input = {.kind = INPUT_ENROL};
        input.enrol = (struct input_enrol){{"", "ann"}, name, name, ROLE_WORKER, false};
        farm_outcome_clear(&outcome);
        farm_step(farm, &input, &outcome);
    }
    assert_string_equal(outcome.effects[0].text, "a farm has at most 2000 workers");
    struct input again = {.kind = INPUT_ENROL};
    again.enrol = (struct input_enrol){{"", "ann"}, "w0", "w0", ROLE_WORKER, true};
    farm_outcome_clear(&outcome);
    farm_step(farm, &again, &outcome); /* one that is there already */
    assert_int_equal(outcome.records[0].kind, RECORD_PEER_ENROLLED);
    farm_outcome_release(&outcome);
    farm_destroy(farm);
}

static void a_worker_may_be_owed_many_orders(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct arena arena = {0};
    struct orders orders;
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=12\nsubmit r1\nresolved 1 a x86_64-linux, "
                  "b x86_64-linux, c x86_64-linux, d x86_64-linux, e x86_64-linux, f x86_64-linux, "
                  "g x86_64-linux, i x86_64-linux, j x86_64-linux, k x86_64-linux");
    view_orders(history_farm(h), 1, &orders, &arena);
    assert_int_equal(orders.orders_count, 10);
    view_orders(history_farm(h), 9, &orders, &arena); /* nobody */
    assert_int_equal(orders.orders_count, 0);
    arena_clear(&arena);
    history_end(h);
}

/* The machine's clock does not; but if it did, no lease would end for it. */
static void a_clock_that_goes_back_stands_still(void **state)
{
    (void)state;
    struct history *h = one_job();
    struct farm_view before, after;
    history_do(h, "tick 10000");
    view_farm(history_farm(h), &before);
    history_advance(h, (uint64_t)-5000);
    history_do(h, "status w1 : 1.1 accepted");
    view_farm(history_farm(h), &after);
    assert_int_equal(after.now_ms, before.now_ms);
    history_advance(h, 5000);
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_is_repeated_until_it_is_shown),
        cmocka_unit_test(a_stale_status_renews_nothing),
        cmocka_unit_test(a_host_that_comes_back_within_the_grace_keeps_its_build),
        cmocka_unit_test(a_host_that_comes_back_too_late_stops_and_forgets),
        cmocka_unit_test(a_coming_stop_is_told_in_the_farms_time),
        cmocka_unit_test(a_coming_stop_is_forgotten_with_its_worker),
        cmocka_unit_test(a_silent_host_is_lost_however_much_the_others_say),
        cmocka_unit_test(an_offer_nobody_took_goes_elsewhere_at_once),
        cmocka_unit_test(an_offer_that_is_never_shown_goes_elsewhere),
        cmocka_unit_test(an_accepted_offer_is_kept),
        cmocka_unit_test(a_busy_farm_looks_as_often),
        cmocka_unit_test(what_another_worker_has_is_not_ones_own),
        cmocka_unit_test(what_a_worker_lost_sight_of_is_lost),
        cmocka_unit_test(a_failed_send_is_a_lost_session),
        cmocka_unit_test(a_restored_journal_adopts_what_it_does_not_know),
        cmocka_unit_test(a_restored_journal_does_not_repeat_its_offers),
        cmocka_unit_test(a_hello_that_was_overtaken_is_ignored),
        cmocka_unit_test(a_gap_extends_all_leases),
        cmocka_unit_test(a_restart_gives_every_lease_a_full_term),
        cmocka_unit_test(a_restart_owes_what_was_owed),
        cmocka_unit_test(two_workers_with_one_key_are_told),
        cmocka_unit_test(a_host_that_lost_its_home),
        cmocka_unit_test(other_systems_than_at_first_are_quarantined),
        cmocka_unit_test(a_draining_worker_ends_what_it_has),
        cmocka_unit_test(removing_a_host_that_owes_something_is_refused),
        cmocka_unit_test(keys_and_names_are_unique),
        cmocka_unit_test(a_log_may_be_stored_before_the_end_is_known),
        cmocka_unit_test(foreign_attempts_take_slots),
        cmocka_unit_test(odd_words_of_a_worker_are_survived),
        cmocka_unit_test(a_host_that_builds_for_nothing_is_quarantined),
        cmocka_unit_test(what_may_not_be_published_is_not_adopted),
        cmocka_unit_test(what_is_adopted_has_no_lease_elsewhere),
        cmocka_unit_test(who_enrols_again_may_publish_from_then_on),
        cmocka_unit_test(who_enrols_has_a_name_a_key_and_a_role),
        cmocka_unit_test(a_farm_has_a_most_of_workers),
        cmocka_unit_test(a_worker_may_be_owed_many_orders),
        cmocka_unit_test(a_clock_that_goes_back_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
