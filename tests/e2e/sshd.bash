# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# sshd.bash - hosts to log in to: an sshd of the test's own on loopback, with keys of its own. Loaded
# after farm.bash. Each host runs commands as this user, with a home of its own.

# sshd_setup: the user's key, in a HOME that is ours alone.
sshd_setup() {
	[ -x /usr/sbin/sshd ] || skip "no sshd here"
	mkdir -p "$HOME/.ssh"
	chmod 700 "$HOME/.ssh"
	ssh-keygen -q -t ed25519 -N '' -C tester -f "$HOME/.ssh/id_ed25519"
	unset SSH_AUTH_SOCK
	ssh_own
	# Where it locks itself in; root's own sshd makes it at boot.
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	user=$(id -un)
}

# as_us: whom the worker there runs as.
as_us() {
	[ "$(id -u)" -ne 0 ] || echo --run-as root
}

# host_up NAME [LINE_OF_SSHD_CONFIG...]: its port in $port, its folder in $top/hosts/NAME. What is in
# bin there goes before this machine's programs.
host_up() {
	local dir=$top/hosts/$1
	shift
	mkdir -p "$dir/home" "$dir/bin"
	own_crontab "$dir/bin"
	[ -e "$dir/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
	[ -e "$dir/port" ] || {
		free_ports
		echo "$control_port" >"$dir/port"
	}
	port=$(<"$dir/port")
	cat >"$dir/sshd_config" <<-EOT
		ListenAddress 127.0.0.1
		Port $port
		HostKey $dir/key
		AuthorizedKeysFile $HOME/.ssh/id_ed25519.pub
		PidFile $dir/sshd.pid
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		$(printf '%s\n' "$@")
		SetEnv HOME=$dir/home PATH=$dir/bin:$PATH $(env | grep '^NIX_' | tr '\n' ' ')
	EOT
	/usr/sbin/sshd -f "$dir/sshd_config" -E "$dir/sshd.log"
	wait_until 10 listens "$port"
}

# host_down NAME
host_down() {
	local pid
	pid=$(<"$top/hosts/$1/sshd.pid")
	kill "$pid"
	wait_until 10 gone "$pid"
}

# kill_sessions NAME: every session that is open there, by the log's word for their processes.
kill_sessions() {
	local port pid
	port=$(<"$top/hosts/$1/port")
	for pid in $(ss -Htnp "sport = :$port" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}
