#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The flox builder and publishing to a FloxHub organisation, through the stand-in (it plays flox's
# texts, versions and faults; tests/standins/flox/README.md). The stand-in's catalog is the judge of
# what was published.

load farm

setup() {
	farm_setup
	nix_setup
	fixture sample
	farm_make "$url"
	catalog=$top/catalog
	mkdir -p "$top/flox" "$catalog" "$top/faults/.farm-fake"
	ln -s "$source_dir/tests/standins/flox/flox" "$top/flox/flox"
	export PATH=$top/flox:$PATH
}

teardown() {
	farm_teardown
}

# play VERSION [NAME=VALUE...]: which flox the workers find.
play() {
	local version=$1
	shift
	{
		echo "FAKE_FLOX_VERSION=$version"
		echo "FARM_FAKE_CATALOG=$catalog"
		echo "FARM_FAKE_FAULTS=$top/faults"
		echo "FARM_FAKE_CALLS=$top/calls"
		[ $# -eq 0 ] || printf '%s\n' "$@"
	} >"$top/flox/flox.env"
}

# token SECONDS_FROM_NOW: a JSON web token as FloxHub makes them, unsigned.
token() {
	local claims
	claims=$(printf '{"exp":%d,"https://flox.dev/handle":"maintainer"}' $(($(date +%s) + $1)))
	printf '%s.%s.none' "$(base64url '{"alg":"none"}')" "$(base64url "$claims")"
}

base64url() {
	printf '%s' "$1" | base64 -w 0 | tr '+/' '-_' | tr -d '='
}

project() {
	builder=flox branches=$sample_branches each_branch='publish: vision' farm_project ''
	cat >>"$FARM_HOME/farm.yaml" <<-EOT
		targets:
		  - name: vision
		    kind: flox
		    org: vision-org
		    secret: floxhub
	EOT
}

farm_ready() {
	project
	farm_up
	token "${1:-86400}" | farm secret set floxhub
	worker_up one --slots 4 --may-publish
	wait_until 20 workers_online 1
}

published() {
	find "$catalog/entries" -name '*.json' 2>/dev/null | wc -l
}

story() {
	play "$1"
	farm_ready
	farm rebuild --publish 'gpu=sm90,sm103 isa=avx512*'
	ended_as "6 ok, 0 failed, 6 published"
	[ "$(published)" -eq 6 ]
	jq -es 'all(.uploads == 1 and .org == "vision-org")' "$catalog"/entries/*.json
	# Published from the commits that the run pinned.
	diff <(jq -r '.rev' "$catalog"/entries/*.json | sort) \
		<(farm_rows ledger | jq -r '.[].commit' | sort)
}

@test "1.12.2: builds and publishes" {
	story 1.12.2
}

@test "1.14.1: builds and publishes; again, there is nothing to do" {
	story 1.14.1
	farm rebuild --publish 'gpu=sm90,sm103 isa=avx512*'
	farm_result status | jq -e '.run.counts.skipped == 6'
	jq -es 'all(.uploads == 1)' "$catalog"/entries/*.json
}

@test "1.15.0: builds and publishes" {
	story 1.15.0
}

# flox_copy: a flox that sandboxes and ordinary users see.
flox_copy() {
	rm "$top/flox/flox"
	cp -r "$source_dir/tests/standins/flox/flox" "$source_dir/tests/standins/flox/play" "$top/flox"
	printf '%s\n' FAKE_FLOX_VERSION=1.15.0 "FARM_FAKE_CATALOG=$catalog" >"$top/flox/flox.env"
}

# isolated LEVEL: builds inside, publishes outside. The store is one in which nothing was built yet.
isolated() {
	flox_copy
	rmdir "$NIX_LOG_DIR"
	project
	[ ${#as[@]} -eq 0 ] || chown -R 60990:60990 "$top"
	farm_up
	token 86400 | farm secret set floxhub
	isolation=$1 worker_up one --slots 1 --may-publish
	wait_until 20 workers_online 1
	farm rebuild --publish 'gpu=sm90 isa=avx512'
	ended_as "1 ok, 0 failed, 1 published"
	farm_rows worker list | jq -e --arg level "$1" 'all(.isolation == $level)'
	farm_rows ledger | jq -e --arg level "$1" 'length == 1 and all(.isolation == $level)'
	run -0 farm why 'sm90-avx512'
	says "ran at isolation level $1"
	[ -d "$NIX_LOG_DIR/drvs" ]
}

@test "build users: builds isolated and publishes" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	isolated users
}

@test "an ordinary user's farm: builds isolated and publishes" {
	ordinary
	isolated namespaces
}

@test "a HOME that cannot be written is the host's fault, not the recipe's" {
	play 1.14.1
	project
	farm_up
	unset XDG_CACHE_HOME FLOX_CACHE_DIR
	HOME=/proc/nowhere worker_up one --slots 1
	wait_until 20 workers_online 1
	FARM_TIMEOUT_S=30 run farm rebuild 'gpu=sm90 isa=avx512'
	farm_result why sm90-avx512 | tee "$top/why" | jq -e '.why.tries[0] |
		.outcome == "failed" and .cause == "wrong-host" and .failed_phase == "build" and
		(.detail | test("HOME of this worker cannot be written.*/proc/nowhere"))'
	jq -e '.why.witness == "trusted"' "$top/why"
	# The same worker, with a HOME.
	local agent
	agent=$(pid_of worker-one)
	kill "$agent"
	wait_until 20 gone "$agent"
	worker_up one --slots 1
	wait_until 20 workers_online 1
	farm rebuild --force 'gpu=sm90 isa=avx512'
}

@test "a store that the attempt's nix-daemon cannot open is the host's fault, not the recipe's" {
	flox_copy
	project
	ordinary
	farm_up
	isolation=namespaces worker_up one --slots 1
	wait_until 20 workers_online 1
	chmod 000 "$NIX_STATE_DIR/db/db.sqlite"
	FARM_TIMEOUT_S=30 run farm rebuild 'gpu=sm90 isa=avx512'
	chmod 644 "$NIX_STATE_DIR/db/db.sqlite"
	farm logs sm90-avx512 | grep 'db.sqlite'
	farm_result why sm90-avx512 | jq -e '.why.tries[0] |
		.outcome == "failed" and .cause == "wrong-host" and .failed_phase == "build"'
}

@test "the whole matrix on both architectures: 67 ok, 0 failed, 67 published" {
	local programs
	programs=$(dirname "$binary_dir")/$other/bin
	[ -x "$programs/farm-worker" ] || skip "no worker for $other in $programs"
	play 1.14.1
	farm_ready
	# The nix of an $other host: by itself it builds for that.
	cp -r "$NIX_CONF_DIR" "$top/nix-there"
	echo "system = $other-linux" >>"$top/nix-there/nix.conf"
	NIX_CONF_DIR=$top/nix-there farm worker start two --slots 4 --may-publish \
		--program "$programs/farm-worker" --supervisor "$programs/farm-supervisor" --isolation none --trust-recipes
	wait_until 20 workers_online 2
	FARM_TIMEOUT_S=600 run farm rebuild --publish
	echo "$output"
	[ "$status" -eq 0 ]
	says "67 ok, 0 failed, 67 published"
	[ "$(published)" -eq 67 ]
	farm_result status | jq -e --arg there "$other-linux" \
		'all(.run.jobs[]; .worker == (if .system == $there then "two" else "one" end))'
}

@test "1.9.0 is too old: no host can take the jobs, and it says why" {
	play 1.9.0
	farm_ready
	run farm rebuild --publish 'gpu=sm90 isa=avx512'
	[ "$status" -ne 0 ]
	run farm why sm90-avx512
	says flox
	[ "$(published)" -eq 0 ]
}

@test "an expired token is found before anything is built" {
	play 1.14.1
	farm_ready -60
	run farm rebuild --publish 'gpu=sm90 isa=avx512'
	[ "$status" -ne 0 ]
	says floxhub
	lacks -F '"build"' "$top/calls"
	# Building alone needs no token.
	farm rebuild 'gpu=sm90 isa=avx512'
	ended_as "1 ok, 0 failed, 0 published"
}

@test "a token that ends before the run is a warning, and the run goes on" {
	play 1.14.1
	farm_ready 600
	run farm rebuild --publish 'gpu=sm90 isa=avx512'
	echo "$output"
	[ "$status" -eq 0 ]
	says "warning: the FloxHub token in secret floxhub ends about"
	farm_result status | jq -e '.run.warnings | length == 1'
	ended_as "1 ok, 0 failed, 1 published"
}

@test "what no toolkit can build by its name is a warning, before and with the run" {
	play 1.14.1
	farm_ready
	run farm plan 'gpu=sm121 isa=avx2 cuda=12.8'
	says "SM121 (DGX Spark) is known to nvcc from CUDA 12.9 on, not 12.8"
	run farm rebuild 'gpu=sm121 isa=avx2 cuda=12.8'
	says "warning: 1 variant such as torchvision-python313-cuda12_8-sm121-avx2 may fail to build"
}

@test "a token that FloxHub rejects holds the organisation's publications; a new one releases them" {
	play 1.14.1 FARM_FAKE_TOKEN_EXPIRED=1
	farm_ready
	farm rebuild --detach --publish 'gpu=sm90 isa=avx512,avx2'
	wait_until 60 publications_held 1
	play 1.14.1
	token 86400 | farm secret set floxhub
	wait_until 60 run_is closed
	ended_as "2 ok, 0 failed, 2 published"
}

publications_held() {
	farm_result status | jq -e --argjson number "$1" '.run.published.held >= $number' >/dev/null
}

@test "no confirmation: asked again, and not uploaded twice" {
	play 1.14.1 FARM_FAKE_CONFIRM_TIMEOUT=1
	farm_ready
	farm rebuild --publish 'gpu=sm90 isa=avx512'
	ended_as "1 ok, 0 failed, 1 published"
	jq -es 'length == 1 and all(.uploads == 1)' "$catalog"/entries/*.json
}

@test "the network fails while uploading: published again, not built again" {
	play 1.14.1 FARM_FAKE_NETWORK=upload:1
	farm_ready
	farm rebuild --publish 'gpu=sm90 isa=avx512'
	ended_as "1 ok, 0 failed, 1 published"
	job_is torchvision-python313-cuda12_8-sm90-avx512 attempts 1
}

@test "an organisation that refuses: built, not published, and it says so" {
	play 1.14.1
	mkdir -p "$catalog/deny"
	touch "$catalog/deny/vision-org"
	farm_ready
	run farm rebuild --publish 'gpu=sm90 isa=avx512'
	[ "$status" -eq 1 ]
	job_is torchvision-python313-cuda12_8-sm90-avx512 verdict ok
	job_is torchvision-python313-cuda12_8-sm90-avx512 published false
	run farm why sm90-avx512
	says denied
	run farm why 1
	says "1 publication: denied: "
	says "1 held until the secret of their account is set; builds go on"
}

@test "the token is nowhere: not in logs, not in the journal, not in a command line" {
	local secret part
	play 1.14.1
	secret=$(token 86400)
	part=$(cut -d. -f2 <<<"$secret")
	project
	farm_up
	printf %s "$secret" | farm secret set floxhub
	worker_up one --slots 1 --may-publish
	farm rebuild --publish 'gpu=sm90 isa=avx512'
	[ "$(published)" -eq 1 ]
	[ "$(files_with "$part" "$FARM_HOME" "$top/calls")" = "$FARM_HOME/secrets/floxhub" ]
	[ "$(stat -c %a "$FARM_HOME/secrets/floxhub")" = 600 ]
}
