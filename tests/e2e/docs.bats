#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The commands of the pages, run as they stand there: each `farm ...` line of a ```sh block, in order,
# a farm of its own for each page. A line may be refused (there is nothing to retry), but each must
# be a command that exists, with arguments that it takes. What cannot be run here is listed, with its
# reason or with the test that does, in tests/lint/doc-commands.txt.

load farm

setup() {
	farm_setup
	fixture sample
}

teardown() {
	farm_teardown
}

# The commands of a page, the repository in them replaced by the fixture's.
commands_of() {
	awk '/^[[:blank:]]*```/ { inside = !inside && /```sh/; next }
		inside { sub(/[[:blank:]]+#.*/, ""); if ($1 == "farm") print }' "$source_dir/$1"
}

# run_page PAGE
run_page() {
	local line words ran=0
	PATH=$bin:$PATH
	while IFS= read -r line; do
		awk -F'\t' -v line="$line" '$1 == line { found = 1 } END { exit !found }' \
			"$source_dir/tests/lint/doc-commands.txt" && continue
		line=${line//https:\/\/github.com\/example\/build-torchvision/$url}
		echo "$ $line"
		# As a person types it: quotes and all, but bounded and with nothing to read.
		run timeout 120 bash -c "$line" </dev/null
		echo "$output"
		case $status in
		0 | 1 | 3 | 6) ;;
		2) says "nothing in that run matches" || return 1 ;; # nothing failed
		*) return 1 ;;
		esac
		[[ $line != "farm init "* ]] || quiet_config
		ran=$((ran + 1))
	done < <(commands_of "$1")
	[ "$ran" -gt 0 ]
}

# What a reader's editor does: other ports, a builder that needs nothing, a target.
quiet_config() {
	free_ports
	branches=$sample_branches publish_command=true farm_project "echo built \$FARM_PACKAGE"
}

@test "README.md" {
	run_page README.md
}

@test "docs/operating.md" {
	run_page docs/operating.md
}

@test "docs/machines.md" {
	run_page docs/machines.md
}
