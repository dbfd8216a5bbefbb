#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# format.sh - every C file is as clang-format writes it. `format.sh --fix` writes it so.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_llvm clang-format

mapfile -t all < <(c_files)
if [ "${1:-}" = --fix ]; then
	clang-format -i "${all[@]}"
	exit
fi
for file in "${all[@]}"; do
	# The first line that differs, not the whole difference: the repair is one command.
	line=$(clang-format "$file" | cmp "$file" - 2>/dev/null | sed 's/.*line //') || true
	[ -z "$line" ] || finding "$file:$line: not as clang-format writes it; run tests/lint/format.sh --fix"
done
verdict
