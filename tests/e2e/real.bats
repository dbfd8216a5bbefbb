#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The person of the README and two repositories as large as real ones (tests/fixtures/real): 1,295 recipes
# on 13 branches, through init, up, project add, target add, plan, rebuild, retry and ledger, without a
# hand on farm.yaml. Packages are built and published by flox's stand-in, on one x86_64 host and on one
# for aarch64 that comes late. What these commands may cost is measured by tests/bench/real.

load farm

# The branches that publish a name which several have, the preferred first; the last two hold nothing
# that the others have not.
preferred='2.10-*,2.9-python*,2.9-vllm-*,2.8-*,pytorch-2.10,pytorch-2.9,build-torchvision/main,main'

setup() {
	farm_setup
	nix_setup
	catalog=$top/catalog
	"$fixtures/real/generate" "$top/git" >/dev/null
	mkdir -p "$catalog" "$top/faults/.farm-fake"
	flox_for x86_64
	# The nix of an aarch64 host: by itself it builds for that.
	cp -r "$NIX_CONF_DIR" "$top/nix-aarch64"
	echo "system = aarch64-linux" >>"$top/nix-aarch64/nix.conf"
	flox_for aarch64
	export PATH=$top/flox-x86_64:$PATH
}

teardown() {
	farm_teardown
}

# flox_for CPU: the programs that a host of this architecture has, in $top/flox-CPU: flox, and a python3.13 as
# pyenv makes them, which is there by name alone.
flox_for() {
	mkdir -p "$top/flox-$1"
	printf '#!/bin/sh\necho "pyenv: python3.13: command not found" >&2\nexit 127\n' >"$top/flox-$1/python3.13"
	chmod +x "$top/flox-$1/python3.13"
	ln -s "$source_dir/tests/standins/flox/flox" "$top/flox-$1/flox"
	printf '%s\n' FAKE_FLOX_VERSION=1.15.0 "FARM_FAKE_CATALOG=$catalog" "FARM_FAKE_FAULTS=$top/faults" \
		>"$top/flox-$1/flox.env"
}

# token: a JSON web token as FloxHub makes them, unsigned, good for a month.
token() {
	local claims
	claims=$(printf '{"exp":%d,"https://flox.dev/handle":"maintainer"}' $(($(date +%s) + 30 * 86400)))
	printf '%s.%s.none' "$(base64url '{"alg":"none"}')" "$(base64url "$claims")"
}

base64url() {
	printf '%s' "$1" | base64 -w 0 | tr '+/' '-_' | tr -d '='
}

# begin [TARGET_OPTION...]: what a person types to have both repositories planned.
begin() {
	{
		farm_make "file://$top/git/build-pytorch.git"
		farm up --isolation none --trust-recipes # the stand-in is elsewhere
		farm project add "file://$top/git/build-torchvision.git"
		farm target add example --flox example --branches '*' "$@"
		token | farm secret set example
		# Nothing here is heavy, whatever farm.yaml takes it for.
		farm worker set local slots=4 heavy=4
	} >"$top/said" 2>&1
	wait_until 20 workers_online 1
}

# The aarch64 host, added from the sofa.
add_arm_host() {
	[ "$here" = x86_64 ] || skip "the late host of these tests is an aarch64 one"
	PATH=$top/flox-aarch64:${PATH#"$top/flox-x86_64:"} NIX_CONF_DIR=$top/nix-aarch64 \
		worker_up arm --emulate aarch64-linux --slots 4 --heavy 4 --may-publish
}

# progress_is WORD RUN
progress_is() {
	[ "$(farm_result status "$2" | jq -r .run.progress)" = "$1" ]
}

# screen COMMAND...: what it prints on a terminal of 80 columns and 24 lines, in $output; it must fit.
screen() {
	run script --quiet --return --command "stty rows 24 cols 80; '$bin/farm' --home '$FARM_HOME' $*" /dev/null
	output=$(sed 's/\x1b\[[0-9;]*m//g; s/\r$//' <<<"$output")
	echo "$output"
	[ "$(wc -l <<<"$output")" -le 24 ]
	[ "$(wc -L <<<"$output")" -le 80 ]
}

@test "from nothing to a plan of 1,295 variants; names of several branches are undecided, and it is said" {
	begin
	grep -q "293 names stand on several branches" "$top/said"
	grep -q "339 names stand on several branches" "$top/said"
	grep -q "Proposed for their target, in the order that you prefer: \`collisions: order\` and" "$top/said"
	grep -q "1 for macOS (not built: workers run" "$FARM_HOME/farm.yaml"
	lacks "does not show a system" "$FARM_HOME/farm.yaml"
	farm_result matrix | jq -e '.items | length == 1295 and ([.[] | "\(.project)/\(.branch)"] | unique | length) == 13'

	# Names of several branches are refused, the rest is not; macOS is no question, and what the others
	# wait for is said.
	[ "$(counted plan --publish)" = '{"build":259,"collide":906,"unroutable":12,"wait":118}' ]
	run -0 farm plan --publish branch=pytorch-2.10
	says "no worker builds for aarch64-linux: \`farm worker add\` adds one"
	run -0 farm ledger --matrix branch=pytorch-2.10
	says "0 of 111 published"
}

# counted plan OPTION...: the variants by what would become of them.
counted() {
	farm_result "$@" | jq -cS '.items | group_by(.disposition) | map({(.[0].disposition): length}) | add'
}

# nothing_new [FILTER...]: nothing has changed, so the next evening builds nothing that was published.
nothing_new() {
	farm_result plan --publish "$@" | jq -e '.items | length > 0 and all(.disposition == "skip" or
		.disposition == "unroutable" or (.disposition == "build" and .not_published != ""))'
}

# One of each kind: for both hosts, with and without a GPU, for macOS, of two lines and two projects.
slice='package=*-cpu-armv9,*-cpu-avx2,*-darwin-mps,*cuda12_8-sm61-avx2 branch=main,2.10-python313'

@test "home after rebuild --publish --wait-all; the ARM host comes at night; one screen, exit code 0" {
	begin --order "$preferred"
	# Each of the 716 names is published once (4 of them are for macOS alone), the losers are built only.
	farm_result plan --publish | jq -e '.items |
		([.[] | select(.disposition == "unroutable")] | length == 12) and (map(select(.disposition != "unroutable")) |
		(group_by(.disposition) | map([.[0].disposition, length]) == [["build", 901], ["wait", 382]]) and
		([.[] | select(.not_published == "") | .package] | length == 712 and length == (unique | length)) and
		([.[] | select(.not_published != "")] | length == 571))'
	farm_result ledger --matrix | jq -e '.matrix | group_by(.standing) | map({(.[0].standing): length}) | add ==
		{lost: 571, never: 712, none: 12}'

	# All of it as one run, of which nothing begins: what people look at fits.
	farm pause "until it is dark"
	farm rebuild --publish --detach
	screen status
	says "run 1 is open: 12 of 1295 done, 1283 waiting"
	says "382 jobs wait: no worker builds for aarch64-linux"
	says "build-torchvision/pytorch-2.10 0/111 published"
	farm cancel 1
	farm resume

	# shellcheck disable=SC2086
	farm rebuild --publish --wait-all $slice >"$top/night" 2>&1 3>&- &
	local rebuild=$!
	wait_until 120 grep -q "all else is done; this waits until a host comes" "$top/night"
	progress_is waits 2
	[ "$(grep -c "3 jobs wait: no worker builds for aarch64-linux" "$top/night")" -eq 1 ]
	farm_result status 2 | jq -e '.run | .counts.ok == 6 and .counts.failed == 0 and
		.published.done == 3 and .published.built_only == 3'
	screen status 2
	says "3 jobs wait: no worker builds for aarch64-linux"
	add_arm_host
	wait "$rebuild"
	[ "$(tail -n 1 "$top/night")" = "9 ok, 0 failed, 4 published, 5 built only, 3 unroutable" ]

	# In the morning.
	progress_is well 2
	screen status 2
	says "run 2 is closed: 9 ok, 0 failed, 4 published, 5 built only, 3 unroutable"
	run -0 farm watch 2
	farm_result status 2 | jq -e '.run.jobs | all(
		if .system == "aarch64-darwin" then .verdict == "unroutable"
		else .verdict == "ok" and .attempts == 1 and
			.worker == (if .system == "aarch64-linux" then "arm" else "local" end) end)'
	# No host has python3.13 or a GPU: nothing is checked, and nothing is red for it. (2.10 has no check.)
	farm_result status 2 | jq -e '.run.jobs | map(select(.system == "x86_64-linux" and .branch == "main")) |
		all(.checked == "none") and
		(map(select(.cuda != "")) | all(.unchecked == "its check needs a GPU of sm61, and the host has none")) and
		(map(select(.cuda == "")) | all(.unchecked | contains("python3.13: command not found")))'
	farm_result status 2 | jq -e '.run.warnings | length == 2 and all(contains("its check could not start"))'
	farm_rows ledger | jq -e '[.[] | "\(.project)/\(.branch)"] | sort ==
		["build-pytorch/2.10-python313", "build-pytorch/2.10-python313", "build-pytorch/2.10-python313",
			"build-torchvision/main"]'
	[ "$(find "$catalog/entries" -name '*.json' | wc -l)" -eq 4 ]
	run -0 farm ledger --matrix branch=2.10-python313 gpu=cpu
	says "2 of 7 published"
	# shellcheck disable=SC2086
	nothing_new $slice
}

@test "one cause is one line, a retry goes ahead while others wait, and who does not wait is told why" {
	begin --order "$preferred"
	local package
	for package in pytorch torchvision; do
		echo FARM_FAKE_EXIT=build >"$top/faults/.farm-fake/$package-python313-cuda12_8-sm61-avx2"
	done
	run -1 farm rebuild --publish 'package=*cuda12_8-sm61-avx2,*-cpu-armv9' branch=main
	screen status
	[ "$(grep -c '^FAIL [0-9a-z]* [mv]' <<<"$output")" -eq 1 ] # beside the legend
	says "FAIL 2 variants"
	says "2 jobs wait: no worker builds for aarch64-linux"
	rm "$top"/faults/.farm-fake/*
	run -0 farm retry 1 --failed
	says "2 ok, 0 failed"
	farm_result status 1 | jq -e '.run.state == "open" and .run.counts.ready == 2'
	run -6 farm rebuild --publish package=*-cpu-armv9 branch=pytorch-2.10
	says "1 job waits: no worker builds for aarch64-linux: \`farm worker add\` adds one"
	farm cancel 1
	run -1 farm watch 1
}

# brief_flox CPU: a flox for thousands of calls, which each cost the stand-in half a second: a build adds its
# package's name to the nix store, and what is published is a line of $catalog/lines.
brief_flox() {
	rm "$top/flox-$1/flox"
	cat >"$top/flox-$1/flox" <<-EOT
		#!/bin/sh
		set -e
		case \$1 in
		--version) echo 1.15.0 ;;
		build)
			echo "Building \$4 in Nix expression mode"
			echo "\$4 of \$(git -C "\$3" rev-parse HEAD)" >"\$TMPDIR/\$4"
			ln -s "\$(nix-store --add "\$TMPDIR/\$4")" "\$3/result-\$4"
			;;
		publish)
			echo "\$5 \$6 $1" >>"$catalog/lines"
			echo "Package published successfully."
			;;
		esac
	EOT
	chmod +x "$top/flox-$1/flox"
}

# bats test_tags=long
@test "the whole night: all 1,295" {
	brief_flox x86_64
	brief_flox aarch64
	begin --order "$preferred"
	FARM_TIMEOUT_S=7200 farm rebuild --publish --wait-all >"$top/night" 2>&1 3>&- &
	local rebuild=$!
	wait_until 3600 grep -q "all else is done; this waits until a host comes" "$top/night"
	progress_is waits 1
	screen status
	says "382 jobs wait: no worker builds for aarch64-linux"
	add_arm_host
	wait "$rebuild"
	[ "$(tail -n 1 "$top/night")" = "1283 ok, 0 failed, 712 published, 571 built only, 12 unroutable" ]
	screen status
	says "run 1 is closed: 1283 ok, 0 failed, 712 published, 571 built only, 12 unroutable"
	farm_rows ledger | jq -e 'length == 712 and ([.[].package] | unique | length) == 712'
	[ "$(sort -u "$catalog/lines" | wc -l)" -eq 712 ]
	[ "$(wc -l <"$catalog/lines")" -eq 712 ]
	run -0 farm watch 1

	nothing_new
}
