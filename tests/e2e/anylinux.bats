#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A worker needs no libc of its host: hosts without one in its usual place, with an older and with a newer
# one join, build, are upgraded under a build and come back, with the programs that this machine built.

load farm
load netns
load hosts
load machines

setup() {
	machines_setup
	# A build counts what it has of the worker's loader and libraries, and its stack to show that it
	# counts; says that it runs, and ends when the gate opens.
	machines_config 'echo "has $(env | grep -c ^LD_) $(grep -c floxfarm /proc/self/maps) $(grep -c stack /proc/self/maps)"; echo $FARM_PACKAGE >>/var/tmp/built; while [ -e /var/tmp/closed ]; do sleep 0.2; done'
	farm up --no-worker
}

teardown() {
	machines_teardown
}

# named NAME PID PROGRAM: what `ps` reads, as comm and as argv[0], and whose file runs.
named() {
	host_on "$1" cat "/proc/$2/comm" "/proc/$2/cmdline" | tr '\0' '\n' >"$top/named"
	cat "$top/named"
	[ "$(sed -n 1p "$top/named")" = "$(cut -c 1-15 <<<"$3")" ]
	[[ $(sed -n 2p "$top/named") = */bin/$3 ]]
	[[ $(host_on "$1" readlink "/proc/$2/exe") = */bin/$3 ]]
}

another_agent() {
	local now
	now=$(agent_of "$1" "$2") && [ "$now" -ne 0 ] && [ "$now" -ne "$3" ]
}

# supervisor_of NAME: the pid of the supervisor of the build there.
supervisor_of() {
	host_on "$1" sh -c 'grep -l "^Name:.farm-supervisor$" /proc/[0-9]*/status' | head -n 1 | tr -dc 0-9
}

# serves NAME USER: everything that a worker does there, through a tunnel.
serves() {
	local first
	run -0 add "$2@$1" --accept-new --tunnel --no-smoke
	says "$1: ready"
	worker_is "$1" online
	host_on "$1" touch /var/tmp/closed
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 60 host_on "$1" test -s /var/tmp/built
	first=$(agent_of "$1" "$2")
	named "$1" "$first" farm-worker
	named "$1" "$(supervisor_of "$1")" farm-supervisor

	later_release x86_64
	run -0 farm_later worker upgrade "$1"
	says "bundle 9.9.9-later"
	another_agent "$1" "$2" "$first"
	first=$(agent_of "$1" "$2")
	named "$1" "$first" farm-worker
	host_on "$1" kill -KILL "$first"
	wait_until 30 another_agent "$1" "$2" "$first"
	host_on "$1" rm /var/tmp/closed
	wait_until 60 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(jobs_where '.attempts != 1')" -eq 0 ]

	# A build has nothing of it.
	run -0 farm logs sm90-avx2
	says "has 0 0 1"
}

# finds_names NAME: users and hosts, by the bundle's own name service, where a plugin that the host asks for
# belongs to another libc.
finds_names() {
	local program=/opt/floxfarm/current/bin/farm-worker
	printf 'passwd: files hesiod\nhosts: files hesiod dns\n' | host_on "$1" tee /etc/nsswitch.conf
	echo "${net_address[laptop]} laptop.example" | host_on "$1" tee -a /etc/hosts
	host_on "$1" mkdir /var/tmp/other
	printf 'connect tcp://laptop.example:%s\nserver-key x\n' "$control_port" | host_on "$1" tee /var/tmp/other/worker.conf
	run host_on "$1" "$program" doctor --home /var/tmp/other
	says "tcp://laptop.example:$control_port answers"
	run ! host_on "$1" "$program" service install --home /var/tmp/other --user ghost
	says "this host has no user ghost"
}

# refuses_old_kernels NAME: the doctor there, as on a kernel without the call.
refuses_old_kernels() {
	run host_on "$1" systemd-run --quiet --pipe --wait -p SystemCallFilter=~pidfd_open -p SystemCallErrorNumber=ENOSYS \
		/opt/floxfarm/current/bin/farm-worker doctor --home /var/tmp/other
	says "has no pidfd_open"
	says "upgrade the kernel to Linux 5.3 or later"
}

leaves() {
	run -0 farm worker remove "$1" --purge
	run ! host_on "$1" sh -c 'grep -l "^Name:.farm-" /proc/[0-9]*/status'
}

@test "programs in a store, as NixOS has them: no loader and no libc in its usual place" {
	host_boot alpha store
	run ! host_on alpha test -e /lib64 -o -e /lib -o -e /usr
	serves alpha builder
	leaves alpha
}

# bats test_tags=long
@test "Debian 11: an older libc, systemd" {
	host_boot alpha host11
	serves alpha root
	[ "$(host_on alpha systemctl is-active floxfarm-worker)" = active ]
	finds_names alpha
	refuses_old_kernels alpha
	leaves alpha
}

# bats test_tags=long
@test "Debian 13: a newer libc, systemd" {
	host_boot alpha host13
	serves alpha root
	[ "$(host_on alpha systemctl is-active floxfarm-worker)" = active ]
	finds_names alpha
	refuses_old_kernels alpha
	leaves alpha
}
