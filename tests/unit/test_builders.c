/* SPDX-License-Identifier: MIT */
/* Whole phases below real supervisors: `farm-worker phase` with the real git, the real nix (in a
 * store of its own) and the flox stand-in. Without nix or python3 the tests that need them skip. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/builders/builder.h"
#include "worker/builders/flox_words.h"
#include "worker/disk/folder.h"
#include "worker/host/probe.h"
#include "worker/phase/phase.h"
#include "worker/process/supervisor_client.h"
#include "worker/process/tool.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* One origin and one nix store for all tests; each has its own home. */
static struct place *shared;
static struct capabilities host;
static uint64_t next_number = 1;

static const char *shell(struct place *place, const char *script)
{
    struct buf output = {0};
    struct err err = {""};
    const char *argv[] = {"sh", "-euc", script, NULL};
    int code = io_run(argv, place->path, 1 << 20, 60000, &output, &err);
    const char *text =
        arena_print(&place->arena, "%.*s", (int)output.size, (const char *)output.data);
    if (code != 0)
        fail_msg("%s: %d %s %s", script, code, err.text, text);
    buf_release(&output);
    return text;
}

/* ---- the world ---------------------------------------------------------------------------- */

/* Recipes that need a shell and nothing else; "%s" is the system. */
static const char recipes[] =
    "recipe() { cat > .flox/pkgs/$1.nix; }\n"
    "mkdir -p .flox/pkgs .flox/env\n"
    "recipe good <<'EOF'\n"
    "{ system ? builtins.currentSystem }: (derivation { name = \"good-1.0\"; inherit system; "
    "outputs = [ \"out\" \"dist\" ]; builder = \"/bin/sh\"; args = [ \"-c\" \"echo building good; "
    "echo lib > $out; echo dist > $dist\" ]; }) // { pname = \"good\"; version = \"1.0\"; meta = "
    "{}; }\n"
    "EOF\n"
    "recipe fails <<'EOF'\n"
    "{ system ? builtins.currentSystem }: (derivation { name = \"fails-1.0\"; inherit system; "
    "builder "
    "= \"/bin/sh\"; args = [ \"-c\" \"echo vision.c:1:1: error: no such thing; exit 1\" ]; }) // "
    "{ pname = \"fails\"; version = \"1.0\"; meta = {}; }\n"
    "EOF\n"
    "recipe throws <<'EOF'\n"
    "{ system ? builtins.currentSystem }: throw \"not for this CUDA\"\n"
    "EOF\n"
    "recipe other <<'EOF'\n"
    "(derivation { name = \"other-1.0\"; system = \"riscv128-none\"; builder = \"/bin/sh\"; args = "
    "[ "
    "\"-c\" \"echo > $out\" ]; }) // { pname = \"other\"; version = \"1.0\"; meta = {}; }\n"
    "EOF\n"
    "recipe reads <<'EOF'\n"
    "{ }: builtins.seq (builtins.readFile \"/etc/passwd\") (import ./good.nix { })\n"
    "EOF\n"
    "recipe downloads <<'EOF'\n"
    "{ }: builtins.seq (builtins.fetchurl \"http://127.0.0.1:9/x\") (import ./good.nix { })\n"
    "EOF\n"
    "recipe secrets <<'EOF'\n"
    "{ }: if builtins.getEnv \"FARM_PACKAGE\" == \"\" then import ./good.nix { } else abort \"got "
    "it\"\n"
    "EOF\n"
    "cat > test-build.sh <<'EOF'\n"
    "#!/bin/sh\n"
    "case $FARM_CUDA in 99.1) farm-no-such-python -c 'import torch'; exit ;; esac\n"
    "case $FARM_CUDA in 99.2) echo 'CUDA error: no CUDA-capable device is detected'; exit 1;; "
    "esac\n"
    "case $FARM_CUDA in 99.4) echo 'torch.OutOfMemoryError: CUDA out of memory.'; exit 1;; esac\n"
    "case $FARM_CUDA in 99.3) test $FARM_CHECK = cpu && test -z \"$CUDA_VISIBLE_DEVICES\" && echo "
    "it is $FARM_RESULT; exit ;; esac\n"
    "echo checking $1 at $FARM_RESULT\n"
    "test \"$(readlink result-$1)\" = \"$FARM_RESULT\" && test \"$(cat $FARM_RESULT)\" = lib\n"
    "test ! -e \"$FARM_RESULT-no\" && test \"$FARM_CUDA\" != 99.9\n"
    "EOF\n"
    "chmod +x test-build.sh\n"
    "echo '{\"version\":1,\"name\":\"t\"}' > .flox/env.json\n"
    "echo 'version = 1' > .flox/env/manifest.toml\n"
    "echo '{\"lockfile-version\":1,\"packages\":[]}' > .flox/env/manifest.lock\n"
    "printf 'run/\\ncache/\\nlib/\\nlog/\\n' > .flox/.gitignore\n";

static void make_origin(void)
{
    place_write(shared, "recipes.sh", recipes);
    shell(shared, "git init -q -b main origin; cd origin; git config user.name t; git config "
                  "user.email t@t; sh -eu ../recipes.sh; git add -A; git commit -q -m recipes");
}

static void make_store(void)
{
    shell(shared,
          "mkdir -p nix/conf nix/store nix/state nix/log; printf 'sandbox = false\\n"
          "build-users-group =\\nsubstituters =\\nexperimental-features = nix-command\\n' > "
          "nix/conf/nix.conf");
    setenv("NIX_STORE_DIR", home_path(shared, "nix/store"), 1);
    setenv("NIX_STATE_DIR", home_path(shared, "nix/state"), 1);
    setenv("NIX_LOG_DIR", home_path(shared, "nix/log"), 1);
    setenv("NIX_CONF_DIR", home_path(shared, "nix/conf"), 1);
    unsetenv("NIX_REMOTE");
}

static void make_host(void)
{
    struct probe_limits limits = {.home = shared->path, .emulate = ""};
    probe_host(&limits, &host, &shared->arena);
}

/* `flox` first on PATH, with variables in its own file: a farm does not pass FARM_* on. */
static void play_flox(const char *variables)
{
    shell(shared, "mkdir -p bin catalog");
    shell(shared, arena_print(&shared->arena, "ln -sfn '%s/tests/standins/flox/flox' bin/flox",
                              FARM_SOURCE_DIR));
    place_write(
        shared, "bin/flox.env",
        arena_print(&shared->arena, "FARM_FAKE_CATALOG=%s/catalog\n%s", shared->path, variables));
}

static int world_setup(void **state)
{
    void *made;
    (void)state;
    place_setup(&made);
    shared = made;
    make_origin();
    make_store();
    make_host();
    play_flox("");
    setenv("PATH", arena_print(&shared->arena, "%s/bin:%s", shared->path, getenv("PATH")), 1);
    return 0;
}

static int world_teardown(void **state)
{
    void *made = shared;
    (void)state;
    shell(shared, "chmod -R u+w nix");
    return place_teardown(&made);
}

/* ---- orders and phases -------------------------------------------------------------------- */

static struct order order_for(enum builder builder, const char *package)
{
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = ORDER_OFFER;
    order.token = (struct token){.epoch = 1, .number = next_number++};
    order.variant.project = "vision";
    order.variant.branch = "main";
    order.variant.commit =
        arena_print(&shared->arena, "%.40s", shell(shared, "git -C origin rev-parse main"));
    order.variant.package = package;
    order.variant.system = host.systems[0];
    order.recipe.builder = builder;
    order.recipe.url = home_path(shared, "origin");
    order.recipe.path = arena_print(&shared->arena, ".flox/pkgs/%s.nix", package);
    order.recipe.checkout = true;
    order.recipe.has_check = true;
    return order;
}

/* The publication of what `built` built. */
static struct order grant_for(const struct order *built, const struct product *product,
                              enum target_kind kind, const char *name, const char *secret)
{
    struct order order = *built;
    order.kind = ORDER_GRANT;
    order.is_publication = true;
    order.token = (struct token){.epoch = 1, .number = next_number++};
    order.built_by = built->token;
    order.product = *product;
    order.target.kind = kind;
    order.target.name = name;
    order.target.location = "";
    order.target.secret = "token";
    order.secret = (struct bytes){(const uint8_t *)secret, strlen(secret)};
    return order;
}

static void begin(const struct order *order)
{
    struct err err = {""};
    const struct isolation_host isolation = {
        .level = ISOLATION_NONE, .why_not = "", .home = "", .supervisor = "/nowhere", .bwrap = ""};
    if (folder_make(shared->path, order, &err) < 0 ||
        isolation_assign(&isolation, folder_path(shared->path, order->token, NULL, &shared->arena),
                         &err) < 0)
        fail_msg("%s", err.text);
}

static void run_under_supervisor(const struct order *order, enum phase phase)
{
    struct phase_command command;
    struct supervisor_client *client = NULL;
    struct err err = {""};
    if (phase_command(FARM_BINARY_DIR "/bin/farm-worker", shared->path, order, phase, &host,
                      &shared->arena, &command, &err) < 0)
        fail_msg("%s", err.text);
    struct supervisor_client_start start = {
        .program = FARM_BINARY_DIR "/bin/farm-supervisor",
        .folder = folder_path(shared->path, order->token, NULL, &shared->arena),
        .phase = phase,
        .argv = command.argv,
        .environment = command.environment,
        .working_folder = command.working_folder,
        .wall_ms = command.wall_ms,
        .silence_ms = command.silence_ms,
        .secret_env = command.secret_env,
        .secret_fd_env = command.secret_fd_env};
    if (*command.secret_env || *command.secret_fd_env)
        start.secret = order->secret;
    if (supervisor_client_begin(&start, &client, &err) < 0)
        fail_msg("%s", err.text);
    struct pollfd wait = {.fd = supervisor_client_fd(client), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 60000), 1);
    supervisor_client_release(client);
}

static struct agent_phase_ended run(const struct order *order, enum phase phase)
{
    struct agent_phase_ended ended;
    struct err err = {""};
    if (!phase_skip(order, phase, &host))
        run_under_supervisor(order, phase);
    if (phase_finish(shared->path, order, phase, &host, &shared->arena, &ended, &err) < 0)
        fail_msg("%s", err.text);
    return ended;
}

static const char *log_of(const struct order *order)
{
    struct buf log = {0};
    assert_true(io_peek_file(folder_path(shared->path, order->token, "log", &shared->arena),
                             1 << 24, &log));
    const char *text = arena_text(&shared->arena, (const char *)log.data);
    buf_release(&log);
    return text;
}

static void assert_well(const struct order *order, const struct agent_phase_ended *ended)
{
    if (ended->cause != CAUSE_NONE)
        fail_msg("%s: %s\n%s", cause_names[ended->cause], ended->detail, log_of(order));
}

static void assert_failed(const struct order *order, const struct agent_phase_ended *ended,
                          enum cause cause, const char *words)
{
    if (ended->cause != cause || !strstr(ended->detail, words))
        fail_msg("%s: %s\n%s", cause_names[ended->cause], ended->detail, log_of(order));
}

/* Checkout and build; what they must come to is the caller's. */
static struct agent_phase_ended build(const struct order *order)
{
    begin(order);
    struct agent_phase_ended ended = run(order, PHASE_CHECKOUT);
    assert_well(order, &ended);
    return run(order, PHASE_BUILD);
}

static struct agent_phase_ended publish(const struct order *order)
{
    begin(order);
    struct agent_phase_ended ended = run(order, PHASE_CHECKOUT);
    assert_well(order, &ended);
    return run(order, PHASE_PUBLISH);
}

static void need(const char *program)
{
    if (!tool_exists(program))
        skip();
}

/* ---- command ------------------------------------------------------------------------------ */

static void a_light_command_runs_by_itself(void **state)
{
    (void)state;
    struct order order = order_for(BUILDER_COMMAND, "smoke");
    order.recipe.checkout = false;
    order.recipe.command = "echo $FARM_PACKAGE in $(basename $PWD); echo /x/made > $FARM_OUTPUTS";
    begin(&order);
    assert_true(phase_skip(&order, PHASE_CHECKOUT, &host));
    assert_true(phase_skip(&order, PHASE_CHECK, &host));
    struct agent_phase_ended ended = run(&order, PHASE_BUILD);
    assert_well(&order, &ended);
    assert_string_equal(log_of(&order), "smoke in scratch\n");
    assert_int_equal(ended.log_bytes, 17);
    assert_int_equal(ended.product.paths_count, 1);
    assert_string_equal(ended.product.paths[0], "/x/made");
    assert_int_equal(ended.product.isolation, ISOLATION_NONE);
}

static void a_light_command_that_fails_tells_why(void **state)
{
    (void)state;
    struct order order = order_for(BUILDER_COMMAND, "smoke");
    order.recipe.checkout = false;
    order.recipe.command = "farm-no-such-program";
    begin(&order);
    struct agent_phase_ended ended = run(&order, PHASE_BUILD);
    assert_failed(&order, &ended, CAUSE_CONFIG, "farm-no-such-program");
    assert_int_equal(ended.product.isolation, ISOLATION_NONE);
    assert_int_equal(ended.facts.status, 127);
}

static void a_command_may_want_a_checkout(void **state)
{
    (void)state;
    struct order order = order_for(BUILDER_COMMAND, "smoke");
    order.recipe.command = "ls test-build.sh; git rev-parse HEAD";
    struct agent_phase_ended ended = build(&order);
    assert_well(&order, &ended);
    assert_non_null(strstr(
        log_of(&order), arena_print(&shared->arena, "test-build.sh\n%s\n", order.variant.commit)));
}

static void a_commit_that_is_nowhere_is_said(void **state)
{
    (void)state;
    struct order order = order_for(BUILDER_COMMAND, "smoke");
    order.variant.commit = "0123456789012345678901234567890123456789";
    begin(&order);
    struct agent_phase_ended ended = run(&order, PHASE_CHECKOUT);
    assert_failed(&order, &ended, CAUSE_CONFIG, "is on no branch of");
}

static void a_command_target_publishes(void **state)
{
    (void)state;
    struct order built = order_for(BUILDER_COMMAND, "smoke");
    const char *paths[] = {"/x/a", "/x/b"};
    struct product product = {.derivation = "", .paths = paths, .paths_count = 2};
    struct order order = grant_for(&built, &product, TARGET_COMMAND, "shelf", "s3cr3t");
    order.target.location = "test \"$FARM_SECRET\" = s3cr3t && echo to $FARM_TARGET: $FARM_PATHS "
                            "$FARM_SECRET";
    struct agent_phase_ended ended = publish(&order);
    assert_well(&order, &ended);
    assert_false(ended.already_published || ended.rebuilt || ended.unsure);
    assert_non_null(strstr(log_of(&order), "to shelf: /x/a /x/b ******\n"));
}

static void a_publish_that_was_killed_is_unsure(void **state)
{
    (void)state;
    struct order built = order_for(BUILDER_COMMAND, "smoke");
    struct product product = {.derivation = ""};
    struct order order = grant_for(&built, &product, TARGET_COMMAND, "shelf", "");
    order.target.location = "kill -9 $$";
    struct agent_phase_ended ended = publish(&order);
    assert_true(ended.cause != CAUSE_NONE);
    assert_true(ended.unsure);
    order.token.number = next_number++;
    order.target.location = "echo it was already published";
    ended = publish(&order);
    assert_well(&order, &ended);
    assert_true(ended.already_published);
    assert_false(ended.unsure);
}

/* ---- nix ---------------------------------------------------------------------------------- */

static void nix_builds_and_checks(void **state)
{
    (void)state;
    need("nix-store");
    struct order order = order_for(BUILDER_NIX, "good");
    struct agent_phase_ended ended = build(&order);
    assert_well(&order, &ended);
    assert_int_equal(ended.product.paths_count, 2);
    assert_non_null(strstr(ended.product.derivation, "-good-1.0.drv"));
    assert_non_null(strstr(ended.product.paths[0], "-good-1.0"));
    assert_null(strstr(ended.product.paths[0], "-dist"));
    assert_non_null(strstr(ended.product.paths[1], "-good-1.0-dist"));
    assert_true(io_exists(ended.product.paths[0]) && io_exists(ended.product.paths[1]));
    const char *roots = shell(shared, "nix-store --gc --print-roots 2>/dev/null");
    assert_non_null(strstr(roots, ended.product.paths[1]));

    struct agent_phase_ended checked = run(&order, PHASE_CHECK);
    assert_well(&order, &checked);
    assert_int_equal(checked.product.checked, CHECKED_CPU);
    assert_int_equal(checked.product.paths_count, 2);
    assert_int_equal(checked.product.isolation, ISOLATION_NONE);
    assert_non_null(strstr(log_of(&order), "checking good at "));
    assert_false(io_exists(folder_path(shared->path, order.token, "tmp", &shared->arena)));
}

static void a_failing_check_is_no_compile_error(void **state)
{
    (void)state;
    need("nix-store");
    struct order order = order_for(BUILDER_NIX, "good");
    order.variant.cuda = "99.9";
    struct agent_phase_ended ended = build(&order);
    assert_well(&order, &ended);
    ended = run(&order, PHASE_CHECK);
    assert_failed(&order, &ended, CAUSE_CHECK, "");
    assert_int_equal(ended.product.checked, CHECKED_NONE);
    assert_string_equal(ended.product.unchecked, "");
}

/* ---- the check ---------------------------------------------------------------------------- */

/* Checks what a command made, on a branch whose script plays the part that `part` names. */
static struct agent_phase_ended check_as(const char *part, enum check_mode mode)
{
    struct order order = order_for(BUILDER_COMMAND, "made");
    order.recipe.command = "echo $PWD > $FARM_OUTPUTS";
    order.recipe.check = mode;
    order.variant.cuda = part;
    struct agent_phase_ended ended = build(&order);
    assert_well(&order, &ended);
    return run(&order, PHASE_CHECK);
}

static void a_check_that_cannot_start_is_no_failure(void **state)
{
    (void)state;
    struct agent_phase_ended ended = check_as("99.1", CHECK_AUTO);
    assert_int_equal(ended.cause, CAUSE_NONE);
    assert_int_equal(ended.product.checked, CHECKED_NONE);
    assert_int_equal(ended.facts.status, 127);
    assert_non_null(strstr(ended.product.unchecked, "could not start"));
    assert_non_null(strstr(ended.product.unchecked, "farm-no-such-python"));
    assert_non_null(strstr(ended.warning, "farm-no-such-python"));
    ended = check_as("99.1", CHECK_REQUIRED);
    assert_int_equal(ended.cause, CAUSE_CONFIG);
    assert_non_null(strstr(ended.detail, "farm-no-such-python"));
}

static void a_check_that_speaks_of_the_gpu_blames_nobody(void **state)
{
    (void)state;
    struct agent_phase_ended ended = check_as("99.2", CHECK_AUTO);
    assert_int_equal(ended.cause, CAUSE_NONE);
    assert_non_null(strstr(ended.product.unchecked, "no CUDA-capable device"));
    ended = check_as("99.2", CHECK_REQUIRED);
    assert_int_equal(ended.cause, CAUSE_HARDWARE);
}

/* A failed check on a GPU of which the check phase noted `line`. */
static struct agent_phase_ended check_on_gpu(const char *line, const char *part,
                                             enum check_mode mode)
{
    static struct gpu gpus[] = {{.name = "H200", .compute = "9.0"}};
    struct order order = order_for(BUILDER_COMMAND, "made");
    struct agent_phase_ended ended;
    struct err err = {""};
    order.recipe.command = "echo $PWD > $FARM_OUTPUTS";
    order.recipe.check = mode;
    order.variant.cuda = part;
    order.variant.gpu = "sm90";
    host.gpus = gpus;
    host.gpus_count = 1;
    ended = build(&order);
    assert_well(&order, &ended);
    run_under_supervisor(&order, PHASE_CHECK);
    const char *path = folder_path(shared->path, order.token, "gpu", &shared->arena);
    assert_int_equal(io_write_file(path, line, strlen(line), 0644, false, &err), 0);
    assert_int_equal(
        phase_finish(shared->path, &order, PHASE_CHECK, &host, &shared->arena, &ended, &err), 0);
    host.gpus_count = 0;
    return ended;
}

static void a_check_whose_gpu_failed_condemns_no_product(void **state)
{
    (void)state;
    struct agent_phase_ended ended =
        check_on_gpu("failed GPU 0000:17:00.0 failed (Xid 79)\n", "99.9", CHECK_AUTO);
    assert_int_equal(ended.cause, CAUSE_NONE);
    assert_int_equal(ended.product.checked, CHECKED_NONE);
    assert_int_equal(ended.product.paths_count, 1);
    assert_non_null(strstr(ended.product.unchecked, "Xid 79"));
    assert_non_null(strstr(ended.warning, "Xid 79"));
    ended = check_on_gpu("failed GPU 0000:17:00.0 failed (Xid 79)\n", "99.9", CHECK_REQUIRED);
    assert_int_equal(ended.cause, CAUSE_WRONG_HOST);
    assert_int_equal(ended.witness, WITNESS_TRUSTED);
    ended = check_on_gpu("none other checks had all GPUs\n", "99.9", CHECK_AUTO);
    assert_int_equal(ended.cause, CAUSE_NONE);
    assert_string_equal(ended.product.unchecked, "other checks had all GPUs");
    ended = check_on_gpu("none other checks had all GPUs\n", "99.9", CHECK_REQUIRED);
    assert_int_equal(ended.cause, CAUSE_WRONG_HOST);
    assert_int_equal(ended.witness, WITNESS_NONE); /* nobody is quarantined for being busy */
}

/* Who shares a GPU takes its memory, not the check's other reasons to fail. */
static void a_shared_gpu_explains_only_full_memory(void **state)
{
    (void)state;
    struct agent_phase_ended ended =
        check_on_gpu("shared process 812 (python3)\n", "99.4", CHECK_AUTO);
    assert_int_equal(ended.cause, CAUSE_NONE);
    assert_non_null(strstr(ended.product.unchecked, "process 812 (python3) uses it, too"));
    ended = check_on_gpu("shared process 812 (python3)\n", "99.9", CHECK_AUTO);
    assert_int_equal(ended.cause, CAUSE_CHECK);
    ended = check_on_gpu("nonsense\n", "99.4", CHECK_AUTO);
    assert_int_equal(ended.cause, CAUSE_CHECK);
}

static void a_check_knows_what_a_command_made(void **state)
{
    (void)state;
    struct agent_phase_ended ended = check_as("99.3", CHECK_AUTO);
    assert_int_equal(ended.cause, CAUSE_NONE);
    assert_int_equal(ended.product.checked, CHECKED_CPU);
    assert_int_equal(ended.product.paths_count, 1);
    struct order order = {.token = {.epoch = 1, .number = next_number - 1}};
    assert_non_null(
        strstr(log_of(&order), arena_print(&shared->arena, "it is %s\n", ended.product.paths[0])));
}

static void without_its_gpu_a_variant_is_not_checked(void **state)
{
    (void)state;
    struct order order = order_for(BUILDER_COMMAND, "made");
    order.recipe.command = "true";
    order.variant.gpu = "sm999";
    struct agent_phase_ended ended = build(&order);
    assert_well(&order, &ended);
    assert_true(phase_skip(&order, PHASE_CHECK, &host));
    ended = run(&order, PHASE_CHECK);
    assert_int_equal(ended.product.checked, CHECKED_NONE);
    assert_string_equal(ended.product.unchecked,
                        "its check needs a GPU of sm999, and the host has none");
}

static void what_a_check_lacks_is_found_before_the_build(void **state)
{
    (void)state;
    struct order order = order_for(BUILDER_COMMAND, "made");
    begin(&order);
    struct agent_phase_ended ended = run(&order, PHASE_CHECKOUT);
    assert_string_equal(ended.warning,
                        "test-build.sh calls farm-no-such-python, which is not in PATH");
    order = order_for(BUILDER_COMMAND, "made");
    order.recipe.check = CHECK_OFF;
    begin(&order);
    ended = run(&order, PHASE_CHECKOUT);
    assert_string_equal(ended.warning, "");
}

static void too_many_outputs_are_an_error(void **state)
{
    (void)state;
    struct order order = order_for(BUILDER_COMMAND, "made");
    order.recipe.checkout = false;
    order.recipe.command = "yes /x/made | head -c 99000 > $FARM_OUTPUTS";
    begin(&order);
    struct agent_phase_ended ended = run(&order, PHASE_BUILD);
    assert_failed(&order, &ended, CAUSE_CONFIG, "$FARM_OUTPUTS cannot be read: ");
    order = order_for(BUILDER_COMMAND, "made");
    order.recipe.checkout = false;
    order.recipe.command = "ln -s /etc/passwd $FARM_OUTPUTS";
    begin(&order);
    ended = run(&order, PHASE_BUILD);
    assert_failed(&order, &ended, CAUSE_CONFIG, "symbolic link");
}

/* Puts a link where the attempt's folder has a file. */
static void replace_by_link(const struct order *order, const char *name)
{
    const char *path = folder_path(shared->path, order->token, name, &shared->arena);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void a_replaced_file_is_not_an_absent_one(void **state)
{
    (void)state;
    struct err err = {""};
    struct agent_phase_ended ended;
    struct order built = order_for(BUILDER_COMMAND, "smoke");
    struct product product = {.derivation = ""};
    struct order order = grant_for(&built, &product, TARGET_COMMAND, "shelf", "");
    order.target.location = "true";
    begin(&order);
    run(&order, PHASE_CHECKOUT);
    run_under_supervisor(&order, PHASE_PUBLISH);
    replace_by_link(&order, "finding");
    assert_int_equal(
        phase_finish(shared->path, &order, PHASE_PUBLISH, &host, &shared->arena, &ended, &err), 0);
    assert_true(ended.unsure);
    order = order_for(BUILDER_NIX, "fails");
    begin(&order);
    run(&order, PHASE_CHECKOUT);
    replace_by_link(&order, "worktree");
    run(&order, PHASE_BUILD);
    assert_non_null(strstr(log_of(&order), "worktree: it is a symbolic link"));
}

static void nix_failures_are_told_apart(void **state)
{
    (void)state;
    need("nix-store");
    struct order order = order_for(BUILDER_NIX, "fails");
    struct agent_phase_ended ended = build(&order);
    assert_failed(&order, &ended, CAUSE_COMPILE, "vision.c:1:1: error: no such thing");
    order = order_for(BUILDER_NIX, "throws");
    ended = build(&order);
    assert_failed(&order, &ended, CAUSE_EVAL, "not for this CUDA");
    order = order_for(BUILDER_NIX, "other");
    ended = build(&order);
    assert_failed(&order, &ended, CAUSE_WRONG_HOST, "riscv128-none");
    assert_int_equal(ended.product.paths_count, 0);
}

/* The same by both builders; by nix, evaluations that build nothing, too. */
static void restricts(enum builder builder)
{
    static const char *const refused[] = {"reads", "downloads", NULL};
    struct agent_phase_ended ended;
    struct order order = order_for(builder, "reads");
    ended = build(&order);
    assert_well(&order, &ended);
    for (size_t i = 0; refused[i]; i++) {
        order = order_for(builder, refused[i]);
        order.recipe.restrict_eval = true;
        order.recipe.allowed_uris = "https://127.0.0.1/ http://127.0.0.1:8/";
        ended = build(&order);
        assert_failed(&order, &ended, CAUSE_EVAL, "is forbidden in restricted mode");
    }
    order = order_for(builder, "secrets");
    ended = build(&order);
    assert_failed(&order, &ended, CAUSE_EVAL, "got it");
    order.recipe.restrict_eval = true;
    order.token.number = next_number++;
    ended = build(&order);
    assert_well(&order, &ended);
    order = order_for(builder, "reads");
    order.recipe.restrict_eval = true;
    order.recipe.allowed_uris = "path:/etc/";
    ended = build(&order);
    assert_well(&order, &ended);
}

static void nix_evaluates_what_it_may(void **state)
{
    (void)state;
    need("nix-store");
    restricts(BUILDER_NIX);
    struct order order = order_for(BUILDER_COMMAND, "evaluate-reads");
    order.recipe.command = "nix-instantiate .flox/pkgs/reads.nix";
    order.recipe.tool = BUILDER_NIX;
    order.recipe.restrict_eval = true;
    struct agent_phase_ended ended = build(&order);
    assert_failed(&order, &ended, CAUSE_EVAL, "is forbidden in restricted mode");
}

static void a_signed_cache_gets_it_once(void **state)
{
    (void)state;
    need("nix-store");
    shell(shared, "nix-store --generate-binary-cache-key farm-1 key key.pub");
    struct order built = order_for(BUILDER_NIX, "good");
    struct agent_phase_ended ended = build(&built);
    assert_well(&built, &ended);
    struct order order =
        grant_for(&built, &ended.product, TARGET_NIX_CACHE, "cache", place_read(shared, "key"));
    order.target.location = arena_print(&shared->arena, "file://%s/cache", shared->path);
    assert_true(phase_skip(&order, PHASE_CHECKOUT, &host));
    ended = publish(&order);
    assert_well(&order, &ended);
    assert_false(ended.already_published);
    const char *signatures = shell(shared, "grep -h ^Sig: cache/*.narinfo");
    assert_non_null(strstr(signatures, "Sig: farm-1:"));
    order.token.number = next_number++;
    ended = publish(&order);
    assert_well(&order, &ended);
    assert_true(ended.already_published);

    order.token.number = next_number++;
    order.target.location = arena_print(&shared->arena, "file://%s/other", shared->path);
    order.secret = (struct bytes){(const uint8_t *)"nonsense", 8};
    ended = publish(&order);
    assert_failed(&order, &ended, CAUSE_AUTH, "key is corrupt");
    assert_int_equal(ended.witness, WITNESS_PROBE); /* nix's own words, and no recipe ran */
}

/* Only what no recipe can have said is the target's answer about the account. */
static void whose_words_refuse_an_account(void **state)
{
    (void)state;
    static const char *const refusals[] = {
        "error: AWS error uploading 's3://cache/x.narinfo': AccessDenied",
        "error: unable to upload 'https://cache/x': HTTP error 401",
        "error: AWS error: ExpiredToken: renew it",
        "error: key is corrupt",
        "       error: key is corrupt", /* nix 2.26 */
    };
    static const char *const others[] = {
        "warning: AccessDenied",
        "copying path '/nix/store/0-AccessDenied-1.0' to 's3://cache'...",
        "error: path '/nix/store/0-AccessDenied-1.0' is not valid",
        "error: cannot read 'nar/0-ExpiredToken'",
        "error: unable to upload 'https://cache/x': HTTP error 503",
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        assert_true(nix_rejects(refusals[i]));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(nix_rejects(others[i]));
    assert_non_null(flox_rejection("Your FloxHub token is expired or has been revoked.\n"));
    assert_non_null(flox_rejection("You are not currently logged in to FloxHub.\n"));
    assert_null(flox_rejection("You are logged in as vision on https://hub.flox.dev/\n"));
    assert_null(flox_rejection("Found a FloxHub token but could not reach FloxHub to verify it."));
}

/* The owner's command says it by its status; what it prints may be the product's. */
static void a_command_refuses_by_its_status(void **state)
{
    (void)state;
    struct order built = order_for(BUILDER_COMMAND, "");
    struct product product;
    shape_init(&product_shape, &product);
    struct order order = grant_for(&built, &product, TARGET_COMMAND, "shelf", "");
    order.target.location = "echo 403 Forbidden; exit 1";
    struct agent_phase_ended ended = publish(&order);
    assert_failed(&order, &ended, CAUSE_DENIED, "403 Forbidden");
    assert_int_equal(ended.witness, WITNESS_NONE);
    order.token.number = next_number++;
    order.target.location = "echo no; exit 77";
    ended = publish(&order);
    assert_failed(&order, &ended, CAUSE_AUTH, "no");
    assert_int_equal(ended.witness, WITNESS_PROBE);
}

static void a_path_that_is_gone_is_stale(void **state)
{
    (void)state;
    need("nix-store");
    struct order built = order_for(BUILDER_NIX, "good");
    const char *paths[] = {
        home_path(shared, "nix/store/00000000000000000000000000000000-gone-1.0")};
    struct product product = {.derivation = "", .paths = paths, .paths_count = 1};
    struct order order = grant_for(&built, &product, TARGET_NIX_CACHE, "cache", "");
    order.target.location = arena_print(&shared->arena, "file://%s/cache", shared->path);
    struct agent_phase_ended ended = publish(&order);
    assert_failed(&order, &ended, CAUSE_STALE, "gone-1.0");
}

/* ---- flox --------------------------------------------------------------------------------- */

/* A token that is good until 2100: {"https://flox.dev/handle":"mia","exp":4102444800} */
#define TOKEN "e30.eyJodHRwczovL2Zsb3guZGV2L2hhbmRsZSI6Im1pYSIsImV4cCI6NDEwMjQ0NDgwMH0.sig"

static void need_flox(const char *variables)
{
    need("nix-store");
    need("python3");
    if (!io_exists(FARM_SOURCE_DIR "/tests/standins/flox/flox"))
        skip();
    play_flox(variables);
}

static struct order flox_built(struct product *product)
{
    struct order order = order_for(BUILDER_FLOX, "good");
    struct agent_phase_ended ended = build(&order);
    assert_well(&order, &ended);
    *product = ended.product;
    return order;
}

static void flox_builds_and_publishes(void **state)
{
    static const char *const versions[] = {"1.12.2", "1.14.1", "1.15.0"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct product product;
        need_flox(arena_print(&shared->arena, "FAKE_FLOX_VERSION=%s\n", versions[i]));
        struct order built = flox_built(&product);
        assert_int_equal(product.paths_count, 2);
        assert_non_null(strstr(product.derivation, ".drv"));
        const char *org = arena_print(&shared->arena, "org%zu", i);
        struct order order = grant_for(&built, &product, TARGET_FLOX, org, TOKEN);
        order.target.no_rebuild = true;
        struct agent_phase_ended ended = publish(&order);
        assert_well(&order, &ended);
        assert_false(ended.already_published || ended.rebuilt || ended.unsure);
        order.token.number = next_number++;
        ended = publish(&order);
        assert_well(&order, &ended);
        assert_true(ended.already_published);
        assert_null(strstr(log_of(&order), TOKEN));
    }
}

static void an_old_flox_is_refused_in_one_line(void **state)
{
    (void)state;
    need_flox("FAKE_FLOX_VERSION=1.9.0\n");
    struct order order = order_for(BUILDER_FLOX, "good");
    struct agent_phase_ended ended = build(&order);
    assert_failed(&order, &ended, CAUSE_CONFIG, "flox 1.9.0 is too old: install 1.12.0 or newer");
}

static void flox_failures_are_told_apart(void **state)
{
    (void)state;
    need_flox("");
    struct order order = order_for(BUILDER_FLOX, "no-such-package");
    struct agent_phase_ended ended = build(&order);
    assert_failed(&order, &ended, CAUSE_CONFIG, "Target 'no-such-package' not found");
    order = order_for(BUILDER_FLOX, "fails");
    ended = build(&order);
    assert_failed(&order, &ended, CAUSE_COMPILE, "vision.c:1:1: error: no such thing");
    play_flox("FARM_FAKE_HTTP_503=base-catalog\n");
    order = order_for(BUILDER_FLOX, "good");
    ended = build(&order);
    assert_failed(&order, &ended, CAUSE_NETWORK, "503");
    play_flox("FARM_FAKE_OOM=always\n");
    order = order_for(BUILDER_FLOX, "good");
    ended = build(&order);
    assert_failed(&order, &ended, CAUSE_OOM, "Killed signal terminated");
    play_flox("FARM_FAKE_ENOSPC=always\n");
    order = order_for(BUILDER_FLOX, "good");
    ended = build(&order);
    assert_failed(&order, &ended, CAUSE_DISK_FULL, "No space left");
}

static void flox_evaluates_what_it_may(void **state)
{
    (void)state;
    need_flox("");
    restricts(BUILDER_FLOX);
}

static void flox_publish_failures_are_told_apart(void **state)
{
    static const struct {
        const char *fault;
        enum cause cause;
        bool unsure;
    } rows[] = {
        {"FARM_FAKE_TOKEN_EXPIRED=always\n", CAUSE_AUTH, false},
        {"FARM_FAKE_NETWORK=upload\n", CAUSE_NETWORK, false},
        {"FARM_FAKE_NETWORK=remote\n", CAUSE_NETWORK, false},
        {"FARM_FAKE_CONFIRM_TIMEOUT=always\n", CAUSE_NETWORK, true},
        {"FARM_FAKE_KILL=upload\n", CAUSE_OOM, true},
        {"FAKE_FLOX_VERSION=1.15.0\nFARM_FAKE_LOCK_EOF=always\n", CAUSE_PUBLISH, false},
    };
    struct product product;
    (void)state;
    need_flox("");
    struct order built = flox_built(&product);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct order order = grant_for(&built, &product, TARGET_FLOX, "faults", TOKEN);
        play_flox(rows[i].fault);
        shell(shared, "rm -rf catalog");
        struct agent_phase_ended ended = publish(&order);
        assert_failed(&order, &ended, rows[i].cause, "");
        if (ended.unsure != rows[i].unsure)
            fail_msg("%s: unsure is %d\n%s", rows[i].fault, ended.unsure, log_of(&order));
    }
    play_flox("");
    shell(shared, "mkdir -p catalog/deny; touch catalog/deny/faults");
    struct order order = grant_for(&built, &product, TARGET_FLOX, "faults", TOKEN);
    struct agent_phase_ended ended = publish(&order);
    assert_failed(&order, &ended, CAUSE_DENIED, "403 Forbidden");
    shell(shared, "rm -rf catalog");
}

/* What was checked is gone from the store: without no_rebuild the publish builds and we tell, with
 * it nothing is built. */
static void a_publish_that_builds_is_noticed_or_forbidden(void **state)
{
    struct product product;
    (void)state;
    need_flox("");
    struct order built = order_for(BUILDER_FLOX, "good");
    shell(shared, "cd origin; sed 's/good/lost/g' .flox/pkgs/good.nix > .flox/pkgs/lost.nix; "
                  "git add -A; git commit -q -m lost");
    built = order_for(BUILDER_FLOX, "lost");
    shape_init(&product_shape, &product);
    struct order order = grant_for(&built, &product, TARGET_FLOX, "lost-org", TOKEN);
    order.target.no_rebuild = true;
    struct agent_phase_ended ended = publish(&order);
    assert_failed(&order, &ended, CAUSE_STALE, "nable to start any build");
    order.token.number = next_number++;
    order.target.no_rebuild = false;
    ended = publish(&order);
    assert_well(&order, &ended);
    assert_true(ended.rebuilt);
}

/* ---- skipping ----------------------------------------------------------------------------- */

static void checks_are_skipped_by_rule(void **state)
{
    (void)state;
    struct order order = order_for(BUILDER_NIX, "good");
    assert_false(phase_skip(&order, PHASE_CHECK, &host));
    order.recipe.check = CHECK_OFF;
    assert_true(phase_skip(&order, PHASE_CHECK, &host));
    order.recipe.check = CHECK_AUTO;
    order.recipe.has_check = false;
    assert_true(phase_skip(&order, PHASE_CHECK, &host));
    order.recipe.check = CHECK_REQUIRED;
    assert_false(phase_skip(&order, PHASE_CHECK, &host));
    order = order_for(BUILDER_NIX, "good");
    order.variant.isa = "avx10000";
    assert_true(phase_skip(&order, PHASE_CHECK, &host));
    order.recipe.check = CHECK_REQUIRED;
    assert_false(phase_skip(&order, PHASE_CHECK, &host));
    assert_false(phase_skip(&order, PHASE_BUILD, &host));
    assert_false(phase_skip(&order, PHASE_PUBLISH, &host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_light_command_runs_by_itself),
        cmocka_unit_test(a_light_command_that_fails_tells_why),
        cmocka_unit_test(a_command_may_want_a_checkout),
        cmocka_unit_test(a_commit_that_is_nowhere_is_said),
        cmocka_unit_test(a_command_target_publishes),
        cmocka_unit_test(a_publish_that_was_killed_is_unsure),
        cmocka_unit_test(nix_builds_and_checks),
        cmocka_unit_test(a_failing_check_is_no_compile_error),
        cmocka_unit_test(a_check_that_cannot_start_is_no_failure),
        cmocka_unit_test(a_check_that_speaks_of_the_gpu_blames_nobody),
        cmocka_unit_test(a_check_whose_gpu_failed_condemns_no_product),
        cmocka_unit_test(a_shared_gpu_explains_only_full_memory),
        cmocka_unit_test(a_check_knows_what_a_command_made),
        cmocka_unit_test(without_its_gpu_a_variant_is_not_checked),
        cmocka_unit_test(what_a_check_lacks_is_found_before_the_build),
        cmocka_unit_test(too_many_outputs_are_an_error),
        cmocka_unit_test(a_replaced_file_is_not_an_absent_one),
        cmocka_unit_test(nix_failures_are_told_apart),
        cmocka_unit_test(nix_evaluates_what_it_may),
        cmocka_unit_test(a_signed_cache_gets_it_once),
        cmocka_unit_test(whose_words_refuse_an_account),
        cmocka_unit_test(a_command_refuses_by_its_status),
        cmocka_unit_test(a_path_that_is_gone_is_stale),
        cmocka_unit_test(flox_builds_and_publishes),
        cmocka_unit_test(an_old_flox_is_refused_in_one_line),
        cmocka_unit_test(flox_failures_are_told_apart),
        cmocka_unit_test(flox_evaluates_what_it_may),
        cmocka_unit_test(flox_publish_failures_are_told_apart),
        cmocka_unit_test(a_publish_that_builds_is_noticed_or_forbidden),
        cmocka_unit_test(checks_are_skipped_by_rule),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
