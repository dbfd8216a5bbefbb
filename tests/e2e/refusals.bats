#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Bad input: refused before anything starts, in one sentence that says what to do.

load farm

setup() {
	farm_setup
	fixture sample
	farm_make "$url"
}

teardown() {
	farm_teardown
}

project() {
	branches=$sample_branches farm_project true 'checkout: false'
	printf '%s\n' "$1" >>"$FARM_HOME/farm.yaml"
}

target() {
	printf '%s\n' 'targets:' '  - name: vision' '    kind: command' '    command: cat'
}

farm_ready() {
	project "${1:-}"
	farm_up
	worker_up one --slots 2 --may-publish
	wait_until 20 workers_online 1
}

@test "an unknown package, branch, word or value: refused with the nearest" {
	farm_ready
	refuses 2 torchvision-python313-cuda12_8-sm90-avx512 \
		farm rebuild torchvision-python313-cuda12_8-sm90-axv512
	refuses 2 cuda-13_0 farm rebuild branch=cuda-13.1
	refuses 2 isa farm rebuild issa=avx512
	farm_result status | jq -e '.run == null or .run.state == "refused"'
}

@test "armv8.2 and armv8_2 are the same to type" {
	farm_ready
	diff <(farm_result matrix isa=armv8.2) <(farm_result matrix isa=armv8_2)
	farm_result matrix isa=armv8.2 | jq -e 'tostring | contains("armv8_2")'
}

@test "a broken farm.yaml: file, line and what was expected" {
	project ""
	echo "    oops: [" >>"$FARM_HOME/farm.yaml"
	refuses 3 "farm.yaml:" farm up --no-worker
}

@test "an unknown key in farm.yaml: named, with its line" {
	project "colour: blue"
	refuses 3 colour farm up --no-worker
}

@test "publishing where no branch has a target: said before anything is built" {
	farm_ready
	run farm rebuild --publish gpu=sm90 "isa=avx*"
	[ "$status" -ne 0 ]
	says "no selected branch has a target"
	farm_result status | jq -e '.run.state == "refused"'
}

@test "a secret that is not there: found before anything is built" {
	project "$(target; echo '    secret: absent')"
	sed -i 's/^      - name: main$/&\n        publish: vision/' "$FARM_HOME/farm.yaml"
	farm_up
	worker_up one --slots 2 --may-publish
	wait_until 20 workers_online 1
	refuses 3 absent farm rebuild --dry-run --publish branch=main gpu=sm90
	farm_result secret list | jq -e '.secrets == [{name: "absent", source: "missing", bytes: 0, set_at: 0,
		targets: ["vision"], recipients: []}]'
	run -0 farm secret list
	says "not set"
	[ "$(farm_rows runs | jq length)" -eq 0 ]
	run farm rebuild --publish branch=main gpu=sm90
	[ "$status" -ne 0 ]
	says absent
	farm_result status | jq -e '.run == null or .run.state == "refused"'
}

@test "two branches with the same package: publishing is refused until the config says who wins" {
	fixture collide
	farm_ready "$(target)"
	run farm matrix
	[ "$status" -eq 0 ]
}

@test "a branch that vanished is said by name, and the others go on" {
	nix_own
	farm_ready
	git --git-dir="$repository" update-ref -d refs/heads/cuda-12_9
	refuses 2 cuda-12_9 farm rebuild branch=cuda-12_9
	run farm matrix branch=main
	[ "$status" -eq 0 ]
	says "torchvision has no branch cuda-12_9"
	farm plan branch=main gpu=sm90 isa=avx2
	run farm rebuild branch=main gpu=sm90 isa=avx2
	[ "$status" -eq 0 ]
	says "torchvision has no branch cuda-12_9"
	farm worker smoke one
	git --git-dir="$repository" update-ref refs/heads/fresh refs/heads/main
	run farm matrix branch=main
	says "torchvision has 1 branch with packages that farm.yaml does not name: fresh"
	run farm matrix branch=main
	[[ $output != *fresh* ]]
}

@test "a key that was revoked, and one nobody knows, do not get in" {
	farm_ready
	mkdir -p "$top/stranger"
	cp -r "$FARM_HOME/workers/one" "$top/stranger/home"
	rm -f "$top"/stranger/home/*.key*
	run timeout 10 "$bin/farm-worker" --home "$top/stranger/home"
	[ "$status" -ne 0 ]
	farm_result status | jq -e '.farm.workers_online == 1'
}

@test "a command that does not exist, or takes other arguments: exit 2 and where to look" {
	refuses 2 rebuild farm rebulid
	refuses 2 "" farm rebuild --nonsense
	refuses 2 "" farm logs
}

@test "no coordinator: said at once, with what to do" {
	refuses 4 "farm up" farm status
}

# The person goes home with one host, and adds the other from the sofa.
@test "no worker for a system: the rest is built, and goes on when one comes" {
	farm_ready
	run farm rebuild --branch-nothing gpu=sm90
	[ "$status" -eq 2 ]
	run farm plan gpu=sm90
	says "no worker builds for $other-linux: \`farm worker add\` adds one"
	run farm rebuild gpu=sm90
	[ "$status" -eq 6 ]
	says "no worker builds for $other-linux: \`farm worker add\` adds one"
	says "waiting for a host"
	farm_result status | jq -e --arg system "$other-linux" '.run | .state == "open" and
		(.jobs | all(.[]; if .system == $system then .state == "ready" else .verdict == "ok" end))'
	run farm why sm90-armv9
	says "$other-linux"
	farm_rows notice list | jq -e 'any(.notice == "hosts-wanted" and .subject == "run 1")'
	run farm retry 1 --failed
	[ "$status" -eq 2 ] # nothing failed
	run farm watch 1
	[ "$status" -eq 6 ]
	worker_up late --emulate "$other-linux"
	run farm watch 1 --wait-all
	[ "$status" -eq 0 ]
	run_is closed
	farm_rows notice list | jq -e 'all(.notice != "hosts-wanted")'
}

@test "nobody waits longer than --give-up says" {
	farm_ready
	run farm rebuild gpu=sm90 --give-up soon
	[ "$status" -eq 2 ]
	run farm rebuild gpu=sm90 --give-up 1s --wait-all
	[ "$status" -eq 1 ]
	says "given up: no worker builds for $other-linux"
	run_is closed
}

@test "a run that is refused is said to whoever detaches" {
	farm_ready
	refuses 2 "nothing has gpu=sm91" farm rebuild --detach gpu=sm91
	farm_project true 'checkout: false' 'system: x86_64-linux'
	refuses 3 "no selected branch has a target" farm rebuild --detach --publish
	run -0 farm rebuild --detach gpu=sm90
	says "run "
}

@test "output that cannot be written is an error, for people and for programs" {
	farm_ready
	for command in "status" "status --json" "runs --json" "matrix" "worker list" "help --json" "resume --json"; do
		# shellcheck disable=SC2086
		run sh -c "\"$bin/farm\" $command >/dev/full"
		[ "$status" -eq 3 ]
		says "cannot write the output"
	done
	run -0 farm pause lunch
	says "farm resume ends this"
	run -0 farm resume
	says "goes on"
	refuses 2 "colour" farm matrix colour=blue
}
