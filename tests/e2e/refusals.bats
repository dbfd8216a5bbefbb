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
	refuses 3 torchvision-python313-cuda12_8-sm90-avx512 \
		farm rebuild torchvision-python313-cuda12_8-sm90-axv512
	refuses 3 cuda-13_0 farm rebuild branch=cuda-13.1
	refuses 2 isa farm rebuild issa=avx512
	farm status --json | jq -e '.run == null or .run.state == "refused"'
}

@test "armv8.2 and armv8_2 are the same to type" {
	farm_ready
	diff <(farm matrix isa=armv8.2 --json) <(farm matrix isa=armv8_2 --json)
	farm matrix isa=armv8.2 --json | jq -e 'tostring | contains("armv8_2")'
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
	farm status --json | jq -e '.run.state == "refused"'
}

@test "a secret that is not there: found before anything is built" {
	project "$(target; echo '    secret: absent')"
	sed -i 's/^      - name: main$/&\n        publish: vision/' "$FARM_HOME/farm.yaml"
	farm_up
	worker_up one --slots 2 --may-publish
	wait_until 20 workers_online 1
	run farm rebuild --publish branch=main gpu=sm90
	[ "$status" -ne 0 ]
	says absent
	farm status --json | jq -e '.run == null or .run.state == "refused"'
}

@test "two branches with the same package: publishing is refused until the config says who wins" {
	url=$("$fixtures/collide/generate" "$top/git" | tail -n 1)
	farm_ready "$(target)"
	run farm matrix
	[ "$status" -eq 0 ]
}

@test "a branch that vanished is said by name" {
	farm_ready
	git --git-dir="$repository" update-ref -d refs/heads/cuda-12_9
	refuses 3 cuda-12_9 farm rebuild branch=cuda-12_9
}

@test "a key that was revoked, and one nobody knows, do not get in" {
	farm_ready
	mkdir -p "$top/stranger"
	cp -r "$FARM_HOME/workers/one" "$top/stranger/home"
	rm -f "$top"/stranger/home/*.key*
	run timeout 10 "$bin/farm-worker" --home "$top/stranger/home"
	[ "$status" -ne 0 ]
	farm status --json | jq -e '.farm.workers_online == 1'
}

@test "a command that does not exist, or takes other arguments: exit 2 and where to look" {
	refuses 2 rebuild farm rebulid
	refuses 2 "" farm rebuild --nonsense
	refuses 2 "" farm logs
}

@test "no coordinator: said at once, with what to do" {
	refuses 4 "farm up" farm status
}

@test "no worker for a system: unroutable, with the reason; the others are built" {
	farm_ready
	run farm rebuild --branch-nothing gpu=sm90
	[ "$status" -eq 2 ]
	run farm rebuild gpu=sm90
	farm status --json | jq -e --arg system "$other-linux" \
		'all(.run.jobs[] | select(.system == $system); .verdict == "unroutable")'
	run farm why sm90-armv9
	says "$other-linux"
}
