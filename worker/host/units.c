/* SPDX-License-Identifier: MIT */
/* units.c - see units.h. */
#include "worker/host/units.h"

#include <string.h>

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

/* ---- how far a worker is confined ------------------------------------------------------------ */

/* Neither needs a privilege of the manager, so a user's unit has it, too. Builds call what they
 * like of the rest. */
static const char of_every_unit[] =
    "# Nothing here or below gains rights by starting a program.\n"
    "NoNewPrivileges=yes\n"
    "RestrictSUIDSGID=yes\n"
    "RestrictRealtime=yes\n"
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n"
    "SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap\n"
    "SystemCallErrorNumber=EPERM\n";

static const char of_the_system[] = "ProtectSystem=full\n"
                                    "ProtectKernelModules=yes\n"
                                    "AmbientCapabilities=\n"
                                    "KeyringMode=private\n";

/* The comment is part of the unit: whoever runs `systemd-analyze security` finds the reasons there.
 */
static const char left_open[] =
    "# Left open, because builds need it:\n"
    "# - ProtectSystem=strict: a nix store of one user, caches and clones lie where their owner "
    "put\n"
    "#   them;\n"
    "# - ProtectKernelTunables, ProtectKernelLogs, ProtectProc, ProcSubset: each covers a part of\n"
    "#   /proc, and the kernel then refuses the /proc of its own that a sandbox of an ordinary "
    "user\n"
    "#   and nix's sandbox mount;\n"
    "# - RestrictNamespaces, @mount, @privileged: sandboxes are made of them;\n"
    "# - ProtectHostname: nix's sandbox sets its own name;\n"
    "# - ProtectControlGroups, Delegate: each build has a cgroup;\n"
    "# - PrivateDevices, DevicePolicy, ProtectClock (which has a list of devices): checks on a "
    "GPU,\n"
    "#   /dev/kvm, /dev/fuse;\n"
    "# - PrivateTmp, RemoveIPC: both remove things when the agent stops, and builds go on then;\n"
    "# - PrivateUsers: build users, and who owns the store;\n"
    "# - MemoryDenyWriteExecute, LockPersonality, SystemCallArchitectures, @debug, @resources:\n"
    "#   compilers at run time, setarch, programs of 32 bits, debuggers and affinity in tests;\n"
    "# - UMask: what is built is for others to read;\n"
    "# - the network: the coordinator, git, substituters and sources.\n";

/* Root only: to become a build user, to make sandboxes for it, and to clean and count what is its.
 */
static const char of_root[] =
    "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID "
    "CAP_KILL CAP_SETUID CAP_SETGID CAP_SETPCAP\n"
    "CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE "
    "CAP_SYS_RESOURCE CAP_NET_ADMIN\n";

static bool is_in_a_home(const char *path)
{
    static const char *const homes[] = {"/home", "/root", "/run/user"};
    for (size_t i = 0; i < sizeof homes / sizeof *homes; i++) {
        size_t length = strlen(homes[i]);
        if (strncmp(path, homes[i], length) == 0 && (path[length] == '/' || path[length] == '\0'))
            return true;
    }
    return false;
}

/* Whether the worker's home, its user's (git's keys), its program or a folder of PATH is in one. */
static bool needs_homes(const struct unit_wish *wish)
{
    bool needs =
        is_in_a_home(wish->home) || is_in_a_home(wish->user_home) || is_in_a_home(wish->program);
    for (const char *folder = wish->path; folder; folder = strchr(folder, ':')) {
        folder += *folder == ':';
        needs |= is_in_a_home(folder);
    }
    return needs;
}

static void add_confinement(const struct unit_wish *wish, struct buf *out)
{
    buf_print(out, "%s", of_every_unit);
    if (wish->is_user)
        return;
    buf_print(out, "%s", of_the_system);
    buf_print(out, "%s", strcmp(wish->user, "root") == 0 ? of_root : "CapabilityBoundingSet=\n");
    buf_print(out, "%s",
              needs_homes(wish) ? "# ProtectHome: this worker or its tools lie in a home.\n"
                                : "ProtectHome=yes\n");
    buf_print(out, "%s", left_open);
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
    add_confinement(wish, out);
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
