/* SPDX-License-Identifier: MIT */
/* bench_log.c - one build's log from its file to the store's disk and back.
 *
 *   bench_log [MB]     (1024)
 *
 * A writer (another process, as a build is) appends compiler-like lines to a log; the log tail
 * follows it over CURVE on loopback into the log store while it grows; the clock stops when the log
 * is sealed. Then it is read back and compared. The control of the same run is what the machine can
 * do at best without a farm: the same bytes from the same writer through a pipe into a file. The
 * ratio against `ssh host cat` is printed by tests/bench/log, which has an sshd.
 */
#include "tests/unit/log_rig.h"
#include "worker/disk/folder.h"
#include "worker/logtail.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

enum { PIECE_BYTES = 64 * 1024, BLOCK_BYTES = 64 << 20 };

static uint64_t seed = 88172645463325252ull;

static unsigned chance(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

/* Lines like a C++ compiler's, with numbers that change, so that they compress as real ones do. */
static void make_block(struct buf *block)
{
    for (unsigned n = 0; block->size < BLOCK_BYTES; n++)
        buf_print(block,
                  "[%u/712] /nix/store/%08x-gcc-12.2.0/bin/g++ -DUSE_CUDA "
                  "-I/build/source/torch/csrc/%x -O2 -march=skylake-avx512 -c "
                  "../torch/csrc/autograd/generated/Functions_%u.cpp -o obj/%u.o\n"
                  "../aten/src/ATen/native/cuda/Loops.cuh:%u:%u: warning: unused variable %c%u "
                  "[-Wunused-variable]\n",
                  n % 712, chance(1u << 31), chance(65535), n % 97, n, chance(900), chance(80),
                  'a' + n % 26, n);
    block->size = BLOCK_BYTES;
}

static void fail_if(bool failed, const char *what)
{
    if (!failed)
        return;
    fprintf(stderr, "bench_log: %s\n", what);
    exit(1);
}

static double seconds_since(uint64_t begin_ms)
{
    uint64_t took = clock_boot_ms() - begin_ms;
    return (double)(took ? took : 1) / 1000;
}

/* `bench_log --write FROM TO BYTES`: what a build does. Repeats FROM until it wrote BYTES. */
static int write_log(const char *from, const char *to, uint64_t bytes)
{
    static uint8_t piece[PIECE_BYTES];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_APPEND | O_CREAT, 0644);
    struct err err;
    fail_if(in < 0 || out < 0, "cannot open its files");
    while (bytes > 0) {
        size_t want = bytes < sizeof piece ? (size_t)bytes : sizeof piece;
        ssize_t got = read(in, piece, want);
        fail_if(got < 0, "cannot read");
        if (got == 0)
            lseek(in, 0, SEEK_SET);
        fail_if(io_write_all(out, piece, (size_t)got, &err) < 0, "cannot write");
        bytes -= (uint64_t)got;
    }
    return 0;
}

static pid_t start_writer(const char *self, const char *from, const char *to, uint64_t bytes)
{
    char text[32];
    pid_t pid;
    snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
    const char *argv[] = {self, "--write", from, to, text, NULL};
    fail_if(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, (char *const *)(uintptr_t)argv,
                        environ) != 0,
            "cannot start the writer");
    return pid;
}

/* The same writer, through a pipe, into a file: nothing that carries a log can be faster. */
static double measure_control(const char *self, const char *from, const char *folder,
                              uint64_t bytes)
{
    static uint8_t piece[PIECE_BYTES];
    char fifo[128], to[128];
    struct err err;
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    snprintf(to, sizeof to, "%s/control", folder);
    fail_if(mkfifo(fifo, 0600) < 0, "cannot make a pipe");
    uint64_t begin = clock_boot_ms();
    pid_t writer = start_writer(self, from, fifo, bytes);
    int in = open(fifo, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0600);
    ssize_t got;
    while ((got = read(in, piece, sizeof piece)) > 0)
        fail_if(io_write_all(out, piece, (size_t)got, &err) < 0, "cannot write");
    waitpid(writer, NULL, 0);
    double took = seconds_since(begin);
    close(in);
    close(out);
    unlink(to);
    return (double)bytes / 1e6 / took;
}

/* zstd alone at the tail's two levels, on one core: tells what the rest costs. */
static double measure_zstd(const struct buf *block, int level)
{
    size_t room = ZSTD_compressBound(LIMIT_LOG_CHUNK_BYTES);
    void *packed = mem_new(room);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
    uint64_t begin = clock_boot_ms();
    for (size_t at = 0; at < block->size; at += LIMIT_LOG_CHUNK_BYTES)
        fail_if(ZSTD_isError(
                    ZSTD_compress2(zstd, packed, room, block->data + at, LIMIT_LOG_CHUNK_BYTES)),
                "zstd failed");
    double rate = (double)block->size / 1e6 / seconds_since(begin);
    ZSTD_freeCCtx(zstd);
    free(packed);
    return rate;
}

static double measure_farm(struct rig *rig, const char *self, const char *from, uint64_t bytes,
                           struct token token)
{
    struct err err;
    struct arena arena = {0};
    const struct logtail_options options = {.zmq_context = rig->zmq,
                                            .endpoint = rig->endpoint,
                                            .server_public_key = rig->server.public_key,
                                            .own = rig->worker,
                                            .home = rig->home};
    struct logtail *tail = logtail_start(&options, &err);
    fail_if(!tail, "the log tail does not start");
    fail_if(io_make_folders(folder_path(rig->home, token, NULL, &arena), 0755, &err) < 0, err.text);
    logstore_expect(rig->store, token, rig->worker.public_key);
    uint64_t begin = clock_boot_ms();
    logtail_follow(tail, token);
    pid_t writer = start_writer(self, from, folder_path(rig->home, token, "log", &arena), bytes);
    waitpid(writer, NULL, 0);
    printf("  the writer alone was done at %.0f MB/s\n",
           (double)bytes / 1e6 / seconds_since(begin));
    logtail_finish(tail, token, bytes);
    struct logstore_event event;
    while (!logstore_next(rig->store, &event))
        poll(&(struct pollfd){.fd = logstore_fd(rig->store), .events = POLLIN}, 1, RIG_WAIT_MS);
    double took = seconds_since(begin);
    fail_if(event.bytes != bytes, "sealed at another length");
    logtail_stop(tail);
    arena_clear(&arena);
    return (double)bytes / 1e6 / took;
}

/* Reads by pieces of 64 MB, as long as the block that the log repeats. */
static double read_back(struct rig *rig, const struct buf *block, uint64_t bytes,
                        struct token token)
{
    struct link *viewer = rig_connect(rig, &rig->viewer);
    struct buf text = {0};
    uint64_t begin = clock_boot_ms();
    for (uint64_t at = 0; at < bytes; at += text.size) {
        fail_if(!rig_read(viewer, token, at, BLOCK_BYTES, false, &text), "cannot read back");
        fail_if(text.size == 0 || memcmp(text.data, block->data, text.size) != 0,
                "the bytes read back differ");
    }
    double took = seconds_since(begin);
    buf_release(&text);
    link_close(viewer, 0);
    return (double)bytes / 1e6 / took;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--write") == 0)
        return write_log(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    uint64_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1024) << 20;
    const struct token token = {1, 1};
    struct rig rig;
    struct err err;
    struct buf block = {0};
    char from[128];
    rig_open(&rig);
    make_block(&block);
    snprintf(from, sizeof from, "%s/block", rig.home);
    fail_if(io_write_file(from, block.data, block.size, 0600, false, &err) < 0, err.text);
    printf("zstd alone: level 1 %.0f MB/s, level -3 %.0f MB/s\n", measure_zstd(&block, 1),
           measure_zstd(&block, -3));
    double control = measure_control(argv[0], from, rig.home, bytes);
    double farm = measure_farm(&rig, argv[0], from, bytes, token);
    double back = read_back(&rig, &block, bytes, token);
    printf("one log of %llu MB, file to store: %.0f MB/s = %.2f x pipe into a file (%.0f MB/s)\n",
           (unsigned long long)(bytes >> 20), farm, farm / control, control);
    printf("read back identical: %.0f MB/s = %.2f x\n", back, back / control);
    buf_release(&block);
    rig_close(&rig);
    return 0;
}
