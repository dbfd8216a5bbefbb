#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs_fresh.sh [--write] [BIN]: the pages that programs print are what they print; --write makes them so.
# BIN is the folder of the programs, default $FARM_BINARY_DIR/bin.
set -eu
write=
[ "${1-}" != --write ] || { write=1 && shift; }
bin=${1:-${FARM_BINARY_DIR:-.}/bin}
[ ! -f "$bin" ] || bin=$(dirname "$bin")
docs=$(dirname "$0")/../../docs
[ -x "$bin/farm" ] || { echo "there is no $bin/farm: build it, or name its folder" >&2 && exit 77; }
status=0

# page FILE COMMAND...: FILE is what the command prints.
page() {
	local file=$docs/$1
	shift
	if [ "$write" ]; then
		"$@" >"$file.new"
		mv "$file.new" "$file"
	elif ! "$@" | diff -u "$file" -; then
		echo "$file is not what the programs say: tests/lint/docs_fresh.sh --write $bin" >&2
		status=1
	fi
}

# shellcheck disable=SC2317 # page calls it
failures() {
	"$bin/farmd" failures && "$bin/farm-worker" rules
}

page cli.md "$bin/farm" help --markdown
page config.md "$bin/farmd" config-page
page states.md "$bin/farmd" states
page requests.md "$bin/farmd" requests
page json.md "$bin/farm" help --answers
page failures.md failures
page nix-versions.md "$bin/farm-worker" escapes
exit $status
