#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# releases.sh - a lint of another release of its tool is skipped, and takes the right one beside it.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

stand_ins=$(mktemp -d)
trap 'rm -rf "$stand_ins"' EXIT

# stand_in NAME VERSION_LINE: a program that says this when it is asked for its version.
stand_in() {
	printf '#!/bin/sh\nprintf "%%s\\n" "name of it" "%s" "  Optimized build."\n' "$2" >"$stand_ins/$1"
	chmod +x "$stand_ins/$1"
}

# expect WHAT TOOL WANTED: what need_release ends with, and the name that it leaves.
expect() {
	local said code=0
	said=$(PATH=$stand_ins:/usr/bin:/bin && need_release "$2" && echo "$tool") || code=$?
	[ "$code $said" = "$3" ] ||
		finding "tests/lint/lib.sh:1: need_release $2, $1: got '$code $said' and not '$3'"
}

skipped() {
	echo "77 skipped: $1 is of release $2 here; the tree is written for ${releases[$1]} (Debian 12)"
}

for name in "${!releases[@]}"; do
	release=${releases[$name]}
	# The right one is found by its own name first, so it must not be there.
	ln -sf /bin/false "$stand_ins/$name-$release"
	stand_in "$name" "Debian $name version ${release}9.1.7 (3)"
	expect 'a newer release' "$name" "$(skipped "$name" "${release}9.1.7")"
	stand_in "$name" "version: $release.0.6"
	expect 'the release' "$name" "0 $name"
	stand_in "$name" 'no word of it'
	expect 'no release' "$name" "$(skipped "$name" unknown)"
	rm "$stand_ins/$name-$release"
	stand_in "$name-$release" "Debian LLVM version $release.0.6"
	expect 'both' "$name" "0 $name-$release"
done
verdict
