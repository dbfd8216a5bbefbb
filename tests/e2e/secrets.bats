#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where a secret is, and where it is no more: in memory, in cores, in command lines, in logs.

load farm

setup() {
	farm_setup
	fixture sample
	farm_make "$url"
	gate=$top/gate shelf=$top/shelf
	secret=s3cr3t-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')-and-more
	cat >"$top/publish" <<-EOT
		echo "the token: \$FARM_SECRET"
		echo "in base64: \$(printf %s "x\$FARM_SECRET" | base64 -w 0)"
		echo ready >$shelf
		while [ -e $gate ]; do sleep 0.1; done
	EOT
	branches=main publish_command="sh $top/publish" farm_project 'echo built'
	echo '    secret: shelf' >>"$FARM_HOME/farm.yaml"
	: >"$gate"
}

teardown() {
	rm -f "$gate"
	farm_teardown
}

# has PID: whether the secret lies in its memory, yes or no.
has() {
	"$source_dir/tests/e2e/memory_of.py" "$1" >"$top/memory"
	[ "$(stat -c %s "$top/memory")" -gt 100000 ] || return
	if LC_ALL=C grep -aqF "$secret" "$top/memory"; then echo yes; else echo no; fi
}

# Those that the worker started and that have the secret.
publisher() {
	pgrep -f "sh $top/publish" | head -n 1
}

@test "after a grant was used neither agent nor coordinator has the secret, and nobody else may look" {
	[ "$(id -u)" -eq 0 ] || skip "only root reads the memory of these processes"
	farm_up
	printf %s "$secret" | farm secret set shelf
	worker_up one --slots 1 --may-publish
	wait_until 20 workers_online 1
	farm rebuild --detach --publish 'gpu=sm90 isa=avx512'
	wait_until 60 test -s "$shelf"
	# Who publishes has it: the reader of memory finds what there is.
	[ "$(has "$(publisher)")" = yes ]
	[ "$(has "$(pid_of worker-one)")" = no ]
	[ "$(has "$(pid_of farmd)")" = no ]
	# No command line has it, and no core will: neither by limit nor by a program that takes cores.
	[ -z "$(files_with "$secret" /proc/[0-9]*/cmdline)" ]
	local name
	for name in farmd worker-one; do
		grep -q '^Max core file size  *0 ' "/proc/$(pid_of $name)/limits"
		[ "$(stat -c %U "/proc/$(pid_of $name)/environ")" = root ]
		has_no_core "$(pid_of $name)"
	done
	# Nor has either an abstract socket, which a sandbox with files of its own could reach.
	run -1 abstract_sockets_of "$(pid_of farmd)" "$(pid_of worker-one)"
	rm "$gate"
	wait_until 30 run_is closed
	ended_as "1 ok, 0 failed, 1 published"
	[ "$(has "$(pid_of worker-one)")" = no ]
	[ "$(has "$(pid_of farmd)")" = no ]
	run -0 farm logs --publish sm90-avx512
	says "the token: ***"
	says "in base64: eH***"
	[[ $output != *"$(printf %s "x$secret" | base64 -w 0 | cut -c 3-20)"* ]]
}

# abstract_sockets_of PID...: prints them; false if there is none.
abstract_sockets_of() {
	local inodes
	inodes=$(for pid in "$@"; do readlink "/proc/$pid"/fd/* 2>/dev/null; done | sed -n 's/^socket:\[\(.*\)\]$/\1/p')
	[ -n "$inodes" ] || return 2
	awk -v inodes="$inodes" 'BEGIN { split(inodes, list, "\n"); for (i in list) ours[list[i]] = 1 }
		$8 ~ /^@/ && $7 in ours { print; found = 1 } END { exit !found }' /proc/net/unix
}

# What is not dumpable belongs to root, whoever runs it; of a root's process another user is asked.
has_no_core() {
	run ! setpriv --reuid 65534 --regid 65534 --clear-groups cat "/proc/$1/environ"
}
