#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A second repository in the same farm: `farm project add`.

load farm

setup() {
	farm_setup
	fixture failing
	second=$url
	fixture sample
	farm_make "$url"
}

teardown() {
	farm_teardown
}

projects() {
	farm_result matrix | jq -r '[.items[].project] | unique | join(" ")'
}

@test "behind the others, comments and all; a running coordinator reads it again" {
	farm_config <<-EOT
		projects:
		- name: torchvision # as a person writes it
		  url: $url
		  builder: nix
		  branches: [{name: main}]

		# where it all goes
		targets: []
	EOT
	cp "$FARM_HOME/farm.yaml" "$top/before"
	farm_up
	[ "$(projects)" = torchvision ]
	run farm project add "$second"
	echo "$output"
	[ "$status" -eq 0 ]
	says "projects: build-failing, new"
	wait_until 20 eval '[ "$(projects)" = "build-failing torchvision" ]'
	# Nothing was taken away, and what followed the list still does.
	[ "$(diff "$top/before" "$FARM_HOME/farm.yaml" | grep -c '^<')" -eq 0 ]
	sed -n '/^# where it all goes/,$p' "$FARM_HOME/farm.yaml" | grep -qx 'targets: \[\]'
}

@test "into a farm.yaml without projects, or with an empty list" {
	farm_config <<<""
	farm project add "$second"
	farm config check | grep -F "projects 1"
	farm_config <<<"projects: []"
	farm project add "$second"
	farm config check | grep -F "projects 1"
}

@test "what cannot be added changes nothing: the same again, no packages, one line" {
	farm project add "$second"
	cp "$FARM_HOME/farm.yaml" "$top/before"
	refuses 3 "two projects have the name" farm project add "$second"
	git init --quiet "$top/empty"
	refuses 3 "farm.yaml was not changed" farm project add "file://$top/empty"
	cmp "$top/before" "$FARM_HOME/farm.yaml"
	farm_config <<<"projects: [{name: a, url: $url, branches: [{name: main}]}]"
	refuses 3 "written on one line" farm project add "$second"
}
