# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# machines.bash - a farm whose coordinator and user sit on the host "laptop", with hosts of hosts.bash
# around it: what machines*.bats share. Loaded after farm, netns and hosts.

machines_setup() {
	farm_setup
	hosts_setup
	[ -e "$binary_dir/bundles/$here-linux.manifest" ] || skip "no bundles here: build the release preset"
	net_host laptop
	fixture sample
	machines_serve_git
	free_ports
	farm init "$url" >/dev/null
}

machines_teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || hosts_show
	farm_teardown
	hosts_teardown
	net_teardown
}

# Everything of the farm's side happens on the laptop.
farm() {
	net_on laptop timeout --kill-after=5 "${FARM_TIMEOUT_S:-120}" "$bin/farm" --home "$FARM_HOME" "$@"
}

# The public URL of the packages, for the laptop and for hosts: real git, over the network.
machines_serve_git() {
	url=git://${net_address[laptop]}/build-torchvision.git
	net_on laptop setpriv --pdeathsig KILL git daemon --base-path="$top/git" --export-all --reuseaddr \
		--listen="${net_address[laptop]}" "$top/git" </dev/null >"$top/git.log" 2>&1 3>&- &
	wait_until 10 git_is_served
}

git_is_served() {
	net_on laptop git ls-remote --exit-code "$url" main
}

# machines_config COMMAND: builds are this shell command, in a checkout of the branch.
machines_config() {
	listen_on=${net_address[laptop]} lease_ttl=${lease_ttl:-20s} lost_grace=${lost_grace:-60s} \
		branches=$sample_branches farm_project "$1"
}

# add USER@NAME [OPTION...]: `farm worker add`, to the host's address and under its name.
add() {
	local user=${1%%@*} name=${1#*@}
	shift
	# The recipes of these tests leave marks on the host.
	farm worker add "$user@${net_address[$name]}" --isolation none --trust-recipes "$@"
}

# worker_field NAME FIELD
worker_field() {
	farm_rows worker list |
		jq -er --arg name "$1" --arg field "$2" '.[] | select(.worker == $name and .state != "removed") | .[$field] | tostring'
}

worker_is() {
	local state
	state=$(worker_field "$1" state)
	[ "$state" = "$2" ] || {
		echo "$1 is $state"
		return 1
	}
}

# agent_of NAME USER: the pid of its agent, as the host counts.
agent_of() {
	host_ssh "$2@$1" '"$(ls -d /opt/floxfarm ~/.local/share/floxfarm 2>/dev/null | head -n 1)"/current/bin/farm-worker service status --json' |
		jq -er .pid
}

# jobs_where JQ_CONDITION: how many jobs of the newest run.
jobs_where() {
	farm_result status | jq "[.run.jobs[] | select($1)] | length"
}

at_least() {
	local number
	number=$(jobs_where "$2")
	echo "$number"
	[ "$number" -ge "$1" ]
}

# later_release: the same programs under a later version, in $top/later; farm_later is its farm.
later_release() {
	local cpu
	mkdir -p "$top/later/bin" "$top/later/bundles"
	cp "$bin/farm" "$top/later/bin/"
	for cpu in "$@"; do
		mkdir -p "$top/later/$cpu"
		tar -xzf "$binary_dir/bundles/$cpu-linux.tar.gz" -C "$top/later/$cpu"
		sed -i 's/^id .*/id 9.9.9-later/' "$top/later/$cpu/MANIFEST"
		cp "$top/later/$cpu/MANIFEST" "$top/later/bundles/$cpu-linux.manifest"
		tar -C "$top/later/$cpu" -c MANIFEST bin lib | gzip -1 >"$top/later/bundles/$cpu-linux.tar.gz"
	done
}

farm_later() {
	net_on laptop timeout --kill-after=5 120 "$top/later/bin/farm" --home "$FARM_HOME" "$@"
}
