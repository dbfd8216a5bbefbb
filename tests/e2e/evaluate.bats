#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Recipes that do not evaluate are known while others build, before their turn comes: with nix, with
# flox (its stand-in), and with a command.

load farm

short=torchvision-python313-cuda12_8-sm90

setup() {
	farm_setup
}

teardown() {
	farm_teardown
}

# project BUILDER [LINE...]: one heavy slot and a light one; the endless build has the heavy one.
project() {
	local builder=$1
	shift
	evaluate_after=1s farm_config <<-EOT
		projects:
		  - name: failing
		    url: $url
		    builder: $builder
		    memory: 1M
		    disk: 1M
		    branches:
		      - name: main
	EOT
	[ $# -eq 0 ] || sed -i "s|^    builder: .*|&\n$(printf '    %s\\n' "$@")|" "$FARM_HOME/farm.yaml"
	farm_up
	worker_up one --slots 2 --heavy 1
	wait_until 20 workers_online 1
}

# endless FILTER: begins the endless build, then a run of the others, which wait behind it.
endless() {
	run=1
	farm rebuild --detach "package=$short-avx2-endless"
	wait_until 60 job_is $short-avx2-endless state running
	farm rebuild --detach "$1"
	run=2
}

# evaluated: the run that evaluates is over.
evaluated() {
	run_is closed 3
}

held_while_the_other_builds() {
	wait_until 120 job_is $short-avx2-eval-error state held
	job_is $short-avx2-eval-error cause eval
	run=1 job_is $short-avx2-endless state running
	run=2
	run farm status 2
	says "1 on hold (eval: error: "
	run farm why 2
	says "1 variant: eval: error: "
	says "found by evaluating them before their turn; 1 wait until hosts have nothing else"
	run farm why "2/$short-avx2-eval-error"
	says "is held: eval: error: "
	run=2
	wait_until 120 evaluated
	# The others wait for their turn as before.
	job_is $short-avx2-noisy state ready
	job_is $short-avx2-noisy attempts 0
	run farm runs
	says "evaluates jobs that wait in 2"
	run=2
}

# ends_itself: then the builds go on, and the recipe fails by its own build.
ends_itself() {
	farm cancel 1
	wait_until 120 run_is closed 2
	job_is $short-avx2-eval-error verdict failed
	job_is $short-avx2-noisy verdict ok
}

@test "nix: what does not evaluate is held while another builds; a network that is down holds nothing" {
	nix_setup
	fixture failing
	farm_make "$url"
	project nix
	endless 'package=*-eval-error,*-noisy,*-download-error'
	held_while_the_other_builds
	# Its evaluation failed, too, but for a reason that passes.
	job_is $short-avx2-download-error state ready
	run=3 job_is evaluate-$short-avx2-download-error cause network
	run=2
	ends_itself
}

@test "flox: the same, by a build that may not build" {
	nix_setup
	fixture failing
	farm_make "$url"
	mkdir -p "$top/flox" "$top/faults/.farm-fake"
	ln -s "$source_dir/tests/standins/flox/flox" "$top/flox/flox"
	printf '%s\n' FAKE_FLOX_VERSION=1.14.1 "FARM_FAKE_FAULTS=$top/faults" \
		"FARM_FAKE_CALLS=$top/calls" "FARM_FAKE_STATE=$top/faults" >"$top/flox/flox.env"
	export PATH=$top/flox:$PATH
	# The catalog cannot be reached when this one is evaluated, once.
	echo FARM_FAKE_HTTP_503=base-catalog:1 >"$top/faults/.farm-fake/$short-avx512"
	project flox
	endless 'package=*-eval-error,*-noisy,*-sm90-avx512'
	held_while_the_other_builds
	job_is $short-avx512 state ready
	run=3 job_is evaluate-$short-avx512 cause network
	# What evaluates was not built: no call of flox for it but the one.
	[ "$(grep -c "$short-avx2-noisy" "$top/calls")" -eq 1 ]
	run=3 job_is evaluate-$short-avx2-noisy verdict ok
	run=2
	ends_itself
}

@test "a command: by the command that farm.yaml names for it" {
	fixture failing
	farm_make "$url"
	cat >"$top/build" <<-'EOT'
		case $FARM_PACKAGE in
		*-endless) exec sleep 600 ;;
		*-eval-error) echo "error: undefined variable 'lbi'"; exit 1 ;;
		esac
	EOT
	project command "checkout: false" "check: \"off\"" "command: sh $top/build" \
		"evaluate: 'case \$FARM_PACKAGE in *-eval-error) sh $top/build ;; esac'" \
		"system: $(uname -m)-linux"
	endless 'package=*-eval-error,*-noisy'
	held_while_the_other_builds
	ends_itself
}
