#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# enrol.bats - a host becomes a worker: identity, service, doctor.
load farm

setup() {
	farm_setup
	worker_home=$top/worker
}

teardown() {
	if [ -e "$worker_home/service" ]; then
		"$bin/farm-worker" service remove --home "$worker_home" || true
	fi
	farm_teardown
}

worker() {
	timeout --kill-after=5 60 "$bin/farm-worker" "$@" --home "$worker_home"
}

# Some key that is well-formed.
some_key() {
	"$bin/farm-worker" keys --home "$top/other"
}

enrol_somewhere() {
	worker enrol --coordinator tcp://127.0.0.1:1 --coordinator-key "$(some_key)" --name one "$@"
}

# Whom the agent runs as in these tests.
as_us() {
	[ "$(id -u)" -ne 0 ] || echo --user root
}

agent() {
	worker service status --json | jq -e .pid
}

another_agent() {
	local pid
	pid=$(agent)
	[ "$pid" -ne 0 ] && [ "$pid" -ne "$1" ]
}

@test "enrol makes a key pair once, and says only the public half" {
	run -0 --separate-stderr enrol_somewhere --slots 2
	key=$(jq -er .public_key <<<"$output")
	[ ${#key} -eq 40 ]
	[ "$(jq -r .changed <<<"$output")" = true ]
	[ "$(jq -r .name <<<"$output")" = one ]
	[ "$(stat -c %a "$worker_home/worker.key")" = 600 ]
	secret=$(sed -n 's/^secret //p' "$worker_home/worker.key")
	[[ $output != *"$secret"* ]]
	run -0 --separate-stderr enrol_somewhere --slots 2
	[ "$(jq -r .changed <<<"$output")" = false ]
	[ "$(jq -er .public_key <<<"$output")" = "$key" ]
	run -0 --separate-stderr enrol_somewhere --slots 3 --may-publish
	[ "$(jq -r .changed <<<"$output")" = true ]
	grep -qx 'slots 3' "$worker_home/worker.conf"
	grep -qx 'may-publish yes' "$worker_home/worker.conf"
	run -0 --separate-stderr enrol_somewhere --no-publish
	grep -qx 'may-publish no' "$worker_home/worker.conf"
}

@test "enrol says what is missing" {
	run -1 worker enrol --name one
	[[ $output == *'--coordinator tcp://HOST:PORT'* ]]
	run -1 worker enrol --name one --coordinator arm1 --coordinator-key "$(some_key)"
	[[ $output == *'--coordinator is tcp://HOST:PORT, not "arm1"'* ]]
	run -1 worker enrol --name one --coordinator tcp://arm1:7471 --coordinator-key short
	[[ $output == *'40 characters'* ]]
	run -1 worker enrol --name 'a b' --coordinator tcp://arm1:7471 --coordinator-key "$(some_key)"
	[[ $output == *"worker's name"* ]]
	run -1 worker service install --mode process
	[[ $output == *'enrol'* ]]
}

@test "without systemd a background process keeps the worker running" {
	enrol_somewhere --slots 1
	run -1 worker service start --mode process
	[[ $output == *'service install'* ]]
	# shellcheck disable=SC2046
	run -0 worker service install --mode process $(as_us)
	[[ $output == *'run at boot'* ]]
	run -0 --separate-stderr worker service start --json
	[ "$(jq -r .kind,.running <<<"$output" | paste -sd' ')" = 'process true' ]
	first=$(agent)
	run -0 worker service start
	[ "$(agent)" = "$first" ]

	# A crash: it comes back. A restart: another one, at once.
	kill -KILL "$first"
	wait_until 20 another_agent "$first"
	second=$(agent)
	worker service restart
	third=$(agent)
	[ "$third" -ne "$second" ]
	grep -q 'started again in 1 s' "$worker_home/service.log"

	# A killed keeper: the next one takes the worker over.
	kill -KILL "$(cut -d' ' -f1 "$worker_home/service.pid")"
	[ "$(agent)" = "$third" ]
	worker service start
	wait_until 20 another_agent "$third"
	worker service stop
	run -0 --separate-stderr worker service remove --json
	[ "$(jq -r .installed <<<"$output")" = false ]
	[ -e "$worker_home/worker.key" ]
}

@test "the doctor has a fix for each red line" {
	run -1 worker doctor
	[[ $output == *'farm-worker enrol or farm-worker join'* ]]
	enrol_somewhere --slots 1
	run -0 --separate-stderr worker doctor --json --clock "$(($(date +%s%3N) - 3600000))" \
		--project "file://$top/nowhere"
	check() {
		jq -er --arg name "$1" '.checks[] | select(.name == $name) | .state' <<<"$output"
	}
	[ "$(check git)" = ok ]
	[ "$(check coordinator)" = bad ]
	[ "$(check clock)" = bad ]
	[ "$(check project)" = bad ]
	[ "$(check service)" = warn ]
	jq -e '[.checks[] | select(.state != "ok" and .fix == "")] == []' <<<"$output"
	jq -e '[.checks[] | select(.state == "ok" and .fix != "")] == []' <<<"$output"
}
