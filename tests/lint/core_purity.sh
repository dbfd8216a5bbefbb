#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# core_purity.sh [ARCHIVE...] - the pure cores use no clock, file, socket, thread or random number.
#
# The archives may use only these things from outside: memory, texts, formatting into memory, assert.
# Without arguments: the cores and the libraries below them, from the build folder.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need nm
archives=("$@")
if [ ${#archives[@]} -eq 0 ]; then
	archives=("$binary_dir"/proto/libfarm_pure.a "$binary_dir"/coordinator/libfarm_core.a
		"$binary_dir"/coordinator/libfarm_sessions.a)
	[ ! -f "$binary_dir"/worker/libfarm_agent.a ] || archives+=("$binary_dir"/worker/libfarm_agent.a)
fi
for archive in "${archives[@]}"; do
	[ -f "$archive" ] || {
		echo "skipped: $archive is not built"
		exit 77
	}
done

pure='^((__)?explicit_bzero(_chk)?|mem(cmp|cpy|move|set|chr)|str(cmp|ncmp|len|chr|rchr|cpy|str|spn|cspn)|free|malloc|calloc|realloc'
pure+='|v?snprintf|__assert_fail|__mem(cpy|move|set)_chk|__v?snprintf_chk|__stack_chk_fail'
# What compilers put in for sanitizers and coverage.
pure+='|__(asan|ubsan|tsan|gcov|sanitizer|llvm)_.*|_GLOBAL_OFFSET_TABLE_)$'

defined=$(nm --defined-only "${archives[@]}" | awk 'NF == 3 { print $3 }' | sort -u)
needed=$(nm --undefined-only "${archives[@]}" | awk '$1 == "U" { print $2 }' | sort -u)
while IFS= read -r symbol; do
	where=$(nm -A --undefined-only "${archives[@]}" | awk -v s="$symbol" '$NF == s { print $1; exit }')
	finding "$where needs $symbol: decide from inputs, act in the shell (docs: pure cores)"
done < <(comm -23 <(echo "$needed") <(echo "$defined") | grep -Ev "$pure" || true)
verdict
