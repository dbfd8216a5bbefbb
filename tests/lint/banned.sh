#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# banned.sh - calls that our C does not make; see banned.txt for each with its replacement, and
# banned-allowed.txt for the places where one is right.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
folder=$source_dir/tests/lint

# The code of a file with comments and texts blanked, each line behind FILE:LINE:, so that a word
# in prose is no call.
code() {
	awk '
	FNR == 1 { inside = 0 }
	{
		line = $0
		gsub(/\\./, "", line)
		gsub(/"[^"]*"/, "\"\"", line)
		out = ""
		while (line != "") {
			if (inside) {
				end = index(line, "*/")
				if (!end) { line = ""; break }
				line = substr(line, end + 2)
				inside = 0
			} else {
				start = index(line, "/*")
				slashes = index(line, "//")
				if (slashes && (!start || slashes < start)) {
					out = out substr(line, 1, slashes - 1)
					line = ""
				} else if (start) {
					out = out substr(line, 1, start - 1)
					line = substr(line, start + 2)
					inside = 1
				} else {
					out = out line
					line = ""
				}
			}
		}
		print FILENAME ":" FNR ":" out
	}' "$@"
}

# Each exception of banned-allowed.txt, as FILE<tab>CALL, and whether something needs it.
declare -A needed=()
while IFS=$'\t' read -r file name _; do
	[[ $file = \#* || -z $file ]] || needed[$file$'\t'$name]=
done <"$folder/banned-allowed.txt"

mapfile -t all < <(c_files)
all_code=$(code "${all[@]}")
while IFS=$'\t' read -r where call instead; do
	[[ $where = \#* || -z $where ]] && continue
	# Before the name: no member access, no part of a longer name.
	while IFS= read -r hit; do
		file=${hit%%:*}
		name=$(grep -oE "(^|[^A-Za-z0-9_.>])($call) ?\(" <<<"${hit#*:*:}" | head -n 1 | tr -dc 'A-Za-z0-9_')
		if [ -v "needed[$file"$'\t'"$name]" ]; then
			needed[$file$'\t'$name]=yes
			continue
		fi
		finding "$(cut -d: -f1,2 <<<"$hit"): calls $name(); instead: $instead"
	done < <(grep -E "^$where:[0-9]+:(.*[^A-Za-z0-9_.>])?($call) ?\(" <<<"$all_code" || true)
done <"$folder/banned.txt"
for row in "${!needed[@]}"; do
	[ -n "${needed[$row]}" ] ||
		finding "tests/lint/banned-allowed.txt: nothing in ${row%$'\t'*} calls ${row#*$'\t'}() any more: take it out"
done
verdict
