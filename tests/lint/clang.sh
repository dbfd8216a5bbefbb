#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang.sh - every source compiles with clang without a warning. The build itself is gcc's; this
# asks for diagnostics only, so it takes seconds.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_release clang
need jq

# What gcc was told, without what only gcc knows and without outputs.
jq -r 'unique_by(.file)[] | select(.file | contains(".pb-c.") | not) | .directory, .file, .command' \
	"$binary_dir/compile_commands.json" |
	while read -r folder && read -r file && read -r command; do
		command=$(sed -E 's/^[^ ]+ //; s/ -o [^ ]+//; s/ -c / /' <<<"$command")
		# gcc's warning options are not all clang's.
		printf 'cd %q && %s -fsyntax-only -Wno-unknown-warning-option %s || echo "%s:1: clang refuses it"\n' \
			"$folder" "$tool" "$command" "$file"
	done | xargs -d '\n' -P "$(nproc)" -n 1 sh -c 2>&1 | grep -E '(warning|error):|refuses' |
	sed "s,^$source_dir/,," >"$binary_dir/clang.txt" || true
findings <"$binary_dir/clang.txt"
verdict
