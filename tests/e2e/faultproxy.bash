# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# faultproxy.bash - bad networks of a test's own: faultproxy.c, and how to tell it what to do.
#
#   proxy_up NAME HOST LISTEN=TARGET...   starts one, on a host of netns.bash or ("") on this machine
#   proxy NAME COMMAND...                 a command of faultproxy.c; returns when it is in force
#
# They end with the test, as everything below its folder does.

proxy_up() {
	local name=$1 host=$2
	shift 2
	[ -x "$bin/faultproxy" ] || skip "no faultproxy in $bin: build it first"
	mkfifo "$top/$name.commands"
	${host:+net_exec "$host"} "$bin/faultproxy" "$top/$name.commands" "$@" \
		>"$top/$name.answers" 2>&1 </dev/null 3>&- &
	disown
	wait_until 10 grep -x '0 ready' "$top/$name.answers"
}

proxy() {
	local name=$1 number=$((RANDOM * 32768 + RANDOM + 1)) answer
	shift
	echo "$number $*" >"$top/$name.commands"
	wait_until 10 grep "^$number " "$top/$name.answers"
	answer=$(grep "^$number " "$top/$name.answers")
	case ${answer#* } in
	done) ;;
	open*) echo "${answer#* }" ;;
	*)
		echo "$answer" >&2
		return 1
		;;
	esac
}
