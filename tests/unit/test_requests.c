/* SPDX-License-Identifier: MIT */
/* The table of requests over a real control socket: who may ask what, that a refused request leaves
 * no record, and that a repeated one is done once. */
#include "coordinator/api/requests_private.h"
#include "coordinator/api/run_requests.h"
#include "tests/unit/history.h"
#include "tests/unit/shell_rig.h"

static int set_up(void **state)
{
    *state =
        rig_open("name: home\nprojects:\n  - {name: vision, url: 'file:///nowhere', builder: "
                 "nix, branches: [{name: main}]}\n"
                 "targets:\n  - {name: shelf, kind: command, command: 'true', secret: absent}\n");
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

/* ---- roles ----------------------------------------------------------------------------------- */

static const enum role roles[] = {
    [RIG_VIEWER] = ROLE_VIEWER, [RIG_OPERATOR] = ROLE_OPERATOR, [RIG_ADMIN] = ROLE_ADMIN};

static void a_role_below_the_verbs_is_refused(void **state)
{
    struct rig *rig = *state;
    const struct request_row *row;
    size_t refused = 0;
    for (size_t i = 0; (row = request_row_at(i)); i++)
        for (enum rig_who who = RIG_VIEWER; who <= RIG_ADMIN; who++) {
            uint64_t before = rig->shell.sequence;
            if (roles[who] >= row->role)
                continue;
            struct reply reply = rig_ask(rig, who, row->verb, "{}");
            if (reply.ok || reply.exit_code != 5 || !strstr(reply.error, role_names[row->role]))
                fail_msg("%s by a %s: %s", row->verb, role_names[roles[who]], reply.error);
            assert_int_equal(rig->shell.sequence, before);
            refused++;
        }
    assert_true(refused > 30);
}

/* Not by the order of the roles: a worker's is the last of them. */
static void a_worker_may_ask_for_nothing(void **state)
{
    struct rig *rig = *state;
    const struct request_row *row;
    for (size_t i = 0; (row = request_row_at(i)); i++) {
        assert_false(role_covers(ROLE_WORKER, row->role));
        assert_false(role_covers(ROLE_NONE, row->role));
        assert_true(role_covers(ROLE_ADMIN, row->role));
        assert_true(row->role == ROLE_VIEWER || !role_covers(ROLE_VIEWER, row->role));
    }
    for (enum role role = ROLE_NONE; role <= ROLE_WORKER; role++)
        assert_int_equal(role_covers(role, ROLE_WORKER), role == ROLE_WORKER);
    struct asker asker = {.role = ROLE_WORKER, .who = "builder"};
    snprintf(asker.request_id, sizeof asker.request_id, "%032d", 7);
    uint64_t before = rig->shell.sequence;
    const struct request request = {.id = asker.request_id, .verb = "pause", .arguments = "{}"};
    questions_take(rig->shell.questions, &asker, &request);
    assert_int_equal(rig->shell.sequence, before);
}

/* A value that the parameter takes. */
static json_t *value_of(const struct parameter *parameter)
{
    switch (parameter->type) {
    case PARAMETER_TEXT:
        return json_string("1");
    case PARAMETER_NUMBER:
        return json_integer(parameter->least > 1 ? parameter->least : 1);
    case PARAMETER_FLAG:
        return json_true();
    case PARAMETER_WORD:
        return json_string(parameter->words[0]);
    case PARAMETER_LIST:
        return json_pack("[{}]");
    }
    return NULL;
}

/* Arguments with a value for each parameter, or for each that is required. */
static json_t *arguments_of(const struct request_row *row, bool all)
{
    json_t *arguments = json_object();
    for (const struct parameter *at = row->parameters; at->name; at++)
        if (all || at->required)
            json_object_set_new(arguments, at->name, value_of(at));
    return arguments;
}

static struct reply ask_with(struct rig *rig, enum rig_who who, const char *verb,
                             const json_t *arguments)
{
    char *text = json_dumps(arguments, JSON_COMPACT);
    struct reply reply = rig_ask(rig, who, verb, text);
    free(text);
    return reply;
}

/* Whoever may only look changes nothing, whatever the arguments. */
static void a_viewer_leaves_no_record(void **state)
{
    struct rig *rig = *state;
    const struct request_row *row;
    uint64_t before = rig->shell.sequence;
    for (size_t i = 0; (row = request_row_at(i)); i++)
        if (row->role == ROLE_VIEWER && strcmp(row->verb, "events") != 0) {
            json_t *arguments = arguments_of(row, true);
            struct reply reply = ask_with(rig, RIG_VIEWER, row->verb, arguments);
            assert_true(reply.ok || reply.exit_code == 3);
            json_decref(arguments);
        }
    assert_int_equal(rig->shell.sequence, before);
    assert_int_equal(journal_size(rig->shell.journal), before);
}

/* What hands out rights, or destroys what cannot be had again, is an admin's. */
static void rights_and_secrets_are_an_admins(void **state)
{
    static const char *const verbs[] = {
        "enrol",      "revoke",      "token-create",  "token-list",    "token-revoke",
        "secret-set", "secret-list", "ledger-import", "worker-remove", "worker-replace"};
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        const struct verb *verb = verb_find(verbs[i]);
        assert_non_null(verb);
        assert_int_equal(verb->row.role, ROLE_ADMIN);
    }
    assert_null(verb_find("no-such-verb"));
}

/* ---- parameters ------------------------------------------------------------------------------ */

static void assert_refused_for(struct rig *rig, const char *verb, const json_t *arguments,
                               const char *parameter)
{
    struct reply reply = ask_with(rig, RIG_ADMIN, verb, arguments);
    char *text = json_dumps(arguments, JSON_COMPACT);
    if (reply.ok || reply.exit_code != 2 || !strstr(reply.error, parameter))
        fail_msg("%s %s: %s, exit code %u: %s", verb, text, reply.ok ? "done" : "refused",
                 reply.exit_code, reply.error);
    free(text);
}

/* With each parameter in turn as a value of no parameter's type. */
static void check_types(struct rig *rig, const struct request_row *row)
{
    for (const struct parameter *at = row->parameters; at->name; at++) {
        json_t *arguments = arguments_of(row, true);
        json_object_set_new(arguments, at->name, json_real(0.5));
        assert_refused_for(rig, row->verb, arguments, at->name);
        if (at->type == PARAMETER_NUMBER && at->least > INT64_MIN) {
            json_object_set_new(arguments, at->name, json_integer(-1));
            assert_refused_for(rig, row->verb, arguments, at->name);
        }
        if (at->type == PARAMETER_WORD) {
            json_object_set_new(arguments, at->name, json_string("no-such-word"));
            assert_refused_for(rig, row->verb, arguments, at->words[0]);
        }
        json_decref(arguments);
    }
}

static void check_required(struct rig *rig, const struct request_row *row)
{
    for (const struct parameter *at = row->parameters; at->name; at++) {
        json_t *arguments = arguments_of(row, true);
        json_object_del(arguments, at->name);
        if (at->required)
            assert_refused_for(rig, row->verb, arguments, at->name);
        json_decref(arguments);
    }
}

static void arguments_are_checked_against_the_table(void **state)
{
    struct rig *rig = *state;
    const struct request_row *row;
    uint64_t before = rig->shell.sequence;
    for (size_t i = 0; (row = request_row_at(i)); i++) {
        json_t *arguments = arguments_of(row, true);
        json_object_set_new(arguments, "colour", json_string("red"));
        assert_refused_for(rig, row->verb, arguments, "colour");
        json_decref(arguments);
        check_types(rig, row);
        check_required(rig, row);
        arguments = json_array();
        assert_refused_for(rig, row->verb, arguments, "JSON object");
        json_decref(arguments);
    }
    assert_int_equal(rig->shell.sequence, before);
}

/* A newer client names a parameter that it does not use: it asks for nothing that is unknown. */
static void an_unknown_parameter_that_is_not_given_is_ignored(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_ask(rig, RIG_VIEWER, "status",
                        "{\"new\": false, \"newer\": \"\", \"newest\": 0, \"last\": null}")
                    .ok);
}

/* ---- refusals -------------------------------------------------------------------------------- */

#define CHECKOUT "\"package\": \"a\", \"branch\": \"main\", \"commit\": \"c\""
#define KEY      "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static const struct {
    const char *verb, *arguments;
    uint32_t exit_code;
    const char *error;
} refusals[] = {
    {"no-such-verb", "{}", 2, "does not know the request"},
    {"farm", "{", 2, "not JSON"},
    {"status", "{\"run\": 7}", 3, "7"},
    {"job", "{\"job\": \"#7\"}", 3, "7"},
    {"ledger", "{\"filter\": \"colour=red\"}", 2, "colour"},
    {"rebuild", "{\"filter\": \"colour=red\"}", 2, "colour"},
    {"rebuild", "{\"project\": \"elsewhere\"}", 3, "farm.yaml has no project elsewhere"},
    {"build", "{" CHECKOUT ", \"bundle\": \"xy\"}", 3, "not valid hex"},
    {"build", "{" CHECKOUT ", \"project\": \"elsewhere\"}", 3, "no project elsewhere"},
    {"retry", "{\"run\": 7}", 3, "7"},
    {"cancel", "{\"subject\": \"7\", \"kind\": \"run\"}", 3, "7"},
    {"cancel", "{\"subject\": \"x\", \"kind\": \"job\"}", 3, "x"},
    {"publish", "{\"subject\": \"nothing\"}", 3, "no built job matches nothing"},
    {"publish", "{\"subject\": \"colour=red\"}", 2, "colour"},
    {"settle", "{\"publication\": 1, \"as\": \"perhaps\"}", 2, "or give-up"},
    {"settle", "{\"publication\": 9, \"as\": \"published\"}", 3, "9"},
    {"release", "{\"subject\": \"7\"}", 3, "7"},
    {"worker-drain", "{\"worker\": \"w9\"}", 3, "there is no worker w9"},
    {"worker-smoke", "{\"worker\": \"w9\"}", 3, "there is no worker w9"},
    {"worker-remove", "{\"worker\": \"w9\"}", 3, "there is no worker w9"},
    {"worker-replace", "{\"worker\": \"w9\", \"public_key\": \"short\"}", 2, "not a public key"},
    {"worker-replace", "{\"worker\": \"w9\", \"public_key\": \"" KEY "\"}", 3, "no worker w9"},
    {"enrol", "{\"name\": \"n\", \"public_key\": \"" KEY "\", \"role\": \"king\"}", 2, "or worker"},
    {"enrol", "{\"name\": \"n\", \"public_key\": \"short\", \"role\": \"viewer\"}", 2,
     "not a public key"},
    {"enrol", "{\"name\": \"a/b\", \"public_key\": \"" KEY "\", \"role\": \"viewer\"}", 2,
     "cannot be a name"},
    {"enrol", "{\"name\": \"otto\", \"public_key\": \"" KEY "\", \"role\": \"operator\"}", 3,
     "operator otto is enrolled already"},
    {"revoke", "{\"name\": \"nobody\"}", 3, "there is no enrolled key nobody"},
    {"secret-set", "{\"name\": \"../up\", \"value\": \"v\"}", 3, "up"},
    {"secret-set", "{\"name\": \"empty\", \"value\": \"\"}", 2, "value"},
    {"ledger-import", "{\"entries\": []}", 2, "must be a list"},
    {"ledger-import", "{\"entries\": [7]}", 2, "must be a list"},
    {"ledger-import", "{\"entries\": [{\"variant\": 7}]}", 2, "entry 1"},
    {"notify-test", "{}", 3, "nobody to notify"},
    {"token-create", "{\"role\": \"admin\", \"ttl_ms\": 60000}", 2, "a token's role"},
    {"token-create", "{\"role\": \"viewer\", \"ttl_ms\": 60000, \"may_publish\": true}", 2,
     "only a worker"},
    {"token-create", "{\"role\": \"viewer\", \"ttl_ms\": 1}", 2, "1 second to 30 days"},
    {"token-revoke", "{\"token\": \"many words\"}", 2, "not a token's number"},
    {"token-revoke", "{\"token\": \"7\"}", 3, "7"},
};

static void a_refused_request_leaves_no_record(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->shell.sequence;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct reply reply = rig_ask(rig, RIG_ADMIN, refusals[i].verb, refusals[i].arguments);
        if (reply.ok || reply.exit_code != refusals[i].exit_code ||
            !strstr(reply.error, refusals[i].error))
            fail_msg("%s %s: exit code %u, \"%s\"", refusals[i].verb, refusals[i].arguments,
                     reply.exit_code, reply.error);
        if (rig->shell.sequence != before)
            fail_msg("%s %s left a record", refusals[i].verb, refusals[i].arguments);
    }
    assert_int_equal(journal_size(rig->shell.journal), before);
    assert_false(io_exists(home_path(rig->place, "secrets/empty")));
}

static void a_request_without_a_fine_id_is_refused(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->shell.sequence;
    const char *const ids[] = {"", "1", "0000000000000000000000000000000G",
                               "00000000000000000000000000000000f"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct asker asker = {.role = ROLE_ADMIN};
        struct request request = {.id = ids[i], .verb = "pause", .arguments = "{}"};
        questions_take(rig->shell.questions, &asker, &request);
        assert_true(replies_were_sent(rig->shell.replies));
        rig_act(rig);
        assert_int_equal(rig->shell.sequence, before);
    }
}

static struct farm *copy_farm(const struct farm *farm)
{
    struct farm_outcome export = {0};
    struct farm *copy = farm_create();
    farm_export(farm, &export);
    for (size_t i = 0; i < export.record_count; i++)
        farm_apply(copy, &export.records[i]);
    farm_outcome_release(&export);
    return copy;
}

/* A retry steps the core once for publications and once for the new run: a filter that cannot be
 * read must stop both. */
static void a_refused_retry_publishes_nothing(void **state)
{
    struct rig *rig = *state;
    struct history *history = history_begin();
    history_do(history,
               "enrol w1 publish\nhello w1 x86_64-linux publish slots=4\nsubmit r1 publish\n"
               "resolved 1 a x86_64-linux org=acme inputs=i1\npreflighted 1\n"
               "status w1 : 1.1 ended ok\nsealed 1.1 10\n"
               "status w1 : p1.2 ended failed stale at=publish");
    struct publication_view publication;
    assert_true(view_publication(history_farm(history), 1, &publication));
    assert_int_equal(publication.state, PUBLICATION_FAILED);
    struct farm *farm = rig->shell.farm;
    rig->shell.farm = copy_farm(history_farm(history));
    struct asker asker = {.role = ROLE_ADMIN, .who = "ada"};
    snprintf(asker.request_id, sizeof asker.request_id, "%s", rig_new_id(rig));
    json_t *arguments = json_pack("{s:i, s:s}", "run", 1, "filter", "colour=red");
    serve_retry(&rig->shell, &asker, arguments);
    assert_int_equal(rig->shell.outcome.record_count, 0);
    json_object_set_new(arguments, "filter", json_string(""));
    serve_retry(&rig->shell, &asker, arguments);
    assert_true(rig->shell.outcome.record_count > 1); /* wanted again, and a run */
    json_decref(arguments);
    farm_outcome_clear(&rig->shell.outcome);
    farm_destroy(rig->shell.farm);
    rig->shell.farm = farm;
    history_end(history);
}

/* ---- what is done ---------------------------------------------------------------------------- */

/* A client that got no answer asks again: with the same id it means the same run. */
static void a_repeated_request_starts_one_run(void **state)
{
    struct rig *rig = *state;
    const char *id = rig_new_id(rig);
    struct reply first = rig_ask_again(rig, RIG_OPERATOR, id, "rebuild", "{}");
    assert_true(first.ok);
    uint64_t before = rig->shell.sequence;
    struct reply again = rig_ask_again(rig, RIG_OPERATOR, id, "rebuild", "{}");
    assert_string_equal(again.body, first.body);
    struct reply other = rig_ask(rig, RIG_OPERATOR, "rebuild", "{}");
    assert_string_not_equal(other.body, first.body);
    assert_true(rig->shell.sequence > before);
}

static void a_secret_is_in_its_file_and_not_in_the_journal(void **state)
{
    static const char value[] = "correct-horse-battery-staple";
    struct rig *rig = *state;
    struct stat file;
    struct reply reply =
        rig_ask(rig, RIG_ADMIN, "secret-set",
                "{\"name\": \"hub\", \"value\": \"correct-horse-battery-staple\"}");
    assert_true(reply.ok);
    assert_string_equal(place_read(rig->place, "secrets/hub"), value);
    assert_int_equal(stat(home_path(rig->place, "secrets/hub"), &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    const char *const files[] = {"journal.db", "journal.db-wal"};
    for (size_t i = 0; i < 2; i++) {
        struct buf bytes = {0};
        struct err err;
        if (!io_exists(home_path(rig->place, files[i])))
            continue;
        assert_int_equal(io_read_file(home_path(rig->place, files[i]), 64 << 20, &bytes, &err), 0);
        assert_null(memmem(bytes.data, bytes.size, value, strlen(value)));
        buf_release(&bytes);
    }
}

/* Names, sizes and who uses them; the values stay where they are. */
static void secrets_are_listed_without_their_values(void **state)
{
    struct rig *rig = *state;
    assert_true(
        rig_ask(rig, RIG_ADMIN, "secret-set", "{\"name\": \"hub\", \"value\": \"correct-horse\"}")
            .ok);
    struct reply reply = rig_ask(rig, RIG_ADMIN, "secret-list", "{}");
    assert_true(reply.ok);
    assert_null(strstr(reply.body, "correct-horse"));
    json_t *body = json_loads(reply.body, 0, NULL), *list = json_object_get(body, "secrets");
    assert_int_equal(json_array_size(list), 2);
    const json_t *hub = json_array_get(list, 0), *absent = json_array_get(list, 1);
    assert_string_equal(json_get_text(hub, "name", ""), "hub");
    assert_string_equal(json_get_text(hub, "source", ""), "file");
    assert_int_equal(json_get_u64(hub, "bytes", 0), strlen("correct-horse"));
    assert_int_equal(json_array_size(json_object_get(hub, "targets")), 0);
    assert_string_equal(json_get_text(absent, "name", ""), "absent");
    assert_string_equal(json_get_text(absent, "source", ""), "missing");
    assert_string_equal(json_string_value(json_array_get(json_object_get(absent, "targets"), 0)),
                        "shelf");
    json_decref(body);
}

static void a_bundle_is_stored_under_the_id_of_its_request(void **state)
{
    struct rig *rig = *state;
    const char *id = rig_new_id(rig);
    struct reply reply =
        rig_ask_again(rig, RIG_OPERATOR, id, "build",
                      "{\"package\": \"a\", \"branch\": \"main\", \"commit\": \"c\", \"bundle\": "
                      "\"68656c6c6f\"}");
    assert_true(reply.ok);
    assert_string_equal(place_read(rig->place, arena_print(&rig->arena, "bundles/%s", id)),
                        "hello");
    struct run_view run;
    assert_true(view_run(rig->shell.farm, 1, &run));
    assert_string_equal(run.options.bundle, id);
    assert_string_equal(run.options.filter, "package=a");
    assert_true(run.options.local && run.options.force);
    id = rig_new_id(rig);
    reply = rig_ask_again(rig, RIG_OPERATOR, id, "build",
                          "{" CHECKOUT ", \"project\": \"elsewhere\", \"bundle\": \"68\"}");
    assert_false(reply.ok);
    assert_false(io_exists(home_path(rig->place, arena_print(&rig->arena, "bundles/%s", id))));
}

static void a_paused_farm_says_why(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_ask(rig, RIG_OPERATOR, "pause", "{\"reason\": \"new disk\"}").ok);
    json_t *farm = rig_get(rig, RIG_VIEWER, "farm", "{}");
    char *text = json_dumps(farm, JSON_COMPACT);
    assert_non_null(strstr(text, "new disk"));
    free(text);
    json_decref(farm);
    assert_true(rig_ask(rig, RIG_OPERATOR, "resume", "{}").ok);
    struct farm_view view;
    view_farm(rig->shell.farm, &view);
    assert_false(view.paused);
}

/* Its answer would otherwise be that of the enrolment: the old key must be gone, too. */
static void a_replaced_worker_has_only_its_new_key(void **state)
{
    struct rig *rig = *state;
    struct key_pair old, new;
    struct peer_view peer;
    assert_int_equal(keys_make(&old, NULL), 0);
    assert_int_equal(keys_make(&new, NULL), 0);
    rig_enrol(rig, "w1", old.public_key, ROLE_WORKER);
    rig_act(rig);
    json_t *arguments = json_pack("{s:s, s:s}", "worker", "w1", "public_key", new.public_key);
    char *text = json_dumps(arguments, JSON_COMPACT);
    struct reply reply = rig_ask(rig, RIG_ADMIN, "worker-replace", text);
    if (!reply.ok)
        fail_msg("%s", reply.error);
    assert_false(view_peer(rig->shell.farm, old.public_key, &peer));
    assert_true(view_peer(rig->shell.farm, new.public_key, &peer));
    assert_string_equal(peer.name, "w1");
    assert_int_equal(peer.role, ROLE_WORKER);
    free(text);
    json_decref(arguments);
}

int main(int argc, char **argv)
{
    rig_child(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_role_below_the_verbs_is_refused),
        TEST(a_worker_may_ask_for_nothing),
        TEST(a_viewer_leaves_no_record),
        TEST(rights_and_secrets_are_an_admins),
        TEST(arguments_are_checked_against_the_table),
        TEST(an_unknown_parameter_that_is_not_given_is_ignored),
        TEST(a_refused_request_leaves_no_record),
        TEST(a_request_without_a_fine_id_is_refused),
        TEST(a_refused_retry_publishes_nothing),
        TEST(a_repeated_request_starts_one_run),
        TEST(a_secret_is_in_its_file_and_not_in_the_journal),
        TEST(secrets_are_listed_without_their_values),
        TEST(a_bundle_is_stored_under_the_id_of_its_request),
        TEST(a_paused_farm_says_why),
        TEST(a_replaced_worker_has_only_its_new_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
