/* SPDX-License-Identifier: MIT */
/* From a submitted run to its jobs, with real repositories and real children: one project that
 * cannot be read does not stop another, questions are bounded, and preflight refuses early. */
#include "tests/unit/shell_rig.h"

static int set_up(void **state)
{
    struct rig *rig =
        rig_open("name: home\n"
                 "targets:\n  - {name: acme, kind: flox, secret: hub}\n"
                 "projects:\n"
                 "  - {name: lost, url: 'file://$HOME/lost', builder: nix, system: x86_64-linux, "
                 "branches: [{name: main}]}\n"
                 "  - {name: vision, url: 'file://$HOME/vision', builder: nix, system: "
                 "x86_64-linux, branches: [{name: main}]}\n"
                 "  - {name: sound, url: 'file://$HOME/vision', builder: nix, system: "
                 "x86_64-linux, branches: [{name: main, publish: acme}]}\n");
    rig_sh(rig, "git init --quiet -b main vision; cd vision; mkdir -p .flox/pkgs\n"
                "echo '{ stdenv }: stdenv' >.flox/pkgs/one.nix\n"
                "echo '{ stdenv }: stdenv' >.flox/pkgs/two.nix\n"
                "git config user.email a@b; git config user.name a\n"
                "git add --all --force; git commit -qm first");
    *state = rig;
    return 0;
}

/* A host that could build all of it, so that jobs stay open; the farm is paused, so that it gets
 * none. */
static void add_host(struct rig *rig)
{
    const char *systems[] = {"x86_64-linux", "aarch64-linux"},
               *builders[] = {"nix 2.8.0", "flox 1.14.1"};
    struct filesystem disk = {.id = "disk", .free_bytes = 1ull << 42, .total_bytes = 1ull << 42};
    struct key_pair key;
    struct input hello = {.kind = INPUT_HELLO, .hello = {.worker = 1, .session = 1}};
    assert_int_equal(keys_make(&key, NULL), 0);
    struct input enrol = {.kind = INPUT_ENROL,
                          .enrol = {.asked = {.request_id = rig_new_id(rig), .who = "test"},
                                    .name = "w1",
                                    .public_key = key.public_key,
                                    .role = ROLE_WORKER,
                                    .may_publish = true}};
    shell_step(&rig->shell, &enrol);
    assert_true(rig_ask(rig, RIG_OPERATOR, "pause", "{}").ok);
    shape_init(&hello_shape, &hello.hello.hello);
    struct capabilities *host = &hello.hello.hello.capabilities;
    hello.hello.hello.major = 1;
    host->systems = systems;
    host->systems_count = 2;
    host->builders = builders;
    host->builders_count = 2;
    host->filesystems = &disk;
    host->filesystems_count = 1;
    host->may_publish = true;
    host->cores = 8;
    host->memory_bytes = 1ull << 40;
    host->slots = host->heavy_slots = 1;
    shell_step(&rig->shell, &hello);
    farm_outcome_clear(&rig->shell.outcome); /* there is nobody to welcome */
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static uint64_t rebuild(struct rig *rig, const char *arguments)
{
    return rig_get_number(rig, RIG_OPERATOR, "rebuild", arguments, "run");
}

/* The run has its jobs; without a worker that could take them it may be over already. */
static void assert_accepted(const struct run_view *view, size_t jobs)
{
    if (view->state != RUN_OPEN && view->state != RUN_CLOSED)
        fail_msg("the run is %s: %s", run_state_names[view->state], view->reason);
    assert_int_equal(view->jobs, jobs);
}

static const struct plan_item *item_of(struct rig *rig, uint64_t run, const char *package)
{
    struct job_view job;
    uint64_t cursor = 0;
    while (view_job_next(rig->shell.farm, run, &cursor, &job))
        if (!strcmp(job.item->variant.package, package))
            return job.item;
    fail_msg("run %llu has no job for %s", (unsigned long long)run, package);
    return NULL;
}

static void wait_for_children(struct rig *rig)
{
    uint64_t give_up_ms = clock_boot_ms() + RIG_WAIT_MS;
    struct pollfd polls[LIMIT_DISCOVERY_CHILDREN];
    while (resolver_poll(rig->shell.resolver, polls)) {
        assert_true(clock_boot_ms() < give_up_ms);
        rig_turn(rig);
        rig_wait(rig, NULL);
    }
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void a_project_that_cannot_be_read_does_not_stop_another(void **state)
{
    struct rig *rig = *state;
    uint64_t lost = rebuild(rig, "{\"project\": \"lost\"}");
    uint64_t vision = rebuild(rig, "{\"project\": \"vision\"}");
    struct run_view view = rig_resolved(rig, lost);
    assert_int_equal(view.state, RUN_REFUSED);
    assert_non_null(strstr(view.reason, "lost"));
    assert_int_equal(view.jobs, 0);
    view = rig_resolved(rig, vision);
    assert_accepted(&view, 2);
    assert_string_equal(item_of(rig, vision, "one")->variant.project, "vision");
    assert_int_equal(item_of(rig, vision, "two")->target.kind, TARGET_NONE);
}

static void a_run_cancelled_meanwhile_gets_no_jobs(void **state)
{
    struct rig *rig = *state;
    struct pollfd polls[LIMIT_DISCOVERY_CHILDREN];
    struct run_view view;
    struct input submit = {.kind = INPUT_SUBMIT};
    shape_init(&run_options_shape, &submit.submit.options);
    submit.submit.asked = (struct asked){.request_id = rig_new_id(rig), .who = "otto"};
    submit.submit.options.project = "vision";
    shell_step(&rig->shell, &submit);
    rig_act(rig);
    assert_int_equal(resolver_poll(rig->shell.resolver, polls), 1); /* the child runs */
    struct input cancel = {
        .kind = INPUT_CANCEL,
        .cancel = {.asked = {.request_id = rig_new_id(rig), .who = "otto"}, .run = 1}};
    shell_step(&rig->shell, &cancel);
    rig_act(rig);
    uint64_t before = rig->shell.sequence;
    wait_for_children(rig);
    assert_true(view_run(rig->shell.farm, 1, &view));
    assert_int_equal(view.state, RUN_REFUSED);
    assert_int_equal(view.jobs, 0);
    assert_int_equal(rig->shell.sequence, before);
}

static void a_retry_builds_the_same_commits(void **state)
{
    struct rig *rig = *state;
    uint64_t first = rebuild(rig, "{\"project\": \"vision\"}");
    rig_resolved(rig, first);
    const char *commit = arena_text(&rig->arena, item_of(rig, first, "one")->variant.commit);
    rig_sh(rig, "cd vision; echo >>.flox/pkgs/one.nix; git commit -qam second");
    uint64_t second = rig_get_number(rig, RIG_OPERATOR, "retry",
                                     "{\"run\": 1, \"filter\": \"package=one\"}", "run");
    struct run_view view = rig_resolved(rig, second);
    assert_accepted(&view, 1);
    assert_string_equal(item_of(rig, second, "one")->variant.commit, commit);
    uint64_t third =
        rig_get_number(rig, RIG_OPERATOR, "retry",
                       "{\"run\": 1, \"filter\": \"package=one\", \"at\": \"main\"}", "run");
    rig_resolved(rig, third);
    assert_string_not_equal(item_of(rig, third, "one")->variant.commit, commit);
}

/* Git no longer has the commit: to try to build it on each host in turn would be worse. */
static void a_retry_of_a_lost_commit_is_refused(void **state)
{
    struct rig *rig = *state;
    rig_resolved(rig, rebuild(rig, "{\"project\": \"vision\"}"));
    rig_sh(rig, "rm -rf git clones; cd vision; git commit -q --amend -m other\n"
                "git reflog expire --expire=now --all; git gc -q --prune=now");
    uint64_t run = rig_get_number(rig, RIG_OPERATOR, "retry", "{\"run\": 1}", "run");
    struct run_view view = rig_resolved(rig, run);
    assert_int_equal(view.state, RUN_REFUSED);
    assert_true(*view.reason);
}

/* ---- questions of clients -------------------------------------------------------------------- */

static void a_matrix_lists_what_a_run_would_build(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->shell.sequence;
    json_t *body = rig_get(rig, RIG_VIEWER, "matrix", "{\"project\": \"vision\"}");
    assert_int_equal(json_array_size(json_object_get(body, "items")), 2);
    json_decref(body);
    struct reply reply = rig_ask(rig, RIG_VIEWER, "plan", "{\"project\": \"lost\"}");
    assert_false(reply.ok);
    assert_int_equal(reply.exit_code, 3);
    reply = rig_ask(rig, RIG_VIEWER, "matrix", "{\"filter\": \"package=three\"}");
    assert_false(reply.ok);
    assert_int_equal(rig->shell.sequence, before);
}

static size_t count_standing(struct rig *rig, const char *word, size_t *warnings)
{
    json_t *body = rig_get(rig, RIG_VIEWER, "standing", "{\"project\": \"sound\"}"), *row;
    size_t index, count = 0;
    json_array_foreach(json_object_get(body, "matrix"), index, row)
    {
        count += strcmp(json_string_value(json_object_get(row, "standing")), word) == 0;
    }
    *warnings = json_array_size(json_object_get(body, "warnings"));
    json_decref(body);
    return count;
}

/* What is published, and what is not, is known before any run; and where git is away, from what
 * runs saw, with a warning. */
static void the_standing_is_known_before_any_run_and_without_git(void **state)
{
    struct rig *rig = *state;
    size_t warnings;
    assert_int_equal(count_standing(rig, "never", &warnings), 2);
    assert_int_equal(warnings, 0);
    rig_sh(rig, "mv vision away");
    assert_false(rig_ask(rig, RIG_VIEWER, "standing", "{\"project\": \"sound\"}").ok);
    rig_sh(rig, "mv away vision");
    add_host(rig);
    assert_int_equal(rig_resolved(rig, rebuild(rig, "{\"project\": \"sound\"}")).state, RUN_OPEN);
    rig_sh(rig, "mv vision away");
    assert_int_equal(count_standing(rig, "never", &warnings), 2);
    assert_int_equal(warnings, 1);
}

static bool is_asked(struct rig *rig, const struct asker *asker)
{
    replies_were_sent(rig->shell.replies);
    struct run_options options;
    shape_init(&run_options_shape, &options);
    options.project = "vision";
    resolver_list(rig->shell.resolver, asker, LISTING_MATRIX, &options);
    return !replies_were_sent(rig->shell.replies);
}

static struct asker asker_of(struct rig *rig, enum rig_who who)
{
    struct asker asker = {.role = ROLE_VIEWER, .who = "vera"};
    snprintf(asker.public_key, sizeof asker.public_key, "%s", rig->clients[who].keys.public_key);
    snprintf(asker.request_id, sizeof asker.request_id, "%s", rig_new_id(rig));
    return asker;
}

/* Each question starts a git: a client that repeats its request, or asks without end, must not hold
 * up the runs of others. */
static void questions_of_a_key_are_bounded_and_asked_once(void **state)
{
    struct rig *rig = *state;
    struct asker first = asker_of(rig, RIG_VIEWER), other = asker_of(rig, RIG_OPERATOR);
    assert_true(is_asked(rig, &first));
    for (int i = 1; i < LIMIT_DISCOVERIES_PER_KEY; i++) {
        struct asker asker = asker_of(rig, RIG_VIEWER);
        assert_true(is_asked(rig, &asker));
    }
    assert_true(is_asked(rig, &first)); /* the same request, not another one */
    struct asker last = asker_of(rig, RIG_VIEWER);
    assert_false(is_asked(rig, &last));
    assert_true(is_asked(rig, &other));
}

/* ---- publishing ------------------------------------------------------------------------------ */

static struct run_view publish(struct rig *rig, const char *project)
{
    return rig_resolved(
        rig, rebuild(rig, arena_print(&rig->arena, "{\"project\": \"%s\", \"publish\": true}",
                                      project)));
}

static void to_publish_nowhere_is_refused_at_once(void **state)
{
    struct run_view view = publish(*state, "vision");
    assert_int_equal(view.state, RUN_REFUSED);
    assert_non_null(strstr(view.reason, "no selected branch has a target"));
}

static void set_token(struct rig *rig, const char *claims)
{
    rig_sh(rig,
           arena_print(
               &rig->arena,
               "umask 077; mkdir -p secrets; printf 'a.%%s.c' \"$(printf '%%s' '%s' | base64 -w0 "
               "| tr -d = | tr '+/' '-_')\" >secrets/hub",
               claims));
}

/* Hours of building end in "held" otherwise. */
static void a_run_without_its_secret_is_refused_at_once(void **state)
{
    struct rig *rig = *state;
    add_host(rig);
    struct run_view view = publish(rig, "sound");
    assert_int_equal(view.state, RUN_REFUSED);
    assert_non_null(strstr(view.reason, "publishing to acme needs a secret"));
    set_token(rig, "{\"exp\": 1700000000}");
    view = publish(rig, "sound");
    assert_int_equal(view.state, RUN_REFUSED);
    assert_non_null(strstr(view.reason, "in secret hub has expired"));
    set_token(rig, "{\"exp\": 7000000000}");
    view = publish(rig, "sound");
    assert_int_equal(view.state, RUN_OPEN);
    assert_int_equal(view.warnings_count, 0);
    view = rig_resolved(rig, rebuild(rig, "{\"project\": \"sound\", \"force\": true}"));
    assert_int_equal(view.state, RUN_OPEN);
}

static void a_run_that_publishes_nothing_needs_no_secret(void **state)
{
    struct rig *rig = *state;
    add_host(rig);
    struct run_view view = rig_resolved(rig, rebuild(rig, "{\"project\": \"sound\"}"));
    assert_int_equal(view.state, RUN_OPEN);
}

int main(int argc, char **argv)
{
    rig_child(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_project_that_cannot_be_read_does_not_stop_another),
        TEST(a_run_cancelled_meanwhile_gets_no_jobs),
        TEST(a_retry_builds_the_same_commits),
        TEST(a_retry_of_a_lost_commit_is_refused),
        TEST(a_matrix_lists_what_a_run_would_build),
        TEST(the_standing_is_known_before_any_run_and_without_git),
        TEST(questions_of_a_key_are_bounded_and_asked_once),
        TEST(to_publish_nowhere_is_refused_at_once),
        TEST(a_run_without_its_secret_is_refused_at_once),
        TEST(a_run_that_publishes_nothing_needs_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
