#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tidy.sh - clang-tidy finds nothing (what it looks for: .clang-tidy).
#
# usage: tidy.sh [PART PARTS]   that part of the sources, counted from 0 (default: all)
#
# It is slow, so it looks at a source only where its verdict is not known:
#   sources that changed since this branch left main (or since the last commit), or include what did; the
#   rest has passed CI. With FARM_LINT=whole (CI, `tests/run --long`) every source.
# Of these, what was fine once is not looked at again with the same text. The key is a hash of the source,
# of all of ours that it includes, of the command that compiles it, of the configuration, of clang-tidy
# and of Debian's libraries. FARM_TIDY_CACHE says where keys are kept (default
# ~/.cache/floxfarm/tidy, which all clones and builds share).
#
# The analyzer, which is what takes long, looks at the programs only: tests show their own faults, under
# sanitizers; and they may use what is not good enough for a program (rand, atoi).
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_release clang-tidy
need jq

part=${1:-0} parts=${2:-1}
cache=${FARM_TIDY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/floxfarm/tidy}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"

# How each source is compiled, once: sim_bugs has some of them with planted bugs, too. Without what
# differs from build to build and what is gcc's alone.
compile_commands() {
	jq --arg gone ' -(O[0-9sg]?|g|Werror|fsanitize=[^ ]*|fno-sanitize-recover=[^ ]*|fno-omit-frame-pointer|D_FORTIFY_SOURCE=[^ ]*|DFARM_COMMIT=[^ ]*|DFARM_SEEDED_BUGS|o [^ ]+)(?= )' '
		unique_by(.file) | map(select(.file | contains(".pb-c.") | not)
			| .command |= gsub($gone; "") | .command += " -DFARM_COMMIT=\"\\\"\\\"\"" | del(.output))' \
		"$binary_dir/compile_commands.json"
}

# What every verdict depends on.
surroundings() {
	"$tool" --version
	cat .clang-tidy
	declare -f compile_commands look_at
	if command -v dpkg-query >/dev/null; then
		# shellcheck disable=SC2016 # dpkg-query's
		deploy/packages --list build | xargs dpkg-query -W -f '${Package} ${Version}\n' 2>/dev/null || true
	fi
}

# sources: a number and the name of each source to decide on. Leaves in $work/key/NUMBER what else its
# verdict depends on.
sources() {
	mkdir "$work/key"
	# .clang-tidy is about all of them.
	if [ "$lint" = whole ]; then echo .; else changed | sed 's/^\.clang-tidy$/./'; fi >"$work/changed"
	files '*.[ch]' '*.def' '*.proto' | xargs sha256sum >"$work/sums"
	files '*.[ch]' '*.def' | xargs grep -HoE '^[[:blank:]]*#[[:blank:]]*include[[:blank:]]+"[^"]+' |
		sed -E 's,:[^"]*", ,; s,\.pb-c\.h$,.proto,' >"$work/includes"
	jq -r '.[] | [.file, .command] | @tsv' "$work/compile_commands.json" |
		sed "s,$source_dir/,,g; s,$binary_dir,@,g; s,-I$source_dir,-I.,g" |
		awk -F '\t' -v work="$work" '
			BEGIN {
				while ((getline line < (work "/changed")) > 0) changed[line] = 1
				while ((getline line < (work "/sums")) > 0) { split(line, word, " "); sum[word[2]] = word[1] }
				while ((getline line < (work "/includes")) > 0) { split(line, word, " "); includes[word[1]] = includes[word[1]] " " word[2] }
			}
			# One list, in the order of the includes: each file once.
			function follow(file, names, count, i) {
				if (file in seen)
					return
				seen[file] = 1
				list = list file " " sum[file] "\n"
				open = open || file in changed
				count = split(includes[file], names, " ")
				for (i = 1; i <= count; i++)
					follow(names[i])
			}
			{
				delete seen
				list = ""
				open = "." in changed
				follow($1)
				if (!open)
					next
				key = work "/key/" NR
				printf "%s\n%s", $2, list >key
				close(key)
				print NR, $1
			}'
}

look_at() {
	local file=$1 key=$2 checks=''
	[[ $file != tests/* ]] ||
		checks="-clang-analyzer-*,-cert-msc3*,-cert-msc5*,-cert-err34-c,-bugprone-integer-division,-bugprone-suspicious-missing-comma"
	# gcc's flags are not all clang's.
	if "$tool" --quiet -p "$work" --checks="$checks" --extra-arg=-Wno-unknown-warning-option \
		"$source_dir/$file" >"$work/said" 2>/dev/null; then
		mv "$work/said" "$cache/$key"
	else
		grep -E '(warning|error):' "$work/said" | sed "s,^$source_dir/,,"
		echo "$file:1: clang-tidy is not content"
	fi
}

# largest_first < NUMBER NAME...: so that no part ends long after the others.
largest_first() {
	local number file
	while read -r number file; do
		echo "$(wc -c <"$file") $number $file"
	done | sort -k1,1nr -k2,2n | cut -d ' ' -f 2-
}

compile_commands >"$work/compile_commands.json"
sources >"$work/sources"
salt=$(surroundings)
looked=0 total=0
while read -r number file; do
	total=$((total + 1))
	[ $((total % parts)) -eq "$part" ] || continue
	key=$({ echo "$salt" && cat "$work/key/$number"; } | sha256sum | cut -c 1-64)
	if [ -e "$cache/$key" ]; then
		touch "$cache/$key"
		continue
	fi
	looked=$((looked + 1))
	findings < <(look_at "$file" "$key")
done < <(largest_first <"$work/sources")
find "$cache" -type f -mtime +30 -delete
echo "looked at $looked of $total sources"
verdict
