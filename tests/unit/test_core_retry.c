/* SPDX-License-Identifier: MIT */
/* What follows an attempt that ended badly, cause by cause. */
#include "coordinator/core/retry_policy.h"
#include "proto/limits.h"
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* One job, on w1 of two workers. */
static struct history *one_job(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\n"
                  "hello w1 x86_64-linux slots=1\nhello w2 x86_64-linux slots=1\n"
                  "submit r1\nresolved 1 a x86_64-linux\n"
                  "status w1 : 1.1 running build");
    return h;
}

static void code_errors_are_never_retried(void **state)
{
    (void)state;
    static const char *const causes[] = {"compile", "eval", "config", "check", "auth", "denied"};
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        struct history *h = one_job();
        char script[100], said[400];
        snprintf(script, sizeof script, "status w1 : 1.1 ended failed %s at=build detail=boom",
                 causes[i]);
        bool suspicious = i < 4;
        snprintf(said, sizeof said,
                 "attempt-ended token={epoch=1 number=1} outcome=failed cause=%s...\n"
                 "job-closed job=1 verdict=failed cause=%s detail=boom\n%s"
                 "run-closed run=1\n",
                 causes[i], causes[i], suspicious ? "worker-suspected...\n" : "");
        history_expect(h, script, said);
        history_end(h);
    }
}

static void a_timeout_is_its_own_verdict(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "status w1 : 1.1 ended failed timeout at=build",
                   "attempt-ended...\n"
                   "job-closed job=1 verdict=timed-out cause=timeout\n"
                   "run-closed run=1\n");
    history_end(h);
}

static void a_broken_line_is_tried_again_where_the_intermediates_are(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "status w1 : 1.1 ended failed network at=checkout",
                   "attempt-ended...\n"
                   "job-delayed job=1 until_ms=1...\n"); /* 10 s and up to half more, by lot */
    history_expect(h, "tick 9999\nstatus w1 : 1.1 ended failed network\nstatus w2", "");
    history_expect(h, "tick 5001",
                   "job-ready job=1\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=1\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    history_expect(h, "status w1 : 1.2 ended failed network at=checkout",
                   "attempt-ended...\n"
                   "job-delayed job=1 until_ms=...\n");
    struct job_view job;
    assert_true(view_job(history_farm(h), 1, &job));
    assert_in_range(job.not_before_ms, 35000, 45000); /* twice as long */
    history_end(h);
}

static void attempts_are_bounded(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 ended failed network at=checkout\ntick 15000\n"
                  "status w1 : 1.2 ended failed network at=checkout\ntick 20000\n"
                  "status w1\nstatus w2\ntick 10000\n"
                  "status w1 : 1.3 ended failed network at=checkout\n"
                  "tick 20000\nstatus w1\nstatus w2\ntick 20000\nstatus w1\nstatus w2\n"
                  "tick 20000\n");
    history_expect(h, "status w1 : 1.4 ended failed network at=checkout",
                   "attempt-ended...\n"
                   "job-closed job=1 verdict=failed cause=network\n"
                   "run-closed run=1\n");
    history_end(h);
}

static void out_of_memory_goes_to_another_host(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "status w1 : 1.1 ended failed oom by=kernel at=build\ntick 10000",
                   "attempt-ended...\n"
                   "learned project=p package=a system=x86_64-linux memory_bytes=68719476736 "
                   "memory_floor_bytes=68719476736\n"
                   "job-delayed job=1 until_ms=10000 cause=oom\n"
                   "job-ready job=1\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=2\n"
                   "> expect-log 1.2 from 2\n> orders 2\n");
    history_end(h);
}

static void the_only_host_is_never_excluded(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux");
    history_expect(h, "status w1 : 1.1 ended failed disk-full at=build\ntick 10000",
                   "attempt-ended...\n"
                   "learned project=p...\n"
                   "run-submitted run=2 who=farm options={force=true local=true worker=w1 "
                   "task=\"clean 5368709120\"}\n"
                   "job-delayed job=1 until_ms=10000 cause=disk-full\n"
                   "> resolve 2\n"
                   "job-ready job=1\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=1\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    history_end(h);
}

static void a_backed_off_host_takes_it_in_the_end(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "submit r2\nresolved 2 long x86_64-linux\n" /* keeps w2 busy */
                  "status w2 : 1.2 running build\n"
                  "status w1 : 1.1 ended failed oom by=kernel at=build");
    struct arena arena = {0};
    struct fit_view *fits;
    struct job_view job;
    for (int i = 0; i < 12; i++)
        history_do(h, "tick 1000\nstatus w1\nstatus w2 : 1.2 running build");
    assert_true(view_job(history_farm(h), 1, &job));
    assert_int_equal(job.state, JOB_READY);
    assert_int_equal(view_fits(history_farm(h), job.item, false, 1, &fits, &arena), 2);
    assert_int_equal(fits[0].fit, FIT_BACKOFF);
    assert_false(fits[0].never);
    assert_int_equal(fits[1].fit, FIT_SLOTS);
    for (int i = 0; i < 320; i++)
        history_do(h, "tick 1000\nstatus w1\nstatus w2 : 1.2 running build");
    assert_true(view_job(history_farm(h), 1, &job));
    assert_int_equal(job.state, JOB_LEASED);
    assert_int_equal(job.worker, 1);
    arena_clear(&arena);
    history_end(h);
}

/* A recipe may be wrong about what it needs: one is no proof, two different ones are. */
static void a_host_that_lies_is_quarantined(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h,
                   "status w1 : 1.1 ended failed wrong-host by=trusted at=build detail=no-avx512",
                   "attempt-ended...\n"
                   "job-ready job=1 cause=wrong-host detail=no-avx512\n"
                   "worker-suspected worker=1 token={epoch=1 number=1} package=a family=\"p main "
                   "\" cause=wrong-host fast=true witness=trusted\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=2\n"
                   "> expect-log 1.2 from 2\n> orders 2\n");
    history_expect(h, "submit r2\nresolved 2 b x86_64-linux\n",
                   "run-submitted...\n> reply ok run=2\n> resolve 2\n"
                   "run-resolved...\njob-planned...\nrun-opened...\n"
                   "lease-offered token={epoch=1 number=3} job=2 worker=1\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    history_expect(
        h, "status w1 : 1.3 ended failed wrong-host by=trusted at=build detail=no-avx512",
        "attempt-ended...\njob-ready job=2 cause=wrong-host detail=no-avx512\n"
        "worker-suspected...\n"
        "worker-moved worker=1 to=quarantined reason=\"2 packages found that it does not "
        "have what it claims: no-avx512\" until_ms=10000 strikes=1\n");
    history_restart(h);
    history_do(h, "hello w1 x86_64-linux slots=1\nhello w2 x86_64-linux slots=1");
    history_end(h);
}

static void one_recipe_that_is_wrong_about_hosts_quarantines_none(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 ended failed wrong-host at=build\n"
                  "status w2 : 1.2 ended failed wrong-host at=build\ntick 400000\n"
                  "hello w1 x86_64-linux slots=1\nhello w2 x86_64-linux slots=1");
    struct worker_view worker;
    for (uint64_t i = 1; i <= 2; i++) {
        assert_true(view_worker(history_farm(h), i, &worker));
        assert_int_equal(worker.state, WORKER_ONLINE);
    }
    history_end(h);
}

static void a_worker_that_cannot_begin_is_like_a_busy_one(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux");
    history_expect(h, "status w1 : 1.1 ended refused bytes=0",
                   "attempt-ended token={epoch=1 number=1} outcome=refused\n"
                   "attempt-sealed token={epoch=1 number=1}\n"
                   "job-delayed job=1 until_ms=10000\n"
                   "> orders 1\n"); /* forget: it never had a log */
    history_end(h);
}

static void a_job_that_loses_hosts_is_poison(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy ttl=30000 grace=60000 delay=10000 attempts=9 lost=2 tries=3\n"
                  "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\n"
                  "status w1 : 1.1 running build");
    history_expect(h, "tick 90000",
                   "worker-lost worker=1\n"
                   "attempt-ended token={epoch=1 number=1} outcome=lost cause=host-lost "
                   "failed_phase=build...\n"
                   "job-ready job=1 cause=host-lost...\n");
    history_do(h, "hello w1 x86_64-linux\nstatus w1 : 1.2 running build");
    history_expect(h, "tick 90000",
                   "worker-lost worker=1\n"
                   "attempt-ended token={epoch=1 number=2} outcome=lost cause=host-lost...\n"
                   "job-closed job=1 verdict=failed cause=host-lost detail=\"poison: it lost 2 "
                   "hosts; the last: its host...\n"
                   "run-closed run=1\n");
    history_end(h);
}

/* ---- what is learned from a failure -------------------------------------------------------- */

static void memory_that_was_not_enough_is_remembered(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol small\nenrol big\nhello small x86_64-linux mem=32\n"
                  "submit r1\nresolved 1 a x86_64-linux mem=10\nstatus small : 1.1 running build\n"
                  "hello big x86_64-linux mem=128");
    /* Half as much again as it used; the host with more memory goes first. */
    history_expect(
        h, "status small : 1.1 ended failed oom by=kernel at=build peak=12884901888\ntick 10000",
        "attempt-ended...\n"
        "learned project=p package=a system=x86_64-linux memory_bytes=19327352832 "
        "memory_floor_bytes=19327352832\n"
        "job-delayed job=1 until_ms=10000 cause=oom\n"
        "job-ready job=1\n"
        "lease-offered token={epoch=1 number=2} job=1 worker=2\n"
        "> expect-log 1.2 from 2\n> orders 2\n");
    /* A smaller peak later does not make it forget. */
    history_expect(h, "tick 2000\nstatus big : 1.2 ended ok peak=1073741824",
                   "attempt-ended...\n"
                   "learned project=p package=a system=x86_64-linux build_ms=2000 "
                   "memory_bytes=19327352832 memory_floor_bytes=19327352832\n"
                   "job-closed job=1 verdict=ok\nrun-closed run=1\n");
    /* Nor does the end of its run, nor a restart. */
    history_do(h, "sealed 1.1 10\nsealed 1.2 10\narchive 1");
    history_restart(h);
    history_do(h, "hello small x86_64-linux mem=16\nsubmit r2\nresolved 2 a x86_64-linux mem=10\n"
                  "submit r3\nresolved 3 b x86_64-linux mem=5");
    struct worker_view worker;
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.memory_reserved, 19327352832); /* all that this host has: alone */
    assert_int_equal(worker.running, 1);
    history_end(h);
}

static void disk_that_was_not_enough_is_remembered(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux disk=40\nsubmit r1\n"
                  "resolved 1 a x86_64-linux disk=20\nstatus w1 : 1.1 running build\n"
                  "hello w2 x86_64-linux disk=25");
    /* 30 GiB now: neither host has them beside its floor, until one was cleaned. */
    history_do(h, "status w1 free=1 : 1.1 ended failed disk-full at=build\ntick 20000\n"
                  "status w1 free=1\nstatus w2 free=25");
    struct job_view job;
    struct fit_view *fits;
    struct arena arena = {0};
    assert_true(view_job(history_farm(h), 1, &job));
    assert_int_equal(job.state, JOB_READY);
    assert_int_equal(view_fits(history_farm(h), job.item, false, 1, &fits, &arena), 2);
    assert_int_equal(fits[0].fit, FIT_DISK);
    assert_int_equal(fits[1].fit, FIT_DISK);
    arena_clear(&arena);
    history_expect(h, "status w2 free=36",
                   "lease-offered token={epoch=1 number=2} job=1 worker=2\n"
                   "> expect-log 1.2 from 2\n> orders 2\n");
    history_end(h);
}

static void a_full_host_is_cleaned_before_its_next_job(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1\nhello w1 x86_64-linux slots=2 disk=40\nsubmit r1\n"
               "resolved 1 a x86_64-linux disk=20, b x86_64-linux disk=10, c x86_64-linux disk=1\n"
               "status w1 : 1.1 running build");
    history_expect(h, "status w1 free=1 : 1.1 ended failed disk-full at=build",
                   "attempt-ended...\nlearned...\n"
                   "run-submitted run=2 who=farm options={force=true local=true worker=w1 "
                   "task=\"clean 37580963840\"}\n" /* 30 GiB for it, and the floor */
                   "job-delayed job=1...\n> resolve 2\n> orders 1\n");
    /* Others wait for room; the task needs none. Another full disk asks for nothing more. */
    history_expect(h, "resolved 2 clean x86_64-linux",
                   "run-resolved...\njob-planned...\nrun-opened...\n"
                   "lease-offered token={epoch=1 number=3} job=4 worker=1\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    history_do(h, "status w1 free=1 : 1.2 ended failed disk-full at=build, 1.3 running build");
    struct run_view run;
    assert_false(view_run(history_farm(h), 3, &run));
    history_expect(h, "status w1 free=39 : 1.3 ended ok bytes=0",
                   "attempt-ended...\nattempt-sealed...\n"
                   "job-closed job=4 verdict=ok\n"
                   "lease-offered token={epoch=1 number=4} job=3 worker=1\n"
                   "run-closed run=2\n"
                   "> orders 1\n> expect-log 1.4 from 1\n> orders 1\n");
    history_end(h);
}

/* ---- hosts that break what they get -------------------------------------------------------- */

static const char *const black_hole =
    "enrol w1\nenrol w2\n"
    "hello w1 x86_64-linux slots=1\nhello w2 x86_64-linux slots=1\n"
    "submit r1\nresolved 1 a x86_64-linux gpu=sm80, b x86_64-linux "
    "gpu=sm90, c x86_64-linux gpu=cpu, d x86_64-linux gpu=sm100, "
    "e x86_64-linux gpu=sm61, f x86_64-linux gpu=sm75\n"
    "status w2 : 1.2 running build";

/* Whether the farm probes this host, or did. */
static bool is_probed(struct history *h, const char *worker)
{
    struct run_view run;
    for (uint64_t id = 1; id < 20; id++)
        if (view_run(history_farm(h), id, &run) && strcmp(run.options.task, TASK_PROBE) == 0 &&
            strcmp(run.options.worker, worker) == 0)
            return true;
    return false;
}

/* Each tool names another architecture; the host is as good as before. */
static void architectures_that_a_toolkit_lacks_are_no_host_s_fault(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h, black_hole);
    history_do(h, "status w1 : 1.1 ended failed compile at=build detail=no-sm80a sign=7\n"
                  "status w1 : 1.3 ended failed compile at=build detail=no-gcc sign=7\n"
                  "status w1 : 1.4 ended failed compile at=build detail=no-sm100 sign=7\n"
                  "status w1 : 1.5 ended failed compile at=build detail=no-sm61 sign=7");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.state, WORKER_ONLINE);
    assert_false(is_probed(h, "w1"));
    assert_int_equal(worker.suspects, 1); /* for the compiler that it lacks */
    history_end(h);
}

static const char *const three_fail =
    "status w1 : 1.1 ended failed compile at=build detail=no-gcc sign=7\n"
    "status w1 : 1.3 ended failed compile at=build detail=no-gcc sign=7\n"
    "status w1 : 1.4 ended failed compile at=build detail=no-gcc sign=7\n";

/* Three failures with nothing in common are a hint. The farm builds something of its own there; its
 * failure is a witness. What fails until then is not lost: it waits for the answer. */
static void a_black_hole_eats_three_jobs(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, black_hole);
    history_do(h, "status w1 : 1.1 ended failed compile at=build detail=no-gcc sign=7\n"
                  "status w1 : 1.3 ended failed compile at=build detail=no-gcc sign=7");
    history_expect(
        h, "status w1 : 1.4 ended failed compile at=build detail=no-gcc sign=7",
        "attempt-ended...\njob-closed job=4 verdict=failed cause=compile detail=no-gcc\n"
        "worker-suspected...\n"
        "run-submitted run=2 who=farm options={force=true local=true worker=w1 task=probe}\n"
        "lease-offered token={epoch=1 number=5} job=5 worker=1\n"
        "> resolve 2\n> expect-log 1.5 from 1\n> orders 1\n");
    history_expect(
        h, "status w1 : 1.5 ended failed compile at=build detail=no-gcc sign=7",
        "attempt-ended...\njob-delayed job=5 until_ms=10000 cause=compile detail=no-gcc\n"
        "worker-suspected...\n"
        "lease-offered token={epoch=1 number=6} job=6 worker=1\n"
        "> expect-log 1.6 from 1\n> orders 1\n");
    history_do(h, "resolved 2 probe x86_64-linux\nstatus w1 : 1.6 ended failed compile at=build");
    history_expect(h, "status w1 : 1.7 ended failed unknown at=build detail=no-gcc",
                   "attempt-ended...\njob-closed job=7 verdict=failed cause=unknown...\n"
                   "worker-suspected worker=1 token={epoch=1 number=7} package=probe "
                   "family=\"p main \" cause=unknown fast=true witness=probe\n"
                   "worker-moved worker=1 to=quarantined reason=\"a probe of the farm's own failed "
                   "here: no-gcc\" until_ms=10000 strikes=1\n"
                   "run-closed run=2\n");
    history_restart(h);
    history_do(h,
               "hello w1 x86_64-linux slots=4\nhello w2 x86_64-linux slots=1 : 1.2 running build");
    struct worker_view worker;
    struct job_view job;
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.state, WORKER_QUARANTINED);
    for (uint64_t id = 5; id <= 6; id++) {
        assert_true(view_job(history_farm(h), id, &job));
        assert_int_not_equal(job.state, JOB_CLOSED);
    }
    history_end(h);
}

/* A host that passes goes on as before, and the failures were the recipes' own. */
static void a_probe_clears_a_host(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h, black_hole);
    history_do(h, three_fail);
    history_do(h, "resolved 2 probe x86_64-linux\nstatus w1 : 1.5 ended ok");
    history_expect(h, "status w1 : 1.6 ended ok",
                   "attempt-ended...\njob-closed job=7 verdict=ok\nlease-offered...\n"
                   "run-closed run=2\n> expect-log...\n> orders 1\n");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.state, WORKER_ONLINE);
    assert_int_equal(worker.suspects, 0);
    history_end(h);
}

/* What a probe met that is not the host's own fault quarantines nobody. */
static void a_probe_that_tells_nothing(void **state)
{
    (void)state;
    static const char *const ends[] = {"failed network at=build", "failed disk-full at=build",
                                       "failed unknown at=checkout", "stopped", "lost host-lost"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct history *h = history_begin();
        struct worker_view worker;
        char script[80];
        history_do(h, black_hole);
        history_do(h, three_fail);
        history_do(h, "resolved 2 probe x86_64-linux\nstatus w1 : 1.5 running build");
        snprintf(script, sizeof script, "status w1 : 1.5 ended ok\nstatus w1 : 1.6 ended %s",
                 ends[i]);
        history_do(h, script);
        assert_true(view_worker(history_farm(h), 1, &worker));
        assert_int_equal(worker.state, WORKER_ONLINE);
        history_end(h);
    }
}

static const char *const quarantined =
    "status w1 : 1.1 ended failed wrong-host by=trusted at=build sign=7\n"
    "status w1 : 1.3 ended failed wrong-host by=trusted at=build sign=7\n";

/* On probation the host is probed, and gets one job beside it. A failure without a witness says
 * nothing about the host, and the job waits for the answer. */
static void a_probe_ends_a_probation(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h, black_hole);
    history_do(h, quarantined);
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.state, WORKER_QUARANTINED);
    history_expect(h, "tick 10000",
                   "worker-moved worker=1 to=probation...\n"
                   "run-submitted run=2 who=farm options={force=true local=true worker=w1 "
                   "task=probe}\n"
                   "lease-offered token={epoch=1 number=4} job=4 worker=1\n"
                   "> resolve 2\n> expect-log 1.4 from 1\n> orders 1\n");
    history_expect(h, "status w1 : 1.4 ended failed compile at=build detail=no-gcc",
                   "attempt-ended...\njob-delayed job=4...\nworker-suspected...\n"
                   "lease-offered...\n> expect-log 1.5 from 1\n> orders 1\n");
    history_do(h, "resolved 2 probe x86_64-linux\nstatus w1 : 1.5 ended failed compile at=build");
    history_expect(h, "status w1 : 1.6 ended failed unknown at=build detail=no-gcc",
                   "attempt-ended...\njob-closed...\nworker-suspected...\n"
                   "worker-moved worker=1 to=quarantined reason=\"a probe of the farm's own failed "
                   "here: no-gcc\" until_ms=30000 strikes=2\nrun-closed run=2\n");
    history_do(h, "tick 20000\nresolved 3 probe x86_64-linux\nstatus w1 : 1.7 ended ok");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.state, WORKER_ONLINE);
    assert_int_equal(worker.suspects, 0);
    assert_int_equal(worker.strikes, 0);
    history_end(h);
}

/* An older worker names no witness; the kernel's counters that it reports are one. */
static void counters_of_an_older_worker_are_believed(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux");
    history_expect(h, "status w1 : 1.1 ended failed oom at=build kills=1",
                   "attempt-ended...\nlearned...\njob-delayed job=1...\n");
    history_end(h);
}

/* By words alone no more is reserved than was measured, and no host is kept from other jobs. */
static void words_reserve_what_was_measured(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=3\nsubmit r1\n"
                  "resolved 1 a x86_64-linux, b x86_64-linux, c x86_64-linux\n"
                  "hello w2 x86_64-linux slots=1");
    history_expect(h, "status w1 : 1.1 ended failed oom at=build peak=1000",
                   "attempt-ended...\n"
                   "learned project=p package=a system=x86_64-linux memory_bytes=1000 "
                   "memory_floor_bytes=1000\njob-delayed job=1...\n> orders 1\n");
    history_expect(h, "status w1 : 1.2 ended failed disk-full at=build free=9000000000",
                   "attempt-ended...\njob-delayed job=2...\n> orders 1\n");
    history_do(h, "status w1 : 1.3 ended failed wrong-host at=build\nsubmit r2\n"
                  "resolved 2 d x86_64-linux, e x86_64-linux, f x86_64-linux");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.running, 3); /* as many as it has slots */
    history_end(h);
}

/* Whatever a log says: the host is as free for others as before, nothing is reserved, nothing is
 * cleaned, and it is not quarantined. */
static void words_touch_their_own_job_alone(void **state)
{
    (void)state;
    for (int cause = CAUSE_OOM; cause <= CAUSE_HARDWARE; cause++) {
        struct history *h = history_begin();
        struct worker_view worker;
        struct run_view run;
        char script[200];
        history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=3\n"
                      "submit r1\nresolved 1 a x86_64-linux gpu=sm80, b x86_64-linux gpu=sm90, "
                      "c x86_64-linux gpu=sm100\nhello w2 x86_64-linux slots=1\npause p");
        for (int i = 1; i <= 3; i++) {
            snprintf(script, sizeof script,
                     "status w1 : 1.%d ended failed %s at=build sign=7 free=1000000000", i,
                     cause_names[cause]);
            history_do(h, script);
        }
        assert_true(view_worker(history_farm(h), 1, &worker));
        assert_int_equal(worker.state, WORKER_ONLINE);
        assert_int_equal(worker.proven, 0);
        for (uint64_t id = 2; view_run(history_farm(h), id, &run); id++)
            assert_string_equal(run.options.task, TASK_PROBE);
        history_end(h);
    }
}

static void what_other_hosts_meet_too_is_not_the_hosts_fault(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, black_hole);
    history_do(h, "status w2 : 1.2 ended failed compile at=build sign=7\n"
                  "status w1 : 1.1 ended failed compile at=build sign=7\n"
                  "status w1 : 1.4 ended failed compile at=build sign=7\n"
                  "status w1 : 1.5 ended failed compile at=build sign=7");
    struct worker_view worker;
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.suspects, 3);
    assert_int_equal(worker.state, WORKER_ONLINE);
    assert_false(is_probed(h, "w1"));
    history_end(h);
}

static void one_family_that_fails_is_not_the_hosts_fault(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\n"
                  "hello w1 x86_64-linux slots=1\nhello w2 x86_64-linux slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm103, b x86_64-linux gpu=sm90, c x86_64-linux "
                  "gpu=sm103, d x86_64-linux gpu=sm103\nstatus w2 : 1.2 running build\n"
                  "status w1 : 1.1 ended failed compile at=build sign=7\n"
                  "status w1 : 1.3 ended failed compile at=build sign=7\n"
                  "status w1 : 1.4 ended failed compile at=build sign=7");
    struct worker_view worker;
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.state, WORKER_ONLINE);
    assert_false(is_probed(h, "w1"));
    history_end(h);
}

static void a_person_vouches_for_a_host(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, black_hole);
    history_do(h, quarantined);
    history_expect(h, "undrain u1 w1",
                   "worker-cleared worker=1\nworker-moved worker=1 to=online who=ann\n"
                   "request-known...\nlease-offered...\n"
                   "> reply ok\n> expect-log 1.4 from 1\n> orders 1\n");
    history_end(h);
}

static void a_retry_is_a_new_run_that_skips_nothing(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nimport i1 acme a x86_64-linux c0 same");
    history_expect(h, "submit r1\nresolved 1 a x86_64-linux org=acme inputs=same",
                   "run-submitted...\n> reply ok run=1\n> resolve 1\n"
                   "run-resolved run=1\njob-planned...\n"
                   "job-closed job=1 verdict=skipped detail=\"unchanged since commit c0 was "
                   "published to acme\"\n"
                   "run-opened run=1\nrun-closed run=1\n");
    history_expect(h, "submit r2 retry=1\nresolved 2 a x86_64-linux org=acme inputs=same",
                   "run-submitted...\n> reply ok run=2\n> resolve 2\n"
                   "run-resolved run=2\njob-planned...\nrun-opened run=2\n"
                   "lease-offered...\n> expect-log 1.1 from 1\n> orders 1\n");
    history_expect(h, "submit r3 retry=9",
                   "> reply no there is no run 9 to retry: see `farm status`\n");
    history_end(h);
}

/* The back-off doubles up to 32 times, and then a job has had its share, whatever the policy. */
static void a_back_off_and_a_job_have_an_end(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy attempts=99 delay=1000\nenrol w1\nhello w1 x86_64-linux slots=1\n"
                  "submit r1\nresolved 1 a x86_64-linux");
    for (unsigned attempt = 1; attempt <= LIMIT_ATTEMPTS_PER_JOB; attempt++) {
        char line[100];
        snprintf(line, sizeof line, "status w1 : 1.%u ended refused", attempt);
        if (attempt == LIMIT_ATTEMPTS_PER_JOB) {
            history_expect(h, line,
                           "attempt-ended...\njob-closed job=1 verdict=failed\nrun-closed run=1\n");
            break;
        }
        history_do(h, line);
        struct job_view job;
        struct farm_view farm;
        assert_true(view_job(history_farm(h), 1, &job));
        view_farm(history_farm(h), &farm);
        unsigned doublings = attempt - 1 < 5 ? attempt - 1 : 5;
        assert_int_equal(job.not_before_ms - farm.now_ms, 1000u << doublings);
        for (unsigned s = 0; s < 1u << doublings; s++)
            history_do(h, "tick 1000\nstatus w1");
    }
    history_end(h);
}

static void a_host_is_quarantined_once(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=3\nsubmit r1\n"
                  "resolved 1 a x86_64-linux, b x86_64-linux, c x86_64-linux");
    history_expect(
        h,
        "status w1 : 1.1 ended failed wrong-host by=trusted, 1.2 ended failed wrong-host "
        "by=trusted, 1.3 "
        "ended failed wrong-host by=trusted",
        "attempt-ended...\njob-ready job=1 cause=wrong-host\n"
        "attempt-ended...\njob-ready job=2 cause=wrong-host\n"
        "attempt-ended...\njob-ready job=3 cause=wrong-host\n"
        "worker-suspected...\nworker-suspected...\n"
        "worker-moved worker=1 to=quarantined "
        "reason=\"2 packages found that it does not have what it claims: wrong-host\"...\n");
    history_do(h, "tick 5000\nenrol w2\nhello w2 x86_64-linux slots=3\n"
                  "status w2 : 1.4 ended failed wrong-host by=trusted, 1.5 ended failed wrong-host "
                  "by=trusted");
    history_expect(h, "tick 5000", /* each has its own time */
                   "worker-moved worker=1 to=probation...\nrun-submitted...\nlease-offered...\n"
                   "> resolve 2\n> expect-log 1.7 from 1\n> orders 1\n");
    history_end(h);
}

/* A host that is out of order, or has failed the job too, is nobody to wait for. */
static void who_is_out_of_order_is_not_waited_for(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "hello w2 x86_64-linux problem=git-missing slots=1");
    history_expect(h, "status w1 : 1.1 ended failed oom by=kernel at=build\ntick 10000",
                   "attempt-ended...\nlearned...\njob-delayed...\njob-ready job=1\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=1\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    history_end(h);
}

/* Until it proved itself, a host that was quarantined gets one job, and says so. */
static void a_host_on_probation(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, black_hole);
    history_do(h,
               "enrol w3\nhello w3 aarch64-linux\nhello w3 x86_64-linux\n" /* no end of its own */
               "enrol w4\nhello w4 x86_64-linux slots=2\n"
               "status w4 : 1.3 ended failed wrong-host by=trusted, 1.4 ended failed wrong-host "
               "by=trusted\n"
               "status w1 : 1.1 ended failed compile at=build sign=7");
    struct arena arena = {0};
    struct fit_view *fits;
    struct job_view job;
    struct worker_view worker;
    assert_true(view_worker(history_farm(h), 4, &worker));
    assert_int_equal(worker.state, WORKER_QUARANTINED);
    history_do(h,
               "tick 10000\nhello w4 x86_64-linux slots=2\nsubmit r2\nresolved 2 g x86_64-linux, "
               "i x86_64-linux, j x86_64-linux\nstatus w4");
    assert_true(view_worker(history_farm(h), 4, &worker));
    assert_int_equal(worker.state, WORKER_PROBATION);
    assert_int_equal(worker.running, 1);
    history_rebuild(h);
    assert_true(view_eta_ms(history_farm(h), 2) > 0);
    assert_true(view_job(history_farm(h), 9, &job));
    assert_int_equal(view_fits(history_farm(h), job.item, false, 9, &fits, &arena), 4);
    assert_string_equal(fits[3].text, "w4 is on probation after a quarantine: one job at a time");
    history_do(h, "undrain u w4");
    assert_true(view_worker(history_farm(h), 4, &worker));
    assert_int_equal(worker.state, WORKER_ONLINE);
    arena_clear(&arena);
    history_end(h);
}

static void a_suspected_host_gets_few_jobs(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct arena arena = {0};
    struct fit_view *fits;
    struct job_view job;
    history_do(h,
               "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=4\nhello w2 x86_64-linux slots=1\n"
               "submit r1\nresolved 1 a x86_64-linux gpu=1, b x86_64-linux gpu=2, c x86_64-linux "
               "gpu=3, d x86_64-linux gpu=4, e x86_64-linux gpu=5, f x86_64-linux gpu=6\n"
               "status w1 : 1.1 ended failed wrong-host by=trusted");
    assert_true(view_job(history_farm(h), 6, &job));
    assert_int_equal(view_fits(history_farm(h), job.item, false, 6, &fits, &arena), 2);
    assert_string_equal(fits[0].text, "jobs failed on w1 in a row: it gets few at a time until "
                                      "one ends well");
    arena_clear(&arena);
    history_end(h);
}

/* A probe that fails without a word, and nobody else who could take the job: it is the job's. */
static void the_only_host_is_on_probation(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, black_hole);
    history_do(h, quarantined);
    history_do(h, "tick 10000\nhello w2 x86_64-linux slots=1 problem=git : 1.2 running build");
    history_expect(h, "status w1 : 1.4 ended failed compile at=build sign=7",
                   "attempt-ended...\njob-closed job=4 verdict=failed cause=compile\n"
                   "worker-suspected...\n"
                   "lease-offered...\n> expect-log 1.5 from 1\n> orders 1\n");
    history_end(h);
}

/* Jobs that fail after a long time, while others build well: that is not the host. What was fast
 * for a package that takes hours, is. */
static void failing_slowly_is_not_failing_fast(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h,
               "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=3\nhello w2 x86_64-linux slots=1\n"
               "submit r1\nresolved 1 a x86_64-linux gpu=1");
    for (int i = 0; i < 40; i++)
        history_do(h, "tick 20000\nstatus w1 : 1.1 running build\nstatus w2");
    history_do(h,
               "status w1 : 1.1 ended ok\nsealed 1.1 1\nsubmit r2 force\nresolved 2 a x86_64-linux "
               "gpu=1 commit=c2, b x86_64-linux gpu=2, c x86_64-linux gpu=3");
    for (int i = 0; i < 4; i++)
        history_do(h, "tick 20000\nstatus w1 : 1.2 running build, 1.3 running build, 1.4 running "
                      "build\nstatus w2");
    history_do(h, "status w1 : 1.2 ended failed compile sign=1, 1.3 ended failed compile sign=2, "
                  "1.4 ended failed compile sign=3");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.state, WORKER_ONLINE); /* nobody built anything meanwhile */
    assert_false(is_probed(h, "w1"));
    assert_int_equal(worker.suspects, 3);
    /* Of an attempt that is archived nobody knows when it began. */
    history_do(h, "sealed 1.2 1\nsealed 1.3 1\nsealed 1.4 1\narchive 2\nsubmit r3\n"
                  "resolved 3 d x86_64-linux gpu=9\nstatus w1\nstatus w2");
    for (int i = 0; i < 4; i++)
        history_do(h, "tick 20000\nstatus w1 : 1.5 running build\nstatus w2");
    history_do(h, "status w1 : 1.5 ended failed compile sign=4");
    history_end(h);
}

static void what_a_success_used_is_learned(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\ntick 2000");
    history_expect(h, "status w1 : 1.1 ended ok used=1000 lines=done",
                   "attempt-ended...\n"
                   "learned project=p package=a system=x86_64-linux build_ms=2000 disk_bytes=1000\n"
                   "job-closed job=1 verdict=ok\nrun-closed run=1\n");
    history_end(h);
}

/* A host that takes nothing any more ran out of memory; hosts that were never there count for
 * nothing. */
static void memory_of_a_host_without_slots(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol never\nhello w1 x86_64-linux mem=8\nsubmit r1\n"
                  "resolved 1 a x86_64-linux\nstatus w1 : 1.1 running build\n"
                  "hello w1 x86_64-linux mem=8 slots=0 : 1.1 running build");
    history_expect(h, "status w1 : 1.1 ended failed oom by=kernel at=build",
                   "attempt-ended...\n"
                   "learned project=p package=a system=x86_64-linux memory_bytes=12884901888 "
                   "memory_floor_bytes=12884901888\njob-delayed...\n");
    history_end(h);
}

/* What was learned asks for no more than a disk can give; what is configured may. */
static void a_learned_need_fits_the_disk(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h, "enrol w1\nhello w1 x86_64-linux fs=b/8:1/100/100\nsubmit r1\n"
                  "resolved 1 a x86_64-linux\ntick 2000\n"
                  "status w1 : 1.1 ended ok used=200000000000\n"
                  "submit r2\nresolved 2 a x86_64-linux");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.running, 1);
    history_do(h, "status w1 : 1.2 ended ok\nhello w1 x86_64-linux fs=b/8:1/100/4\n"
                  "submit r3\nresolved 3 a x86_64-linux");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.running, 1);
    history_end(h);
}

/* Less memory than where it was too little will not do either. */
static void out_of_memory_is_not_tried_where_there_is_less(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\nenrol w3\nhello w1 x86_64-linux mem=64 slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux\nhello w2 x86_64-linux mem=32 slots=1\n"
                  "hello w3 x86_64-linux mem=128 slots=1\npause p");
    history_do(
        h, "status w1 : 1.1 ended failed oom by=kernel at=build\ntick 12000\nstatus w1\nstatus w2\n"
           "status w3");
    history_expect(h, "resume q",
                   "farm-resumed who=ann\nrequest-known request_id=q\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=3\n"
                   "> reply ok\n> expect-log 1.2 from 3\n> orders 3\n");
    history_end(h);
}

/* A job that waits for its back-off is one that waits, too: what runs is not thrown away. */
static void a_delayed_job_adopts(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "start epoch=2\nenrol w1\nenrol w2\nhello w1 x86_64-linux\n"
                  "submit r1\nresolved 1 a x86_64-linux\n"
                  "status w1 : 2.1 ended failed network at=build\nhello w2 x86_64-linux");
    history_expect(h, "status w2 : 1.9 running build pkg=a",
                   "attempt-adopted token={epoch=1 number=9} job=1 worker=2 phase=build\n"
                   "> expect-log 1.9 from 2\n");
    history_end(h);
}

/* Of two classes the first has the more urgent head, but this host lets others go first there. */
static void a_host_that_steps_back_takes_what_is_next(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1\nenrol w2\nhello w2 x86_64-linux slots=1\nsubmit r1\n"
               "resolved 1 long x86_64-linux\nhello w1 x86_64-linux slots=2\n"
               "submit r2 priority=9\nresolved 2 a x86_64-linux\n"
               "submit r3 priority=1\nresolved 3 c x86_64-linux\npause p\n"
               "submit r4 priority=5\nresolved 4 b x86_64-linux\n"
               "status w1 : 1.2 ended failed silent at=build, 1.3 ended failed network at=build\n"
               "tick 20000\nstatus w1\nstatus w2 : 1.1 running build");
    history_expect(h, "resume q",
                   "farm-resumed who=ann\nrequest-known request_id=q\n"
                   "lease-offered token={epoch=1 number=4} job=4 worker=1\n"
                   "lease-offered token={epoch=1 number=5} job=3 worker=1\n"
                   "> reply ok\n> expect-log 1.4 from 1\n> expect-log 1.5 from 1\n> orders 1\n");
    history_end(h);
}

/* A task goes to its host also while that drains or has no room, and is not tried again. */
static void a_task_is_for_one_host_and_once(void **state)
{
    (void)state;
    struct history *h = history_begin();
    assert_int_equal(view_run_newest(history_farm(h)), 0);
    history_do(h, "enrol w1\nhello w1 x86_64-linux disk=1\ndrain d w1\nsubmit r1 task=clean on=w1\n"
                  "resolved 1 clean x86_64-linux");
    assert_int_equal(view_run_newest(history_farm(h)), 1); /* there is no other */
    history_expect(h, "status w1 : 1.1 ended failed network",
                   "attempt-ended...\njob-closed job=1 verdict=failed cause=network\n"
                   "run-closed run=1\n");
    history_do(h, "failed w1\nsubmit r2 task=clean on=w1\nresolved 2 clean x86_64-linux");
    struct job_view job;
    struct arena arena = {0};
    struct fit_view *fits;
    assert_true(view_job(history_farm(h), 2, &job));
    view_fits(history_farm(h), job.item, false, 2, &fits, &arena);
    assert_int_equal(fits[0].fit, FIT_DRAINING); /* until it is back */
    history_do(h, "submit r3\nresolved 3 a x86_64-linux\nsubmit r4 task=smoke on=w1");
    assert_int_equal(view_run_newest(history_farm(h)), 3);
    arena_clear(&arena);
    history_end(h);
}

static struct job_view only_job(const struct history *h)
{
    struct job_view job;
    assert_true(view_job(history_farm(h), 1, &job));
    return job;
}

static struct history *one_task(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1 task=smoke on=w1\n"
                  "resolved 1 smoke x86_64-linux");
    assert_int_equal(only_job(h).state, JOB_LEASED);
    return h;
}

/* The agent was replaced before the offer came: the task is offered to the new one. */
static void an_offer_that_no_worker_took_is_no_try(void **state)
{
    (void)state;
    struct history *h = one_task();
    history_expect(h, "failed w1",
                   "worker-lost worker=1\n"
                   "attempt-ended token={epoch=1 number=1} outcome=lost cause=host-lost...\n"
                   "job-ready job=1 cause=host-lost...\n");
    history_do(h, "hello w1 x86_64-linux");
    assert_int_equal(only_job(h).state, JOB_LEASED);
    assert_int_equal(only_job(h).attempt.number, 2);
    history_restart(h);
    history_do(h, "hello w1 x86_64-linux\nstatus w1 : 1.2 ended ok");
    assert_int_equal(only_job(h).verdict, VERDICT_OK);
    history_end(h);
}

static void a_task_that_began_had_its_try(void **state)
{
    (void)state;
    struct history *h = one_task();
    history_do(h, "failed w1\nhello w1 x86_64-linux\nstatus w1 : 1.2 running build");
    history_expect(h, "status w1",
                   "attempt-ended token={epoch=1 number=2} outcome=lost cause=host-lost...\n"
                   "job-closed job=1 verdict=failed cause=host-lost...\n"
                   "run-closed run=1\n");
    history_end(h);
}

static void offers_of_a_task_are_bounded(void **state)
{
    (void)state;
    struct history *h = one_task();
    for (uint64_t number = 2; number <= 4; number++) {
        history_do(h, "failed w1\nhello w1 x86_64-linux");
        assert_int_equal(only_job(h).attempt.number, number);
    }
    history_do(h, "failed w1");
    assert_int_equal(only_job(h).state, JOB_CLOSED);
    assert_int_equal(only_job(h).verdict, VERDICT_FAILED);
    assert_int_equal(only_job(h).cause, CAUSE_HOST_LOST);
    history_end(h);
}

static void a_page_of_remedies(void **state)
{
    (void)state;
    struct buf out = {0};
    retry_policy_print(&out);
    const char *page = (const char *)out.data;
    assert_non_null(
        strstr(page, "| oom | after a back-off | on a host with more memory first | 3 |"));
    assert_non_null(strstr(page, "| compile | no |  |  |"));
    assert_non_null(strstr(page, "`lost_max`"));
    assert_non_null(strstr(page, "`attempts_max`"));
    buf_release(&out);
}

/* ---- a long past --------------------------------------------------------------------------- */

/* Without history.c, which looks through the whole farm after each step. */
struct long_farm {
    struct farm *farm;
    struct farm_outcome outcome;
    uint64_t now_ms, sequence;
};

static void long_step(struct long_farm *of, struct input *input)
{
    input->now_ms = of->now_ms;
    farm_outcome_clear(&of->outcome);
    farm_step(of->farm, input, &of->outcome);
}

static void long_host(struct long_farm *of, uint64_t worker, const char *name, const char *problem)
{
    static const char *const systems[] = {"x86_64-linux"}, *const builders[] = {"nix"};
    struct input enrol = {.kind = INPUT_ENROL}, hello = {.kind = INPUT_HELLO};
    enrol.enrol = (struct input_enrol){{"", "ann"}, name, name, ROLE_WORKER, false};
    long_step(of, &enrol);
    hello.hello = (struct input_hello){.worker = worker, .session = worker};
    shape_init(&hello_shape, &hello.hello.hello);
    struct capabilities *host = &hello.hello.hello.capabilities;
    host->systems = (const char **)(uintptr_t)systems;
    host->builders = (const char **)(uintptr_t)builders;
    host->systems_count = host->builders_count = host->slots = 1;
    host->problem = problem;
    long_step(of, &hello);
}

static void long_end(struct long_farm *of, uint64_t number, enum cause cause)
{
    struct input input = {.kind = INPUT_STATUS, .status = {.worker = 1}};
    struct item item;
    shape_init(&item_shape, &item);
    item.token = (struct token){1, number};
    item.state = ITEM_ENDED;
    item.outcome = cause ? OUTCOME_FAILED : OUTCOME_OK;
    item.cause = cause;
    item.signature = number;
    shape_init(&status_shape, &input.status.status);
    input.status.status.session = input.status.status.incarnation = 1;
    input.status.status.sequence = ++of->sequence;
    input.status.status.items = &item;
    input.status.status.items_count = 1;
    long_step(of, &input);
}

/* Whether a host is to blame is decided by what happened lately: a farm that has built for years
 * decides as fast as a new one. */
static void a_long_past_is_not_looked_through(void **state)
{
    (void)state;
    enum { PAST = 4100 };
    struct long_farm of = {.farm = farm_create(), .now_ms = 1000};
    struct arena arena = {0};
    struct plan_item *items = arena_new(&arena, PAST * sizeof *items);
    struct input submit = {.kind = INPUT_SUBMIT, .submit = {.asked = {"", "ann"}}};
    struct input resolved = {.kind = INPUT_RESOLVED};
    for (size_t i = 0; i < PAST; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant.package = arena_print(&arena, "p%zu", i);
        items[i].variant.system = "x86_64-linux";
        items[i].recipe.builder = BUILDER_NIX;
    }
    long_step(&of, &(struct input){.kind = INPUT_START, .start = {1, "test"}});
    long_host(&of, 1, "w1", "");
    long_host(&of, 2, "w2", "only looks on");
    shape_init(&run_options_shape, &submit.submit.options);
    long_step(&of, &submit);
    resolved.resolved = (struct input_resolved){.run = 1, .problem = "", .items = items};
    resolved.resolved.items_count = PAST;
    long_step(&of, &resolved);
    for (uint64_t number = 1; number < PAST; number++)
        long_end(&of, number, CAUSE_NONE);
    of.now_ms += 100000;
    long_end(&of, PAST, CAUSE_COMPILE);
    struct worker_view worker;
    assert_true(view_worker(of.farm, 1, &worker));
    assert_int_equal(worker.suspects, 1);
    assert_int_equal(worker.state, WORKER_ONLINE);
    farm_outcome_release(&of.outcome);
    farm_destroy(of.farm);
    arena_clear(&arena);
}

static void run_for(struct history *h, const char *items, int times)
{
    for (int i = 0; i < times; i++) {
        history_do(h, "tick 20000");
        history_do(h, items);
    }
}

/* Slow, while others build well: also then it may be the host. What failed in the time that it took
 * before did not fail fast. */
static void failing_slowly_while_others_build(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h,
               "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=1\nhello w2 x86_64-linux slots=1\n"
               "submit r1\nresolved 1 a x86_64-linux, b x86_64-linux");
    run_for(h, "status w1 : 1.1 running build\nstatus w2 : 1.2 running build", 4);
    history_do(h, "status w1 : 1.1 ended ok\nstatus w2 : 1.2 running build\nsubmit r2\n"
                  "resolved 2 a x86_64-linux commit=c2");
    run_for(h, "status w1 : 1.3 running build\nstatus w2 : 1.2 running build", 4);
    history_do(h, "status w2 : 1.2 ended ok\nstatus w1 : 1.3 ended failed compile sign=1");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.suspects, 1);
    assert_int_equal(worker.state, WORKER_ONLINE);
    assert_false(is_probed(h, "w1"));
    history_end(h);
}

/* Of no architecture, so that none holds the others: still one family. */
static void three_of_one_family_are_one_reason(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h,
               "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=3\nsubmit r1\n"
               "resolved 1 a x86_64-linux, b x86_64-linux, c x86_64-linux\n"
               "hello w2 x86_64-linux slots=1\n"
               "status w1 : 1.1 ended failed compile sign=1, 1.2 ended failed compile sign=2, 1.3 "
               "ended failed compile sign=3");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.suspects, 3);
    assert_int_equal(worker.state, WORKER_ONLINE);
    assert_false(is_probed(h, "w1"));
    history_end(h);
}

/* One clean-up a host at a time. */
static void each_full_host_is_cleaned(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=2\nsubmit r1\n"
                  "resolved 1 a x86_64-linux, b x86_64-linux\nhello w2 x86_64-linux slots=1\n"
                  "submit r2\nresolved 2 c x86_64-linux");
    history_do(h, "status w1 : 1.1 ended failed disk-full, 1.2 ended failed disk-full");
    assert_int_equal(view_run_newest(history_farm(h)), 2);
    struct run_view run;
    assert_true(view_run(history_farm(h), 3, &run));
    assert_false(view_run(history_farm(h), 4, &run));
    history_do(h, "status w2 : 1.3 ended failed disk-full");
    assert_true(view_run(history_farm(h), 4, &run));
    assert_string_equal(run.options.worker, "w2");
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_errors_are_never_retried),
        cmocka_unit_test(a_timeout_is_its_own_verdict),
        cmocka_unit_test(a_broken_line_is_tried_again_where_the_intermediates_are),
        cmocka_unit_test(attempts_are_bounded),
        cmocka_unit_test(out_of_memory_goes_to_another_host),
        cmocka_unit_test(the_only_host_is_never_excluded),
        cmocka_unit_test(a_backed_off_host_takes_it_in_the_end),
        cmocka_unit_test(a_host_that_lies_is_quarantined),
        cmocka_unit_test(one_recipe_that_is_wrong_about_hosts_quarantines_none),
        cmocka_unit_test(memory_that_was_not_enough_is_remembered),
        cmocka_unit_test(disk_that_was_not_enough_is_remembered),
        cmocka_unit_test(a_full_host_is_cleaned_before_its_next_job),
        cmocka_unit_test(architectures_that_a_toolkit_lacks_are_no_host_s_fault),
        cmocka_unit_test(a_black_hole_eats_three_jobs),
        cmocka_unit_test(a_probe_clears_a_host),
        cmocka_unit_test(a_probe_that_tells_nothing),
        cmocka_unit_test(a_probe_ends_a_probation),
        cmocka_unit_test(words_touch_their_own_job_alone),
        cmocka_unit_test(counters_of_an_older_worker_are_believed),
        cmocka_unit_test(words_reserve_what_was_measured),
        cmocka_unit_test(what_other_hosts_meet_too_is_not_the_hosts_fault),
        cmocka_unit_test(one_family_that_fails_is_not_the_hosts_fault),
        cmocka_unit_test(a_person_vouches_for_a_host),
        cmocka_unit_test(a_worker_that_cannot_begin_is_like_a_busy_one),
        cmocka_unit_test(a_job_that_loses_hosts_is_poison),
        cmocka_unit_test(a_retry_is_a_new_run_that_skips_nothing),
        cmocka_unit_test(a_back_off_and_a_job_have_an_end),
        cmocka_unit_test(a_host_is_quarantined_once),
        cmocka_unit_test(who_is_out_of_order_is_not_waited_for),
        cmocka_unit_test(a_host_on_probation),
        cmocka_unit_test(a_suspected_host_gets_few_jobs),
        cmocka_unit_test(the_only_host_is_on_probation),
        cmocka_unit_test(failing_slowly_is_not_failing_fast),
        cmocka_unit_test(what_a_success_used_is_learned),
        cmocka_unit_test(memory_of_a_host_without_slots),
        cmocka_unit_test(a_learned_need_fits_the_disk),
        cmocka_unit_test(out_of_memory_is_not_tried_where_there_is_less),
        cmocka_unit_test(a_delayed_job_adopts),
        cmocka_unit_test(a_host_that_steps_back_takes_what_is_next),
        cmocka_unit_test(a_task_is_for_one_host_and_once),
        cmocka_unit_test(an_offer_that_no_worker_took_is_no_try),
        cmocka_unit_test(a_task_that_began_had_its_try),
        cmocka_unit_test(offers_of_a_task_are_bounded),
        cmocka_unit_test(a_page_of_remedies),
        cmocka_unit_test(a_long_past_is_not_looked_through),
        cmocka_unit_test(failing_slowly_while_others_build),
        cmocka_unit_test(three_of_one_family_are_one_reason),
        cmocka_unit_test(each_full_host_is_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
