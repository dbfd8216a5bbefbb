/* SPDX-License-Identifier: MIT */
/* What a deployment asks the coordinator: names, keys and addresses of hosts, against a real
 * coordinator and a real book of hosts. */
#include "coordinator/cli/hosts/admission.h"
#include "coordinator/cli/hosts/host_book.h"
#include "tests/unit/farm_rig.h"

struct deployment {
    struct farm_rig *farm;
    struct admission admission;
    struct fleet_host hosts[2];
    const char *identities[2];
    struct key_pair keys[2];
    struct err err;
};

static int set_up(void **state)
{
    struct deployment *deployment = mem_new(sizeof *deployment);
    deployment->farm = farm_rig_open("name: home\n");
    assert_int_equal(invocation_connect(&deployment->farm->invocation), EXIT_FINE);
    for (size_t i = 0; i < 2; i++) {
        struct fleet_host *host = &deployment->hosts[i];
        assert_int_equal(keys_make(&deployment->keys[i], NULL), 0);
        host->goal = FLEET_ADD;
        host->to = (struct destination){.typed = i ? "me@two" : "me@one",
                                        .alias = i ? "two" : "one",
                                        .address = "127.0.0.1",
                                        .port = "1",
                                        .user = "me",
                                        .known_hosts = {"/dev/null"},
                                        .key_name = "[127.0.0.1]:1"};
        host->wanted.name = i ? "w2" : "w1";
        host->wanted.worker_home = host->wanted.coordinator = host->wanted.logs = "";
        host->facts = arena_new(&host->arena, sizeof *host->facts);
        host->facts->hostname = "box";
        host->facts->prefix = "/opt/floxfarm";
        host->facts->tunnel_port = "17017";
        host->public_key = deployment->keys[i].public_key;
        deployment->identities[i] = "";
    }
    deployment->admission = (struct admission){.invocation = &deployment->farm->invocation,
                                               .members = deployment->hosts,
                                               .identities = deployment->identities,
                                               .count = 2,
                                               .coordinator = "",
                                               .replaces = ""};
    *state = deployment;
    return 0;
}

static int tear_down(void **state)
{
    struct deployment *deployment = *state;
    for (size_t i = 0; i < 2; i++)
        fleet_release(&deployment->hosts[i]);
    farm_rig_close(deployment->farm);
    free(deployment);
    return 0;
}

static int admit(struct deployment *deployment, size_t i)
{
    return admission_act(&deployment->admission, &deployment->hosts[i], STEP_ADMIT,
                         &deployment->err);
}

static int settle(struct deployment *deployment, size_t i)
{
    return admission_settle(&deployment->admission, &deployment->hosts[i], &deployment->err);
}

/* "NAME publish" or "NAME" of a worker's key; "" when it is not enrolled. */
static const char *peer_of(struct deployment *deployment, const char *key)
{
    json_t *body = farm_rig_ask(deployment->farm, "peers", NULL), *peer;
    const char *text = "";
    size_t index;
    json_array_foreach(json_object_get(body, "peers"), index, peer)
    {
        if (!strcmp(json_get_text(peer, "key", ""), key))
            text = arena_print(&deployment->farm->place->arena, "%s%s",
                               json_get_text(peer, "name", ""),
                               json_get_flag(peer, "may_publish") ? " publish" : "");
    }
    json_decref(body);
    return text;
}

/* ---- keys and names -------------------------------------------------------------------------- */

static void a_host_is_admitted_once_and_written_down(void **state)
{
    struct deployment *deployment = *state;
    struct host_entry entry;
    if (admit(deployment, 0) != 1)
        fail_msg("%s", deployment->err.text);
    assert_string_equal(peer_of(deployment, deployment->keys[0].public_key), "w1");
    assert_int_equal(hosts_read(&deployment->farm->invocation, "w1", &entry, &deployment->err), 0);
    assert_string_equal(entry.to, "me@one");
    assert_string_equal(entry.prefix, "/opt/floxfarm");
    assert_int_equal(entry.tunnel_port, 0);
    json_t *before = farm_rig_ask(deployment->farm, "peers", NULL);
    assert_int_equal(admit(deployment, 0), 1); /* repeated after a lost connection */
    json_t *after = farm_rig_ask(deployment->farm, "peers", NULL);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void other_rights_are_given_to_the_same_key(void **state)
{
    struct deployment *deployment = *state;
    assert_int_equal(admit(deployment, 0), 1);
    deployment->hosts[0].wanted.may_publish = true;
    assert_int_equal(admit(deployment, 0), 1);
    assert_string_equal(peer_of(deployment, deployment->keys[0].public_key), "w1 publish");
}

static void a_name_of_another_host_is_taken_only_with_replace(void **state)
{
    struct deployment *deployment = *state;
    assert_int_equal(admit(deployment, 0), 1);
    deployment->hosts[1].wanted.name = "w1";
    assert_int_equal(admit(deployment, 1), -1);
    assert_non_null(strstr(deployment->err.text, "use --replace w1"));
    deployment->admission.replaces = "w2"; /* another one's name */
    assert_int_equal(admit(deployment, 1), -1);
    assert_string_equal(peer_of(deployment, deployment->keys[0].public_key), "w1");
    assert_string_equal(peer_of(deployment, deployment->keys[1].public_key), "");
    deployment->admission.replaces = "w1";
    assert_int_equal(admit(deployment, 1), 1);
    assert_string_equal(peer_of(deployment, deployment->keys[0].public_key), "");
    assert_string_equal(peer_of(deployment, deployment->keys[1].public_key), "w1");
}

static void a_host_keeps_its_name(void **state)
{
    struct deployment *deployment = *state;
    assert_int_equal(admit(deployment, 0), 1);
    deployment->hosts[0].wanted.name = "w9";
    assert_int_equal(admit(deployment, 0), -1);
    assert_non_null(strstr(deployment->err.text, "already in the farm as w1"));
    assert_string_equal(peer_of(deployment, deployment->keys[0].public_key), "w1");
    assert_false(hosts_knows(&deployment->farm->invocation, "w9"));
}

static void names_are_checked_before_anything_is_done(void **state)
{
    struct deployment *deployment = *state;
    deployment->admission.coordinator = "tcp://farm.example:7471";
    deployment->hosts[0].wanted.name = "../up";
    assert_int_equal(settle(deployment, 0), -1);
    assert_non_null(strstr(deployment->err.text, "cannot be a worker's name"));
    deployment->hosts[0].wanted.name = "w2";
    assert_int_equal(settle(deployment, 0), -1);
    assert_non_null(strstr(deployment->err.text, "would both be named w2"));
    deployment->hosts[0].wanted.name = "";
    assert_int_equal(settle(deployment, 0), 0);
    assert_string_equal(deployment->hosts[0].wanted.name, "box"); /* its host name */
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void a_coordinator_on_loopback_is_not_reachable(void **state)
{
    struct deployment *deployment = *state;
    struct fleet_host *host = &deployment->hosts[0];
    host->ssh = ssh_open(&host->to, (struct ssh_trust){0});
    assert_int_equal(settle(deployment, 0), -1);
    assert_non_null(strstr(deployment->err.text, "listens on 127.0.0.1 only"));
    assert_non_null(strstr(deployment->err.text, "--tunnel"));
}

static void a_given_coordinator_is_taken_as_it_is(void **state)
{
    struct deployment *deployment = *state;
    struct fleet_host *host = &deployment->hosts[0];
    deployment->admission.coordinator = "farm.example";
    assert_int_equal(settle(deployment, 0), -1);
    assert_non_null(strstr(deployment->err.text, "--coordinator must be tcp://HOST:PORT"));
    deployment->admission.coordinator = "tcp://farm.example:7471";
    assert_int_equal(settle(deployment, 0), 0);
    assert_string_equal(host->wanted.coordinator, "tcp://farm.example:7471");
    assert_int_equal(strncmp(host->wanted.logs, "tcp://farm.example:", 19), 0);
}

static void a_tunnel_keeps_its_ports(void **state)
{
    struct deployment *deployment = *state;
    struct fleet_host *host = &deployment->hosts[0];
    host->wanted.by_tunnel = true;
    assert_int_equal(settle(deployment, 0), 0);
    assert_string_equal(host->wanted.coordinator, "tcp://127.0.0.1:17017");
    assert_string_equal(host->wanted.logs, "tcp://127.0.0.1:17018");
    assert_int_equal(admit(deployment, 0), 1);
    host->facts->tunnel_port = "17099"; /* its own tunnel has the ports now */
    assert_int_equal(settle(deployment, 0), 0);
    assert_string_equal(host->wanted.coordinator, "tcp://127.0.0.1:17017");
}

/* ---- what follows ---------------------------------------------------------------------------- */

static void a_worker_that_never_connected_is_not_seen_yet(void **state)
{
    struct deployment *deployment = *state;
    struct fleet_host *host = &deployment->hosts[0];
    assert_int_equal(admit(deployment, 0), 1);
    assert_int_equal(admission_act(&deployment->admission, host, STEP_SEEN, &deployment->err), 0);
    assert_int_equal(admission_act(&deployment->admission, host, STEP_SMOKE, &deployment->err), -1);
    assert_non_null(strstr(deployment->err.text, "w1 is offline"));
    assert_int_equal(host->smoke_run, 0);
}

int main(int argc, char **argv)
{
    farm_rig_child(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_host_is_admitted_once_and_written_down),
        TEST(other_rights_are_given_to_the_same_key),
        TEST(a_name_of_another_host_is_taken_only_with_replace),
        TEST(a_host_keeps_its_name),
        TEST(names_are_checked_before_anything_is_done),
        TEST(a_coordinator_on_loopback_is_not_reachable),
        TEST(a_given_coordinator_is_taken_as_it_is),
        TEST(a_tunnel_keeps_its_ports),
        TEST(a_worker_that_never_connected_is_not_seen_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
