# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - what the lint scripts share. Each script looks at the whole tree, prints one line per
# finding as FILE:LINE: what to do, and ends with 1 when there was one.
#
# FARM_LINT says how much of it: `whole`; `quick`, where what looks at one file at a time looks at those
# that changed; by default all but clang-tidy (tidy.sh) look at all of it.
# FARM_SOURCE_DIR and FARM_BINARY_DIR come from ctest; by hand, the checkout and build/dev.

set -euo pipefail
export LC_ALL=C.UTF-8

source_dir=${FARM_SOURCE_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
# shellcheck disable=SC2034 # for those who source this
binary_dir=${FARM_BINARY_DIR:-$source_dir/build/dev}
lint=${FARM_LINT:-usual}
cd "$source_dir"

# files PATTERN...: the files of the tree whose name matches one of the patterns; nothing built,
# nothing of git's.
files() {
	local pattern wanted=()
	for pattern in "$@"; do
		wanted+=(-o -name "$pattern")
	done
	find . \( -path './.git' -o -path './build*' -o -name node_modules \) -prune -o \
		-type f \( "${wanted[@]:1}" \) -printf '%P\n' | sort
}

# The commit that this work began at: the newest that it shares with main, or else the last one.
base() {
	local there since
	for there in origin/HEAD origin/main main; do
		since=$(git merge-base HEAD "$there" 2>/dev/null) || continue
		if [ "$since" != "$(git rev-parse HEAD)" ]; then
			echo "$since"
			return
		fi
	done
	git rev-parse --quiet --verify 'HEAD~1^{commit}'
}

# Files that are not as they were then; `.`, which stands for all, where nobody knows.
changed() {
	local since
	since=$(base 2>/dev/null) || { echo . && return; }
	git diff --name-only "$since"
	git ls-files --others --exclude-standard
}

# of_interest < FILES: those to look at, for lints that look at one at a time.
of_interest() {
	local those
	those=$([ "$lint" != quick ] || changed)
	if [ "$lint" = quick ] && [ "$those" != . ]; then
		grep -xF "$those" || true
	else
		cat
	fi
}

c_files() {
	files '*.c' '*.h'
}

# Scripts: what a shell runs, by name or by first line.
shell_files() {
	files '*.sh' '*.bash' '*.bats'
	files '*' | grep -v '\.[a-z0-9-]*$' | while read -r file; do
		if grep -m 1 -nIE '^#!.*[/ ](ba)?sh' "$file" | grep '^1:' >/dev/null; then
			echo "$file"
		fi
	done
}

found=0
finding() {
	printf '%s\n' "$*"
	found=1
}

# findings < LINES: each line is one.
findings() {
	local line
	while IFS= read -r line; do
		finding "$line"
	done
}

# In ctest 77 says "skipped".
need() {
	command -v "$1" >/dev/null || {
		echo "skipped: no $1 here (deploy/packages test lint)"
		exit 77
	}
}

# What these say differs between their releases, and the tree agrees with one: Debian 12's.
declare -A releases=([clang]=14 [clang-format]=14 [clang-tidy]=14 [shellcheck]=0.9)

# need_release TOOL: of that release. Leaves its name in $tool: TOOL, or the one that is named after the
# release, which Debian has beside a newer one.
need_release() {
	local release=${releases[$1]} name found=''
	for name in "$1-$release" "$1"; do
		command -v "$name" >/dev/null || continue
		found=$("$name" --version | sed -nE '/version/{s/^.*version:? ([0-9.]+).*/\1/p;q}')
		[[ $found. != "$release".* ]] || {
			# shellcheck disable=SC2034 # for those who source this
			tool=$name
			return
		}
	done
	need "$1"
	echo "skipped: $1 is of release ${found:-unknown} here; the tree is written for $release (Debian 12)"
	exit 77
}

verdict() {
	[ "$found" -eq 0 ] || exit 1
	echo "fine"
}
