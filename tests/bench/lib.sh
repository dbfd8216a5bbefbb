# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# lib.sh - what the benchmarks share: a farm of their own in a temporary folder, and ratios.
#
# FARM_BIN names the folder of the programs (build/release/bin). Everything is made below a
# temporary folder and removed at the end; every process started here is ended by its pid.
set -euo pipefail

bench_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bench_bin=$(realpath "${FARM_BIN:-$bench_root/build/release/bin}")
bench_dir=$(mktemp -d "${TMPDIR:-/tmp}/farm-bench.XXXXXX")
bench_pids=()
# Workers make no table of nftables in this machine's own network.
mkdir "$bench_dir/no-nft"
ln -s /bin/false "$bench_dir/no-nft/nft"
PATH=$bench_dir/no-nft:$PATH

bench_end() {
    local status=$? pid file
    # What the command that failed has printed went to these.
    [ "$status" -eq 0 ] || tail -n 20 "$bench_dir/out" "$bench_dir/err" "$bench_dir"/*/farmd.log "$bench_dir"/*/log/*.log >&2 2>/dev/null || true
    for file in "$bench_dir"/*/run/*.pid; do # also of what was started again
        [ ! -e "$file" ] || bench_pids+=("$(head -1 "$file" | cut -d' ' -f1)")
    done
    for pid in "${bench_pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$bench_dir"
}
trap bench_end EXIT

# bench_repo DIR COUNT: a bare repository with COUNT no-op packages on branch main.
bench_repo() {
    local dir=$1 count=$2
    git init -q --bare -b main "$dir"
    {
        printf 'blob\nmark :1\ndata 3\n{}\n\n'
        printf 'commit refs/heads/main\ncommitter bench <bench@example.org> 1700000000 +0000\ndata 5\nnoop\n\n'
        awk -v n="$count" 'BEGIN { for (i = 1; i <= n; i++) printf "M 100644 :1 .flox/pkgs/noop-%06d.nix\n", i }'
        printf '\n'
    } | git -C "$dir" fast-import --quiet
}

# bench_farm HOME REPO COMMAND: keys and a farm.yaml for a project of the command builder.
bench_farm() {
    local home=$1 repo=$2 command=$3
    mkdir -p "$home/keys"
    cat >"$home/farm.yaml" <<YAML
name: bench
listen:
  control: tcp://127.0.0.1:*
  log: tcp://127.0.0.1:*
projects:
  - name: noop
    url: file://$repo
    builder: command
    command: "$command"
    checkout: false
    system: x86_64-linux
    check: off
    heavy: false
    memory: 1M
    disk: 1M
    branches:
      - name: main
YAML
}

# bench_start HOME: starts the coordinator and waits until it is ready.
bench_start() {
    local home=$1 tries=3000
    "$bench_bin/farmd" --home "$home" 2>"$home/farmd.log" &
    bench_pid=$!
    bench_pids+=("$bench_pid")
    until [ -e "$home/run/endpoints" ]; do
        kill -0 "$bench_pid" 2>/dev/null || { cat "$home/farmd.log" >&2; return 1; }
        [ $((tries -= 1)) -gt 0 ] || { echo "the coordinator is not ready after 60 s" >&2; return 1; }
        read -r -t 0.02 <> <(:) || true
    done
}

# ratio NAME VALUE UNIT LIMIT LIMIT_NAME AIM: one line of the report.
ratio() {
    awk -v name="$1" -v value="$2" -v unit="$3" -v limit="$4" -v limit_name="$5" -v aim="$6" 'BEGIN {
        printf "%-44s %12.4g %-8s = %6.3f x %s (%.4g); aim %s\n", name, value, unit, value / limit, limit_name, limit, aim }'
}

# bench_farm_do HOME COMMAND...: the farm program on that farm.
bench_farm_do() {
    local home=$1
    shift
    "$bench_bin/farm" --home "$home" "$@"
}

# bench_up HOME [OPTION...]: coordinator and one local worker, ended at the end.
bench_up() {
    local home=$1 file
    shift
    bench_farm_do "$home" up --no-keeper "$@" >"$bench_dir/up.log"
    for file in "$home"/run/*.pid; do
        bench_pids+=("$(head -1 "$file" | cut -d' ' -f1)")
    done
    bench_pid=$(head -1 "$home/run/farmd.pid" | cut -d' ' -f1)
}

bench_memory() {
    awk '/^VmHWM|^VmRSS/ { printf "coordinator %s %.1f MB\n", $1, $2 / 1024 }' "/proc/$bench_pid/status"
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# rate COUNT MS: a second.
rate() { awk -v n="$1" -v ms="$2" 'BEGIN { printf "%.1f", n * 1000 / ms }'; }

# bench_make_log MB FILE: lines like a C++ compiler's, with numbers that change so that it compresses like a real log.
bench_make_log() {
    awk -v bytes=$(($1 * 1048576)) 'BEGIN {
        srand(7)
        while (size < bytes) {
            n++
            line = sprintf("[%d/712] /nix/store/%08x-gcc-12.2.0/bin/g++ -DUSE_CUDA -I/build/source/torch/csrc/%x -O2 -march=skylake-avx512 -c ../torch/csrc/autograd/generated/Functions_%d.cpp -o obj/%d.o\n../aten/src/ATen/native/cuda/Loops.cuh:%d:%d: warning: unused variable %c%d [-Wunused-variable]", n % 712, rand() * 4294967295, rand() * 65535, n % 97, n, rand() * 900, rand() * 80, 97 + n % 26, n)
            print line
            size += length(line) + 1
        }
    }' >"$2"
}
