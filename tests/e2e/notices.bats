#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Telling people: once when a run ends, once when a person is needed, never once a variant.

load farm

setup() {
	farm_setup
	fixture sample
	farm_make "$url"
	hook=$top/hook
	mkdir "$hook"
	python3 "$source_dir/tests/e2e/hook.py" "$hook" 3>&- &
	hook_pid=$!
	wait_until 20 test -e "$hook/port"
	hook_url=http://127.0.0.1:$(cat "$hook/port")
}

teardown() {
	touch "$hook/end"
	[ -z "${hook_pid:-}" ] || wait "$hook_pid"
	farm_teardown
}

# project COMMAND PUBLISH_COMMAND < NOTICES: three variants of main, built and published by commands.
project() {
	url=${project_url:-$url} publish_command=$2 \
		each_branch='include: ["*-sm90-avx512", "*-sm90-avx2", "*-sm80-avx2"]' farm_project "$1"
	{
		echo 'notices:'
		sed 's/^/  /'
	} >>"$FARM_HOME/farm.yaml"
}

ready() {
	farm_up
	worker_up one --slots 4 --may-publish
	wait_until 20 workers_online 1
}

# told KIND NUMBER: so many posts of this kind arrived.
told() {
	local count
	count=$(cat /dev/null "$hook"/*.body | jq -s --arg kind "$1" 'map(select(.notice == $kind)) | length')
	[ "$count" -eq "$2" ] || {
		echo "$count of $1, not $2"
		return 1
	}
}

nothing_on_its_way() {
	farm_rows notice list | jq -e 'all(.state != "raised")' >/dev/null
}

@test "a web hook gets one signed notice at a run's end, also when it was down before" {
	project "true" "true" <<-EOT
		- name: team
		  kind: webhook
		  url: $hook_url/farm
		  secret: hook
	EOT
	ready
	# As an editor saved it: a byte order mark, blanks, a line end.
	printf '\xef\xbb\xbf open sesame \r\n' | farm secret set hook
	echo 1 >"$hook/fails"
	farm rebuild --publish
	wait_until 60 told run-ended 1
	wait_until 20 nothing_on_its_way
	[ "$(cat "$hook/fails")" = 0 ]
	told run-opened 0
	jq -e '.farm == "farm" and .subject == "run 1" and .about.branches[0].summary == "3/3 published"
		and .text == "run 1 ended: 3 ok; 3 of 3 published"' "$hook/1.body"
	grep -qx '/farm' "$hook/1.head"
	grep -qi '^X-Farm-Notice: run-ended' "$hook/1.head"
	grep -qi "^X-Farm-Signature-256: sha256=$(openssl dgst -sha256 -hmac 'open sesame' \
		-r "$hook/1.body" | cut -d' ' -f1)" "$hook/1.head"
}

@test "failures of many variants with one cause are one notice, with the branch's line in it" {
	project "false" "true" <<-EOT
		- name: team
		  kind: webhook
		  url: $hook_url/
	EOT
	ready
	run farm rebuild
	[ "$status" -eq 1 ]
	wait_until 60 told run-ended 1
	wait_until 20 nothing_on_its_way
	[ "$(find "$hook" -name '*.body' | wc -l)" -eq 1 ]
	jq -e '.about.branches[0].summary | test("^0/3 built, 3 failed \\(1 cause\\)")' "$hook/1.body"
	run farm status
	says "main 0/3 built, 3 failed (1 cause)"
}

@test "mail and command: one mail with the branches in it, one call" {
	cat >"$top/sendmail" <<-'EOT'
		#!/bin/sh
		cat >"$(dirname "$0")/mail.new" && mv "$(dirname "$0")/mail.new" "$(dirname "$0")/mail"
		echo "$@" >"$(dirname "$0")/mail.args"
	EOT
	chmod +x "$top/sendmail"
	project "true" "true" <<-EOT
		- name: ann
		  kind: mail
		  to: ann@vision.example
		  command: $top/sendmail
		- name: bell
		  kind: command
		  command: cat >$top/bell.\$FARM_NOTICE
		  kinds: [run-opened, run-ended]
	EOT
	ready
	farm rebuild --publish
	wait_until 60 test -e "$top/mail" -a -e "$top/bell.run-ended" -a -e "$top/bell.run-opened"
	grep -qx 'To: ann@vision.example' "$top/mail"
	grep -qx 'Subject: \[farm\] run 1 ended: 3 ok; 3 of 3 published' "$top/mail"
	grep -qx '  torchvision main: 3/3 published' "$top/mail"
	[ "$(cat "$top/mail.args")" = "-t -i" ]
	jq -e '.notice == "run-ended" and .run == 1' "$top/bell.run-ended"
}

@test "an account that refuses is one notice for three variants, in status too, until it is released" {
	cat >"$top/publish" <<-EOT
		#!/bin/sh
		test -e $top/good && exit
		echo 'ERROR: 401 Unauthorized: no'
		exit 77 # the account is refused
	EOT
	chmod +x "$top/publish"
	project "true" "$top/publish" <<-EOT
		- name: team
		  kind: webhook
		  url: $hook_url/
	EOT
	ready
	farm rebuild --detach --publish
	wait_until 60 told publishing-held 1
	wait_until 60 held 3
	told publishing-held 1
	run farm status
	says "needs you: publishing to shelf is held"
	touch "$top/good"
	echo new | farm secret set shelf
	wait_until 60 told run-ended 1
	told publishing-held 1
	run farm notice list
	says "nothing waits for you"
	ended_as "3 ok, 0 failed, 3 published"
}

held() {
	farm_result status | jq -e --argjson number "$1" '.run.published.held == $number' >/dev/null
}

@test "github: a status for the branch's commit, pending and then success" {
	# The real URL, served by the repository of this test.
	project_url=https://github.com/vision/build-torchvision.git
	git config --file "$top/gitconfig" "url.$url.insteadOf" "$project_url"
	export GIT_CONFIG_GLOBAL=$top/gitconfig
	project "true" "true" <<-EOT
		- name: statuses
		  kind: github
		  url: $hook_url
		  secret: github
	EOT
	ready
	echo ghp_token | farm secret set github
	farm rebuild --publish
	wait_until 60 test -e "$hook/2.body"
	local commit
	commit=$(farm_result status | jq -r '.run.branches[0].commit')
	grep -qx "/repos/vision/build-torchvision/statuses/$commit" "$hook/1.head"
	grep -q '^Authorization: Bearer ghp_token' "$hook/1.head"
	jq -es 'map(.state) | sort == ["pending", "success"]' "$hook"/*.body
	jq -e '.context == "farm/torchvision"' "$hook/2.body"
}

@test "test: says who was told and who not; and a broken address is found in farm.yaml" {
	project "true" "true" <<-EOT
		- name: team
		  kind: webhook
		  url: $hook_url/
		- name: gone
		  kind: webhook
		  url: http://127.0.0.1:1/
	EOT
	farm_up
	run farm notice test
	[ "$status" -eq 3 ]
	says "notified team"
	says "cannot notify gone: "
	jq -e '.notice == "none" and .subject == "test"' "$hook/1.body"
	sed -i 's,http://127.0.0.1:1/,ftp://there,' "$FARM_HOME/farm.yaml"
	refuses 3 'url: expected https://' farm config check
	says 'farm.yaml:'
}

@test "killed before anybody could be told: told after the restart" {
	project "true" "true" <<-EOT
		- name: team
		  kind: webhook
		  url: $hook_url/
	EOT
	ready
	echo 1000 >"$hook/fails"
	farm rebuild
	wait_until 20 on_its_way
	kill_hard farmd
	echo 0 >"$hook/fails"
	farm_up
	wait_until 60 told run-ended 1
}

on_its_way() {
	farm_rows notice list | jq -e 'any(.state == "raised" and .notice == "run-ended")' >/dev/null
}
