/* SPDX-License-Identifier: MIT */
/* gpu_lease.c - see gpu_lease.h. */
#include "worker/phase/gpu_lease.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/hardware.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { GPU_NODES_MAX = 32, SMI_MS_MAX = 10000, SMI_BYTES_MAX = 1 << 16, LOOK_AGAIN_MS = 1000 };

/* ---- what the driver says ------------------------------------------------------------------ */

/* One line of nvidia-smi: "UUID, BUS, COMPUTE". */
struct gpu_line {
    const char *uuid, *bus, *compute;
};

static const char *ask_driver(const char *const *argv, struct arena *arena)
{
    struct buf output = {0};
    const char *text = "";
    if (tool_exists(argv[0]) && io_run(argv, NULL, SMI_BYTES_MAX, SMI_MS_MAX, &output, NULL) == 0 &&
        output.size)
        text = arena_print(arena, "%.*s", (int)output.size, (const char *)output.data);
    buf_release(&output);
    return text;
}

/* The bus as /proc and the kernel's log write it: "0000:17:00.0", not "00000000:17:00.0". */
static const char *bus_of(const char *text, struct arena *arena)
{
    size_t length = strlen(text);
    const char *colon = strchr(text, ':');
    if (!colon || length > 32)
        return "";
    char *bus = arena_text(arena, colon - text > 4 ? colon - 4 : text);
    for (char *at = bus; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return bus;
}

static bool read_line(char *line, struct gpu_line *out, struct arena *arena)
{
    char *rest = NULL;
    char *uuid = strtok_r(line, ", ", &rest), *bus = strtok_r(NULL, ", ", &rest);
    char *compute = strtok_r(NULL, ", ", &rest);
    if (!uuid || !bus || !compute)
        return false;
    *out = (struct gpu_line){uuid, bus_of(bus, arena), compute};
    return *out->bus != '\0' && !strchr(out->bus, '/');
}

/* ---- nodes --------------------------------------------------------------------------------- */

static const char **new_nodes(struct arena *arena)
{
    return arena_new(arena, (GPU_NODES_MAX + 1) * sizeof(const char *));
}

static void add_node(struct gpu_lease *lease, const char *root, long number, struct arena *arena)
{
    size_t count = 0;
    while (lease->nodes[count])
        count++;
    if (count < GPU_NODES_MAX && io_exists(arena_print(arena, "%s/dev/nvidia%ld", root, number)))
        lease->nodes[count] = arena_print(arena, "/dev/nvidia%ld", number);
}

/* "Device Minor: \t 3" of the driver's file; -1: it has no such line. */
static long read_minor(int file)
{
    char text[4096];
    ssize_t size = pread(file, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    const char *at = strstr(text, "Device Minor:");
    return at ? strtol(at + strlen("Device Minor:"), NULL, 10) : -1;
}

/* ---- the lease ----------------------------------------------------------------------------- */

enum attempt { ATTEMPT_TAKEN, ATTEMPT_BUSY, ATTEMPT_UNKNOWN };

static enum attempt try_gpu(const char *root, const struct gpu_line *gpu, struct gpu_lease *out,
                            struct arena *arena)
{
    int file = open(arena_print(arena, "%s/proc/driver/nvidia/gpus/%s/information", root, gpu->bus),
                    O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return ATTEMPT_UNKNOWN;
    long minor = read_minor(file);
    if (minor < 0 || flock(file, LOCK_EX | LOCK_NB) < 0) {
        bool busy = minor >= 0 && errno == EWOULDBLOCK;
        close(file);
        return busy ? ATTEMPT_BUSY : ATTEMPT_UNKNOWN;
    }
    *out = (struct gpu_lease){.uuid = gpu->uuid,
                              .bus = gpu->bus,
                              .nodes = new_nodes(arena),
                              .lock = file,
                              .kernel_log = -1};
    add_node(out, root, minor, arena);
    out->kernel_log =
        open(arena_print(arena, "%s/dev/kmsg", root), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (out->kernel_log >= 0)
        lseek(out->kernel_log, 0, SEEK_END);
    return ATTEMPT_TAKEN;
}

/* One look at all GPUs that run the code: BUSY when each of them is taken. */
static enum attempt try_all(const char *root, const char *compute, struct gpu_lease *out,
                            struct arena *arena)
{
    static const char *const argv[] = {"nvidia-smi", "--query-gpu=uuid,pci.bus_id,compute_cap",
                                       "--format=csv,noheader", NULL};
    enum attempt result = ATTEMPT_UNKNOWN;
    char *text = arena_text(arena, ask_driver(argv, arena)), *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        struct gpu_line gpu;
        if (!read_line(line, &gpu, arena) || strcmp(gpu.compute, compute) != 0)
            continue;
        enum attempt one = try_gpu(root, &gpu, out, arena);
        if (one == ATTEMPT_TAKEN)
            return one;
        if (one == ATTEMPT_BUSY)
            result = one;
    }
    return result;
}

static void without_lease(const char *root, struct gpu_lease *out, struct arena *arena)
{
    *out = (struct gpu_lease){
        .uuid = "", .bus = "", .nodes = new_nodes(arena), .lock = -1, .kernel_log = -1};
    for (long i = 0; i < GPU_NODES_MAX; i++)
        add_node(out, root, i, arena);
}

enum gpu_lease_result gpu_lease_take(const char *root, const char *gpu, uint64_t wait_ms,
                                     struct arena *arena, struct gpu_lease *out, struct err *err)
{
    char compute[HARDWARE_COMPUTE_BYTES];
    uint64_t end = clock_boot_ms() + wait_ms;
    bool told = false;
    without_lease(root, out, arena);
    if (!hardware_compute(gpu, compute))
        return GPU_LEASE_UNKNOWN;
    for (;;) {
        enum attempt result = try_all(root, compute, out, arena);
        if (result != ATTEMPT_BUSY)
            return result == ATTEMPT_TAKEN ? GPU_LEASE_TAKEN : GPU_LEASE_UNKNOWN;
        if (clock_boot_ms() >= end)
            break;
        if (!told)
            fprintf(stderr, "farm-worker: waits for a GPU of %s: other checks have all of them\n",
                    gpu);
        told = true;
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    err_set(err, "other checks had all GPUs of %s for %llu minutes", gpu,
            (unsigned long long)(wait_ms / 60000));
    return GPU_LEASE_NONE;
}

void gpu_lease_release(struct gpu_lease *lease)
{
    if (lease->lock >= 0)
        close(lease->lock);
    if (lease->kernel_log >= 0)
        close(lease->kernel_log);
    lease->lock = lease->kernel_log = -1;
}

/* ---- what befell it ------------------------------------------------------------------------- */

/* Xids that a program in the GPU does not cause: memory that is broken, the bus, the board, its own
 * firmware. Source: NVIDIA, "XID Errors" (docs.nvidia.com/deploy/xid-errors). Others, such as 13,
 * 31 and 43, are answers to what a program did. */
static const struct {
    unsigned number;
    const char *meaning;
} hardware_xids[] = {
    {48, "its memory had an error that cannot be corrected"},
    {62, "its microcontroller halted"},
    {63, "a row or page of its memory was retired"},
    {64, "a row or page of its memory could not be retired"},
    {74, "its NVLink failed"},
    {79, "it has fallen off the bus"},
    {92, "its memory has many errors"},
    {94, "its memory had a contained error"},
    {95, "its memory had an error that was not contained"},
    {119, "its firmware does not answer"},
    {120, "its firmware failed"},
};

unsigned gpu_xid(const char *line, const char *bus)
{
    const char *at = strstr(line, "NVRM: Xid (PCI:");
    if (!at || !*bus)
        return 0;
    at += strlen("NVRM: Xid (PCI:");
    size_t length = strcspn(bus, "."); /* the kernel leaves the function out */
    if (strncmp(at, bus, length) != 0)
        return 0;
    at = strstr(at + length, "): ");
    return at ? (unsigned)strtoul(at + strlen("): "), NULL, 10) : 0;
}

const char *gpu_lease_fault(const struct gpu_lease *lease, struct arena *arena)
{
    char line[8192]; /* a record of the kernel's log is at most that long; a read gives one */
    if (lease->kernel_log < 0)
        return NULL;
    for (;;) {
        ssize_t size = read(lease->kernel_log, line, sizeof line - 1);
        if (size < 0 && errno == EPIPE) /* records were lost meanwhile */
            continue;
        if (size <= 0)
            return NULL;
        line[size] = '\0';
        unsigned xid = gpu_xid(line, lease->bus);
        for (size_t i = 0; xid && i < sizeof hardware_xids / sizeof *hardware_xids; i++)
            if (hardware_xids[i].number == xid)
                return arena_print(arena, "GPU %s failed (Xid %u: %s)", lease->bus, xid,
                                   hardware_xids[i].meaning);
    }
}

const char *gpu_lease_sharer(const struct gpu_lease *lease, struct arena *arena)
{
    const char *const argv[] = {"nvidia-smi",
                                "--query-compute-apps=pid,process_name",
                                "--format=csv,noheader",
                                "-i",
                                lease->uuid,
                                NULL};
    if (!*lease->uuid)
        return NULL;
    const char *text = ask_driver(argv, arena);
    const char *name = strchr(text, ',');
    unsigned long pid = strtoul(text, NULL, 10);
    if (!pid || !name)
        return NULL;
    name += 1 + strspn(name + 1, " ");
    return arena_print(arena, "process %lu (%.*s)", pid, (int)strcspn(name, "\r\n"), name);
}
