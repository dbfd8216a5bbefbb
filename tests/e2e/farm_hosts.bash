# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# farm_hosts.bash - a farm whose coordinator and workers have hosts of their own (netns.bash). A worker
# reaches the coordinator through a fault proxy on its host (faultproxy.bash): a cable can be cut, and
# a connection spoiled. Agents are started as a service manager would, and enrolled as by hand.
#
#   hosts_setup WORKER...           in setup(): the hosts, their proxies; `farm` runs at the coordinator's
#   hosts_teardown                  in teardown(), in place of farm_teardown
#   agent_enrol WORKER HOME         its key, let in as a worker that may publish
#   agent_up WORKER [OPTION...]     started there; its pid is ${agent[WORKER]}, its log HOME.log
#   agent_kill WORKER               SIGKILL, and waits until it is gone
#   link_mend WORKER                whatever was done to its link is over

load netns
load faultproxy

declare -gA agent=() agent_home=()

hosts_setup() {
	local name
	net_setup
	control_port=7471 log_port=7472 join_port=7473
	for name in coordinator "$@"; do
		net_host "$name"
	done
	listen_on=${net_address[coordinator]}
	for name in "$@"; do
		proxy_up "$name" "$name" "127.0.0.1:$control_port=$listen_on:$control_port" \
			"127.0.0.1:$log_port=$listen_on:$log_port"
	done
}

# The administrator sits at the coordinator's host.
farm() {
	net_on coordinator timeout --kill-after=5 "${FARM_TIMEOUT_S:-120}" \
		"${farm_program:-$bin/farm}" --home "$FARM_HOME" "$@"
}

agent_enrol() {
	agent_home[$1]=$2
	mkdir -p "$2"
	farm key add "$1" --public "$("$bin/farm-worker" keys --home "$2")" --role worker --may-publish >/dev/null
}

agent_up() {
	local name=$1 programs=${agent_programs:-$bin}
	shift
	net_exec "$name" "$programs/farm-worker" run --home "${agent_home[$name]}" \
		--connect "tcp://127.0.0.1:$control_port" --log-connect "tcp://127.0.0.1:$log_port" \
		--server-key "@$FARM_HOME/keys/farmd.key.pub" --supervisor "$programs/farm-supervisor" \
		--isolation none --trust-recipes "$@" \
		</dev/null >>"${agent_home[$name]}.log" 2>&1 3>&- &
	agent[$name]=$!
	disown
}

agent_kill() {
	kill -KILL "${agent[$1]}"
	wait_until 10 gone "${agent[$1]}"
	unset "agent[$1]"
}

link_mend() {
	net_mend "$1"
	net_mend coordinator
	proxy "$1" heal
}

# Ends coordinator and agents; what they built goes on.
hosts_end() {
	local name
	for name in "${!agent[@]}"; do
		agent_kill "$name" 2>/dev/null || true
	done
	FARM_TIMEOUT_S=20 farm down >/dev/null 2>&1 || true
}

hosts_teardown() {
	local name
	[ -n "${BATS_TEST_COMPLETED:-}" ] || for name in "${agent_home[@]}"; do
		echo "--- the end of $name.log"
		tail -n 40 "$name.log"
	done
	[ -z "${net_holder[coordinator]:-}" ] || hosts_end
	farm_teardown
	net_teardown
}
