#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# format.sh - every C file is as clang-format writes it. `format.sh --fix` writes it so.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_release clang-format

mapfile -t all < <(c_files | of_interest)
[ ${#all[@]} -gt 0 ] || all=(/dev/null)
if [ "${1:-}" = --fix ]; then
	"$tool" -i "${all[@]}"
	exit
fi
# The first line that differs, not the whole difference: the repair is one command.
findings < <(printf '%s\n' "${all[@]}" | xargs "$tool" --dry-run 2>&1 |
	sed -n 's/^\([^:]*:[0-9]*\):.*clang-format.*/\1: not as clang-format writes it; run tests\/lint\/format.sh --fix/p' |
	awk -F : '!seen[$1]++')
verdict
