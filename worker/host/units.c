/* SPDX-License-Identifier: MIT */
/* units.c - see units.h. */
#include "worker/host/units.h"

/* Quotes a word of a unit file: systemd expands '%' and '$' and interprets quotes and backslashes.
 */
static void add_quoted(struct buf *out, const char *before, const char *path)
{
    buf_print(out, "\"%s", before);
    for (; *path; path++) {
        if (*path == '%' || *path == '"' || *path == '\\' || *path == '$')
            buf_print(out, "%c", *path == '%' || *path == '$' ? *path : '\\');
        buf_add(out, path, 1);
    }
    buf_print(out, "\"");
}

static void add_command(struct buf *out, const char *key, const struct unit_wish *wish,
                        const char *words)
{
    buf_print(out, "%s", key);
    add_quoted(out, "", wish->program);
    buf_print(out, " %s --home ", words);
    add_quoted(out, "", wish->home);
    buf_print(out, "\n");
}

void unit_service(const struct unit_wish *wish, struct buf *out)
{
    buf_print(out,
              "# Made by `farm-worker service install`, which overwrites it. For changes of your\n"
              "# own use a drop-in (`systemctl edit`).\n"
              "[Unit]\n"
              "Description=floxfarm worker\n"
              "After=network-online.target nix-daemon.socket\n"
              "Wants=network-online.target\n"
              "StartLimitIntervalSec=0\n"
              "\n"
              "[Service]\n");
    add_command(out, "ExecStart=", wish, "run");
    /* Running builds keep the controllers of our cgroup enabled, and systemd cannot start a process
     * in such a cgroup. */
    add_command(out, "ExecStopPost=-", wish, "service release");
    buf_print(out, "ExecReload=/bin/kill -HUP $MAINPID\n"
                   "Restart=always\n"
                   "RestartSec=2\n"
                   "# Builds outlive the agent: only the agent itself is stopped.\n"
                   "KillMode=process\n"
                   "TimeoutStopSec=20\n"
                   "# Each build gets a cgroup of its own below ours.\n"
                   "Delegate=yes\n"
                   "OOMPolicy=continue\n"
                   "MemoryLow=64M\n"
                   "TasksMax=infinity\n"
                   "LimitNOFILE=65536\n"
                   "Environment=");
    add_quoted(out, "PATH=", wish->path);
    buf_print(out, "\n");
    if (wish->is_user)
        buf_print(out, "\n[Install]\nWantedBy=default.target\n");
    else
        buf_print(out,
                  "User=%s\n"
                  "Slice=floxfarm.slice\n"
                  "# When memory is short the agent survives; its builds raise their own score.\n"
                  "OOMScoreAdjust=-500\n"
                  "\n[Install]\nWantedBy=multi-user.target\n",
                  wish->user);
}

void unit_slice(struct buf *out)
{
    buf_print(out, "# Made by `farm-worker service install`. To limit the farm on this host use a\n"
                   "# drop-in: `systemctl edit floxfarm.slice`, for example with MemoryMax=48G.\n"
                   "[Unit]\n"
                   "Description=floxfarm: the worker and what it builds\n"
                   "\n"
                   "[Slice]\n"
                   "CPUWeight=50\n"
                   "IOWeight=50\n"
                   "MemoryLow=64M\n");
}

void unit_nix_daemon(struct buf *out)
{
    buf_print(out, "# Made by `farm-worker service install`: with a nix daemon the compilers run\n"
                   "# here. They get a lower priority than the rest of the machine and are killed\n"
                   "# first when memory is short, without ending the daemon.\n"
                   "[Service]\n"
                   "CPUWeight=20\n"
                   "IOWeight=20\n"
                   "OOMScoreAdjust=500\n"
                   "OOMPolicy=continue\n");
}

void unit_nix_conf(uint64_t heavy_slots, struct buf *out)
{
    buf_print(out,
              "# Made by `farm-worker service install`: a heavy build takes the whole machine,\n"
              "# so nix builds as many derivations at a time as the host has heavy slots.\n"
              "max-jobs = %llu\n",
              (unsigned long long)(heavy_slots ? heavy_slots : 1));
}
