#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# includes.sh - include arrows point one way.
#
#   cli -> coordinator -> core -> proto;  worker -> proto;  cli -> deploy -> proto
#
# proto includes nothing of ours but proto; coordinator and worker never each other's; the pure
# minds (coordinator/core, worker/agent.c) see no shell and no library that does something; who may
# write the farm is decided by who includes farm_state.h.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# forbid FILES INCLUDED WHY [EXCEPT]: extended regular expressions on path, on what is included, and
# on paths that may.
forbid() {
	findings < <(grep -HnoE '^[[:blank:]]*#[[:blank:]]*include[[:blank:]]+[<"][^>"]+' "${all[@]}" |
		awk -v files="$1" -v included="$2" -v why="$3" -v except="${4:-^$}" '{
			split($0, part, ":")
			what = $0
			sub(/.*[<"]/, "", what)
			if (part[1] ~ files && part[1] !~ except && what ~ included)
				print part[1] ":" part[2] ": includes " what ": " why
		}')
}

mapfile -t all < <(c_files)
acts='^(protobuf-c/|zmq|sqlite3|openssl/|libssh2|zstd|cyaml/|yaml|jansson|pcre2|microhttpd|pthread|sys/|unistd|fcntl|poll|signal|spawn|time\.h|stdio\.h|dirent|netinet/|arpa/|threads)|\.pb-c\.h$'

forbid '^proto/' '^(coordinator|worker|deploy|tests)/' "proto is below everything else"
forbid '^worker/' '^(coordinator|deploy|tests)/' "a worker knows proto only"
forbid '^coordinator/' '^(worker|tests)/' "a coordinator knows proto only, its CLI deploy, too"
forbid '^deploy/' '^(coordinator|worker|tests)/' "deploy knows proto only"
forbid '^coordinator/([^/]+|core/[^/]+)$' '^coordinator/cli/' "the CLI is a client: nothing includes it"
forbid '^coordinator/([^/]+|core/[^/]+)$' '^deploy/' "only the CLI sets up hosts; a coordinator waits for none"
forbid '^coordinator/core/' '^coordinator/[^/]+$' "the core never sees its shell"
forbid '^coordinator/core/' '^proto/(codec|frame|link|keys|zap|json|base/(io|log|clock)).*\.h$' "the core is pure"
forbid '^coordinator/core/' "$acts" "the core is pure: time, files and chance come in as inputs"
forbid '^worker/agent\.[ch]$' '^worker/(custody|folder|supervisor|workspace|probe|logtail|builders/)' "the agent is pure"
forbid '^worker/agent\.[ch]$' '^proto/(codec|link|keys|zap|json|base/(io|log|clock)).*\.h$' "the agent is pure"
forbid '^worker/agent\.[ch]$' "$acts" "the agent is pure: time, files and chance come in as inputs"
forbid '^(coordinator/[^/]+|coordinator/cli/.*|tests/.*|worker/.*|proto/.*)$' 'farm_state\.h$' "only the core's writers and readers see the structs"
# Deciders see a const farm through view.h, so that the compiler keeps them from writing.
forbid '^coordinator/core/' 'farm_state\.h$' "only writers and readers see the structs" '/(apply|keep|farm|export|check|view|peek)\.[ch]$'
forbid '.' 'core/apply\.h$' "only the writer's own files share it" '^coordinator/core/apply(_[a-z]+)?\.[ch]$'
# Headers are found from the top of the tree.
findings < <(grep -nE '^[[:blank:]]*#[[:blank:]]*include[[:blank:]]+"' "${all[@]}" | grep -vE '"(proto|coordinator|worker|deploy|tests)/' |
	sed -E 's/^([^:]+:[0-9]+):.*"([^"]+)".*/\1: includes "\2": write its path from the top of the tree/')
verdict
