/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/host_book.h"

#include "coordinator/cli/home.h"
#include "proto/base/io.h"
#include "proto/base/text.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *path_of(struct invocation *invocation, const char *name)
{
    return arena_print(&invocation->arena, "%s/hosts/%s.json", invocation->home, name);
}

bool hosts_knows(struct invocation *invocation, const char *name)
{
    return text_is_name(name, LIMIT_NAME_BYTES) && io_exists(path_of(invocation, name));
}

static const char *entry_text(struct invocation *invocation, const json_t *object, const char *key)
{
    return arena_text(&invocation->arena, json_get_text(object, key, ""));
}

int hosts_read(struct invocation *invocation, const char *name, struct host_entry *out,
               struct err *err)
{
    struct buf text = {0};
    if (!hosts_knows(invocation, name))
        return err_set(err, "%s was not added from this machine by farm worker add", name);
    if (io_read_file(path_of(invocation, name), LIMIT_CONFIG_BYTES, &text, err) < 0)
        return -1;
    json_t *object = json_loadb((char *)text.data, text.size, 0, NULL);
    *out = (struct host_entry){.name = name,
                               .to = entry_text(invocation, object, "to"),
                               .identity = entry_text(invocation, object, "identity"),
                               .prefix = entry_text(invocation, object, "prefix"),
                               .worker_home = entry_text(invocation, object, "worker_home"),
                               .tunnel_port = json_get_u64(object, "tunnel_port", 0),
                               .control = entry_text(invocation, object, "control"),
                               .logs = entry_text(invocation, object, "logs")};
    json_decref(object);
    buf_release(&text);
    return *out->to ? 0
                    : err_set(err, "%s is damaged: delete it and add the host again",
                              path_of(invocation, name));
}

int hosts_write(struct invocation *invocation, const struct host_entry *entry, struct err *err)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "to", entry->to, "identity",
                               entry->identity, "prefix", entry->prefix, "worker_home",
                               entry->worker_home, "tunnel_port", (json_int_t)entry->tunnel_port,
                               "control", entry->control, "logs", entry->logs);
    char *text = json_dumps(object, JSON_INDENT(2));
    json_decref(object);
    if (!text)
        return err_set(err, "%s: a path is not valid UTF-8", entry->name);
    int result =
        io_make_folders(arena_print(&invocation->arena, "%s/hosts", invocation->home), 0755, err);
    if (result == 0)
        result =
            io_write_file(path_of(invocation, entry->name), text, strlen(text), 0644, true, err);
    free(text);
    return result;
}

void hosts_forget(struct invocation *invocation, const char *name)
{
    unlink(path_of(invocation, name));
}

const char *const *hosts_list(struct invocation *invocation)
{
    struct arena *arena = &invocation->arena;
    glob_t found = {0};
    if (glob(path_of(invocation, "*"), 0, NULL, &found))
        found.gl_pathc = 0;
    const char **names = arena_new(arena, (found.gl_pathc + 1) * sizeof *names);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *file = strrchr(found.gl_pathv[i], '/') + 1;
        names[i] = arena_print(arena, "%.*s", (int)(strlen(file) - strlen(".json")), file);
    }
    globfree(&found);
    return names;
}
