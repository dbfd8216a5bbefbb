#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shell.sh - shellcheck finds nothing in our scripts; no test waits for time to pass, or is content
# with a file that is not there.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_release shellcheck

mapfile -t scripts < <(shell_files | grep -vE '\.(bats|bash)$' | sort -u | of_interest)
mapfile -t tests < <(files '*.bats' '*.bash' | of_interest)
findings < <(printf '%s\n' "${scripts[@]}" | xargs -r "$tool" --format=gcc || true)
# What `load` brings and what it uses is not seen across files; texts for another shell are single-
# quoted on purpose.
findings < <(printf '%s\n' "${tests[@]}" |
	xargs -r "$tool" --format=gcc --shell=bats --exclude=SC2154,SC2034,SC2016,SC1091 || true)

# A pause of wait_until between two looks is fine; a build that takes its time is a fixture's.
findings < <(grep -nE '^[[:blank:]]*(sleep|usleep) ' "${tests[@]}" /dev/null | grep -v '^tests/e2e/farm.bash:' |
	sed -E 's/^([^:]+:[0-9]+):.*/\1: sleeps: wait for the condition itself (wait_until)/')

# It is content with a file that is not there.
findings < <(grep -nE 'run ! grep ' "${tests[@]}" /dev/null |
	sed -E 's/^([^:]+:[0-9]+):.*/\1: passes without the file, too: use lacks or files_with/')
verdict
