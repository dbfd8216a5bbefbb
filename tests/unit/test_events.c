/* SPDX-License-Identifier: MIT */
/* Records as lines: numbers become names, nothing is told twice, other runs are left out. */
#include "coordinator/cli/screen/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The line behind its time; "" when nothing is told. */
static const char *told(struct teller *teller, uint64_t run, const char *json, enum weight weight)
{
    static char line[512];
    struct buf out = {0};
    json_t *event = json_loads(json, 0, NULL);
    assert_non_null(event);
    assert_int_equal(teller_tell(teller, event, run, &out), weight);
    const char *behind = out.size ? strstr((char *)out.data, "  ") : NULL;
    snprintf(line, sizeof line, "%s", behind ? behind + 2 : "");
    json_decref(event);
    buf_release(&out);
    return line;
}

static void numbers_become_names(void **state)
{
    (void)state;
    struct teller *teller = teller_create();
    assert_string_equal(told(teller, 0,
                             "{\"sequence\":1,\"kind\":\"peer-enrolled\",\"worker\":2,"
                             "\"name\":\"big\"}",
                             EVENT_UNTOLD),
                        "");
    assert_string_equal(
        told(teller, 0,
             "{\"sequence\":2,\"kind\":\"job-planned\",\"job\":7,\"run\":3,\"item\":"
             "{\"variant\":{\"branch\":\"main\",\"package\":\"tv\"}}}",
             EVENT_UNTOLD),
        "");
    assert_string_equal(told(teller, 0,
                             "{\"sequence\":3,\"kind\":\"lease-offered\",\"job\":7,\"worker\":2,"
                             "\"token\":\"1.9\",\"at\":1000}",
                             EVENT_USUAL),
                        "main tv: is offered to big\n");
    assert_string_equal(told(teller, 0,
                             "{\"sequence\":4,\"kind\":\"attempt-moved\",\"token\":\"1.9\","
                             "\"phase\":\"build\",\"at\":1000}",
                             EVENT_USUAL),
                        "main tv: phase build\n");
    assert_string_equal(
        told(teller, 0,
             "{\"sequence\":5,\"kind\":\"job-closed\",\"job\":7,\"at\":1000,"
             "\"verdict\":\"failed\",\"cause\":\"oom\",\"detail\":\"killed\\u001b\"}",
             EVENT_BAD),
        "main tv: ended failed: oom: killed\\e\n");
    teller_destroy(teller);
}

static void nothing_is_told_twice(void **state)
{
    (void)state;
    struct teller *teller = teller_create();
    const char *event = "{\"sequence\":8,\"kind\":\"run-closed\",\"run\":3,\"at\":1000}";
    assert_string_equal(told(teller, 0, event, EVENT_USUAL), "run 3: closed\n");
    assert_string_equal(told(teller, 0, event, EVENT_UNTOLD), "");
    teller_destroy(teller);
}

static void other_runs_are_left_out(void **state)
{
    (void)state;
    struct teller *teller = teller_create();
    json_t *run = json_loads("{\"run\":3,\"jobs\":[{\"job\":7,\"branch\":\"main\",\"package\":"
                             "\"tv\",\"attempt\":\"1.9\",\"publication\":{\"publication\":4}}]}",
                             0, NULL);
    json_t *workers = json_loads("[{\"id\":2,\"worker\":\"big\"}]", 0, NULL);
    teller_learn(teller, run, workers);
    json_decref(run);
    json_decref(workers);
    assert_string_equal(told(teller, 3,
                             "{\"sequence\":1,\"kind\":\"run-opened\",\"run\":4,\"at\":1}",
                             EVENT_UNTOLD),
                        "");
    assert_string_equal(told(teller, 3,
                             "{\"sequence\":2,\"kind\":\"publication-published\","
                             "\"publication\":4,\"at\":1000}",
                             EVENT_USUAL),
                        "main tv: published\n");
    assert_string_equal(told(teller, 3,
                             "{\"sequence\":3,\"kind\":\"worker-lost\",\"worker\":2,\"at\":1000}",
                             EVENT_BAD),
                        "big: is unreachable; its builds may continue\n");
    assert_string_equal(
        told(teller, 3, "{\"sequence\":4,\"kind\":\"from the future\"}", EVENT_UNTOLD), "");
    teller_destroy(teller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_become_names),
        cmocka_unit_test(nothing_is_told_twice),
        cmocka_unit_test(other_runs_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
