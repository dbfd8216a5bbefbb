#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Hostile peers (hostile.c has the misdeeds). During each misdeed an honest matrix succeeds and its worker
# is never lost: the coordinator hears it within each lease. The coordinator's memory stays bounded, and
# its log names the hostile key.

load farm

setup() {
	farm_setup
	[ -x "$bin/hostile" ] || skip "no hostile in $bin: build it first"
	fixture sample
	farm_make "$url"
	branches=$sample_branches farm_project "${command:-echo \$FARM_PACKAGE}" 'checkout: false'
	farm_up
	worker_up one --slots 4 --emulate "$other-linux"
	wait_until 20 workers_online 1
}

teardown() {
	[ -z "${hostile_pid:-}" ] || kill "$hostile_pid" 2>/dev/null || true
	farm_teardown
}

# enrol ROLE: a pair for the one who misbehaves; its short name in $short.
enrol() {
	farm key add mallory --role "$1" >/dev/null
	key=$FARM_HOME/keys/mallory.key
	short=$(sed -n 's/^public \(.\{8\}\).*/\1/p' "$key")
}

# misbehave MISDEED [NUMBER]: in the background, until it is over; returns when it has begun.
misbehave() {
	nice -n 19 "$bin/hostile" "$FARM_HOME" "${key:--}" "$1" 400 ${2:+"$2"} >"$top/misdeed" 2>&1 3>&- &
	hostile_pid=$!
	wait_until 120 grep -q '^begun' "$top/misdeed"
}

# over: it ends; `did`, `heard` and `cut` say what came of it.
over() {
	kill "$hostile_pid"
	wait "$hostile_pid"
	hostile_pid=''
	did=$(sed -n 's/^did //p' "$top/misdeed")
	heard=$(sed -n 's/^heard //p' "$top/misdeed")
	cut=$(sed -n 's/^cut //p' "$top/misdeed")
	echo "did $did, heard $heard, cut $cut"
}

# matrix: the honest one, to its end.
matrix() {
	farm rebuild --force --detach >/dev/null
	wait_until 90 run_is closed
	ended_as "67 ok, 0 failed, 0 published"
	[ "$(losses_of one)" -eq 0 ]
}

# memory_below MB: the most the coordinator ever had.
memory_below() {
	local peak
	peak=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$(pid_of farmd)/status")
	echo "the coordinator had at most $peak MB"
	[ "$peak" -lt "$1" ]
}

# logged TEXT: the coordinator's log has it.
logged() {
	grep -F -e "$1" "$FARM_HOME/log/farmd.log" || {
		echo "its log says nothing of: $1"
		tail -n 20 "$FARM_HOME/log/farmd.log"
		return 1
	} >&2
}

# records_of_kind NUMBER [END]: how many the journal has (coordinator/core/record.def numbers them); only
# those whose body ends so, in hexadecimal.
records_of_kind() {
	python3 -c 'import sqlite3, sys
journal = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
print(journal.execute("SELECT count(*) FROM records WHERE kind = ? AND hex(body) LIKE ?",
                      (sys.argv[2], "%" + sys.argv[3].upper())).fetchone()[0])' \
		"$FARM_HOME/journal.db" "$1" "${2:-}"
}

# losses_of WORKER: how often it was silent for longer than its lease (worker-lost, which has its number).
losses_of() {
	local id
	id=$(farm_rows worker list | jq --arg name "$1" '.[] | select(.worker == $name) | .id')
	records_of_kind 12 "$(printf '08%02x' "$id")"
}

was_lost() {
	[ "$(losses_of "$1")" -gt 0 ]
}

# ---- workers -----------------------------------------------------------------------------------

@test "a worker that never takes what it is offered: others have it after the lease's time" {
	enrol worker
	misbehave never-answers
	matrix
	over
	farm_result status | jq -e 'any(.run.jobs[]; .attempts > 1)' # it was offered something
	wait_until 60 was_lost mallory # as matrix says of the honest one that it was not
	memory_below 64
}

@test "a worker that claims four thousand million slots, and refuses what it is given" {
	enrol worker
	misbehave lies-about-slots
	matrix
	over
	[ "$did" -ge 1 ]
	farm_rows worker list | jq -e 'all(.[]; .slots <= 256)'
	memory_below 64
}

@test "a worker whose clock is off by ten years and jumps: its jobs count as anybody's" {
	enrol worker
	misbehave clock-is-off
	matrix
	over
	[ "$did" -ge 1 ]
	farm_result status | jq -e 'any(.run.jobs[]; .worker == "mallory")'
	memory_below 64
}

@test "ends, publications and logs of attempts of others: refused, and put on record" {
	enrol worker
	matrix
	misbehave answers-for-others
	matrix
	wait_until 60 logged "mallory (worker, key $short) reports 1."
	wait_until 60 logged "log-data from key $short: this log belongs to another worker: refused"
	over
	# The logs are what the honest worker's packages said.
	farm logs sm90-avx2 | grep -qx 'torchvision-python313-cuda12_8-sm90-avx2'
	farm_result status | jq -e 'all(.run.jobs[]; .worker == "one")'
	memory_below 64
}

@test "statuses of four megabytes, as fast as they go" {
	enrol worker
	misbehave floods-statuses
	matrix
	over
	[ "$did" -ge 1 ]
	memory_below 400
}

@test "hellos as fast as they go: a few become records" {
	enrol worker
	misbehave floods-hellos
	matrix
	wait_until 60 logged "hello from mallory (worker, key $short): too many of them: dropped"
	over
	joined=$(records_of_kind 10)
	echo "$joined hellos became records"
	[ "$joined" -ge 2 ] && [ "$joined" -lt 200 ]
	memory_below 64
}

@test "a log that is written faster than any disk, beyond its limit, and behind its end" {
	enrol worker
	farm worker drain one # it could end them all before the other is there to take any
	farm rebuild --force --detach >/dev/null
	misbehave floods-its-log 300
	farm worker resume one
	wait_until 90 run_is closed
	ended_as "67 ok, 0 failed, 0 published"
	matrix
	wait_until 90 grep -F 'log refused: the log is longer than' "$top/misdeed"
	over
	memory_below 200
}

@test "requests and readings by a worker: not its to say" {
	enrol worker
	misbehave says-what-is-not-its-to-say
	matrix
	wait_until 60 logged "request from mallory (worker, key $short): its role may not send this: dropped"
	wait_until 60 logged "log-read from key $short: this key may not read logs: refused"
	over
	farm_rows worker list | jq -e 'length == 2' # nobody was revoked
	memory_below 64
}

@test "a frame just over the limit, and one of 20 MB: the connection ends, nothing else" {
	local bytes
	enrol worker
	for bytes in 4194305 20000000; do
		misbehave sends-large-frames "$bytes"
		matrix
		wait_until 90 grep '^was cut' "$top/misdeed"
		over
	done
	memory_below 64
}

@test "a hello just under the limit of a frame, far over that of a host: refused with the reason" {
	enrol worker
	misbehave sends-large-frames 4194000
	matrix
	wait_until 60 logged "dropped a malformed frame from key $short"
	over
	grep 'refused: the coordinator cannot take that hello' "$top/misdeed"
	logged "dropped a malformed frame from key $short"
	[ "$cut" -eq 0 ]
	memory_below 400
}

@test "everything of one session said again in the next: changes nothing" {
	enrol worker
	farm worker drain one # it could end them all before the other is there to take any
	farm rebuild --force --detach >/dev/null
	misbehave replays-a-session
	farm worker resume one
	farm worker drain mallory
	wait_until 60 run_is closed
	matrix
	over
	[ "$did" -ge 1 ]
	farm_result status | jq -e 'all(.run.jobs[]; .attempts == 1)'
	memory_below 64
}

# ---- clients -----------------------------------------------------------------------------------

@test "three thousand connections with handshakes: the farm goes on, and lets others in" {
	enrol viewer
	misbehave connects-often 3000
	matrix
	FARM_CONNECT=tcp://127.0.0.1:$control_port FARM_KEY=$FARM_HOME/keys/admin.key \
		FARM_SERVER_KEY=$(sed -n 's/^public //p' "$FARM_HOME/keys/farmd.key.pub") farm status >/dev/null
	over
	memory_below 400
}

@test "two hundred connections of one key that all ask: beyond 128 each is refused with the reason" {
	enrol viewer
	misbehave crowds 200
	matrix
	wait_until 60 grep -F 'refused: your key has 128 connections to this coordinator' "$top/misdeed"
	over
	logged "key $short has 128 connections to"
	memory_below 400
}

@test "a client that asks for plans without end: a few wait for git, the others are refused" {
	enrol viewer
	misbehave plans-without-end 100
	matrix
	wait_until 60 grep -F 'refused: 8 questions of your key already wait for git' "$top/misdeed"
	over
	logged "refused a request from mallory (viewer, key $short): 8 questions of your key already wait for git"
	memory_below 200
}

@test "a client that asks without end and reads no answer" {
	enrol viewer
	misbehave never-reads
	matrix
	wait_until 60 logged "the client does not read its answers"
	over
	memory_below 300
}

@test "a key that is revoked loses its rights at once, on the connections it has" {
	enrol viewer
	farm rebuild --force --detach 'gpu=sm90 isa=avx2' >/dev/null
	wait_until 30 run_is closed
	misbehave follows 1
	farm key revoke mallory
	# What the farm records from now on is not for mallory; that it is over may still be on its way.
	farm pause >/dev/null
	farm resume >/dev/null
	local said before
	said=$(wc -l <"$top/misdeed")
	wait_until 10 said_more $((said + 5))
	before=$(tail -n 1 "$top/misdeed")
	matrix
	[ "$(tail -n 1 "$top/misdeed")" = "$before" ]
	over
}

# said_more LINES: it told so often how much it heard.
said_more() {
	[ "$(wc -l <"$top/misdeed")" -ge "$1" ]
}

# ---- strangers ---------------------------------------------------------------------------------

@test "nine thousand connections, of them three thousand with a key: four thousand are let in, and whoever is in notices nothing" {
	enrol viewer
	misbehave opens-many 9000
	matrix
	over
	[ "$heard" -ge 1000 ]  # of three thousand handshakes: a busy machine does not get through with all
	[ "$did" -ge 1096 ]
	logged "no others are accepted until some of them end"
	wait_until 30 logged "others are accepted again"
	memory_below 400
}

@test "with few open files allowed fewer are let in" {
	kill_hard farmd
	(ulimit -n 1600 && farm up --no-worker --no-keeper >/dev/null)
	wait_until 20 farm_result status
	logged "the limit of 1600 open files allows only 544 connections to each socket"
	misbehave opens-many 3000
	matrix
	over
	memory_below 200
}

@test "other protocols, and commands of two gigabytes, at a port that speaks ours" {
	misbehave talks-nonsense
	matrix
	wait_until 60 logged "failed in the handshake"
	over
	[ "$cut" -ge 1 ]
	memory_below 64
}

@test "every byte of another's session sent again: the handshake fails" {
	enrol operator
	misbehave replays-bytes
	farm resume
	matrix
	over
	[ "$did" -ge 1 ]
	farm_result status | jq -e '.farm.paused == null or .farm.paused == false'
	memory_below 64
}
