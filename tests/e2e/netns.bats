#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The hosts that other tests stand on: they reach each other, until a cable is cut.

load farm
load netns

setup() {
	farm_setup
	links_before=$(ip -oneline link 2>/dev/null | cut -d : -f 2 | sort)
	net_setup
	net_host one
	net_host two
}

teardown() {
	farm_teardown
	net_teardown
}

# reaches FROM TO: its question comes back answered. Nobody listens there: that is an answer, too.
reaches() {
	local said
	said=$(net_on "$1" timeout 2 bash -c ": </dev/tcp/${net_address[$2]}/9" 2>&1) || true
	[[ $said = *refused* ]]
}

# TCP segments that ever came to a host.
received() {
	net_on "$1" awk '/^Tcp:/ && seen++ { print $11 }' /proc/net/snmp
}

@test "hosts have names of their own and reach each other, and this machine sees nothing of it" {
	[ "$(net_on one hostname)" = one ]
	[ "$(net_on two hostname)" = two ]
	[ "$(hostname)" != one ]
	wait_until 10 reaches one two
	wait_until 10 reaches two one
	[ "$(ip -oneline link | cut -d : -f 2 | sort)" = "$links_before" ]
}

@test "a cut host reaches nobody, and does again when it is mended" {
	wait_until 10 reaches one two
	net_cut one
	run ! reaches one two
	run ! reaches two one
	net_mend one
	wait_until 10 reaches one two
	wait_until 10 reaches two one
}

@test "silence is one-way: what is sent does not arrive, what is answered does" {
	local before
	wait_until 10 reaches one two
	net_silence one two
	before=$(received two)
	run ! reaches one two
	[ "$(received two)" -eq "$before" ]
	before=$(received one)
	run ! reaches two one
	[ "$(received one)" -gt "$before" ]
	net_mend one
	wait_until 10 reaches one two
}

@test "nothing is left of it, whatever still ran there" {
	net_on one sleep 600 3>&- &
	wait_until 10 runs_in one sleep
	run ! net_left
	farm_teardown
	net_teardown
	wait_until 10 net_left
	[ "$(ip -oneline link | cut -d : -f 2 | sort)" = "$links_before" ]
}

# runs_in HOST PROGRAM: beside the one that holds it.
runs_in() {
	local process
	for process in /proc/[0-9]*; do
		[ "${process#/proc/}" != "${net_holder[$1]}" ] || continue
		if [ "$(readlink "$process/ns/net")" = "${net_namespace[$1]}" ] &&
			[ "$(cat "$process/comm")" = "$2" ]; then
			return 0
		fi
	done 2>/dev/null
	return 1
}

@test "the hosts of a test that is killed are gone with it" {
	cat >"$top/killed.bash" <<-'EOT'
		set -e
		bats_require_minimum_version() { :; }
		. "$1/farm.bash"
		. "$1/netns.bash"
		net_setup
		net_host one
		echo "${net_namespace[switch]} ${net_namespace[one]}" >"$2"
		read -r
	EOT
	mkfifo "$top/stdin"
	bash "$top/killed.bash" "$source_dir/tests/e2e" "$top/namespaces" <>"$top/stdin" 3>&- &
	wait_until 20 test -s "$top/namespaces"
	read -r 'net_namespace[other_switch]' 'net_namespace[other_one]' <"$top/namespaces"
	run ! net_left
	says "the namespace of other_one"
	kill -KILL $!
	wait_until 10 other_hosts_are_gone
}

other_hosts_are_gone() {
	[[ $(net_left) != *other_* ]]
}
