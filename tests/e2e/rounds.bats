#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Rounds: the matrix builds and publishes on three hosts while coordinator, agents, supervisors and git
# are killed and links fail, at moments drawn from a seed. FARM_ROUNDS says how many (default 5),
# FARM_SEED the first one's seed (default 1); a failing round shows its seed and what it did.

bats_require_minimum_version 1.5.0
load farm
load farm_hosts
load rounds

setup() {
	rounds_setup
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}" ] && [ -n "${round:-}" ]; then
		echo "--- seed ${round##*/}: FARM_SEED=${round##*/} FARM_ROUNDS=1 bats tests/e2e/rounds.bats"
		cat "$deeds"
	fi
	hosts_teardown
}

@test "whatever is killed and cut: every job ok and published once, no build lost, every log whole" {
	local seed first=${FARM_SEED:-1} said
	for ((seed = first; seed < first + ${FARM_ROUNDS:-5}; seed++)); do
		said=$top/$seed.said
		play "$seed" >"$said"
		[ "$seed" -ne "$first" ] || a_spoiled_log_is_seen
		hosts_end
		echo "# seed $seed: $(tail -n 1 "$said"), $((SECONDS - round_began)) s" >&3
		chmod -R u+w "$round"
		rm -rf "$round"
	done
}

a_spoiled_log_is_seen() {
	local some
	some=$(jq -r '.token' "$round/tries" | head -n 1)
	printf x >>"$round/kept/$some"
	refuses 1 "EOF on -" all_is_told
}

@test "the judge sees what it is there for" {
	round=$top/judged
	mkdir -p "$round"
	deeds=$round/deeds
	: >"$deeds"
	# a: its supervisor was the victim. b: lost without a reason. c: taken back. d: its git was the victim.
	jq -nc '{token: "1.1", package: "a", worker: "one", outcome: "lost", failed_phase: "build", cause: "host-lost", detail: "killed"},
		{token: "1.2", package: "a", outcome: "ok", detail: ""},
		{token: "1.3", package: "b", worker: "one", outcome: "lost", failed_phase: "build", cause: "host-lost", detail: "gone"},
		{token: "1.4", package: "b", outcome: "ok", detail: ""},
		{token: "1.5", package: "c", worker: "two", outcome: "lost", failed_phase: "none", cause: "host-lost",
		 detail: "its worker went away before it took the job"},
		{token: "1.6", package: "c", outcome: "ok", detail: ""},
		{token: "1.7", package: "d", worker: "two", outcome: "failed", failed_phase: "checkout", cause: "unknown", detail: "killed"},
		{token: "1.8", package: "d", worker: "one", outcome: "failed", failed_phase: "checkout", cause: "unknown", detail: "?"},
		{token: "1.9", package: "d", outcome: "ok", detail: ""}' >"$round/tries"
	echo "1.1 build" >"$round/victims"
	echo "kill git -C $round/two/git/vision.git fetch" >"$round/victims.git"
	[ "$(lost_builds)" = "1.3 of one: lost in build, host-lost: gone
1.8 of one: failed in checkout, unknown: ?" ]
	printf '%s\n' "a 1.1" "a 1.2" "b 1.3" "b 1.4" "c 1.5" "c 1.6" "d 1.9" >"$round/begun"
	: >"$round/published"
	[ "$(begun_too_often "$round/begun" build)" = "b: 2 times" ]
	refuses 1 "1.3 of one" nothing_of "builds lost" "$(lost_builds)"
}
