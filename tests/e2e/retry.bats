#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A retry builds the commits of the earlier run; what a force-push took away is said at once.

load farm

setup() {
	farm_setup
	fixture sample
	farm_make "$url"
	branches='main cuda-12_9' farm_project 'exit 1'
	farm_up
	worker_up one --slots 2
	wait_until 20 workers_online 1
}

teardown() {
	farm_teardown
}

@test "a commit that was pushed away is refused, or blocked where others can be built" {
	local checkout=$top/checkout commit gone
	run farm rebuild "gpu=sm90,sm103 isa=avx512 system=$here-linux"
	[ "$status" -eq 1 ]
	farm_result status 1 | jq -e '[.run.jobs[] | select(.verdict == "failed") | .branch] |
		unique == ["cuda-12_9", "main"]'
	commit=$(git -C "$repository" rev-parse main)
	gone="commit ${commit:0:12} of main is no longer on any branch of $url: push it again, or build the branch's tip by \`farm retry\` with --at main"
	git clone --quiet "$repository" "$checkout"
	git -C "$checkout" commit --quiet --amend --message "Another history"
	git -C "$checkout" push --quiet --force

	refuses 3 "$gone" farm retry 1 --failed branch=main
	run_is refused 2
	# Those of the other branch are tried again.
	run farm retry 1 --failed
	[ "$status" -eq 1 ]
	says "$gone"
	farm_result status 3 | jq -e --arg gone "$gone" '[.run.jobs[] | select(.branch == "main") |
		.verdict == "blocked" and .cause == "config" and .attempts == 0 and
		(.detail | startswith($gone))] | length > 0 and all'
	farm_result status 3 | jq -e '[.run.jobs[] | select(.branch == "cuda-12_9") |
		.verdict == "failed" and .attempts == 1] | length > 0 and all'

	# What it advises: the tip, or the commit pushed again, wherever that is.
	run farm retry 1 --failed --at main branch=main
	farm_result status 4 | jq -e '[.run.jobs[] | .verdict == "failed"] | length > 0 and all'
	git -C "$repository" branch rescued "$commit"
	run farm retry 1 --failed branch=main
	farm_result status 5 | jq -e --arg commit "$commit" '[.run.jobs[] |
		.verdict == "failed" and .commit == $commit] | length > 0 and all'

	git -C "$repository" branch --quiet -D cuda-12_9
	refuses 3 "branch cuda-12_9 is gone from $url: push it again" farm retry 1 --failed branch=cuda-12_9
}
