# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# hosts.bash - machines that a test can add to a farm: each boots a Debian root of its own (made by
# tests/e2e/hosts) in a network namespace of its own (netns.bash), with its own name, users, keys,
# sshd, boot id, machine id and processes. Needs farm.bash and netns.bash loaded before it.
#
#   hosts_setup                    in setup(), after farm_setup; skips where the machine cannot
#   host_boot NAME KIND            systemd | plain | aarch64 | host11 | host13 | store; a host that was down
#                                  keeps its files; host11 and host13 have systemd
#   host_down NAME                 at once, as when the power is cut
#   host_reinstall NAME KIND       the same address, nothing else of what was there
#   host_root NAME                 its files, as this machine sees them
#   host_on NAME COMMAND...        as root on the host, not through sshd
#   host_ssh USER@NAME COMMAND...  as a person who trusts the host
#   host_known NAME                lines for known_hosts, as a careful person has them
#   hosts_show                     what their consoles, workers and journals said, while they are up
#   hosts_teardown                 in teardown(), between farm_teardown and net_teardown
#
# The farm's own side is one more host, without a root: net_host laptop, net_on laptop COMMAND.

declare -gA host_init=() host_kind=()

# Where users live, on a host.
export homes=/home

# Where roots are kept is the user's, not that of a test with a HOME of its own.
export FARM_HOSTS_CACHE=${FARM_HOSTS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/floxfarm/hosts}

hosts_setup() {
	net_setup
	for program in systemd-nspawn sshd ssh ssh-keygen nsenter; do
		PATH=$PATH:/usr/sbin command -v "$program" >/dev/null ||
			skip "no $program here (deploy/packages test)"
	done
	mkdir -p "$top/hosts" "$top/ssh" "$HOME/.ssh"
	chmod 700 "$HOME/.ssh"
	unset SSH_AUTH_SOCK
	ssh_own
	ssh-keygen -q -t ed25519 -N '' -C test -f "$HOME/.ssh/id_ed25519"
	cp "$HOME/.ssh/id_ed25519" "$top/ssh/key"
	cp "$HOME/.ssh/id_ed25519.pub" "$top/ssh/key.pub"
}

# host_folder NAME KIND: what the host will write over its root.
host_folder() {
	local name=$1 upper=$top/hosts/$1/upper user home kind
	[ ! -e "$upper" ] || return 0
	mkdir -p "$upper"/{etc/ssh,root/.ssh,home/builder/.ssh}
	echo "$name" >"$upper/etc/hostname"
	tr -d - </proc/sys/kernel/random/uuid >"$upper/etc/machine-id"
	printf '127.0.0.1 localhost %s\n' "$name" >"$upper/etc/hosts"
	for kind in ed25519 ecdsa; do
		ssh-keygen -q -t "$kind" -N '' -C "$name" -f "$upper/etc/ssh/ssh_host_${kind}_key"
	done
	for user in root builder; do
		home=$upper/home/$user
		[ "$user" = builder ] || home=$upper/root
		cp "$top/ssh/key.pub" "$home/.ssh/authorized_keys"
		chmod 700 "$home" "$home/.ssh"
	done
	chown -R 1000:1000 "$upper/home/builder"
}

host_boot() {
	local name=$1 kind=$2 wanted=x86_64 boot=$2 root status=0
	case $kind in
	aarch64 | store) wanted=$kind boot=plain ;;
	host11 | host13) wanted=$kind boot=systemd ;;
	esac
	root=$("$source_dir/tests/e2e/hosts" root "$wanted" 2>"$top/hosts/root.log") || status=$?
	[ $status -ne 77 ] || skip "$(tail -n 1 "$top/hosts/root.log")"
	[ $status -eq 0 ] || { cat "$top/hosts/root.log" >&2 && return 1; }
	[ -n "${net_holder[$name]:-}" ] || net_host "$name"
	host_folder "$name"
	host_kind[$name]=$boot
	net_on "$name" setpriv --pdeathsig KILL unshare --mount \
		"$source_dir/tests/e2e/host-boot" "$boot" "$top/hosts/$name" "$root" </dev/null >/dev/null 2>"$top/hosts/$name/boot" 3>&- &
	host_init[$name]=$!
	wait_until 60 host_is_up "$name"
}

# Its sshd greets, and what would boot it later has ended.
host_is_up() {
	net_on "$1" timeout 5 bash -c 'exec 5<>/dev/tcp/127.0.0.1/22 && read -r banner <&5 && [[ $banner = SSH-2.0* ]]' &&
		{ [ "${host_kind[$1]}" != systemd ] || host_has_settled "$1"; }
}

host_has_settled() {
	[[ $(host_on "$1" systemctl is-system-running) = @(running|degraded) ]]
}

# The process that is PID 1 on the host, as this machine counts: our own on a plain host, its child's
# child where systemd is.
host_first_process() {
	case ${host_kind[$1]} in
	systemd) first_process 2 "${host_init[$1]}" ;;
	*) first_process 1 "${host_init[$1]}" ;;
	esac
}

# first_process DEPTH PID: below PID, which is PID 1 of a namespace as many namespaces deep.
first_process() {
	local child children numbers
	read -ra children < <(cat /proc/"$2"/task/*/children 2>/dev/null | tr '\n' ' ')
	for child in "${children[@]}"; do
		read -ra numbers < <(sed -n 's/^NSpid://p' "/proc/$child/status" 2>/dev/null)
		if [ "${#numbers[@]}" -eq $(($1 + 1)) ] && [ "${numbers[$1]}" = 1 ]; then
			echo "$child"
			return 0
		fi
		first_process "$1" "$child" && return 0
	done
	return 1
}

# A host's files. Its first process need not have them as its root: ours waits outside.
host_root() {
	local first
	first=$(host_first_process "$1")
	case ${host_kind[$1]} in
	systemd) echo "/proc/$first/root" ;;
	*) echo "/proc/$first/root$top/hosts/$1/root" ;;
	esac
}

host_on() {
	local name=$1 first root=/
	shift
	first=$(host_first_process "$name")
	[ "${host_kind[$name]}" = systemd ] || root=$top/hosts/$name/root
	nsenter --target "$first" --mount --uts --ipc --net --pid --cgroup --root -- \
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/store/bin HOME=/root chroot "$root" "$@"
}

host_known() {
	local file
	for file in "$top/hosts/$1"/upper/etc/ssh/ssh_host_*_key.pub; do
		printf '%s %s\n' "${2:-${net_address[$1]}}" "$(cut -d ' ' -f 1,2 "$file")"
	done
}

# host_ssh USER@NAME COMMAND...: from the farm's side.
host_ssh() {
	local user=${1%%@*} name=${1#*@}
	shift
	host_known "$name" >"$top/ssh/known-$name"
	net_on "${ssh_from:-laptop}" ssh -F none -i "$top/ssh/key" -o BatchMode=yes -o ConnectTimeout=10 \
		-o UserKnownHostsFile="$top/ssh/known-$name" -o StrictHostKeyChecking=yes \
		"$user@${net_address[$name]}" "$@"
}

host_down() {
	local holder init=${host_init[$1]}
	holder=$(first_process 1 "$init") && kill -KILL "$holder"
	wait_until 20 gone "$init"
	wait "$init" 2>/dev/null || true
	unset "host_init[$1]"
	"$source_dir/tests/e2e/host-boot" forget "$top/hosts/$1"
}

host_reinstall() {
	[ -z "${host_init[$1]:-}" ] || host_down "$1"
	rm -rf "$top/hosts/$1"
	host_boot "$1" "$2"
}

hosts_teardown() {
	local name
	for name in "${!host_init[@]}"; do
		host_down "$name"
	done
}

hosts_show() {
	local name
	for name in "${!host_init[@]}"; do
		host_logs "$name" || true
	done
}

# host_logs NAME: what its console and its worker said last.
host_logs() {
	local file
	for file in "$top/hosts/$1/console" "$top/hosts/$1"/upper/{home/builder/.floxfarm,var/lib/floxfarm}/worker/*.log; do
		[ ! -s "$file" ] || { echo "--- the end of ${file#"$top/hosts/"}" && tail -n 20 "$file"; }
	done
	[ "${host_kind[$1]}" != systemd ] || {
		echo "--- the end of $1's journal"
		host_on "$1" journalctl --no-pager --quiet --lines 40
	}
}
