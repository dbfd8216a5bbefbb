/* SPDX-License-Identifier: MIT */
/* probe.c - see probe.h.
 *
 * Probing never fails: unknown facts are omitted, and a fact that keeps the host from taking builds
 * becomes `problem`. Every program that is run has a time limit, because a hung driver must not
 * stop a worker's heartbeat. */
#include "worker/host/probe.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "worker/builders/builder.h"
#include "worker/builders/tools.h"
#include "worker/host/nix_escapes.h"
#include "worker/host/nix_settings.h"
#include "worker/isolation/host_daemon.h"
#include "worker/isolation/store.h"
#include "worker/process/hostfacts.h"
#include "worker/process/tool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    SMALL_FILE_BYTES = 65536,
    CPUINFO_BYTES = 16 << 20,
    MOUNTINFO_BYTES = 4 << 20,
    GPU_MS_MAX = 5000
};

#define KEEP_BYTES  (1ull << 30) /* memory that is left to the rest of the machine */
#define LIGHT_BYTES (2ull << 30) /* memory for a light attempt: a compiler or two */

#if defined(__x86_64__)
#define NATIVE_SYSTEM "x86_64-linux"
#elif defined(__aarch64__)
#define NATIVE_SYSTEM "aarch64-linux"
#elif defined(__riscv)
#define NATIVE_SYSTEM "riscv64-linux"
#else
#error "probe.c does not know the nix system of this architecture"
#endif

/* ---- lists -------------------------------------------------------------------------------- */

static void add_text(const char ***items, size_t *count, const char *text, struct arena *arena)
{
    if (*count == LIMIT_HOST_LIST)
        return;
    if (!*items)
        *items = arena_new(arena, LIMIT_HOST_LIST * sizeof **items);
    (*items)[(*count)++] = text;
}

/* The first line of a small file; "" if it cannot be read. */
static const char *first_line(const char *path, struct arena *arena)
{
    struct buf text = {0};
    const char *line = "";
    if (io_peek_file(path, SMALL_FILE_BYTES, &text))
        line = arena_print(arena, "%.*s", (int)strcspn((const char *)text.data, "\n"),
                           (const char *)text.data);
    buf_release(&text);
    return line;
}

/* ---- identity and systems ----------------------------------------------------------------- */

static void probe_identity(struct capabilities *out, struct arena *arena)
{
    char hostname[256] = "";
    gethostname(hostname, sizeof hostname - 1);
    out->hostname = arena_text(arena, hostname);
    out->machine_id = first_line("/etc/machine-id", arena);
    /* Without a machine id the boot id is good enough: it is stable until the next boot. */
    if (!*out->machine_id) {
        char boot_id[BOOT_ID_BYTES];
        boot_id_read(boot_id);
        out->machine_id = arena_print(arena, "boot-%s", boot_id);
    }
}

/* For "x86_64-linux": whether /proc/sys/fs/binfmt_misc/qemu-x86_64 exists and is enabled. */
static bool can_emulate(const char *system, struct arena *arena)
{
    const char *path =
        arena_print(arena, "/proc/sys/fs/binfmt_misc/qemu-%.*s", (int)strcspn(system, "-"), system);
    return strcmp(first_line(path, arena), "enabled") == 0;
}

static void probe_systems(const struct probe_limits *limits, struct capabilities *out,
                          struct arena *arena)
{
    add_text(&out->systems, &out->systems_count, NATIVE_SYSTEM, arena);
    const char *emulated = limits->emulate ? limits->emulate : "";
    if (*emulated && strcmp(emulated, NATIVE_SYSTEM) != 0 && can_emulate(emulated, arena))
        add_text(&out->systems, &out->systems_count, arena_text(arena, emulated), arena);
}

/* ---- CPU features ------------------------------------------------------------------------- */

#if defined(__aarch64__)
/* Read from the auxiliary vector, because under qemu-user /proc/cpuinfo is that of the real host.
 * The names are those of the kernel's cpuinfo. */
static const struct {
    const char *name;
    unsigned bit;
    bool second; /* AT_HWCAP2 */
} arm_features[] = {
    {"fp", 0, false},      {"asimd", 1, false},     {"aes", 3, false},       {"pmull", 4, false},
    {"sha1", 5, false},    {"sha2", 6, false},      {"crc32", 7, false},     {"atomics", 8, false},
    {"fphp", 9, false},    {"asimdhp", 10, false},  {"asimdrdm", 12, false}, {"jscvt", 13, false},
    {"fcma", 14, false},   {"lrcpc", 15, false},    {"dcpop", 16, false},    {"sha3", 17, false},
    {"sm3", 18, false},    {"sm4", 19, false},      {"asimddp", 20, false},  {"sha512", 21, false},
    {"sve", 22, false},    {"asimdfhm", 23, false}, {"dit", 24, false},      {"uscat", 25, false},
    {"ilrcpc", 26, false}, {"flagm", 27, false},    {"sb", 29, false},       {"paca", 30, false},
    {"pacg", 31, false},   {"dcpodp", 0, true},     {"sve2", 1, true},       {"sveaes", 2, true},
    {"svepmull", 3, true}, {"svebitperm", 4, true}, {"svesha3", 5, true},    {"svesm4", 6, true},
    {"flagm2", 7, true},   {"frint", 8, true},      {"svei8mm", 9, true},    {"svef32mm", 10, true},
    {"svebf16", 12, true}, {"i8mm", 13, true},      {"bf16", 14, true},      {"bti", 17, true},
};

static void probe_features(struct capabilities *out, struct arena *arena)
{
    unsigned long words[2] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
    for (size_t i = 0; i < sizeof arm_features / sizeof arm_features[0]; i++)
        if (words[arm_features[i].second] >> arm_features[i].bit & 1)
            add_text(&out->features, &out->features_count, arm_features[i].name, arena);
}
#else
/* The words after "flags" of the first CPU. */
static void probe_features(struct capabilities *out, struct arena *arena)
{
    struct buf text = {0};
    const char *flags = NULL;
    if (io_peek_file("/proc/cpuinfo", CPUINFO_BYTES, &text))
        flags = strstr((const char *)text.data, "\nflags");
    flags = flags ? strchr(flags, ':') : NULL;
    for (const char *at = flags ? flags + 1 : "\n"; *at && *at != '\n';) {
        at += strspn(at, " \t");
        int length = (int)strcspn(at, " \t\n");
        if (length > 0)
            add_text(&out->features, &out->features_count, arena_print(arena, "%.*s", length, at),
                     arena);
        at += length;
    }
    buf_release(&text);
}
#endif

/* ---- GPUs --------------------------------------------------------------------------------- */

static void add_gpu(struct capabilities *out, const char *line, struct arena *arena)
{
    const char *comma = strrchr(line, ',');
    if (!comma || out->gpus_count == LIMIT_HOST_LIST)
        return;
    if (!out->gpus)
        out->gpus = arena_new(arena, LIMIT_HOST_LIST * sizeof *out->gpus);
    out->gpus[out->gpus_count++] =
        (struct gpu){.name = arena_print(arena, "%.*s", (int)(comma - line), line),
                     .compute = arena_text(arena, comma + 1 + strspn(comma + 1, " "))};
}

static void probe_gpus(struct capabilities *out, struct arena *arena)
{
    static const char *const argv[] = {"nvidia-smi", "--query-gpu=name,compute_cap",
                                       "--format=csv,noheader", NULL};
    struct buf output = {0};
    if (tool_exists(argv[0]) &&
        io_run(argv, NULL, SMALL_FILE_BYTES, GPU_MS_MAX, &output, NULL) == 0 && output.size) {
        char *rest = NULL;
        for (char *line = strtok_r((char *)output.data, "\r\n", &rest); line;
             line = strtok_r(NULL, "\r\n", &rest))
            add_gpu(out, line, arena);
    }
    buf_release(&output);
}

/* ---- disks -------------------------------------------------------------------------------- */

/* The device of a path; if the path does not exist yet, the one of its nearest existing folder. */
static bool find_device(const char *path, char *found, size_t size, dev_t *device)
{
    struct stat there;
    snprintf(found, size, "%s", path);
    while (stat(found, &there) < 0) {
        char *slash = strrchr(found, '/');
        if (!slash)
            return false;
        slash[slash == found] = '\0';
        if (slash == found && stat(found, &there) < 0)
            return false;
    }
    *device = there.st_dev;
    return true;
}

static void filesystem_measure(const char *path, struct filesystem *filesystem)
{
    struct statvfs disk;
    if (statvfs(path, &disk) < 0)
        return;
    filesystem->free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    filesystem->total_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
}

/* Adds the file system of a path, or returns its entry if it is listed already. */
static struct filesystem *add_filesystem(struct capabilities *out, const char *path,
                                         struct arena *arena)
{
    char found[PATH_MAX];
    dev_t device;
    if (!find_device(path, found, sizeof found, &device))
        return NULL;
    const char *id = arena_print(arena, "%u:%u", major(device), minor(device));
    for (size_t i = 0; i < out->filesystems_count; i++)
        if (strcmp(out->filesystems[i].id, id) == 0)
            return &out->filesystems[i];
    struct filesystem *added = &out->filesystems[out->filesystems_count++];
    added->id = id;
    filesystem_measure(found, added);
    return added;
}

static const char *store_of(const struct probe_limits *limits)
{
    const char *store =
        limits->nix_store && *limits->nix_store ? limits->nix_store : getenv("NIX_STORE_DIR");
    return store && *store ? store : "/nix/store";
}

static void probe_disks(const struct probe_limits *limits, struct capabilities *out,
                        struct arena *arena)
{
    out->filesystems = arena_new(arena, 2 * sizeof *out->filesystems);
    struct filesystem *store = add_filesystem(out, store_of(limits), arena);
    struct filesystem *build =
        add_filesystem(out, arena_print(arena, "%s/attempts", limits->home), arena);
    if (store)
        store->is_store = true;
    if (build)
        build->is_build = build->is_state = true;
}

/* ---- limits and programs ------------------------------------------------------------------ */

uint32_t probe_default_slots(uint32_t cores, uint64_t memory_bytes, uint32_t heavy_slots)
{
    uint64_t slots = memory_bytes / LIGHT_BYTES;
    if (slots < (uint64_t)heavy_slots + 1)
        slots = (uint64_t)heavy_slots + 1;
    return slots < cores ? (uint32_t)slots : cores;
}

static void probe_sizes(const struct probe_limits *limits, struct capabilities *out,
                        struct arena *arena)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    uint64_t memory = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    out->cores = cores > 0 ? (uint32_t)cores : 1;
    out->memory_bytes = memory > 2 * KEEP_BYTES ? memory - KEEP_BYTES : memory / 2;
    if (limits->memory_bytes)
        out->memory_bytes = limits->memory_bytes;
    out->heavy_slots = limits->heavy_slots ? limits->heavy_slots : 1;
    out->slots = limits->slots
                     ? limits->slots
                     : probe_default_slots(out->cores, out->memory_bytes, out->heavy_slots);
    if (out->slots > LIMIT_SLOTS)
        out->slots = LIMIT_SLOTS;
    if (out->heavy_slots > out->slots)
        out->heavy_slots = out->slots;
    out->may_publish = limits->may_publish;
    out->isolation = limits->isolation;
    out->isolation_why = limits->isolation_why ? arena_text(arena, limits->isolation_why) : "";
}

/* Before 1.12.0 flox publishes by other rules; a host with such a flox builds with nix only. */
static bool is_too_old(enum builder builder, const char *version)
{
    char *end;
    if (builder != BUILDER_FLOX)
        return false;
    long major_part = strtol(version, &end, 10);
    long minor_part = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    return major_part < 1 || (major_part == 1 && minor_part < 12);
}

static void probe_builders(struct capabilities *out, struct arena *arena)
{
    static const enum builder all[] = {BUILDER_FLOX, BUILDER_NIX, BUILDER_COMMAND};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct builder_row *row = builder_row(all[i]);
        const char *version = row->version(arena);
        if (version && is_too_old(all[i], version))
            add_text(&out->builders, &out->builders_count,
                     arena_print(arena, OLD_FLOX " %s", version), arena);
        else if (version)
            add_text(&out->builders, &out->builders_count,
                     arena_print(arena, "%s%s%s", row->name, *version ? " " : "", version), arena);
    }
}

static void probe_git(struct capabilities *out, struct arena *arena)
{
    static const char *const argv[] = {"git", "--version", NULL};
    const char *version = tools_version(argv, arena);
    out->git_version = version ? version : "";
    out->problem = version ? "" : "git is missing: install it";
}

/* ---- which nix ------------------------------------------------------------------------------ */

const char *probe_nix(const struct capabilities *host, struct arena *arena)
{
    struct store store;
    struct daemon_greeting said;
    struct err err;
    store_look(&store, arena);
    if (*store.daemon_socket && host_daemon_greet(store.daemon_socket, &said, arena, &err) == 0 &&
        *said.version)
        return said.version;
    for (size_t i = 0; i < host->builders_count; i++)
        if (strncmp(host->builders[i], "nix ", 4) == 0)
            return host->builders[i] + 4;
    return "";
}

/* Of recipes that are not isolated this is the least. */
static void judge_nix(const struct probe_limits *limits, struct capabilities *out,
                      struct arena *arena)
{
    if (!out->may_publish || out->isolation == ISOLATION_NONE)
        return;
    const char *version = probe_nix(out, arena);
    if (nix_escapes_count(version) == 0)
        return;
    out->may_publish = limits->trusts_nix;
    out->isolation_why = arena_print(
        arena, "%s%snix %s has known escapes (farm-worker doctor lists them)%s", out->isolation_why,
        *out->isolation_why ? "; " : "", version,
        limits->trusts_nix ? ""
                           : "; it publishes when nix is upgraded, or with `trust-recipes yes`");
}

/* An attempt's own daemon has it on. The host's reads the host's configuration, and a nix without a
 * daemon that of its user, too. */
static enum nix_sandbox find_nix_sandbox(const struct probe_limits *limits, struct arena *arena)
{
    struct store store;
    store_look(&store, arena);
    bool has_daemon = *store.daemon_socket;
    if (!store.exists)
        return NIX_SANDBOX_UNKNOWN;
    if (!has_daemon && limits->isolation > ISOLATION_NONE)
        return NIX_SANDBOX_ON;
    const char *value = nix_setting("sandbox", has_daemon, arena);
    if (value && strcmp(value, "false") == 0)
        return NIX_SANDBOX_OFF;
    /* nix's sandbox needs namespaces, too, and nix does without it where there are none. */
    return !value || limits->isolation == ISOLATION_USERS_ONLY ? NIX_SANDBOX_UNKNOWN
                                                               : NIX_SANDBOX_ON;
}

void probe_host(const struct probe_limits *limits, struct capabilities *out, struct arena *arena)
{
    shape_init(&capabilities_shape, out);
    out->restricts_eval = true;
    probe_identity(out, arena);
    probe_systems(limits, out, arena);
    probe_features(out, arena);
    probe_gpus(out, arena);
    probe_disks(limits, out, arena);
    probe_sizes(limits, out, arena);
    probe_builders(out, arena);
    judge_nix(limits, out, arena);
    out->nix_sandbox = find_nix_sandbox(limits, arena);
    probe_git(out, arena);
    if (limits->isolation_fails && !*out->problem)
        out->problem = out->isolation_why;
}

/* ---- now ---------------------------------------------------------------------------------- */

/* The n-th word of a line, from 0; its length in *length. */
static const char *nth_word(const char *line, int n, int *length)
{
    for (; n > 0; n--) {
        line += strcspn(line, " \n");
        line += *line == ' ';
    }
    *length = (int)strcspn(line, " \n");
    return line;
}

/* mountinfo writes a space of a path as "\\040". */
static void path_unescape(const char *word, int length, char *out)
{
    for (int i = 0; i < length; i++) {
        char digits[4] = "";
        if (word[i] == '\\' && i + 3 < length) {
            memcpy(digits, word + i + 1, 3);
            *out++ = (char)strtoul(digits, NULL, 8);
            i += 3;
        } else {
            *out++ = word[i];
        }
    }
    *out = '\0';
}

/* A line of mountinfo: "36 35 98:0 /root /mnt/point options...". */
static bool mount_point(const char *line, const char *id, char out[PATH_MAX])
{
    int length;
    const char *device = nth_word(line, 2, &length);
    if ((size_t)length != strlen(id) || strncmp(device, id, (size_t)length) != 0)
        return false;
    const char *point = nth_word(line, 4, &length);
    if (length >= PATH_MAX)
        return false;
    path_unescape(point, length, out);
    return true;
}

/* A file system whose device is no longer mounted keeps its last numbers. */
static void filesystem_measure_again(const char *mounts, struct filesystem *filesystem)
{
    char point[PATH_MAX];
    for (const char *line = mounts; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!mount_point(line, filesystem->id, point))
            continue;
        filesystem_measure(point, filesystem);
        return;
    }
}

void probe_now(const struct capabilities *known, struct filesystem *filesystems,
               struct pressure *pressure)
{
    struct buf mounts = {0};
    io_peek_file("/proc/self/mountinfo", MOUNTINFO_BYTES, &mounts);
    for (size_t i = 0; i < known->filesystems_count; i++) {
        filesystems[i] = known->filesystems[i];
        filesystem_measure_again((const char *)mounts.data, &filesystems[i]);
    }
    buf_release(&mounts);
    pressure->cpu_some = pressure_stall("", "cpu", "some");
    pressure->memory_full = pressure_stall("", "memory", "full");
    pressure->io_full = pressure_stall("", "io", "full");
}
