/* SPDX-License-Identifier: MIT */
/* Attempt folders: what is written is read again, in today's format and in the golden one; what is
 * damaged is an error with its path.
 *
 * tests/golden/v1/folder is a folder as version 1.0 writes it. It never changes; with
 * FARM_GOLDEN_WRITE set a file that is missing there is made. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/disk/folder.h"
#include "worker/process/run_file.h"
#include "worker/process/supervisor_client.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct token token = {.epoch = 1, .number = 42};

static struct order sample_order(void)
{
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = ORDER_OFFER;
    order.token = token;
    order.variant.project = "torchvision";
    order.variant.branch = "cuda-12_9";
    order.variant.commit = "57edbf2f240f6c227475366f8e81a65870264004";
    order.variant.package = "torchvision-python313-cuda12_9-sm103-avx512";
    order.variant.system = "x86_64-linux";
    order.variant.gpu = "sm103";
    order.recipe.builder = BUILDER_NIX;
    order.recipe.url = "https://example.org/build-torchvision";
    order.recipe.path = ".flox/pkgs/torchvision-python313-cuda12_9-sm103-avx512.nix";
    order.recipe.checkout = true;
    order.recipe.wall_ms = 18000000;
    order.needs.heavy = true;
    order.secret = (struct bytes){(const uint8_t *)"s3cr3t", 6};
    return order;
}

static const char *product_paths[] = {"/nix/store/aaaa-vision", "/nix/store/bbbb-vision-dist"};

static struct product sample_product(void)
{
    return (struct product){.derivation = "/nix/store/cccc-vision.drv",
                            .paths = product_paths,
                            .paths_count = 2,
                            .checked = CHECKED_CPU};
}

static struct item sample_item(void)
{
    struct item item;
    shape_init(&item_shape, &item);
    item.token = token;
    item.state = ITEM_ENDED;
    item.phase = PHASE_CHECK;
    item.outcome = OUTCOME_OK;
    item.log_bytes = 123456;
    item.facts.wall_ms = 7200000;
    item.product = sample_product();
    item.variant = sample_order().variant;
    return item;
}

static void make(struct place *place)
{
    struct order order = sample_order();
    struct err err = {""};
    if (folder_make(place->path, &order, &err) < 0)
        fail_msg("%s", err.text);
}

static struct agent_found found_in(struct place *place)
{
    struct agent_found found;
    struct err err = {""};
    if (folder_read(place->path, token, &found, &place->arena, &err) < 0)
        fail_msg("%s", err.text);
    return found;
}

static void refuses(struct place *place, const char *words)
{
    struct agent_found found;
    struct err err = {""};
    assert_int_equal(folder_read(place->path, token, &found, &place->arena, &err), -1);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

/* ---- */

static void an_order_is_kept_without_its_secret(void **state)
{
    struct place *place = *state;
    struct order order = sample_order();
    make(place);
    struct agent_found found = found_in(place);
    assert_int_equal(found.state, ITEM_ACCEPTED);
    assert_int_equal(found.order.secret.size, 0);
    order.secret = (struct bytes){0};
    assert_true(shape_equal(&order_shape, &order, &found.order));
    struct buf file = {0};
    assert_true(io_peek_file(home_path(place, "attempts/1.42/order"), 4096, &file));
    assert_null(memmem(file.data, file.size, "s3cr3t", 6));
    buf_release(&file);
}

static void the_same_order_twice_is_fine_another_is_not(void **state)
{
    struct place *place = *state;
    struct order other = sample_order();
    struct err err = {""};
    make(place);
    make(place);
    other.variant.package = "something-else";
    assert_int_equal(folder_make(place->path, &other, &err), -1);
    assert_non_null(strstr(err.text, "another order"));
}

static void what_a_crash_left_half_made_is_made_afresh(void **state)
{
    struct place *place = *state;
    struct err err;
    assert_int_equal(io_make_folders(home_path(place, "attempts/.new-1.42/x"), 0755, &err), 0);
    place_write(place, "attempts/.new-1.42/order", "floxf");
    make(place);
    assert_int_equal(found_in(place).state, ITEM_ACCEPTED);
    assert_false(io_exists(home_path(place, "attempts/.new-1.42")));
    assert_false(io_exists(home_path(place, "attempts/1.42/x")));
}

static void a_bundle_stands_beside_the_order(void **state)
{
    struct place *place = *state;
    struct order order = sample_order();
    struct err err;
    order.bundle = (struct bytes){(const uint8_t *)"# v2 git bundle\n", 16};
    assert_int_equal(folder_make(place->path, &order, &err), 0);
    assert_string_equal(place_read(place, "attempts/1.42/bundle"), "# v2 git bundle\n");
    assert_int_equal(found_in(place).order.bundle.size, 0);
}

static void put_run(struct place *place, const char *name, const char *exit)
{
    char text[RUN_FILE_EXIT_OFFSET + RUN_FILE_EXIT_BYTES] = "";
    snprintf(text + RUN_FILE_EXIT_OFFSET, RUN_FILE_EXIT_BYTES, "%s", exit);
    assert_int_equal(io_write_file(home_path(place, name), text, sizeof text, 0644, false, NULL),
                     0);
}

static void progress_is_the_newest_phase(void **state)
{
    struct place *place = *state;
    make(place);
    put_run(place, "attempts/1.42/checkout.run", "status 0\nend\n");
    struct agent_found found = found_in(place);
    assert_int_equal(found.state, ITEM_RUNNING);
    assert_int_equal(found.phase, PHASE_CHECKOUT);
    assert_false(found.supervisor_gone);

    put_run(place, "attempts/1.42/build.run", "");
    place_write(place, "attempts/1.42/log", "0123456789");
    found = found_in(place);
    assert_int_equal(found.phase, PHASE_BUILD);
    assert_true(found.supervisor_gone);
    assert_int_equal(found.log_bytes, 10);
}

static void a_lock_that_is_held_is_a_supervisor(void **state)
{
    struct place *place = *state;
    make(place);
    put_run(place, "attempts/1.42/build.run", "");
    int file = open(home_path(place, "attempts/1.42/build.run"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(file, LOCK_EX), 0);
    assert_false(found_in(place).supervisor_gone);
    close(file);
    assert_true(found_in(place).supervisor_gone);
}

static void a_product_is_known_while_the_check_runs(void **state)
{
    struct place *place = *state;
    struct product product = sample_product();
    struct err err;
    make(place);
    assert_int_equal(folder_save_product(home_path(place, "attempts/1.42"), &product, &err), 0);
    put_run(place, "attempts/1.42/check.run", "");
    struct agent_found found = found_in(place);
    assert_int_equal(found.state, ITEM_RUNNING);
    assert_true(shape_equal(&product_shape, &product, &found.result.product));
}

static void a_result_ends_it(void **state)
{
    struct place *place = *state;
    struct item item = sample_item();
    struct err err;
    make(place);
    put_run(place, "attempts/1.42/build.run", "");
    assert_int_equal(folder_save_result(place->path, &item, &err), 0);
    struct agent_found found = found_in(place);
    assert_int_equal(found.state, ITEM_ENDED);
    assert_false(found.supervisor_gone);
    assert_true(shape_equal(&item_shape, &item, &found.result));
}

/* ---- damage ------------------------------------------------------------------------------- */

static void a_damaged_order_is_an_error_with_its_path(void **state)
{
    static const char *const texts[][2] = {
        {"", "does not begin with"},
        {"floxfarm attempt ", "does not begin with"},
        {"floxfarm attempt x\n", "has no number"},
        {"floxfarm attempt 1", "has no number"},
        {"floxfarm attempt 2\n", "has format 2"},
        {"floxfarm attempt 99999999999999999999\n", "has format"},
        {"floxfarm attempt 1\n\xff\xff\xff", "is damaged"},
        {"floxfarm attempt 1\n", "holds an order for 0.0"},
        {"#!/bin/sh\necho this is no order\n", "does not begin with"},
    };
    struct place *place = *state;
    make(place);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        place_write(place, "attempts/1.42/order", texts[i][0]);
        refuses(place, texts[i][1]);
        refuses(place, "attempts/1.42");
    }
    unlink(home_path(place, "attempts/1.42/order"));
    refuses(place, "attempts/1.42/order");
}

static void an_order_cut_anywhere_never_crashes(void **state)
{
    struct place *place = *state;
    struct buf whole = {0};
    make(place);
    const char *path = home_path(place, "attempts/1.42/order");
    assert_true(io_peek_file(path, 65536, &whole));
    for (size_t size = 0; size < whole.size; size++) {
        struct agent_found found;
        struct err err = {""};
        assert_int_equal(io_write_file(path, whole.data, size, 0644, false, NULL), 0);
        if (folder_read(place->path, token, &found, &place->arena, &err) < 0)
            assert_non_null(strstr(err.text, "attempts/1.42"));
    }
    buf_release(&whole);
}

static void damaged_products_and_results_are_errors(void **state)
{
    struct place *place = *state;
    make(place);
    place_write(place, "attempts/1.42/product", "\xff\xff");
    refuses(place, "attempts/1.42/product");
    unlink(home_path(place, "attempts/1.42/product"));
    place_write(place, "attempts/1.42/result", "\xff\xff");
    refuses(place, "attempts/1.42/result");
}

static void an_order_for_another_token_is_refused(void **state)
{
    struct place *place = *state;
    make(place);
    assert_int_equal(rename(home_path(place, "attempts/1.42"), home_path(place, "attempts/1.43")),
                     0);
    struct agent_found found;
    struct err err;
    struct token other = {.epoch = 1, .number = 43};
    assert_int_equal(folder_read(place->path, other, &found, &place->arena, &err), -1);
    assert_non_null(strstr(err.text, "1.42"));
}

/* A publication may have happened, so its end stays, whatever became of its folder. */
static void a_publication_that_cannot_be_read_is_one_that_may_have_happened(void **state)
{
    struct place *place = *state;
    struct order order = sample_order();
    struct agent_found found;
    struct err err;
    order.kind = ORDER_GRANT;
    order.is_publication = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(folder_make(place->path, &order, &err), 0);
        const char *file = home_path(place, i ? "attempts/1.42/order" : "attempts/1.42/result");
        unlink(file);
        assert_int_equal(mkfifo(file, 0600), 0);
        assert_int_equal(folder_check(home_path(place, "attempts/1.42"), &err), -1);
        assert_true(folder_is_publication(place->path, token));
        err.text[0] = '\0';
        assert_true(folder_end_publication(place->path, token, "a FIFO", &err));
        assert_int_equal(folder_check(home_path(place, "attempts/1.42"), &err), 0);
        assert_int_equal(folder_read(place->path, token, &found, &place->arena, &err), 0);
        assert_int_equal(found.state, ITEM_ENDED);
        assert_int_equal(found.result.outcome, OUTCOME_LOST);
        assert_true(found.result.unsure && found.result.is_publication &&
                    found.order.is_publication);
        assert_string_equal(found.result.detail, "a FIFO");
        assert_int_equal(folder_remove(place->path, token, &err), 0);
    }
    mode_t usual = umask(077); /* which makes folders like a publication's */
    make(place);
    umask(usual);
    unlink(home_path(place, "attempts/1.42/order"));
    assert_false(folder_is_publication(place->path, token));
    assert_false(folder_end_publication(place->path, token, "a FIFO", &err));
    assert_true(folder_exists(place->path, token)); /* an attempt's is left alone */
}

/* ---- the home ----------------------------------------------------------------------------- */

static void a_home_lists_its_tokens_and_nothing_else(void **state)
{
    static const char *const names[] = {
        "2.1",   "1.10",  "1.9",  ".new-1.7",      "1.x",
        "1",     "1.",    "01.2", "1.02",          "-1.2",
        "1.2.3", "notes", "1. 2", "99999999999.1", "1.99999999999999999999"};
    struct place *place = *state;
    struct token *tokens;
    size_t count;
    struct err err;
    assert_int_equal(folder_list(place->path, &tokens, &count, &err), 0);
    assert_int_equal(count, 0);
    free(tokens);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(
            io_make_folders(arena_print(&place->arena, "%s/attempts/%s", place->path, names[i]),
                            0755, &err),
            0);
    assert_int_equal(folder_list(place->path, &tokens, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_true(token_equal(tokens[0], (struct token){1, 9}));
    assert_true(token_equal(tokens[1], (struct token){1, 10}));
    assert_true(token_equal(tokens[2], (struct token){2, 1}));
    free(tokens);
}

static void a_removed_folder_is_gone(void **state)
{
    struct place *place = *state;
    struct err err;
    make(place);
    assert_int_equal(folder_remove(place->path, token, &err), 0);
    assert_false(io_exists(home_path(place, "attempts/1.42")));
    assert_int_equal(folder_remove(place->path, token, &err), 0);
}

/* ---- golden bytes ------------------------------------------------------------------------- */

static void equals_golden(struct place *place, const char *name)
{
    struct buf now = {0}, golden = {0};
    struct err err = {""};
    const char *path =
        arena_print(&place->arena, "%s/tests/golden/v1/folder/%s", FARM_SOURCE_DIR, name);
    const char *fresh = arena_print(&place->arena, "%s/attempts/1.42/%s", place->path, name);
    assert_int_equal(io_read_file(fresh, 65536, &now, &err), 0);
    if (!io_exists(path) && getenv("FARM_GOLDEN_WRITE"))
        assert_int_equal(io_write_file(path, now.data, now.size, 0644, false, &err), 0);
    if (io_read_file(path, 65536, &golden, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(now.size, golden.size);
    assert_memory_equal(now.data, golden.data, golden.size);
    buf_release(&now);
    buf_release(&golden);
}

static void todays_bytes_are_the_golden_ones(void **state)
{
    struct place *place = *state;
    struct item item = sample_item();
    struct product product = sample_product();
    struct err err;
    make(place);
    assert_int_equal(folder_save_product(home_path(place, "attempts/1.42"), &product, &err), 0);
    assert_int_equal(folder_save_result(place->path, &item, &err), 0);
    equals_golden(place, "order");
    equals_golden(place, "product");
    equals_golden(place, "result");
}

/* The files that are there, into a folder of today's home. */
static void copy_golden(struct place *place, const char *const *names)
{
    struct err err;
    assert_int_equal(io_make_folders(home_path(place, "attempts/1.42"), 0755, &err), 0);
    for (; *names; names++) {
        struct buf golden = {0};
        assert_int_equal(io_read_file(arena_print(&place->arena, "%s/tests/golden/v1/folder/%s",
                                                  FARM_SOURCE_DIR, *names),
                                      65536, &golden, &err),
                         0);
        const char *path = arena_print(&place->arena, "%s/attempts/1.42/%s", place->path, *names);
        assert_int_equal(io_write_file(path, golden.data, golden.size, 0644, false, &err), 0);
        buf_release(&golden);
    }
}

static void a_folder_of_the_first_version_opens(void **state)
{
    static const char *const while_it_ran[] = {"order", "product", "build.run", NULL};
    static const char *const ended[] = {"result", NULL};
    struct place *place = *state;
    struct order order = sample_order();
    struct product product = sample_product();
    struct item item = sample_item();
    struct exit_facts facts;
    struct err err;
    bool lost;
    order.secret = (struct bytes){0};
    copy_golden(place, while_it_ran);
    struct agent_found found = found_in(place);
    assert_int_equal(found.state, ITEM_RUNNING);
    assert_int_equal(found.phase, PHASE_BUILD);
    assert_false(found.supervisor_gone);
    assert_true(shape_equal(&order_shape, &found.order, &order));
    assert_true(shape_equal(&product_shape, &found.result.product, &product));
    const char *folder = home_path(place, "attempts/1.42");
    assert_int_equal(supervisor_client_log_from(folder, PHASE_BUILD), 7);
    assert_int_equal(supervisor_client_facts(folder, PHASE_BUILD, &facts, &lost, &err), 0);
    assert_false(lost);
    assert_int_equal(facts.status, 3);
    assert_int_equal(facts.wall_ms, 9);
    copy_golden(place, ended);
    found = found_in(place);
    assert_int_equal(found.state, ITEM_ENDED);
    assert_true(shape_equal(&item_shape, &found.result, &item));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_order_is_kept_without_its_secret),
        TEST(the_same_order_twice_is_fine_another_is_not),
        TEST(what_a_crash_left_half_made_is_made_afresh),
        TEST(a_bundle_stands_beside_the_order),
        TEST(progress_is_the_newest_phase),
        TEST(a_lock_that_is_held_is_a_supervisor),
        TEST(a_product_is_known_while_the_check_runs),
        TEST(a_result_ends_it),
        TEST(a_damaged_order_is_an_error_with_its_path),
        TEST(an_order_cut_anywhere_never_crashes),
        TEST(damaged_products_and_results_are_errors),
        TEST(an_order_for_another_token_is_refused),
        TEST(a_home_lists_its_tokens_and_nothing_else),
        TEST(a_publication_that_cannot_be_read_is_one_that_may_have_happened),
        TEST(a_removed_folder_is_gone),
        TEST(todays_bytes_are_the_golden_ones),
        TEST(a_folder_of_the_first_version_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
