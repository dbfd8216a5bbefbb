#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Hosts become workers over ssh: real sshds on loopback, real bundles; every failure that a user meets.

bats_require_minimum_version 1.5.0
load farm
load sshd

setup() {
	farm_setup
	nix_own
	sshd_setup
	[ -e "$binary_dir/bundles/$here-linux.manifest" ] || skip "no bundles here: build the release preset"
	fixture sample
	farm_make "$url"
	each_branch='include: ["*cpu-avx2*"]' farm_project true 'checkout: false'
	farm_up
}

teardown() {
	local prefix
	for prefix in "${top:-/nowhere}"/hosts/*/opt; do
		[ ! -e "$prefix/current" ] || "$prefix/current/bin/farm-worker" service remove --home "${prefix%/opt}/worker" || true
	done
	farm_teardown
}

# add NAME [OPTION...]: the host of this name, everything of it below its folder.
add() {
	local name=$1
	shift
	# shellcheck disable=SC2046
	farm worker add "$user@127.0.0.1:$(<"$top/hosts/$name/port")" --name "$name" --prefix "$top/hosts/$name/opt" \
		--worker-home "$top/hosts/$name/worker" $(as_us) "$@"
}

# plays NAME PROGRAM < SCRIPT: a program that the host finds before its own.
plays() {
	mkdir -p "$top/hosts/$1/bin"
	cat >"$top/hosts/$1/bin/$2"
	chmod +x "$top/hosts/$1/bin/$2"
}

worker_is() {
	farm_rows worker list | jq -e --arg name "$1" --arg state "$2" \
		'.[] | select(.worker == $name) | .state == $state'
}

agent() {
	"$top/hosts/$1/opt/current/bin/farm-worker" service status --json --home "$top/hosts/$1/worker" | jq -e .pid
}

@test "a host is looked at, added, added again, and removed" {
	host_up one
	run -0 add one --check --accept-new
	says "would send bundle"
	says "would enrol the host's public key as one, which may not publish"
	[ ! -e "$top/hosts/one/opt" ]

	run -0 add one
	says "one: ready: $here-linux, bundle 0."
	worker_is one online
	first=$(agent one)
	[ "$(farm_rows worker list | jq -r '.[].may_publish')" = false ]
	[ "$(stat -c %a "$top/hosts/one/worker/worker.key")" = 600 ]
	secret=$(sed -n 's/^secret //p' "$top/hosts/one/worker/worker.key")
	[ -n "$secret" ] && [ -z "$(files_with "$secret" "$FARM_HOME")" ]

	# Nothing is sent again, and the agent is the same.
	run -0 add one
	[[ $output != *"send bundle"* ]]
	[ "$(agent one)" = "$first" ]
	# What is said anew changes.
	run add one --may-publish --trust-recipes
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(farm_rows worker list | jq -r '.[].may_publish')" = true ]
	[ "$(agent one)" != "$first" ]
	run -0 add one --check
	says "ok "

	run -0 farm worker remove one --purge
	says "removed"
	[ ! -e "$top/hosts/one/opt" ]
	[ ! -e "$top/hosts/one/worker" ]
	run -0 farm worker list
	[[ $output != *online* ]]
}

@test "many hosts at a time, from a file" {
	for name in one two three; do
		host_up "$name"
		echo "  - {host: \"$user@127.0.0.1:$port\", name: $name, prefix: $top/hosts/$name/opt, worker_home: $top/hosts/$name/worker}"
	done >"$top/list"
	{
		echo hosts:
		cat "$top/list"
	} >"$top/hosts.yaml"
	# shellcheck disable=SC2046
	run -0 farm worker add --inventory "$top/hosts.yaml" --accept-new --no-smoke $(as_us)
	for name in one two three; do
		says "$name: ready"
		worker_is "$name" online
	done
	echo "  - {host: a@b, colour: red}" >>"$top/hosts.yaml"
	refuses 2 "hosts.yaml:5: there is no key \"colour\"" farm worker add --inventory "$top/hosts.yaml"
	refuses 2 "expected a list of hosts" farm worker add --inventory /dev/null
	refuses 2 "name a host as USER@HOST" farm worker add
}

@test "a host's key: unknown, changed, and replaced" {
	host_up one
	refuses 3 "--accept-new" add one
	[ ! -s "$HOME/.ssh/known_hosts" ]
	run -0 add one --check --accept-new
	grep -qF "[127.0.0.1]:$port ssh-ed25519 $(cut -d' ' -f2 "$top/hosts/one/key.pub")" "$HOME/.ssh/known_hosts"
	host_down one
	rm "$top"/hosts/one/key*
	host_up one
	refuses 3 "someone may intercept the connection" add one --accept-new
	[[ $output = *"--replace"* ]]

	# It was a worker, and is installed anew: another host key, nothing of ours.
	run -0 add one --accept-new --replace one
	first=$(farm_rows worker list | jq -r '.[].key')
	"$top/hosts/one/opt/current/bin/farm-worker" service remove --home "$top/hosts/one/worker"
	host_down one
	rm -r "$top/hosts/one/opt" "$top/hosts/one/worker" "$top"/hosts/one/key*
	host_up one
	refuses 3 "someone may intercept the connection" add one --accept-new
	run -0 add one --accept-new --replace one
	says "one: ready"
	worker_is one online
	[ "$(farm_rows worker list | jq -r '.[] | select(.state == "online") | .key')" != "$first" ]
	lacks -qF "$first" <(farm_rows key list)
}

@test "ssh_config means what it means to ssh" {
	host_up two
	local two=$port
	host_up one
	cat >"$HOME/.ssh/config" <<-EOT
		Host b1
			HostName 127.0.0.1
			Port $two
		Host b2
			HostName 127.0.0.1
			Port $port
			HashKnownHosts yes
		Host b3
			HostName 127.0.0.1
			Port $two
			HostKeyAlias behind-b2
			ProxyJump b2
		Host b4
			RevokedHostKeys /nowhere
	EOT
	# known_hosts has another key for what b1 means; the name b1 itself is new.
	echo "[127.0.0.1]:$two $(cut -d' ' -f1,2 "$top/hosts/one/key.pub")" >"$HOME/.ssh/known_hosts"
	refuses 3 "someone may intercept the connection" farm worker add b1 --check --accept-new
	refuses 2 "RevokedHostKeys for b4" farm worker add b4 --check

	run ! ssh -o BatchMode=yes b2 true
	refuses 3 "cannot reach b3 through your ProxyJump b2" farm worker add b3 --check --accept-new
	run -0 farm worker add b2 --check --accept-new --prefix "$top/hosts/one/opt"
	run -0 ssh -o BatchMode=yes b2 true
	refuses 3 "which no other host can reach" farm worker add b3 --check --accept-new
	run -0 farm worker add b3 --check --coordinator tcp://127.0.0.1:1 --prefix "$top/hosts/two/opt"
	says "would send bundle"
	run -0 ssh -o BatchMode=yes b3 true
}

@test "a login that is refused" {
	host_up one
	echo | ssh-keygen -q -t ed25519 -N '' -f "$top/stranger" >/dev/null
	cp "$top/stranger" "$HOME/.ssh/id_ed25519"
	refuses 3 "ssh-copy-id" add one --accept-new
	host_down one
	refuses 3 "cannot reach 127.0.0.1 on port $port" add one
	refuses 2 "is not a host" farm worker add "me@-oProxyCommand=x"
}

@test "a check of a host that cannot be looked at says why" {
	host_up one
	plays one sh <<<"#!/bin/bash
		exit 127"
	refuses 3 "one: " add one --check --accept-new
	refuses 3 "does not let" farm worker add "nobody-here@127.0.0.1:$port" --check
	host_down one
	refuses 3 "cannot reach 127.0.0.1 on port $port" add one --check
	refuses 3 "cannot find the host" farm worker add nowhere.invalid --check
}

@test "what a host lacks is said before anything is sent" {
	host_up one
	plays one uname <<<"#!/bin/sh
		[ \"\$1\" = -m ] && echo riscv64 || exec /usr/bin/uname \"\$@\""
	refuses 3 "the host's processor is riscv64" add one --accept-new
	rm "$top/hosts/one/bin/uname"

	plays one git <<<"#!/bin/sh
		exit 127"
	refuses 3 "the host has no git" add one
	rm "$top/hosts/one/bin/git"

	plays one df <<<"#!/bin/sh
		echo Filesystem; echo /dev/x 100000 90000 10000 90% /"
	refuses 3 "has 9 MiB free" add one
	[[ $output = *"--prefix"* ]]
	[ ! -e "$top/hosts/one/opt" ]
}

@test "a disk that fills up meanwhile" {
	host_up one
	plays one tar <<<"#!/bin/sh
		echo 'tar: lib: Cannot write: No space left on device' >&2; exit 2"
	refuses 3 "no space is left in $top/hosts/one/opt" add one --accept-new
	rm "$top/hosts/one/bin/tar"
	run -0 add one
	says "one: ready"
}

@test "a connection that is cut in the middle of the upload" {
	host_up one
	# Half of the bundle, then the session's own sshd dies: tar, its shell, sshd.
	plays one tar <<<"#!/bin/sh
		head -c 1000000 >/dev/null
		kill -9 \$(sed -n 's/^PPid:.//p' /proc/\$PPID/status)"
	refuses 3 "the connection to 127.0.0.1 was lost" add one --accept-new
	[[ $output = *"run the same command again"* ]]
	[ ! -e "$top/hosts/one/opt/current" ]
	rm "$top/hosts/one/bin/tar"
	run -0 add one
	says "one: ready"
	[ ! -e "$top/hosts/one/opt/.incoming" ]
}

@test "what arrives damaged is not used" {
	host_up one
	plays one sha256sum <<<"#!/bin/sh
		case \"\$1\" in -c) exit 1 ;; *) exec /usr/bin/sha256sum \"\$@\" ;; esac"
	refuses 3 "the received bundle differs from the one sent" add one --accept-new
	[ ! -e "$top/hosts/one/opt/current" ]
}

@test "two adds at a time" {
	host_up one
	mkdir -p "$top/hosts/one/opt"
	echo "anna on laptop" >"$top/hosts/one/opt/.lock.holder"
	exec {lock}>"$top/hosts/one/opt/.lock"
	flock -n "$lock"
	refuses 3 "the host is being set up by anna on laptop" add one --accept-new
	exec {lock}>&-
	run -0 add one
	says "one: ready"
}

@test "a name that is taken, and a host that is there already" {
	host_up one
	host_up two
	run -0 add one --accept-new
	# shellcheck disable=SC2046
	refuses 3 "the name one is taken by another host" farm worker add "$user@127.0.0.1:$port" --name one \
		--prefix "$top/hosts/two/opt" --worker-home "$top/hosts/two/worker" --no-smoke --accept-new $(as_us)
	[[ $output = *"--replace one"* ]]
	# shellcheck disable=SC2046
	refuses 3 "this host is already in the farm as one" farm worker add "$user@127.0.0.1:$(<"$top/hosts/one/port")" \
		--name again --prefix "$top/hosts/one/opt" --worker-home "$top/hosts/one/worker" --no-smoke $(as_us)
}

@test "a coordinator that the host does not reach" {
	host_up one
	refuses 3 "tcp://127.0.0.1:1" add one --accept-new --coordinator tcp://127.0.0.1:1
	refuses 3 "--coordinator must be tcp://HOST:PORT" add one --coordinator arm1
}

@test "a worker is upgraded, the agent swapped" {
	host_up one
	run -0 add one --accept-new
	first=$(agent one)
	old=$(readlink "$top/hosts/one/opt/current")
	farm_result worker upgrade one | jq -e '.hosts[0] | .worker == "one" and .done'
	[ "$(agent one)" = "$first" ]

	# The same programs under another version, as a later release would have.
	mkdir -p "$top/later/bin" "$top/later/bundles" "$top/unpacked"
	cp "$bin/farm" "$top/later/bin/"
	tar -xzf "$binary_dir/bundles/$here-linux.tar.gz" -C "$top/unpacked"
	sed -i 's/^id .*/id 9.9.9-later/' "$top/unpacked/MANIFEST"
	cp "$top/unpacked/MANIFEST" "$top/later/bundles/$here-linux.manifest"
	tar -czf "$top/later/bundles/$here-linux.tar.gz" -C "$top/unpacked" MANIFEST bin lib
	run -0 timeout 60 "$top/later/bin/farm" --home "$FARM_HOME" worker upgrade --all
	says "bundle 9.9.9-later"
	[ "$(readlink "$top/hosts/one/opt/current")" = 9.9.9-later ]
	[ "$(agent one)" != "$first" ]
	[ -e "$top/hosts/one/opt/$old" ]
	wait_until 20 worker_is one online
	refuses 3 "two was not added from this machine" farm worker upgrade two
	refuses 2 "--all" farm worker upgrade
}

@test "flox is renewed on a host that builds nothing meanwhile" {
	host_up one
	plays one flox <<<"#!/bin/sh
		echo 1.15.0"
	plays one dpkg-query <<<"#!/bin/sh
		exit 0"
	plays one apt-get <<<"#!/bin/sh
		echo \"\$*\" >>$top/did; [ ! -e $top/broken ]"
	run -0 add one --accept-new
	run -0 farm worker upgrade one --flox
	says "one: ready"
	grep -qx -- '-qy install --only-upgrade flox' "$top/did"
	wait_until 20 worker_is one online
	touch "$top/broken"
	refuses 3 "farm worker resume one" farm worker upgrade one --flox
	worker_is one draining
	rm "$top/hosts/one/bin/dpkg-query" "$top/hosts/one/bin/flox"
	refuses 3 "the host has no flox" farm worker upgrade one --flox
}

tunnel_state() {
	[ "$(cat "$FARM_HOME/run/tunnel-one.state")" = "$1" ]
}

tunnel_is_down() {
	! tunnel_state open
}

@test "a tunnel carries a worker, and comes back" {
	host_up one
	run -0 add one --accept-new --tunnel
	says "one: ready"
	grep -q '^connect tcp://127.0.0.1:17' "$top/hosts/one/worker/worker.conf"
	worker_is one online
	first=$(pid_of tunnel-one)
	# The session there dies, and the host is away for a moment.
	host_down one
	kill_sessions one
	wait_until 10 tunnel_is_down
	host_up one
	wait_until 30 tunnel_state open
	[ "$(pid_of tunnel-one)" = "$first" ]
	farm rebuild --detach
	wait_until 60 run_is closed
	run -0 farm worker remove one
	wait_until 10 gone "$first"
}

# The jump host is the only way to a port, as the user's ssh_config says.
@test "a tunnel through a jump host; slots and heavy slots are set over ssh" {
	host_up gate
	local gate=$port
	host_up one
	cat >"$HOME/.ssh/config" <<-EOT
		Host gate
			HostName 127.0.0.1
			Port $gate
		Host inner
			HostName 127.0.0.1
			Port $port
			ProxyJump gate
	EOT
	local name
	for name in gate one; do
		echo "[127.0.0.1]:$(<"$top/hosts/$name/port") $(cut -d' ' -f1,2 "$top/hosts/$name/key.pub")"
	done >"$HOME/.ssh/known_hosts"
	run -0 ssh -o BatchMode=yes inner true
	# shellcheck disable=SC2046
	farm_result worker add "$user@inner" --name one --prefix "$top/hosts/one/opt" \
		--worker-home "$top/hosts/one/worker" $(as_us) --tunnel >"$top/added"
	jq -e '.hosts[0] | .worker == "one" and .done' "$top/added"
	grep -q '^connect tcp://127.0.0.1:17' "$top/hosts/one/worker/worker.conf"
	wait_until 30 tunnel_state open
	[ "$(sessions_of gate)" -ge 1 ]
	run -0 farm worker set one slots=3 heavy=2
	grep -qx 'heavy 2' "$top/hosts/one/worker/worker.conf"
	wait_until 20 slots_of one 3
	run -0 farm worker remove one
}

# sessions_of NAME: connections to its sshd.
sessions_of() {
	ss -Htn state established "sport = :$(<"$top/hosts/$1/port")" | wc -l
}

slots_of() {
	farm_rows worker list | jq -e --arg name "$1" --argjson slots "$2" \
		'.[] | select(.worker == $name) | .slots == $slots'
}

@test "the coordinator itself on another host" {
	[ -e "$binary_dir/bundles/$here-linux-coordinator.manifest" ] || skip "no bundle of a coordinator here"
	farm down >/dev/null
	local at=$control_port
	host_up server
	host_up one
	elsewhere() {
		farm up --on "$user@127.0.0.1:$(<"$top/hosts/server/port")" --there "$top/hosts/server/farm" \
			--prefix "$top/hosts/server/opt" "$@"
	}
	run -0 elsewhere --accept-new
	says "in $top/hosts/server/farm; commands here reach it at tcp://127.0.0.1:$at"
	run -0 farm status
	run -0 add one --accept-new
	says "one: ready"
	worker_is one online
	first=$(cut -d' ' -f1 "$top/hosts/server/farm/run/farmd.pid")
	# Again: a changed farm.yaml is sent and read, the coordinator goes on.
	sed -i 's/attempts_max: .*/attempts_max: 5/' "$FARM_HOME/farm.yaml"
	run -0 elsewhere
	grep -q 'attempts_max: 5' "$top/hosts/server/farm/farm.yaml"
	[ "$(cut -d' ' -f1 "$top/hosts/server/farm/run/farmd.pid")" = "$first" ]
	[ "$(grep -c "^@reboot .*/current/bin/farm' .* 'up' '--no-worker' " "$top/hosts/server/bin/crontab.table")" -eq 1 ]
	[ "$(farm_rows key list | jq '[.[] | select(.role == "admin")] | length')" -eq 2 ]
	refuses 3 "runs on $user@127.0.0.1" farm up
	refuses 3 "stop it there" farm down
	echo 'listen: nonsense' >"$FARM_HOME/farm.yaml"
	refuses 3 "correct $FARM_HOME/farm.yaml first" elsewhere
	# Its machine boots: all that ran is gone, and cron begins.
	kill -KILL "$first"
	wait_until 10 gone "$first"
	sh -c "$(sed -n 's/^@reboot //p' "$top/hosts/server/bin/crontab.table")"
	[ "$(cut -d' ' -f1 "$top/hosts/server/farm/run/farmd.pid")" != "$first" ]
	wait_until 10 worker_is one online
	PATH=$top/hosts/server/bin:$PATH "$top/hosts/server/opt/current/bin/farm" --home "$top/hosts/server/farm" down --at-boot
	[ ! -s "$top/hosts/server/bin/crontab.table" ]
}
