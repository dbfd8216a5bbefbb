/* SPDX-License-Identifier: MIT */
/* The tables: transitions, record kinds, and the ordered set that queues are made of. */
#include "coordinator/core/rank.h"
#include "coordinator/core/state.h"
#include "coordinator/core/view.h"
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t count_states(const struct state_table *table)
{
    size_t count = 0;
    while (table->states[count])
        count++;
    return count;
}

static void every_state_is_entered_and_rows_are_unique(void **state)
{
    (void)state;
    const struct state_table *table;
    for (size_t i = 0; (table = state_table_at(i)) != NULL; i++) {
        for (int at = 0; at < (int)count_states(table); at++) {
            bool entered = false;
            for (size_t row = 0; row < table->row_count; row++)
                entered = entered || table->rows[row].to == at;
            assert_true(entered);
            assert_non_null(strstr(table->picture, table->states[at]));
        }
        for (size_t a = 0; a < table->row_count; a++) {
            assert_non_null(record_info(table->rows[a].by));
            for (size_t b = 0; b < a; b++)
                assert_memory_not_equal(&table->rows[a], &table->rows[b], sizeof table->rows[a]);
        }
    }
}

static void final_states_have_no_way_out(void **state)
{
    (void)state;
    const struct {
        const struct state_table *table;
        int final;
    } finals[] = {
        {&run_table, RUN_CLOSED},
        {&run_table, RUN_REFUSED},
        {&job_table, JOB_CLOSED},
        {&attempt_table, ATTEMPT_SEALED},
        {&publication_table, PUBLICATION_PUBLISHED},
        {&publication_table, PUBLICATION_FAILED},
        {&publication_table, PUBLICATION_SUPERSEDED},
        {&worker_table, WORKER_REMOVED},
    };
    for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++)
        for (size_t row = 0; row < finals[i].table->row_count; row++)
            assert_int_not_equal(finals[i].table->rows[row].from, finals[i].final);
}

static void time_never_ends_a_grant(void **state)
{
    (void)state;
    /* No record about workers or leases may move a publication. */
    for (size_t i = 0; i < publication_table.row_count; i++)
        assert_in_range(publication_table.rows[i].by, RECORD_PUBLICATION_WANTED,
                        RECORD_PUBLICATION_SUPERSEDED);
}

static void a_table_prints_as_markdown(void **state)
{
    (void)state;
    struct buf out = {0};
    state_print(&job_table, &out);
    assert_non_null(strstr((const char *)out.data, "## job\n"));
    assert_non_null(strstr((const char *)out.data, "| ready | lease-offered | leased |\n"));
    assert_true(state_may_move(&job_table, JOB_READY, RECORD_LEASE_OFFERED, JOB_LEASED));
    assert_false(state_may_move(&job_table, JOB_CLOSED, RECORD_JOB_READY, JOB_READY));
    buf_release(&out);
}

static void kinds_are_in_order_and_found(void **state)
{
    (void)state;
    const struct record_info *info, *before = NULL;
    for (size_t i = 0; (info = record_info_at(i)) != NULL; i++) {
        assert_ptr_equal(record_info(info->kind), info);
        assert_true(!before || before->kind < info->kind);
        before = info;
    }
    assert_null(record_info((enum record_kind)999));
    assert_null(record_info(RECORD_NONE));
}

static void a_record_is_copied_and_printed(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    struct record copy, record = {.kind = RECORD_LEASE_OFFERED, .at_ms = 1500};
    record.lease = (struct record_lease){.token = {1, 7}, .job = 3, .worker = 1};
    record_copy(&copy, &record, &arena);
    record_print(&copy, &out);
    assert_string_equal((const char *)out.data,
                        "[    1500] lease-offered token={epoch=1 number=7} job=3 worker=1\n");
    buf_clear(&out);
    record_print(&(struct record){.kind = RECORD_COUNTERS_SET}, &out);
    assert_string_equal((const char *)out.data, "[       0] counters-set\n");
    record = (struct record){.kind = RECORD_RUN_REFUSED, .run = {4, NULL}};
    record_copy(&copy, &record, &arena);
    assert_string_equal(copy.run.reason, "");
    buf_release(&out);
    arena_clear(&arena);
}

enum { NODES = 500 };

static void a_rank_keeps_order(void **state)
{
    (void)state;
    static struct rank_node nodes[NODES];
    struct rank rank = {0};
    for (uint64_t i = 0; i < NODES; i++) {
        nodes[i].key[0] = i * 7919 % 11;
        nodes[i].key[3] = i;
        rank_insert(&rank, &nodes[i]);
    }
    for (uint64_t i = 0; i < NODES; i += 3)
        rank_remove(&rank, &nodes[i]);
    size_t count = 0;
    const struct rank_node *before = NULL;
    for (const struct rank_node *at = rank_first(&rank); at; at = rank_next(at), count++) {
        assert_true(!before || rank_compare(before, at) < 0);
        assert_int_not_equal(at->key[3] % 3, 0);
        before = at;
    }
    assert_int_equal(count, NODES - (NODES + 2) / 3);
    while (rank_first(&rank))
        rank_remove(&rank, rank_first(&rank));
    assert_null(rank.root);
}

/* People page through lists while runs are archived: what is gone is the end of its list. */
static void what_is_gone_ends_a_list(void **state)
{
    (void)state;
    struct history *h = history_begin();
    const struct farm *farm = history_farm(h);
    struct run_view run;
    struct job_view job;
    struct attempt_view attempt;
    struct worker_view worker;
    uint64_t cursor = 9;
    size_t index = 0;
    assert_int_equal(view_run_newest(farm), 0);
    history_do(h, "enrol w1\nsubmit r1\nsubmit r2\nresolved 1 a x86_64-linux");
    assert_int_equal(view_run_newest(farm), 2);
    assert_false(view_run_next(farm, &cursor, &run));
    assert_false(view_job_next(farm, 1, &cursor, &job));
    assert_false(view_worker_next(farm, &cursor, &worker));
    assert_false(view_attempt_next(farm, 9, &index, &attempt));
    cursor = 0;
    assert_false(view_job_next(farm, 9, &cursor, &job));
    history_end(h);
}

static void a_farm_that_never_started_is_exported(void **state)
{
    (void)state;
    struct farm *farm = farm_create(), *again = farm_create();
    struct farm_outcome outcome = {0};
    farm_export(farm, &outcome);
    for (size_t i = 0; i < outcome.record_count; i++)
        farm_apply(again, &outcome.records[i]);
    assert_int_equal(farm_digest(again), farm_digest(farm));
    farm_outcome_release(&outcome);
    farm_destroy(farm);
    farm_destroy(again);
}

static void a_request_without_an_id_is_not_remembered(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct input input = {.kind = INPUT_SUBMIT, .submit = {.asked = {"", "ann"}}};
    shape_init(&run_options_shape, &input.submit.options);
    history_step(h, &input);
    assert_string_equal(history_said(h),
                        "run-submitted run=1 who=ann\n> reply ok run=1\n> resolve 1\n");
    history_step(h, &input);
    assert_int_equal(view_run_newest(history_farm(h)), 2);
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_entered_and_rows_are_unique),
        cmocka_unit_test(final_states_have_no_way_out),
        cmocka_unit_test(time_never_ends_a_grant),
        cmocka_unit_test(a_table_prints_as_markdown),
        cmocka_unit_test(kinds_are_in_order_and_found),
        cmocka_unit_test(a_record_is_copied_and_printed),
        cmocka_unit_test(a_rank_keeps_order),
        cmocka_unit_test(what_is_gone_ends_a_list),
        cmocka_unit_test(a_farm_that_never_started_is_exported),
        cmocka_unit_test(a_request_without_an_id_is_not_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
