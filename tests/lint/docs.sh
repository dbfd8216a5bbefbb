#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs.sh - the pages are true: each command in them is run by a test or listed with a reason, and
# each file and page they name exists. (That pages made from the code are fresh is docs_fresh.sh's.)
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
listed=$source_dir/tests/lint/doc-commands.txt

# The commands of the ```sh blocks, as FILE:LINE:COMMAND, comments cut off.
commands() {
	awk 'FNR == 1 { inside = 0 }
		/^[[:blank:]]*```/ { inside = !inside && /```(sh|console)/; next }
		inside { sub(/[[:blank:]]+#.*/, ""); sub(/^[[:blank:]]+/, ""); sub(/^\$ /, "")
			if ($0 != "") print FILENAME ":" FNR ":" $0 }' "$@"
}

mapfile -t pages < <(files '*.md')
while IFS= read -r line; do
	command=${line#*:*:}
	place=${line%:"$command"}
	row=$(awk -F'\t' -v command="$command" '$1 == command' "$listed")
	# debugging.bats runs every command of that page.
	[[ ${place%%:*} != docs/debugging.md ]] || continue
	# docs.bats runs every farm command of these pages, but those listed.
	if [ -z "$row" ] && [[ $command = farm\ * && ${place%%:*} =~ ^(README|docs/operating|docs/machines)\.md$ ]]; then
		continue
	fi
	if [ -z "$row" ]; then
		finding "$place: '$command' is in no test: run it in one, or say why not in tests/lint/doc-commands.txt"
		continue
	fi
	IFS=$'\t' read -r _ file text <<<"$row"
	[ "$file" != - ] || continue
	grep -F -- "$text" "$file" >/dev/null 2>&1 ||
		finding "$place: tests/lint/doc-commands.txt says that $file runs '$text'; it does not"
done < <(commands "${pages[@]}")

# Links between pages.
while IFS= read -r line; do
	page=${line%%:*}
	target=${line#*](}
	target=${target%)}
	case $target in
	http*://* | '#'*) continue ;;
	esac
	[ -e "$(dirname "$page")/${target%%#*}" ] || finding "${line%%:\[*}: links to $target, which is not there"
done < <(grep -noE '\[[^]]*\]\([^)]+\)' "${pages[@]}")

# Files named in backquotes with a path of ours.
# shellcheck disable=SC2016 # backquotes of Markdown
while IFS= read -r line; do
	name=${line%\`}
	name=${name##*\`}
	compgen -G "$name" >/dev/null || finding "${line%%:\`*}: names $name, which is not there"
done < <(grep -noE '`(proto|coordinator|worker|deploy|tests|docs)/[A-Za-z0-9_./*-]+`' "${pages[@]}" |
	grep -vE 'cmd_x|test_X|NAME|/X\.')

# Decisions: one layout, and each in the index.
for page in docs/adr/0*.md; do
	number=$(basename "$page" | sed -E 's/^0*([0-9]+)-.*/\1/')
	[ "$(grep -E '^(# |Status:|## )' "$page" | sed -E 's/^(# [0-9]+\.) .*/\1/; s/^(Status:).*/\1/' | grep -vE '^## (Reasons|Old names)$' | tr '\n' '|')" = \
		"# $number.|Status:|## Context|## Decision|## Consequences|" ] ||
		finding "$page:1: is not laid out as docs/adr/README.md says"
	grep -F "($(basename "$page"))" docs/adr/README.md >/dev/null ||
		finding "$page:1: docs/adr/README.md does not list it"
done

verdict
