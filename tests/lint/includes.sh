#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# includes.sh - includes between rooms are those of rooms.txt, and there is no circle.
#
# Checked: each folder with C has a row; a row includes only rows above it, so rooms have no circle;
# each include between rooms is in the table, and each arrow of the table is used; within a room no
# two units (X.c and X.h) include each other. In addition: the pure cores (coordinator/core,
# coordinator/sessions, worker/agent) include no library that does I/O, and only files that may
# change the farm include farm_state.h.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rooms=$source_dir/tests/lint/rooms.txt
mapfile -t all < <(c_files)

# ---- rooms ----

# FILE:LINE INCLUDED, for the headers of ours that files of the house include.
house_includes() {
	grep -HnoE '^[[:blank:]]*#[[:blank:]]*include[[:blank:]]+"(proto|coordinator|worker|deploy|tests)/[^"]+"' "${all[@]}" |
		grep -E '^(proto|coordinator|worker|deploy)/' |
		sed -E 's/^([^:]+:[0-9]+):.*"([^"]+)"$/\1 \2/'
}

findings < <(house_includes | awk -v table="$rooms" '
	function room_of(path) {
		sub(/\/[^\/]*$/, "", path)
		return path
	}
	function complain(where, text) { print where ": " text }
	BEGIN {
		while ((getline line < table) > 0) {
			row++
			if (line ~ /^(#|$)/)
				continue
			split(line, column, "|")
			room = column[1]
			gsub(/ /, "", room)
			count = split(column[2], other, " ")
			for (i = 1; i <= count; i++) {
				if (other[i] == "-")
					continue
				if (!(other[i] in known))
					complain("tests/lint/rooms.txt:" row, room " includes " other[i] ", which stands below it or nowhere")
				allowed[room, other[i]] = row
			}
			known[room] = row
		}
	}
	{
		split($1, place, ":")
		from = room_of(place[1])
		to = room_of($2)
		lived_in[from] = 1
		if (!(from in known))
			complain($1, "the room " from " is not in tests/lint/rooms.txt")
		else if (from != to && !((from, to) in allowed))
			complain($1, from " includes " $2 ": no such arrow in tests/lint/rooms.txt; move it, or hand it over by the caller")
		used[from, to] = 1
	}
	END {
		for (arrow in allowed)
			if (!(arrow in used)) {
				split(arrow, end, SUBSEP)
				complain("tests/lint/rooms.txt:" allowed[arrow], "nothing in " end[1] " includes " end[2] " any more: take it out")
			}
		for (room in known)
			if (!(room in lived_in) && room != "proto/base")
				complain("tests/lint/rooms.txt:" known[room], "there is no room " room)
	}')

# Units are a file without its ending; what X shares with its own parts only is X_private.h.
findings < <(house_includes | sed -E 's/\.[ch]:[0-9]+ / /; s/(\.pb-c)?\.[ch]$//; s/_private\b//g' |
	awk '$1 != $2' | sort -u | { tsort 2>&1 >/dev/null || true; } |
	sed -nE 's/^tsort: ([a-z].*\/.*)$/\1: is part of a circle of units that include each other/p')

# ---- purity ----

# forbid FILES INCLUDED WHY [EXCEPT]: extended regular expressions on path, on what is included, and
# on paths that may.
forbid() {
	findings < <(grep -HnoE '^[[:blank:]]*#[[:blank:]]*include[[:blank:]]+[<"][^>"]+' "${all[@]}" |
		awk -v files="$1" -v included="$2" -v why="$3" -v except="${4:-^$}" '{
			split($0, part, ":")
			what = $0
			sub(/.*[<"]/, "", what)
			if (part[1] ~ files && part[1] !~ except && what ~ included)
				print part[1] ":" part[2] ": includes " what ": " why
		}')
}

acts='^(protobuf-c/|zmq|sqlite3|openssl/|libssh2|zstd|cyaml/|yaml|jansson|pcre2|microhttpd|pthread|sys/|unistd|fcntl|poll|signal|spawn|time\.h|stdio\.h|dirent|netinet/|arpa/|threads)|\.pb-c\.h$'
pure='^(coordinator/(core|sessions)|worker/agent)/'
forbid '^(proto|coordinator|worker|deploy)/' '^tests/' "the house does not know its tests"
forbid "$pure" '^proto/(codec|link|keys|zap|json|base/(io|log|clock)).*\.h$' "the minds are pure"
forbid "$pure" "$acts" "the minds are pure: time, files and chance come in as inputs"
# Deciders see a const farm through view.h, so that the compiler keeps them from writing.
forbid '.' 'farm_state\.h$' "only the core's writers and readers see the structs" '^coordinator/core/(apply[a-z_]*|index|farm|export|check|invariant|view|orders|query)\.[ch]$|^tests/unit/test_core_corrupt\.c$'
forbid '.' 'core/apply_private\.h$' "only the writer's own files share it" '^coordinator/core/apply(_[a-z]+)?\.[ch]$'
forbid '.' 'worker/agent/agent_state\.h$' "only the agent's own files see what it knows" '^worker/agent/'
# Headers are found from the top of the tree.
findings < <(grep -nE '^[[:blank:]]*#[[:blank:]]*include[[:blank:]]+"' "${all[@]}" | grep -vE '"(proto|coordinator|worker|deploy|tests)/' |
	sed -E 's/^([^:]+:[0-9]+):.*"([^"]+)".*/\1: include "\2": write its path from the top of the tree/')
verdict
