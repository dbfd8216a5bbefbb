#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The commands of docs/debugging.md, run as they stand there, in order, against a farm that built one
# package: each must work.

load farm

setup() {
	farm_setup
	command -v gdb >/dev/null || skip "no gdb here (deploy/packages test)"
	command -v sqlite3 >/dev/null || skip "no sqlite3 here (deploy/packages test)"
	fixture sample
}

teardown() {
	farm_teardown
}

# The commands of its ```sh blocks, with this build's folder for build/release.
commands_of_page() {
	awk '/^```/ { inside = !inside && /```sh/; next }
		inside { sub(/[[:blank:]]+#.*/, ""); print }' "$source_dir/docs/debugging.md" |
		sed "s|build/release|$binary_dir|g"
}

@test "docs/debugging.md" {
	local line ran=0
	farm_make "$url"
	farm_config <<-EOT
		projects:
		  - name: torchvision
		    url: $url
		    builder: command
		    command: echo built
		    check: "off"
		    memory: 1M
		    disk: 1M
		    heavy: false
		    branches:
		      - name: main
	EOT
	farm_up
	worker_up local --slots 1
	wait_until 20 workers_online 1
	farm rebuild "gpu=sm90 isa=avx512 system=$here-linux"
	cd "$source_dir"
	while IFS= read -r line; do
		echo "$ $line"
		run -0 timeout 120 bash -c "$line" </dev/null
		echo "$output"
		ran=$((ran + 1))
	done < <(commands_of_page)
	[ "$ran" -gt 10 ]
	[[ $("$bin/farm" version) =~ ^farm\ [0-9.]+\ \(([0-9a-f]{12}(-dirty)?|unknown)\)$ ]]
	[ "$("$bin/farm" version)" = "$("$bin/farm" --version)" ]
	[ "$(farm_result version | jq -r '"farm \(.version) (\(.commit))"')" = "$("$bin/farm" version)" ]
}
