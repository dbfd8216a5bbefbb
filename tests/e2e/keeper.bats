#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What keeps the coordinator running, and who may say that it runs: crashes, a full disk, a journal on
# which it always crashes, and commands that start and stop it at the same time.

load farm

setup() {
	farm_setup
	gate=$top/gate built=$top/built
	[[ $BATS_TEST_DESCRIPTION != *'full disk'* ]] || small_disk
	fixture sample
	farm_make "$url"
	: >"$built"
	farm_project "echo \$FARM_PACKAGE >>$built; while ! [ -e $gate ]; do sleep 0.05; done"
}

teardown() {
	touch "$gate"
	farm_teardown
	[ -z "${mounted:-}" ] || umount "$FARM_HOME"
}

# The farm's folder on a disk of its own.
small_disk() {
	mkdir -p "$FARM_HOME"
	mount -t tmpfs -o size=96m farm-test "$FARM_HOME" || skip "only root may mount"
	mounted=yes
}

# another_farmd PID: one that is ready, and not this one.
another_farmd() {
	local pid
	pid=$(pid_of farmd)
	[ "$pid" != "$1" ] && ! gone "$pid" && [ -e "$FARM_HOME/run/endpoints" ]
}

# crash: the coordinator that runs aborts.
crash() {
	crashed=$(pid_of farmd)
	kill -ABRT "$crashed"
	wait_until 10 gone "$crashed"
}

# farmds: the coordinators and keepers of this farm, whoever started them.
farmds() {
	local file pid
	while read -r file; do
		pid=${file//[!0-9]/}
		gone "$pid" || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != farmd ] || echo "$pid"
	done < <(grep -lsaF -- "$FARM_HOME" /proc/[0-9]*/cmdline)
}

no_farmd() {
	[ -z "$(farmds)" ]
}

@test "kill -9 of the coordinator: its keeper starts it again, and the build goes on" {
	keeper=yes farm_up
	worker_up one --slots 1
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 30 test -s "$built"
	local pid
	pid=$(pid_of farmd)
	kill_hard farmd
	wait_until 20 another_farmd "$pid"
	run -0 farm status
	says "the coordinator was restarted 1 time by its keeper"
	says "after signal 9 (Killed)"
	farm_result status | jq -e '.restarts | contains("restarted 1 time by its keeper")'
	touch "$gate"
	wait_until 30 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(wc -l <"$built")" -eq 1 ]
	run -0 farm down --workers
	no_farmd
}

@test "while a killed coordinator cannot be started, commands say so" {
	cp -r "$bin" "$top/bin"
	bin=$top/bin
	keeper=yes farm_up
	mv "$bin/farmd" "$bin/away"
	kill_hard farmd
	refuses 4 "ended by signal 9 (Killed), and its keeper is about to restart it" farm status
	mv "$bin/away" "$bin/farmd"
	run -0 farm up --no-worker
	farm status --json
}

@test "three crashes in a row: it stays down, with a copy of the journal and the reason" {
	keeper=yes farm_up
	farm pause
	local pid
	for _ in 1 2; do
		crash
		wait_until 20 another_farmd "$crashed"
	done
	pid=$(pid_of keeper)
	crash
	wait_until 10 gone "$pid"
	no_farmd
	refuses 4 "crashed 3 times in a row" farm status
	says "signal 6 (Aborted)"
	says "a copy of the journal is in $FARM_HOME/crashed"
	says "farm up starts it again"
	grep -q 'farmd-keep error: the coordinator crashed 3 times in a row' "$FARM_HOME/log/farmd.log"
	run -0 farm down
	says "was not running"
	# The copy is a journal: another farm begins with it.
	cp -r "$FARM_HOME" "$top/copy"
	cp "$FARM_HOME"/crashed/* "$top/copy/"
	run -0 farm --home "$top/copy" up --no-worker
	run -0 farm --home "$top/copy" status
	says paused
	farm --home "$top/copy" down
	# A person decides to try again.
	run -0 farm up --no-worker
	says "starting again, although the coordinator crashed 3 times"
	says "the coordinator started"
	farm status --json
}

@test "crashes while runs go on are no crash loop" {
	keeper=yes farm_up
	touch "$gate"
	worker_up one --slots 1
	wait_until 20 workers_online 1
	for _ in 1 2 3 4; do
		crash
		run -0 farm up --no-worker # does not wait for the pause
		farm rebuild --detach --force 'gpu=sm90 isa=avx2'
	done
	run -0 farm status
	says "was restarted 4 times"
}

@test "a journal that always crashes it: farm up says so after the third time" {
	command -v sqlite3 >/dev/null || skip "no sqlite3 here (deploy/packages test)"
	keeper=yes farm_up
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	farm down
	sqlite3 "$FARM_HOME/journal.db" "INSERT INTO records SELECT (SELECT max(sequence) + 1 FROM records),
		run, kind, at_ms, wall_ms, body FROM records WHERE kind = (SELECT kind FROM records WHERE run = 1
		ORDER BY sequence LIMIT 1) LIMIT 1"
	refuses 3 "crashed 3 times in a row" farm up --no-worker
	says "signal 6 (Aborted)"
	no_farmd
	[ -s "$FARM_HOME/crashed/journal.db" ]
}

@test "what cannot start is not tried again behind one's back" {
	keeper=yes farm_up
	farm down
	echo 'colour: red' >>"$FARM_HOME/farm.yaml"
	refuses 3 colour farm up --no-worker
	no_farmd
}

# at_once WORDS WORDS: two commands of farm; both must succeed.
at_once() {
	local pids=()
	# shellcheck disable=SC2086 # words
	farm $1 &
	pids+=($!)
	# shellcheck disable=SC2086 # words
	farm $2 &
	pids+=($!)
	wait "${pids[0]}" && wait "${pids[1]}"
}

@test "two at a time, and up during down: one coordinator, and down finds it" {
	local round first=() second=()
	for round in $(seq 12); do
		[ $((round % 2)) -eq 0 ] || first=(--no-keeper)
		[ $((round % 3)) -eq 0 ] || second=(--no-keeper)
		at_once "up --no-worker ${first[*]}" "up --no-worker ${second[*]}"
		[ "$(farmds | grep -cxF "$(pid_of farmd)")" -eq 1 ]
		[ "$(farmds | wc -l)" -le 2 ]
		at_once down "up --no-worker ${first[*]}"
		run -0 farm down
		no_farmd
		first=() second=()
	done
}

@test "a pid file that lies changes nothing" {
	farm_up
	local pid
	pid=$(pid_of farmd)
	echo 1 >"$FARM_HOME/run/farmd.pid"
	run -0 farm up --no-worker --no-keeper
	says "already runs"
	[ "$(farmds)" = "$pid" ]
	run -0 farm down
	says "the coordinator stopped"
	wait_until 10 gone "$pid"
}

# One of an older version is such a process. Its endpoints are how clients reach it.
@test "a lock file that cannot be opened is named, and nobody else is blamed" {
	farm_up
	farm down
	local name
	for name in up.lock keeper.pid farmd.pid; do
		rm -f "$FARM_HOME/run/$name"
		ln -s /nowhere "$FARM_HOME/run/$name"
		refuses 3 "cannot open $FARM_HOME/run/$name" farm up --no-worker
		[[ $output != *another* ]]
		rm -f "$FARM_HOME/run/$name"
	done
}

@test "up and down fail while another process uses the journal, and leave its endpoints" {
	farm_up
	farm down
	local lock
	exec {lock}>>"$FARM_HOME/journal.lock"
	flock "$lock"
	echo "control tcp://127.0.0.1:9" >"$FARM_HOME/run/endpoints"
	refuses 3 "uses $FARM_HOME/journal.db" farm up --no-worker
	run -1 "$bin/farmd" --home "$FARM_HOME"
	refuses 3 "uses $FARM_HOME/journal.db" farm down
	[ -e "$FARM_HOME/run/endpoints" ]
	exec {lock}>&-
	run -0 farm down
	says "was not running"
	[ ! -e "$FARM_HOME/run/endpoints" ]
}

@test "a killed keeper leaves its coordinator, which up and down find" {
	keeper=yes farm_up
	local pid
	pid=$(pid_of farmd)
	kill_hard keeper
	run -0 farm up --no-worker
	says "already runs"
	says "nothing restarts this coordinator"
	[ "$(pid_of farmd)" = "$pid" ]
	run -0 farm down
	says "the coordinator stopped"
	no_farmd
}

@test "a coordinator and a keeper that were killed: commands say so at once" {
	keeper=yes farm_up
	local began
	kill_hard keeper
	kill_hard farmd
	[ -s "$FARM_HOME/run/endpoints" ]
	began=$(date +%s)
	refuses 4 "no coordinator runs in $FARM_HOME" farm status
	[ $(($(date +%s) - began)) -lt 5 ]
	run -0 farm up --no-worker
	farm status --json
}

@test "down says nothing of a folder that it cannot look at" {
	local FARM_HOME=$FARM_HOME/farm.yaml/inner
	refuses 3 "${FARM_HOME%/*}" farm down
	FARM_HOME=$top/nowhere
	run -0 farm down
	says "was not running"
}

@test "without a keeper a killed coordinator stays down" {
	run -0 farm up --no-worker --no-keeper
	kill_hard farmd
	no_farmd
	run -0 farm down
	says "was not running"
}

@test "a full disk: the coordinator waits, and begins again by itself when there is room" {
	keeper=yes farm_up
	local pid
	pid=$(pid_of farmd)
	run -1 dd if=/dev/zero of="$FARM_HOME/filler" bs=1M count=200
	says "No space left on device"
	# It ends at the first record that it cannot write, and the next one waits.
	wait_until 60 ends_for_want_of_room "$pid"
	refuses 4 "waits for room on the disk of $FARM_HOME" farm status
	refuses 3 "it begins by itself" farm up --no-worker
	rm "$FARM_HOME/filler"
	wait_until 30 farm status --json
	another_farmd "$pid"
	farm pause
	run -0 farm status
	says paused
}

# ends_for_want_of_room PID
ends_for_want_of_room() {
	FARM_TIMEOUT_S=2 farm pause || true
	FARM_TIMEOUT_S=2 farm resume || true
	[ "$(pid_of farmd)" != "$1" ] || gone "$1"
}
