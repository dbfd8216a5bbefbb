#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Recipes that attack: the farm's keys and secrets, the agent, other attempts, the store, the host.
#
# The table in attacks() is run by a build, by a light job, by a check and, in part, by nix. An attack
# says whether it got something. The first test is the control: without isolation, each attack gets
# it, so a silent attack is one that is stopped. What a recipe prints is in failing.bats.

load farm
load netns

setup() {
	left=()
	farm_setup
	own_network
}

teardown() {
	[ -z "${helper:-}" ] || kill "$helper" 2>/dev/null || true
	[ -z "${shm:-}" ] || ipcrm -m "$shm" || true
	rm -f "${left[@]}"
	if [ -e "$top/path/leftovers" ]; then
		"$top/path/leftovers" drop "$canary"
		rmdir -p /var/spool/cron/crontabs /var/spool/cron/atjobs 2>/dev/null || true
	fi
	farm_teardown
	net_teardown
}

# own_network: farms of this test are in one, where a worker that is root makes its table of nftables.
own_network() {
	[ "$(id -u)" -eq 0 ] && unshare --net true 2>/dev/null || return 0
	net_hold lab
	inside=(nsenter "--net=/proc/${net_holder[lab]}/ns/net")
	"${inside[@]}" ip link set lo up
	rm "$top/no-nft/nft"
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
	"${inside[@]}" "${as[@]}" /usr/bin/python3 - "$top/run/socket" "$canary" 3>&- <<-'EOT' &
		import os, select, socket, sys
		a = socket.socket(socket.AF_UNIX); a.bind(sys.argv[1]); a.listen()
		b = socket.socket(socket.AF_UNIX); b.bind("\0" + sys.argv[2]); b.listen()
		os.close(1)
		while True: [s.accept()[0].close() for s in select.select([a, b], [], [])[0]]
	EOT
	helper=$!
	wait_until 10 test -S "$top/run/socket"
}

# log_thief: a program in PATH that reads logs, and writes them, with a key that it is given; and what
# one of its kind may know: where the coordinator is, and its public key.
log_thief() {
	cp "$bin/hostile" "$top/path/hostile"
	mkdir -p "$top/path/farm/run" "$top/path/farm/keys"
	cp "$FARM_HOME/run/endpoints" "$top/path/farm/run/"
	cp "$FARM_HOME/keys/farmd.key.pub" "$top/path/farm/keys/"
	chmod -R a+rX "$top/path"
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
		own-git-config	test -s .git/HEAD && git config intruder.was here
		own-git-head	test -s .git/HEAD && echo >>.git/HEAD
		own-git-hooks	test -s .git/HEAD && mkdir -p .git/hooks && touch .git/hooks/intruder
		own-git-objects	test -s .git/HEAD && touch .git/objects/intruder
		own-git-attributes	test -s .git/HEAD && mkdir -p .git/info && touch .git/info/attributes
		own-git-index	test -s .git/HEAD && git add attack && git update-index --refresh
		own-git-replaced	test -s .git/HEAD && mv .git git.moved && mv git.moved .git
		log-port	for key in $F/keys/admin.key $W/worker.key -; do takes_log 1 $key && exit 0; done; exit 1
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
		crontab	test -w /etc/cron.d -o -w /etc
		systemd-units	test -w /etc/systemd/system
		cgroups	ls /sys/fs/cgroup/.
		kernel-settings	test -w /proc/sys/kernel/core_pattern
		another-user	setpriv --reuid=1 --clear-groups true
		owner-of-a-file	touch own && chown 1 own
		build-user-leases	ls -d /run/floxfarm
		user-namespace	unshare -Urm cat /etc/shadow
		own-git-remounted	test -s .git/HEAD && unshare -Urm sh -c 'mount -o remount,bind,rw $PWD/.git; touch .git/intruder'
	EOT
}

# attack_script TABLE: a script that runs the table's attacks; its $1 says from where.
attack_script() {
	cat <<-EOT
		#!/bin/bash
		where=\$1
		export a=$(pid_of worker-one) W=${worker_home:-$FARM_HOME/workers/one} F=$FARM_HOME U=$HOME T=$top
		export bin=$bin canary=$canary shm=$shm
	EOT
	cat <<-'EOT'
		reach() { /usr/bin/python3 -c 'import socket, sys
		socket.socket(socket.AF_UNIX).connect(sys.argv[1].replace("@", "\0"))' "$1"; }
		trace() { /usr/bin/python3 -c 'import ctypes, sys
		libc = ctypes.CDLL(None); p = int(sys.argv[1])
		sys.exit(libc.ptrace(16902, p, 0, 0) != 0)' "$1"; }
		dial() { /usr/bin/python3 -c 'import socket, sys
		socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)' "$@"; }
		datagram() { /usr/bin/python3 -c 'import socket, sys
		socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (sys.argv[1], int(sys.argv[2])))' "$@"; }
		serve() { /usr/bin/python3 -c 'import socket, sys
		server = socket.create_server((sys.argv[1], 0))
		socket.create_connection(server.getsockname(), 4)' "$@"; }
		takes_log() { hostile $T/path/farm "$2" takes-a-log 2 "$1" | grep -E '^(read|written) [1-9]'; }
		export -f reach trace dial datagram serve takes_log
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
	# A builder of a fixed output has the network of its daemon.
	cat >"$top/fetches.nix" <<-EOT
		{ }: derivation {
		  name = "fetches"; system = builtins.currentSystem; builder = "/bin/bash"; PATH = "/usr/bin:/bin";
		  outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "$(echo | sha256sum | cut -d ' ' -f 1)";
		  args = [ "-c" ''
		    if /usr/bin/python3 -c 'import socket; socket.create_connection(("127.0.0.1", $control_port), 4)'; then
		      echo got farm-port, from fetcher; else echo nothing farm-port, from fetcher; fi
		    echo >\$out
		  '' ];
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
		echo 'sandbox-paths = /bin /usr /lib? /lib64?' >>"$NIX_CONF_DIR/nix.conf"
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
	farm rebuild 'package=evaluates,builds,fetches'
	{ farm logs 2/evaluates; farm logs 2/builds; farm logs 2/fetches; } >"$top/said"
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
		      [ \$FARM_PACKAGE = attack ] || { echo neighbour works; echo >../home/neighbour; sleep 600; }
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
	log_thief
	isolation=$1 "${starts:-worker_up}" one --slots 2
	wait_until 20 workers_online 1
	attack_script attacks >"$top/attack"
	chmod 755 "$top/attack"
	in_repository "cp $top/attack attack; printf '#!/bin/bash\nexec bash ./attack check\n' >test-build.sh; chmod +x test-build.sh"
	farm rebuild --detach neighbour
	wait_until 20 job_is neighbour phase build
	wait_until 10 neighbour_works
	wait_until 10 log_says 1/neighbour 'neighbour works'
	farm rebuild attack
	farm logs 2/attack >"$top/said"
	farm cancel 1
	wait_until 30 run_is closed 1
}

neighbour_works() {
	compgen -G "${worker_home:-$FARM_HOME/workers/one}/attempts/*/box/*/neighbour"
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

# nothing_got [NAME...]: each attack but these ran, in the build and in the check, and got nothing.
nothing_got() {
	local name where got=
	for where in build check; do
		for name in $(names); do
			[[ " $* " != *" $name "* ]] || continue
			if [ "$name" = abstract-socket ] && ! scopes; then continue; fi
			grep -q "nothing $name, from $where" "$top/said" || got+=" $name"
		done
	done
	[ -z "$got" ] || { echo "not stopped:$got"; false; }
	# Nothing was left outside the attempts' own folders either.
	find "$FARM_HOME" ${worker_home:+"$worker_home"} -path '*/box' -prune -o -name '*intruder*' -print >"$top/found"
	[ ! -s "$top/found" ]
	lacks intruder "${worker_home:-$FARM_HOME/workers/one}"/clones/*/config
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

# contained: workers start as in a container that forbids namespaces. In a chroot the kernel makes no
# user namespaces for anybody. Their home is in reach of other users; the farm's and root's are not.
contained() {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	unshare --mount true 2>/dev/null || skip "this machine allows no mount namespaces"
	starts=worker_in_chroot
	# A store without a daemon needs namespaces, and nix would make one.
	export "NIX_STORE_DIR=$top/no-folder/store"
	echo >"$top/no-folder"
	chroot=(unshare --mount sh -c 'mount --rbind / "$0" && exec chroot "$0" "$@"' "$top/root")
	worker_home=$top/worker
	mkdir "$top/root" "$worker_home"
	pass_through
	chmod 700 "$HOME"
}

worker_in_chroot() {
	local inside=("${inside[@]}" "${chroot[@]}")
	worker_up "$@" --worker-home "$worker_home"
}

# seen_by_all: what everybody may see of a host, and an attempt of itself.
seen_by_all() {
	echo command-line-of-the-agent processes-of-the-host shared-memory host-tmp host-var-tmp host-dev-shm \
		host-accounts host-log host-packages host-run host-boot host-name kernel-log cgroups \
		build-user-leases own-order
}

@test "build users without namespaces: no attack gets keys, other attempts, their processes or the agent" {
	contained
	begin auto
	farm_result worker list | jq -e '.workers[0].isolation == "users-only"'
	run -0 farm worker list
	says 'recipes run as build users without namespaces'
	run -0 farm why 2/attack
	says 'at isolation level users-only'
	run "${inside[@]}" "${chroot[@]}" "$bin/farm-worker" doctor --home "$worker_home"
	says 'warn  isolation     recipes run as build users without namespaces (users-only)'
	says 'loopback and metadata services are closed to recipes'
	# shellcheck disable=SC2046
	nothing_got $(seen_by_all)
}

# What git and nix do with a repository of root's, and with the daemon of the host.
# bats test_tags=long
@test "build users without namespaces build by the host's nix-daemon, from a repository that they cannot change" {
	contained
	unset NIX_STORE_DIR
	nix_setup
	echo 'trusted-users = root' >>"$NIX_CONF_DIR/nix.conf"
	nix-daemon --daemon >"$top/daemon.log" 2>&1 3>&- &
	helper=$!
	wait_until 10 test -S "$NIX_STATE_DIR/daemon-socket/socket"
	canary=none
	repository_make
	cat >"$top/tried.nix" <<-'EOT'
		{ }: builtins.trace "evaluation reads ${builtins.readFile "${builtins.fetchGit ../..}/file"}" (derivation {
		  name = "tried"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo >$out" ];
		})
	EOT
	cat >"$top/test-build.sh" <<-'EOT'
		#!/bin/sh
		set -e
		git status --short
		echo "describes $(git describe --always --dirty)"
		git clone --quiet . "$TMPDIR/clone"
		echo "clones $(cat "$TMPDIR/clone/file")"
		! mv .git elsewhere && ! touch .git/intruder && test -e result-tried && rm result-tried
		echo "adds $(nix-store --add file)"
	EOT
	in_repository "rm .flox/pkgs/*.nix; echo good >file; cp $top/tried.nix .flox/pkgs; cp $top/test-build.sh .; chmod +x test-build.sh"
	farm_make "$url"
	nix_project
	farm_up
	isolation=auto worker_in_chroot one --slots 1
	wait_until 20 workers_online 1
	[ "$(farm_result worker list | jq -r '.workers[0].isolation')" = users-only ]
	farm rebuild tried || { farm logs tried; false; }
	farm logs tried >"$top/said"
	grep 'evaluation reads good' "$top/said"
	grep -x "describes $("${as[@]}" git -C "$repository" rev-parse --short HEAD)" "$top/said"
	grep -x 'clones good' "$top/said"
	grep 'adds /.*-file$' "$top/said"
}

# bats test_tags=long
@test "light jobs of build users without namespaces: nothing is left or running after its job" {
	contained
	light_begin users-only
	farm rebuild package=reads
	farm logs reads >"$top/said"
	lacks -e '\.key$' -e netrc -e environment "$top/said"
	farm rebuild package=leaves
	farm logs leaves | grep -x 'left keyring'
	farm rebuild package=finds
	farm logs finds >"$top/said"
	# Queues can be found only where their file system is mounted.
	[ ! -e /dev/mqueue ] || lacks '^got posix' "$top/said"
	lacks '^got [^p]' "$top/said"
	grep -x 'nothing keyring' "$top/said"
	farm rebuild package=daemon
	run ! sleeps
}

# plants LEVEL: the build leaves links in all places that it can write and that the sandbox of its check
# shows, to the worker's home; and names the worker's key as what it made.
plants() {
	repository_make
	in_repository "rm .flox/pkgs/neighbour.nix; echo {} | tee .flox/pkgs/names.nix .flox/pkgs/moves.nix
		printf '#!/bin/sh\necho looked; cat /tmp/worker.key /var/tmp/worker.key \$HOME/worker.key\n' >test-build.sh
		chmod +x test-build.sh"
	farm_make "$url"
	farm_config <<-EOT
		projects:
		  - name: stranger
		    url: $url
		    builder: command
		    command: |
		      [ \$FARM_PACKAGE != names ] || { echo $FARM_HOME/workers/one/worker.key >"\$FARM_OUTPUTS"; exit; }
		      [ \$FARM_PACKAGE != moves ] || {
		        cd .. && mv checkout moved && mkdir checkout && cp moved/test-build.sh checkout &&
		          ln -s $FARM_HOME/workers/one checkout/.git
		        exit
		      }
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
	lacks -qF "$(grep -v '^#' "$FARM_HOME/workers/one/worker.key" | tail -n 1)" "$top/said"
	run farm rebuild package=names
	[ "$status" -eq 1 ]
	says "which is not in the nix store"
	# What a repository would be mounted on is gone: a failure of the recipe, not of the sandbox.
	run farm rebuild package=moves
	echo "$output"
	farm logs moves
	[ "$status" -eq 1 ]
	farm logs moves | grep 'the recipe took .*/checkout/.git away'
	farm_result why moves | jq -e '.why.verdict == "failed" and .why.cause != "wrong-host"'
}

@test "build users: what a build leaves for its check leads nowhere, and it names nothing but what it made" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	plants users
}

@test "an ordinary user's farm: what a build leaves for its check leads nowhere" {
	ordinary
	plants namespaces
}

# restrict_begin: the project of nix_begin with restrict-eval, and three recipes more.
restrict_begin() {
	sed -i 's/builder: nix/builder: nix\n    restrict_eval: true\n    allowed_uris: ["https:\/\/127.0.0.1\/"]/' \
		"$FARM_HOME/farm.yaml"
	cat >"$top/elsewhere.nix" <<-EOT
		{ }: builtins.seq (builtins.fetchurl "http://127.0.0.1:$control_port/") (import ./older.nix { })
	EOT
	cat >"$top/within.nix" <<-'EOT'
		{ }: builtins.seq (builtins.stringLength (builtins.readFile ../../attack)) (if builtins.getEnv "STRANGER" == ""
		  then import ./older.nix { } else throw "reads its environment")
	EOT
	echo '{ }: builtins.seq (builtins.readFile "/etc/passwd") (import ./older.nix { })' >"$top/reads.nix"
	in_repository "cp $top/elsewhere.nix $top/within.nix $top/reads.nix .flox/pkgs"
}

# restricts_evaluation: it reads nothing but its checkout, whatever the isolation.
restricts_evaluation() {
	run -1 farm rebuild 'package=evaluates,reads,elsewhere,within'
	local name
	for name in reads elsewhere; do
		run farm why "3/$name"
		says "is forbidden in restricted mode"
	done
	run farm why 3/within
	says "is ok"
	farm logs 3/evaluates >"$top/restricted" # where it asks first, nothing is there
	lacks -a 'got .*, from evaluation' "$top/restricted"
	[ "$(grep -ac 'nothing .*, from evaluation' "$top/restricted")" -eq 10 ]
}

@test "nix: without isolation its evaluations and builders get what they want: the control" {
	nix_begin none
	lacks -a 'nothing .*, from evaluation' "$top/said"
	[ "$(grep -ac 'got .*, from evaluation' "$top/said")" -eq 10 ]
	[ -e "$NIX_STORE_DIR/intruder" ]
	grep -a 'got farm-port, from fetcher' "$top/said"
	local name
	for name in admin-key worker-key netrc environment-of-anyone processes-of-the-host farm-secrets \
		host-socket shared-memory store-written store-path-written store-database \
		store-roots daemon-configuration farm-port; do
		grep -a "got $name, from builder" "$top/said"
	done
	restrict_begin
	restricts_evaluation
}

# nix_gets_nothing [NAME]: what is not a secret there is named, and what else the level leaves open.
nix_gets_nothing() {
	# nix gives its sandbox another host name, and a folder of its own in the store's place.
	grep -a '^got .*, from' "$top/said" |
		grep -Ev "^got (host-name|store-written), from builder|^got ${1:-nothing else}" >"$top/found" || true
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
	grep -a 'nothing farm-port, from fetcher' "$top/said"
}

@test "nix, an ordinary user's farm: no evaluation and no builder gets anything" {
	ordinary
	nix_begin namespaces
	nix_gets_nothing 'farm-port, from fetcher'
}

# nix_project: farm.yaml with this repository, built by nix and checked.
nix_project() {
	farm_config <<-EOT
		projects:
		  - name: stranger
		    url: $url
		    builder: nix
		    heavy: false
		    memory: 1M
		    disk: 1M
		    check: auto
		    system: $here-linux
		    branches:
		      - name: main
	EOT
}

# collects_begin LEVEL: a build that waits in its builder, beside one whose check tells nix to remove
# what the other one needs. $top/path is in PATH, so the builder sees it.
collects_begin() {
	nix_setup
	bait
	local sandbox=true
	[ "$1" != none ] || sandbox=false
	sed -i -e '/sandbox/d' "$NIX_CONF_DIR/nix.conf"
	printf '%s\n' "sandbox = $sandbox" "sandbox-paths = /bin /usr /lib? /lib64? $top/path" >>"$NIX_CONF_DIR/nix.conf"
	repository_make
	cat >"$top/waits.nix" <<-EOT
		{ }: let
		  input = derivation {
		    name = "input"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo needed >\$out" ];
		  };
		in derivation {
		  name = "waits"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin"; inherit input;
		  args = [ "-c" "echo builder waits; until [ -e $top/path/go ]; do sleep 0.1; done; cat \$input >\$out" ];
		}
	EOT
	cat >"$top/collects.nix" <<-'EOT'
		{ }: derivation {
		  name = "collects"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo >$out" ];
		}
	EOT
	cat >"$top/test-build.sh" <<-'EOT'
		#!/bin/sh
		[ "$FARM_PACKAGE" = collects ] || exec grep needed "result-$FARM_PACKAGE"
		for path in "$NIX_STORE_DIR"/*-input "$NIX_STORE_DIR"/*-held; do
			nix-store --delete "$path"; nix-store --delete --ignore-liveness "$path"
		done
		nix-store --gc --print-roots
		rm -f "$NIX_STATE_DIR"/gcroots/auto/*
		nix-store --gc
		for path in "$NIX_STORE_DIR"/*-input; do chmod u+w "$path"; echo spoilt >"$path"; done
		echo collected
	EOT
	in_repository "rm .flox/pkgs/*.nix; cp $top/*.nix .flox/pkgs; cp $top/test-build.sh .; chmod +x test-build.sh"
	farm_make "$url"
	nix_project
	[ ${#as[@]} -eq 0 ] || chown -R 60990:60990 "$top"
	farm_up
	isolation=$1 worker_up one --slots 2
	wait_until 20 workers_online 1
	# The owner's own: what a link in a home holds, and what nothing holds.
	echo held >"$top/held"
	echo >"$top/alone"
	owned=$("${as[@]}" nix-store --add "$top/held")
	"${as[@]}" nix-store --realise "$owned" --add-root "$HOME/result" --indirect
	"${as[@]}" nix-store --add "$top/alone"
	farm rebuild --detach waits
	wait_until 40 builder_waits
	farm rebuild collects
	farm logs 2/collects | tee "$top/said"
	grep -x collected "$top/said"
}

builder_waits() {
	farm logs 1/waits | grep 'builder waits'
}

# holds_on: neither the other attempt's check nor the owner's own collection took anything that is
# needed; the owner's took what nothing holds.
holds_on() {
	compgen -G "$NIX_STORE_DIR/*-alone"
	[ -e "$owned" ]
	"${as[@]}" nix-store --gc >&2
	run ! compgen -G "$NIX_STORE_DIR/*-alone"
	[ -e "$owned" ]
	"${as[@]}" touch "$top/path/go"
	wait_until 40 run_is closed 1
	ended_as "1 ok, 0 failed, 0 published" 1
}

@test "nix: without isolation a check takes what its owner holds, and another build's input: the control" {
	collects_begin none
	[ ! -e "$owned" ]
	run ! compgen -G "$NIX_STORE_DIR/*-alone"
	touch "$top/path/go"
	wait_until 40 run_is closed 1
	ended_as "0 ok, 1 failed, 0 published" 1
}

@test "nix, build users: no collection takes what another build or the owner holds" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	collects_begin users
	holds_on
}

@test "nix, an ordinary user's farm: no collection takes what another build or the owner holds" {
	ordinary
	collects_begin namespaces
	holds_on
}

# light_begin LEVEL: jobs without a checkout, each an attack of its own name.
light_begin() {
	bait
	repository_make
	in_repository "cd .flox/pkgs && rm ./*.nix && for name in reads daemon leaves finds fifo link folder huge \
		forks neighbour; do echo {} >\$name.nix; done"
	leftovers >"$top/path/leftovers"
	forks >"$top/path/forks"
	chmod 755 "$top/path/leftovers" "$top/path/forks"
	farm_make "$url"
	farm_project "$(light_command)" 'checkout: false' "system: $here-linux"
	[ ${#as[@]} -eq 0 ] || chown -R 60990:60990 "$top"
	farm_up
	isolation=$1 "${starts:-worker_up}" one --slots 2
	wait_until 20 workers_online 1
}

light_command() {
	cat <<-EOT
		case \$FARM_PACKAGE in
		reads) for f in $FARM_HOME/keys/admin.key $FARM_HOME/workers/one/worker.key $HOME/.netrc ${left[*]}; do
			test ! -s \$f || echo got \$f; done
			test -z "\$STRANGER" || echo got environment ;;
		daemon) setsid setsid sleep 4000.$canary >/dev/null 2>&1 &
			until grep -lsa '[4]000.$canary' /proc/[0-9]*/cmdline; do :; done; echo daemon runs ;;
		leaves) leftovers leave $canary ;;
		finds) leftovers find $canary ;;
		fifo) rm -f \$FARM_OUTPUTS; mkfifo \$FARM_OUTPUTS ;;
		link) rm -f \$FARM_OUTPUTS; ln -s $FARM_HOME/keys/admin.key \$FARM_OUTPUTS ;;
		folder) rm -f \$FARM_OUTPUTS; mkdir \$FARM_OUTPUTS ;;
		huge) truncate -s 1T \$FARM_OUTPUTS ;;
		forks) forks $top/path/ended ;;
		neighbour) echo neighbour begins; until [ -e $top/path/go ]; do sleep 0.1; done
			for i in \$(seq 50); do /bin/true || exit; done; echo neighbour ends ;;
		esac
	EOT
}

# leftovers leave|find|drop CANARY: all that a program can leave behind for the next one of its user.
leftovers() {
	cat <<-'EOT'
		#!/usr/bin/python3 -IS
		import ctypes, os, platform, sys
		verb, canary = sys.argv[1:]
		libc = ctypes.CDLL(None)
		name, key = ("left-" + canary).encode(), int(canary[6:]) % 2 ** 30
		add_key, keyctl = (248, 250) if platform.machine() == "x86_64" else (217, 219)
		USER, SEARCH, UNLINK, REMOVE, MAKE = -4, 10, 9, 0, 0o1666
		def file(path):
		    def leave(): os.makedirs(os.path.dirname(path), exist_ok=True); open(path, "w").write("left")
		    return leave, lambda: os.path.exists(path), lambda: os.path.exists(path) and os.unlink(path)
		def ipc(get, size, control, words):
		    find = lambda: get(key, *size, 0)
		    return lambda: get(key, *size, MAKE), lambda: find() >= 0, lambda: control(find(), *words, None)
		def find_key(): return libc.syscall(keyctl, SEARCH, USER, b"user", name, 0)
		things = {
		    "tmp": file("/tmp/left-" + canary),
		    "var-tmp": file("/var/tmp/left-" + canary),
		    "dev-shm": file("/dev/shm/left-" + canary),
		    "crontab": file("/var/spool/cron/crontabs/left-" + canary),
		    "at-job": file("/var/spool/cron/atjobs/left-" + canary),
		    "memory": ipc(libc.shmget, (64,), libc.shmctl, (REMOVE,)),
		    "semaphores": ipc(libc.semget, (1,), libc.semctl, (0, REMOVE)),
		    "messages": ipc(libc.msgget, (), libc.msgctl, (REMOVE,)),
		    "posix-messages": (lambda: libc.mq_open(b"/" + name, os.O_RDWR | os.O_CREAT, 0o666, None),
		        lambda: libc.mq_open(b"/" + name, os.O_RDONLY) >= 0, lambda: libc.mq_unlink(b"/" + name)),
		    "keyring": (lambda: libc.syscall(add_key, b"user", name, b"left", 4, USER),
		        lambda: find_key() >= 0, lambda: libc.syscall(keyctl, UNLINK, find_key(), USER)),
		}
		for what, (leave, find, drop) in things.items():
		    try:
		        if verb == "leave": leave(); print("left" if find() else "could not leave", what)
		        elif verb == "drop": drop()
		        else: print("got" if find() else "nothing", what)
		    except OSError as error: print("could not", verb, what, error)
	EOT
}

# forks UNTIL: a fork bomb that ends at 4,500 tasks, and then waits for the file UNTIL. Most tasks are
# threads: the limit counts them as well, and tests beside this one look through all processes.
forks() {
	cat <<-'EOT'
		#!/usr/bin/python3 -IS
		import _thread, os, signal, sys, time
		THREADS, MOST = 49, 4500
		children, tasks, why = [], 0, None
		_thread.stack_size(32768)
		def child(out):
		    made = 1
		    try:
		        for made in range(1, THREADS + 1): _thread.start_new_thread(time.sleep, (4000,))
		        made = THREADS + 1
		    except RuntimeError: pass
		    os.write(out, bytes([made]))
		    signal.pause()
		end, out = os.pipe()
		try:
		    while tasks < MOST and not why:
		        pid = os.fork()
		        if not pid: child(out); os._exit(0)
		        children.append(pid)
		        made = os.read(end, 1)[0]
		        tasks += made
		        if made <= THREADS: why = "no further thread"
		except OSError as error: why = error
		print("nothing more than" if why else "got", tasks, "processes", why or "")
		sys.stdout.flush()
		while not os.path.exists(sys.argv[1]): time.sleep(0.1)
		for pid in children: os.kill(pid, signal.SIGKILL)
	EOT
}

# got PACKAGE: how much it got.
got() {
	farm rebuild "package=$1" >&2
	farm logs "$1" | tee "$top/said" >&2
	grep -c '^got ' "$top/said"
}

sleeps() {
	[ -n "$(files_with "4000.$canary" /proc/[0-9]*/cmdline)" ]
}

# bomb_beside_neighbour: at the bomb's limit a job of the other slot goes on.
bomb_beside_neighbour() {
	local neighbour=$1 bomb=$2
	farm rebuild --detach package=neighbour
	wait_until 20 log_says "$neighbour/neighbour" 'neighbour begins'
	farm rebuild --detach package=forks
	wait_until 60 log_says "$bomb/forks" 'processes'
	touch "$top/path/go"
	wait_until 30 run_is closed "$neighbour"
	ended_as "1 ok, 0 failed, 0 published" "$neighbour"
	touch "$top/path/ended"
	wait_until 60 run_is closed "$bomb"
	farm logs "$bomb/forks"
}

log_says() {
	farm logs "$1" | grep -e "$2"
}

@test "light jobs without isolation read secrets, find what others left, and fork: the control" {
	light_begin none
	[ "$(got reads)" -eq 7 ]
	farm rebuild package=leaves
	farm logs leaves >"$top/left"
	finds=$(got finds)
	# Whether an ordinary user may leave a crontab is the host's choice.
	[ "$finds" -eq 10 ] || [ "$(id -u)" -ne 0 ]
	[ "$finds" -eq "$(grep -c '^left ' "$top/left")" ]
	bomb_beside_neighbour 4 5 | grep '^got 4500 processes'
}

@test "light jobs of build users: nothing is read, left, or running after its job; the agent goes on" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	light_begin users
	light_jobs_get_nothing
	local name
	for name in fifo link folder huge; do
		FARM_TIMEOUT_S=30 run farm rebuild "package=$name"
		[ "$status" -le 1 ]
		run_is closed
		[ -z "$(files_with "$(cat "$FARM_HOME/keys/admin.key")" "$FARM_HOME/logs")" ]
	done
	workers_online 1
	farm rebuild package=finds
}

# ---- caches of HOME ------------------------------------------------------------------------------

# caches_begin LEVEL: a recipe fetches a commit by its full id. nix notes in HOME what that is in the
# store; the check of package poison names another path there.
caches_begin() {
	[[ $(nix --version) = *" 2.8."* ]] || skip "the attack knows the cache of nix 2.8 only"
	nix_setup
	bait
	if [ "$1" != none ]; then
		sed -i '/sandbox = false/d' "$NIX_CONF_DIR/nix.conf"
		echo 'sandbox-paths = /bin /usr /lib? /lib64?' >>"$NIX_CONF_DIR/nix.conf"
	fi
	repository_make
	in_repository 'rm .flox/pkgs/*.nix; echo good >file'
	local pinned
	pinned=$("${as[@]}" git -C "$repository" rev-parse HEAD)
	cat >"$top/source.nix" <<-EOT
		builtins.fetchGit { url = ./.; rev = "$pinned"; }
	EOT
	cat >"$top/recipe.nix" <<-'EOT'
		{ }: builtins.trace "evaluation reads ${builtins.readFile "${import ../../source.nix}/file"}" (derivation {
		  name = "recipe"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo >$out" ];
		})
	EOT
	cat >"$top/test-build.sh" <<-'EOT'
		#!/bin/sh
		reads() { nix-instantiate --eval --strict --expr 'builtins.readFile "${import ./source.nix}/file"'; }
		echo "check reads $(reads)"
		[ "$FARM_PACKAGE" = poison ] || exit 0
		mkdir -p "$HOME/evil" && echo evil >"$HOME/evil/file"
		/usr/bin/python3 -IS - "$HOME"/.cache/nix/fetcher-cache-v*.sqlite "$(nix-store --add "$HOME/evil")" <<-'EOP'
			import sqlite3, sys
			cache = sqlite3.connect(sys.argv[1])
			print("rows", cache.execute("UPDATE Cache SET path = ?", (sys.argv[2],)).rowcount)
			cache.commit()
		EOP
		echo "the poisoner reads $(reads)"
	EOT
	in_repository "cp $top/source.nix .; cp $top/test-build.sh .; chmod +x test-build.sh
		for name in poison victim; do cp $top/recipe.nix .flox/pkgs/\$name.nix; done"
	farm_make "$url"
	nix_project
	[ ${#as[@]} -eq 0 ] || chown -R 60990:60990 "$top"
	farm_up
	isolation=$1 worker_up one --slots 1
	wait_until 20 workers_online 1
	farm rebuild package=poison || { farm logs poison; false; }
	farm logs poison | tee "$top/said"
	grep 'the poisoner reads .*evil' "$top/said"
	farm rebuild --force package=poison
	farm logs 2/poison | tee "$top/same"
	farm rebuild package=victim
	farm logs 3/victim | tee "$top/other"
}

cache_stays_clean() {
	local log
	for log in "$top/same" "$top/other"; do
		grep 'evaluation reads good' "$log"
		grep 'check reads .*good' "$log"
	done
	lacks -e 'n reads evil' -e 'check reads .*evil' "$top/same" "$top/other"
}

@test "caches of HOME: without isolation one attempt decides what the next one fetches: the control" {
	caches_begin none
	grep 'evaluation reads evil' "$top/same"
	grep 'evaluation reads evil' "$top/other"
}

@test "caches of HOME, build users: the next attempt, of the same and of another package, sees none of it" {
	[ "$(id -u)" -eq 0 ] || skip "only root has build users"
	caches_begin users
	cache_stays_clean
}

@test "caches of HOME, an ordinary user's farm: the next attempt sees none of it" {
	ordinary
	caches_begin namespaces
	cache_stays_clean
}

# ---- a worker's stolen key -------------------------------------------------------------------------

# key_takes KEY: what somebody with that key alone gets of the log of attempt 1.1.
key_takes() {
	"${inside[@]}" "$bin/hostile" "$FARM_HOME" "$FARM_HOME/$1" takes-a-log 3 1 >"$top/taken" 2>&1
	cat "$top/taken"
}

@test "a worker's stolen key reads no log, and writes none of another worker's" {
	repository_make
	in_repository 'rm .flox/pkgs/attack.nix'
	farm_make "$url"
	farm_project "echo neighbour works; while [ -e $top -a ! -e $top/go ]; do sleep 0.1; done" \
		'checkout: false' "system: $here-linux"
	farm_up
	worker_up one --slots 1
	wait_until 20 workers_online 1
	farm rebuild --detach neighbour
	wait_until 20 log_says 1/neighbour 'neighbour works'
	worker_up two --slots 1
	wait_until 20 workers_online 2
	# The control: a reader reads, and the worker whose log it is writes.
	key_takes keys/admin.key
	grep -x 'read [1-9][0-9]*' "$top/taken"
	key_takes workers/one/worker.key
	grep -x 'read 0' "$top/taken"
	grep -x 'written [1-9][0-9]*' "$top/taken"
	key_takes workers/two/worker.key
	grep -x 'read 0' "$top/taken"
	grep -x 'written 0' "$top/taken"
	grep 'this key may not read logs' "$top/taken"
	grep 'this log belongs to another worker' "$FARM_HOME/log/farmd.log"
	touch "$top/go"
	wait_until 30 run_is closed 1
	lacks 'not its log' <(farm logs 1/neighbour)
}

# ---- the network -------------------------------------------------------------------------------

# What answers only those who are on this host. Ports are of the test's own network.
network_attacks() {
	cat <<-EOT
		database	dial 127.0.0.1 5432
		database-by-ipv6	dial ::1 5432
		database-at-another-address	dial 192.0.2.7 5432
		statistics-by-udp	datagram 127.0.0.1 5432
		farm-control-port	dial 127.0.0.1 $control_port
		metadata-service	dial 169.254.169.254 80
		metadata-service-by-ipv6	dial fd00:ec2::254 80
	EOT
}

# What a recipe needs: a server that its check starts, the resolver, the proxy of the worker.
network_needs() {
	cat <<-EOT
		own-server	serve 127.0.0.1
		resolver	dial 127.0.0.53 53
		proxy	dial 127.0.0.1 3128
	EOT
}

network_table() {
	network_attacks
	network_needs
}

# network_begin LEVEL: a farm, and on the loopback interface of its network all of these answer.
network_begin() {
	[ ${#inside[@]} -gt 0 ] || skip "this needs root and network namespaces"
	"${inside[@]}" ip address add 169.254.169.254/32 dev lo
	"${inside[@]}" ip address add 192.0.2.7/32 dev lo
	"${inside[@]}" ip address add fd00:ec2::254/128 dev lo nodad
	"${inside[@]}" /usr/bin/python3 - "$top/answers" 3>&- <<-'EOT' &
		import os, select, socket, sys
		servers = []
		for address in ("0.0.0.0", 5432), ("::", 5432), ("0.0.0.0", 80), ("::", 80), ("127.0.0.53", 53), ("127.0.0.1", 3128):
		    server = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
		    if ":" in address[0]: server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
		    server.bind(address); server.listen(); servers.append(server)
		open(sys.argv[1], "w").close()
		os.close(1)
		while True: [s.accept()[0].close() for s in select.select(servers, [], [])[0]]
	EOT
	helper=$!
	wait_until 10 test -e "$top/answers"
	export http_proxy=http://127.0.0.1:3128
	canary=none
	repository_make
	in_repository 'rm .flox/pkgs/neighbour.nix'
	farm_make "$url"
	farm_config <<-EOT
		projects:
		  - name: stranger
		    url: $url
		    builder: command
		    command: bash ./attack build
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
	attack_script network_table >"$top/attack"
	chmod 755 "$top/attack"
	in_repository "cp $top/attack attack; printf '#!/bin/bash\nexec bash ./attack check\n' >test-build.sh; chmod +x test-build.sh"
	farm rebuild attack || { farm logs attack; false; }
	farm logs attack >"$top/said"
}

# network_says GOT-OR-NOTHING TABLE: each attack of the table ended so, in the build and in the check.
network_says() {
	local name where missed=
	for where in build check; do
		for name in $("$2" | cut -f 1); do
			grep -q "$1 $name, from $where" "$top/said" || missed+=" $name"
		done
	done
	[ -z "$missed" ] || { echo "not \"$1\":$missed"; false; }
}

@test "network: without isolation all that listens on the host answers: the control" {
	network_begin none
	network_says got network_table
}

@test "network, build users: nothing of the host answers but what a recipe needs" {
	network_begin users
	network_says nothing network_attacks
	network_says got network_needs
	"${inside[@]}" "$bin/farm-worker" doctor --home "$FARM_HOME/workers/one" >"$top/doctor" || true
	grep 'network .*loopback and metadata services are closed' "$top/doctor"
	# A second farm with the same users, whose worker has no proxy, takes none away.
	unset http_proxy
	isolation=users worker_up two --slots 1
	wait_until 20 workers_online 2
	"${inside[@]}" nft list table inet floxfarm-60706-476 | grep -F '127.0.0.1 . 3128'
}

@test "network, an ordinary user's farm: all of it answers, as docs/security.md says" {
	ordinary
	network_begin namespaces
	network_says got network_table
	"${inside[@]}" "${as[@]}" "$bin/farm-worker" doctor --home "$FARM_HOME/workers/one" >"$top/doctor" || true
	grep 'network .*recipes reach loopback' "$top/doctor"
}

@test "light jobs of an ordinary user's farm: nothing is read, left, or running after its job" {
	ordinary
	light_begin namespaces
	light_jobs_get_nothing
}

light_jobs_get_nothing() {
	[ "$(got reads)" = 0 ]
	farm rebuild package=leaves
	farm logs leaves | grep -x 'left keyring'
	[ "$(got finds)" = 0 ]
	grep -x 'nothing keyring' "$top/said"
	farm rebuild package=daemon
	farm logs daemon | grep 'daemon runs'
	wait_until 10 no sleeps
	bomb_beside_neighbour 5 6 | grep '^nothing more than 4[0-9]* processes'
}

why_says() {
	farm why "$1" | grep -e "$2"
}

memory_is() {
	farm_result worker list | jq -e --argjson bytes "$1" '.workers[0].memory_bytes == $bytes'
}

@test "a build that takes all memory ends at what its host offers; the build beside it goes on" {
	[ "$(id -u)" -eq 0 ] || skip "whether an ordinary user may make cgroups is the host's choice"
	bait
	repository_make
	in_repository "rm .flox/pkgs/*.nix; echo {} | tee .flox/pkgs/neighbour.nix .flox/pkgs/takes.nix .flox/pkgs/control.nix"
	farm_make "$url"
	attempts_max=1 farm_project "$(
		cat <<-EOT
			case \$FARM_PACKAGE in
			takes | control) echo takes; /usr/bin/python3 -c 'all = [b"x" * 10000000 for i in range(64)]' || exit; echo took ;;
			neighbour) echo neighbour begins; until [ -e $top/path/go ]; do sleep 0.1; done; echo neighbour ends ;;
			esac
		EOT
	)" "system: $here-linux"
	farm_up
	isolation=users worker_up one --slots 2
	wait_until 20 workers_online 1
	find /sys/fs/cgroup -maxdepth 4 -name floxfarm | grep . || skip "no cgroups for builds here: nothing bounds their memory"
	# The control: the host offers more than that.
	farm rebuild package=control
	farm logs control | grep -x took
	local agent
	agent=$(pid_of worker-one)
	kill "$agent"
	wait_until 20 gone "$agent"
	echo 'memory 300M' >>"$FARM_HOME/workers/one/worker.conf"
	isolation=users worker_up one --slots 2
	wait_until 20 memory_is 314572800
	farm rebuild --detach package=neighbour
	wait_until 20 log_says 2/neighbour 'neighbour begins'
	farm rebuild --detach package=takes
	wait_until 40 why_says takes 'out of memory'
	run ! log_says 3/takes '^took'
	touch "$top/path/go"
	wait_until 30 run_is closed 2
	ended_as "1 ok, 0 failed, 0 published" 2
}

no() {
	! "$@"
}

# ---- upgrades -----------------------------------------------------------------------------------

# The last commit whose worker knows no isolation of the design that this one has; its agent, its
# attempts' folders and its messages are those of workers that are in use.
before_isolation=d68bcf29ecac9374523b12808b6213359708915d

# older_programs: farm-worker and farm-supervisor of that commit, in $older.
older_programs() {
	git -C "$source_dir" cat-file -e "$before_isolation^{commit}" || skip "no history of this repository here"
	older=$BATS_FILE_TMPDIR/older/build/bin
	mkdir -p "$BATS_FILE_TMPDIR/older"
	git -C "$source_dir" archive "$before_isolation" | tar -x -C "$BATS_FILE_TMPDIR/older"
	cmake -S "$BATS_FILE_TMPDIR/older" -B "${older%/bin}" -DCMAKE_BUILD_TYPE=Release
	cmake --build "${older%/bin}" --target farm-worker --target farm-supervisor
}

publishes_is() {
	farm_result worker list | jq -e --argjson may "$1" '.workers[0].may_publish == $may'
}

# bats test_tags=long
@test "a build that a worker from before isolation began goes on; until it ends nothing is published there" {
	older_programs
	repository_make
	in_repository "rm .flox/pkgs/*.nix; echo {} | tee .flox/pkgs/old.nix .flox/pkgs/new.nix .flox/pkgs/beside.nix"
	farm_make "$url"
	publish_command="echo \$FARM_PACKAGE >>$top/shelf" farm_project \
		"if [ \$FARM_PACKAGE = old ]; then until [ -e $top/go ]; do sleep 0.1; done; fi; echo built" \
		"system: $here-linux"
	farm_up
	farm worker start one --program "$older/farm-worker" --supervisor "$older/farm-supervisor" --may-publish --slots 2
	wait_until 20 workers_online 1
	[ "$(farm_result worker list | jq -r '.workers[0].isolation')" = unknown ]
	farm rebuild --detach --publish package=old
	wait_until 40 job_is old phase build
	local agent
	agent=$(pid_of worker-one)
	kill "$agent"
	wait_until 20 gone "$agent"
	farm worker start one --program "$bin/farm-worker" --supervisor "$bin/farm-supervisor"
	wait_until 20 publishes_is false
	run -0 farm worker list
	says "recipes are not isolated: a build of before the upgrade still runs; until it ends, nothing is published here"
	# Others build beside it; what is to be published waits.
	farm rebuild package=beside
	farm rebuild --detach --publish package=new
	wait_until 20 why_says new 'one may not publish'
	[ ! -e "$top/shelf" ]
	touch "$top/go"
	wait_until 60 run_is closed 1
	wait_until 60 run_is closed 3
	ended_as "1 ok, 0 failed, 1 published" 1
	ended_as "1 ok, 0 failed, 1 published" 3
	[ "$(sort "$top/shelf" | tr '\n' ' ')" = "new old " ]
	wait_until 20 publishes_is true
	[[ $(farm_result worker list | jq -r '.workers[0].isolation') = @(users|namespaces) ]]
}
