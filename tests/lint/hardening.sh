#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# hardening.sh [FILE...] - our programs are built so that a bug in them is hard to use.
#
# Each program is position independent, has a protected stack, fortified calls of libc, relocations
# that are read-only from the start, no memory that is writable and executable, and checked branches.
# Of the libraries of others in a bundle, which Debian built, only what protects our process is asked.
# hardening-check (devscripts) says it of programs that have a table of symbols; what it cannot see in
# static programs is read here. It finds no checked branches, because Debian's own start files have
# none, and one file without takes the mark from the whole program: so our archives are asked.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need hardening-check
need readelf
if grep -q '^FARM_SANITIZE:[A-Z]*=.' "$binary_dir/CMakeCache.txt" 2>/dev/null ||
	! grep -q '^CMAKE_BUILD_TYPE:[A-Z]*=Rel' "$binary_dir/CMakeCache.txt" 2>/dev/null; then
	echo "skipped: $binary_dir is no optimised build without sanitizers"
	exit 77
fi

# told FILE OPTION...: what hardening-check misses.
told() {
	local file=$1
	shift
	{ hardening-check --quiet --nocfprotection "$@" "$file" 2>/dev/null || true; } |
		sed -n "/(ignored)/d; s|^ \(.*: no.*\)|$file: \1 (cmake/FarmTargets.cmake has the options)|p"
}

# Memory that is writable and executable at once, a stack included.
writable_code() {
	readelf -lW "$1" | awk -v file="$1" '$1 == "GNU_STACK" { stack = 1 }
		/ RWE / { print file ": " $1 " is writable and executable" }
		END { if (!stack) print file ": no GNU_STACK: its stack may be executable" }'
}

# A static program has all symbols in itself, and only before it was stripped.
static_program() {
	local symbols
	told "$1" --nopie --nostackprotector --nofortify
	readelf -dW "$1" | grep 'FLAGS_1.*PIE' >/dev/null || echo "$1: not position independent"
	symbols=$(nm "$1" 2>/dev/null) || return 0
	[ -n "$symbols" ] || return 0
	grep -q ' __stack_chk_fail$' <<<"$symbols" || echo "$1: no protected stack"
	grep -q ' __[a-z]*_chk$' <<<"$symbols" || echo "$1: no fortified calls"
}

# No libc, so no stack protector and nothing to fortify; it has no relocations and lives for one exec.
launcher() {
	writable_code "$1"
	! readelf -lW "$1" | grep '^  INTERP' >/dev/null || echo "$1: needs a loader"
	! readelf -rW "$1" | grep 'Relocation section' >/dev/null || echo "$1: has relocations"
}

program() {
	writable_code "$1"
	if readelf -dW "$1" | grep '(NEEDED)' >/dev/null; then
		told "$1"
	else
		static_program "$1"
	fi
}

# Of Debian; without a main program's marks, and bound by the loader as the program says: at once.
library() {
	writable_code "$1"
	told "$1" --nopie --nostackprotector --nofortify --nobindnow
}

# Each object of ours, also of generated sources.
checked_branches() {
	local archive mark
	for archive in "$1"/*/libfarm_*.a; do
		[ -e "$archive" ] || continue
		case $(readelf -h "$archive" | awk '/Machine:/ { print $2, $3; exit }') in
		"Advanced Micro") mark='x86 feature: .*IBT, SHSTK' ;;
		AArch64*) mark='AArch64 feature: BTI, PAC' ;;
		*) continue ;;
		esac
		readelf -nW "$archive" | awk -v mark="$mark" '
			function judge() { if (member && !marked) print member ": branches are not checked" }
			/^File: / { judge(); member = $2; marked = 0 }
			$0 ~ mark { marked = 1 }
			END { judge() }'
	done
}

# A bundle: what needs a libc is in lib/, with the launcher under its name in bin/.
bundle() {
	local folder file
	folder=$(mktemp -d)
	tar -xzf "$1" -C "$folder"
	for file in "$folder"/bin/* "$folder"/lib/*; do
		case ${file##*/} in
		*.so*) library "$file" ;;
		*)
			if [ "$file" = "$folder/bin/${file##*/}" ] && [ -e "$folder/lib/${file##*/}" ]; then
				launcher "$file"
			else
				program "$file"
			fi
			;;
		esac
	done | sed "s|^$folder/|$1: |"
	rm -rf "$folder"
}

looked_at=0
for build in "$binary_dir" "$binary_dir/../aarch64" "$binary_dir/../x86_64"; do
	[ -d "$build/bin" ] || continue
	for name in farm farmd farm-worker farm-supervisor; do
		[ -x "$build/bin/$name" ] || continue
		looked_at=$((looked_at + 1))
		findings < <(program "$build/bin/$name")
	done
	[ ! -x "$build/bin/farm-launcher" ] || findings < <(launcher "$build/bin/farm-launcher")
	findings < <(checked_branches "$build")
done
for archive in "$binary_dir"/bundles/*.tar.gz; do
	[ ! -e "$archive" ] || findings < <(bundle "$archive")
done
for file in "$@"; do
	looked_at=$((looked_at + 1))
	findings < <(program "$file")
done
[ "$looked_at" -gt 0 ] || {
	echo "skipped: no program is built"
	exit 77
}
verdict
