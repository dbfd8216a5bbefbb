#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# farm.yaml and the settings of workers are one thing: what is changed counts at once, as a whole, or is
# refused; nothing is half live, and no command says "runs already" and forgets what it was told.

load farm

short=torchvision-python313-cuda12_8-sm90-avx2

setup() {
	farm_setup
	nix_setup
	fixture sample
	farm_make "$url"
	# The default is for real builds; /tmp may be smaller, as a part of memory.
	sed -i 's|^\( *\)# disk: [0-9].*|\1disk: 1M|' "$FARM_HOME/farm.yaml"
	grep -q '^ *disk: 1M' "$FARM_HOME/farm.yaml"
}

teardown() {
	farm_teardown
}

publishes() {
	farm_rows worker list | jq -e --arg worker "$1" --argjson wanted "$2" \
		'any(.worker == $worker and .may_publish == $wanted and .state == "online")' >/dev/null
}

slots_are() {
	farm_rows worker list | jq -e --arg worker "$1" --argjson wanted "$2" \
		'any(.worker == $worker and .slots == $wanted and .state == "online")' >/dev/null
}

@test "README's own sequence publishes: init, up, target add, rebuild --publish" {
	farm up
	wait_until 20 workers_online 1
	refuses 2 "--branches" farm target add shelf --cache "file://$top/cache" </dev/null
	refuses 2 "--flox ORG or --cache URI" farm target add shelf --branches '*'
	run -0 farm target add shelf --cache "file://$top/cache" --branches "main,cuda-*"
	says "targets: shelf, new"
	says "this machine's own worker may publish now"
	wait_until 20 publishes local true
	run farm rebuild --publish gpu=sm90 isa=avx2 branch=main
	echo "$output"
	[ "$status" -eq 0 ]
	says "1 ok, 0 failed, 1 published"
	[ "$(find "$top/cache" -name '*.narinfo' | wc -l)" -ge 1 ]
	run -0 farm target set shelf order='cuda-*,main'
	says "targets.shelf.collisions: order, was refuse"
	grep -A 6 'name: "shelf"' "$FARM_HOME/farm.yaml" | grep -qxF '    order: ["cuda-*", "main"]'
	run -0 farm target set shelf collisions=versions
	says "targets.shelf.collisions: versions, was order"
	lacks -q '^ *order:' "$FARM_HOME/farm.yaml"
	refuses 3 "farm.yaml was not changed" farm target set shelf collisions=loudest
	refuses 3 "nothing named board" farm target set board collisions=newest
	refuses 2 "is not collisions=POLICY" farm target set shelf colour=red
	refuses 3 "two targets have the name" farm target add shelf --cache "file://$top/c2" --branches x
	run -0 farm worker set local publish=no
	wait_until 20 publishes local false
	run farm rebuild --publish gpu=sm90 isa=avx2 branch=main --force
	[ "$status" -eq 6 ]
	says "may publish: \`farm worker set NAME publish=yes\` allows one"
}

@test "up with other options applies them; worker set does, too; builds go on" {
	farm_project 'touch "$TMPDIR/../../began"; sleep 20' 'checkout: false'
	farm up --slots 3
	wait_until 20 slots_are local 3
	run -0 farm up
	says "already runs"
	farm rebuild --detach gpu=sm90 isa=avx2 >/dev/null
	wait_until 20 job_is $short state running
	before=$(pid_of worker-local)
	run -0 farm up --slots 4
	says "its builds continue"
	[ "$(pid_of worker-local)" != "$before" ]
	wait_until 20 slots_are local 4
	run -0 farm worker set local slots=2 heavy=1
	wait_until 20 slots_are local 2
	run -0 farm worker set local isolation=none
	grep -qx 'isolation none' "$FARM_HOME/workers/local/worker.conf"
	wait_until 20 slots_are local 2
	refuses 2 "is not publish=yes" farm worker set local slots=many
	refuses 2 "LEVEL is auto" farm worker set local isolation=unknown
	refuses 3 "no worker nobody" farm worker set nobody slots=2
	job_is $short state running
	job_is $short attempts 1
	farm cancel 1
}

@test "config reload: what changed, and what waits for the next start" {
	farm_project true 'checkout: false'
	farm_up
	run -0 farm config reload
	says "has farm.yaml as it is"
	sed -i -e 's/heartbeat: 500ms/heartbeat: 700ms/' -e "s/$log_port/1$log_port/" "$FARM_HOME/farm.yaml"
	sed -i "s/:1$log_port/:$((log_port - 1000))/" "$FARM_HOME/farm.yaml"
	run -0 farm config reload
	says "timing.heartbeat: 700ms, was 500ms"
	says "listen.log: tcp://127.0.0.1:$((log_port - 1000)), was tcp://127.0.0.1:$log_port (at the next farm down and farm up)"
	run -0 farm config reload
	says "has farm.yaml as it is"
}

@test "a changed file counts for the next command, as a whole; a broken one is refused" {
	farm_project true 'checkout: false'
	farm_up
	worker_up one
	wait_until 20 workers_online 1
	farm_result matrix | jq -e '.items | all(.branch == "main")'
	branches='cuda-12_9' attempts_max=2 farm_project true 'checkout: false'
	farm_result matrix | jq -e '.items | length > 0 and all(.branch == "cuda-12_9")'
	grep -q 'retry.attempts_max: "3" is now "2"' "$FARM_HOME/log/farmd.log"
	echo 'colour: blue' >>"$FARM_HOME/farm.yaml"
	refuses 3 colour farm config reload
	refuses 3 colour farm plan
	refuses 3 colour farm rebuild
	[ "$(farm_rows runs | jq length)" -eq 0 ]
}

@test "project list, remove" {
	other_url=$("$fixtures/failing/generate" "$top/git2" | tail -n 1)
	farm_up
	run -0 farm project add "$other_url"
	says "projects: "
	run -0 farm project list
	says "torchvision"
	count=$(farm_rows project list | jq length)
	name=$(farm_rows project list | jq -r '.[-1].project')
	run -0 farm project remove "$name"
	says "projects: $name, removed"
	[ "$(farm_rows project list | jq length)" -eq $((count - 1)) ]
	refuses 3 "nothing named $name" farm project remove "$name"
	farm config check
}

@test "a taken port: who has it, and where to change it" {
	farm_project true 'checkout: false'
	farm_up
	taken=$(pid_of farmd)
	cp -r "$FARM_HOME" "$top/second"
	rm -rf "$top/second/run" "$top"/second/journal*
	run farm --home "$top/second" up --no-worker
	[ "$status" -eq 3 ]
	says "farmd (pid $taken) has this port; \`listen\` in farm.yaml sets the addresses"
}

@test "a home whose path is too long for a local socket works over TCP" {
	farm_project true 'checkout: false'
	long=$top/$(printf 'x%.0s' $(seq 110))
	cp -r "$FARM_HOME" "$long"
	FARM_HOME=$long
	farm_up
	worker_up one
	wait_until 20 workers_online 1
	run farm rebuild gpu=sm90 isa=avx2
	[ "$status" -eq 0 ]
}
