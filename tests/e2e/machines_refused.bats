#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What keeps a machine from joining, met on real hosts: each is one line that says what to do, leaves
# the host as it was, and is over when that was done. ssh.bats plays what no host here has: another
# processor.

load farm
load netns
load hosts
load machines

setup() {
	machines_setup
	machines_config "true"
	farm up --no-worker
	host_boot beta plain
}

teardown() {
	machines_teardown
}

nothing_was_done() {
	run ! host_on beta test -e /opt/floxfarm/current
	run ! host_on beta test -e "$homes/builder/.local/share/floxfarm/current"
	[ "$(farm_rows worker list | jq length)" -eq 0 ]
}

@test "a host key that nobody vouched for, and one that has changed" {
	refuses 3 "--accept-new" add builder@beta
	[ ! -s "$HOME/.ssh/known_hosts" ]
	host_known beta >"$HOME/.ssh/known_hosts"
	sed -i 's/^/# /' "$HOME/.ssh/known_hosts"
	refuses 3 "--accept-new" add builder@beta
	# A stranger's key where beta's is expected: nobody is asked, --accept-new or not.
	ssh-keygen -q -t ed25519 -N '' -f "$top/stranger"
	echo "${net_address[beta]} $(cut -d ' ' -f 1,2 "$top/stranger.pub")" >"$HOME/.ssh/known_hosts"
	refuses 3 "someone may intercept the connection" add builder@beta --accept-new
	nothing_was_done
	host_known beta >"$HOME/.ssh/known_hosts"
	run -0 add builder@beta
	says "beta: ready"
}

@test "a login that the host refuses" {
	host_on beta rm "$homes/builder/.ssh/authorized_keys"
	refuses 3 "ssh-copy-id" add builder@beta --accept-new
	refuses 3 "ssh-copy-id" add nobody-here@beta --accept-new
	nothing_was_done
	run -0 add root@beta --run-as builder
	says "beta: ready"
	[ "$(worker_field beta state)" = online ]
}

# typing ANSWERS COMMAND...: on a terminal, where each prompt for a password gets the next word of
# ANSWERS; then what the terminal showed.
typing() {
	python3 -c '
import os, pty, sys
answers, shown = sys.argv[1].split(), b""
def read(fd):
    global shown
    said = os.read(fd, 4096)
    shown += said
    while answers and shown.count(b"Password of") > typed[0]:
        typed[0] += 1
        os.write(fd, answers.pop(0).encode() + b"\n")
    return said
typed = [0]
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))' "$@" </dev/null
}

@test "a password, typed on a terminal: wrong at first, never shown" {
	local program=("$bin/farm" --home "$FARM_HOME" worker add "builder@${net_address[beta]}" --accept-new)
	host_on beta rm "$homes/builder/.ssh/authorized_keys"
	host_on beta sh -c 'echo builder:open.sesame | chpasswd'
	run -0 typing "shut.sesame open.sesame" \
		nsenter --target "${net_holder[laptop]}" --net --uts -- timeout 120 "${program[@]}"
	says "Wrong password"
	says "ready: $here-linux"
	[[ $output != *sesame* ]]
	worker_is beta online
}

@test "no git there" {
	host_on beta mv /usr/bin/git /usr/bin/git.away
	refuses 3 "the host has no git: install it" add builder@beta --accept-new
	nothing_was_done
	host_on beta mv /usr/bin/git.away /usr/bin/git
	run -0 add builder@beta
}

@test "no space there: before anything is sent, and when it is used up meanwhile" {
	host_on beta mkdir -p /small
	host_on beta mount -t tmpfs -o size=8m,mode=1777 small /small
	refuses 3 "MiB free, but a worker needs" add builder@beta --accept-new --prefix /small/opt
	# Enough by its own word, and then not: quotas and others' files are like that.
	host_on beta mount -o remount,size=400m,nr_inodes=12 /small
	refuses 3 "no space is left in /small" add builder@beta --prefix /small/opt
	run ! host_on beta test -e /small/opt/current
	host_on beta mount -o remount,nr_inodes=1000 /small
	run -0 add builder@beta --prefix /small/opt
	says "beta: ready"
}

@test "a host that does not reach the coordinator is told where it looked; with a tunnel it does" {
	# The laptop's firewall: what comes from beta finds nobody home, but for answers.
	net_host elsewhere
	refuses 3 "${net_address[elsewhere]}:$control_port" \
		add builder@beta --accept-new --coordinator "tcp://${net_address[elsewhere]}:$control_port"
	run -0 add builder@beta --tunnel
	says "beta: ready"
	host_on beta grep -q 'connect tcp://127.0.0.1:17' "$homes/builder/.floxfarm/worker/worker.conf"
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 60 run_is closed
	ended_as "1 ok, 0 failed, 0 published"

	# The network is away for a while: the tunnel comes back by itself, the worker with it.
	local first
	first=$(pid_of tunnel-beta)
	host_down beta
	wait_until 60 tunnel_is_not open
	host_boot beta plain
	wait_until 60 tunnel_is open
	[ "$(pid_of tunnel-beta)" = "$first" ]
	host_on beta su - builder -c '.local/share/floxfarm/current/bin/farm-worker service start'
	wait_until 30 worker_is beta online
	farm rebuild --detach --force 'gpu=sm90 isa=avx2'
	wait_until 60 run_is closed
	run -0 farm worker remove beta
	wait_until 20 gone "$first"
}

tunnel_is() {
	[ "$(cat "$FARM_HOME/run/tunnel-beta.state")" = "$1" ]
}

tunnel_is_not() {
	! tunnel_is "$1"
}

@test "a cable that is pulled in the middle of the upload; two people at a time" {
	# An unpacking that has begun and goes no further, so that the middle can be met.
	host_on beta tee /usr/local/bin/tar <<-'EOT'
		#!/bin/sh
		head -c 1000000 >/dev/null
		touch /var/tmp/begun
		exec tail -f /dev/null
	EOT
	host_on beta chmod 755 /usr/local/bin/tar
	add builder@beta --accept-new >"$top/add.log" 2>&1 3>&- &
	local adding=$!
	wait_until 30 host_on beta test -e /var/tmp/begun
	refuses 3 "the host is being set up by" add builder@beta
	net_cut beta
	wait_until 120 gone "$adding"
	run -3 wait "$adding"
	cat "$top/add.log"
	grep -F "${net_address[beta]}" "$top/add.log"
	run ! host_on beta test -e "$homes/builder/.local/share/floxfarm/current"
	net_mend beta
	host_on beta rm /usr/local/bin/tar
	wait_until 120 add builder@beta
	run -0 host_ssh builder@beta .local/share/floxfarm/current/bin/farm-worker service status
	run ! host_on beta test -e "$homes/builder/.local/share/floxfarm/.incoming"
}

@test "a name that is taken, by another host or by the same" {
	run -0 add builder@beta --accept-new
	host_boot gamma plain
	refuses 3 "the name beta is taken by another host" add builder@gamma --accept-new --name beta
	[[ $output = *"--replace beta"* ]]
	refuses 3 "already in the farm as beta" add builder@beta --name again
	run -0 add builder@gamma
	says "gamma: ready"
}
