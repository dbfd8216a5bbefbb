#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Files that git-lfs keeps, and submodules: fetched without credentials, over https, from public addresses only. The
# farm and the server have hosts of their own, the server's with a public address that exists only
# there. What must not be asked is there, too, and would answer: the server's private address, and
# the farm's own loopback.

load farm
load netns

package=model-python313-cpu
weights='what the model has learned'

setup() {
	command -v openssl >/dev/null || skip "no openssl here"
	command -v curl >/dev/null || skip "no curl here"
	farm_setup
	net_setup
	net_host farm
	net_host server
	public=11.77.0.2 public6=2600:11:77::2
	net_on farm ip address add 11.77.0.1/24 dev eth0
	net_on server ip address add "$public/24" dev eth0
	net_on farm ip address add 2600:11:77::1/64 dev eth0 nodad
	net_on server ip address add "$public6/64" dev eth0 nodad
	certificate
	server_up server "$top/far" ::
	server_up farm "$top/near" 127.0.0.1
	url=https://$public:8443/vision.git
	repository_make
	farm_make "$url"
}

teardown() {
	farm_teardown
	net_teardown
}

# All of the farm runs at its own host.
farm() {
	net_on farm timeout --kill-after=5 "${FARM_TIMEOUT_S:-120}" "$bin/farm" --home "$FARM_HOME" "$@"
}

# One certificate for all addresses, so that none is refused for its name.
certificate() {
	mkdir -p "$top/far" "$top/near"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=vision.example -keyout "$top/far/key.pem" -out "$top/far/cert.pem" -addext \
		"subjectAltName=IP:$public,IP:$public6,IP:${net_address[server]},IP:127.0.0.1,DNS:localhost" 2>"$top/openssl"
	cp "$top/far/key.pem" "$top/far/cert.pem" "$top/near"
	export GIT_SSL_CAINFO=$top/far/cert.pem CURL_CA_BUNDLE=$top/far/cert.pem
	# What must not be used, though it is there.
	printf 'default login me password word\n' >"$HOME/.netrc"
	printf 'user = "me:word"\ncookie = "a=b"\nproxy = "http://127.0.0.1:9"\n' >"$HOME/.curlrc"
}

# server_up HOST FOLDER ADDRESS
server_up() {
	mkdir -p "$2/git" "$2/objects"
	echo good >"$2/mode"
	: >"$2/log"
	net_exec "$1" python3 "$source_dir/tests/e2e/lfs_server.py" "$2" "$3" 8443 </dev/null >"$2/said" 2>&1 3>&- &
	disown
	wait_until 20 test -e "$2/ready"
}

# pointer CONTENTS [SIZE]
pointer() {
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %s\n' "$(oid "$1")" "${2:-${#1}}"
}

oid() {
	printf %s "$1" | sha256sum | cut -d ' ' -f 1
}

# A repository at the server with one package and two files of git-lfs, one in a folder.
repository_make() {
	local at
	mkdir -p "$top/work/.flox/pkgs" "$top/work/data"
	cd "$top/work" || return
	git init --quiet --initial-branch main
	cat >".flox/pkgs/$package.nix" <<-'EOT'
		derivation {
		  name = "model";
		  system = builtins.currentSystem;
		  builder = "/bin/sh";
		  args = [ "-c" "read line <${../../data/model.bin} || :; echo \"$line\" >$out" ];
		}
	EOT
	echo '*.bin filter=lfs diff=lfs merge=lfs -text' >.gitattributes
	pointer "$weights" >data/model.bin
	pointer second >data/second.bin
	commit
	for at in near far; do
		printf %s "$weights" >"$top/$at/objects/$(oid "$weights")"
		printf second >"$top/$at/objects/$(oid second)"
	done
}

commit() {
	git -c filter.lfs.clean=cat add --all
	git commit --quiet --allow-empty --message "A commit"
	[ -e "$top/far/git/vision.git" ] || git init --quiet --bare "$top/far/git/vision.git"
	git push --quiet --force "$top/far/git/vision.git" main
	git --git-dir "$top/far/git/vision.git" symbolic-ref HEAD refs/heads/main
}

# started: a farm with one worker and the project, whose build keeps what it saw.
started() {
	attempts_max=1 farm_project \
		"cat data/model.bin >$top/got; cat data/second.bin >>$top/got" "system: $here-linux"
	farm_up
	worker_up one
	wait_until 30 workers_online 1
}

# asked FOLDER TEXT: the number of requests there that say TEXT.
asked() {
	grep -cF -- "$2" "$1/log" || true
}

# fails_with CAUSE TEXT: a rebuild ends so, in one line; nothing was built of it.
fails_with() {
	run farm rebuild --force
	job_is "$package" verdict failed
	job_is "$package" cause "$1"
	[[ $(job_field "$package" detail) = *"$2"* ]] || {
		echo "detail: $(job_field "$package" detail)"
		return 1
	}
	[ ! -e "$top/got" ]
}

@test "a build has the files themselves, fetched once and without credentials" {
	started
	farm rebuild
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(cat "$top/got")" = "${weights}second" ]
	rm "$top/got"
	farm rebuild --force
	[ "$(cat "$top/got")" = "${weights}second" ]
	[ "$(asked "$top/far" "GET /objects/")" -eq 2 ]
	[ "$(asked "$top/far" "POST /vision.git/info/lfs/objects/batch")" -eq 1 ]
	lacks -E 'Authorization|Cookie' "$top/far/log"
	# The next commit.
	pointer 'what it learned since' >data/model.bin
	printf 'what it learned since' >"$top/far/objects/$(oid 'what it learned since')"
	commit
	farm rebuild --force
	[ "$(cat "$top/got")" = "what it learned sincesecond" ]
	[ "$(asked "$top/far" "GET /objects/")" -eq 3 ]
}

@test "a redirect to another public place is followed" {
	echo moved >"$top/far/mode"
	started
	farm rebuild
	[ "$(cat "$top/got")" = "${weights}second" ]
	[ "$(asked "$top/far" "GET /moved/")" -eq 2 ]
}

@test "nix builds from the files, flox is refused in the plan" {
	nix_setup
	builder=nix farm_project "" "system: $here-linux"
	farm_up
	worker_up one
	wait_until 30 workers_online 1
	farm rebuild
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(cat "$NIX_STORE_DIR"/*-model)" = "$weights" ]
	builder=flox farm_project "" "system: $here-linux"
	run farm plan
	says "data/model.bin is kept by git-lfs, and flox builds and publishes from git"
}

@test "what is not public is not asked, by no redirect" {
	started
	echo "to https://127.0.0.1:8443/moved/$(oid "$weights")" >"$top/far/mode"
	fails_with config "git-lfs: data/model.bin cannot be fetched: after a redirect: 127.0.0.1 is at 127.0.0.1, which is no public address"
	echo "to https://localhost:8443/moved/$(oid "$weights")" >"$top/far/mode"
	fails_with config "after a redirect: localhost is at"
	echo "to https://${net_address[server]}:8443/moved/$(oid "$weights")" >"$top/far/mode"
	fails_with config "${net_address[server]}, which is no public address"
	echo "to http://$public:8443/moved/$(oid "$weights")" >"$top/far/mode"
	fails_with config "http://$public:8443/moved/$(oid "$weights") is not https"
	echo "to https://$public:8443/objects/$(oid "$weights")" >"$top/far/mode"
	fails_with config "redirects more than 5 times"
	# The commit's own word for the server.
	git config --file .lfsconfig lfs.url "https://${net_address[server]}:8443/vision.git/info/lfs"
	commit
	fails_with config "${net_address[server]}, which is no public address"
	[ ! -s "$top/near/log" ]
	lacks -F "${net_address[server]} " "$top/far/log"
}

@test "contents that are not the pointer's, or too much, are refused" {
	started
	printf 'what the model has learnef' >"$top/far/objects/$(oid "$weights")"
	fails_with config "git-lfs: data/model.bin cannot be fetched: what the server has is not what its pointer says"
	printf 'less' >"$top/far/objects/$(oid "$weights")"
	fails_with config "what the server has is not what its pointer says"
	printf '%s and more' "$weights" >"$top/far/objects/$(oid "$weights")"
	fails_with config "sends more than ${#weights} bytes"
	printf %s "$weights" >"$top/far/objects/$(oid "$weights")"
	echo more >"$top/far/mode"
	fails_with config "sends more than ${#weights} bytes"
	pointer "$weights" 99999999999 >data/model.bin
	commit
	: >"$top/far/log"
	fails_with config "a checkout may have 4096 files of git-lfs with 16 GiB together"
	[ "$(asked "$top/far" "info/lfs")" -eq 0 ]
}

@test "a server that wants credentials, has nothing or is in trouble: one line says so" {
	started
	echo "status 401" >"$top/far/mode"
	fails_with config "$public asks for credentials (HTTP 401), and the farm sends none; make it public"
	echo "batch 401" >"$top/far/mode"
	fails_with config "$public asks for credentials (HTTP 401)"
	echo "status 404" >"$top/far/mode"
	fails_with config "$public answers with HTTP 404"
	echo nowhere >"$top/far/mode"
	fails_with config "the server does not offer it to everybody"
	echo "status 503" >"$top/far/mode"
	fails_with network "git-lfs server: $public answers with HTTP 503"
	echo good >"$top/far/mode"
	farm rebuild --force
	[ "$(cat "$top/got")" = "${weights}second" ]
}

@test "a certificate that the host does not know ends it" {
	unset CURL_CA_BUNDLE
	started
	fails_with network "git-lfs server: $public: curl: (60)"
	[ "$(asked "$top/far" "info/lfs")" -eq 0 ]
}

# module NAME: a repository at the server with a file that says its name; the commit is printed.
module() {
	local at=$top/$1
	git init --quiet --initial-branch main "$at"
	echo "the files of $1" >"$at/file"
	module_push "$1"
}

module_push() {
	local at=$top/$1
	git -C "$at" add --all
	git -C "$at" commit --quiet --message "A commit"
	[ -e "$top/far/git/$1.git" ] || git init --quiet --bare "$top/far/git/$1.git"
	git -C "$at" push --quiet --force "$top/far/git/$1.git" main
	git --git-dir "$top/far/git/$1.git" symbolic-ref HEAD refs/heads/main
	git -C "$at" rev-parse HEAD
}

# submodule PATH URL COMMIT: in the repository of the working folder.
submodule() {
	git config --file .gitmodules "submodule.the $1.path" "$1"
	git config --file .gitmodules "submodule.the $1.url" "$2"
	git update-index --add --cacheinfo "160000,$3,$1"
	git add .gitmodules
	git commit --quiet --message "With a submodule"
}

push() { git push --quiet --force "$top/far/git/vision.git" main; }

@test "submodules are there, fetched once and without credentials, and so are those in them" {
	inner=$(module inner)
	outer=$(module outer)
	cd "$top/outer"
	submodule deep/in ../inner.git "$inner"
	outer=$(git rev-parse HEAD)
	git push --quiet "$top/far/git/outer.git" main
	cd "$top/work"
	submodule third_party/outer "https://$public:8443/outer.git" "$outer"
	push
	attempts_max=1 farm_project \
		"cd third_party/outer; cat file deep/in/file >$top/got; find . -name .git >>$top/got" "system: $here-linux"
	farm_up
	worker_up one
	wait_until 30 workers_online 1
	farm rebuild
	ended_as "1 ok, 0 failed, 0 published"
	[ "$(cat "$top/got")" = $'the files of outer\nthe files of inner' ]
	lacks -E 'Authorization|Cookie' "$top/far/log"
	first=$(asked "$top/far" "GET /outer.git/info/refs")
	[ "$first" -gt 0 ]
	farm rebuild --force
	[ "$(asked "$top/far" "GET /outer.git/info/refs")" -eq "$first" ]
	# flox takes files from git, which does not have them.
	builder=flox farm_project "" "system: $here-linux"
	run farm plan
	says "third_party/outer is a submodule, and flox builds and publishes from git"
}

@test "a submodule is fetched from public places only, also after a redirect" {
	outer=$(module outer)
	mkdir -p "$top/near/git"
	cp -r "$top/far/git/outer.git" "$top/near/git/outer.git"
	submodule sub "https://$public:8443/old.git" "$outer"
	push
	mkdir -p "$top/far/git/old.git"
	echo "https://$public:8443/outer.git" >"$top/far/git/old.git/moved"
	attempts_max=1 farm_project "cat sub/file >$top/got" "system: $here-linux"
	farm_up
	worker_up one
	wait_until 30 workers_online 1
	farm rebuild
	[ "$(cat "$top/got")" = "the files of outer" ]
	rm -r "$top/got" "$FARM_HOME"/workers/*/clones
	for place in https://127.0.0.1:8443 "https://${net_address[server]}:8443"; do
		echo "$place/outer.git" >"$top/far/git/old.git/moved"
		fails_with config "submodule: sub: after a redirect: "
		[[ $(job_field "$package" detail) = *"which is no public address"* ]]
	done
	# The commit's own words.
	for place in "https://127.0.0.1:8443/outer.git" "http://$public:8443/outer.git" "file://$top/outer" /etc; do
		submodule sub "$place" "$outer"
		push
		fails_with config "submodule: sub: "
	done
	[ ! -s "$top/near/log" ]
}

@test "a submodule's server may be an IPv6 address" {
	outer=$(module outer)
	submodule sub "https://[$public6]:8443/outer.git" "$outer"
	push
	attempts_max=1 farm_project "cat sub/file >$top/got" "system: $here-linux"
	farm_up
	worker_up one
	wait_until 30 workers_online 1
	farm rebuild
	[ "$(cat "$top/got")" = "the files of outer" ]
	grep "^$public6 GET /outer.git/info/refs" "$top/far/log"
}

@test "a submodule that is not what the commit names, or not for everybody, is refused" {
	outer=$(module outer)
	submodule sub "https://$public:8443/outer.git" 0123456789012345678901234567890123456789
	push
	started
	fails_with config "submodule: sub: its server does not have commit 0123456789"
	submodule sub "https://$public:8443/nowhere.git" "$outer"
	push
	fails_with config "submodule: sub: $public answers with HTTP 404"
	cd "$top/outer"
	echo '*.bin filter=lfs' >.gitattributes
	pointer "$weights" >model.bin
	git -c filter.lfs.clean=cat add --all
	outer=$(module_push outer)
	cd "$top/work"
	submodule sub "https://$public:8443/outer.git" "$outer"
	push
	fails_with config "submodule: sub: model.bin of it is kept by git-lfs"
	git config --file .gitmodules --remove-section "submodule.the sub"
	git add .gitmodules
	git commit --quiet --message "Without its place"
	push
	fails_with config "submodule: sub: .gitmodules does not say where it is"
	git rm --quiet --force .gitmodules
	git commit --quiet --message "Without places"
	push
	run farm plan
	says "sub is a submodule, and the commit has no .gitmodules that says where it is"
}
