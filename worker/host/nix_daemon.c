/* SPDX-License-Identifier: MIT */
#include "worker/host/nix_daemon.h"

#include "proto/base/io.h"
#include "proto/limits.h"
#include "worker/host/put_file.h"
#include "worker/host/systemctl.h"
#include "worker/host/units.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NIX_CONF      "/etc/nix/nix.conf"
#define NIX_CONF_OURS "/etc/nix/floxfarm.conf"
#define NIX_INCLUDE   "!include floxfarm.conf\n"
#define DROP_IN       "/etc/systemd/system/nix-daemon.service.d/floxfarm.conf"

static bool includes_ours(const char *nix_conf)
{
    struct buf text = {0};
    bool found = io_peek_file(nix_conf, LIMIT_TOOL_BYTES, &text) && text.size &&
                 strstr((const char *)text.data, NIX_INCLUDE);
    buf_release(&text);
    return found;
}

/* If nix.conf is a regular file (it is not on NixOS), appends a line that includes our file. */
static int put_nix_conf(struct service *service, struct err *err)
{
    struct stat file;
    struct buf text = {0};
    bool changed = false;
    const char *nix_conf = service_path(service, NIX_CONF);
    if (lstat(nix_conf, &file) < 0 || !S_ISREG(file.st_mode)) {
        service_note(service,
                     "nix.conf is not a regular file: set max-jobs to the number of heavy slots "
                     "where you configure nix");
        return 0;
    }
    unit_nix_conf(service->heavy, &text);
    int result = put_file(service_path(service, NIX_CONF_OURS), &text, &changed, err);
    buf_clear(&text);
    if (result == 0 && !includes_ours(nix_conf) &&
        (result = io_read_file(nix_conf, LIMIT_TOOL_BYTES, &text, err)) == 0) {
        buf_print(&text, "%s%s", text.size && text.data[text.size - 1] != '\n' ? "\n" : "",
                  NIX_INCLUDE);
        result = io_write_file(nix_conf, text.data, text.size, file.st_mode & 07777, true, err);
        changed = true;
    }
    buf_release(&text);
    if (result == 0 && changed)
        service_note(service,
                     arena_print(service->arena,
                                 "nix now builds %llu derivation(s) at a time (" NIX_CONF_OURS ")",
                                 (unsigned long long)(service->heavy ? service->heavy : 1)));
    return result;
}

int nix_daemon_install(struct service *service, struct err *err)
{
    bool changed = false;
    if (systemctl_run(service, "cat", "nix-daemon.service", NULL) != 0)
        return 0;
    if (put_text(service_path(service, DROP_IN), unit_nix_daemon, &changed, err) < 0)
        return -1;
    if (changed)
        service_note(service,
                     "nix-daemon gets a lower priority than the rest of the machine (" DROP_IN
                     "; restart nix-daemon when nothing builds)");
    return put_nix_conf(service, err);
}

void nix_daemon_restore(struct service *service)
{
    const char *nix_conf = service_path(service, NIX_CONF);
    struct buf text = {0};
    unlink(service_path(service, DROP_IN));
    if (includes_ours(nix_conf) && io_peek_file(nix_conf, LIMIT_TOOL_BYTES, &text)) {
        char *line = strstr((char *)text.data, NIX_INCLUDE);
        size_t size = strlen(NIX_INCLUDE);
        memmove(line, line + size, strlen(line + size) + 1);
        struct err err;
        if (io_write_file(nix_conf, text.data, text.size - size, 0644, true, &err) < 0)
            service_note(service, arena_text(service->arena, err.text));
    }
    unlink(service_path(service, NIX_CONF_OURS));
    buf_release(&text);
}
