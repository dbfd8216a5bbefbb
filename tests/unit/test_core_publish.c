/* SPDX-License-Identifier: MIT */
/* Publications: wanted, held, granted, running, unknown, and how each of them ends. */
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Job 1 of run 1 is built by w1 and its publication granted as 1.2. */
static struct history *granted(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\n"
                  "submit r1 publish\nresolved 1 a x86_64-linux org=acme inputs=i1\npreflighted 1\n"
                  "status w1 : 1.1 ended ok\nsealed 1.1 10");
    return h;
}

static enum publication_state state_of(struct history *h, uint64_t publication)
{
    struct publication_view view;
    assert_true(view_publication(history_farm(h), publication, &view));
    return view.state;
}

/* Of two publications of one place the older one is open longer: in an export it comes first. */
static void an_export_keeps_who_holds_a_place(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h,
               "submit r2 publish force\nresolved 2 a x86_64-linux org=acme commit=c2\n"
               "preflighted 2\nstatus w1 : 1.1 ended ok, p1.2 ended failed network, 1.3 ended ok\n"
               "status w1 : p1.4 ended ok\ntick 10000\n"
               "status w1 : p1.5 ended failed publish unsure");
    assert_int_equal(state_of(h, 1), PUBLICATION_UNKNOWN);
    assert_int_equal(state_of(h, 2), PUBLICATION_PUBLISHED);
    history_rebuild(h);
    history_expect(h, "tick 20000", "publication-granted publication=1...\n...\n...\n");
    history_end(h);
}

static struct publication_view publication(struct history *h, uint64_t id)
{
    return must_publication(history_farm(h), id);
}

/* Run 1 has the older commit: its first try fails on the network, and run 2 publishes meanwhile. */
static struct history *overtaken(const char *submit)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=4");
    history_do(h, submit);
    history_do(h, "resolved 1 a x86_64-linux org=acme commit=c1 depth=7\npreflighted 1\n"
                  "status w1 : 1.1 ended ok\nsealed 1.1 10\n"
                  "submit r2 publish\n"
                  "resolved 2 a x86_64-linux org=acme commit=c2 depth=8\npreflighted 2\n"
                  "status w1 : 1.1 ended ok, p1.2 ended failed network\n"
                  "status w1 : p1.2 ended failed network, 1.3 ended ok\nsealed 1.3 10\n"
                  "status w1 : 1.3 ended ok, p1.4 ended ok");
    assert_int_equal(state_of(h, 1), PUBLICATION_WANTED);
    assert_int_equal(state_of(h, 2), PUBLICATION_PUBLISHED);
    return h;
}

/* The ledger is asked when the publication starts, not when its run was planned. */
static void an_older_commit_is_not_published_over_a_newer_one(void **state)
{
    (void)state;
    struct history *h = overtaken("submit r1 publish");
    history_rebuild(h);
    history_expect(h, "tick 20000",
                   "publication-superseded publication=1 token={epoch=1 number=2} "
                   "detail=\"superseded by c2, published by run 2\"\nrun-closed run=1\n");
    assert_int_equal(state_of(h, 1), PUBLICATION_SUPERSEDED);
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_WELL);
    assert_string_equal(view_ledger(history_farm(h), "acme", "a", "x86_64-linux")->variant.commit,
                        "c2");
    history_expect(h, "publish q1 1",
                   "> reply no job 1 (a) is superseded by c2, published by run 2: `farm "
                   "rebuild --publish --force` publishes it\n");
    history_rebuild(h);
    assert_int_equal(state_of(h, 1), PUBLICATION_SUPERSEDED);
    /* Planned later, it is known at once, and built all the same. */
    history_do(h, "submit r3 publish\nresolved 3 a x86_64-linux org=acme commit=c0 depth=6");
    assert_string_equal(must_job(history_farm(h), 3).item->claim.lost,
                        "superseded by c2, published by run 2");
    history_end(h);
}

/* Neither commit is in the history of the other: a person decides, whichever is published first. */
static void a_rewritten_branch_asks(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\nsubmit r1 publish\n"
               "resolved 1 a x86_64-linux org=acme commit=c1 depth=7\npreflighted 1\n"
               "status w1 : 1.1 ended ok\nsealed 1.1 10\nstatus w1 : 1.1 ended ok, p1.2 ended ok");
    assert_int_equal(state_of(h, 1), PUBLICATION_PUBLISHED);
    const char *problem = "branch main was rewritten: the history of commit d2 does not have c1, "
                          "published by run 1; `farm rebuild --publish --force` publishes it";
    history_do(h, "submit r2 publish\n"
                  "resolved 2 a x86_64-linux org=acme commit=d2 depth=9 diverged=c1");
    assert_int_equal(must_job(history_farm(h), 2).verdict, VERDICT_BLOCKED);
    assert_string_equal(must_job(history_farm(h), 2).item->problem, problem);
    history_do(h, "submit r3\nresolved 3 a x86_64-linux org=acme commit=d2 depth=5 diverged=c1");
    assert_string_equal(must_job(history_farm(h), 3).item->claim.lost, problem);
    history_do(h, "submit r4 publish force\n"
                  "resolved 4 a x86_64-linux org=acme commit=d2 depth=9 diverged=c1");
    assert_int_not_equal(must_job(history_farm(h), 4).verdict, VERDICT_BLOCKED);
    history_end(h);
}

/* Run 1 waits for the network; run 2 was forced over a rewritten branch, and says so. */
static void what_diverged_meanwhile_asks_when_its_publication_starts(void **state)
{
    (void)state;
    static const char *const newer[] = {"commit=d2 depth=8 diverged=c1",
                                        "commit=d2 depth=3 diverged=c1",
                                        "commit=d2 depth=8 diverged=c0,c12"};
    for (size_t i = 0; i < 3; i++) {
        struct history *h = history_begin();
        struct arena arena = {0};
        history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\nsubmit r1 publish\n"
                      "resolved 1 a x86_64-linux org=acme commit=c1 depth=7\npreflighted 1\n"
                      "status w1 : 1.1 ended ok\nsealed 1.1 10\nsubmit r2 publish");
        history_do(
            h, arena_print(&arena,
                           "resolved 2 a x86_64-linux org=acme %s\npreflighted 2\n"
                           "status w1 : 1.1 ended ok, p1.2 ended failed network\n"
                           "status w1 : p1.2 ended failed network, 1.3 ended ok\nsealed 1.3 10\n"
                           "status w1 : 1.3 ended ok, p1.4 ended ok\ntick 20000",
                           newer[i]));
        history_rebuild(h);
        assert_int_equal(state_of(h, 1), i < 2 ? PUBLICATION_FAILED : PUBLICATION_SUPERSEDED);
        if (i < 2)
            assert_string_equal(must_publication(history_farm(h), 1).detail,
                                "branch main was rewritten: the history of commit c1 does not have "
                                "d2, published by run 2; `farm rebuild --publish --force` "
                                "publishes it");
        arena_clear(&arena);
        history_end(h);
    }
}

static void force_publishes_an_older_commit(void **state)
{
    (void)state;
    struct history *h = overtaken("submit r1 publish force");
    history_expect(h, "tick 20000", "publication-granted publication=1...\n...\n...\n");
    history_end(h);
}

/* Two runs that did not know of each other: the second publication finds the first one's entry. */
static void a_name_that_another_branch_took_meanwhile_is_decided_again(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        enum publication_state state;
        const char *detail;
    } cases[] = {
        {"", "", PUBLICATION_FAILED,
         "a for x86_64-linux would be published to o from two and from one: name the branch that "
         "wins under `wins` in farm.yaml, or set `collisions` of the target"},
        {"", "wins", PUBLICATION_GRANTED, ""},
        {"collisions=newest line=2.10", "collisions=newest line=2.9", PUBLICATION_SUPERSEDED,
         "one has this name at o, published by run 1"},
        {"collisions=newest line=2.9", "collisions=newest line=2.10", PUBLICATION_GRANTED, ""},
        {"collisions=newest line=2.9", "collisions=newest line=2.9", PUBLICATION_FAILED,
         "a for x86_64-linux would be published to o from two and from one: name the branch that "
         "wins under `wins` in farm.yaml"},
        {"collisions=order rank=1", "collisions=order rank=2", PUBLICATION_SUPERSEDED,
         "one has this name at o, published by run 1"},
        {"collisions=order rank=2", "collisions=order rank=1", PUBLICATION_GRANTED, ""},
        {"collisions=versions line=2.10", "collisions=versions line=2.9", PUBLICATION_SUPERSEDED,
         "superseded by version line 2.10 of branch one, published by run 1"},
        {"collisions=versions line=2.9", "collisions=versions line=2.10", PUBLICATION_GRANTED, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[1024];
        struct history *h = history_begin();
        snprintf(script, sizeof script,
                 "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\n"
                 "submit r1 publish\nresolved 1 a x86_64-linux org=o branch=one %s\npreflighted 1\n"
                 "submit r2 publish\nresolved 2 a x86_64-linux org=o branch=two %s\npreflighted 2\n"
                 "status w1 : 1.1 ended ok, 1.2 ended ok\nstatus w1 : 1.1 ended ok, 1.2 ended ok, "
                 "p1.3 ended ok",
                 cases[i].first, cases[i].second);
        history_do(h, script);
        assert_int_equal(state_of(h, 1), PUBLICATION_PUBLISHED);
        assert_int_equal(state_of(h, 2), cases[i].state);
        assert_string_equal(publication(h, 2).detail, cases[i].detail);
        history_end(h);
    }
}

/* The last one to be published is the target's newest. */
static void version_lines_are_published_in_order(void **state)
{
    (void)state;
#define LINE(line, branch) "a x86_64-linux org=o collisions=versions line=" line " branch=" branch
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\nsubmit r1 publish\n"
                  "resolved 1 " LINE("2.10", "c") ", " LINE("2.8", "a") ", " LINE(
                      "2.9", "b") "\n"
                                  "preflighted 1");
    assert_int_equal(must_job(history_farm(h), 1).after, 3);
    assert_int_equal(must_job(history_farm(h), 2).after, 0);
    assert_int_equal(must_job(history_farm(h), 3).after, 2);
    history_do(h, "status w1 : 1.1 ended ok\nstatus w1 : 1.1 ended ok, 1.3 ended ok");
    assert_int_equal(state_of(h, 1), PUBLICATION_WANTED);
    assert_int_equal(state_of(h, 2), PUBLICATION_WANTED);
    history_rebuild(h);
    history_do(h, "status w1 : 1.1 ended ok, 1.3 ended ok, 1.2 ended failed compile");
    assert_int_equal(state_of(h, 2), PUBLICATION_GRANTED); /* the lowest was not built */
    assert_int_equal(state_of(h, 1), PUBLICATION_WANTED);
    history_do(h, "status w1 : 1.1 ended ok, 1.3 ended ok, p1.4 ended ok");
    assert_int_equal(state_of(h, 2), PUBLICATION_PUBLISHED);
    assert_int_equal(state_of(h, 1), PUBLICATION_GRANTED);
    history_end(h);
#undef LINE
}

/* A publish has a limit of time as a build has. */
static void a_coming_stop_of_a_publish_is_told(void **state)
{
    (void)state;
    struct history *h = granted();
    struct publication_view view;
    history_do(h, "status w1 at=5 : 1.1 ended ok, p1.2 running publish stop=timeout stopat=905");
    view = must_publication(history_farm(h), 1);
    assert_int_equal(view.stop_cause, CAUSE_TIMEOUT);
    history_do(h, "tick 80000"); /* nobody is there to say it */
    view = must_publication(history_farm(h), 1);
    assert_int_equal(view.state, PUBLICATION_RUNNING);
    assert_int_equal(view.stop_cause, CAUSE_NONE);
    history_do(h, "hello w1 x86_64-linux publish slots=4 at=80005 : 1.1 ended ok, p1.2 ended ok");
    view = must_publication(history_farm(h), 1);
    assert_int_equal(view.state, PUBLICATION_PUBLISHED);
    assert_int_equal(view.stop_cause, CAUSE_NONE);
    history_end(h);
}

/* Nobody but the host that was granted says what became of it, nor hides that host's word. */
static void another_workers_word_about_a_publish_is_nothing(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "enrol w2 publish\nhello w2 x86_64-linux publish\n"
                  "status w1 : 1.1 ended ok, p1.2 running publish");
    history_expect(h, "status w2 : p1.2 ended ok, p1.2 ended failed publish",
                   "> foreign 1.2 from 2\n...");
    assert_int_equal(state_of(h, 1), PUBLICATION_RUNNING);
    history_do(h, "status w1 : 1.1 ended ok, p1.2 ended ok");
    assert_int_equal(state_of(h, 1), PUBLICATION_PUBLISHED);
    history_end(h);
}

/* A grant whose host lost its home may have been carried out before that. */
static void a_grant_to_a_lost_home_is_unknown(void **state)
{
    (void)state;
    struct history *h = granted();
    history_expect(h, "hello w1 x86_64-linux publish slots=4 instance=another", "> refuse 1...\n");
    history_do(h, "failed w1");
    history_expect(h, "hello w1 x86_64-linux publish slots=4 instance=another",
                   "worker-joined...\n"
                   "publication-unknown publication=1 token={epoch=1 number=2}...\n"
                   "publication-granted publication=1 token={epoch=1 number=3}\n"
                   "> welcome 1\n> expect-log 1.3 from 1\n> orders 1\n");
    history_end(h);
}

static void already_published_is_success(void **state)
{
    (void)state;
    struct history *h = granted();
    history_expect(h, "status w1 : 1.1 ended ok, p1.2 ended ok already",
                   "publication-published publication=1 token={epoch=1 number=2} already=true\n"
                   "ledger-entered target=acme...\n"
                   "run-closed run=1\n> orders 1\n");
    const struct ledger_entry *entry = view_ledger(history_farm(h), "acme", "a", "x86_64-linux");
    assert_non_null(entry);
    assert_string_equal(entry->inputs, "i1");
    assert_string_equal(entry->worker, "w1");
    history_end(h);
}

static void a_grant_never_expires(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "status w1 : 1.1 ended ok, p1.2 running publish");
    history_expect(h, "tick 100000000", "worker-lost worker=1\n");
    assert_int_equal(state_of(h, 1), PUBLICATION_RUNNING);
    history_expect(h, "hello w1 x86_64-linux publish : p1.2 ended ok",
                   "worker-joined...\n"
                   "publication-published publication=1 token={epoch=1 number=2}\n"
                   "ledger-entered...\nrun-closed run=1\n> welcome 1\n");
    history_end(h);
}

static void one_grant_a_place(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "enrol w2 publish\nhello w2 x86_64-linux publish\ndrain d w1\n"
                  "submit r2 publish force\n"
                  "resolved 2 a x86_64-linux org=acme inputs=i2 commit=c2\npreflighted 2");
    history_expect(h, "status w2 : 1.3 ended ok",
                   "attempt-ended...\njob-closed job=2 verdict=ok\n"
                   "publication-wanted publication=2 job=2 worker=2...\n");
    history_expect(h, "status w1 : p1.2 ended ok",
                   "publication-published publication=1...\nledger-entered...\n"
                   "publication-granted publication=2 token={epoch=1 number=4}\n"
                   "run-closed run=1\n"
                   "> expect-log 1.4 from 2\n> orders 2\n");
    history_end(h);
}

static void a_failed_publish_is_retried_as_a_publish(void **state)
{
    (void)state;
    struct history *h = granted();
    history_expect(h, "status w1 : 1.1 ended ok, p1.2 ended failed network at=publish",
                   "publication-retried publication=1 token={epoch=1 number=2} until_ms=10000 "
                   "cause=network\n");
    history_expect(h, "tick 10000",
                   "publication-granted publication=1 token={epoch=1 number=3}\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    history_do(h, "status w1 : p1.3 ended failed network at=publish\ntick 20000");
    history_expect(h, "status w1 : p1.4 ended failed publish at=publish detail=no",
                   "publication-failed publication=1 token={epoch=1 number=4} cause=publish "
                   "detail=no\n"
                   "run-closed run=1\n");
    struct job_view job;
    assert_true(view_job(history_farm(h), 1, &job));
    assert_int_equal(job.verdict, VERDICT_OK);
    history_end(h);
}

static void what_may_have_happened_is_asked_again_of_the_same_worker(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "enrol w2 publish\nhello w2 x86_64-linux publish");
    history_expect(h, "status w1 : p1.2 ended failed publish at=publish unsure",
                   "publication-unknown publication=1 token={epoch=1 number=2} until_ms=10000 "
                   "cause=publish\n");
    history_expect(h, "tick 9000\nstatus w1\nstatus w2\ntick 1000",
                   "publication-granted publication=1 token={epoch=1 number=3}\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    /* A later failure proves nothing about the first try: however often, it stays unknown. */
    for (int i = 0; i < 8; i++) {
        struct publication_view view = must_publication(history_farm(h), 1);
        char said[100];
        snprintf(said, sizeof said, "status w1 : p1.%llu ended failed publish at=publish",
                 (unsigned long long)view.token.number);
        history_do(h, said);
        assert_int_equal(state_of(h, 1), PUBLICATION_UNKNOWN);
        history_rebuild(h);
        for (int j = 0; j < 32; j++)
            history_do(h, "tick 10000\nstatus w1\nstatus w2");
        assert_int_equal(state_of(h, 1), PUBLICATION_GRANTED);
    }
    /* Not while it is asked: another grant would be given beside this one. */
    history_expect(h, "settle s0 1 not",
                   "> reply no w1 is publishing it now: wait for its report\n");
    struct publication_view asked;
    char line[100];
    asked = must_publication(history_farm(h), 1);
    snprintf(line, sizeof line, "status w1 : p1.%llu ended failed publish at=publish",
             (unsigned long long)asked.token.number);
    history_do(h, line);
    history_expect(h, "settle s1 1 published",
                   "publication-published publication=1...\nledger-entered...\n"
                   "request-known request_id=s1 run=1\nrun-closed run=1\n> reply ok run=1\n");
    history_end(h);
}

static void a_vanished_publish_is_unknown(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "status w1 : 1.1 ended ok, p1.2 running publish");
    history_expect(h, "status w1 : 1.1 ended ok",
                   "publication-unknown publication=1 token={epoch=1 number=2} cause=host-lost...\n"
                   "publication-granted publication=1 token={epoch=1 number=3}\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    /* The first try turns up after all; the second one is on its way, and ends, too. */
    history_expect(h, "status w1 : 1.1 ended ok, p1.2 ended ok", "> orders 1\n");
    history_expect(h, "status w1 : 1.1 ended ok, p1.2 ended ok, p1.3 ended ok already",
                   "publication-published...\nledger-entered...\nrun-closed run=1\n"
                   "> orders 1\n");
    history_end(h);
}

static void a_rejected_account_holds_its_kind(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "submit r2 publish\n"
                  "resolved 2 b x86_64-linux org=acme, c x86_64-linux org=beta\npreflighted 2");
    history_expect(h, "status w1 : p1.2 ended failed auth by=probe at=publish detail=expired",
                   "publication-held publication=1 token={epoch=1 number=2} cause=auth "
                   "detail=expired witness=probe\n> orders 1\n");
    history_expect(h, "status w1 : 1.3 ended ok, 1.4 ended ok",
                   "attempt-ended token={epoch=1 number=3}...\njob-closed job=2 verdict=ok\n"
                   "attempt-ended token={epoch=1 number=4}...\njob-closed job=3 verdict=ok\n"
                   "publication-wanted publication=2...\n"
                   "publication-held publication=2 cause=auth...\n"
                   "publication-wanted publication=3...\n"
                   "publication-granted publication=3 token={epoch=1 number=5}\n"
                   "> expect-log 1.5 from 1\n> orders 1\n");
    history_expect(h, "release q1 acme",
                   "publication-released publication=1 token={epoch=1 number=2}\n"
                   "publication-released publication=2\n"
                   "request-known request_id=q1\n"
                   "publication-granted publication=1 token={epoch=1 number=6}\n"
                   "publication-granted publication=2 token={epoch=1 number=7}\n"
                   "> reply ok 2 publications go on\n"
                   "> expect-log 1.6 from 1\n> expect-log 1.7 from 1\n> orders 1\n");
    history_end(h);
}

static void stale_outputs_end_the_publication_and_not_the_build(void **state)
{
    (void)state;
    struct history *h = granted();
    history_expect(h, "status w1 : p1.2 ended failed stale at=publish",
                   "publication-failed publication=1 token={epoch=1 number=2} cause=stale\n"
                   "run-closed run=1\n");
    struct job_view job;
    assert_true(view_job(history_farm(h), 1, &job));
    assert_int_equal(job.verdict, VERDICT_OK);
    history_end(h);
}

static void a_person_settles(void **state)
{
    (void)state;
    struct history *h = granted();
    history_expect(h, "settle s0 9 published",
                   "> reply no there is no publication 9: see `farm status`\n");
    history_do(h, "status w1 : p1.2 running publish");
    history_expect(h, "settle s1 1 not",
                   "> reply no w1 is publishing it now: wait for its report\n");
    history_do(h, "tick 30000");
    history_expect(h, "settle s2 1 not",
                   "publication-retried publication=1 token={epoch=1 number=2} until_ms=30000 "
                   "detail=\"settled by ann\"\n"
                   "request-known request_id=s2 run=1\n> reply ok run=1\n");
    history_expect(h, "settle s3 1 giveup",
                   "publication-failed publication=1 token={epoch=1 number=2} detail=\"settled by "
                   "ann\"\n"
                   "request-known request_id=s3 run=1\nrun-closed run=1\n> reply ok run=1\n");
    history_expect(h, "settle s3 1 giveup", "> reply ok run=1\n");
    history_expect(h, "settle s4 1 giveup",
                   "> reply no publication 1 is settled already: it is failed\n");
    history_end(h);
}

static void cancelling_leaves_a_running_publication_alone(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "submit r2 publish\nresolved 2 b x86_64-linux org=acme\npreflighted 2\n"
                  "status w1 : p1.2 running publish, 1.3 ended ok\npause p1");
    history_expect(h, "cancel c1 run=1", "request-known request_id=c1 run=1\n> reply ok run=1\n");
    assert_int_equal(state_of(h, 1), PUBLICATION_RUNNING);
    history_do(h, "status w1 : p1.4 ended failed network at=publish, p1.2 running publish");
    assert_int_equal(state_of(h, 2), PUBLICATION_WANTED);
    history_expect(
        h, "cancel c2 run=2",
        "publication-failed publication=2 token={epoch=1 number=4} detail=\"cancelled by "
        "ann\"\n"
        "request-known request_id=c2 run=2\nrun-closed run=2\n> reply ok run=2\n");
    history_end(h);
}

static void publishing_what_an_earlier_run_built(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\nsubmit r1\n"
                  "resolved 1 a x86_64-linux org=acme, b x86_64-linux\n"
                  "status w1 : 1.1 ended ok, 1.2 ended ok\n");
    history_expect(
        h, "publish q1 1 2",
        "> reply no branch main had no `publish` in farm.yaml when job 2 (b) was planned: "
        "set it and rebuild\n");
    history_expect(h, "publish q1 1 7", "> reply no there is no job 7: see `farm status`\n");
    history_expect(h, "publish q1 1",
                   "publication-wanted publication=1 job=1 worker=1...\n"
                   "request-known request_id=q1 run=1\n"
                   "publication-granted publication=1 token={epoch=1 number=3}\n"
                   "> reply ok run=1 1 to publish, 0 were published or waiting already\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    history_expect(h, "publish q1 1", "> reply ok run=1\n");
    history_expect(h, "publish q2 1",
                   "request-known request_id=q2\n"
                   "> reply ok 0 to publish, 1 were published or waiting already\n");
    history_expect(h, "status w1 : p1.3 ended ok", "publication-published...\nledger-entered...\n");
    history_end(h);
}

static void a_publication_holds_no_slot_and_pins_its_host(void **state)
{
    (void)state;
    struct history *h = granted();
    struct worker_view worker;
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.running, 0);
    assert_int_equal(worker.publishing, 1);
    /* The folder is kept while the publication is open, though its log is stored. */
    struct arena arena = {0};
    struct orders orders;
    history_do(h, "status w1 : 1.1 ended ok, p1.2 running publish");
    view_orders(history_farm(h), 1, &orders, &arena);
    assert_int_equal(orders.orders_count, 0);
    history_do(h, "status w1 : 1.1 ended ok, p1.2 ended ok");
    view_orders(history_farm(h), 1, &orders, &arena);
    assert_int_equal(orders.orders_count, 1);
    assert_int_equal(orders.orders[0].kind, ORDER_FORGET);
    assert_int_equal(orders.orders[0].token.number, 1);
    arena_clear(&arena);
    history_end(h);
}

static bool is_forgotten(struct history *h, uint64_t worker, struct token token)
{
    struct arena arena = {0};
    struct orders orders;
    bool found = false;
    view_orders(history_farm(h), worker, &orders, &arena);
    for (size_t i = 0; i < orders.orders_count; i++)
        found |=
            orders.orders[i].kind == ORDER_FORGET && token_equal(orders.orders[i].token, token);
    arena_clear(&arena);
    return found;
}

/* The run whose job built it is archived while another run still publishes it; after a restore the
 * attempt is adopted by a third, and what the second does not need any more the third does. */
static void an_attempt_stays_pinned_while_its_run_is_archived_and_it_is_adopted(void **state)
{
    (void)state;
    struct history *h = history_begin();
    const struct token built = {1, 1};
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\n"
                  "submit r1\nresolved 1 a x86_64-linux org=acme\npreflighted 1\n"
                  "submit r2 publish\nresolved 2 a x86_64-linux org=acme\npreflighted 2\n"
                  "status w1 : 1.1 ended ok\nsealed 1.1 10\narchive 1\n"
                  "status w1 : 1.1 ended ok, p1.2 ended failed publish unsure");
    assert_int_equal(state_of(h, 1), PUBLICATION_UNKNOWN);
    assert_false(is_forgotten(h, 1, built));
    history_do(h, "start epoch=2\nsubmit r3 publish\nresolved 3 a x86_64-linux org=acme\n"
                  "preflighted 3");
    history_expect(h, "hello w1 x86_64-linux publish slots=4 : 1.1 ended ok pkg=a",
                   "worker-joined...\nattempt-adopted token={epoch=1 number=1} job=3...\n"
                   "attempt-ended...\njob-closed job=3 verdict=ok\n"
                   "publication-wanted publication=2 job=3...\n"
                   "> welcome 1\n> expect-log 1.1 from 1\n");
    history_expect(h, "sealed 1.1 10\ntick 10000\nstatus w1 : 1.1 ended ok, p2.3 ended ok already",
                   "attempt-sealed...\npublication-granted publication=1...\n"
                   "> expect-log 2.3 from 1\n> orders 1\n"
                   "publication-published publication=1...\nledger-entered...\n"
                   "publication-granted publication=2...\nrun-closed run=2\n"
                   "> expect-log 2.4 from 1\n> orders 1\n");
    assert_false(is_forgotten(h, 1, built));
    history_do(h, "status w1 : 1.1 ended ok, p2.4 ended ok already");
    assert_true(is_forgotten(h, 1, built));
    history_end(h);
}

/* Runs 1 and 2 publish one build, and the grant of the first, 1.2, was lost from sight with the
 * home of w1: it is granted again as 1.3. */
static struct history *granted_twice(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\n"
                  "submit r1 publish\nresolved 1 a x86_64-linux org=acme\npreflighted 1\n"
                  "submit r2 publish\nresolved 2 a x86_64-linux org=acme\npreflighted 2\n"
                  "status w1 : 1.1 ended ok\nsealed 1.1 10\nfailed w1\n"
                  "hello w1 x86_64-linux publish slots=4 instance=another : 1.1 ended ok");
    assert_int_equal(state_of(h, 1), PUBLICATION_GRANTED);
    return h;
}

/* What an older try says waits for the newest, and frees nothing until then. */
static void a_publication_closes_when_its_newest_try_has_ended(void **state)
{
    (void)state;
    struct history *h = granted_twice();
    const struct token old = {1, 2};
    history_do(h, "sealed 1.2 10");
    history_expect(h, "status w1 : 1.1 ended ok, p1.2 ended ok", "> orders 1\n");
    assert_int_equal(state_of(h, 1), PUBLICATION_GRANTED);
    assert_false(is_forgotten(h, 1, old));
    history_expect(h, "status w1 : p1.2 ended ok, p1.3 running publish",
                   "publication-running publication=1 token={epoch=1 number=3}\n");
    assert_false(is_forgotten(h, 1, old));
    history_expect(h, "status w1 : p1.2 ended ok, p1.3 ended failed network",
                   "publication-published publication=1...\nledger-entered...\n"
                   "publication-granted publication=2...\n"
                   "run-closed run=1\n> orders 1\n> expect-log 1.4 from 1\n> orders 1\n");
    assert_true(is_forgotten(h, 1, old));
    history_end(h);
}

/* Nor does the newest try close it while its host shows an older one. */
static void a_publication_closes_when_its_older_tries_have_ended(void **state)
{
    (void)state;
    struct history *h = granted_twice();
    const struct token new = {1, 3};
    history_do(h, "sealed 1.3 10");
    history_expect(h, "status w1 : p1.2 running publish, p1.3 ended ok", "");
    assert_int_equal(state_of(h, 2), PUBLICATION_WANTED);
    assert_false(is_forgotten(h, 1, new));
    history_expect(h, "status w1 : p1.2 ended failed network, p1.3 ended ok already",
                   "publication-published publication=1 token={epoch=1 number=3} already=true\n"
                   "ledger-entered...\npublication-granted publication=2...\n"
                   "run-closed run=1\n> orders 1\n> expect-log 1.4 from 1\n> orders 1\n");
    history_end(h);
}

/* Publication 1 may have happened and its host may not try again yet; then the try turns up. */
static void what_turned_up_is_not_granted_again_nor_settled(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "failed w1\nhello w1 aarch64-linux publish slots=4 instance=another");
    assert_int_equal(state_of(h, 1), PUBLICATION_UNKNOWN);
    history_expect(h, "status w1 : p1.2 running publish\nundrain u w1",
                   "worker-moved...\nrequest-known request_id=u\n> reply ok\n");
    history_expect(h, "settle s1 1 not",
                   "> reply no w1 is publishing it now: wait for its report\n");
    history_expect(h, "status w1 : p1.2 ended failed network",
                   "publication-granted publication=1 token={epoch=1 number=3}\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    history_end(h);
}

/* A person said that it was not published, and was wrong: it was still being published. */
static void a_try_that_fails_beside_another_proves_nothing(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "status w1 : p1.2 running publish\nfailed w1\nsettle s 1 not\n"
                  "hello w1 x86_64-linux publish slots=4 instance=another");
    history_expect(h, "status w1 : p1.2 running publish, p1.3 ended failed stale",
                   "publication-unknown publication=1 token={epoch=1 number=3}...\n");
    history_expect(h, "tick 20000\nstatus w1 : p1.2 ended ok",
                   "publication-published publication=1...\nledger-entered...\n"
                   "run-closed run=1\n");
    history_end(h);
}

/* It turns up after its publication has closed. Only its own host's word counts. */
static void what_turned_up_keeps_its_place(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "failed w1\nhello w1 x86_64-linux publish slots=4 instance=another\n"
                  "status w1 : p1.3 ended ok\nenrol w2 publish\nhello w2 x86_64-linux publish\n"
                  "drain d w1\nsubmit r2 publish force\n"
                  "resolved 2 a x86_64-linux org=acme commit=c2\npreflighted 2");
    assert_int_equal(state_of(h, 1), PUBLICATION_PUBLISHED);
    history_do(h, "status w1 : p1.2 running publish");
    history_expect(h, "status w2 : 1.4 ended ok",
                   "attempt-ended...\njob-closed job=2 verdict=ok\n"
                   "publication-wanted publication=2 job=2 worker=2...\n");
    history_expect(h, "status w2 : p1.2 running publish\ntick 1000", "> foreign 1.2 from 2\n");
    history_expect(h, "status w1 : p1.2 ended ok\nstatus w2 : 1.4 ended ok, p1.2 running publish",
                   "publication-granted publication=2 token={epoch=1 number=5}\n"
                   "> expect-log 1.5 from 2\n> orders 2\n> foreign 1.2 from 2\n> orders 2\n");
    history_end(h);
}

static void removing_the_host_gives_up_its_publications(void **state)
{
    (void)state;
    struct history *h = granted();
    history_expect(h, "remove x w1", "> reply no w1 still has 0 attempts and 1 publications...\n");
    history_expect(h, "remove x w1 discard",
                   "worker-moved...\n"
                   "publication-failed publication=1 token={epoch=1 number=2} cause=host-lost "
                   "detail=\"its worker was removed while it may have been publishing...\n"
                   "peer-revoked...\nrequest-known...\nrun-closed run=1\n"
                   "> peers\n> reply ok\n");
    history_end(h);
}

/* What it was seen to publish is given up with it. */
static void a_removed_host_keeps_no_place(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "status w1 : p1.2 running publish\nremove x w1 discard\n"
                  "enrol w2 publish\nhello w2 x86_64-linux publish\nsubmit r2 publish force\n"
                  "resolved 2 a x86_64-linux org=acme commit=c2\npreflighted 2\n"
                  "status w2 : 1.3 ended ok");
    assert_int_equal(state_of(h, 2), PUBLICATION_GRANTED);
    history_end(h);
}

static void imports_are_idempotent(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_expect(h, "import i1 acme a x86_64-linux c0 h0",
                   "ledger-entered target=acme...\nrequest-known request_id=i1\n"
                   "> reply ok 1 entered, 0 were there already\n");
    history_expect(h, "import i2 acme a x86_64-linux c0 h0",
                   "request-known request_id=i2\n> reply ok 0 entered, 1 were there already\n");
    history_end(h);
}

/* A cancelled run, a host that left or a build that nobody knows any more has nothing to publish.
 */
static void what_cannot_be_published_says_why(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1 publish\nenrol w2\nhello w1 x86_64-linux publish\nhello w2 "
               "aarch64-linux publish\nsubmit r1\nresolved 1 a x86_64-linux org=o, b aarch64-linux "
               "org=o\nsubmit r2\nresolved 2 a x86_64-linux org=o\n"
               "status w1 : 1.1 ended ok\nstatus w2 : 1.2 ended ok\nsealed 1.1 1\nsealed 1.2 1");
    history_expect(h, "publish p1 2",
                   "> reply no w2 built job 2 (b) and may not publish: rebuild with --publish\n");
    history_do(h, "archive 1");
    history_expect(h, "publish p2 3",
                   "> reply no what job 3 (a) built is not known any more: rebuild it\n");
    history_do(h, "submit r3 force\nresolved 3 a x86_64-linux org=o\nstatus w1 : 1.3 ended ok\n"
                  "sealed 1.3 1\nstatus w1\nremove x w1");
    history_expect(h, "publish p3 4",
                   "> reply no the host that built job 4 (a) left the farm: rebuild it\n");
    history_end(h);
}

static void what_failed_to_be_published_can_be_published_again(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "status w1 : 1.1 ended ok, p1.2 ended failed stale");
    assert_int_equal(state_of(h, 1), PUBLICATION_FAILED);
    history_expect(h, "publish p 1",
                   "publication-wanted publication=2 job=1...\n"
                   "request-known...\npublication-granted publication=2...\n"
                   "> reply ok run=1 1 to publish, 0 were published or waiting "
                   "already\n> expect-log 1.3 from 1\n> orders 1\n");
    history_end(h);
}

/* Whoever was stopped before the publish began can try again; else it may have happened. */
static void a_try_that_was_stopped_or_lost(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        enum publication_state state;
    } cases[] = {
        {"stopped at=checkout", PUBLICATION_WANTED},
        {"stopped at=publish", PUBLICATION_UNKNOWN},
        {"lost at=checkout", PUBLICATION_UNKNOWN},
        {"failed at=checkout", PUBLICATION_WANTED},
        {"failed timeout at=checkout", PUBLICATION_WANTED},
        {"lost host-lost at=checkout", PUBLICATION_UNKNOWN},
        {"failed timeout at=publish", PUBLICATION_UNKNOWN},
        {"failed compile at=publish", PUBLICATION_WANTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct history *h = granted();
        char line[100];
        snprintf(line, sizeof line, "status w1 : 1.1 ended ok, p1.2 ended %s", cases[i].how);
        history_do(h, line);
        assert_int_equal(state_of(h, 1), cases[i].state);
        history_end(h);
    }
}

/* One after the other, but for what other accounts hold. */
/* What a log says holds one publication; the others of its account go on, and so does a higher
 * version of the same name. A try that failed before it reached the target is no witness. */
static void words_hold_one_publication(void **state)
{
    (void)state;
    static const char *const ends[] = {"auth at=publish", "denied at=publish",
                                       "auth by=trusted at=checkout"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct history *h = granted();
        char script[80];
        history_do(h, "submit r2 publish\nresolved 2 b x86_64-linux org=acme\npreflighted 2");
        snprintf(script, sizeof script, "status w1 : p1.2 ended failed %s", ends[i]);
        history_do(h, script);
        assert_int_equal(state_of(h, 1), PUBLICATION_HELD);
        assert_int_equal(must_publication(history_farm(h), 1).tries, 1);
        history_do(h, "status w1 : 1.3 ended ok");
        assert_int_equal(state_of(h, 2), PUBLICATION_GRANTED);
        history_rebuild(h);
        history_restart(h);
        history_do(h, "release q1 acme");
        assert_int_equal(state_of(h, 1), PUBLICATION_WANTED);
        history_end(h);
    }
}

static void an_account_is_a_target_with_its_secret(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=9\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=o secret=s, b x86_64-linux org=o secret=s, "
                  "c x86_64-linux org=o secret=t, d x86_64-linux org=q secret=s, "
                  "e x86_64-linux cache=o secret=s, f x86_64-linux org=o secret=s\n"
                  "preflighted 1\npause p\n"
                  "status w1 : 1.1 ended ok, 1.2 ended ok, 1.3 ended ok, 1.4 ended ok, 1.5 ended "
                  "ok, 1.6 ended ok\nresume p2");
    /* One of each account, four at a time. */
    assert_int_equal(state_of(h, 2), PUBLICATION_HELD);
    assert_int_equal(state_of(h, 5), PUBLICATION_GRANTED);
    assert_int_equal(state_of(h, 6), PUBLICATION_WANTED);
    history_do(
        h, "pause p3\nstatus w1 : p1.7 running publish, p1.8 ended failed network, "
           "p1.9 ended failed network, p1.10 ended failed network\ntick 60000\n"
           "hello w1 x86_64-linux publish slots=9 : p1.7 ended failed auth by=probe at=publish");
    static const enum publication_state states[] = {PUBLICATION_HELD,   PUBLICATION_HELD,
                                                    PUBLICATION_WANTED, PUBLICATION_WANTED,
                                                    PUBLICATION_WANTED, PUBLICATION_HELD};
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(state_of(h, i + 1), states[i]);
    history_expect(h, "release r q",
                   "request-known request_id=r\n> reply ok\n"); /* nothing of q is held */
    history_do(h, "release r2 s");
    assert_int_equal(state_of(h, 6), PUBLICATION_WANTED);
    history_end(h);
}

/* Held while in doubt: neither a cancel nor an export may forget the doubt. */
static void doubt_outlives_a_hold(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "status w1 : 1.1 ended ok, p1.2 ended failed publish unsure\ntick 10000\n"
                  "status w1 : p1.3 ended failed auth");
    assert_int_equal(state_of(h, 1), PUBLICATION_HELD);
    history_do(h, "cancel c run=1");
    assert_int_equal(state_of(h, 1), PUBLICATION_HELD);
    history_do(h, "pause p\nrelease r o\nrelease r2 acme");
    assert_int_equal(state_of(h, 1), PUBLICATION_WANTED);
    history_rebuild(h);
    struct publication_view view;
    assert_true(view_publication(history_farm(h), 1, &view));
    assert_true(view.in_doubt);
    history_end(h);
}

/* A job that joined may be built before its own run is open: it is published when it is. */
static void nothing_is_published_for_a_run_that_is_not_open(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\n"
                  "submit r1\nresolved 1 a x86_64-linux org=o\n"
                  "submit r2 publish\nresolved 2 a x86_64-linux org=o\nstatus w1 : 1.1 ended ok");
    assert_int_equal(state_of(h, 1), PUBLICATION_WANTED);
    history_expect(h, "preflighted 2",
                   "run-opened run=2\npublication-granted publication=1...\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    history_end(h);
}

static void a_ledger_entry_is_known_by_commit_and_inputs(void **state)
{
    (void)state;
    struct history *h = history_begin();
    const struct ledger_entry *entry;
    size_t index = 0, count = 0;
    history_do(h, "import i1 o a x86_64-linux c1 h1");
    history_expect(h, "import i2 o a x86_64-linux c1 h2",
                   "ledger-entered...\nrequest-known...\n"
                   "> reply ok 1 entered, 0...\n");
    history_expect(h, "import i3 o a x86_64-linux c2 h2",
                   "ledger-entered...\nrequest-known...\n"
                   "> reply ok 1 entered, 0...\n");
    while (view_ledger_next(history_farm(h), &index, &entry))
        count++;
    assert_int_equal(count, 3);
    history_end(h);
}

/* A host that is taken away while it may be publishing. */
static void removing_a_host_in_doubt_tells_where_to_look(void **state)
{
    (void)state;
    struct history *h = granted();
    history_do(h, "submit r2 publish force\nresolved 2 b x86_64-linux org=acme, c x86_64-linux "
                  "org=acme commit=c3\npreflighted 2\n"
                  "status w1 : 1.1 ended ok, p1.2 ended failed publish unsure, 1.3 ended ok, 1.4 "
                  "ended ok\ntick 10000\n"
                  "status w1 : p1.5 ended failed network, p1.6 accepted, p1.7 ended failed auth "
                  "by=probe at=publish");
    history_do(h, "remove x w1 discard");
    struct publication_view view;
    assert_true(view_publication(history_farm(h), 1, &view)); /* held, and in doubt */
    struct token try;                                         /* the log of each try can be read */
    assert_true(view.tries > 1 && view_try(history_farm(h), 1, 1, &try) && try.number == 2);
    assert_true(view_try(history_farm(h), 1, view.tries, &try) && token_equal(try, view.token));
    assert_false(view_try(history_farm(h), 1, view.tries + 1, &try) ||
                 view_try(history_farm(h), 1, 0, &try));
    assert_non_null(strstr(view.detail, "look at the target"));
    assert_true(view_publication(history_farm(h), 2, &view)); /* held with it */
    assert_string_equal(view.detail, "its worker was removed before it was published");
    assert_true(view_publication(history_farm(h), 3, &view)); /* granted */
    assert_non_null(strstr(view.detail, "look at the target"));
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_keeps_who_holds_a_place),
        cmocka_unit_test(an_older_commit_is_not_published_over_a_newer_one),
        cmocka_unit_test(a_rewritten_branch_asks),
        cmocka_unit_test(what_diverged_meanwhile_asks_when_its_publication_starts),
        cmocka_unit_test(force_publishes_an_older_commit),
        cmocka_unit_test(a_name_that_another_branch_took_meanwhile_is_decided_again),
        cmocka_unit_test(version_lines_are_published_in_order),
        cmocka_unit_test(a_coming_stop_of_a_publish_is_told),
        cmocka_unit_test(another_workers_word_about_a_publish_is_nothing),
        cmocka_unit_test(a_grant_to_a_lost_home_is_unknown),
        cmocka_unit_test(already_published_is_success),
        cmocka_unit_test(a_grant_never_expires),
        cmocka_unit_test(one_grant_a_place),
        cmocka_unit_test(a_failed_publish_is_retried_as_a_publish),
        cmocka_unit_test(what_may_have_happened_is_asked_again_of_the_same_worker),
        cmocka_unit_test(a_vanished_publish_is_unknown),
        cmocka_unit_test(a_rejected_account_holds_its_kind),
        cmocka_unit_test(stale_outputs_end_the_publication_and_not_the_build),
        cmocka_unit_test(a_person_settles),
        cmocka_unit_test(cancelling_leaves_a_running_publication_alone),
        cmocka_unit_test(publishing_what_an_earlier_run_built),
        cmocka_unit_test(a_publication_holds_no_slot_and_pins_its_host),
        cmocka_unit_test(an_attempt_stays_pinned_while_its_run_is_archived_and_it_is_adopted),
        cmocka_unit_test(a_publication_closes_when_its_newest_try_has_ended),
        cmocka_unit_test(a_publication_closes_when_its_older_tries_have_ended),
        cmocka_unit_test(what_turned_up_is_not_granted_again_nor_settled),
        cmocka_unit_test(what_turned_up_keeps_its_place),
        cmocka_unit_test(a_try_that_fails_beside_another_proves_nothing),
        cmocka_unit_test(removing_the_host_gives_up_its_publications),
        cmocka_unit_test(a_removed_host_keeps_no_place),
        cmocka_unit_test(imports_are_idempotent),
        cmocka_unit_test(what_cannot_be_published_says_why),
        cmocka_unit_test(what_failed_to_be_published_can_be_published_again),
        cmocka_unit_test(a_try_that_was_stopped_or_lost),
        cmocka_unit_test(words_hold_one_publication),
        cmocka_unit_test(an_account_is_a_target_with_its_secret),
        cmocka_unit_test(doubt_outlives_a_hold),
        cmocka_unit_test(nothing_is_published_for_a_run_that_is_not_open),
        cmocka_unit_test(a_ledger_entry_is_known_by_commit_and_inputs),
        cmocka_unit_test(removing_a_host_in_doubt_tells_where_to_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
