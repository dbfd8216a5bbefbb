#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The first thing anyone does with floxfarm: deploy/quickstart, to its last line. One farm for the
# whole file: the tests look at what the first one left.

load farm

setup_file() {
	export QUICKSTART_DIR=$BATS_FILE_TMPDIR/quick
}

setup() {
	farm_needs_programs
	machine_network "$BATS_FILE_TMPDIR/no-nft"
	dir=$QUICKSTART_DIR
	# The programs of this build where it is the release one; otherwise the script builds its own.
	build=$(dirname "$binary_dir")
	[ "$(basename "$binary_dir")" = release ] || build=$dir/build
	case $(uname -m) in
	x86_64) here=x86_64 other=aarch64 ;;
	aarch64) here=aarch64 other=x86_64 ;;
	esac
}

teardown_file() {
	local script=${FARM_SOURCE_DIR:-$BATS_TEST_DIRNAME/../..}/deploy/quickstart dir
	for dir in "$QUICKSTART_DIR" "$BATS_FILE_TMPDIR/killed"; do
		"$script" --dir "$dir" --down || true
		chmod -R u+w "$dir" || true
	done
}

quickstart() {
	"$source_dir/deploy/quickstart" --dir "$dir" --build "$build" "$@" 3>&-
}

in_farm() {
	"$dir/programs/farm" --home "$dir/farm" "$@"
}

@test "it ends with 67 ok, 0 failed, 67 published" {
	run quickstart
	echo "$output"
	[ "$status" -eq 0 ]
	says "67 ok, 0 failed, 67 published"
	in_farm status 1 --json | jq .result >"$dir/status.json"
}

@test "each job ran on the worker of its architecture, once" {
	run jq -c '[.run.jobs[] | {system, worker}] | group_by(.) | map({job: .[0], number: length})' \
		"$dir/status.json"
	[ "$output" = '[{"job":{"system":"aarch64-linux","worker":"aarch64"},"number":22},{"job":{"system":"x86_64-linux","worker":"x86_64"},"number":45}]' ]
	jq -e '[.run.jobs[] | select(.attempts != 1 or .verdict != "ok" or (.published | not))] == []' \
		"$dir/status.json"
}

@test "the other architecture's worker is a program of that architecture" {
	run file -L "$build/$other/bin/farm-worker"
	[ "$status" -eq 0 ] || skip "no file(1) here"
	says "$([ "$other" = aarch64 ] && echo 'ARM aarch64' || echo x86-64)"
	in_farm worker list --json |
		jq -e --arg other "$other" \
			'.result.workers[] | select(.worker == $other) | .systems == [$other + "-linux"]'
}

@test "status lists of every job what a program wants to know" {
	jq -e '.run.jobs | length == 67 and all(has("run") and has("project") and has("branch") and
		has("commit") and has("package") and has("system") and has("gpu") and has("isa") and
		has("cuda") and has("state") and has("verdict") and has("cause") and has("worker") and
		has("attempts") and has("published"))' "$dir/status.json"
	diff <(jq -r '.run.jobs[] | [.branch, .package, .system] | @tsv' "$dir/status.json" | sort) \
		<(grep -v '^#' "$source_dir/tests/fixtures/sample/expected.tsv" | cut -f1-3 | grep -v '^branch' | sort)
}

@test "the cache holds 67 packages, each signed with the farm's key" {
	[ "$(find "$dir/cache" -name '*.narinfo' | wc -l)" -eq 67 ]
	[ "$(grep -l '^Sig: floxfarm-quickstart-1:' "$dir"/cache/*.narinfo | wc -l)" -eq 67 ]
	# The signatures are good ones: nix checks them against the public key.
	. "$dir/env"
	# shellcheck disable=SC2046
	nix --extra-experimental-features nix-command store verify --store "file://$dir/cache" \
		--sigs-needed 1 --trusted-public-keys "$(cat "$dir/keys/cache.public")" \
		$(sed -n 's/^StorePath: //p' "$dir"/cache/*.narinfo)
}

@test "the ledger has each package with its commit and out path" {
	in_farm ledger --json | jq .result.ledger | jq -e 'length == 67 and
		all(.[]; (.commit | length == 40) and (.paths | length >= 1) and .target == "sample")'
}

@test "the log of every job is that job's build, to its end" {
	local package
	for package in $(jq -r '.run.jobs[].package' "$dir/status.json"); do
		in_farm logs "$package" >"$dir/one.log"
		grep -aF "$package 0.23.0: gpu=" "$dir/one.log" >/dev/null
		grep -a '^installed ' "$dir/one.log" >/dev/null
	done
}

@test "run again it rebuilds nothing, and says so" {
	run quickstart
	echo "$output"
	[ "$status" -eq 0 ]
	says "nothing to rebuild"
	says "67 ok, 0 failed, 67 published"
	in_farm status --json | jq .result | jq -e '.run.counts.skipped == 67 and all(.run.jobs[]; .attempts == 0)'
}

@test "--down stops all of it, and it starts again from there" {
	local pids pid
	pids=$(cat "$dir"/farm/run/*.pid | cut -d' ' -f1)
	[ "$(wc -w <<<"$pids")" -eq 4 ] # coordinator, keeper, two workers
	quickstart --down
	for pid in $pids; do
		wait_until 10 gone "$pid"
	done
	quickstart --down
	run quickstart
	says "67 ok, 0 failed, 67 published"
}

@test "kill -9 of the coordinator in the middle: started again, the same line, nothing built twice" {
	dir=$BATS_FILE_TMPDIR/killed
	quickstart >"$BATS_TEST_TMPDIR/said" 2>&1 &
	local script=$! pid
	wait_until 120 published_at_least 10
	read -r pid _ <"$dir/farm/run/farmd.pid"
	kill -KILL "$pid"
	wait_until 10 gone "$pid"
	published_fewer_than 67
	in_farm up --no-worker
	wait "$script"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/said")" = "67 ok, 0 failed, 67 published" ]
	in_farm status --json | jq .result | jq -e 'all(.run.jobs[]; .attempts == 1) and .run.run == 1'
	[ "$(find "$dir/cache" -name '*.narinfo' | wc -l)" -eq 67 ]
	quickstart --down
}

published_at_least() {
	in_farm status --json | jq -e --argjson number "$1" '.result.run.published.done >= $number' >/dev/null
}

published_fewer_than() {
	[ "$(find "$dir/cache" -name '*.narinfo' | wc -l)" -lt "$1" ]
}

@test "a folder that Nix cannot have its store in is refused with the reason" {
	run "$source_dir/deploy/quickstart" --dir "$BATS_TEST_TMPDIR/with blank"
	[ "$status" -eq 1 ]
	says "choose another folder"
	run "$source_dir/deploy/quickstart" --nonsense
	[ "$status" -eq 1 ]
	says "--help"
	run "$source_dir/deploy/quickstart" --dir "$BATS_TEST_TMPDIR/never" --down
	[ "$status" -eq 1 ]
	says "nothing was ever started"
}
