#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers.sh - each header compiles on its own, with gcc and with clang, and has its guard.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t headers < <(files '*.h' | of_interest)
flags=(-std=gnu17 -D_GNU_SOURCE '-DFARM_VERSION="0"' -Wall -Wextra -Werror -Wno-unused
	-I "$source_dir" -I "$binary_dir" -fsyntax-only -x c)
for compiler in gcc clang; do
	command -v "$compiler" >/dev/null || continue
	for header in "${headers[@]}"; do
		# Twice, so that a missing guard shows.
		if ! said=$(printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
			"$compiler" "${flags[@]}" - 2>&1); then
			finding "$header:1: does not compile on its own with $compiler: $(grep -m1 -E 'error' <<<"$said")"
		fi
	done
done
verdict
