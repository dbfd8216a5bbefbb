#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Recipes that attack: the farm's keys and secrets, the agent, other attempts, the store, the host.
#
# The table in attacks() is run by a build, by a light job, by a check and, in part, by nix. An attack
# says whether it got something. The first test is the control: without isolation, each attack gets
# it, so a silent attack is one that is stopped. What a recipe prints is in failing.bats.

load farm

setup() {
	left=()
	farm_setup
}

teardown() {
	[ -z "${helper:-}" ] || kill "$helper" 2>/dev/null || true
	[ -z "${shm:-}" ] || ipcrm -m "$shm" || true
	rm -f "${left[@]}"
	farm_teardown
}

# What there is to get: each has the word "canary" and a number.
bait() {
	canary=canary$RANDOM$RANDOM left=()
	export STRANGER=$canary LD_LIBRARY_PATH=$top/$canary
	mkdir -p "$HOME/.ssh" "$HOME/.config/nix" "$top/run" "$top/path"
	PATH=$PATH:$top/path
	local name
	for name in .netrc .ssh/id_ed25519 .gitconfig .config/nix/nix.conf .bash_history; do
		echo "# $canary" >"$HOME/$name"
	done
	left=("/tmp/stranger-$canary" "/dev/shm/stranger-$canary" "/var/tmp/stranger-$canary")
	for name in "${left[@]}"; do
		echo "$canary" >"$name"
	done
	shm=$(ipcmk -M 64 -p 0666 | grep -o '[0-9]*$')
	[ ${#as[@]} -eq 0 ] || chown -R 60990:60990 "$top"
	"${as[@]}" /usr/bin/python3 - "$top/run/socket" "$canary" 3>&- <<-'EOT' &
		import os, select, socket, sys
		a = socket.socket(socket.AF_UNIX); a.bind(sys.argv[1]); a.listen()
		b = socket.socket(socket.AF_UNIX); b.bind("\0" + sys.argv[2]); b.listen()
		os.close(1)
		while True: [s.accept()[0].close() for s in select.select([a, b], [], [])[0]]
	EOT
	helper=$!
	wait_until 10 test -S "$top/run/socket"
}

# NAME<tab>SNIPPET: the snippet succeeds when it got something. `a` is the agent, W its folder, F the
# farm's, U its user's.
attacks() {
	cat <<-'EOT'
		environment	env | grep -q 'STRANGER=cana[r]y'
		environment-of-the-agent	tr '\0' '\n' </proc/$a/environ | grep -q 'STRANGER=cana[r]y'
		environment-of-anyone	cat /proc/[0-9]*/environ | tr '\0' '\n' | grep -q 'STRANGER=cana[r]y'
		command-line-of-the-agent	grep -qa farm-worker /proc/$a/cmdline
		processes-of-the-host	ls -d /proc/$a
		descriptors-of-the-agent	ls /proc/$a/fd/0
		folder-of-the-agent	ls /proc/$a/cwd/.
		root-of-the-agent	test -e /proc/$a/root/etc/shadow
		memory-of-the-agent	head -n 1 /proc/$a/maps | grep -q .
		signal-to-the-agent	kill -0 $a
		trace-the-agent	trace $a
		scheduling-of-the-agent	renice -n 0 -p $a
		limits-of-the-agent	prlimit --pid $a --core=0
		farm-keys	ls $F/keys $F/run
		admin-key	test -s $F/keys/admin.key
		farm-key	cat $F/keys/farmd.key
		farm-secrets	ls $F/secrets
		farm-journal	head -c 16 $F/journal.db | grep -qa SQLite
		farm-configuration	cat $F/farm.yaml
		farm-logs	ls $F/logs
		farm-socket	reach $F/run/local.sock
		farm-command	$bin/farm --home $F status
		worker-key	cat $W/worker.key
		worker-configuration	cat $W/worker.conf
		worker-configuration-written	test -w $W/worker.conf
		worker-instance	cat $W/instance
		neighbour-files	cat $W/attempts/*/box/*/neighbour
		neighbour-environment	grep -qa FARM_PACKAGE=neighbour /proc/[0-9]*/environ
		neighbour-attempt	test "$(ls $W/attempts | wc -l)" -gt 1
		own-order	cat $PWD/../../order
		own-control-files	test -s $PWD/../../order && touch $PWD/../../intruder
		own-product	test -s $PWD/../../order && touch $PWD/../../product.intruder
		own-isolation	test -s $PWD/../../isolation -a -w $PWD/../../isolation
		clone-refs	test -s ${C:?}/HEAD && touch $C/refs/intruder
		clone-config	test -s ${C:?}/HEAD && git config --file $C/config intruder.was here
		clone-hooks	test -s ${C:?}/HEAD && mkdir -p $C/hooks && touch $C/hooks/intruder
		clone-objects	touch ${O:?}/intruder
		clone-alternates	mkdir -p ${O:?}/info && touch $O/info/alternates
		clone-replace	test -s ${C:?}/HEAD && mkdir -p $C/refs/replace
		discovery-clone	ls $F/git/*.git
		netrc	grep -q 'cana[r]y' $U/.netrc
		ssh-key	grep -q 'cana[r]y' $U/.ssh/id_ed25519
		gitconfig	grep -q 'cana[r]y' $U/.gitconfig
		nix-tokens	grep -q 'cana[r]y' $U/.config/nix/nix.conf
		history	grep -q 'cana[r]y' $U/.bash_history
		home-of-the-agent	touch $U/.profile
		loader-path	test -n "$LD_LIBRARY_PATH"
		program-folders-written	touch $T/path/sh
		host-socket	reach $T/run/socket
		abstract-socket	reach @$canary
		shared-memory	ipcs -m | grep -q " $shm "
		host-tmp	grep -q 'cana[r]y' /tmp/stranger-$canary
		host-var-tmp	grep -q 'cana[r]y' /var/tmp/stranger-$canary
		host-dev-shm	grep -q 'cana[r]y' /dev/shm/stranger-$canary
		host-accounts	grep -q '^daemon:' /etc/passwd
		host-log	ls /var/log/.
		host-packages	ls /var/lib/dpkg/status
		host-run	ls /run/lock /run/floxfarm
		host-boot	ls /boot/. /srv/. /opt/.
		host-name	test "$(hostname)" != build
	EOT
	[ ${#as[@]} -gt 0 ] || root_attacks
}

# Those whose control needs a farm that runs as root.
root_attacks() {
	cat <<-'EOT'
		shadow	cat /etc/shadow
		home-of-root	test -r /root/.bashrc -o -r /root/.profile
		disk	test -r /dev/vda -o -r /dev/sda -o -r /dev/loop0
		kernel-log	test -r /dev/kmsg
		device-node	mknod node c 1 3
		capabilities	grep -q '^CapEff:.*[1-9a-f]' /proc/self/status
		capabilities-bounding	grep -q '^CapBnd:.*[1-9a-f]' /proc/self/status && setpriv --no-new-privs true && test "$(id -u)" = 0
		new-privileges	grep -q '^NoNewPrivs:.*0' /proc/self/status
		mount	mkdir -p m && mount -t tmpfs none m && umount m
		usr-written	test -w /usr/bin
		etc-written	test -w /etc
		crontab	test -w /etc/cron.d
		systemd-units	test -w /etc/systemd/system
		cgroups	ls /sys/fs/cgroup/.
		kernel-settings	test -w /proc/sys/kernel/core_pattern
		another-user	setpriv --reuid=1 --clear-groups true
		owner-of-a-file	touch own && chown 1 own
		build-user-leases	ls -d /run/floxfarm
		user-namespace	unshare -Urm cat /etc/shadow
	EOT
}

# attack_script TABLE: a script that runs the table's attacks; its $1 says from where.
attack_script() {
	cat <<-EOT
		#!/bin/bash
		where=\$1
		export a=$(pid_of worker-one) W=$FARM_HOME/workers/one F=$FARM_HOME U=$HOME T=$top
		export bin=$bin canary=$canary shm=$shm
	EOT
	cat <<-'EOT'
		reach() { /usr/bin/python3 -c 'import socket, sys
		socket.socket(socket.AF_UNIX).connect(sys.argv[1].replace("@", "\0"))' "$1"; }
		trace() { /usr/bin/python3 -c 'import ctypes, sys
		libc = ctypes.CDLL(None); p = int(sys.argv[1])
		sys.exit(libc.ptrace(16902, p, 0, 0) != 0)' "$1"; }
		export -f reach trace
		O=$(cat .git/objects/info/alternates) C=$(ls -d $W/clones/*.git)
		export O C
		while IFS=$'\t' read -r name snippet; do
			if timeout 5 bash -c "$snippet" </dev/null >/dev/null 2>&1; then
				echo "got $name, from $where"
			else
				echo "nothing $name, from $where"
			fi
		done <<'TABLE'
	EOT
	"$@"
	echo TABLE
}

# What a nix builder tries beside.
builder_attacks() {
	attacks
	cat <<-EOT
		store-written	touch $NIX_STORE_DIR/intruder
		store-path-written	chmod u+w "\$(ls -d $NIX_STORE_DIR/*-older)" && touch "\$(ls -d $NIX_STORE_DIR/*-older)/intruder"
		store-database	head -c 16 $NIX_STATE_DIR/db/db.sqlite | grep -qa SQLite
		store-roots	ls $NIX_STATE_DIR/gcroots
		daemon-configuration	cat $NIX_CONF_DIR/nix.conf
		farm-port	/usr/bin/python3 -c 'import socket; socket.create_connection(("127.0.0.1", $control_port), 3)'
	EOT
}

# nix_recipes: one whose evaluation attacks, one whose builder does, and one to be attacked.
nix_recipes() {
	local agent=$FARM_HOME/workers/one
	attack_script builder_attacks >"$top/attack"
	cat >"$top/evaluates.nix" <<-EOT
		{ }:
		let
		  read = name: path: say name (builtins.pathExists path && builtins.stringLength (builtins.readFile path) > 0);
		  list = name: path: say name (builtins.pathExists path && builtins.length (builtins.attrNames (builtins.readDir path)) > 0);
		  say = name: got: builtins.trace ((if got then "got " else "nothing ") + name + ", from evaluation") null;
		in
		builtins.deepSeq [
		  (read "admin-key" $FARM_HOME/keys/admin.key)
		  (read "farm-key" $FARM_HOME/keys/farmd.key)
		  (list "farm-keys" $FARM_HOME/keys)
		  (read "worker-key" $agent/worker.key)
		  (read "netrc" $HOME/.netrc)
		  (read "ssh-key" $HOME/.ssh/id_ed25519)
		  (read "nix-tokens" $HOME/.config/nix/nix.conf)
		  (read "host-tmp" $(printf %s "${left[0]}"))
		  (list "host-log" /var/log)
		  (say "environment" (builtins.getEnv "STRANGER" != ""))
		] (derivation {
		  name = "evaluates"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo >\$out" ];
		})
	EOT
	cat >"$top/builds.nix" <<-'EOT'
		{ }: derivation {
		  name = "builds"; system = builtins.currentSystem; builder = "/bin/bash"; PATH = "/usr/bin:/bin";
		  args = [ "-c" (builtins.readFile ../../attack + "\necho >$out\n") "attack" "builder" ];
		}
	EOT
	cat >"$top/older.nix" <<-'EOT'
		{ }: derivation {
		  name = "older"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
		  args = [ "-c" "mkdir $out" ];
		}
	EOT
	in_repository "cp $top/attack attack; cp $top/*.nix .flox/pkgs; rm -f .flox/pkgs/attack.nix .flox/pkgs/neighbour.nix"
}

# nix_begin LEVEL: the three are built by nix.
nix_begin() {
	nix_setup
	if [ "$1" != none ]; then
		sed -i '/sandbox = false/d' "$NIX_CONF_DIR/nix.conf"
		echo 'extra-sandbox-paths = /bin /usr /lib /lib64' >>"$NIX_CONF_DIR/nix.conf"
	fi
	bait
	repository_make
	farm_make "$url"
	farm_config <<-EOT
		projects:
		  - name: stranger
		    url: $url
		    builder: nix
		    heavy: false
		    memory: 1M
		    disk: 1M
		    check: "off"
		    system: $here-linux
		    branches:
		      - name: main
	EOT
	[ ${#as[@]} -eq 0 ] || chown -R 60990:60990 "$top"
	farm_up
	isolation=$1 worker_up one --slots 1
	wait_until 20 workers_online 1
	nix_recipes
	farm rebuild older || { farm logs older; false; }
	farm rebuild 'package=evaluates,builds'
	{ farm logs 2/evaluates; farm logs 2/builds; } >"$top/said"
}

# repository_make: branch main is built by a command and checked.
repository_make() {
	repository=$top/git/stranger url=file://$top/git/stranger
	"${as[@]}" git init --quiet --initial-branch main "$repository"
	"${as[@]}" mkdir -p "$repository/.flox/pkgs"
	in_repository 'echo {} | tee .flox/pkgs/attack.nix .flox/pkgs/neighbour.nix'
}

# in_repository SHELL: changes it and commits.
in_repository() {
	(cd "$repository" && "${as[@]}" sh -c "$1" && "${as[@]}" git add --all &&
		"${as[@]}" git commit --quiet --message Attack)
}

# begin LEVEL
begin() {
	bait
	repository_make
	farm_make "$url"
	farm_config <<-EOT
		projects:
		  - name: stranger
		    url: $url
		    builder: command
		    command: |
		      [ \$FARM_PACKAGE = attack ] || { echo >../home/neighbour; sleep 600; }
		      bash ./attack build
		    heavy: false
		    memory: 1M
		    disk: 1M
		    check: auto
		    system: $here-linux
		    branches:
		      - name: main
	EOT
	[ ${#as[@]} -eq 0 ] || chown -R 60990:60990 "$top"
	farm_up
	isolation=$1 worker_up one --slots 2
	wait_until 20 workers_online 1
	attack_script attacks >"$top/attack"
	chmod 755 "$top/attack"
	in_repository "cp $top/attack attack; printf '#!/bin/bash\nexec bash ./attack check\n' >test-build.sh; chmod +x test-build.sh"
	farm rebuild --detach neighbour
	wait_until 20 job_is neighbour phase build
	wait_until 10 neighbour_works
	farm rebuild attack
	farm logs 2/attack >"$top/said"
	farm cancel 1
	wait_until 30 run_is closed 1
}

neighbour_works() {
	compgen -G "$FARM_HOME/workers/one/attempts/*/box/*/neighbour"
}

# names: those of the table.
names() {
	attacks | cut -f 1
}

# scopes: the kernel keeps a program from the abstract sockets of others.
scopes() {
	/usr/bin/python3 -c 'import ctypes, sys
	sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 6)'
}

# nothing_got: each attack ran, in the build and in the check, and got nothing.
nothing_got() {
	local name where got=
	for where in build check; do
		for name in $(names); do
			if [ "$name" = abstract-socket ] && ! scopes; then continue; fi
			grep -q "nothing $name, from $where" "$top/said" || got+=" $name"
		done
	done
	[ -z "$got" ] || { echo "not stopped:$got"; false; }
	# Nothing was left outside the attempts' own folders either.
	find "$FARM_HOME" -path '*/box' -prune -o -name '*intruder*' -print >"$top/found"
	[ ! -s "$top/found" ]
	run ! grep -r intruder "$FARM_HOME"/workers/one/clones/*/config
}

# all_got: without isolation each of them got it.
all_got() {
	local name missed=
	for name in $(names); do
		grep -q "got $name, from build" "$top/said" || missed+=" $name"
	done
	[ -z "$missed" ] || { echo "no control for:$missed"; false; }
	[ "$(names | wc -l)" -ge 44 ]
}

@test "without isolation each attack gets what it wants: the control" {
	begin none
	all_got
}

@test "build users: no attack gets anything" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	begin users
	nothing_got
}

@test "an ordinary user's farm: no attack gets anything" {
	ordinary
	begin namespaces
	nothing_got
}

# plants LEVEL: the build leaves links in all places that it can write and that the sandbox of its check
# shows, to the worker's home; and names the worker's key as what it made.
plants() {
	repository_make
	in_repository "rm .flox/pkgs/neighbour.nix; echo {} >.flox/pkgs/names.nix
		printf '#!/bin/sh\necho looked; cat /tmp/worker.key /var/tmp/worker.key \$HOME/worker.key\n' >test-build.sh
		chmod +x test-build.sh"
	farm_make "$url"
	farm_config <<-EOT
		projects:
		  - name: stranger
		    url: $url
		    builder: command
		    command: |
		      [ \$FARM_PACKAGE = attack ] || { echo $FARM_HOME/workers/one/worker.key >"\$FARM_OUTPUTS"; exit; }
		      box=\$(dirname "\$HOME")
		      for place in home tmp scratch roots ../tmp; do
		        mv "\$box/\$place" "\$box/\${place#../}.moved"; ln -s $FARM_HOME/workers/one "\$box/\$place" || echo "kept \$place"
		      done
		    heavy: false
		    memory: 1M
		    disk: 1M
		    check: auto
		    system: $here-linux
		    branches:
		      - name: main
	EOT
	[ ${#as[@]} -eq 0 ] || chown -R 60990:60990 "$top"
	farm_up
	isolation=$1 worker_up one --slots 1
	wait_until 20 workers_online 1
	farm rebuild package=attack || true
	farm logs attack >"$top/said"
	grep -qx looked "$top/said"
	run ! grep -qF "$(grep -v '^#' "$FARM_HOME/workers/one/worker.key" | tail -n 1)" "$top/said"
	run farm rebuild package=names
	[ "$status" -eq 1 ]
	says "which is not in the nix store"
}

@test "build users: what a build leaves for its check leads nowhere, and it names nothing but what it made" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	plants users
}

@test "an ordinary user's farm: what a build leaves for its check leads nowhere" {
	ordinary
	plants namespaces
}

@test "nix: without isolation its evaluations and builders get what they want: the control" {
	nix_begin none
	run ! grep -a 'nothing .*, from evaluation' "$top/said"
	[ "$(grep -ac 'got .*, from evaluation' "$top/said")" -eq 10 ]
	[ -e "$NIX_STORE_DIR/intruder" ]
	local name
	for name in admin-key worker-key netrc environment-of-anyone processes-of-the-host farm-secrets \
		host-socket shared-memory store-written store-path-written store-database \
		store-roots daemon-configuration farm-port; do
		grep -a "got $name, from builder" "$top/said"
	done
}

# nix_gets_nothing: what is not a secret there is named.
nix_gets_nothing() {
	# nix gives its sandbox another host name, and a folder of its own in the store's place.
	grep -a '^got .*, from' "$top/said" |
		grep -Ev '^got (host-name|store-written), from builder' >"$top/found" || true
	[ ! -s "$top/found" ] || { cat "$top/found"; false; }
	[ ! -e "$NIX_STORE_DIR/intruder" ]
	run ! compgen -G "$NIX_STORE_DIR/*-older/intruder"
	[ "$(grep -ac 'nothing .*, from evaluation' "$top/said")" -eq 10 ]
	[ "$(grep -ac 'nothing .*, from builder' "$top/said")" -ge 44 ]
}

@test "nix, build users: no evaluation and no builder gets anything" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	nix_begin users
	nix_gets_nothing
}

@test "nix, an ordinary user's farm: no evaluation and no builder gets anything" {
	ordinary
	nix_begin namespaces
	nix_gets_nothing
}

# light_begin LEVEL: jobs without a checkout, each an attack of its own name.
light_begin() {
	bait
	repository_make
	in_repository "cd .flox/pkgs && rm ./*.nix && for name in reads daemon leaves finds fifo link folder huge; do
		echo {} >\$name.nix; done"
	farm_make "$url"
	farm_project "$(light_command)" 'checkout: false' "system: $here-linux"
	farm_up
	isolation=$1 worker_up one --slots 1
	wait_until 20 workers_online 1
}

light_command() {
	cat <<-EOT
		case \$FARM_PACKAGE in
		reads) for f in $FARM_HOME/keys/admin.key $FARM_HOME/workers/one/worker.key $HOME/.netrc ${left[*]}; do
			test ! -s \$f || echo got \$f; done
			test -z "\$STRANGER" || echo got environment ;;
		daemon) setsid setsid sleep 4000.$canary >/dev/null 2>&1 & ;;
		leaves) echo >/tmp/left-$canary; echo >/dev/shm/left-$canary; ipcmk -M 77 -p 0666 ;;
		finds) for f in /tmp/left-$canary /dev/shm/left-$canary; do test ! -e \$f || echo got \$f; done
			! ipcs -m | grep ' 77 ' || echo got memory ;;
		fifo) rm -f \$FARM_OUTPUTS; mkfifo \$FARM_OUTPUTS ;;
		link) rm -f \$FARM_OUTPUTS; ln -s $FARM_HOME/keys/admin.key \$FARM_OUTPUTS ;;
		folder) rm -f \$FARM_OUTPUTS; mkdir \$FARM_OUTPUTS ;;
		huge) truncate -s 1T \$FARM_OUTPUTS ;;
		esac
	EOT
}

# got PACKAGE: how much it got.
got() {
	farm rebuild "package=$1" >&2
	farm logs "$1" | tee "$top/said" >&2
	grep -c '^got ' "$top/said"
}

sleeps() {
	grep -lsaF "4000.$canary" /proc/[0-9]*/cmdline
}

@test "light jobs without isolation read secrets and find what others left: the control" {
	light_begin none
	left+=("/tmp/left-$canary" "/dev/shm/left-$canary")
	[ "$(got reads)" -eq 7 ]
	got leaves || true
	[ "$(got finds)" -eq 3 ]
	ipcrm -m "$(ipcs -m | awk '$5 == 77 { print $2 }')"
}

@test "light jobs of build users: nothing is read, left, or running after its job; the agent goes on" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	light_begin users
	[ "$(got reads)" = 0 ]
	got leaves || true
	[ "$(got finds)" = 0 ]
	farm rebuild package=daemon
	wait_until 10 no sleeps
	local name
	for name in fifo link folder huge; do
		FARM_TIMEOUT_S=30 run farm rebuild "package=$name"
		[ "$status" -le 1 ]
		run_is closed
		run ! grep -rqF "$(cat "$FARM_HOME/keys/admin.key")" "$FARM_HOME/logs"
	done
	workers_online 1
	farm rebuild package=finds
}

no() {
	! "$@"
}
