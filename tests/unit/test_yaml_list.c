/* SPDX-License-Identifier: MIT */
/* One key of an item of farm.yaml, as text: what a person wrote around it stays. */
#include "coordinator/cli/commands/yaml_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char yaml[] = "name: f\n"
                           "targets:\n"
                           "  # the first\n"
                           "  - name: \"one\"   # by hand\n"
                           "    kind: flox\n"
                           "    order:          # ours\n"
                           "    - main\n"
                           "    - '2.*'\n"
                           "    branches: [main]\n"
                           "\n"
                           "  # the second\n"
                           "  - name: two\n"
                           "    order: [a,\n"
                           "      b]\n"
                           "projects: []\n";

/* `yaml` with `from` in the place of `to`. */
static void expect_set(const char *name, const char *option, const char *value, const char *from,
                       const char *to)
{
    struct buf out = {0}, wanted = {0};
    struct err err;
    const char *at = strstr(yaml, from);
    assert_non_null(at);
    assert_int_equal(yaml_set_option(yaml, "targets", name, option, value, &out, &err), 0);
    buf_print(&out, "%s", "");
    buf_print(&wanted, "%.*s%s%s", (int)(at - yaml), yaml, to, at + strlen(from));
    assert_string_equal((char *)out.data, (char *)wanted.data);
    buf_release(&out);
    buf_release(&wanted);
}

static void a_key_is_replaced_with_all_its_lines(void **state)
{
    (void)state;
    expect_set("one", "kind", "nix-cache", "kind: flox\n", "kind: nix-cache\n");
    expect_set("one", "order", "[x]", "    order:          # ours\n    - main\n    - '2.*'\n",
               "    order: [x]\n");
    expect_set("two", "order", "[x]", "    order: [a,\n      b]\n", "    order: [x]\n");
}

static void a_key_that_is_not_there_is_added_or_stays_away(void **state)
{
    (void)state;
    expect_set("one", "collisions", "order", "    kind: flox\n",
               "    collisions: order\n    kind: flox\n");
    expect_set("two", "collisions", NULL, "- name: two\n", "- name: two\n");
    expect_set("two", "order", NULL, "    order: [a,\n      b]\n", "");
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    struct buf out = {0};
    struct err err;
    assert_int_equal(yaml_set_option(yaml, "targets", "three", "kind", "x", &out, &err), -1);
    assert_string_equal(err.text, "farm.yaml has nothing named three under `targets`");
    assert_int_equal(yaml_set_option("name: f\n", "targets", "one", "kind", "x", &out, &err), -1);
    assert_string_equal(err.text, "farm.yaml has no list `targets` of `- name: ...`");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_replaced_with_all_its_lines),
        cmocka_unit_test(a_key_that_is_not_there_is_added_or_stays_away),
        cmocka_unit_test(what_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
