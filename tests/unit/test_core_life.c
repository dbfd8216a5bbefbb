/* SPDX-License-Identifier: MIT */
/* The life of a run: from submit to the ledger, and what may break it. */
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WORKER                                                                                     \
    "enrol w1 publish\n"                                                                           \
    "hello w1 x86_64-linux publish\n"

static void happy_path_with_publish(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_expect(h, "submit r1 publish",
                   "run-submitted run=1 request_id=r1 who=ann options={publish=true}\n"
                   "> reply ok run=1\n"
                   "> resolve 1\n");
    history_do(h, WORKER);
    history_expect(h, "resolved 1 a x86_64-linux org=acme inputs=i1",
                   "run-resolved run=1\n"
                   "job-planned job=1 run=1 item={variant={project=p...\n"
                   "> preflight 1\n");
    history_expect(h, "preflighted 1",
                   "run-opened run=1\n"
                   "lease-offered token={epoch=1 number=1} job=1 worker=1\n"
                   "> expect-log 1.1 from 1\n"
                   "> orders 1\n");
    history_expect(h, "status w1 : 1.1 accepted", "");
    history_expect(h, "status w1 : 1.1 running checkout",
                   "attempt-moved token={epoch=1 number=1} phase=checkout\n");
    history_expect(h, "status w1 : 1.1 running build",
                   "attempt-moved token={epoch=1 number=1} phase=build\n");
    history_do(h, "tick 5000");
    history_expect(
        h, "status w1 : 1.1 ended ok",
        "attempt-ended token={epoch=1 number=1} outcome=ok log_bytes=10 "
        "product={derivation=/nix/store/x.drv paths=[/nix/store/out]}\n"
        "learned project=p package=a system=x86_64-linux build_ms=5000\n"
        "job-closed job=1 verdict=ok\n"
        "publication-wanted publication=1 job=1 worker=1 built_by={epoch=1 number=1}...\n"
        "publication-granted publication=1 token={epoch=1 number=2}\n"
        "> expect-log 1.2 from 1\n"
        "> orders 1\n");
    history_expect(h, "sealed 1.1 10",
                   "attempt-sealed token={epoch=1 number=1} log_bytes=10\n"
                   "> orders 1\n"); /* the grant was not shown yet; the folder stays pinned */
    history_expect(h, "status w1 : 1.1 ended ok, p1.2 running publish",
                   "publication-running publication=1 token={epoch=1 number=2}\n");
    history_expect(h, "status w1 : 1.1 ended ok, p1.2 ended ok",
                   "publication-published publication=1 token={epoch=1 number=2}\n"
                   "ledger-entered target=acme...\n"
                   "run-closed run=1\n"
                   "> orders 1\n");
    history_expect(h, "sealed 1.2 20",
                   "publication-sealed token={epoch=1 number=2} log_bytes=20\n> orders 1\n");
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(happy_path_with_publish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
