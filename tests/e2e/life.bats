#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What may die, and what must not: coordinator, agent, supervisor, workers, with real processes. Builds
# are shell commands that stay at a gate until the test opens it, and that write down each time they
# really run.

load farm

setup() {
	farm_setup
	fixture sample
	farm_make "$url"
	gate=$top/gate built=$top/built
	: >"$built"
}

teardown() {
	touch "$gate"
	farm_teardown
}

# project COMMAND: the sample's packages, each built by this shell command. `slots` jobs at a time.
project() {
	branches=$sample_branches farm_project "$1" "silence: ${silence:-2h}"
}

# A build that says what it is, waits at the gate and ends well.
at_gate() {
	echo "echo \$FARM_PACKAGE >>$built; echo begun; while ! [ -e $gate ]; do sleep 0.05; done; echo ended"
}

@test "kill -9 of the coordinator in the middle: the run ends well, nothing is built twice" {
	project "echo \$FARM_PACKAGE >>$built; sleep 0.05"
	farm_up
	worker_up one --slots 4 --emulate "$other-linux"
	wait_until 20 workers_online 1
	farm rebuild --detach
	local round
	for round in 5 20 40; do
		wait_until 60 built_at_least "$round"
		kill_hard farmd
		farm_up
	done
	wait_until 120 run_is closed
	ended_as "67 ok, 0 failed, 0 published"
	[ "$(sort "$built" | uniq -d)" = "" ]
	[ "$(wc -l <"$built")" -eq 67 ]
	farm_result status | jq -e 'all(.run.jobs[]; .attempts == 1)'
}

built_at_least() {
	[ "$(wc -l <"$built")" -ge "$1" ]
}

# to_be_stopped CAUSE|null: what the newest run's only job is announced to be stopped for.
to_be_stopped() {
	farm_result status | jq -e --arg cause "$1" '(.run.jobs[0].stop.cause // "null") == $cause'
}

@test "a build that is silent is announced to be stopped, until it prints" {
	mkfifo "$top/on"
	# A quarter of a minute is left when it is announced.
	# Open for both, so that it meets no end of the pipe between one writer and the next.
	silence=30s project "exec 3<>$top/on; echo begun; read line <&3; echo more; read line <&3; echo ended"
	farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 30 job_is torchvision-python313-cuda12_8-sm90-avx2 phase build
	to_be_stopped null
	wait_until 40 to_be_stopped silent
	run farm status
	says "silent main torchvision-python313-cuda12_8-sm90-avx2: its build on one will be stopped in "
	run farm why sm90-avx2
	says "unless it prints or computes"
	timeout 10 tee "$top/on" <<<go
	wait_until 10 to_be_stopped null
	run farm status
	[[ $output != *"will be stopped in"* ]]
	timeout 10 tee "$top/on" <<<go
	wait_until 30 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
}

@test "kill -9 of the agent: its build goes on, and is reported when the agent is back" {
	project "$(at_gate)"
	farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 30 built_at_least 1
	kill_hard worker-one
	touch "$gate"
	worker_up one --slots 1
	wait_until 30 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(wc -l <"$built")" -eq 1 ]
	run farm logs sm90-avx2
	says begun
	says ended
}

@test "agent and coordinator both killed during a build: it is still the same build" {
	project "$(at_gate)"
	farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 30 built_at_least 1
	kill_hard worker-one
	kill_hard farmd
	touch "$gate"
	farm_up
	worker_up one --slots 1
	wait_until 30 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(wc -l <"$built")" -eq 1 ]
}

@test "a killed supervisor loses its attempt: its tree is ended, and the job is tried again" {
	project "echo \$FARM_PACKAGE >>$built; echo \$\$ >>$top/pids; while ! [ -e $gate ]; do sleep 0.05; done"
	farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 30 built_at_least 1
	local pid supervisor
	pid=$(head -n 1 "$top/pids")
	supervisor=$(sed -n 's/^PPid:[[:blank:]]*//p' "/proc/$pid/status")
	kill -KILL "$supervisor"
	wait_until 20 gone "$pid"
	touch "$gate"
	wait_until 60 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
	job_is torchvision-python313-cuda12_8-sm90-avx2 attempts 2
}

@test "cancel ends the whole process tree" {
	# A grandchild in a session of its own, deaf to TERM.
	project "setsid sh -c 'trap \"\" TERM; echo \$\$ >>$top/pids; while :; do sleep 0.1; done' & echo \$FARM_PACKAGE >>$built; wait"
	farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 30 test -s "$top/pids"
	farm cancel 1
	wait_until 40 gone "$(head -n 1 "$top/pids")"
	wait_until 10 run_is closed
	job_is torchvision-python313-cuda12_8-sm90-avx2 verdict cancelled
}

@test "a draining worker ends what it has and takes nothing new; resumed it does" {
	project "$(at_gate)"
	farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2,avx512'
	wait_until 30 built_at_least 1
	farm worker drain one
	touch "$gate"
	wait_until 30 jobs_closed 1
	farm_rows worker list | jq -e '.[0].state == "draining"'
	[ "$(wc -l <"$built")" -eq 1 ]
	run farm why sm90-avx512
	says drain
	farm worker resume one
	wait_until 30 run_is closed
	ended_as "2 ok, 0 failed, 0 published"
}

jobs_closed() {
	farm_result status | jq -e --argjson number "$1" \
		'[.run.jobs[] | select(.state == "closed")] | length == $number' >/dev/null
}

@test "a worker that is gone for longer than its grace: its job runs elsewhere" {
	lease_ttl=2s lost_grace=2s project "$(at_gate)"
	farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 30 built_at_least 1
	kill_hard worker-one
	worker_up two --slots 1
	wait_until 40 built_at_least 2
	touch "$gate"
	wait_until 30 run_is closed
	job_is torchvision-python313-cuda12_8-sm90-avx2 worker two
	job_is torchvision-python313-cuda12_8-sm90-avx2 attempts 2
	# The first one comes back with its late result: acknowledged, and ignored.
	worker_up one --slots 1
	wait_until 20 workers_online 2
	ended_as "1 ok, 0 failed, 0 published"
}

@test "two workers with one key: the second is told, the first works on" {
	project "$(at_gate)"
	touch "$gate"
	farm_up
	worker_up one --slots 1
	wait_until 20 workers_online 1
	cp -r "$FARM_HOME/workers/one" "$top/thief"
	rm -rf "$top/thief/instance" "$top/thief/attempts"
	# Started as the first one was, but at home elsewhere; refused, it ends or tries on in vain.
	local arguments
	mapfile -d '' -t arguments <"/proc/$(pid_of worker-one)/cmdline"
	timeout 5 "${arguments[@]/"$FARM_HOME/workers/one"/"$top/thief"}" >"$top/thief.log" 2>&1 3>&- || true
	grep -i 'key' "$top/thief.log"
	farm_rows worker list | jq -e 'length == 1 and .[0].state == "online"'
	farm rebuild 'gpu=sm90 isa=avx2'
	ended_as "1 ok, 0 failed, 0 published"
}

@test "pause starts nothing new, resume goes on" {
	project "$(at_gate)"
	touch "$gate"
	farm_up
	worker_up one --slots 1
	farm pause
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 20 run_is open
	run farm why sm90-avx2
	says pause
	[ ! -s "$built" ]
	farm resume
	wait_until 30 run_is closed
}
