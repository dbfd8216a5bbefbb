#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What keeps a worker running on a host, and what may not end its builds: systemd as PID 1, for root
# and for a user, and hosts without.

load farm
load netns
load hosts
load machines

setup() {
	machines_setup
	# A build says that it runs, and ends when the gate opens.
	machines_config 'echo $FARM_PACKAGE >>/var/tmp/built; chmod -f 666 /var/tmp/built; while [ -e /var/tmp/closed ]; do sleep 0.2; done'
	farm up --no-worker
	export lost_grace=60s
}

teardown() {
	machines_teardown
}

# held_build NAME: a build that runs there until the gate is opened.
held_build() {
	host_on "$1" touch /var/tmp/closed
	farm rebuild --detach --force 'gpu=sm90 isa=avx2'
	wait_until 60 host_on "$1" test -s /var/tmp/built
}

# It ends well, was never begun again, and is still the same attempt.
ends_unharmed() {
	host_on "$1" rm /var/tmp/closed
	wait_until 60 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(host_on "$1" sed -n '$=' /var/tmp/built)" -eq 1 ]
	[ "$(jobs_where '.attempts != 1')" -eq 0 ]
}

another_agent() {
	local now
	now=$(agent_of "$1" "$2") && [ "$now" -ne 0 ] && [ "$now" -ne "$3" ]
}

# The control group of the build that waits at the gate.
group_of_build() {
	local pid
	pid=$(host_on "$1" pgrep -of 'while \[ -e /var/tmp/closed')
	host_on "$1" sed -n 's/^1:name=systemd://p; s/^0:://p' "/proc/$pid/cgroup" | head -n 1
}

@test "a system unit: the agent may be killed, restarted and upgraded, its build goes on beside it" {
	host_boot alpha systemd
	# A nix daemon, as far as systemd knows.
	host_on alpha tee /etc/systemd/system/nix-daemon.service <<-'EOT'
		[Service]
		ExecStart=/bin/sleep infinity
	EOT
	host_on alpha systemctl daemon-reload
	host_on alpha systemctl start nix-daemon
	host_on alpha mkdir -p /etc/nix
	run -0 add root@alpha --accept-new
	says "alpha: ready"
	[ "$(host_on alpha systemctl show -P User floxfarm-worker)" = floxfarm ]
	[ "$(host_on alpha systemctl show -P Slice floxfarm-worker)" = floxfarm.slice ]
	[ "$(host_on alpha systemctl is-enabled floxfarm-worker)" = enabled ]
	[ "$(host_on alpha systemctl show -P CPUWeight nix-daemon)" = 20 ]

	held_build alpha
	local first second group
	group=$(group_of_build alpha)
	echo "the build is in $group"
	[[ $group = "$(host_on alpha systemctl show -P ControlGroup floxfarm-worker)"/?* ]]
	first=$(agent_of alpha root)
	host_on alpha kill -KILL "$first"
	wait_until 30 another_agent alpha root "$first"
	second=$(agent_of alpha root)
	host_on alpha systemctl restart floxfarm-worker
	another_agent alpha root "$second"
	later_release x86_64
	second=$(agent_of alpha root)
	run -0 farm_later worker upgrade --all
	says "bundle 9.9.9-later"
	another_agent alpha root "$second"
	wait_until 20 worker_is alpha online
	ends_unharmed alpha

	# It is there again after a boot, with nobody's help.
	host_down alpha
	wait_until 30 worker_is alpha offline
	host_boot alpha systemd
	wait_until 30 worker_is alpha online
	run -0 farm worker remove alpha
	run ! host_on alpha systemctl is-active floxfarm-worker
	[ "$(host_on alpha systemctl is-system-running)" = running ]
}

# The process that holds a block of the farm's against sleeping, as the host's logind knows it.
inhibitor() {
	host_on alpha systemd-inhibit --list --no-pager | awk '/^floxfarm/ { print $4 }'
}

sleep_is_blocked() {
	[ -n "$(inhibitor)" ]
}

may_sleep() {
	! sleep_is_blocked
}

another_blocks_sleep() {
	local now
	now=$(inhibitor) && [ -n "$now" ] && [ "$now" != "$1" ]
}

@test "the coordinator's machine stays awake while there is work, also when the coordinator was killed" {
	host_boot alpha systemd
	tar -cf - -C "$binary_dir/bundles" "$here-linux-coordinator.tar.gz" |
		host_ssh root@alpha 'mkdir -p /opt/farm /srv/farm && tar -xOf - | tar -xz -C /opt/farm'
	sed "s/${net_address[laptop]//./\\.}:/127.0.0.1:/" "$FARM_HOME/farm.yaml" |
		sed "/url:/s|//127.0.0.1|//${net_address[laptop]}|" | host_on alpha tee /srv/farm/farm.yaml
	there() { host_on alpha /opt/farm/bin/farm --home /srv/farm "$@"; }
	there up --slots 1 --isolation none --trust-recipes
	run ! sleep_is_blocked
	host_on alpha touch /var/tmp/closed
	there rebuild --detach --force 'gpu=sm90 isa=avx2'
	wait_until 60 host_on alpha test -s /var/tmp/built
	wait_until 20 sleep_is_blocked

	# The block ends with the coordinator, however that ends; the next one takes its own.
	local first
	first=$(inhibitor)
	host_on alpha pkill -KILL -x farmd
	there up --slots 1 --isolation none --trust-recipes
	wait_until 20 another_blocks_sleep "$first"
	run ! host_on alpha kill -0 "$first"
	host_on alpha rm /var/tmp/closed
	wait_until 60 may_sleep
	there down
}

@test "a user's unit with linger: it survives the logout and the boot, and its builds the agent" {
	host_boot alpha systemd
	run -0 add builder@alpha --accept-new
	says "alpha: ready"
	host_on alpha test -e /var/lib/systemd/linger/builder
	# Nobody is logged in.
	wait_until 20 nobody_is_logged_in
	worker_is alpha online
	held_build alpha
	local first
	first=$(agent_of alpha builder)
	host_on alpha kill -KILL "$first"
	wait_until 30 another_agent alpha builder "$first"
	ends_unharmed alpha
	host_down alpha
	wait_until 30 worker_is alpha offline
	host_boot alpha systemd
	wait_until 30 worker_is alpha online
	run -0 farm worker remove alpha --purge
	run ! host_on alpha pgrep -f bin/farm-
}

nobody_is_logged_in() {
	[ "$(host_on alpha loginctl list-sessions --no-legend | wc -l)" -eq 0 ]
}

@test "without systemd: a background process keeps the agent; its build goes on" {
	host_boot beta plain
	run -0 add builder@beta --accept-new
	says "beta: ready"
	held_build beta
	local first
	first=$(agent_of beta builder)
	host_on beta kill -KILL "$first"
	wait_until 30 another_agent beta builder "$first"
	ends_unharmed beta
	host_down beta
	wait_until 30 worker_is beta offline
	host_boot beta plain
	wait_until 30 worker_is beta online
	run -0 farm worker remove beta --purge
	run ! host_on beta su - builder -c 'crontab -l | grep floxfarm'
}

@test "a host that nobody logs in to: it joins with a token" {
	host_boot beta plain
	# How its owner got the programs is theirs; here, the bundle by hand.
	host_on beta mkdir /opt/floxfarm
	host_on beta tar -xzf - -C /opt/floxfarm <"$binary_dir/bundles/$here-linux.tar.gz"
	local token
	token=$(farm token create --role worker | grep -o 'farm1\.[^[:space:]]*' | head -n 1)
	run -0 host_on beta su - builder -c "/opt/floxfarm/bin/farm-worker join --token $token --name gamma"
	wait_until 30 worker_is gamma online
	# Once.
	run ! host_on beta su - builder -c "/opt/floxfarm/bin/farm-worker join --token $token --name delta --home .floxfarm.copy --no-service"
	farm rebuild --detach 'gpu=sm90 isa=avx2'
	wait_until 60 run_is closed
	ended_as "1 ok, 0 failed, 0 published"
}
