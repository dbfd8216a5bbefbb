/* SPDX-License-Identifier: MIT */
/* What listeners get: signatures, mails, statuses, and who hears what. */
#include "coordinator/notify/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* RFC 4231, test case 2. */
static void a_signature_is_the_hmac_of_the_body(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_string_equal(
        notify_signature(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"), &arena),
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    arena_clear(&arena);
}

static void a_listener_hears_what_it_chose(void **state)
{
    (void)state;
    const char *kinds[] = {"run-opened"};
    struct config_listener plain = {.kind = LISTENER_WEBHOOK};
    struct config_listener chosen = {.kind = LISTENER_MAIL, .kinds = kinds, .kinds_count = 1};
    struct config_listener github = {.kind = LISTENER_GITHUB, .kinds = kinds, .kinds_count = 1};
    assert_false(notify_wants(&plain, "run-opened"));
    assert_true(notify_wants(&plain, "run-ended"));
    assert_true(notify_wants(&plain, "worker-quarantined"));
    assert_true(notify_wants(&chosen, "run-opened"));
    assert_false(notify_wants(&chosen, "run-ended"));
    assert_true(notify_wants(&github, "run-ended"));
    assert_false(notify_wants(&github, "intake-closed"));
    assert_true(notify_wants(&chosen, "none")); /* a test is for everybody */
}

static json_t *payload(const char *notice, const char *text)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:{s:[{s:s,s:s,s:s,s:i,s:i,s:i,s:s}]}}", "farm", "f",
                     "notice", notice, "id", "f-1-2", "text", text, "about", "branches", "project",
                     "tv", "branch", "main", "commit", "c0ffee", "total", 3, "ok", 2,
                     "publish_failed", 0, "summary", "2/3 published, 1 failed (1 cause)");
}

static void a_mail_has_one_head_whatever_the_text(void **state)
{
    (void)state;
    struct config_listener listener = {.to = "ann@example.org", .from = "farm@example.org"};
    json_t *said = payload("run-ended", "run 1 ended\nBcc: eve@example.org\n\nhello \xc3\xa9");
    struct buf mail = {0};
    notify_mail(&listener, said, &mail);
    const char *text = (const char *)mail.data;
    const char *body = strstr(text, "\n\n");
    assert_non_null(strstr(text, "To: ann@example.org\nFrom: farm@example.org\n"));
    assert_non_null(strstr(text, "Subject: [f] run 1 ended?Bcc: eve@example.org??hello ??\n"));
    assert_null(strstr(text, "\nBcc:") < body ? strstr(text, "\nBcc:") : NULL);
    assert_non_null(strstr(body, "  tv main: 2/3 published, 1 failed (1 cause)\n"));
    buf_release(&mail);
    json_decref(said);
}

static void a_repository_is_known_by_any_of_its_urls(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_string_equal(notify_repository("https://github.com/o/r.git", &arena), "o/r");
    assert_string_equal(notify_repository("https://github.com/o/r/", &arena), "o/r");
    assert_string_equal(notify_repository("git@github.com:o/r.git", &arena), "o/r");
    assert_string_equal(notify_repository("ssh://git@github.com/o/r", &arena), "o/r");
    assert_string_equal(notify_repository("https://github.com/o", &arena), "");
    assert_string_equal(notify_repository("https://github.com/o/r/../x", &arena), "");
    assert_string_equal(notify_repository("https://example.org/o/r", &arena), "");
    arena_clear(&arena);
}

static void assert_status(const char *notice, const char *state)
{
    json_t *said = payload(notice, "");
    json_t *branches = json_object_get(json_object_get(said, "about"), "branches");
    json_t *status = notify_status(said, json_array_get(branches, 0));
    assert_string_equal(json_string_value(json_object_get(status, "state")), state);
    assert_string_equal(json_string_value(json_object_get(status, "context")), "f/tv");
    json_decref(status);
    json_decref(said);
}

static void a_status_says_how_the_branch_stands(void **state)
{
    (void)state;
    assert_status("run-opened", "pending");
    assert_status("run-ended", "failure");
    json_t *said = payload("run-ended", "");
    json_t *branch = json_array_get(json_object_get(json_object_get(said, "about"), "branches"), 0);
    json_object_set_new(branch, "ok", json_integer(3));
    json_t *status = notify_status(said, branch);
    assert_string_equal(json_string_value(json_object_get(status, "state")), "success");
    json_decref(status);
    json_decref(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_the_hmac_of_the_body),
        cmocka_unit_test(a_listener_hears_what_it_chose),
        cmocka_unit_test(a_mail_has_one_head_whatever_the_text),
        cmocka_unit_test(a_repository_is_known_by_any_of_its_urls),
        cmocka_unit_test(a_status_says_how_the_branch_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
