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

@test "two packages that say that the host lacks something have it probed; a host that builds goes on" {
	attempts_max=1 retry_delay=1h project
	run farm rebuild no-feature
	[ "$status" -eq 1 ]
	has wrong-host $short-avx2-no-feature
	run ! probe_is 2 open # one package alone may be wrong about it
	# Another package that this host cannot build, for a reason of its own.
	run farm rebuild wrong-platform
	[ "$status" -eq 1 ]
	has wrong-host $short-avx2-wrong-platform
	wait_until 60 probe_is 3 closed
	farm_rows worker list | jq -e '.[0].state == "online"'
	farm rebuild sm90-avx2-noisy
	ended_as "1 ok, 0 failed, 0 published"
}

# probe_is RUN STATE
probe_is() {
	farm_result status "$1" | jq -e --arg state "$2" '.run.task == "probe" and .run.state == $state'
}

# Recipes that print what would touch others if it were believed. One host, so that nobody else can
# take what it is kept from.
@test "what a recipe prints decides about its own job: the other jobs run on" {
	local checkout=$top/checkout name line
	git clone --quiet "$repository" "$checkout"
	while read -r name line; do
		cat >"$checkout/.flox/pkgs/liar-$name.nix" <<-EOT
			{ }: derivation {
			  name = "liar-$name"; system = builtins.currentSystem; builder = "/bin/sh";
			  args = [ "-c" "echo '$line' >&2; exit 1" ];
			}
		EOT
	done <<-'EOT'
		illegal bash: line 1: 7 Illegal instruction (core dumped)
		exec ./probe: cannot execute: Exec format error
		march cc1: error: bad value (armv9-a) for -march= switch
		option gcc: error: unrecognized command-line option -mavx2
		disk cc1: fatal error: error writing to /tmp/x.s: No space left on device
		quota cp: error writing: Disk quota exceeded
		token ERROR: 401 Unauthorized: no
		denied ERROR: 403 Forbidden: You are not permitted to write to this catalog.
		feature Reason: required system or feature not available
		daemon error: Nix daemon disconnected unexpectedly
		killed gcc: fatal error: Killed signal terminated program cc1plus
	EOT
	git -C "$checkout" add --all
	git -C "$checkout" commit --quiet --message "Tell lies"
	git -C "$checkout" push --quiet
	attempts_max=1 retry_delay=1h project
	sed -i "s|^    builder: nix|&\n    system: $here-linux|" "$FARM_HOME/farm.yaml"
	farm config reload
	FARM_TIMEOUT_S=200 run farm rebuild 'package=liar-*'
	echo "$output"
	[ "$status" -eq 1 ]
	job_is liar-feature cause wrong-host
	job_is liar-disk cause disk-full
	farm_rows worker list | jq -e '.[0].state == "online"'
	run farm status --all
	[[ $output != *clean* ]]
	farm rebuild sm90-avx2-noisy
	ended_as "1 ok, 0 failed, 0 published"
	farm_rows worker list | jq -e '.[0].state == "online"'
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

@test "a host that cannot build anything is quarantined by the farm's own probe, and comes back by it" {
	local tools=$top/tools
	# nix-store does not build the farm's own derivation for as long as $top/broken is there.
	mkdir -p "$tools"
	cat >"$tools/nix-store" <<-EOT
		#!/bin/sh
		case " \$* " in *" --realise "*-farm-smoke.drv*) ! test -e $top/broken || { echo "error: boom" >&2; exit 1; } ;; esac
		exec $(command -v nix-store) "\$@"
	EOT
	chmod +x "$tools/nix-store"
	PATH=$tools:$PATH
	touch "$top/broken"
	attempts_max=1 retry_delay=1s project
	run farm rebuild 'package=*-no-feature,*-wrong-platform'
	[ "$status" -eq 1 ]
	wait_until 60 worker_is quarantined probation
	farm_rows worker list | jq -e '.[0].reason | contains("a probe of the farm'"'"'s own failed here: ")'
	rm "$top/broken"
	wait_until 60 worker_is online
	farm rebuild sm90-avx2-noisy
	ended_as "1 ok, 0 failed, 0 published"
}

# worker_is STATE...: the only one.
worker_is() {
	local state
	state=$(farm_rows worker list | jq -r '.[0].state')
	[[ " $* " == *" $state "* ]]
}
