#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The bad network that other tests have does what it is told, and no more: between a client and a
# server that answers each byte with itself and writes down what it reads.

load farm
load faultproxy

setup() {
	farm_setup
	free_ports
	heard=$top/heard
	serve
	proxy_up line '' "127.0.0.1:$control_port=127.0.0.1:$log_port"
}

teardown() {
	farm_teardown
}

# The server: what its N-th connection says is in $heard.N, how it ended in $heard.N.end.
serve() {
	cat >"$top/server.py" <<-'EOT'
		import socket, sys, threading
		def echo(peer, path):
		    end = "closed"
		    try:
		        with open(path, "wb", buffering=0) as file:
		            while data := peer.recv(65536):
		                file.write(data)
		                peer.sendall(data)
		    except OSError:
		        end = "reset"
		    peer.close()
		    open(path + ".end", "w").write(end)
		server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
		for number in range(1, 100):
		    peer, _ = server.accept()
		    threading.Thread(target=echo, args=(peer, f"{sys.argv[2]}.{number}"), daemon=True).start()
	EOT
	python3 "$top/server.py" "$log_port" "$heard" 3>&- &
	wait_until 10 listens "$log_port"
	wait_until 10 test -e "$heard.1.end" # that was the look whether it listens
}

# dial: a connection through the line, in $line.
dial() {
	exec {line}<>"/dev/tcp/127.0.0.1/$control_port"
}

# answered TEXT: it goes there and comes back.
answered() {
	local text
	echo "$1" >&"$line"
	IFS= read -r -t 10 text <&"$line" && [ "$text" = "$1" ]
}

# nothing_comes: not a byte, and no end of the connection, while one waits for a while.
nothing_comes() {
	local text status=0
	read -r -t 0.5 text <&"$line" || status=$?
	[ "$status" -gt 128 ]
}

# is_reset: the connection ends, by force.
is_reset() {
	run timeout 10 cat <&"$line"
	says "reset by peer"
}

now_ms() {
	local microseconds=${EPOCHREALTIME/[.,]/}
	echo $((microseconds / 1000))
}

@test "what is sent arrives, in both directions, to the last byte, and so does the end" {
	head -c 8000000 /dev/urandom >"$top/sent"
	dial
	cat "$top/sent" >&"$line" 3>&- &
	head -c 8000000 <&"$line" | cmp - "$top/sent"
	cmp "$top/sent" "$heard.2"
	exec {line}>&-
	wait_until 10 grep closed "$heard.2.end"
}

@test "delay: what is sent takes longer, each way" {
	dial
	answered hello
	proxy line delay 300
	local begun_ms
	begun_ms=$(now_ms)
	answered again
	[ $(($(now_ms) - begun_ms)) -ge 600 ]
}

@test "loss: it comes later, whole and in order" {
	dial
	proxy line loss 100
	local begun_ms
	begun_ms=$(now_ms)
	answered hello
	[ $(($(now_ms) - begun_ms)) -ge 400 ]
	proxy line loss 30
	seq 1 2000 >"$top/sent"
	while read -r number; do
		echo "$number"
	done <"$top/sent" >&"$line"
	head -n 2000 <&"$line" | cmp - "$top/sent"
}

@test "stall: one direction stands still and nobody is told; healed it goes on" {
	dial
	answered hello
	proxy line stall up
	echo lost >&"$line"
	nothing_comes
	lacks lost "$heard.2"
	proxy line heal
	IFS= read -r -t 10 text <&"$line"
	[ "$text" = lost ]
	proxy line stall down
	echo silent >&"$line"
	wait_until 10 grep silent "$heard.2"
	nothing_comes
	proxy line heal
	IFS= read -r -t 10 text <&"$line"
	[ "$text" = silent ]
}

@test "vanish: both ends stay open and hear nothing; a new connection is fine" {
	dial
	answered hello
	proxy line vanish
	echo void >&"$line"
	nothing_comes
	lacks void "$heard.2"
	[ ! -e "$heard.2.end" ]
	local first=$line
	dial
	answered anew
	line=$first
	proxy line heal
	is_reset
	wait_until 10 grep reset "$heard.2.end"
}

@test "orphan: the client is told, the server is not" {
	dial
	answered hello
	proxy line orphan
	is_reset
	dial
	answered anew
	[ ! -e "$heard.2.end" ]
	proxy line heal
	wait_until 10 grep reset "$heard.2.end"
}

@test "cut: the connection is reset behind that very byte, and so is the next one" {
	dial
	answered hello
	proxy line cut up 4
	echo "goodbye" >&"$line"
	is_reset
	wait_until 10 test -e "$heard.2.end"
	[ "$(cat "$heard.2")" = $'hello\ngood' ]
	dial
	echo "once more" >&"$line"
	is_reset
	wait_until 10 test -e "$heard.3.end"
	[ "$(cat "$heard.3")" = once ]
	proxy line heal
	dial
	answered "in full"
}

@test "reset and refuse: what is open ends, what is new is not let in" {
	dial
	answered hello
	proxy line refuse
	answered "as before"
	proxy line reset
	is_reset
	dial
	is_reset
	proxy line heal
	dial
	answered anew
	[[ $(proxy line state) = "open 1 "* ]]
}

@test "what it does not know it says" {
	refuses 1 "not a command" proxy line explode
	refuses 1 "not a command" proxy line stall sideways
	refuses 1 "not a command" proxy line loss 101
	refuses 2 "usage" "$bin/faultproxy"
	refuses 2 "not an address" "$bin/faultproxy" "$top/line.commands" here=there
}
