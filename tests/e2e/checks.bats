#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Checks that mean something: a branch whose test-build.sh wants a Python that no host has, as the
# real ones do, and GPUs that this host has not.

load farm

cpu=tool-python313-cpu
gpu=tool-python313-cuda12_8-sm999

setup() {
	farm_setup
	repository=$top/git/tool url=file://$top/git/tool
	mkdir -p "$repository/.flox/pkgs"
	cd "$repository" || return
	git init --quiet --initial-branch main
	echo '{}' | tee ".flox/pkgs/$cpu.nix" ".flox/pkgs/$gpu.nix" >/dev/null
	script 'python3.99 -c "import tool"'
	farm_make "$url"
}

teardown() {
	farm_teardown
}

# script LINE...: commits a test-build.sh of these lines.
script() {
	printf '%s\n' '#!/usr/bin/env bash' 'set -e' "$@" >test-build.sh
	chmod +x test-build.sh
	git add --all
	git commit --quiet --message "The check"
}

project() {
	farm_config <<-EOT
		projects:
		  - name: tool
		    url: $url
		    builder: command
		    command: |
		      mkdir -p made/bin; cp "$(type -P true)" made/bin/python3
		      echo "\$PWD/made" > "\$FARM_OUTPUTS"
		    heavy: false
		    memory: 1M
		    disk: 1M
		    system: $here-linux
		    check: "$1"
		    branches:
		      - name: main
	EOT
}

@test "what could not be checked is built, says so, and was told before; a retry takes today's check" {
	project auto
	farm_up
	worker_up one --slots 2
	wait_until 20 workers_online 1
	run -0 farm rebuild
	echo "$output"
	job_is $cpu verdict ok
	job_is $cpu checked none
	run farm why $cpu
	says "not checked: its check could not start: ./test-build.sh: line 3: python3.99: command not found"
	run farm why $gpu
	says "not checked: its check needs a GPU of sm999, and the host has none"
	farm_result status 1 | jq -e '.run.warnings ==
		["branch main of tool: test-build.sh calls python3.99, which is not in PATH (on one)"]'
	farm_result status 1 | jq -e '.run.branches[0].summary == "2/2 built, 2 not checked"'

	# What it is given: the result of a command, its Python, and no GPU.
	script 'test $FARM_CHECK = cpu' 'test -z "$CUDA_VISIBLE_DEVICES"' 'test -d "$FARM_RESULT"' \
		'"$FARM_RESULT_PYTHON"' 'test "${FARM_RESULT_PYTHON%/bin/python3}" = "$FARM_RESULT"'
	run -0 farm rebuild $cpu
	job_is $cpu checked cpu
	farm_result status 2 | jq -e '.run.warnings == []'

	script 'exit 3'
	run -1 farm rebuild $cpu
	job_is $cpu cause check
	project off
	run -0 farm retry 3
	job_is $cpu verdict ok
}
