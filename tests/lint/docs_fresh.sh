#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs_fresh.sh [--write] [FARM]: docs/cli.md is what `FARM help --markdown` prints; --write makes it so.
set -eu
write=
[ "${1-}" != --write ] || { write=1 && shift; }
farm=${1:-${FARM_BINARY_DIR:-.}/bin/farm}
page=$(dirname "$0")/../../docs/cli.md
[ -x "$farm" ] || { echo "there is no $farm: build it, or name it" >&2 && exit 77; }
if [ "$write" ]; then
	"$farm" help --markdown >"$page.new"
	mv "$page.new" "$page"
	exit 0
fi
"$farm" help --markdown | diff -u "$page" - || {
	echo "docs/cli.md is not what the commands say: tests/lint/docs_fresh.sh --write $farm" >&2
	exit 1
}
