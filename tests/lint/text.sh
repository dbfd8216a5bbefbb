#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# text.sh - checks every file for a licence line, debts, paths of one machine, trailing blanks, long
# lines, and tables in comments whose rows were joined.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t sources < <({
	files '*.c' '*.h' '*.def' '*.proto' '*.cmake' CMakeLists.txt 'packages.txt' '*.in' '*.yaml' '*.yml' '*.js' '*.css'
	shell_files
} | sort -u)
for file in "${sources[@]}"; do
	# Recipes of the fixtures are what a maintainer would write: they are data.
	case $file in
	tests/fixtures/*.in | tests/fixtures/scaffold/* | tests/golden/*) continue ;;
	esac
	[[ $(head -n 3 "$file") = *'SPDX-License-Identifier: MIT'* ]] ||
		finding "$file:1: has no line 'SPDX-License-Identifier: MIT' at its top"
done

mapfile -t texts < <(files '*' | grep -vE '^(tests/golden/|tests/fuzz/corpus/|LICENSE$)|\.tsv$' | xargs -d '\n' grep -lI '' --)
debts='TO''DO|FIX''ME|XX''X|HA''CK'
findings < <(grep -nE "\b($debts)\b" "${texts[@]}" | sed -E 's/^([^:]+:[0-9]+):.*/\1: a debt: pay it, or write an issue/')
places='/(ho''me|ro''ot|wo''rk|Us''ers|tm''p/w)/[a-z]'
findings < <(grep -nE "(^|[^A-Za-z0-9_.\$}~-])$places" "${texts[@]}" | sed -E 's/^([^:]+:[0-9]+):.*/\1: the path of one machine; say it relative to something/')
findings < <(grep -nE '[[:blank:]]+$' "${texts[@]}" | grep -v '\.patch:' | sed -E 's/^([^:]+:[0-9]+):.*/\1: blanks at the end/')

# clang-format leaves comments alone (ReflowComments: false), so their width is checked here.
mapfile -t code < <(c_files)
findings < <(grep -nE '^.{101,}' "${code[@]}" | sed -E 's/^([^:]+:[0-9]+):.*/\1: longer than 100 columns/')
# Rows of a table in a comment are indented and have columns: "   name   meaning". A comment line that
# has columns but no indentation is the rest of a row that was joined with the next one. A comment of
# one line may be the head of a table in code.
findings < <(grep -nE '^ *(/\*| \*) [^ ].*[^ []   +[^ *]' "${code[@]}" | grep -v '/\*.*\*/' | sed -E 's/^([^:]+:[0-9]+):.*/\1: a row of a table is joined with another: one row a line/')
verdict
