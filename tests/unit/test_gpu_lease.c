/* SPDX-License-Identifier: MIT */
/* GPUs for checks: each is leased once on a host, and what befell it is told from what a program
 * did. The driver's files and its nvidia-smi are made up here; docs/reliability.md says what real
 * ones did. */
#include "tests/unit/folders.h"
#include "worker/phase/gpu_lease.h"

#define TWO_GPUS                                                                                   \
    "echo 'GPU-aaaa, 00000000:17:00.0, 9.0'; echo 'GPU-bbbb, 00000000:CA:00.0, 9.0'; "             \
    "echo 'GPU-cccc, 00000000:CB:00.0, 8.9'"

static const char *path_before;

static void driver_says(struct place *place, const char *answer)
{
    place_write(place, "bin/nvidia-smi", arena_print(&place->arena, "#!/bin/sh\n%s\n", answer));
    assert_int_equal(chmod(home_path(place, "bin/nvidia-smi"), 0755), 0);
}

static void gpu_is(struct place *place, const char *bus, int number)
{
    const char *folder = arena_print(&place->arena, "proc/driver/nvidia/gpus/%s", bus);
    assert_int_equal(io_make_folders(home_path(place, folder), 0755, NULL), 0);
    place_write(place, arena_print(&place->arena, "%s/information", folder),
                arena_print(&place->arena, "Model: \t H200\nDevice Minor: \t %d\n", number));
    place_write(place, arena_print(&place->arena, "dev/nvidia%d", number), "");
}

static int setup(void **state)
{
    place_setup(state);
    struct place *place = *state;
    path_before = arena_text(&place->arena, getenv("PATH"));
    assert_int_equal(io_make_folders(home_path(place, "bin"), 0755, NULL), 0);
    assert_int_equal(io_make_folders(home_path(place, "dev"), 0755, NULL), 0);
    setenv("PATH", arena_print(&place->arena, "%s/bin:%s", place->path, path_before), 1);
    driver_says(place, TWO_GPUS);
    gpu_is(place, "0000:17:00.0", 0);
    gpu_is(place, "0000:ca:00.0", 3);
    gpu_is(place, "0000:cb:00.0", 1);
    place_write(place, "dev/kmsg", "6,1,1,-;NVRM: Xid (PCI:0000:17:00): 79, of the day before\n");
    return 0;
}

static int teardown(void **state)
{
    setenv("PATH", path_before, 1);
    return place_teardown(state);
}

static enum gpu_lease_result take(struct place *place, const char *gpu, struct gpu_lease *out)
{
    struct err err;
    return gpu_lease_take(place->path, gpu, 0, &place->arena, out, &err);
}

static void each_is_leased_once(void **state)
{
    struct place *place = *state;
    struct gpu_lease first, second, third;
    assert_int_equal(take(place, "sm90", &first), GPU_LEASE_TAKEN);
    assert_string_equal(first.uuid, "GPU-aaaa");
    assert_string_equal(first.nodes[0], "/dev/nvidia0");
    assert_null(first.nodes[1]);
    assert_int_equal(take(place, "sm90a", &second), GPU_LEASE_TAKEN);
    assert_string_equal(second.uuid, "GPU-bbbb");
    assert_string_equal(second.nodes[0], "/dev/nvidia3");
    assert_int_equal(take(place, "sm90", &third), GPU_LEASE_NONE);
    gpu_lease_release(&first);
    assert_int_equal(take(place, "sm90", &third), GPU_LEASE_TAKEN);
    assert_string_equal(third.uuid, "GPU-aaaa");
    gpu_lease_release(&second);
    gpu_lease_release(&third);
}

static void one_of_another_architecture_is_not_taken(void **state)
{
    struct place *place = *state;
    struct gpu_lease lease;
    assert_int_equal(take(place, "sm89", &lease), GPU_LEASE_TAKEN);
    assert_string_equal(lease.uuid, "GPU-cccc");
    gpu_lease_release(&lease);
}

static void where_the_driver_hides_its_gpus_a_check_sees_all(void **state)
{
    struct place *place = *state;
    struct gpu_lease lease;
    assert_int_equal(io_remove_tree(home_path(place, "proc"), NULL), 0);
    assert_int_equal(take(place, "sm90", &lease), GPU_LEASE_UNKNOWN);
    assert_string_equal(lease.uuid, "");
    assert_string_equal(lease.nodes[0], "/dev/nvidia0");
    assert_string_equal(lease.nodes[1], "/dev/nvidia1");
    assert_string_equal(lease.nodes[2], "/dev/nvidia3");
    assert_null(lease.nodes[3]);
    assert_null(gpu_lease_fault(&lease, &place->arena));
    assert_null(gpu_lease_sharer(&lease, &place->arena));
    gpu_lease_release(&lease);
}

static void kernel_says(struct place *place, const char *line)
{
    FILE *log = fopen(home_path(place, "dev/kmsg"), "a");
    assert_non_null(log);
    assert_true(fputs(line, log) >= 0);
    assert_int_equal(fclose(log), 0);
}

static void a_gpu_that_fails_during_the_check_is_told(void **state)
{
    struct place *place = *state;
    struct gpu_lease lease;
    assert_int_equal(take(place, "sm90", &lease), GPU_LEASE_TAKEN);
    assert_null(gpu_lease_fault(&lease, &place->arena)); /* what was before does not count */
    kernel_says(place, "3,7,9,-;NVRM: Xid (PCI:0000:ca:00): 79, pid=1, of another GPU\n");
    assert_null(gpu_lease_fault(&lease, &place->arena));
    kernel_says(place,
                "3,8,9,-;NVRM: Xid (PCI:0000:17:00): 31, pid=812, name=python3, a page fault\n");
    assert_null(gpu_lease_fault(&lease, &place->arena));
    kernel_says(place, "3,9,9,-;NVRM: Xid (PCI:0000:17:00): 79, pid='<unknown>', fallen off\n");
    assert_string_equal(gpu_lease_fault(&lease, &place->arena),
                        "GPU 0000:17:00.0 failed (Xid 79: it has fallen off the bus)");
    gpu_lease_release(&lease);
}

static void who_else_computes_there_is_told(void **state)
{
    struct place *place = *state;
    struct gpu_lease lease;
    assert_int_equal(take(place, "sm90", &lease), GPU_LEASE_TAKEN);
    driver_says(place, "[ \"$4\" = GPU-aaaa ] && echo '812, /usr/bin/python3, serving'");
    assert_string_equal(gpu_lease_sharer(&lease, &place->arena),
                        "process 812 (/usr/bin/python3, serving)");
    driver_says(place, "exit 0");
    assert_null(gpu_lease_sharer(&lease, &place->arena));
    driver_says(place, "echo 'Failed to initialize NVML'; exit 9");
    assert_null(gpu_lease_sharer(&lease, &place->arena));
    gpu_lease_release(&lease);
}

static void lines_that_are_no_xid(void **state)
{
    (void)state;
    assert_int_equal(gpu_xid("NVRM: Xid (PCI:0000:17:00): 48, pid=1", "0000:17:00.0"), 48);
    assert_int_equal(gpu_xid("NVRM: Xid (PCI:0000:17:00", "0000:17:00.0"), 0);
    assert_int_equal(gpu_xid("NVRM: Xid (PCI:0000:17:00): x", "0000:17:00.0"), 0);
    assert_int_equal(gpu_xid("NVRM: Xid (PCI:0000:17:00): 48", ""), 0);
    assert_int_equal(gpu_xid("NVRM: GPU at PCI:0000:17:00: GPU-aaaa", "0000:17:00.0"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_is_leased_once),
        TEST(one_of_another_architecture_is_not_taken),
        TEST(where_the_driver_hides_its_gpus_a_check_sees_all),
        TEST(a_gpu_that_fails_during_the_check_is_told),
        TEST(who_else_computes_there_is_told),
        cmocka_unit_test(lines_that_are_no_xid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
