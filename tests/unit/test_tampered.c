/* SPDX-License-Identifier: MIT */
/* An attempt's folder that a build has tampered with: each file that the agent reads, times each
 * thing that may stand in its place. Nothing waits (an alarm ends the test), nothing is read from
 * outside, nothing is made outside, and the attempt ends with a cause. */
#include "proto/limits.h"
#include "tests/unit/folders.h"
#include "worker/builders/tools.h"
#include "worker/disk/folder.h"
#include "worker/phase/check.h"
#include "worker/phase/phase.h"
#include "worker/process/run_file.h"
#include "worker/process/run_file_reader.h"
#include "worker/process/supervisor_client.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

enum { PATIENCE_S = 100, EXIT_CANNOT = 71 };

static const struct token token = {.epoch = 1, .number = 42};
static const char folder_name[] = "attempts/1.42";

/* What stands outside, as a good file of that name would be. No word of it may come in. */
#define OUTSIDE "secret"

/* ---- the attacks ---------------------------------------------------------------------------- */

static void put_link(struct place *place, const char *name, const char *path)
{
    const char *outside = arena_print(&place->arena, "%s/outside/%s", place->path, name);
    assert_int_equal(symlink(outside, path), 0);
}

static void put_dangling_link(struct place *place, const char *name, const char *path)
{
    (void)name;
    assert_int_equal(symlink(home_path(place, "made"), path), 0);
}

static void put_fifo(struct place *place, const char *name, const char *path)
{
    (void)place, (void)name;
    assert_int_equal(mkfifo(path, 0666), 0);
}

static void put_folder(struct place *place, const char *name, const char *path)
{
    (void)place, (void)name;
    assert_int_equal(mkdir(path, 0755), 0);
}

static void put_socket(struct place *place, const char *name, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)place, (void)name;
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

/* /dev/zero, which has no end; where only root may make one, a FIFO instead. */
static void put_device(struct place *place, const char *name, const char *path)
{
    if (mknod(path, S_IFCHR | 0666, makedev(1, 5)) < 0)
        put_fifo(place, name, path);
}

static void put_sparse(struct place *place, const char *name, const char *path)
{
    (void)place, (void)name;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (ftruncate(fd, (off_t)1 << 40) < 0) /* a file system that has no such files */
        assert_int_equal(ftruncate(fd, (off_t)5 << 30), 0);
    close(fd);
}

/* With contents, one byte more than the largest that is read. */
static void put_huge(struct place *place, const char *name, const char *path)
{
    char *data = mem_new(LIMIT_CONTROL_FRAME_BYTES + 1);
    (void)place, (void)name;
    memset(data, '\n', LIMIT_CONTROL_FRAME_BYTES + 1);
    assert_int_equal(io_write_file(path, data, LIMIT_CONTROL_FRAME_BYTES + 1, 0644, false, NULL),
                     0);
    free(data);
}

typedef void put_attack(struct place *place, const char *name, const char *path);
static const struct attack {
    put_attack *put;
    bool is_size; /* a regular file, too large */
} attacks[] = {
    {put_link, false},   {put_dangling_link, false}, {put_fifo, false},  {put_folder, false},
    {put_socket, false}, {put_device, false},        {put_sparse, true}, {put_huge, true}};
enum { ATTACKS = sizeof attacks / sizeof *attacks };

static const char *const files[] = {"order",       "bundle",       "log",       "worktree",
                                    "product",     "finding",      "result",    "box/outputs",
                                    "box/scratch", "checkout.run", "build.run", "publish.run"};
enum { FILES = sizeof files / sizeof *files };

/* ---- a folder as a worker leaves it --------------------------------------------------------- */

static struct order sample_order(void)
{
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = ORDER_OFFER;
    order.token = token;
    order.variant.project = "vision";
    order.variant.package = "vision";
    order.recipe.builder = BUILDER_COMMAND;
    order.recipe.command = "true";
    order.recipe.checkout = true;
    return order;
}

static void put_run(struct place *place, const char *folder, const char *phase)
{
    char text[RUN_FILE_STOP_OFFSET + RUN_FILE_STOP_BYTES] = "";
    const char *name = arena_print(&place->arena, "%s/%s.run", folder, phase);
    snprintf(text + RUN_FILE_EXIT_OFFSET, RUN_FILE_EXIT_BYTES,
             "status 1\nsignal 0\noom_kills 0\nfree_bytes 1\ncpu_ms 1\nmemory_peak 1\nwall_ms 1\n"
             "timed_out 0\nsilent 0\nend\n");
    assert_int_equal(io_write_file(home_path(place, name), text, sizeof text, 0644, false, NULL),
                     0);
}

/* A build that failed, and a publish; with all files but the result. */
static void fill(struct place *place, const char *folder, const char *word)
{
    const char *paths[] = {arena_print(&place->arena, "/nix/store/aaaa-%s", word)};
    struct product product;
    struct err err = {""};
    shape_init(&product_shape, &product);
    product.paths = paths;
    product.paths_count = 1;
    product.derivation = paths[0];
    const char *full = home_path(place, folder);
    assert_int_equal(folder_save_product(full, &product, &err), 0);
    assert_int_equal(io_make_folders(arena_print(&place->arena, "%s/box", full), 0755, &err), 0);
    static const char *const texts[][3] = {{"log", "error: ", "\n"},
                                           {"box/outputs", "/", "\n"},
                                           {"worktree", "/", ""},
                                           {"finding", "began\nended\n", ""},
                                           {"bundle", "", ""}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        place_write(place, arena_print(&place->arena, "%s/%s", folder, texts[i][0]),
                    arena_print(&place->arena, "%s%s%s", texts[i][1], word, texts[i][2]));
    put_run(place, folder, "checkout");
    put_run(place, folder, "build");
    put_run(place, folder, "publish");
}

static void make(struct place *place)
{
    struct order order = sample_order();
    struct err err = {""};
    if (folder_make(place->path, &order, &err) < 0)
        fail_msg("%s", err.text);
    fill(place, folder_name, "inside");
}

static int set_up(void **state)
{
    if (place_setup(state) < 0)
        return -1;
    struct order order = sample_order();
    struct item item;
    struct err err = {""};
    order.variant.package = OUTSIDE;
    assert_int_equal(folder_make(home_path(*state, "other"), &order, &err), 0);
    assert_int_equal(rename(home_path(*state, "other/attempts/1.42"), home_path(*state, "outside")),
                     0);
    fill(*state, "outside", OUTSIDE);
    shape_init(&item_shape, &item);
    item.token = token;
    item.state = ITEM_ENDED;
    item.outcome = OUTCOME_OK;
    item.detail = OUTSIDE;
    make(*state);
    assert_int_equal(folder_save_result(((struct place *)*state)->path, &item, &err), 0);
    assert_int_equal(
        rename(home_path(*state, "attempts/1.42/result"), home_path(*state, "outside/result")), 0);
    assert_int_equal(io_make_folders(home_path(*state, "outside/box/scratch"), 0755, &err), 0);
    assert_int_equal(folder_remove(((struct place *)*state)->path, token, &err), 0);
    alarm(PATIENCE_S);
    return 0;
}

/* Makes the folder, with `name` replaced. */
static const char *tamper(struct place *place, const char *name, const struct attack *attack)
{
    const char *path = arena_print(&place->arena, "%s/%s/%s", place->path, folder_name, name);
    struct err err = {""};
    assert_int_equal(folder_remove(place->path, token, &err), 0);
    make(place);
    assert_int_equal(io_remove_tree(path, &err), 0);
    attack->put(place, name, path);
    return home_path(place, folder_name);
}

static void is_inside(const char *text)
{
    if (text && strstr(text, OUTSIDE))
        fail_msg("this is from outside: %s", text);
}

static void product_is_inside(const struct product *product)
{
    is_inside(product->derivation);
    for (size_t i = 0; i < product->paths_count; i++)
        is_inside(product->paths[i]);
}

/* ---- what the agent does with it ------------------------------------------------------------ */

static void a_restarted_agent_takes_nothing_from_outside(void **state)
{
    struct place *place = *state;
    for (size_t i = 0; i < FILES * ATTACKS; i++) {
        const char *name = files[i / ATTACKS];
        const char *folder = tamper(place, name, &attacks[i % ATTACKS]);
        struct agent_found found;
        struct err err = {""};
        bool must_fail = strcmp(name, "order") == 0 || strcmp(name, "result") == 0 ||
                         strcmp(name, "product") == 0;
        int result = folder_read(place->path, token, &found, &place->arena, &err);
        if ((result < 0) != must_fail)
            fail_msg("%s, attack %zu: %d %s", name, i % ATTACKS, result, err.text);
        if (must_fail) {
            assert_non_null(strstr(err.text, name));
            continue;
        }
        is_inside(found.order.variant.package);
        product_is_inside(&found.result.product);
        assert_true(found.log_bytes <= LIMIT_LOG_FILE_BYTES);
        for (enum phase phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++) {
            struct supervisor_client *client = NULL;
            uint64_t at_ms;
            run_file_coming_stop(folder, phase, &at_ms);
            supervisor_client_log_from(folder, phase);
            assert_int_equal(supervisor_client_find(folder, phase, &client, &err), 0);
            assert_null(client);
        }
    }
}

static void finish(struct place *place, enum phase phase, struct agent_phase_ended *ended)
{
    struct capabilities host;
    struct order order = sample_order();
    struct err err = {""};
    shape_init(&capabilities_shape, &host);
    order.is_publication = phase == PHASE_PUBLISH;
    if (phase_finish(place->path, &order, phase, &host, &place->arena, ended, &err) < 0)
        fail_msg("%s", err.text);
}

/* Also where the build said that all went well. */
static void the_attempt_fails_and_says_why(void **state)
{
    static const enum phase phases[] = {PHASE_CHECKOUT, PHASE_BUILD, PHASE_PUBLISH};
    struct place *place = *state;
    for (size_t i = 0; i < FILES * ATTACKS; i++) {
        const char *name = files[i / ATTACKS];
        bool ours = strcmp(name, "box/outputs") != 0 && strcmp(name, "box/scratch") != 0;
        /* A log of that size is one. */
        if (strcmp(name, "log") == 0 && attacks[i % ATTACKS].put == put_huge)
            ours = false;
        tamper(place, name, &attacks[i % ATTACKS]);
        for (size_t j = 0; j < sizeof phases / sizeof *phases; j++) {
            struct agent_phase_ended ended;
            finish(place, phases[j], &ended);
            is_inside(ended.detail);
            is_inside(ended.lines);
            product_is_inside(&ended.product);
            assert_int_not_equal(ended.cause, CAUSE_NONE);
            if (!ours)
                continue;
            if (ended.cause != CAUSE_CONFIG || !strstr(ended.detail, "tampered with") ||
                !strstr(ended.detail, name))
                fail_msg("%s, attack %zu, %s: %s: %s", name, i % ATTACKS, phase_names[phases[j]],
                         cause_names[ended.cause], ended.detail);
            assert_int_equal(ended.product.paths_count, 0);
            assert_int_equal(ended.unsure, phases[j] == PHASE_PUBLISH);
        }
    }
}

static void outputs_that_are_none_are_an_error(void **state)
{
    struct place *place = *state;
    for (size_t i = 0; i < ATTACKS; i++) {
        const char *folder = tamper(place, "box/outputs", &attacks[i]);
        struct product product;
        struct err err = {""};
        shape_init(&product_shape, &product);
        assert_int_equal(tools_outputs(folder, &product, &place->arena, &err), -1);
        assert_non_null(strstr(err.text, "$FARM_OUTPUTS cannot be read"));
        assert_int_equal(product.paths_count, 0);
    }
}

static void a_check_script_that_is_none_is_not_read(void **state)
{
    struct place *place = *state;
    for (size_t i = 0; i < ATTACKS; i++) {
        place_write(place, "outside/test-build.sh", "#!/bin/sh\nfarm-no-such-" OUTSIDE "\n");
        const char *folder = tamper(place, "test-build.sh", &attacks[i]);
        assert_string_equal(check_missing(folder, &place->arena), "");
    }
}

static void every_folder_can_be_removed(void **state)
{
    struct place *place = *state;
    for (size_t i = 0; i < FILES * ATTACKS; i++) {
        struct err err = {""};
        tamper(place, files[i / ATTACKS], &attacks[i % ATTACKS]);
        assert_int_equal(folder_remove(place->path, token, &err), 0);
    }
    assert_true(io_exists(home_path(place, "outside/order")));
    assert_true(io_exists(home_path(place, "outside/box/scratch")));
}

/* ---- the supervisor ------------------------------------------------------------------------- */

/* It runs nothing when its files are no files. */
static void a_supervisor_writes_to_files_only(void **state)
{
    struct place *place = *state;
    static const char *const written[] = {"log", "check.run"};
    const char *argv[] = {FARM_BINARY_DIR "/bin/farm-supervisor",
                          "--folder",
                          home_path(place, folder_name),
                          "--phase",
                          "check",
                          "--",
                          "touch",
                          home_path(place, "ran"),
                          NULL};
    for (size_t i = 0; i < 2 * ATTACKS; i++) {
        struct buf said = {0};
        struct err err = {""};
        if (attacks[i % ATTACKS].is_size)
            continue;
        place_write(place, "outside/check.run", "");
        tamper(place, written[i / ATTACKS], &attacks[i % ATTACKS]);
        int code = io_run(argv, NULL, 65536, 60000, &said, &err);
        if (code != EXIT_CANNOT)
            fail_msg("%s, attack %zu: %d %s %s", written[i / ATTACKS], i % ATTACKS, code, err.text,
                     said.size ? (const char *)said.data : "");
        assert_false(io_exists(home_path(place, "ran")));
        assert_false(io_exists(home_path(place, "made")));
        assert_string_equal(place_read(place, "outside/log"), "error: " OUTSIDE "\n");
        assert_string_equal(place_read(place, "outside/check.run"), "");
        buf_release(&said);
    }
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(a_restarted_agent_takes_nothing_from_outside),
        IN_PLACE(the_attempt_fails_and_says_why),
        IN_PLACE(outputs_that_are_none_are_an_error),
        IN_PLACE(a_check_script_that_is_none_is_not_read),
        IN_PLACE(every_folder_can_be_removed),
        IN_PLACE(a_supervisor_writes_to_files_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
