#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# enrol.bats - a host becomes a worker: identity, service, doctor.
load farm

setup() {
	farm_setup
	nix_own
	worker_home=$top/worker
	mkdir "$top/own"
	own_crontab "$top/own"
	PATH=$top/own:$PATH
}

teardown() {
	if [ -e "$worker_home/service" ]; then
		"$bin/farm-worker" service remove --home "$worker_home" || true
	fi
	[ -z "${daemon:-}" ] || kill "$daemon" 2>/dev/null || true
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
	[[ $output == *'--coordinator must be tcp://HOST:PORT, not "arm1"'* ]]
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
	[[ $output == *'cron starts it at boot'* ]]
	[ "$(worker service status --json | jq .starts_at_boot)" = true ]
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
	grep -q 'restarting it in 1 s' "$worker_home/service.log"

	# A killed watchdog: the next one takes the worker over.
	kill -KILL "$(cut -d' ' -f1 "$worker_home/service.pid")"
	[ "$(agent)" = "$third" ]
	worker service start
	wait_until 20 another_agent "$third"
	worker service stop

	# Two at a time: stop finds the watchdog that runs, whichever it is.
	worker service start &
	worker service start
	wait "$!"
	first=$(agent)
	worker service stop
	wait_until 10 gone "$first"
	[ "$(worker service status --json | jq .running)" = false ]
	run -0 --separate-stderr worker service remove --json
	[ "$(jq -r .installed <<<"$output")" = false ]
	[ ! -s "$top/own/crontab.table" ]
	[ -e "$worker_home/worker.key" ]
}

@test "farm up --at-boot: cron does the same again, until farm down --at-boot" {
	fixture sample
	farm_make "$url"
	run -0 farm up --slots 2 --may-publish --at-boot
	says 'cron starts the farm when this machine boots'
	grep -q "^@reboot .* 'up' '--may-publish' '--slots' '2' >/dev/null" "$top/own/crontab.table"
	run -0 farm down --workers --at-boot
	[ ! -s "$top/own/crontab.table" ]
}

@test "the doctor has a fix for each red line" {
	run -1 worker doctor
	[[ $output == *'farm-worker enrol'*'farm-worker join'* ]]
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

# nix_of VERSION: the programs on PATH are of this nix, as far as they say.
nix_of() {
	cat >"$top/own/nix-store" <<-EOT
		#!/bin/sh
		[ "\$1" != --version ] || exec echo "nix-store (Nix) $1"
		exec /usr/bin/env PATH="${PATH#*:}" nix-store "\$@"
	EOT
	chmod +x "$top/own/nix-store"
	[ -e "$top/own/nix-build" ] || ln -s "$(command -v nix-build)" "$top/own" # so that builds look here, too
}

@test "a host whose nix has known escapes publishes only when its owner says so" {
	command -v nix-store >/dev/null || skip "no nix here"
	enrol_somewhere --may-publish
	run worker doctor
	says 'recipes are isolated' || skip "recipes cannot be isolated here"
	nix_of 2.34.8
	run worker doctor
	says 'nix 2.34.8 has known escapes'
	says '(CVE-2026-110450)'
	says "upgrade nix to 2.34.9, or to 2.35.3 or later; or set \`trust-recipes yes\`"
	run -0 worker probe
	[[ $output != *'may_publish=true'* ]]
	says 'it publishes when nix is upgraded, or with `trust-recipes yes`'
	nix_of 2.35.3
	run worker doctor
	says 'nix 2.35.3 has no known escapes'
	run -0 worker probe
	says 'may_publish=true'
	nix_of 2.34.8
	enrol_somewhere --trust-recipes
	run -0 worker probe
	says 'may_publish=true'
	says 'nix 2.34.8 has known escapes'
}

@test "this machine's own worker publishes with the nix that it has, and says what is wrong with it" {
	command -v nix-store >/dev/null || skip "no nix here"
	nix_of 2.34.8
	fixture sample
	farm_make "$url"
	farm up --slots 1 --may-publish --no-keeper
	wait_until 20 workers_online 1
	farm_result worker list | jq -e '.workers[0].may_publish'
	[ "$(farm_result worker list | jq -r '.workers[0].isolation')" != none ] || skip "recipes cannot be isolated here"
	run -0 farm worker list
	says 'nix 2.34.8 has known escapes'
}

# ---- what the farm asks of a host --------------------------------------------------------------

one_worker() {
	fixture sample
	farm_make "$url"
	branches=$sample_branches farm_project "${1:-echo built}"
	farm_up
	worker_up one --slots 2
	wait_until 20 workers_online 1
}

@test "a group of build users that is missing is named before anything is built" {
	[ "$(id -u)" -eq 0 ] || skip "only root's nix wants build users"
	command -v nix >/dev/null || skip "no nix here"
	sed -i 's/^build-users-group.*/build-users-group = farmnone/' "$NIX_CONF_DIR/nix.conf"
	enrol_somewhere --slots 1
	run worker doctor
	says 'group farmnone does not exist'
	says 'groupadd --system farmnone'
	one_worker
	run -1 farm worker smoke one
	says 'group farmnone does not exist'
}

# host_daemon TRUSTED: this host has a nix-daemon of its own, which trusts these users.
host_daemon() {
	printf 'trusted-users = %s\n' "$1" >>"$NIX_CONF_DIR/nix.conf"
	nix-daemon --daemon >"$top/daemon.log" 2>&1 3>&- &
	daemon=$!
	wait_until 10 test -S "$NIX_STATE_DIR/daemon-socket/socket"
}

@test "a nix-daemon that trusts those who build is named by the doctor and fails the smoke task" {
	command -v nix-daemon >/dev/null || skip "no nix here"
	mkdir "$top/nix/var/gcroots" 2>/dev/null || true
	host_daemon '*'
	isolation=auto one_worker
	worker_home=$FARM_HOME/workers/one
	run worker doctor
	says 'recipes are isolated' || skip "recipes cannot be isolated here"
	says 'nix-daemon trusts user'
	says 'out of `trusted-users` in /etc/nix/nix.conf (now: *)'
	run -1 farm worker smoke one
	says 'nix-daemon trusts user'
	kill "$daemon"
	wait_until 10 gone "$daemon"
	host_daemon root
	run worker doctor
	says 'nix-daemon does not trust those who build'
	run -0 farm worker smoke one
	says 'one: smoke task: ok'
}

@test "worker smoke sends a job through the real queue, also to a drained host" {
	one_worker
	run -0 farm worker smoke one
	says 'one: smoke task: ok, checked out and built on 3 branches'
	farm worker drain one
	run -0 farm worker smoke one
	says 'smoke task: ok'
	# Tasks are not runs of the matrix.
	run -0 --separate-stderr farm_result status
	[ "$(jq -r '.run.task // ""' <<<"$output")" = smoke ]
	farm worker resume one
	farm rebuild package=torchvision-python313-cpu-avx2 --detach
	farm worker smoke one
	run -0 --separate-stderr farm_result status
	[ "$(jq -r .run.task <<<"$output")" = '' ]

	# The host can no longer read the repository.
	rm -rf "$FARM_HOME/workers/one/git"
	mv "$repository" "$repository.away"
	run -1 farm worker smoke one
	says 'the smoke task'
	mv "$repository.away" "$repository"
	run -0 farm worker smoke one
	refuses 3 'there is no worker nobody' farm worker smoke nobody
	kill_hard worker-one
	wait_until 20 workers_online 0
	refuses 3 'one is offline' farm worker smoke one
}

# The only job of the newest run stands in this state.
stands_in() {
	[ "$(farm_result status | jq -r '.run.jobs[0].state')" = "$1" ]
}

has_checkout() {
	compgen -G "$home/attempts/*/box/checkout/README.md" >/dev/null
}

@test "worker clean frees a host in order, and leaves what an attempt needs" {
	gate=$top/gate
	one_worker "echo begun; while ! [ -e $gate ]; do sleep 0.05; done; ls README.md"
	home=$FARM_HOME/workers/one
	farm rebuild package=torchvision-python313-cpu-avx2 branch=main --detach
	wait_until 30 stands_in running
	wait_until 30 has_checkout
	run -0 farm worker clean one --keep 900T
	has_checkout
	[ -d "$home/clones/torchvision.git" ]
	touch "$gate"
	wait_until 30 stands_in closed
	[ "$(farm_result status | jq -r '.run.jobs[0].verdict')" = ok ]

	run -0 farm worker clean one --keep 900T --dry-run
	says "would remove"
	says "$home/clones/torchvision.git"
	[ -d "$home/clones/torchvision.git" ]
	run -0 farm worker clean one --keep 1
	says 'removed 0.0 MiB'
	[ -d "$home/clones/torchvision.git" ]
	run -0 farm worker clean one --keep 900T
	says "removed"
	[ ! -e "$home/clones/torchvision.git" ]
	# What was freed is made again.
	run -0 farm worker smoke one
	refuses 2 '--keep 150G' farm worker clean one
}

@test "a replaced worker's old key is worth nothing, and what it ran goes on elsewhere" {
	gate=$top/gate
	one_worker "while ! [ -e $gate ]; do sleep 0.05; done"
	farm rebuild package=torchvision-python313-cpu-avx2 branch=main --detach
	wait_until 30 stands_in running
	key=$("$bin/farm-worker" keys --home "$top/anew")
	refuses 3 'already, with another key' farm key add one --role worker --public "$key"
	farm key add one --role worker --public "$key" --replace
	wait_until 10 stands_in ready
	[ "$(farm_rows key list | jq -r '[.[] | select(.name == "one")] | length')" = 1 ]
	[ "$(farm_rows key list | jq -r '.[] | select(.name == "one") | .key')" = "$key" ]
	wait_until 20 grep -q 'not enrolled here' "$FARM_HOME/log/worker-one.log"
	touch "$gate"
	"$bin/farm-worker" enrol --home "$top/anew" --name one --isolation none \
		--coordinator "tcp://127.0.0.1:$control_port" \
		--coordinator-key "@$FARM_HOME/keys/farmd.key.pub" >/dev/null
	worker_home=$top/anew
	# shellcheck disable=SC2046
	worker service install --mode process $(as_us)
	worker service start
	wait_until 30 stands_in closed
	[ "$(farm_result status | jq -r '.run.jobs[0].verdict')" = ok ]
}

# ---- joining with a token ----------------------------------------------------------------------

# A farm that nobody works for yet.
empty_farm() {
	fixture sample
	farm_make "$url"
	branches=$sample_branches farm_project 'echo built'
	farm_up
}

@test "farm-worker join: one token makes one host a worker, at once" {
	empty_farm
	run ! listens "$join_port"
	run -0 --separate-stderr farm token create --ttl 1h --name arm1
	token=$output
	[[ $stderr == *"farm-worker join --token"* ]]
	listens "$join_port"
	# shellcheck disable=SC2046
	run -0 worker join --token "$token" --slots 2 --mode process $(as_us)
	says "this host is worker arm1 of the farm at tcp://127.0.0.1:$control_port; it may not publish"
	wait_until 20 workers_online 1
	run -0 farm worker smoke arm1
	says 'smoke task: ok'
	refuses 3 'farm-worker enrol --isolation users, then farm-worker service restart' farm worker set arm1 isolation=users

	# Again with the same key: the same host, nothing to do. With another key: used up.
	run -0 worker join --token - --no-service <<<"$token"
	run -1 worker join --token - --no-service </dev/null
	says 'standard input is empty'
	run -1 "$bin/farm-worker" join --token "$token" --home "$top/second" --no-service
	says 'already used'
	[ "$(farm_rows token list | jq -r '.[0].state')" = used ]
	grep -q 'may not join: this token was already used' "$FARM_HOME/log/farmd.log"
	lacks -qi "${token:100:30}" "$FARM_HOME/log/farmd.log" "$FARM_HOME/invitations.json"
}

@test "a farm on IPv6 alone" {
	python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null || skip "no IPv6 here"
	listen_on='[::1]' empty_farm
	run -0 --separate-stderr farm_result token create --address ::1
	[ "$(jq -r .endpoint <<<"$output")" = "tcp://[::1]:$join_port" ]
	run -0 worker join --token "$(jq -r .token <<<"$output")" --no-service --name six
	grep -qF "connect tcp://[::1]:$control_port" "$worker_home/worker.conf"
}

@test "a token that is mistyped, revoked, expired or for somebody else is refused with the reason" {
	empty_farm
	join() {
		timeout 60 "$bin/farm-worker" join --home "$top/stranger" --no-service --name x --token "$1"
	}
	token=$(farm token create)
	run -1 join "${token%?}"
	says 'cut or mistyped'
	run -1 join hunter2
	says 'this is not a token'
	number=$(farm_rows token list | jq -r '.[0].token')
	other=$(farm token create --role viewer)
	farm token revoke "$number"
	run -1 join "$token"
	says 'revoked'
	run -1 join "$other"
	says 'this token is for a viewer: use it with `farm join`'
	short=$(farm token create --ttl 1s)
	wait_until 10 is_expired
	run -1 join "$short"
	says 'expired'
	refuses 2 'role must be worker, viewer or operator' farm token create --role admin
	refuses 2 'like 30m, 1h or 2d' farm token create --ttl soon
	refuses 2 "does not begin with '-'" farm token create --name=-x
	refuses 2 'only a worker may publish' farm token create --role viewer --may-publish
	refuses 3 'there is no token' farm token revoke 12345678
	# Nobody came in, and a taken name is refused without using the token up.
	[ "$(farm_rows key list | jq length)" = 1 ]
	farm key add x --role worker --public "$("$bin/farm-worker" keys --home "$top/x")"
	token=$(farm token create)
	run -1 join "$token"
	says 'worker x is enrolled already, with another key'
	[ "$(farm_rows token list | jq -r '.[-1].state')" = open ]
}

is_expired() {
	farm_rows token list | jq -e 'any(.state == "expired")'
}

@test "farm join: a teammate watches, and does no more" {
	one_worker
	farm rebuild package=torchvision-python313-cpu-avx2 branch=main
	token=$(farm token create --role viewer --name ann)
	teammate() {
		timeout 60 "$bin/farm" --home "$top/teammate" "$@"
	}
	run -0 teammate join --token - <<<"$token"
	says 'as viewer ann'
	run -0 teammate status
	says 'run 1 is closed'
	run -0 teammate logs cpu-avx2
	says built
	refuses 5 'needs the role operator' teammate rebuild
	refuses 5 'needs the role admin' teammate token create
	farm key revoke ann
	run ! teammate status
	refuses 3 'already is a farm' farm join --token "$token"
}

worker_has() {
	farm_rows worker list | jq -e --arg what "$1" '.[0].builders | index($what)'
}

@test "an idle agent is small, and learns of an upgrade by SIGHUP" {
	# A nix of our own in PATH, to be upgraded.
	mkdir -p "$top/tools"
	printf '#!/bin/sh\necho nix-store 7.7.7\n' >"$top/tools/nix-store"
	chmod +x "$top/tools/nix-store"
	PATH=$top/tools:$PATH
	one_worker
	wait_until 20 worker_has 'nix 7.7.7'
	printf '#!/bin/sh\necho nix-store 8.8.8\n' >"$top/tools/nix-store"
	kill -HUP "$(pid_of worker-one)"
	wait_until 20 worker_has 'nix 8.8.8'
	resident_kb=$(sed -n 's/^VmRSS:[[:blank:]]*\([0-9]*\) kB/\1/p' "/proc/$(pid_of worker-one)/status")
	[ "$resident_kb" -le 12288 ]
}
