#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The daily loop of a maintainer: one package from the checkout at hand, pushed or not.

load farm

setup() {
	farm_setup
	nix_setup
	fixture sample
	farm_make "$url"
	farm_config <<-EOT
		projects:
		  - name: torchvision
		    url: $url
		    builder: nix
		    memory: 1M
		    disk: 1M
		    branches:
		      - name: main
	EOT
	farm_up
	worker_up one
	wait_until 20 workers_online 1
	checkout=$top/checkout
	git clone --quiet "$url" "$checkout"
	package=torchvision-python313-cuda12_8-sm90-avx2
}

teardown() {
	farm_teardown
}

@test "an unpushed commit is built, and only built" {
	sed -i 's/0\.23\.0/0.24.0/' "$checkout/.flox/pkgs/$package.nix"
	git -C "$checkout" commit --quiet --all --message "Try the next version"
	git -C "$checkout" tag main # git alone then calls the branch heads/main
	farm build "$package" --from "$checkout"
	run farm logs "$package"
	says "$package 0.24.0"
	run farm why "$package"
	[[ $output != *heads/* ]]
	farm_rows ledger | jq -e '. == []'
	[ "$(git --git-dir="$repository" log --format=%s -1 main)" != "Try the next version" ]
}

@test "a commit that breaks it fails here, before anyone sees it" {
	echo 'this is no nix' >"$checkout/.flox/pkgs/$package.nix"
	git -C "$checkout" commit --quiet --all --message "Break it"
	run farm build "$package" --from "$checkout"
	[ "$status" -eq 1 ]
	job_is "$package" cause eval
}

@test "a package that this checkout has not: refused with the nearest" {
	refuses 2 "$package" farm build "${package}2" --from "$checkout"
}
