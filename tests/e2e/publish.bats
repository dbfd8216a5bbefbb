#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is published, what is not, and what is not built again: with a publish target that is a shell
# command and writes down what it was called with.

load farm

setup() {
	farm_setup
	shelf=$top/shelf
	: >"$shelf"
}

teardown() {
	farm_teardown
}

# project FIXTURE [WORKER_OPTION...]: the fixture's branches, all published to the shelf; `winner`
# names the branch that wins.
project() {
	fixture "$1"
	shift
	farm_make "$url"
	project=vision publish_command="echo \$FARM_PACKAGE >>$shelf" \
		branches=$(git --git-dir="$repository" for-each-ref --format='%(refname:short)' refs/heads) \
		farm_project "${command-echo built}"
	[ -z "${winner:-}" ] ||
		sed -i "s|^      - name: $winner$|&\n        wins: [\"*\"]|" "$FARM_HOME/farm.yaml"
	farm_up
	worker_up one --slots 4 "$@"
	wait_until 20 workers_online 1
}

shelved() {
	sort "$shelf" | uniq -c | awk '{ print $1, $2 }'
}

# commit_to BRANCH MESSAGE COMMAND...: in a clone, pushed.
commit_to() {
	local branch=$1 message=$2 checkout=$top/checkout
	shift 2
	[ -d "$checkout" ] || git clone --quiet "$url" "$checkout"
	git -C "$checkout" checkout --quiet "$branch"
	(cd "$checkout" && "$@")
	git -C "$checkout" add --all --force
	git -C "$checkout" commit --quiet --message "$message"
	git -C "$checkout" push --quiet origin "$branch"
}

change_two() {
	local isa
	for isa in avx2 avx512; do
		sed -i 's/0\.23\.0/0.24.0/' ".flox/pkgs/torchvision-python313-cuda12_8-sm90-$isa.nix"
	done
}

@test "what has not changed since it was published is not built again" {
	# The recipe decides; of a command nobody knows what it looks at.
	nix_setup
	builder=nix command='' project sample --may-publish
	farm rebuild --publish gpu=sm90 "isa=avx*"
	ended_as "4 ok, 0 failed, 4 published"
	# A commit that touches no recipe.
	commit_to main "Tell more" sh -c 'echo more >>README.md'
	farm rebuild --publish gpu=sm90 "isa=avx*"
	farm_result status | jq -e '.run.counts.skipped == 4 and .run.counts.ok == 0'
	# One that touches two of the four.
	commit_to main "Next version" change_two
	farm rebuild gpu=sm90 "isa=avx*"
	standing "2 current, 2 older"
	farm rebuild --publish gpu=sm90 "isa=avx*"
	standing "4 current, 0 older"
	farm_result status | jq -e '.run.counts.skipped == 2 and .run.counts.ok == 2'
	farm rebuild --publish --force gpu=sm90 isa=avx2
	farm_result status | jq -e '.run.counts.skipped == 0 and .run.counts.ok == 1'
	[ "$(shelved | head -n 1)" = "3 torchvision-python313-cuda12_8-sm90-avx2" ]
}

# standing TEXT: of the variants on the shelf.
standing() {
	[ "$(farm_result ledger --matrix gpu=sm90 "isa=avx*" | jq -r '.matrix | map(.standing) |
		"\(map(select(. == "current")) | length) current, \(map(select(. == "older")) | length) older"')" = "$1" ]
}

@test "the matrix of what is published, over runs: as a grid, and for a README" {
	project sample --may-publish
	# Before any run it has all that is to be published.
	run -0 farm ledger --matrix
	says "0 of 49 published"
	farm rebuild --publish gpu=sm90 isa=avx512
	run -0 farm ledger --matrix
	says "1 of 49 published"
	run -0 farm ledger --matrix gpu=sm90 "isa=avx*"
	echo "$output"
	says "1 of 4 published"
	says "never published"
	says "$(git -C "$repository" rev-parse main | cut -c 1-7)"
	run farm ledger --markdown isa=avx512
	says "| branch | package | system | published | on | standing |"
	says "| main | torchvision-python313-cuda12_8-sm90-avx512 | x86_64-linux | \`$(git -C "$repository" rev-parse main | cut -c 1-7)\` |"
	[ "$(grep -c '^| main' <<<"$output")" -eq 8 ]
}

# as_planned RUN: the run did with each variant what $plan, the result of a dry run, says.
as_planned() {
	farm_result status "$1" | jq -e --argjson plan "$plan" '
		(.run.jobs | map({key: .package, value: .}) | from_entries) as $did |
		$plan.items | length > 0 and all($did[.package] as $job |
			{build: "ok", skip: "skipped"}[.disposition] == $job.verdict and
			.publishes == ($job.publication != null))'
}

@test "rebuild --dry-run shows what the rebuild then does, and starts nothing" {
	local plan
	nix_setup
	builder=nix command='' project sample --may-publish
	run -0 farm rebuild --dry-run --publish gpu=sm90 "isa=avx*"
	says "4 build, 4 to publish"
	[ "$(farm_rows runs | jq length)" -eq 0 ]
	plan=$(farm_result rebuild --dry-run --publish gpu=sm90 "isa=avx*" | jq .plan)
	farm rebuild --publish gpu=sm90 "isa=avx*"
	as_planned 1
	commit_to main "Next version" change_two
	run -0 farm rebuild --dry-run --publish gpu=sm90 "isa=avx*"
	says "2 build"
	says "2 skip"
	plan=$(farm_result rebuild --dry-run --publish gpu=sm90 "isa=avx*" | jq .plan)
	[ "$(farm_rows runs | jq length)" -eq 1 ]
	farm rebuild --publish gpu=sm90 "isa=avx*"
	as_planned 2
	plan=$(farm_result rebuild --dry-run --force gpu=sm90 "isa=avx*" | jq .plan)
	farm rebuild --force gpu=sm90 "isa=avx*"
	as_planned 3
	refuses 2 "did you mean" farm rebuild --dry-run gpu=sm91
}

@test "what was built without publishing can be published later, without building" {
	project sample --may-publish
	farm rebuild gpu=sm90 "isa=avx*"
	ended_as "4 ok, 0 failed, 0 published"
	farm publish 1
	wait_until 30 ledger_has 4
	[ "$(shelved | wc -l)" -eq 4 ]
	farm_result status 1 | jq -e 'all(.run.jobs[]; .attempts == 1)'
}

ledger_has() {
	farm_rows ledger | jq -e --argjson number "$1" 'length == $number' >/dev/null
}

@test "one package on two branches: neither is published until the config says which wins, the rest is" {
	project collide --may-publish
	run farm plan --publish
	says collide
	run farm rebuild --publish "isa=avx*"
	echo "$output"
	[ "$status" -eq 1 ]
	says "variants are not published, such as: torchvision-"
	says "or set \`collisions\` of the target"
	farm_result status | jq -e '.run.counts.blocked > 0 and .run.published.done > 0 and
		.run.counts.ok == .run.published.done and .run.counts.failed == 0'
	[ "$(shelved | awk '$1 > 1' | wc -l)" -eq 0 ]
	farm_rows ledger | jq -e '[.[].package] | length > 0 and length == (unique | length)'
}

# policy LINE: under the target.
policy() {
	sed -i "s|^  - name: shelf$|&\n    $1|" "$FARM_HOME/farm.yaml"
}

@test "two branches in two runs: the policy of the target decides as in one" {
	project collide --may-publish
	farm down >/dev/null
	policy "collisions: newest"
	sed -i 's|^      - name: main$|&\n        line: 12.8|' "$FARM_HOME/farm.yaml"
	farm_up
	wait_until 20 workers_online 1
	run farm plan --publish branch=main gpu=sm121 isa=avx2
	says "built, not published: cuda-13_0 has this name: version line 13.0"
	run farm config check
	says "6 names stand on several branches"
	says "cuda-13_0 and main share 6, such as torchvision-python313-cuda12_8-sm121-"
	run farm rebuild --publish branch=main gpu=sm121 isa=avx2
	echo "$output"
	[ "$status" -eq 0 ]
	says "1 ok, 0 failed, 0 published, 1 built only"
	[ "$(shelved)" = "" ]
	farm rebuild --publish branch=cuda-13_0 gpu=sm121 isa=avx2
	farm_rows ledger | jq -e 'length == 1 and .[0].branch == "cuda-13_0"'
	refuses 3 "is not published: cuda-13_0 has this name: version line 13.0" farm publish 1
	# farm.yaml does not name that branch any more: the ledger speaks for it.
	farm down >/dev/null
	sed -i '/^      - name: cuda-13_0$/,+1d; s|line: 12.8|line: 12.7|' "$FARM_HOME/farm.yaml"
	farm_up
	wait_until 20 workers_online 1
	farm rebuild --publish branch=main gpu=sm121 isa=avx2
	[ "$(shelved)" = "1 torchvision-python313-cuda12_8-sm121-avx2" ]
	farm_result status |
		jq -e '.run.jobs[0].not_published == "cuda-13_0 has this name at shelf, published by run 2"'
}

@test "of two branches with one package the one that wins publishes" {
	winner=cuda-13_0 project collide --may-publish
	run farm rebuild --publish gpu=sm121 isa=avx2
	echo "$output"
	[ "$(shelved)" = "1 torchvision-python313-cuda12_8-sm121-avx2" ]
	farm_rows ledger | jq -e '.[0].branch == "cuda-13_0"'
}

# The first call meets the network, later ones do not.
flaky="[ -e \$FARM_TEST_ONCE ] || { : >\$FARM_TEST_ONCE; echo 'curl: (6) Could not resolve host: a'; exit 1; }"

@test "an older commit is not published over a newer one that went ahead" {
	fixture sample
	farm_make "$url"
	retry_delay=5s publish_command="${flaky//\$FARM_TEST_ONCE/$top/once}; echo \$FARM_PACKAGE >>$shelf" \
		farm_project "echo built"
	farm_up
	worker_up one --slots 4 --may-publish
	wait_until 20 workers_online 1
	farm rebuild --detach --publish gpu=sm90 isa=avx2
	wait_until 20 test -e "$top/once"
	older=$(git -C "$repository" rev-parse main)
	commit_to main "Tell more" sh -c 'echo more >>README.md'
	farm rebuild --publish gpu=sm90 isa=avx2
	newer=$(git -C "$repository" rev-parse main)
	wait_until 30 run_ended 1
	farm watch 1
	run farm status 1
	says "1 built, not published"
	farm_result status 1 | jq -e --arg newer "$newer" '.run.progress == "well" and
		(.run.jobs[0].not_published == "superseded by \($newer[:12]), published by run 2")'
	[ "$(shelved)" = "1 torchvision-python313-cuda12_8-sm90-avx2" ]
	farm_rows ledger | jq -e --arg newer "$newer" '.[0].commit == $newer'
	# The same is known beforehand when the branch was set back.
	git -C "$repository" update-ref refs/heads/main "$older"
	run farm plan --publish gpu=sm90 isa=avx2
	says "built, not published: superseded by ${newer:0:12}, published by run 2"
	farm rebuild --publish --force gpu=sm90 isa=avx2
	farm_rows ledger | jq -e --arg older "$older" '.[-1].commit == $older'
	# Of a branch that was rewritten a person decides, however long its history is.
	git -C "$repository" update-ref refs/heads/main "$older^"
	rm -rf "$top/checkout"
	commit_to main "Rewritten" change_two
	commit_to main "And longer" sh -c 'echo longer >>README.md'
	run -1 farm rebuild --publish gpu=sm90 isa=avx2
	says "branch main was rewritten"
	says "does not have ${older:0:12}"
	[ "$(shelved)" = "2 torchvision-python313-cuda12_8-sm90-avx2" ]
	farm rebuild --publish --force gpu=sm90 isa=avx2
	farm_rows ledger | jq -e --arg tip "$(git -C "$repository" rev-parse main)" '.[-1].commit == $tip'
}

run_ended() {
	farm_result status "$1" | jq -e '.run.state == "closed"' >/dev/null
}

@test "workers that may not publish are given none of it, and it is said" {
	project sample
	run farm rebuild --publish gpu=sm90 isa=avx2
	echo "$output"
	[ "$status" -eq 6 ] # it waits for one that may
	says "may publish: \`farm worker set NAME publish=yes\` allows one"
	[ "$(shelved)" = "" ]
	run farm why sm90-avx2
	says publish
}
