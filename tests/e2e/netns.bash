# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# netns.bash - hosts of a test's own on one machine: each a network namespace with its own hostname,
# all plugged into a switch (a bridge in a namespace of its own). Nothing of it is seen in the
# machine's own network.
#
# A namespace lives as long as a process in it does. Each is held by one process, whose name says
# which host of which test it is and which dies with the test, however that ends. Files, users and
# pids are the machine's: what a host runs is found and ended as everything else of a test.
#
#   net_setup                  in setup(), after farm_setup; skips where the machine does not allow it
#   net_host NAME              adds a host and plugs it in; ${net_address[NAME]} is its address
#   net_on NAME COMMAND...     runs a command there
#   net_exec NAME COMMAND... & the same in the background: $! is the command itself
#   net_cut NAME               unplugs it: nothing in, nothing out, nobody is told
#   net_silence FROM TO        what FROM sends to TO is lost; the other direction works
#   net_mend NAME              plugs it in and ends what it was silent about
#   net_teardown               in teardown(), after farm_teardown
#
# This is for cables. Delay, stalls and half-open connections are the fault proxy's (faultproxy.c).

declare -gA net_address=() net_holder=() net_namespace=()

# A hardware address nobody has: the switch hands it to all, and all drop it.
net_nobody=02:00:00:00:00:01

net_setup() {
	[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
	command -v ip >/dev/null || skip "no ip here (deploy/packages test)"
	unshare --net --uts true 2>/dev/null || skip "this machine allows no network namespaces"
	net_hold switch
	net_on switch ip link add switch type bridge
	net_on switch ip link set switch up
}

# net_hold NAME: a namespace, and the process that holds it.
net_hold() {
	local own
	own=$(readlink /proc/self/ns/net)
	setpriv --pdeathsig KILL unshare --net --uts bash -c 'hostname "$2" && exec -a "$1" sleep infinity' \
		- "floxfarm-test-$$-$1" "$1" </dev/null >/dev/null 2>&1 3>&- &
	net_holder[$1]=$!
	disown
	wait_until 10 net_is_held "$!" "$own"
	net_namespace[$1]=$(readlink "/proc/$!/ns/net")
}

# The process is in a namespace of its own, and has named it.
net_is_held() {
	[ "$(readlink "/proc/$1/ns/net")" != "$2" ] && [ "$(cat "/proc/$1/comm")" = sleep ]
}

net_host() {
	local name=$1 number=$((${#net_holder[@]}))
	net_hold "$name"
	net_address[$name]=10.77.0.$number
	ip link add eth0 netns "${net_holder[$name]}" type veth \
		peer name "port-$number" netns "${net_holder[switch]}"
	net_on switch ip link set "port-$number" alias "$name" master switch up
	net_on "$name" ip link set lo up
	net_on "$name" ip address add "${net_address[$name]}/24" dev eth0
	net_on "$name" ip link set eth0 up
}

net_on() {
	local name=$1
	shift
	nsenter --target "${net_holder[$name]}" --net --uts -- "$@"
}

net_exec() {
	local name=$1
	shift
	exec nsenter --target "${net_holder[$name]}" --net --uts -- "$@"
}

# The port of the switch that a host is plugged into.
net_port() {
	echo "port-${net_address[$1]##*.}"
}

net_cut() {
	net_on switch ip link set "$(net_port "$1")" down
}

net_silence() {
	net_on "$1" ip neighbour replace "${net_address[$2]}" lladdr "$net_nobody" dev eth0 nud permanent
}

net_mend() {
	net_on switch ip link set "$(net_port "$1")" up
	net_on "$1" ip neighbour flush dev eth0 nud permanent
}

net_teardown() {
	local pid
	for pid in "${net_holder[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait_until 10 gone "$pid"
	done
	net_holder=()
}

# net_left: fails while a process is in a namespace of this test, and says which.
net_left() {
	local name left=''
	for name in "${!net_namespace[@]}"; do
		left+=$(find /proc/[0-9]*/ns/net -printf "%l: %p is in the namespace of $name\n" 2>/dev/null |
			grep -F "${net_namespace[$name]}:" || true)
	done
	[ -z "$left" ] || {
		echo "$left"
		return 1
	}
}
