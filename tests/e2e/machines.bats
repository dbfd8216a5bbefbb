#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Machines join a farm, build, are upgraded, replaced and removed: real hosts (hosts.bash), real sshd,
# the programs that a user runs.

load farm
load netns
load hosts
load machines

setup() {
	machines_setup
}

teardown() {
	machines_teardown
}

@test "two architectures: added, the matrix rebuilt, one drained and one upgraded under its build, replaced, removed" {
	# Builds say where they are, count themselves there, and wait for the gate when there is one.
	machines_config 'echo "on $(uname -m) $(uname -n)"; echo $FARM_PACKAGE >>/var/tmp/built; while [ -e /var/tmp/closed ]; do sleep 0.2; done'
	farm up --no-worker
	host_boot alpha systemd
	host_boot arm aarch64
	run -0 add root@alpha --check --accept-new
	says "would"
	[ "$(farm_rows worker list | jq length)" -eq 0 ]

	run -0 add root@alpha
	says "alpha: ready"
	run -0 add builder@arm --accept-new
	says "arm: ready"
	worker_is alpha online
	worker_is arm online
	[ "$(worker_field alpha systems)" != "$(worker_field arm systems)" ]

	# Builds are held, so that what follows happens in the middle of them.
	host_on alpha touch /var/tmp/closed
	host_on arm touch /var/tmp/closed
	farm rebuild --detach
	wait_until 60 at_least 1 '.state == "running" and .worker == "alpha"'
	wait_until 60 at_least 1 '.state == "running" and .worker == "arm"'
	farm worker drain alpha --reason "kernel update"
	run -0 farm worker list
	says "kernel update"
	old=$(agent_of arm builder)
	later_release aarch64
	run -0 farm_later worker upgrade arm
	says "bundle 9.9.9-later"
	[ "$(agent_of arm builder)" != "$old" ]
	host_on alpha rm /var/tmp/closed
	host_on arm rm /var/tmp/closed
	wait_until 120 all_of_aarch64_closed
	# Alpha has ended what it had and taken nothing new.
	worker_is alpha draining
	[ "$(jobs_where '.state != "closed"')" -gt 30 ]
	farm worker resume alpha
	wait_until 180 run_is closed
	ended_as "67 ok, 0 failed, 0 published"
	[ "$(jobs_where '.worker == "alpha" and .system == "x86_64-linux"')" -eq 45 ]
	[ "$(jobs_where '.worker == "arm" and .system == "aarch64-linux"')" -eq 22 ]
	local host
	for host in alpha arm; do
		host_on "$host" cat /var/tmp/built >>"$top/built"
	done
	[ "$(sort "$top/built" | uniq -d)" = "" ]
	[ "$(wc -l <"$top/built")" -eq 67 ]
	[ "$(jobs_where '.attempts != 1')" -eq 0 ]
	run -0 farm logs cpu-armv9
	says "on aarch64 arm"
	run -0 farm logs sm90-avx2
	says "on x86_64 alpha"

	# Arm's disk was replaced: another host key, no worker. Its name, and a new key.
	host_reinstall arm aarch64
	refuses 3 "--replace" add builder@arm
	run -0 add builder@arm --replace arm --accept-new
	says "arm: ready"
	wait_until 20 worker_is arm online
	farm rebuild --detach --force 'isa=armv9'
	wait_until 60 run_is closed

	run -0 farm worker remove alpha --purge
	run -0 farm worker remove arm --purge
	run farm worker list
	[[ $output != *online* ]]
	for path in /opt/floxfarm /var/lib/floxfarm/worker /etc/systemd/system/floxfarm-worker.service; do
		run ! host_on alpha test -e "$path"
	done
	run ! host_on arm test -e "$homes/builder/.floxfarm/worker"
	run ! host_on arm test -e "$homes/builder/.local/share/floxfarm/current"
	run ! host_on alpha pgrep -l farm-
	run ! host_on arm pgrep -lf bin/farm-
}

all_of_aarch64_closed() {
	[ "$(jobs_where '.system == "aarch64-linux" and .state != "closed"')" -eq 0 ]
}
