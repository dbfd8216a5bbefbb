# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# farm.bash - a farm of its own for each test: coordinator, workers, projects, in a temporary folder
# and on free ports of 127.0.0.1.
#
# Tests call farm_setup in setup() and farm_teardown in teardown(). What they wait for is a
# condition with a deadline (wait_until), read through `farm` as a user would; nothing waits for time
# to pass. Processes are ended by the pids that their own files name. A failing test shows the
# coordinator's and the workers' logs.

bats_require_minimum_version 1.5.0
# jq is content with no input: a farm that does not answer must fail the condition.
set -o pipefail

source_dir=${FARM_SOURCE_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
binary_dir=${FARM_BINARY_DIR:-$source_dir/build/release}
bin=$binary_dir/bin
fixtures=$source_dir/tests/fixtures

# farm_setup: makes the folder and what every farm needs; starts nothing.
farm_setup() {
	farm_needs_programs
	as=() inside=()
	top=$(cd "$BATS_TEST_TMPDIR" && pwd -P)
	export FARM_HOME=$top/farm
	export HOME=$top/user TMPDIR=$top/tmp
	mkdir -p "$HOME" "$TMPDIR"
	machine_network "$top/no-nft"
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	export GIT_AUTHOR_NAME=Maintainer GIT_AUTHOR_EMAIL=maintainer@vision.example
	export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
	unset GIT_DIR GIT_WORK_TREE FARM_CONNECT
	case $(uname -m) in
	x86_64) here=x86_64 other=aarch64 ;;
	aarch64) here=aarch64 other=x86_64 ;;
	esac
}

# machine_network FOLDER: a worker that is root makes no table of nftables in this machine's own
# network. A test with a network of its own removes FOLDER/nft.
machine_network() {
	mkdir -p "$1"
	printf '#!/bin/sh\necho "no nftables: the network is this machine'"'s"'" >&2\nexit 1\n' >"$1/nft"
	chmod 755 "$1" "$1/nft"
	PATH=$1:$PATH
}

farm_needs_programs() {
	local program
	for program in farm farmd farm-worker farm-supervisor; do
		[ -x "$bin/$program" ] || skip "no $program in $bin: build it first"
	done
}

# ssh_own: ssh knows the home of the user database only; this one reads the files of $HOME. Without a
# configuration of the test's, it does what a person's ssh does.
ssh_own() {
	mkdir -p "$top/path"
	cat >"$HOME/.ssh/own_config" <<-EOT
		Include $HOME/.ssh/config
		Host *
			UserKnownHostsFile $HOME/.ssh/known_hosts
			IdentityFile $HOME/.ssh/id_ed25519
	EOT
	cat >"$top/path/ssh" <<-EOT
		#!/bin/sh
		for word; do [ "\$word" != -F ] || exec /usr/bin/ssh "\$@"; done
		exec /usr/bin/ssh -F "$HOME/.ssh/own_config" "\$@"
	EOT
	chmod +x "$top/path/ssh"
	PATH=$top/path:$PATH
}

# The Nix store of a test: its own, single-user, without network.
nix_setup() {
	command -v nix-store >/dev/null || skip "no nix here"
	nix_own
}

# nix_own: the same where there is nix; elsewhere nothing. A machine whose nix was just installed has
# no configuration and no build users, so tests that run a smoke task bring theirs.
nix_own() {
	command -v nix-store >/dev/null || return 0
	export NIX_STORE_DIR=$top/nix/store NIX_STATE_DIR=$top/nix/var NIX_LOG_DIR=$top/nix/log
	export NIX_CONF_DIR=$top/nix/etc NIX_REMOTE=''
	unset NIX_CONFIG NIX_PATH
	mkdir -p "$NIX_STORE_DIR" "$NIX_STATE_DIR" "$NIX_LOG_DIR" "$NIX_CONF_DIR"
	cat >"$NIX_CONF_DIR/nix.conf" <<-EOT
		build-users-group =
		sandbox = false
		sandbox-paths = /bin /usr /lib? /lib32? /lib64?
		substitute = false
		substituters =
		experimental-features = nix-command
		extra-platforms = $other-linux
		system-features = big-parallel
		fsync-metadata = false
	EOT
	nix-store --init
}

# farm ARGUMENT...: the CLI under test, bounded; it and all that it starts as the user of `ordinary`,
# and by the words of `inside`.
farm() {
	timeout --kill-after=5 "${FARM_TIMEOUT_S:-120}" "${inside[@]}" "${as[@]}" "$bin/farm" --home "$FARM_HOME" "$@"
}

# pass_through: other users may enter the folders above the test's.
pass_through() {
	local folder=$top
	while [ "$folder" != / ]; do
		[ "$(stat -c %U "$folder")" != root ] || chmod o+x "$folder"
		folder=$(dirname "$folder")
		[ "$folder" != /tmp ] || break
	done
}

# ordinary: the whole farm belongs to an ordinary user.
ordinary() {
	[ "$(id -u)" -eq 0 ] || return 0
	as=(setpriv --reuid=60990 --regid=60990 --clear-groups)
	export USER=stranger # nix wants a name
	chown -R 60990:60990 "$top"
	pass_through
	if ! "${as[@]}" test -x "$bin/farm"; then
		bin=$top/bin # the build is in a folder of root's own
		cp -r "$binary_dir/bin" "$bin"
	fi
}

# farm_result COMMAND...: the result of `farm COMMAND... --json`; fails when it was refused, or when
# what was printed is not what docs/json.md promises.
farm_result() {
	farm "$@" --json | "$bin/envelope"
}

# farm_rows COMMAND...: the same of a command whose result is one list: the list.
farm_rows() {
	farm_result "$@" | jq 'map(arrays) | if length == 1 then .[0] else error("not one list") end'
}

# own_crontab DIR: a crontab(1) there, with a table beside it: no test writes that of its user.
own_crontab() {
	cat >"$1/crontab" <<-'EOT'
		#!/bin/sh
		table=$(dirname "$0")/crontab.table
		case $1 in
		-l) [ -e "$table" ] && exec cat "$table"; echo "no crontab for $(id -un)" >&2; exit 1 ;;
		*) exec cp "$1" "$table" ;;
		esac
	EOT
	chmod +x "$1/crontab"
}

# fixture NAME: a repository of tests/fixtures; its URL in $url, its folder in $repository. It is made
# once for all tests of a file, and each has a copy: a hundred calls of git make one.
fixture() {
	local made
	made=$("$fixtures/$1/generate" "$BATS_RUN_TMPDIR/fixtures" | tail -n 1)
	made=${made#file://}
	repository=$top/git/${made##*/}
	url=file://$repository
	[ ! -e "$repository" ] || return 0 # the test has changed it
	mkdir -p "$top/git"
	cp -R "$made" "$repository"
}

# Ports nobody listens on, in $control_port and $log_port; $join_port is no other farm's.
free_ports() {
	local tries
	for tries in $(seq 50); do
		control_port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000 / 2 * 2))
		log_port=$((control_port + 1))
		join_port=$((control_port - 12000))
		if ! listens "$control_port" && ! listens "$log_port"; then
			return
		fi
	done
	echo "no free ports after $tries tries" >&2
	return 1
}

listens() {
	(: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# wait_until SECONDS COMMAND...: runs it until it succeeds; fails with its last output after five times
# SECONDS, which is what it may take on an idle machine: other tests and linters run beside it.
wait_until() {
	local end=$((SECONDS + 5 * $1)) said
	shift
	while ! said=$("$@" 2>&1); do
		if [ "$SECONDS" -ge "$end" ]; then
			printf 'waited in vain for: %s\nit last said: %s\n' "$*" "$said" >&2
			return 1
		fi
		sleep 0.1
	done
}

# ---- reading the farm -------------------------------------------------------------------------

# job_field PACKAGE FIELD: of the newest run (or of $run).
job_field() {
	farm_result status ${run:+"$run"} |
		jq -er --arg package "$1" --arg field "$2" \
			'.run.jobs[] | select(.package == $package) | .[$field] | tostring'
}

# job_is PACKAGE FIELD VALUE
job_is() {
	local value
	value=$(job_field "$1" "$2")
	[ "$value" = "$3" ] || {
		echo "$1: $2 is '$value', not '$3'"
		return 1
	}
}

# run_is STATE [RUN]
run_is() {
	farm_result status ${2:+"$2"} | jq -e --arg state "$1" '.run.state == $state' >/dev/null
}

# workers_online NUMBER
workers_online() {
	farm_result status | jq -e --argjson number "$1" '.farm.workers_online == $number' >/dev/null
}

# counts RUN: "OK ok, FAILED failed, PUBLISHED published", as JSON has it.
counts() {
	farm_result status ${1:+"$1"} |
		jq -r '"\(.run.counts.ok) ok, \(.run.counts.failed) failed, \(.run.published.done) published"'
}

# ended_as TEXT [RUN]: counts says TEXT; shows the run when not.
ended_as() {
	local said
	said=$(counts ${2:+"$2"})
	[ "$said" = "$1" ] || {
		printf 'expected: %s\nbut: %s\n' "$1" "$said"
		farm status ${2:+"$2"}
		farm_result status ${2:+"$2"} | jq -c '.run.jobs[] | select(.verdict != "ok") |
			{package, state, verdict, cause, detail, attempts, worker}'
		return 1
	} >&2
}

# ---- asserting --------------------------------------------------------------------------------

# says TEXT: the output of the last `run` has it.
says() {
	[[ $output = *"$1"* ]] || {
		printf 'expected to read: %s\nbut it said: %s\n' "$1" "$output" >&2
		return 1
	}
}

# lacks ARGUMENT...: grep with these could read all files, and found nothing. (`! grep` is content with a
# file that does not exist.)
lacks() {
	run grep "$@"
	[ "$status" -eq 1 ] || {
		printf 'grep %s: exit %s\n%s\n' "$*" "$status" "$output" >&2
		return 1
	}
}

# files_with TEXT PATH...: the files there that have it. The farm may remove files meanwhile.
files_with() {
	grep -rlsaF -e "$1" -- "${@:2}" || true
}

# refuses CODE TEXT COMMAND...: it ends with CODE and says TEXT.
refuses() {
	local code=$1 text=$2
	shift 2
	run --separate-stderr "$@"
	output=$output$'\n'$stderr
	[ "$status" -eq "$code" ] || {
		printf '%s: exit %s, expected %s\n%s\n' "$*" "$status" "$code" "$output" >&2
		return 1
	}
	says "$text"
}

# ---- a farm's life ------------------------------------------------------------------------------

# farm_make URL: keys, and the farm.yaml that `farm init` writes, with ports of this test's own.
farm_make() {
	free_ports
	farm init "$1" >/dev/null
	sed -i -e "s|# \(control: tcp://.*:\)7471|\1$control_port|" \
		-e "s|# \(log: tcp://.*:\)7472|\1$log_port|" \
		-e "s|# \(join: tcp://.*:\)7473|\1$join_port|" "$FARM_HOME/farm.yaml"
	! grep '^[^#]*:747' "$FARM_HOME/farm.yaml" # no test takes the ports of another farm
}

listen_section() {
	cat <<-EOT
		listen:
		  control: tcp://${listen_on:-127.0.0.1}:$control_port
		  log: tcp://${listen_on:-127.0.0.1}:$log_port
		  join: tcp://${listen_on:-127.0.0.1}:$join_port
	EOT
}

# Nothing is evaluated ahead unless a test wants it: a slow host would give runs other numbers.
# farm_config < PROJECTS_AND_TARGETS: farm.yaml with this test's ports and short times. Variables
# set for the call: listen_on, heartbeat, lease_ttl, lost_grace, retry_delay, evaluate_after,
# attempts_max, lost_max.
farm_config() {
	listen_section >"$FARM_HOME/farm.yaml"
	cat >>"$FARM_HOME/farm.yaml" <<-EOT
		timing:
		  heartbeat: ${heartbeat:-500ms}
		  lease_ttl: ${lease_ttl:-5s}
		  lost_grace: ${lost_grace:-30s}
		  retry_delay: ${retry_delay:-1s}
		  evaluate_after: ${evaluate_after:-0}
		retry:
		  attempts_max: ${attempts_max:-3}
		  lost_max: ${lost_max:-3}
		disk_floor: 1M
	EOT
	cat >>"$FARM_HOME/farm.yaml"
}

# farm_project COMMAND [LINE...]: farm.yaml with one project of light jobs, each built by this shell
# command; LINEs are further options of the project. Variables set for the call, beside those of
# farm_config: project (its name), builder, branches, each_branch (an option of each of them), and
# publish_command, with which each branch publishes to the target `shelf`.
farm_project() {
	local command=$1 branch
	shift
	{
		cat <<-EOT
			projects:
			  - name: ${project:-torchvision}
			    url: $url
			    builder: ${builder:-command}
			    heavy: false
			    memory: 1M
			    disk: 1M
			    check: "off"
		EOT
		[ -z "$command" ] || yaml_block '    command' "$command"
		[ $# -eq 0 ] || printf '    %s\n' "$@"
		echo '    branches:'
		for branch in ${branches:-main}; do
			echo "      - name: $branch"
			[ -z "${each_branch:-}" ] || echo "        $each_branch"
			[ -z "${publish_command:-}" ] || echo '        publish: shelf'
		done
		if [ -n "${publish_command:-}" ]; then
			printf '%s\n' 'targets:' '  - name: shelf' '    kind: command'
			yaml_block '    command' "$publish_command"
		fi
	} | farm_config
}

# The branches of the sample.
sample_branches='main cuda-12_9 cuda-13_0'

# yaml_block KEY TEXT: the text as it stands; YAML wants no tab where a line begins.
yaml_block() {
	printf '%s: |\n      %s\n' "$1" "${2//$'\n'/$'\n      '}"
}

# farm_up: the coordinator alone, and without a keeper: most tests that kill it start it themselves.
# Variable for the call: keeper=yes.
farm_up() {
	local options=(--no-worker)
	[ "${keeper:-}" = yes ] || options+=(--no-keeper)
	farm up "${options[@]}" >/dev/null
	wait_until 20 farm_result status
}

# worker_up NAME [OPTION...]: a worker with a home of its own, of this machine's architecture. Its
# recipes leave marks in the test's folder, so they are not isolated, unless $isolation names a level.
worker_up() {
	local name=$1 level=(--isolation none --trust-recipes)
	shift
	[ -z "${isolation:-}" ] || level=(--isolation "$isolation")
	farm worker start "$name" --program "$bin/farm-worker" --supervisor "$bin/farm-supervisor" \
		"${level[@]}" "$@"
}

# pid_of NAME: farmd or worker-NAME.
pid_of() {
	local pid rest
	read -r pid rest <"$FARM_HOME/run/$1.pid"
	echo "$pid"
}

# kill_hard NAME: SIGKILL, and waits until the process is gone.
kill_hard() {
	local pid
	pid=$(pid_of "$1")
	kill -KILL "$pid"
	wait_until 10 gone "$pid"
}

# gone PID: no such process, or one nobody has waited for yet.
gone() {
	local state
	state=$(sed -n 's/^State:[[:blank:]]*//p' "/proc/$1/status" 2>/dev/null) || return 0
	[[ -z $state || $state = Z* ]]
}

farm_teardown() {
	local name
	[ -n "${top:-}" ] || return 0
	if [ -z "${BATS_TEST_COMPLETED:-}" ]; then
		for name in "$FARM_HOME"/log/*.log; do
			[ -e "$name" ] || continue
			echo "--- the end of $name"
			tail -n 40 "$name"
		done
	fi
	[ ! -e "$FARM_HOME/run" ] || FARM_TIMEOUT_S=30 farm down --workers >/dev/null 2>&1 || true
	end_what_is_left
	# Store paths are read-only folders.
	chmod -R u+w "$top" 2>/dev/null || true
}

# Whatever was started below this test's folder carries its name in the command line or in the
# environment; its pid is looked up there, never guessed by name. Those that run this very test stay.
end_what_is_left() {
	local file pid=$BASHPID ancestors=' '
	while [ "$pid" -gt 1 ]; do
		ancestors+="$pid "
		pid=$(sed -n 's/^PPid:[[:blank:]]*//p' "/proc/$pid/status")
	done
	while read -r file; do
		pid=${file#/proc/}
		pid=${pid%%/*}
		[[ $ancestors = *" $pid "* ]] || kill -KILL "$pid" 2>/dev/null || true
	done < <(
		files_with "$top/" /proc/[0-9]*/cmdline
		grep -lsazF -- "FARM_HOME=$top/" /proc/[0-9]*/environ || true
	)
}
