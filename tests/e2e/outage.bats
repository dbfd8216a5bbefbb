#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an outage does to a build, one at a time: upgrades, cables, half-open connections. Nothing. The
# builds are those of life.bats; coordinator and workers have hosts of their own.

load farm
load farm_hosts

setup() {
	farm_setup
	fixture sample
	hosts_setup one two
	gate=$top/gate built=$top/built package=torchvision-python313-cuda12_8-sm90-avx2
	: >"$built"
}

teardown() {
	touch "$gate"
	hosts_teardown
}

# building [WORKER...]: a farm in the middle of one build, on worker one; its log waits at the gate.
building() {
	local name
	FARM_TIMEOUT_S=30 farm init "$url" >/dev/null
	heartbeat=300ms lease_ttl=${lease_ttl:-2s} lost_grace=${lost_grace:-10m} farm_project \
		"echo \$FARM_PACKAGE >>$built; seq 1 20000; while ! [ -e $gate ]; do sleep 0.05; done; seq 20001 40000" \
		'checkout: false'
	farm_up
	for name in one two; do
		agent_enrol "$name" "$top/$name"
	done
	agent_up one --slots 1
	wait_until 30 workers_online 1
	farm rebuild --detach gpu=sm90 isa=avx2 >/dev/null
	wait_until 30 test -s "$built"
	wait_until 30 job_is "$package" state running
}

# same_build: it ended well, was begun once, and its log is what it printed.
same_build() {
	wait_until "${1:-40}" run_is closed
	ended_as "1 ok, 0 failed, 0 published"
	job_is "$package" attempts 1
	[ "$(wc -l <"$built")" -eq 1 ]
	wait_until 20 log_is_whole
}

log_is_whole() {
	farm logs "$package" --raw | cmp - <(seq 1 40000)
}

worker_is() {
	farm_rows worker list | jq -e --arg name "$1" --arg state "$2" \
		'.[] | select(.worker == $name) | .state == $state' >/dev/null
}

# other_programs: a folder with ours, each a little longer: another binary with another inode.
other_programs() {
	local program
	mkdir -p "$top/programs"
	for program in farm farmd farm-worker farm-supervisor; do
		cp "$bin/$program" "$top/programs/$program.new"
		echo "upgraded" >>"$top/programs/$program.new"
		mv "$top/programs/$program.new" "$top/programs/$program"
	done
}

@test "an agent that is stopped and upgraded, its supervisor's program with it, goes on with its build" {
	other_programs
	agent_programs=$top/programs building
	kill -TERM "${agent[one]}"
	wait_until 20 gone "${agent[one]}"
	other_programs
	agent_programs=$top/programs agent_up one --slots 1
	wait_until 20 worker_is one online
	touch "$gate"
	same_build
}

@test "a coordinator that is stopped and upgraded goes on, and so does the build meanwhile" {
	other_programs
	farm_program=$top/programs/farm
	building
	farm down
	touch "$gate"
	other_programs
	farm_up
	same_build
}

@test "a network that is gone for longer than the lease: offline, and the same build" {
	building
	net_cut one
	wait_until 20 worker_is one offline
	touch "$gate"
	link_mend one
	same_build
}

@test "a network that is gone for longer than the grace: another host builds, and one result counts" {
	lost_grace=1s building
	net_cut one
	agent_up two --slots 1
	wait_until 30 begun_twice
	touch "$gate"
	wait_until 30 run_is closed
	job_is "$package" worker two
	link_mend one
	wait_until 30 worker_is one online
	wait_until 30 nothing_kept
	ended_as "1 ok, 0 failed, 0 published"
	job_is "$package" attempts 2
	job_is "$package" worker two
	log_is_whole
}

begun_twice() {
	[ "$(wc -l <"$built")" -eq 2 ]
}

# What ended late is acknowledged and forgotten, too.
nothing_kept() {
	[ -z "$(find "$top/one/attempts" "$top/two/attempts" -mindepth 1)" ]
}

@test "a worker that is not heard, but hears, is offline; heard again it has the same build" {
	building
	net_silence one coordinator
	wait_until 20 worker_is one offline
	net_mend one
	wait_until 40 worker_is one online
	touch "$gate"
	same_build
}

@test "a worker that does not hear, but is heard, builds on" {
	building
	net_silence coordinator one
	touch "$gate"
	wait_until 20 worker_is one offline
	link_mend one
	same_build
}

@test "a slow line with losses costs time and nothing else" {
	building
	proxy one delay 300
	proxy one loss 20
	touch "$gate"
	same_build 60
}

@test "a host that lost its power comes back while its old connection still stands" {
	building
	proxy one orphan
	agent_kill one
	agent_up one --slots 1
	touch "$gate"
	same_build
}

@test "connections that die without a word are noticed by themselves, and replaced" {
	building
	proxy one vanish
	touch "$gate"
	# Nobody heals the proxy: what stands there stays silent. ZeroMQ's heartbeats give up after 40 s.
	same_build 90
}

@test "a reader of a growing log does not notice that its line was cut, nor that the coordinator died" {
	building
	net_on one env FARM_CONNECT="tcp://127.0.0.1:$control_port" FARM_KEY="$FARM_HOME/keys/admin.key" \
		FARM_SERVER_KEY="$FARM_HOME/keys/farmd.key.pub" \
		"$bin/farm" logs "$package" --follow >"$top/read" 3>&- &
	local reader=$!
	wait_until 30 grep -x 20000 "$top/read"
	proxy one reset
	kill_hard farmd
	touch "$gate"
	farm_up
	same_build
	wait "$reader"
	cmp "$top/read" <(seq 1 40000)
}
