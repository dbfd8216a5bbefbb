# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# rounds.bash - a round in which nothing is spared, on a farm of three hosts (farm_hosts.bash).
#
# A round: the matrix builds and publishes while processes are killed and links fail, drawn from a
# seed; whatever a service manager would start again is started again. Then the judge: what ended
# otherwise than well must be the work of a victim that the round itself killed, and is counted once.
# What the round did is in $deeds, what builds and publishes did in files below $round.

workers=(one two three)

# The dice: not RANDOM, whose numbers differ between bash's versions and in subshells.
roll() {
	dice=$(((dice * 1103515245 + 12345) & 0x7fffffff))
	rolled=$(((dice >> 8) % $1))
}

pick() {
	roll $#
	picked=${*:rolled+1:1}
}

# moment MS: at most so long, by the dice. The one place where time itself is meant.
moment() {
	local text
	roll "$1"
	read -r -t "$((rolled / 1000)).$(printf %03d $((rolled % 1000)))" text <>"$top/nothing" || true
}

deed() {
	printf '%s.%s %s\n' "$((SECONDS - round_began))" "${EPOCHREALTIME: -6:1}" "$*" >>"$deeds"
}

# ---- the farm -----------------------------------------------------------------------------------

rounds_setup() {
	farm_setup
	fixture sample
	mkfifo "$top/nothing"
	hosts_setup "${workers[@]}"
}

# The git of all hosts: git itself, and its death where it was ambushed.
round_git() {
	local git
	git=$(command -v git)
	mkdir -p "$round/programs"
	cat >"$round/programs/git" <<-EOT
		#!/bin/sh
		mv "$round/ambush" "$round/ambush.\$\$" 2>/dev/null || exec "$git" "\$@"
		read -r delay <"$round/ambush.\$\$"
		echo "kill git \$*" >>"$round/victims.git"
		"$git" "\$@" <&0 & sleep "\$delay"; kill -KILL \$! \$\$
	EOT
	chmod +x "$round/programs/git"
	PATH=$round/programs:$PATH
}

# What a build and a publish do: shell scripts, since a farm's target may be a command. Both keep the
# log file of their attempt by a second name: the worker forgets the first.
round_scripts() {
	mkdir -p "$round/kept" "$round/shelf"
	cat >"$round/build" <<-EOT
		token=\${FARM_ATTEMPT##*/}
		ln "\$FARM_ATTEMPT/log" "$round/kept/\$token"
		echo "\$FARM_PACKAGE \$token" >>"$round/begun"
		for piece in 10 11 12 13 14 15 16 17 18 19; do
		    echo "\$token \$piece"
		    seq \${piece}0000 \${piece}9999
		    head -c 3000 /dev/urandom; sleep 0.3
		done
	EOT
	cat >"$round/publish" <<-EOT
		token=\${FARM_ATTEMPT##*/}
		ln "\$FARM_ATTEMPT/log" "$round/kept/\$token"
		exec 9>"$round/shelf/\$FARM_PACKAGE.lock"
		flock -n 9 || echo "\$FARM_PACKAGE \$token" >>"$round/overlaps"
		echo "\$FARM_PACKAGE \$token" >>"$round/published"
		seq 1 2000; sleep 0.2
		if [ -e "$round/shelf/\$FARM_PACKAGE" ]; then echo "already published"; exit 0; fi
		echo "\$token" >"$round/shelf/\$FARM_PACKAGE"; sleep 0.2
		seq 2000 4000
	EOT
}

round_farm() {
	local name
	farm init "$url" >/dev/null
	heartbeat=300ms lease_ttl=2s lost_grace=10m retry_delay=300ms attempts_max=10 lost_max=10 \
		project=vision branches=$sample_branches publish_command=". $round/publish" \
		farm_project ". $round/build"
	farm_up
	for name in "${workers[@]}"; do
		agent_enrol "$name" "$round/$name"
		agent_up "$name" --slots 2 --may-publish
	done
	wait_until 30 workers_online "${#workers[@]}"
}

# ---- what fails ---------------------------------------------------------------------------------

# hurt WORKER: its link, in one of many ways. The proxy's are described in faultproxy.c.
hurt() {
	pick cut mute deaf stall-up stall-down stall-both vanish orphan reset refuse cut-up cut-down delay loss
	deed "link of $1: $picked"
	case $picked in
	cut) net_cut "$1" ;;
	mute) net_silence "$1" coordinator ;;
	deaf) net_silence coordinator "$1" ;;
	stall-*) proxy "$1" stall "${picked#stall-}" ;;
	cut-*) roll 30000 && proxy "$1" cut "${picked#cut-}" $((rolled + 1)) ;;
	delay) roll 400 && proxy "$1" delay $((rolled + 10)) ;;
	loss) roll 40 && proxy "$1" loss $((rolled + 5)) ;;
	*) proxy "$1" "$picked" ;;
	esac
}

mend() {
	link_mend "$1"
	deed "link of $1: mended"
}

kill_coordinator() {
	! gone "$(pid_of farmd)" || return 0
	deed "kill coordinator"
	kill_hard farmd
}

kill_agent() {
	pick "${!agent[@]}"
	deed "kill agent $picked"
	agent_kill "$picked"
}

# The victim's token and phase are on its command line; it may end by itself meanwhile.
kill_supervisor() {
	local words folder phase found
	mapfile -t found < <(grep -lsaF -- "$round/" /proc/[0-9]*/cmdline | xargs -r grep -lsa '^[^[:cntrl:]]*farm-supervisor')
	[ ${#found[@]} -gt 0 ] || return 0
	pick "${found[@]}"
	mapfile -d '' -t words <"$picked" || return 0
	folder=$(argument_of --folder "${words[@]}") phase=$(argument_of --phase "${words[@]}")
	kill -KILL "$(tr -cd 0-9 <<<"$picked")" || return 0
	echo "${folder##*/} $phase" >>"$round/victims"
	deed "kill supervisor of ${folder#"$round/"} $phase"
} 2>/dev/null

# argument_of OPTION WORD...: the word behind it.
argument_of() {
	local option=$1
	shift
	while [ $# -gt 1 ]; do
		[ "$1" != "$option" ] || echo "$2"
		shift
	done
}

# A git lives for some milliseconds: the next one that starts is killed so many later.
kill_git() {
	roll 60
	printf '0.%03d\n' "$rolled" >"$round/ambush"
	wait_until 2 test ! -e "$round/ambush" 2>/dev/null || rm -f "$round/ambush"
	deed "$(tail -qn 1 "$round/victims.git" 2>/dev/null || echo "no git came by")"
}

restart_what_died() {
	local name
	! gone "$(pid_of farmd)" || farm up --no-worker --no-keeper >/dev/null
	for name in "${workers[@]}"; do
		[ -n "${agent[$name]:-}" ] || agent_up "$name" --slots 2 --may-publish
	done
}

# blow KIND: a victim, sometimes a second one at the same time, often with the link of a worker hurt
# before: every other time for longer than a lease.
blow() {
	local link=''
	moment 500
	roll 10
	if [ "$rolled" -lt 7 ]; then
		pick "${workers[@]}"
		link=$picked
		hurt "$link"
		moment 800
	fi
	"kill_$1"
	roll 10
	[ "$rolled" -gt 2 ] || {
		pick coordinator agent supervisor
		"kill_$picked"
	}
	moment 1000
	restart_what_died
	[ -z "$link" ] || {
		moment 3000
		mend "$link"
	}
}

# ---- the judge ----------------------------------------------------------------------------------

# Every attempt of the run, a line of JSON: package, token, ordinal, outcome, cause, detail.
tries() {
	local package
	farm_result status 1 | jq -c '.run.jobs[] | select(.attempts == 1) |
		{package, token: .attempt, ordinal: 1, outcome: .verdict, detail: ""}'
	for package in $(farm_result status 1 | jq -r '.run.jobs[] | select(.attempts > 1) | .package'); do
		farm_result why "1/$package" | jq -c --arg package "$package" '.why.tries[] + {package: $package}'
	done
}

# Attempts that ended badly without one of this round's deeds to blame. An offer that was never seen
# to arrive is taken back when its worker is gone; whether it arrived nobody can tell. While it works on
# one of those all the same, a worker has no slot and refuses the next: nothing of that began.
lost_builds() {
	jq -r 'select(.outcome != "ok") | "\(.token) \(.worker) \(.outcome) \(.failed_phase) \(.cause): \(.detail)"' "$round/tries" |
		while read -r token worker outcome phase text; do
			[[ $outcome != refused && $outcome/$phase != lost/none ]] || continue
			! grep -qs "^$token " "$round/victims" || continue
			[ "$phase" != checkout ] || ! grep -qs " $round/$worker/" "$round/victims.git" || continue
			echo "$token of $worker: $outcome in $phase, $text"
		done
}

# taken_back [PACKAGE]: tokens of offers that were taken back: no phase of theirs was ever shown.
taken_back() {
	jq -r --arg package "${1:-}" 'select(.outcome == "lost" and .failed_phase == "none") |
		select($package == "" or .package == $package) | .token' "$round/tries" | sort
}

# Those of them whose build had begun all the same.
begun_in_vain() {
	comm -12 <(taken_back) <(cut -d ' ' -f 2 "$round/begun" | sort)
}

# Packages whose build or publish began once more than it had reason to.
begun_too_often() {
	local package count
	while read -r count package; do
		[ "$count" -le "$(excuses "$package" "$2")" ] || echo "$package: $count times"
	done < <(cut -d ' ' -f 1 "$1" | sort | uniq -c)
}

# 1, and one for each attempt whose supervisor was killed in that phase, or that was taken back.
excuses() {
	local token count=1
	while read -r token _; do
		if grep -qs "^$token $2" "$round/victims"; then
			count=$((count + 1))
		fi
	done < <(grep -h "^$1 " "$round/begun" "$round/published" | cut -d ' ' -f 2)
	echo $((count + $(taken_back "$1" | wc -l)))
}

# The logs of attempts and of the newest try of each publication, against the worker's own file.
differing_logs() {
	local token ordinal package
	while read -r token ordinal package; do
		[ -e "$round/kept/$token" ] || continue
		farm logs "1/$package" --attempt "$ordinal" --raw | cmp "$round/kept/$token" - 2>&1 || true
	done < <(jq -r 'select(.outcome != "lost" or .failed_phase != "none") |
		"\(.token) \(.ordinal) \(.package)"' "$round/tries")
	for package in $packages; do
		token=$(grep "^$package " "$round/published" | tail -n 1 | cut -d ' ' -f 2)
		farm logs "1/$package" --publish --raw | cmp "$round/kept/$token" - 2>&1 || true
	done
}

all_is_told() {
	local said
	said=$(differing_logs)
	[ -z "$said" ] || {
		echo "$said"
		return 1
	}
}

# Nothing is kept any more of what is closed.
all_is_forgotten() {
	local said
	said=$(find "$round"/*/attempts -mindepth 1 -maxdepth 1)
	[ -z "$said" ] || {
		echo "$said"
		return 1
	}
}

# nothing_of WHAT TEXT: there is no text.
nothing_of() {
	[ -z "$2" ] || {
		printf '%s:\n%s\n' "$1" "$2" >&2
		return 1
	}
}

judge() {
	packages=$(farm_result status 1 | jq -r '.run.jobs[].package')
	local count
	count=$(wc -w <<<"$packages")
	ended_as "$count ok, 0 failed, $count published" 1
	tries >"$round/tries"
	nothing_of "builds lost" "$(lost_builds)"
	nothing_of "built too often" "$(begun_too_often "$round/begun" build)"
	nothing_of "published too often" "$(begun_too_often "$round/published" publish)"
	nothing_of "published at the same time" "$(cat "$round/overlaps" 2>/dev/null)"
	[ "$(farm_rows ledger | jq -r '.[].package' | sort)" = "$(sort <<<"$packages")" ]
	[ "$(find "$round/shelf" -type f ! -name '*.lock' -printf '%f\n' | sort)" = "$(sort <<<"$packages")" ]
	wait_until 30 all_is_told
	wait_until 60 all_is_forgotten
	echo "$count jobs, $(wc -l <"$round/tries") attempts," \
		"$(taken_back | wc -l) taken back ($(begun_in_vain | wc -l) begun)," \
		"$(wc -l <"$round/published") publishes"
}

# ---- a round ------------------------------------------------------------------------------------

# all_published RUN: it is closed, and so is all it had to publish.
all_published() {
	farm_result status "$1" | jq -e '.run.state == "closed" and
		.run.published.done == (.run.jobs | length)' >/dev/null
}

# play SEED
play() {
	local blows victims=(coordinator agent supervisor git) PATH=$PATH
	dice=$1 round=$top/$1 round_began=$SECONDS
	deeds=$round/deeds FARM_HOME=$round/farm
	mkdir -p "$round"
	: >"$deeds"
	round_git
	round_scripts
	round_farm
	farm rebuild --detach --publish isa=avx2,avx >/dev/null
	for blows in 0 1 2 3 4 5; do
		! all_published 1 || break
		blow "${victims[($1 + blows) % 4]}"
	done
	wait_until 120 all_published 1
	judge
}
