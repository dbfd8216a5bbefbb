# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - what deploy/ and tests/run share: words to the user, root, architectures, log files.
# Sourced; needs bash 5 and coreutils, nothing else.

set -euo pipefail

say() {
	printf '%s\n' "$*"
}

warn() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# die MESSAGE: one sentence that says what to do.
die() {
	warn "$@"
	exit 1
}

# as_root COMMAND...: runs it as root; needs sudo when we are not.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "root is needed for '$*': run this as root, or install sudo"
	fi
}

# The machine's architecture as Debian, the kernel and a compiler's triplet call it, and the other
# one of the two that a farm knows. Sets native_* and other_*.
find_architectures() {
	case $(dpkg --print-architecture 2>/dev/null || echo none) in
	amd64)
		native_deb=amd64 native_cpu=x86_64
		other_deb=arm64 other_cpu=aarch64
		;;
	arm64)
		native_deb=arm64 native_cpu=aarch64
		other_deb=amd64 other_cpu=x86_64
		;;
	none) die "this needs Debian 12 or later: there is no dpkg here" ;;
	*) die "this runs on amd64 and arm64 machines; yours is $(dpkg --print-architecture)" ;;
	esac
	# gcc-x86-64-linux-gnu is the package, x86_64-linux-gnu-gcc the program.
	other_triplet=$other_cpu-linux-gnu
	other_triplet_package=${other_triplet//_/-}
	export native_deb native_cpu other_deb other_cpu other_triplet other_triplet_package
}

# logged LOG HINT COMMAND...: runs it with its output in LOG; when it fails, shows the end of LOG
# and HINT, and ends the script.
logged() {
	local log=$1 hint=$2 status=0
	shift 2
	mkdir -p "$(dirname "$log")"
	"$@" >>"$log" 2>&1 </dev/null || status=$?
	[ "$status" -ne 0 ] || return 0
	warn "'$*' ended with status $status; the end of $log:"
	tail -n 20 "$log" | sed 's/^/    /' >&2
	die "$hint"
}

# jobs_for_build: how many compilers at a time: one a core, but 1 GiB each.
jobs_for_build() {
	local cores memory_gib
	cores=$(nproc)
	memory_gib=$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
	[ "$memory_gib" -ge 1 ] || memory_gib=1
	echo $((cores < memory_gib ? cores : memory_gib))
}
