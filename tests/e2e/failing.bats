#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Recipes that fail on purpose, each in its own way, built by nix: the farm ends the rest, finds the
# cause, and says it. tests/fixtures/failing/README.md is what is expected.

load farm

short=torchvision-python313-cuda12_8-sm90

setup() {
	farm_setup
	nix_setup
	fixture failing
	farm_make "$url"
}

teardown() {
	farm_teardown
}

project() {
	farm_config <<-EOT
		projects:
		  - name: failing
		    url: $url
		    builder: nix
		    heavy: false
		    memory: 1M
		    disk: 1M
		    silence: 8s
		    wall: 40s
		    branches:
		      - name: main
		        exclude: [${exclude:-}]
	EOT
	farm_up
	worker_up one --slots 4
	wait_until 20 workers_online 1
}

# has CAUSE PACKAGE [VERDICT]
has() {
	job_is "$2" verdict "${3:-failed}"
	job_is "$2" cause "$1"
}

@test "each failure has its cause, and what can be built is" {
	# These two blame the host; they have a test of their own.
	exclude='"*-no-feature", "*-wrong-platform"' attempts_max=1 project
	FARM_TIMEOUT_S=200 run farm rebuild
	echo "$output"
	[ "$status" -eq 1 ]
	says "2 jobs wait: no worker builds for aarch64-linux"
	run_is open # a host may still come for what waits
	has none $short-avx2 ok
	has none $short-avx2-noisy ok
	has none $short-avx512 ok
	has compile $short-avx2-compile-error
	has oom $short-avx2-compiler-killed
	has disk-full $short-avx2-disk-full
	has network $short-avx2-no-network
	has compile $short-avx2-hash-mismatch
	has eval $short-avx2-eval-error
	has none $short-avx2-check-fails ok # no GPU of sm90 here: it is not checked
	job_is $short-avx2-check-fails checked none
	has silent $short-avx2-silent timed-out
	has timeout $short-avx2-endless timed-out
	job_is torchvision-python313-darwin-mps verdict unroutable
	job_is $short-armv8_2 state ready
	run farm why $short-avx2-compile-error
	says "1 variant: compile: "
	says "; seen on one"
	run farm why $short-avx2-hash-mismatch
	says "hash mismatch in fixed-output derivation"
	says ".drv': got: sha256-"
	run farm why 1
	says "not tried again"
	farm_result why 1 | jq -e '.clusters | map(select(.cause == "compile")) | .[0].lines | length > 0'
	run farm why torchvision-python313-darwin-mps
	says aarch64-darwin
}

@test "retry --failed makes a new run of what failed; --at takes the branch after a fix" {
	local checkout=$top/checkout
	attempts_max=1 project
	run farm rebuild 'package=*-compile-error,*-sm90-avx2'
	[ "$status" -eq 1 ]
	ended_as "1 ok, 1 failed, 0 published" 1
	# The same commit: the same end.
	run farm retry 1 --failed
	[ "$status" -eq 1 ]
	ended_as "0 ok, 1 failed, 0 published" 2
	farm_result status 2 | jq -e '.run.retry_of == 1'
	run farm why 1
	[[ $output != *"first seen in"* ]]
	kill_hard farmd
	farm_up
	run farm why 2
	says "first seen in run 1, "
	says ": $short-avx2-compile-error on one"
	# Fixed on the branch.
	git clone --quiet "$repository" "$checkout"
	sed 's/sm90-avx2/sm90-avx2-compile-error/' "$checkout/.flox/pkgs/$short-avx2.nix" \
		>"$checkout/.flox/pkgs/$short-avx2-compile-error.nix"
	git -C "$checkout" commit --quiet --all --message "Make it compile"
	git -C "$checkout" push --quiet
	farm retry 1 --failed --at main
	ended_as "1 ok, 0 failed, 0 published" 3
	# Every earlier attempt and log stays.
	ended_as "1 ok, 1 failed, 0 published" 1
	farm logs 1/compile-error | grep -a error:
	farm logs 3/compile-error | grep -a '^installed '
}

@test "a host that lacks what two packages need is quarantined; one package alone may be wrong about it" {
	attempts_max=1 retry_delay=1h project
	run farm rebuild no-feature
	[ "$status" -eq 1 ]
	has wrong-host $short-avx2-no-feature
	farm_rows worker list | jq -e '.[0].state == "online"'
	# Another package that this host cannot build, for a reason of its own.
	run farm rebuild wrong-platform
	[ "$status" -eq 1 ]
	has wrong-host $short-avx2-wrong-platform
	farm_rows worker list | jq -e '.[0].state == "quarantined"'
	farm rebuild --detach sm90-avx2-noisy
	wait_until 30 run_is open
	run farm why sm90-avx2-noisy
	says "quarantined: 2 packages found that it does not have what it claims"
	farm worker resume one
	wait_until 60 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
}

# The host's nix-daemon and pressure are made up, below $top/host; the recipe changes them.
@test "what nix-daemon went through under a build is its cause, and why shows it" {
	local host=$top/host unit=sys/fs/cgroup/system.slice/nix-daemon.service checkout=$top/checkout
	mkdir -p "$host/proc/40" "$host/proc/pressure" "$host/$unit"
	echo nix-daemon >"$host/proc/40/comm"
	echo "40 (nix-daemon) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 300 0 0" >"$host/proc/40/stat"
	echo 0::/system.slice/nix-daemon.service >"$host/proc/40/cgroup"
	echo oom_kill 3 >"$host/$unit/memory.events"
	cat >"$top/supervisor" <<-EOT
		#!/bin/bash
		for ((i = 1; i < \$#; i++)); do
			[ "\${!i}" != --host-facts ] || { j=\$((i + 1)) && set -- "\${@:1:i}" "$host" "\${@:j+1}"; break; }
		done
		exec "$bin/farm-supervisor" "\$@"
	EOT
	chmod +x "$top/supervisor"
	git clone --quiet "$repository" "$checkout"
	cat >"$checkout/.flox/pkgs/hungry.nix" <<-EOT
		{ }: derivation {
		  name = "hungry"; system = builtins.currentSystem; builder = "/bin/sh";
		  args = [ "-c" "echo oom_kill 5 >$host/$unit/memory.events; echo full avg10=40.05 >$host/proc/pressure/memory; exit 1" ];
		}
	EOT
	git -C "$checkout" add --all
	git -C "$checkout" commit --quiet --message "Want more than there is"
	git -C "$checkout" push --quiet
	attempts_max=1 project
	sed -i "s|^    builder: nix|&\n    system: $here-linux|" "$FARM_HOME/farm.yaml"
	farm down --workers >/dev/null
	farm_up
	worker_up one --slots 4 --supervisor "$top/supervisor"
	wait_until 20 workers_online 1
	run farm rebuild hungry
	[ "$status" -eq 1 ]
	has oom hungry
	run farm why hungry
	says "the kernel killed processes of nix-daemon because memory ran out"
	says "attempt 1: out of memory, the kernel killed 2 of nix-daemon's processes; at the end all processes of the host waited for memory 40 %"
}

@test "a quarantined host comes back through a job that ends well" {
	attempts_max=1 retry_delay=1s project
	run farm rebuild 'package=*-no-feature,*-wrong-platform'
	[ "$status" -eq 1 ]
	farm_rows worker list | jq -e '.[0].state | . == "quarantined" or . == "probation"'
	farm rebuild sm90-avx2-noisy
	farm_rows worker list | jq -e '.[0].state == "online"'
}
