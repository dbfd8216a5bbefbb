#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tidy.sh - clang-tidy finds nothing (what it looks for: .clang-tidy).
#
# It is slow, so a source that was fine and has not changed since is not looked at again: the key of
# a file is the hash of its preprocessed text, of the configuration and of clang-tidy's version.
# FARM_TIDY_CACHE says where the keys are kept (default: in the build folder). The analyzer, which is
# what takes long, looks at the programs only: tests show their own faults, under sanitizers; and they
# may use what is not good enough for a program (rand, atoi).
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need clang-tidy
need clang
need jq

cache=${FARM_TIDY_CACHE:-$binary_dir/tidy}
mkdir -p "$cache"
salt=$(clang-tidy --version | cat - .clang-tidy | sha256sum)
export cache salt source_dir binary_dir

look_at() {
	local folder=$1 file=$2 command=$3 key checks=''
	[[ $file != */tests/* ]] ||
		checks="-clang-analyzer-*,-cert-msc3*,-cert-msc5*,-cert-err34-c,-bugprone-integer-division,-bugprone-suspicious-missing-comma"
	command=$(sed -E 's/^[^ ]+ //; s/ -o [^ ]+//; s/ -c / /' <<<"$command")
	key=$( (cd "$folder" && eval "clang -E -C -Wno-unknown-warning-option $command" 2>/dev/null; echo "$salt") | sha256sum | cut -c1-64)
	[ ! -e "$cache/$key" ] || return 0
	# gcc's flags are not all clang's.
	if clang-tidy --quiet -p "$binary_dir" --checks="$checks" \
		--extra-arg=-Wno-unknown-warning-option "$file" >"$cache/$key.said" 2>/dev/null; then
		mv "$cache/$key.said" "$cache/$key"
	else
		grep -E '(warning|error):' "$cache/$key.said" | sed "s,^$source_dir/,,"
		rm -f "$cache/$key.said"
		echo "${file#"$source_dir"/}:1: clang-tidy is not content"
	fi
}
export -f look_at

findings < <(jq -r 'unique_by(.file)[] | select(.file | contains(".pb-c.") | not) | .directory, .file, .command' \
	"$binary_dir/compile_commands.json" |
	tr '\n' '\0' | xargs -0 -P "$(nproc)" -n 3 bash -c 'look_at "$@"' look_at)
find "$cache" -type f -mtime +30 -delete
verdict
