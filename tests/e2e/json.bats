#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# --json of every command of the table: what succeeds is one envelope with the result that the
# command's row promises. (What is refused: unit.report.)

load farm

setup() {
	farm_setup
	nix_own
	fixture sample
	farm_make "$url"
	each_branch='include: ["*-cpu-*"]' publish_command=true farm_project 'echo made; printf "no end"'
	printf '%s\n' 'notices:' '  - name: nobody' '    kind: command' '    command: "true"' >>"$FARM_HOME/farm.yaml"
	farm_up
}

teardown() {
	farm_teardown
}

# Commands that need another host: where they run with --json.
declare -gA elsewhere=(
	[worker add]='ssh.bats: a tunnel through a jump host' [worker upgrade]='ssh.bats: a worker is upgraded'
	[worker tunnel]='never ends; the next test: refused' [move]='backup.bats: the coordinator moves'
)

# answers COMMAND...: it succeeds, in one envelope; the result in $answer.
answers() {
	answer=$(farm_result "$@") || {
		printf 'farm %s: %s\n' "$*" "$answer" >&2
		return 1
	}
	tried+=("$1" "$1 ${2:-}")
}

# has FILTER: the last answer has it.
has() {
	jq -e "$1" <<<"$answer" >/dev/null || {
		printf 'expected %s in %s\n' "$1" "$answer" >&2
		return 1
	}
}

@test "every command of the table answers in one envelope" {
	local tried=() answer token package missing
	local mine=$top/mine filter="isa=avx2 system=$here-linux python=3.13"

	answers version
	has '.version'
	answers help
	has '.commands | length > 40'

	# Another farm, which nobody runs.
	git clone --quiet --bare "$repository" "$top/git/second.git"
	answers init "$url" --home "$mine"
	has '.file'
	answers project add "file://$top/git/second.git" --home "$mine"
	has 'has("changes") | not'
	answers project list --home "$mine"
	has '.projects | length == 2'
	answers project remove second --home "$mine"
	answers target add shelf --cache "file://$top/cache" --branches main --home "$mine"
	answers target set shelf collisions=newest --home "$mine"
	has '.text | startswith("farm.yaml is fine")'

	answers config check
	has '.text | startswith("farm.yaml is fine")'
	answers config explain
	has '.text'
	answers config reload
	has '.changes == []'
	answers up --no-worker
	has '.coordinator.already'

	answers worker start one --program "$bin/farm-worker" --supervisor "$bin/farm-supervisor" --may-publish
	has '.worker.worker == "one"'
	wait_until 20 workers_online 1
	answers worker list
	has '.workers[0].state == "online"'
	answers worker set one slots=2
	has '.worker.already | not'
	answers worker drain one --reason lunch
	answers worker resume one
	wait_until 20 workers_online 1

	answers matrix "$filter"
	has '.items | length == 1'
	package=$(jq -r '.items[0].package' <<<"$answer")
	answers plan "$filter" --publish
	has '.items[0] | .disposition == "build" and .publishes'
	answers rebuild "$filter" --publish
	has '.run | .progress == "well" and .published.done == 1'
	farm rebuild "$filter" --force --json >"$top/stream"
	jq -es 'map(select(.event).event) | length > 2 and any(.kind == "job-closed")' "$top/stream"
	answers watch 1
	has '.run.run == 1'
	answers status
	has '.run.jobs | length == 1'
	answers runs
	has '.runs | length == 2'
	answers logs "1/$package"
	has '.sealed'
	farm logs "1/$package" --json >"$top/stream"
	jq -es 'map(select(.event).event.line) | index("made") and index("no end")' "$top/stream"
	answers why 1
	has '.clusters == []'
	answers why "$package"
	has '.why.verdict == "ok"'
	answers retry 1
	has '.run.retry_of == 1'
	git clone --quiet "$repository" "$top/checkout"
	answers build "$package" --from "$top/checkout"
	has '.run.local'
	answers worker smoke one
	has '.run.task == "smoke"'
	answers worker clean one --keep 1K --dry-run
	has '.sealed'

	answers ledger
	has '.ledger | length == 2'
	farm ledger --json >"$top/ledger.json"
	answers ledger --matrix
	has '.matrix | length > 0'
	answers ledger --import "$top/ledger.json"
	has '.imported == 2'
	answers publish 2

	answers pause
	answers rebuild "$filter" --force --detach
	has '.run.state == "open"'
	answers cancel "$(jq .run.run <<<"$answer")"
	answers resume
	answers notice list
	has '.notices | type == "array"'
	answers notice test
	has '.told == ["nobody"]'

	# Nobody knows what became of it: its host is gone.
	answers rebuild "$filter" --force
	local built publication
	built=$(jq .run.run <<<"$answer")
	answers release "$built"
	kill_hard worker-one
	wait_until 60 workers_online 0
	answers publish "$built"
	answers status "$built"
	publication=$(jq '.run.jobs[0].publication.publication' <<<"$answer")
	answers settle "$publication" --as published
	answers status "$built"
	has '.run.published.done == 1'

	answers secret set hub <<<"not shown"
	answers secret list
	has '.secrets | map(.name) == ["hub"]'
	[[ $answer != *"not shown"* ]]
	answers token create --role viewer
	token=$(jq -r .token <<<"$answer")
	answers join --token "$token" --name anna --home "$top/anna"
	has '.role == "viewer"'
	answers token list
	has '.tokens[0].state == "used"'
	answers token create
	answers token revoke "$(jq -r .number <<<"$answer")"
	answers key add bob --role viewer
	has '.file | length > 0'
	answers key list
	has '.peers | map(.name) | index("bob")'
	answers key revoke bob

	answers worker remove one --discard
	answers backup "$top/backup.tar"
	has '.bytes > 0'
	answers restore "$top/backup.tar" --home "$top/restored"
	has '.epoch == 2'
	answers down
	has .ran
	answers down
	has '.ran | not'

	# A row that is new in the table is tried here, or said why not.
	missing=$(printf '%s\n' "${tried[@]}" "${!elsewhere[@]}" | sort -u |
		comm -13 - <("$bin/farm" help --json | jq -r '.result.commands[].name' | sort))
	[ -z "$missing" ] || {
		echo "not tried with --json: $missing" >&2
		return 1
	}
}

@test "what is refused is an error in the same envelope, and the sentence is on standard error" {
	local line
	while read -r line; do
		# shellcheck disable=SC2086
		run --separate-stderr -1 farm_result $line
		jq -e '.kind == "refused" or .kind == "usage"' <<<"$output"
		[[ $stderr = *"farm: "* ]]
	done <<-'EOT'
		status 77
		logs nothing
		why nothing
		release nothing
		settle 9 --as published
		cancel 77
		worker drain nobody
		worker upgrade nobody
		worker add nobody@nowhere.invalid
		worker tunnel nobody
		move nobody@nowhere.invalid --program /nonexistent
		matrix colour=blue
		rebuild nothing-of-this-name
		rebuild nothing-of-this-name --detach
		token revoke 7
		secret set ../up
	EOT
	# A run that ends badly has a result, too.
	farm worker start one --program "$bin/farm-worker" --supervisor "$bin/farm-supervisor"
	sed -i 's/echo made/exit 1/' "$FARM_HOME/farm.yaml"
	run farm rebuild "isa=avx2 system=$here-linux python=3.13" --json
	[ "$status" -eq 1 ]
	tail -n 1 <<<"$output" | jq -e '.ok == false and .exit == 1 and .error.kind == "failed" and
		.result.run.progress == "failed"'
}
