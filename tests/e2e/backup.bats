#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a farm knows goes into a file and comes back, also when it went on meanwhile; its coordinator
# moves to another host. The other host is a folder here: `ssh` is a script that runs what it is
# given in a home of its own.

load farm

setup() {
	farm_setup
	fixture sample
	farm_make "$url"
	gate=$top/gate built=$top/built
	: >"$built"
	farm_project "echo \$FARM_PACKAGE >>$built; echo begun; while ! [ -e $gate ]; do sleep 0.05; done; echo ended"
}

teardown() {
	touch "$gate"
	farm_teardown
}

built_at_least() {
	[ "$(wc -l <"$built")" -ge "$1" ]
}

epoch_is() {
	farm_result status | jq -e --argjson epoch "$1" '.farm.epoch == $epoch' >/dev/null
}

# Both jobs run, on the attempts they had when the coordinator was last seen.
both_run() {
	farm_result status |
		jq -e '[.run.jobs[] | select(.state == "running" and .attempts == 1)] | length == 2' >/dev/null
}

@test "an old backup is restored while builds run that it does not know: they are adopted, nothing is built twice" {
	farm_up
	farm rebuild --detach 'gpu=sm90 isa=avx2,avx512'
	wait_until 20 run_is open
	farm backup "$top/monday.tar"
	mkfifo "$top/fifo"
	refuses 3 "is a FIFO, which is not replaced" farm backup "$top/fifo"
	[ -p "$top/fifo" ]
	[ "$(stat -c %a "$top/monday.tar")" = 600 ]
	worker_up two --slots 1
	wait_until 30 built_at_least 1
	worker_up three --slots 1
	wait_until 30 built_at_least 2
	wait_until 20 both_run
	farm_result status | jq -r '.run.jobs[] | .attempt, .worker' >"$top/attempts"
	kill_hard farmd
	run farm restore "$top/monday.tar"
	[ "$status" -eq 0 ]
	says paused
	compgen -G "$FARM_HOME/aside-*/journal.db"
	farm_up
	epoch_is 2
	# Both were enrolled after the backup: it does not know their keys.
	stop_worker two
	stop_worker three
	worker_up two --slots 1
	worker_up three --slots 1
	wait_until 30 both_run
	farm_result status | jq -r '.run.jobs[] | .attempt, .worker' | diff "$top/attempts" -
	farm resume
	touch "$gate"
	wait_until 30 run_is closed
	[ "$(counts)" = "2 ok, 0 failed, 0 published" ]
	[ "$(wc -l <"$built")" -eq 2 ]
	run farm logs sm90-avx2
	says begun
	says ended
	# What is new is of the new epoch.
	farm rebuild --force 'gpu=sm90 isa=avx2'
	farm_result status | jq -e '.run.jobs[0].attempt | startswith("2.")'
}

# Its agent; what it builds goes on.
stop_worker() {
	kill "$(pid_of "worker-$1")"
	wait_until 10 gone "$(pid_of "worker-$1")"
}

@test "one backup restored twice: no token is given out twice" {
	farm_up
	worker_up one --slots 1
	touch "$gate"
	farm backup "$top/monday.tar"
	local round
	for round in 2 3; do
		farm down
		farm restore "$top/monday.tar"
		farm_up
		epoch_is "$round"
		farm resume
		wait_until 20 workers_online 1
		farm rebuild 'gpu=sm90 isa=avx2'
		farm_result status | jq -e --arg epoch "$round." '.run.jobs[0].attempt | startswith($epoch)'
	done
	# The journal is gone, too: the logs still tell.
	farm down
	rm -rf "$FARM_HOME"/journal.db*
	farm restore "$top/monday.tar"
	farm_up
	epoch_is 4
}

@test "into an empty folder: the same farm, without logs and secrets" {
	farm_up
	touch "$gate"
	worker_up one --slots 1
	farm rebuild 'gpu=sm90 isa=avx2'
	echo s3cr3t | farm secret set shelf
	farm backup "$top/monday.tar"
	run tar --list --file "$top/monday.tar"
	says keys/farmd.key
	[[ $output != *secrets* && $output != *logs* ]]
	farm down --workers
	run "$bin/farm" --home "$top/other" restore "$top/monday.tar"
	[ "$status" -eq 0 ]
	says "farm secret set"
	cmp "$FARM_HOME/keys/farmd.key" "$top/other/keys/farmd.key"
	[ "$(stat -c %a "$top/other/keys/farmd.key" "$top/other/journal.db" | sort -u)" = 600 ]
	FARM_HOME=$top/other
	farm_up
	ended_as "1 ok, 0 failed, 0 published" 1
	[ "$(find "$top/other" -maxdepth 1 -name '.restore-*' -o -maxdepth 1 -name 'aside-*')" = "" ]
}

@test "what must not be restored is refused, and nothing is touched" {
	farm_up
	farm backup "$top/monday.tar"
	refuses 3 "a coordinator runs" farm restore "$top/monday.tar"
	farm_result status >/dev/null
	farm down
	sha256sum "$FARM_HOME"/{farm.yaml,journal.db,keys/*} >"$top/sums"
	refuses 3 "cannot read" farm restore "$top/nothing.tar"
	echo "no tar" >"$top/no.tar"
	refuses 3 "not a backup" farm restore "$top/no.tar"
	# A journal with a page of another file's in it.
	mkdir "$top/bad"
	tar --extract --file "$top/monday.tar" --directory "$top/bad"
	dd if=/dev/zero of="$top/bad/journal.db" bs=4096 seek=1 count=1 conv=notrunc status=none
	(cd "$top/bad" && tar --create --file "$top/bad.tar" -- *)
	refuses 3 "cannot restore" farm restore "$top/bad.tar"
	# A newer format.
	echo "floxfarm backup 2" >"$top/bad/backup"
	(cd "$top/bad" && tar --create --file "$top/newer.tar" -- *)
	refuses 3 "newer farm" farm restore "$top/newer.tar"
	# Another farm's folder.
	mkdir -p "$top/other/keys"
	echo "public 0000000000000000000000000000000000000000" >"$top/other/keys/farmd.key.pub"
	refuses 3 "another farm" "$bin/farm" --home "$top/other" restore "$top/monday.tar"
	sha256sum --check --quiet "$top/sums"
	farm_up
	epoch_is 1
}

# Another host: a home of its own, reached by a script named ssh.
other_host() {
	mkdir -p "$top/path" "$top/there"
	cat >"$top/path/ssh" <<-EOT
		#!/bin/sh
		[ "\$1" != -- ] || shift
		[ "\$1" = farm@there.example ] || { echo "no such host: \$1" >&2; exit 255; }
		shift
		exec env -u FARM_HOME -u XDG_STATE_HOME HOME=$top/there sh -c "\$*"
	EOT
	chmod +x "$top/path/ssh"
	PATH=$top/path:$PATH
	there=$top/there/.local/state/floxfarm
}

@test "the coordinator moves while a build runs: it goes on there, and never starts here again" {
	other_host
	farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 30 built_at_least 1
	echo s3cr3t | farm secret set shelf
	farm backup "$top/monday.tar"
	run farm_result move --program "$bin/farm" farm@there.example
	[ "$status" -eq 0 ]
	says "$there"
	refuses 3 "moved to farm@there.example" farm up --no-worker
	refuses 3 "moved to farm@there.example" farm restore "$top/monday.tar"
	run "$bin/farmd" --home "$FARM_HOME"
	[ "$status" -ne 0 ]
	says "moved to farm@there.example"
	cmp "$FARM_HOME/secrets/shelf" "$there/secrets/shelf"
	local here=$FARM_HOME
	FARM_HOME=$there
	epoch_is 2
	wait_until 20 workers_online 1
	touch "$gate"
	wait_until 30 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(wc -l <"$built")" -eq 1 ]
	run farm logs sm90-avx2
	says begun
	says ended
	# And back again.
	sed -i "s,there.example,here.example,; s,HOME=$top/there,HOME=$top/user," "$top/path/ssh"
	run farm move --program "$bin/farm" --to "$here" farm@here.example
	[ "$status" -eq 0 ]
	refuses 3 "moved to farm@here.example" farm up --no-worker
	FARM_HOME=$here
	epoch_is 3
	ended_as "1 ok, 0 failed, 0 published" 1
}

@test "a move that cannot be is refused before the coordinator stops, or leaves the farm here" {
	other_host
	farm_up
	refuses 3 "no such host" farm move nobody@nowhere.example
	refuses 3 "no farm program" farm move --program "$top/no/farm" farm@there.example
	refuses 3 "USER@HOST" farm move -- -oProxyCommand=true
	farm_result status >/dev/null
	# The folder there is another farm's: found out late, so the farm is stopped, but still here.
	mkdir -p "$there/keys"
	echo "public 0000000000000000000000000000000000000000" >"$there/keys/farmd.key.pub"
	refuses 3 "the farm was not moved" farm move --program "$bin/farm" farm@there.example
	[ ! -e "$FARM_HOME/MOVED" ]
	farm_up
	epoch_is 1
}
