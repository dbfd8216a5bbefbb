#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The stand-in against flox's contract: each version's rules, each refusal, each fault. Real git
# repositories in a temporary folder; builds go to a fake store, except where a test says nix.

bats_require_minimum_version 1.5.0

flox=$BATS_TEST_DIRNAME/flox
package=torchvision-python313-cuda12_8-sm90-avx512
shipped="✔ Package published successfully."

setup_file() {
	"$BATS_TEST_DIRNAME/../../fixtures/sample/generate" "$BATS_FILE_TMPDIR" > /dev/null
	"$BATS_TEST_DIRNAME/../../fixtures/failing/generate" "$BATS_FILE_TMPDIR" > /dev/null
}

setup() {
	unset "${!FLOX_@}" "${!FARM_FAKE_@}" "${!FAKE_FLOX_@}" "${!GIT_@}" RUST_LOG XDG_CONFIG_HOME XDG_CACHE_HOME
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.example GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.example
	USER=$(id -un)
	export USER HOME=$BATS_TEST_TMPDIR/home TMPDIR=$BATS_TEST_TMPDIR/tmp LC_ALL=C.UTF-8
	export FARM_FAKE_CATALOG=$BATS_TEST_TMPDIR/catalog FARM_FAKE_STORE=$BATS_TEST_TMPDIR/store
	export FARM_FAKE_SYSTEM=x86_64-linux
	FLOX_FLOXHUB_TOKEN=$(token 4102444800)
	export FLOX_FLOXHUB_TOKEN
	mkdir -p "$HOME" "$TMPDIR" "$FARM_FAKE_STORE"
	git clone --quiet --bare "$BATS_FILE_TMPDIR/build-torchvision.git" "$BATS_TEST_TMPDIR/origin.git"
	git clone --quiet "file://$BATS_TEST_TMPDIR/origin.git" "$BATS_TEST_TMPDIR/checkout"
	cd "$BATS_TEST_TMPDIR/checkout" || return
}

# Nix makes its store read-only, which stops anybody but root from removing it.
teardown() {
	chmod -R u+w "$BATS_TEST_TMPDIR"
}

# token EXPIRY: a JSON web token as FloxHub mints them.
token() {
	printf 'e30.%s.sig' "$(printf '{"https://flox.dev/handle":"mia","exp":%s}' "$1" | base64 -w0 | tr '+/' '-_' | tr -d =)"
}

publish() {
	run "$flox" publish -o acme "$package"
}

entries() {
	find "$FARM_FAKE_CATALOG/entries" -name '*.json' 2> /dev/null | wc -l
}

uploads() {
	grep -ho '"uploads": [0-9]*' "$FARM_FAKE_CATALOG"/entries/*.json
}

# ended STATUS TEXT: how the last run ended and what it said.
ended() {
	[ "$status" -eq "$1" ] || { echo "status $status: $output"; return 1; }
	[[ $output == *"$2"* ]] || { echo "not said: $2"; echo "$output"; return 1; }
}

# said_in FILE TEXT: waits until a line of it has the text.
said_in() {
	# shellcheck disable=SC2016 # $1 and $2 are the inner shell's
	timeout 30 sh -c 'until grep -q "$2" "$1"; do sleep 0.02; done' - "$1" "$2"
}

# ended_as PID: sets status to how a background process ended.
ended_as() {
	status=0
	wait "$1" || status=$?
}

# ---- call and answer

@test "version goes to stdout, unknown versions are not played" {
	for FAKE_FLOX_VERSION in 1.9.0 1.12.0 1.12.2 1.14.1 1.15.0; do
		export FAKE_FLOX_VERSION
		run --separate-stderr "$flox" --version
		[ "$status" -eq 0 ]
		[ "$output" = "$FAKE_FLOX_VERSION" ]
		[ -z "$stderr" ]
	done
	FAKE_FLOX_VERSION=2.0.0 run "$flox" --version
	ended 64 "fake flox: I do not play version 2.0.0"
}

# imports ARGUMENT...: how many modules Python loads for them.
imports() {
	/usr/bin/python3 -ISB -X importtime "$@" 2>&1 >/dev/null | grep -c '^import time: '
}

# Workers ask for it often. What it costs is what it loads; the standard library's own part is its own.
@test "--version loads its own few modules, and nothing large for them" {
	local bare own
	bare=$(imports -c 'import json, os, pwd, signal, sys')
	own=$(imports "$flox" --version)
	echo "$own modules, $bare of them for any program like it"
	[ "$own" -ge "$bare" ]
	[ "$own" -le $((bare + 60)) ]
	run -1 grep -E 'urllib|http|ssl|asyncio|email|xml' < <(/usr/bin/python3 -ISB -X importtime "$flox" --version 2>&1)
}

@test "messages go to stderr, make's two lines to stdout" {
	run --separate-stderr "$flox" build "$package"
	[ "$status" -eq 0 ]
	[ "$output" = "Building python3.13-$package-0.23.0 in Nix expression mode
Completed build of python3.13-$package-0.23.0 in Nix expression mode" ]
	[[ $stderr == *"python3.13-$package> [1/30]"* ]]
	[[ $stderr == *"⚡︎ Built outputs:
./result-$package, ./result-$package-dist" ]]
	[ -d "result-$package" ]
	[ -d "result-$package-dist" ]
	[ -f "result-$package-log" ]
}

@test "before 1.12.1 a build ends in other words" {
	FAKE_FLOX_VERSION=1.12.0 run "$flox" build "$package"
	ended 0 "⚡︎ Builds completed successfully.
Outputs created: ./result-$package, ./result-$package-dist"
}

@test "bad command lines: status 1, --system is the test's own mistake" {
	run "$flox" explode
	ended 1 "✘ ERROR: "
	run "$flox" build --json "$package"
	ended 1 "✘ ERROR: "
	run "$flox" publish -o acme one two
	ended 1 "✘ ERROR: "
	run "$flox" publish -o
	ended 1 "✘ ERROR: "
	for command in build publish; do
		run "$flox" "$command" --system aarch64-linux "$package"
		ended 64 "fake flox: never call flox with --system"
	done
}

@test "-d and a folder below find the environment" {
	cd / && run "$flox" build -d "$BATS_TEST_TMPDIR/checkout" "$package"
	ended 0 "Built outputs"
	mkdir -p "$BATS_TEST_TMPDIR/checkout/deep/er" && cd "$BATS_TEST_TMPDIR/checkout/deep/er"
	run "$flox" build "$package"
	ended 0 "Built outputs"
	cd / && run "$flox" build "$package"
	ended 1 "Did not find an environment"
}

@test "foreign FLOX_ variables, RUST_LOG, -q and a wrong USER do what they do to flox" {
	FLOX_PUBLISH=1 run "$flox" build "$package"
	ended 1 "Could not parse config"
	RUST_LOG=warn publish
	[ "$status" -eq 0 ]
	[[ $output != *"$shipped"* ]]
	run "$flox" -q publish -o acme nonsense
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	FARM_FAKE_CALLS=$BATS_TEST_TMPDIR/calls USER=somebody-else run "$flox" --version
	grep -qF "\"home\": \"$(getent passwd "$(id -u)" | cut -d: -f6)\"" "$BATS_TEST_TMPDIR/calls"
}

# ---- discovery

@test "packages: folders with default.nix, nested names, nothing but recipes" {
	git clone --quiet "$BATS_FILE_TMPDIR/build-failing.git" "$BATS_TEST_TMPDIR/failing"
	cd "$BATS_TEST_TMPDIR/failing"
	prefix=torchvision-python313-cuda12_8-sm90
	for name in "$prefix-avx2" "$prefix-avx512" extras.canary; do
		run "$flox" build "$name"
		ended 0 "Built outputs"
	done
	for name in "$prefix-avx2-link" "$prefix-avx2.nix" README flake extras "$prefix-avx512.parts.not-a-package" \
		torchvision-python313-cuda12_8-sm80-armv8.2; do
		run "$flox" build "$name"
		ended 1 "✘ ERROR: Target '$name' not found."
	done
}

@test "build: all packages without a name, stopping at the first that fails" {
	git checkout --quiet cuda-12_9
	run "$flox" build
	ended 1 "✘ ERROR: Build failed"
	[[ $output == *"-march="* ]]
	rm .flox/pkgs/*-armv*.nix
	run "$flox" build
	ended 0 "./result-torchvision-python313-cuda12_9-sm103-avx512bf16-dist"
	run "$flox" build clean
	[ "$(find . -maxdepth 1 -name 'result-*' | wc -l)" -eq 0 ]
}

@test "build: nothing to build, not tracked, no git" {
	cp ".flox/pkgs/$package.nix" .flox/pkgs/new.nix
	run "$flox" build new
	ended 1 "The Nix expression for 'new' does not appear to be tracked by git."
	rm -rf .git
	run "$flox" build new
	ended 1 "requires git version control."
	rm .flox/pkgs/*
	run "$flox" build
	ended 1 "No packages found to build."
}

@test "build: a dirty tree is only a warning, a detached head nothing" {
	git checkout --quiet --detach
	echo "# more" >> ".flox/pkgs/$package.nix"
	run "$flox" build "$package"
	ended 0 "warning: Git tree '$PWD' is dirty"
}

@test "the wrong host's build fails in the compiler" {
	run "$flox" build torchvision-python313-cuda12_8-sm90-armv9
	ended 1 "bad value 'armv9-a+sve2' for '-march=' switch"
	[[ $output == *"✘ ERROR: Build failed" ]]
	FARM_FAKE_SYSTEM=aarch64-linux run "$flox" build "$package"
	ended 1 "unrecognized command-line option '-mavx2'"
	FARM_FAKE_SYSTEM=aarch64-linux run "$flox" build torchvision-python313-cuda12_8-sm90-armv9
	ended 0 "Built outputs"
}

@test "two builds of one package in one checkout spoil each other, two packages do not" {
	FARM_FAKE_SLOW=1 "$flox" build "$package" 2> first &
	one=$!
	said_in first "still compiling"
	run "$flox" build torchvision-python313-cuda12_8-sm90-avx2
	ended 0 "Built outputs"
	run "$flox" build "$package"
	ended 0 "Built outputs"
	ended_as $one
	[ "$status" -eq 1 ]
	grep -q "does not point to expected store path" first
}

# ---- real builds

@test "build: with max-jobs = 0 it evaluates and builds nothing" {
	export FARM_FAKE_SLOW=300 # which nothing that builds nothing meets
	NIX_CONFIG=$'cores = 2\nmax-jobs = 0\nbuilders =' run "$flox" build "$package"
	ended 1 "in Nix expression mode"
	[[ $output == *"unable to start any build"*"ERROR: Build failed"* ]]
	[ -z "$(ls "$FARM_FAKE_STORE")" ]
}

@test "nix: builds for real, and a wrong host for real not" {
	command -v nix-build > /dev/null || skip "no nix here"
	command -v gcc > /dev/null || skip "no gcc here"
	[ "$(uname -m)" = x86_64 ] || skip "the packages below are for x86_64"
	. "$BATS_TEST_DIRNAME/../../fixtures/nix-env.sh" "$BATS_TEST_TMPDIR/nix"
	unset FARM_FAKE_STORE FARM_FAKE_SYSTEM
	run "$flox" build "$package"
	ended 0 "⚡︎ Built output: ./result-$package"
	[ -x "result-$package/bin/probe" ]
	grep -q "34/34" "result-$package-log"
	publish
	ended 0 "$shipped"
	grep -q "\"out\": \"$(readlink "result-$package")\"" "$FARM_FAKE_CATALOG"/entries/*.json
	run "$flox" build torchvision-python313-cuda12_8-sm90-armv9
	ended 1 "-march"
	[[ $output == *"make: *** "*"build.json] Error 1"* && $output == *"✘ ERROR: Build failed" ]]
	echo "{ nonsense" > ".flox/pkgs/$package.nix"
	run "$flox" build "$package"
	ended 1 "syntax error"
	[[ $output == *"eval.json] Error 1"* ]]
}

# ---- publish: who

@test "token: missing, expired, invalid" {
	FLOX_FLOXHUB_TOKEN=$(token 1000000000) publish
	ended 1 "✘ ERROR: Your FloxHub token has expired.

To re-authenticate you can either"
	FAKE_FLOX_VERSION=1.9.0 FLOX_FLOXHUB_TOKEN=$(token 1000000000) publish
	ended 1 "Your FloxHub token has expired. To re-authenticate you can either:

* login"
	FLOX_FLOXHUB_TOKEN=nonsense publish
	ended 1 "✘ ERROR: Your FloxHub token is invalid: invalid token
You may need to log in again."
	unset FLOX_FLOXHUB_TOKEN
	publish
	ended 1 "✘ ERROR: You are not logged in to FloxHub.

To login you can either"
	FAKE_FLOX_VERSION=1.15.0 run "$flox" build "$package"
	ended 0 "! You are not logged in to FloxHub."
	FLOX_AUTH_NOTIFICATIONS=false FAKE_FLOX_VERSION=1.15.0 run "$flox" build "$package"
	[[ $output != *"not logged in"* ]]
}

@test "token: from flox.toml where the environment has none" {
	mkdir -p "$HOME/.config/flox"
	echo "floxhub_token = \"$FLOX_FLOXHUB_TOKEN\"" > "$HOME/.config/flox/flox.toml"
	unset FLOX_FLOXHUB_TOKEN
	publish
	ended 0 "$shipped"
}

@test "token: an invalid one vanishes from flox.toml" {
	unset FLOX_FLOXHUB_TOKEN
	mkdir -p "$HOME/.config/flox"
	printf 'floxhub_token = "bad"\ndisable_metrics = true\n' > "$HOME/.config/flox/flox.toml"
	publish
	ended 1 "token is invalid"
	[ "$(cat "$HOME/.config/flox/flox.toml")" = "disable_metrics = true" ]
}

@test "token: personal ones from 1.14 on; a rejected one warns, then 401" {
	export FLOX_FLOXHUB_TOKEN=flox_pat_0123456789
	FAKE_FLOX_VERSION=1.12.2 publish
	ended 1 "token is invalid"
	publish
	ended 0 "$shipped"
	FARM_FAKE_PAT_REJECTED=always publish
	ended 1 "could not be verified and may be expired or revoked"
	[[ $output == *"401 Unauthorized"* ]]
	run "$flox" auth token
	[ "$status" -eq 1 ]
}

@test "auth status and token" {
	run --separate-stderr "$flox" auth status
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$stderr" = "You are logged in as mia on https://hub.flox.dev/
Credential read from the FLOX_FLOXHUB_TOKEN environment variable." ]
	run --separate-stderr "$flox" auth token
	[ "$output" = "$FLOX_FLOXHUB_TOKEN" ]
	FLOX_FLOXHUB_TOKEN=$(token 1) run "$flox" auth status
	ended 1 "Your FloxHub token is expired or has been revoked."
	FARM_FAKE_NETWORK=auth run "$flox" auth status
	ended 1 "could not reach FloxHub to verify it."
	unset FLOX_FLOXHUB_TOKEN
	run "$flox" auth status
	ended 1 "You are not currently logged in to FloxHub."
}

# ---- publish: in which state

@test "publish: success, in flox's words" {
	run --separate-stderr "$flox" publish -o acme "$package"
	[ "$status" -eq 0 ]
	[[ $stderr == *"$shipped

Use 'flox install acme/$package' to install it." ]]
	[ "$(entries)" -eq 1 ]
	grep -q "\"url\": \"file://$BATS_TEST_TMPDIR/origin.git\"" "$FARM_FAKE_CATALOG"/entries/*.json
	grep -q "\"rev\": \"$(git rev-parse HEAD)\"" "$FARM_FAKE_CATALOG"/entries/*.json
}

@test "publish: without -o to the token's own catalog; one package or the only one" {
	run "$flox" publish "$package"
	ended 0 "flox install mia/$package"
	run "$flox" publish -o acme
	ended 1 "Must specify an artifact to publish"
}

@test "publish: environments that cannot be" {
	echo '{"owner": "mia", "name": "x", "version": 1}' > .flox/env.json
	publish
	ended 1 "✘ ERROR: Cannot publish from an environment on FloxHub."
	git checkout --quiet .
	git rm --quiet .flox/env/manifest.lock
	publish
	ended 1 "✘ ERROR: The environment is in an unsupported state for publishing: Environment must be locked."
}

@test "publish: dirty tracked files are refused, result links are not" {
	"$flox" build "$package" 2> /dev/null
	publish
	ended 0 "$shipped"
	echo >> README.md
	for FAKE_FLOX_VERSION in 1.9.0 1.12.0 1.12.2 1.14.1 1.15.0; do
		export FAKE_FLOX_VERSION
		publish
		ended 1 "Build repository must be clean, but has dirty tracked files."
	done
}

@test "publish: untracked files of the environment are refused from 1.12 on" {
	touch .flox/pkgs/stray.txt
	for FAKE_FLOX_VERSION in 1.12.0 1.12.2 1.14.1 1.15.0; do
		export FAKE_FLOX_VERSION
		publish
		ended 1 "The following environment files are not tracked by git:
- .flox/pkgs/stray.txt"
	done
	FAKE_FLOX_VERSION=1.9.0 publish
	ended 0 "$shipped"
}

@test "publish: a detached head is refused from 1.12 on" {
	git checkout --quiet --detach
	for FAKE_FLOX_VERSION in 1.12.0 1.12.2 1.14.1 1.15.0; do
		export FAKE_FLOX_VERSION
		publish
		ended 1 "Repository is in detached HEAD state and has no upstream remote configured."
	done
	FAKE_FLOX_VERSION=1.9.0 publish
	ended 0 "$shipped"
}

@test "publish: a branch without an upstream is refused from 1.12 on; a local name is fine" {
	git checkout --quiet -b farm/1/main --no-track origin/main
	publish
	ended 1 "Current branch 'farm/1/main' has no upstream remote configured.
Set one with 'git branch --set-upstream-to=<remote>/farm/1/main'"
	FAKE_FLOX_VERSION=1.9.0 publish
	ended 0 "$shipped"
	git branch --quiet --set-upstream-to=origin/main
	publish
	ended 0 "✔ Package already published."
}

@test "publish: what is not pushed is refused, an older pushed commit is not" {
	git commit --quiet --allow-empty -m new
	publish
	ended 1 "Local revision is not present on remote 'origin/main'.
Push your commits with 'git push'"
	FAKE_FLOX_VERSION=1.9.0 publish
	ended 1 "Current revision not found on any remote repositories."
	[[ $output == *"- The current revision must be pushed to a remote." ]]
	git push --quiet
	publish
	ended 0 "$shipped"
	git reset --quiet --hard HEAD~2
	publish
	ended 0 "$shipped"
	[ "$(entries)" -eq 2 ]
}

@test "publish: no remote, a remote that is gone" {
	mv ../origin.git ../gone.git
	publish
	ended 1 "Could not access the remote repository: "
	git remote remove origin
	FAKE_FLOX_VERSION=1.9.0 publish
	ended 1 "The repository must have at least one remote configured."
}

@test "publish: from a linked worktree" {
	git worktree add --quiet -b farm/2/main "$BATS_TEST_TMPDIR/worktree" origin/main
	cd "$BATS_TEST_TMPDIR/worktree"
	publish
	ended 0 "$shipped"
}

@test "publish: an org that forbids, one that is missing, one that cannot be" {
	mkdir -p "$FARM_FAKE_CATALOG/deny" "$FARM_FAKE_CATALOG/missing"
	touch "$FARM_FAKE_CATALOG/deny/acme" "$FARM_FAKE_CATALOG/missing/nobody"
	publish
	ended 1 "✘ ERROR: 403 Forbidden: You are not permitted to write to this catalog."
	[[ $output != *Building* ]]
	run "$flox" publish -o nobody "$package"
	ended 1 "✘ ERROR: 404 Not Found: The catalog could not be found"
	run "$flox" publish -o "a/b" "$package"
	ended 1 "✘ ERROR: 422"
	unset FARM_FAKE_CATALOG
	publish
	ended 64 "FARM_FAKE_CATALOG"
}

@test "publish: the order of refusals" {
	mkdir -p "$FARM_FAKE_CATALOG/deny" && touch "$FARM_FAKE_CATALOG/deny/acme" .flox/stray
	echo >> README.md
	token=$FLOX_FLOXHUB_TOKEN
	FLOX_FLOXHUB_TOKEN=$(token 1)
	mv .flox/env/manifest.lock kept
	run "$flox" publish -o acme nonsense
	ended 1 "token has expired"
	FLOX_FLOXHUB_TOKEN=$token
	run "$flox" publish -o acme nonsense
	ended 1 "Environment must be locked."
	mv kept .flox/env/manifest.lock
	run "$flox" publish -o acme nonsense
	ended 1 "Target 'nonsense' not found."
	publish
	ended 1 "not tracked by git:"
	rm .flox/stray
	publish
	ended 1 "dirty tracked files"
	git checkout --quiet . && git commit --quiet --allow-empty -m new
	FARM_FAKE_NETWORK=base-catalog publish
	ended 1 "not present on remote"
	git push --quiet
	FARM_FAKE_NETWORK=base-catalog publish
	ended 1 "could not get information about the base catalog"
	publish
	ended 1 "403 Forbidden"
}

# ---- publish: again

@test "publish: what is published already, version by version" {
	publish
	ended 0 "$shipped"
	FAKE_FLOX_VERSION=1.12.2 publish
	ended 0 "✔ Package already published.

Originally published: "
	[[ $output != *Building* ]]
	[[ $output == *"Source revision: $(git rev-parse HEAD)" ]]
	FAKE_FLOX_VERSION=1.15.0 publish
	ended 0 "already published"
	[[ $output != *Building* ]]
	FAKE_FLOX_VERSION=1.14.1 publish
	ended 0 "already published"
	[[ $output == *Building* ]]
	[ "$(uploads)" = '"uploads": 1' ]
	FAKE_FLOX_VERSION=1.9.0 publish
	ended 0 "$shipped"
	FAKE_FLOX_VERSION=1.12.0 publish
	ended 0 "$shipped"
	[ "$(entries)" -eq 1 ]
	[ "$(uploads)" = '"uploads": 3' ]
}

@test "publish: another org, system or commit is another entry" {
	publish
	run "$flox" publish --org other "$package"
	ended 0 "$shipped"
	FARM_FAKE_SYSTEM=aarch64-linux run "$flox" publish -o acme torchvision-python313-cpu-armv9
	ended 0 "$shipped"
	[ "$(entries)" -eq 3 ]
}

@test "publish: at once from many, each entry is whole" {
	git checkout --quiet cuda-13_0
	pids=()
	for isa in avx2 avx512 avx512bf16 avx512vnni; do
		"$flox" publish -o acme "torchvision-python313-cuda13_0-sm110-$isa" &> "$isa.log" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	[ "$(entries)" -eq 4 ]
	for entry in "$FARM_FAKE_CATALOG"/entries/*.json; do
		python3 -m json.tool "$entry" > /dev/null
	done
}

@test "1.9.0 and 1.12.0 build in a temporary clone and leave no links" {
	for FAKE_FLOX_VERSION in 1.9.0 1.12.0; do
		export FAKE_FLOX_VERSION
		publish
		ended 0 "$shipped"
		[ ! -e "result-$package" ]
		[ -z "$(ls -A "$HOME/.cache/flox/process")" ]
	done
	FAKE_FLOX_VERSION=1.14.1 publish
	[ -e "result-$package" ]
}

# ---- faults

@test "fault EXIT: each stage fails with its own words" {
	check() {
		FARM_FAKE_EXIT=$1 publish
		ended 1 "$2"
		[[ $output == *"✘ ERROR: "* ]]
	}
	check start "500 Internal Server Error"
	check auth "500 Internal Server Error"
	check prefetch "Failed to download Nix build tools from "
	check remote "unsupported state for publishing: Could not access the remote repository"
	check base-catalog "could not get information about the base catalog: 500"
	check create "✘ ERROR: 500 Internal Server Error"
	check eval "error: undefined variable"
	check build "Reason: builder failed with exit code 1."
	check upload "Failed to publish package: Failed to upload to cache: 500"
	check register "Failed to publish package: 500"
	[ "$(entries)" -eq 0 ]
	check confirm "Failed while waiting for publish confirmation: 500"
	[ "$(entries)" -eq 1 ]
	FARM_FAKE_EXIT=nowhere publish
	ended 64 "no stage nowhere"
}

@test "fault HTTP_503: at dedup only a warning" {
	FARM_FAKE_HTTP_503=base-catalog run "$flox" build "$package"
	ended 1 "could not get information about the base catalog: 503 Service Unavailable"
	FARM_FAKE_HTTP_503=dedup publish
	ended 0 "! Unable to check if already published — continuing with publish."
	[[ $output == *"$shipped"* ]]
	FARM_FAKE_HTTP_503=confirm FAKE_FLOX_VERSION=1.12.0 publish
	ended 1 "Failed while waiting for publish confirmation: 503 Service Unavailable"
}

@test "fault NETWORK: so many times, then fine; counted by package" {
	export FARM_FAKE_NETWORK=upload:2
	publish
	ended 1 "Failed to upload to cache: error: unable to upload"
	publish
	ended 1 "Failed to upload to cache"
	publish
	ended 0 "$shipped"
	run "$flox" publish -o acme torchvision-python313-cuda12_8-sm90-avx2
	ended 1 "Failed to upload to cache"
	FARM_FAKE_NETWORK=prefetch run "$flox" build "$package"
	ended 1 "Could not resolve host"
	FARM_FAKE_NETWORK=build run "$flox" build "$package"
	ended 1 "unable to download"
}

@test "faults of one package come from its file" {
	mkdir -p "$BATS_TEST_TMPDIR/faults/.farm-fake"
	printf '# fails\nFARM_FAKE_EXIT=build\n' > "$BATS_TEST_TMPDIR/faults/.farm-fake/$package"
	export FARM_FAKE_FAULTS=$BATS_TEST_TMPDIR/faults
	run "$flox" build "$package"
	ended 1 "Build failed"
	run "$flox" build torchvision-python313-cuda12_8-sm90-avx2
	ended 0 "Built outputs"
	echo "FARM_FAKE_EXIT" > "$BATS_TEST_TMPDIR/faults/.farm-fake/$package"
	run "$flox" build "$package"
	ended 64 "sets nothing of mine"
}

@test "a flox.env beside the program sets what a cleaned environment lost" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$flox" "$BATS_TEST_TMPDIR/bin/flox"
	printf 'FAKE_FLOX_VERSION=1.15.0\nFARM_FAKE_STORE=%s\n' "$FARM_FAKE_STORE" > "$BATS_TEST_TMPDIR/bin/flox.env"
	run env -i PATH="$BATS_TEST_TMPDIR/bin:$PATH" flox --version
	ended 0 1.15.0
	run env -i PATH="$BATS_TEST_TMPDIR/bin:$PATH" FAKE_FLOX_VERSION=1.9.0 flox --version
	ended 0 1.9.0
}

@test "fault ENOSPC, OOM, COLLECTED: the build fails in these words" {
	FARM_FAKE_ENOSPC=always run "$flox" build "$package"
	ended 1 "note: build failure may have been caused by lack of free disk space"
	FARM_FAKE_OOM=1 run "$flox" build "$package"
	ended 1 "Killed signal terminated program cc1plus"
	FARM_FAKE_OOM=1 run "$flox" build "$package"
	ended 0 "Built outputs"
	FARM_FAKE_COLLECTED=1 run "$flox" build "$package"
	ended 1 "has been garbage collected - please try again"
}

@test "fault TOKEN_EXPIRED" {
	FARM_FAKE_TOKEN_EXPIRED=1 publish
	ended 1 "token has expired"
	FARM_FAKE_TOKEN_EXPIRED=1 publish
	ended 0 "$shipped"
}

@test "fault LOCK_EOF: once, on 1.15.0 only" {
	export FARM_FAKE_LOCK_EOF=1
	FAKE_FLOX_VERSION=1.14.1 publish
	ended 0 "$shipped"
	rm -r "$FARM_FAKE_CATALOG"
	export FAKE_FLOX_VERSION=1.15.0
	publish
	ended 1 "✘ ERROR: failed to parse file for lock results: EOF while parsing a value at line 1 column 0"
	publish
	ended 0 "$shipped"
}

@test "fault CONFIRM_TIMEOUT: fails after it is published, the next one finds it" {
	export FARM_FAKE_CONFIRM_TIMEOUT=1
	publish
	ended 1 "✘ ERROR: Failed while waiting for publish confirmation: Timed out waiting for publish completion"
	[ "$(entries)" -eq 1 ]
	publish
	ended 0 "✔ Package already published."
	[ "$(uploads)" = '"uploads": 1' ]
}

@test "fault RELOCK: a build makes the checkout dirty, so publish refuses" {
	FARM_FAKE_RELOCK=1 run "$flox" build "$package"
	[ "$status" -eq 0 ]
	publish
	ended 1 "dirty tracked files"
}

@test "fault NOISE: a megabyte line, NUL, and bytes that are no text" {
	FARM_FAKE_NOISE=1 "$flox" build "$package" 2> err
	[ "$(wc -L < err)" -ge 1048576 ]
	[ "$(tr -dc '\000' < err | wc -c)" -eq 1 ]
	run ! iconv -f utf-8 -t utf-8 err
}

@test "fault KILL: dies by SIGKILL" {
	FARM_FAKE_KILL=build run "$flox" build "$package"
	[ "$status" -eq 137 ]
}

@test "fault HANG: silent, and TERM ends it" {
	FARM_FAKE_HANG=build "$flox" build "$package" > out 2> err &
	pid=$!
	said_in out Building
	kill -TERM $pid
	ended_as $pid
	[ "$status" -eq 143 ]
	[ ! -s err ]
}

@test "an interrupt is told" {
	FARM_FAKE_SLOW=30 "$flox" build "$package" 2> err &
	pid=$!
	said_in err "still compiling"
	kill -INT $pid
	ended_as $pid
	[ "$status" -eq 1 ]
	grep -q "✘ ERROR: user interrupted process" err
}

@test "fault STUBBORN: TERM does not end it, nor its grandchild" {
	FARM_FAKE_STUBBORN=build "$flox" build "$package" 2> err &
	pid=$!
	said_in err "^stubborn: "
	read -r _ _ said _ grandchild < err
	[ "$said" -eq $pid ]
	kill -TERM $pid
	kill -TERM "$grandchild"
	kill -0 $pid
	kill -0 "$grandchild"
	[ "$(ps -o sid= -p "$grandchild" | tr -d ' ')" -eq "$grandchild" ]
	kill -KILL $pid "$grandchild"
}

@test "calls are noted, without values" {
	export FARM_FAKE_CALLS=$BATS_TEST_TMPDIR/calls
	publish
	"$flox" --version
	[ "$(wc -l < "$FARM_FAKE_CALLS")" -eq 2 ]
	grep -q FLOX_FLOXHUB_TOKEN "$FARM_FAKE_CALLS"
	run -1 grep -qF "$FLOX_FLOXHUB_TOKEN" "$FARM_FAKE_CALLS"
}
