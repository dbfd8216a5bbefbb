#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A worker as a resident of a real machine with systemd: system unit and user unit. What runs goes on
# whatever becomes of the agent. Without systemd: enrol.bats.

load farm
load netns
load hosts

setup() {
	farm_setup
	hosts_setup
	net_host laptop
	listen_on=${net_address[laptop]}
	fixture sample
	farm_make "$url"
	farm_project 'echo begun; while ! [ -e /srv/gate ]; do sleep 0.1; done; id -un' 'checkout: false'
	farm_up
	host_boot alpha systemd
	tar -cf - -C "$binary_dir/bundles" x86_64-linux.tar.gz |
		host_ssh root@alpha 'mkdir -p /opt/floxfarm/one && cd /opt/floxfarm && tar -xOf - |
			tar -xz -C one && ln -sfn one current'
}

teardown() {
	farm_teardown
	hosts_teardown
	net_teardown
}

# The farm lives on a host of its own.
farm() {
	net_on laptop timeout --kill-after=5 "${FARM_TIMEOUT_S:-120}" "$bin/farm" --home "$FARM_HOME" "$@"
}

farm_worker=/opt/floxfarm/current/bin/farm-worker

# The only job of the newest run stands in this state.
stands_in() {
	[ "$(farm_result status | jq -r '.run.jobs[0].state')" = "$1" ]
}

# service USER VERB: on alpha, as JSON.
service() {
	host_ssh "$1@alpha" "$farm_worker service $2 --json"
}

agent_of() {
	service "$1" status | jq -e 'select(.pid != 0) | .pid'
}

another_agent() {
	local pid
	pid=$(agent_of "$1")
	[ "$pid" -ne "$2" ]
}

join_as() {
	local token
	token=$(farm token create --name "$2")
	host_ssh "$1@alpha" "$farm_worker join --token $token --slots 2 --isolation none"
	wait_until 30 workers_online 1
	farm rebuild package=torchvision-python313-cpu-avx2 --detach
	wait_until 30 stands_in running
}

# What must not touch the build: restart, crash, stop and start again.
agents_come_and_go() {
	local user=$1 before
	before=$(agent_of "$user")
	service "$user" restart
	wait_until 20 another_agent "$user" "$before"
	before=$(agent_of "$user")
	host_ssh "$user@alpha" "kill -KILL $before"
	wait_until 20 another_agent "$user" "$before"
	service "$user" stop
	[ "$(service "$user" status | jq .running)" = false ]
	service "$user" start
	wait_until 30 workers_online 1
	stands_in running
	host_ssh root@alpha touch /srv/gate
	wait_until 30 stands_in closed
	[ "$(farm_result status | jq -r '.run.jobs[0] | "\(.verdict) \(.attempts)"')" = 'ok 1' ]
}

@test "a system unit: the agent comes and goes, what it builds goes on; it starts at boot" {
	run -0 join_as root alpha
	says 'the worker is running (systemd-system)'
	[ "$(service root status | jq -r '"\(.unit) \(.user) \(.starts_at_boot)"')" = 'floxfarm-worker floxfarm true' ]
	[ "$(host_ssh root@alpha "stat -c %U /proc/$(agent_of root)")" = floxfarm ]
	host_ssh root@alpha "grep -q floxfarm-worker.service /proc/$(agent_of root)/cgroup"
	run -0 host_ssh root@alpha systemctl show floxfarm-worker -p KillMode,Delegate,Slice,OOMScoreAdjust
	says KillMode=process
	says Delegate=yes
	says Slice=floxfarm.slice
	says OOMScoreAdjust=-500
	agents_come_and_go root
	run -0 farm logs cpu-avx2
	says 'floxfarm'
	host_down alpha
	host_boot alpha systemd
	wait_until 60 workers_online 1
	[ "$(service root remove | jq .installed)" = false ]
	run ! host_ssh root@alpha "systemctl cat floxfarm-worker"
	run ! host_ssh root@alpha "test -e /etc/systemd/system/floxfarm.slice"
}

@test "a user unit lingers, and does the same" {
	run -0 join_as builder alpha
	says 'the worker is running (systemd-user)'
	[ "$(service builder status | jq -r '"\(.unit) \(.user) \(.starts_at_boot)"')" = 'floxfarm-worker builder true' ]
	host_ssh builder@alpha "grep -q user@ /proc/$(agent_of builder)/cgroup"
	agents_come_and_go builder
	run -0 farm logs cpu-avx2
	says builder
	[ "$(service builder remove | jq .installed)" = false ]
}
