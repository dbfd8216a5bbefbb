#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The machines that tests add to a farm: what they are, and that nothing of them is left.

load farm
load netns
load hosts

setup() {
	farm_setup
	hosts_setup
	net_host laptop
}

teardown() {
	farm_teardown
	hosts_teardown
	net_teardown
}

@test "a host with systemd: it runs, has scopes, and is nobody else" {
	host_boot alpha systemd
	[ "$(host_ssh root@alpha uname -m)" = x86_64 ]
	[ "$(host_ssh builder@alpha hostname)" = alpha ]
	[ "$(host_ssh root@alpha systemctl is-system-running)" = running ]
	[ "$(host_ssh root@alpha systemd-run --quiet --scope --unit farm-test.scope cat /proc/self/comm)" = cat ]
	[ "$(host_ssh root@alpha cat /proc/1/comm)" = systemd ]
	[ "$(host_ssh root@alpha cat /etc/machine-id)" != "$(cat /etc/machine-id)" ]
	[ "$(host_ssh root@alpha cat /proc/sys/kernel/random/boot_id)" != "$(cat /proc/sys/kernel/random/boot_id)" ]
	host_ssh builder@alpha "loginctl enable-linger"
	wait_until 10 host_ssh builder@alpha systemctl --user is-active default.target
}

@test "a host without systemd: a boot gives it another boot id, and what was written stays" {
	host_boot beta plain
	[ "$(host_ssh builder@beta uname -m)" = x86_64 ]
	run ! host_ssh root@beta test -e /run/systemd/system
	local before
	before=$(host_ssh builder@beta 'echo kept >note; cat /proc/sys/kernel/random/boot_id')
	host_down beta
	host_boot beta plain
	[ "$(host_ssh builder@beta cat note)" = kept ]
	[ "$(host_ssh builder@beta cat /proc/sys/kernel/random/boot_id)" != "$before" ]
	host_reinstall beta plain
	run ! host_ssh builder@beta cat note
}

@test "an aarch64 host: Debian for arm64 with its own sshd" {
	host_boot arm aarch64
	[ "$(host_ssh builder@arm uname -m)" = aarch64 ]
	[ "$(host_ssh root@arm hostname)" = arm ]
	host_ssh root@arm dpkg --print-architecture | grep -x arm64
	host_ssh root@arm dpkg --audit
}

@test "nothing is left of them, whatever still ran there" {
	local group
	host_boot alpha systemd
	group=floxfarm-test-$(cksum <<<"$top/hosts/alpha" | cut -d ' ' -f 1)
	find /sys/fs/cgroup -type d -path "*/$group/*" | grep .
	host_boot beta plain
	host_ssh builder@beta 'setsid sleep 600 >/dev/null 2>&1 </dev/null & echo started'
	host_ssh root@alpha systemd-run --quiet --unit farm-test sleep 600
	run ! net_left
	farm_teardown
	hosts_teardown
	net_teardown
	wait_until 10 net_left
	lacks -F "$top" /proc/self/mountinfo
	[ -z "$(find /sys/fs/cgroup -type d -path "*/$group*")" ]
}
