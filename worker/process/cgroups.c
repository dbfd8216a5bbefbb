/* SPDX-License-Identifier: MIT */
#include "worker/process/cgroups.h"

#include "proto/base/hash.h"
#include "proto/base/io.h"
#include "worker/process/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes "floxfarm" below a hierarchy or delegated cgroup and adds it to the list if it is usable.
 */
static void cgroup_offer(struct buf *list, const char *above)
{
    char path[PATH_MAX], procs[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/floxfarm", above);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return;
    snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
    if (access(procs, W_OK) < 0) /* not a cgroup file system, or not writable for us */
        return;
    tree_write(above, "cgroup.subtree_control", "+memory");
    tree_write(path, "cgroup.subtree_control", "+memory");
    buf_print(list, "%s%s", list->size ? ":" : "", path);
}

/* The v2 controllers that separate builds from the agent; one that the host does not have stays
 * off. */
static const char *const controllers[] = {"memory", "cpu", "io", "pids"};

static void switch_controllers(const char *cgroup, char sign)
{
    char word[16];
    for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++) {
        snprintf(word, sizeof word, "%c%s", sign, controllers[i]);
        tree_write(cgroup, "cgroup.subtree_control", word);
    }
}

static const char *unified_mount(void)
{
    if (io_exists("/sys/fs/cgroup/unified/cgroup.procs"))
        return "/sys/fs/cgroup/unified";
    return io_exists("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : NULL;
}

static void cut_end(char *path, const char *end)
{
    size_t size = strlen(path), cut = strlen(end);
    if (size > cut && strcmp(path + size - cut, end) == 0)
        path[size - cut] = '\0';
}

/* The cgroup of our own unit below a v2 mount, which Delegate=yes lets us use. `is_ours` is set if
 * it is a unit of the worker and not a login session that the worker was started from. */
static bool unit_cgroup(const char *mount, char *out, size_t size, bool *is_ours)
{
    struct buf text = {0};
    bool found = false;
    if (mount && io_peek_file("/proc/self/cgroup", 65536, &text)) {
        const char *line = strstr((const char *)text.data, "0::/");
        found = line && (line == (const char *)text.data || line[-1] == '\n');
        if (found)
            snprintf(out, size, "%s%.*s", mount, (int)strcspn(line + 3, "\n"), line + 3);
    }
    buf_release(&text);
    if (!found)
        return false;
    cut_end(out, "/agent"); /* we moved ourselves there; "/.control" is systemd's */
    cut_end(out, "/.control");
    *is_ours = strncmp(strrchr(out, '/'), "/floxfarm-worker", 16) == 0;
    return true;
}

/* In v2 a cgroup can enable controllers for its children only while it has no process itself. So
 * the agent moves into a child, where it gets a higher weight than the builds. */
static void move_agent(const char *unit)
{
    char agent[PATH_MAX];
    snprintf(agent, sizeof agent, "%s/agent", unit);
    if (mkdir(agent, 0755) < 0 && errno != EEXIST)
        return;
    tree_write(agent, "cgroup.procs", "0");
    switch_controllers(unit, '+');
    tree_write(agent, "cpu.weight", "1000");
    tree_write(agent, "io.weight", "1000");
    tree_write(agent, "memory.low", "67108864");
}

const char *cgroups_prepare(struct arena *arena)
{
    struct buf list = {0};
    char unit[PATH_MAX];
    bool is_ours = false;
    const char *mount = unified_mount();
    bool in_unit = unit_cgroup(mount, unit, sizeof unit, &is_ours);
    if (in_unit && is_ours) {
        move_agent(unit);
        cgroup_offer(&list, unit);
    }
    if (!list.size && mount)
        cgroup_offer(&list, mount);
    if (!list.size && in_unit)
        cgroup_offer(&list, unit);
    if (io_exists("/sys/fs/cgroup/memory/memory.oom_control"))
        cgroup_offer(&list, "/sys/fs/cgroup/memory");
    const char *result = arena_text(arena, (const char *)list.data);
    buf_release(&list);
    return result;
}

const char *cgroup_name(const char *folder, const char *phase, struct arena *arena)
{
    const char *slash = strrchr(folder, '/');
    return arena_print(arena, "%s.%s.%08x", slash ? slash + 1 : folder, phase,
                       hash32_bytes(HASH32_START, folder, strlen(folder)));
}

/* The folder of the attempt of this home whose cgroup this could be, or NULL: it has another form,
 * or belongs to another farm. */
static const char *folder_of(const char *cgroup, const char *home, struct arena *arena)
{
    size_t token = strspn(cgroup, "0123456789.");
    if (token < 2 || cgroup[token - 1] != '.')
        return NULL;
    const char *folder = arena_print(arena, "%s/attempts/%.*s", home, (int)token - 1, cgroup);
    const char *phase =
        arena_print(arena, "%.*s", (int)strcspn(cgroup + token, "."), cgroup + token);
    return strcmp(cgroup_name(folder, phase, arena), cgroup) == 0 ? folder : NULL;
}

static void drop_left_below(const char *parent, const char *home, struct arena *arena)
{
    DIR *folder = opendir(parent);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *attempt = folder_of(entry->d_name, home, arena);
        if (attempt && !io_exists(attempt))
            unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR); /* fails for those in use */
    }
    closedir(folder);
}

void cgroups_drop_left(const char *parents, const char *home)
{
    struct arena arena = {0};
    for (const char *part = parents; *part;) {
        size_t length = strcspn(part, ":");
        drop_left_below(arena_print(&arena, "%.*s", (int)length, part), home, &arena);
        part += length + (part[length] == ':');
    }
    arena_clear(&arena);
}

void cgroups_release(void)
{
    char unit[PATH_MAX], builds[PATH_MAX + 16];
    bool is_ours = false;
    if (!unit_cgroup(unified_mount(), unit, sizeof unit, &is_ours) || !is_ours)
        return;
    snprintf(builds, sizeof builds, "%s/floxfarm", unit);
    switch_controllers(builds, '-'); /* children first: a controller that one uses stays on */
    switch_controllers(unit, '-');
}
