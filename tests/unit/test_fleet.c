/* SPDX-License-Identifier: MIT */
/* Many hosts at a time: how many at once, that each is told of once, and that a host that fails
 * does not stop the others. One host is a real sshd; on the others nothing listens. */
#include "deploy/fleet.h"
#include "proto/limits.h"
#include "tests/unit/sshd_rig.h"

enum { HOSTS = 2 * LIMIT_SSH_SESSIONS + 5, REAL = LIMIT_SSH_SESSIONS + 2 };

struct fleet_rig {
    struct fleet_host hosts[HOSTS];
    struct bundle bundle;
    char port[8]; /* where nothing listens */
    size_t most;  /* hosts that ran at the same time */
    size_t ended[HOSTS], began[HOSTS];
    size_t settled;
    const char *refusal; /* of the callback `settle`; NULL: none */
};

static bool say_no(void *context, const char *question)
{
    (void)context;
    (void)question;
    return false;
}

static char *say_nothing(void *context, const char *question)
{
    (void)context;
    (void)question;
    return NULL;
}

static int settle(void *context, struct fleet_host *member, struct err *err)
{
    struct fleet_rig *fleet = context;
    fleet->settled++;
    member->wanted.name = "w1";
    return fleet->refusal ? err_set(err, "%s", fleet->refusal) : 0;
}

static int act(void *context, struct fleet_host *member, enum rollout_step step, struct err *err)
{
    (void)context;
    (void)member;
    return err_set(err, "no step of this test asks for step %d", step);
}

static void tell(void *context, const struct fleet_host *member)
{
    struct fleet_rig *fleet = context;
    size_t running = 0, index = (size_t)(member - fleet->hosts);
    for (size_t i = 0; i < HOSTS; i++)
        running += fleet->hosts[i].state != FLEET_WAITING && fleet->hosts[i].state != FLEET_DONE &&
                   fleet->hosts[i].state != FLEET_FAILED;
    fleet->most = running > fleet->most ? running : fleet->most;
    fleet->began[index] += member->state == FLEET_CONNECTING;
    fleet->ended[index] += member->state == FLEET_DONE || member->state == FLEET_FAILED;
}

static size_t run(struct fleet_rig *fleet, struct fleet_host *first, size_t count)
{
    const struct fleet_callbacks callbacks = {fleet, say_no, say_nothing, settle,
                                              act,   tell,   "test"};
    return fleet_run(first, count, &callbacks);
}

static void prepare(struct fleet_rig *fleet, struct rig *rig)
{
    int port;
    listener(false, &port);
    snprintf(fleet->port, sizeof fleet->port, "%d", port);
    for (size_t i = 0; i < HOSTS; i++) {
        struct fleet_host *host = &fleet->hosts[i];
        host->to = rig->to;
        host->to.alias = arena_print(&rig->arena, "host%zu", i);
        host->to.port = fleet->port;
        host->goal = FLEET_CHECK;
        host->trust.accept_new = true;
        host->prefix = at(rig, "programs");
        host->wanted = (struct wishes){.who = host->to.alias,
                                       .name = "",
                                       .coordinator = "tcp://127.0.0.1:1",
                                       .logs = "",
                                       .coordinator_key = "",
                                       .worker_home = "",
                                       .slots = "",
                                       .heavy = "",
                                       .run_as = "",
                                       .bundles = &fleet->bundle,
                                       .bundle_count = 1};
    }
    fleet->bundle = (struct bundle){.id = "1-aaa", .cpu = "sparc", .digest = ""};
    fleet->hosts[REAL].to = rig->to;
}

static void release(struct fleet_rig *fleet)
{
    for (size_t i = 0; i < HOSTS; i++)
        fleet_release(&fleet->hosts[i]);
    free(fleet);
}

static void hosts_that_fail_do_not_stop_the_others(void **state)
{
    struct fleet_rig *fleet = mem_new(sizeof *fleet);
    prepare(fleet, *state);
    assert_int_equal(run(fleet, fleet->hosts, HOSTS), HOSTS - 1);
    assert_int_equal(fleet->most, LIMIT_SSH_SESSIONS); /* so many at once, and never more */
    for (size_t i = 0; i < HOSTS; i++) {
        const struct fleet_host *host = &fleet->hosts[i];
        assert_int_equal(fleet->began[i], 1);
        assert_int_equal(fleet->ended[i], 1);
        assert_null(host->ssh);
        if (i == REAL) {
            if (host->state != FLEET_DONE)
                fail_msg("%s", host->error);
            continue;
        }
        assert_int_equal(host->state, FLEET_FAILED);
        assert_int_equal(host->fault, SSH_UNREACHABLE);
        assert_null(host->facts);
        assert_non_null(strstr(host->error, host->to.alias));
    }
    assert_int_equal(fleet->settled, 1);
    release(fleet);
}

static void a_check_finds_what_the_host_is_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    struct fleet_rig *fleet = mem_new(sizeof *fleet);
    prepare(fleet, rig);
    struct fleet_host *host = &fleet->hosts[REAL];
    assert_int_equal(run(fleet, host, 1), 0);
    assert_string_equal(host->facts->kernel, "Linux");
    assert_string_equal(host->facts->user, rig->to.user);
    assert_string_equal(host->facts->prefix, host->prefix);
    assert_true(host->facts->is_writable && host->facts->free_bytes);
    assert_int_equal(host->plan.count, 0); /* no bundle is for this host's processor */
    assert_true(host->plan.problem_count > 0);
    assert_non_null(strstr(host->plan.problems[0], "no bundle for"));
    assert_false(io_exists(host->prefix));
    release(fleet);
}

/* What prevents the rollout is found before anything is changed. */
static void a_host_with_a_problem_is_not_touched(void **state)
{
    struct fleet_rig *fleet = mem_new(sizeof *fleet);
    prepare(fleet, *state);
    struct fleet_host *host = &fleet->hosts[REAL];
    host->goal = FLEET_ADD;
    assert_int_equal(run(fleet, host, 1), 1);
    assert_int_equal(host->state, FLEET_FAILED);
    assert_string_equal(host->error, host->plan.problems[0]);
    assert_int_equal(host->at, 0);
    assert_false(host->step_began);
    assert_false(io_exists(host->prefix));
    release(fleet);
}

static void what_the_coordinator_refuses_fails_the_host(void **state)
{
    struct fleet_rig *fleet = mem_new(sizeof *fleet);
    prepare(fleet, *state);
    struct fleet_host *host = &fleet->hosts[REAL];
    fleet->refusal = "the name w1 is taken";
    assert_int_equal(run(fleet, host, 1), 1);
    assert_string_equal(host->error, fleet->refusal);
    assert_int_equal(host->plan.problem_count, 0); /* no plan was made */
    assert_int_equal(fleet->ended[REAL], 1);
    release(fleet);
}

static void a_host_that_is_no_worker_has_nothing_to_leave(void **state)
{
    struct fleet_rig *fleet = mem_new(sizeof *fleet);
    prepare(fleet, *state);
    struct fleet_host *host = &fleet->hosts[REAL];
    host->goal = FLEET_LEAVE;
    assert_int_equal(run(fleet, host, 1), 0);
    assert_int_equal(host->state, FLEET_DONE);
    assert_int_equal(host->plan.count, 0);
    release(fleet);
}

/* The key is not known, and nobody says that it is right. */
static void a_host_that_nobody_trusts_fails(void **state)
{
    struct fleet_rig *fleet = mem_new(sizeof *fleet);
    prepare(fleet, *state);
    struct fleet_host *host = &fleet->hosts[REAL];
    host->trust.accept_new = false;
    assert_int_equal(run(fleet, host, 1), 1);
    assert_int_equal(host->fault, SSH_WRONG_KEY);
    assert_int_equal(fleet->settled, 0);
    assert_false(io_exists(host->to.known_hosts[0]));
    release(fleet);
}

int main(void)
{
    if (access(SSHD, X_OK) != 0)
        return 77; /* skipped */
#define TEST(name) cmocka_unit_test_setup_teardown(name, sshd_setup, sshd_teardown)
    const struct CMUnitTest tests[] = {
        TEST(hosts_that_fail_do_not_stop_the_others),
        TEST(a_check_finds_what_the_host_is_and_changes_nothing),
        TEST(a_host_with_a_problem_is_not_touched),
        TEST(what_the_coordinator_refuses_fails_the_host),
        TEST(a_host_that_is_no_worker_has_nothing_to_leave),
        TEST(a_host_that_nobody_trusts_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
