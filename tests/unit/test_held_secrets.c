/* SPDX-License-Identifier: MIT */
/* test_held_secrets.c - one copy of a secret, and none afterwards. */
#include "worker/held_secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct token one = {1, 1}, two = {1, 2};

static struct order an_order(struct token token, char *bytes)
{
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = ORDER_GRANT;
    order.token = token;
    order.secret = (struct bytes){(const uint8_t *)bytes, strlen(bytes)};
    return order;
}

static void assert_holds(const struct held_secrets *held, struct token token, const char *text)
{
    struct bytes bytes = held_secrets_of(held, token);
    assert_int_equal(bytes.size, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.size);
}

static void a_secret_is_moved(void **state)
{
    (void)state;
    struct held_secrets *held = held_secrets_create();
    char bytes[] = "hunter2", newer[] = "hunter3!";
    struct order order = an_order(one, bytes);
    assert_true(held_secrets_move(held, &order));
    assert_int_equal(order.secret.size, 0);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\0", 7);
    assert_holds(held, one, "hunter2");
    assert_int_equal(held_secrets_of(held, two).size, 0);
    order = an_order(one, newer);
    assert_true(held_secrets_move(held, &order));
    assert_holds(held, one, "hunter3!");
    assert_true(held_secrets_move(held, &order)); /* it has none */
    assert_holds(held, one, "hunter3!");
    held_secrets_drop(held, one);
    assert_int_equal(held_secrets_of(held, one).size, 0);
    held_secrets_drop(held, one);
    held_secrets_destroy(held);
    held_secrets_destroy(NULL);
}

static bool is_the_wanted(const void *of, struct token token)
{
    return token_equal(*(const struct token *)of, token);
}

static void what_is_not_awaited_is_dropped(void **state)
{
    (void)state;
    struct held_secrets *held = held_secrets_create();
    char first[] = "first", second[] = "second";
    struct order order = an_order(one, first);
    assert_true(held_secrets_move(held, &order));
    order = an_order(two, second);
    assert_true(held_secrets_move(held, &order));
    held_secrets_keep(held, is_the_wanted, &two);
    assert_int_equal(held_secrets_of(held, one).size, 0);
    assert_holds(held, two, "second");
    held_secrets_destroy(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_moved),
        cmocka_unit_test(what_is_not_awaited_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
