#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Logs: what a build wrote is what `farm logs` reads back, byte by byte, whatever bytes these are.

load farm

setup() {
	farm_setup
	fixture sample
	farm_make "$url"
	gate=$top/gate
}

teardown() {
	touch "$gate"
	farm_teardown
}

# build_of COMMAND [--paused]: one package without checkout or check, so that its log is the command's
# output.
build_of() {
	farm_project "$1" 'checkout: false'
	farm_up
	worker_up one --slots 1
	[ "${2:-}" != --paused ] || farm pause
	farm rebuild --detach 'gpu=sm90 isa=avx2'
}

@test "bytes no text has: NUL, long lines, no newline, escapes, invalid UTF-8" {
	{
		printf 'begin\0middle\r\033[31mred\033[0m\xff\xfe\xc3\x28 \n'
		head -c 1048576 /dev/zero | tr '\0' x
		printf '\n\n\nno newline at the end'
	} >"$top/wrote"
	build_of "cat $top/wrote"
	wait_until 30 run_is closed
	farm logs sm90-avx2 --raw >"$top/read"
	cmp "$top/wrote" "$top/read"
	# The number that why prints, without the name of the job.
	farm_result why sm90-avx2 >"$top/why"
	farm logs "$(jq -r .why.log "$top/why")" --raw | cmp - "$top/wrote"
	refuses 3 "" farm logs 1.99999
}

@test "a hundred megabytes come back identical" {
	seq 1 12700000 >"$top/wrote"
	build_of "cat $top/wrote"
	wait_until 60 run_is closed
	wait_until 60 same_log
}

same_log() {
	farm logs sm90-avx2 --raw | cmp - "$top/wrote"
}

@test "an empty log is empty" {
	build_of "true"
	wait_until 30 run_is closed
	[ "$(farm logs sm90-avx2 --raw | wc -c)" -eq 0 ]
}

@test "-f follows a build from its first line to its last, and ends with it" {
	build_of "echo first; while ! [ -e $gate ]; do sleep 0.05; done; echo last"
	wait_until 30 job_is torchvision-python313-cuda12_8-sm90-avx2 state running
	farm logs sm90-avx2 -f >"$top/followed" 3>&- &
	local follower=$!
	wait_until 30 grep -x first "$top/followed"
	run grep -x last "$top/followed"
	[ "$status" -ne 0 ]
	touch "$gate"
	wait "$follower"
	[ "$(cat "$top/followed")" = $'first\nlast' ]
}

@test "-f waits for a build that has not begun" {
	build_of "echo first" --paused
	wait_until 30 job_is torchvision-python313-cuda12_8-sm90-avx2 state ready
	run farm logs sm90-avx2
	[ "$status" -eq 3 ]
	says "has not started"
	farm logs sm90-avx2 -f >"$top/followed" 2>"$top/said" 3>&- &
	local follower=$!
	wait_until 30 grep -F "has not started; its log will follow" "$top/said"
	farm resume
	wait "$follower"
	[ "$(cat "$top/followed")" = first ]
}

@test "a log goes on where it stopped when the coordinator was killed meanwhile" {
	build_of "seq 1 200000; echo middle; while ! [ -e $gate ]; do sleep 0.05; done; seq 200001 400000"
	wait_until 30 job_is torchvision-python313-cuda12_8-sm90-avx2 state running
	wait_until 30 log_has middle
	kill_hard farmd
	touch "$gate"
	farm_up
	wait_until 60 run_is closed
	{ seq 1 200000; echo middle; seq 200001 400000; } >"$top/wrote"
	wait_until 30 same_log
}

log_has() {
	farm logs sm90-avx2 --raw | grep -x "$1" >/dev/null
}
