#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What deploy/ does to a machine: Debian packages through apt, with apt and dpkg played by scripts;
# emulation through binfmt_misc, with one of our own in a user namespace; bundles as they are made.

load farm

setup() {
	top=$BATS_TEST_TMPDIR
	mkdir -p "$top/bin"
	PATH=$top/bin:$PATH
	: >"$top/installed"
	: >"$top/did"
}

# play NAME < SCRIPT: a program of this name that is found first.
play() {
	{
		echo '#!/bin/bash'
		cat
	} >"$top/bin/$1"
	chmod +x "$top/bin/$1"
}

# A Debian for amd64 with an empty machine; $top/installed lists "NAME ARCHITECTURE installed".
play_debian() {
	play dpkg <<-EOT
		case \$1 in
		--print-architecture) echo amd64 ;;
		--print-foreign-architectures) cat $top/foreign 2>/dev/null ;;
		--add-architecture) echo \$2 >>$top/foreign ;;
		esac
	EOT
	play dpkg-query <<-EOT
		cat $top/installed
	EOT
	play apt-cache <<-EOT
		[ "\$2" = qemu-user-static ] && exit
		printf '%s:\n  Candidate: 1.0\n' "\$2"
	EOT
	play apt-get <<-EOT
		echo "\$*" >>$top/did
		[ ! -e $top/broken ] || exit 100
	EOT
	play id <<<'echo 0'
}

packages() {
	"$source_dir/deploy/packages" "$@"
}

@test "packages: with all there, apt is not touched" {
	play_debian
	packages --list build | sed 's/|.*//; s/$/ amd64 installed/' >"$top/installed"
	run packages build
	[ "$status" -eq 0 ]
	says "are installed"
	[ ! -s "$top/did" ]
}

@test "packages: only what is missing is installed, without recommendations" {
	play_debian
	packages --list build | sed '/^jq$/d; s/$/ amd64 installed/; /cmake/d' >"$top/installed"
	packages build
	[ "$(cat "$top/did")" = "-q update
-q install -y --no-install-recommends cmake" ]
	run packages --check build
	[ "$status" -eq 1 ]
	says "missing: cmake"
}

@test "packages: the other architecture is added first, and asked for by name" {
	play_debian
	packages cross
	[ "$(cat "$top/foreign")" = arm64 ]
	grep -F 'gcc-aarch64-linux-gnu' "$top/did"
	grep -F 'libzmq3-dev:arm64' "$top/did"
}

@test "packages: of two names, the one that this Debian has" {
	play_debian
	packages emulate
	grep -F 'qemu-user-binfmt' "$top/did"
}

@test "packages: what apt cannot do is said, and so is a group that is not there" {
	play_debian
	touch "$top/broken"
	run packages build
	[ "$status" -eq 1 ]
	says "apt-get update failed"
	run packages nonsense
	[ "$status" -eq 1 ]
	says "no group 'nonsense'"
}

@test "packages: without root and without sudo it says so" {
	play_debian
	play id <<<'echo 1000'
	local tool
	for tool in bash env dirname awk sed grep paste tail; do
		ln -sf "$(command -v "$tool")" "$top/bin/$tool"
	done
	PATH=$top/bin run packages build
	[ "$status" -eq 1 ]
	says "run this as root, or install sudo"
}

# In a user namespace of our own binfmt_misc is empty, whatever the machine has.
emulation() {
	unshare --user --map-root-user --mount bash -c "
		set -e
		. '$source_dir/deploy/quickstart'
		find_architectures
		command -v \$other_triplet-gcc >/dev/null || exit 77
		dir=$top
		mkdir -p \$dir/log
		mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null || exit 77
		foreign_programs_run && exit 77
		$1"
}

@test "emulation: registered where it is not, by the packages' own description or by ours" {
	unshare --user --map-root-user --mount true 2>/dev/null || skip "no user namespaces here"
	run emulation "register_emulator && foreign_programs_run && echo it runs"
	[ "$status" -ne 77 ] || skip "no empty binfmt_misc here"
	echo "$output"
	says "it runs"
	run emulation "update-binfmts() { return 1; }
		register_emulator && foreign_programs_run && echo it runs"
	says "it runs"
}

@test "emulation: switched on where it is registered and off" {
	unshare --user --map-root-user --mount true 2>/dev/null || skip "no user namespaces here"
	run emulation "register_emulator && echo 0 >/proc/sys/fs/binfmt_misc/qemu-\$other_cpu
		foreign_programs_run && exit 1
		register_emulator && foreign_programs_run && echo it runs"
	[ "$status" -ne 77 ] || skip "no empty binfmt_misc here"
	says "it runs"
}

@test "a bundle runs from any folder; one that is not whole says what it lacks" {
	local cpu
	cpu=$(uname -m)
	[ -e "$binary_dir/bundles/$cpu-linux.tar.gz" ] || skip "no bundles here: build the release preset"
	mkdir "$top/un packed"
	tar -xzf "$binary_dir/bundles/$cpu-linux.tar.gz" -C "$top/un packed"
	ln -s "un packed/bin" "$top/programs"
	run -0 "$top/programs/farm-worker" --version
	says "farm-worker "
	# Nothing of this machine's is loaded.
	run -0 env LD_DEBUG=libs LD_LIBRARY_PATH=/lib:/usr/lib "$top/programs/farm-worker" --version
	says "calling init: $top/un packed/bin/../lib/libc.so.6"
	[ "$(grep 'calling init:' <<<"$output" | grep -vcE "un packed/bin/../lib/|/ld-linux")" -eq 0 ]
	mv "$top/un packed/lib/farm-worker" "$top/un packed/lib/away"
	run -127 "$top/programs/farm-worker" --version
	says "cannot open $top/un packed/bin/../lib/farm-worker"
	echo "no program" >"$top/un packed/lib/farm-worker"
	run -127 "$top/programs/farm-worker" --version
	says "not a program of this bundle: $top/un packed/bin/../lib/farm-worker"
}
