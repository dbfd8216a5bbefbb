/* SPDX-License-Identifier: MIT */
/* bench_cause.c - finding the cause of a failed build whose log is large.
 *
 *   bench_cause [MB [ROUNDS]]
 *
 * A compiler-like log of MB (100) megabytes in a file, whose last lines say why it failed. What a
 * worker does when its build ends is timed: reading the end of the log, then the whole table of
 * rules over it. Beside it, in the same run and over the same bytes: reading alone, and memchr.
 * Then the table at its worst: the beginnings of its own rows over and over, all of them, and the
 * one row that takes longest; and the rate of the table over the whole log, piece by piece. Each
 * time is processor time, the median of ROUNDS (at most 41, which is the default).
 */
#include "proto/base/mem.h"
#include "proto/limits.h"
#include "worker/phase/cause.h"
#include "worker/phase/cause_rules.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 41 };
#define AIM_MS 5.0

static const struct exit_facts failed = {.status = 1, .free_bytes = 1ull << 40};
static const char the_end[] =
    "/build/source/csrc/nms.cu(7): fatal error: torch/extension.h: No such file or directory\n"
    "ninja: build stopped: subcommand failed.\n";

/* Of this thread: other work on the machine is not counted. */
static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- the log ------------------------------------------------------------------------------- */

static int make_log(size_t megabytes)
{
    char path[] = "/tmp/bench_cause.XXXXXX";
    int file = mkostemp(path, O_CLOEXEC);
    struct buf piece = {0};
    assert(file >= 0);
    unlink(path);
    for (unsigned long n = 0; n < megabytes * 4096; n++) {
        buf_print(
            &piece,
            "python3.13-torch> [%lu/7120] /nix/store/%08lx-gcc-12.2.0/bin/g++ -DUSE_CUDA -O2 "
            "-march=skylake-avx512 -c ../torch/csrc/autograd/Functions_%lu.cpp -o obj/%lu.o\n",
            n % 7120, n * 2654435761u % 0xffffffff, n % 97, n);
        while (piece.size % 256) /* so that 4096 lines are a megabyte */
            buf_print(&piece, piece.size % 256 == 255 ? "\n" : "w");
        if (piece.size >= 1 << 20) {
            ssize_t written = write(file, piece.data, piece.size);
            assert(written == (ssize_t)piece.size);
            piece.size = 0;
        }
    }
    buf_print(&piece, "%s", the_end);
    ssize_t written = write(file, piece.data, piece.size);
    assert(written == (ssize_t)piece.size);
    buf_release(&piece);
    return file;
}

/* ---- what is timed ------------------------------------------------------------------------- */

struct work {
    int file;
    off_t size;
    uint8_t tail[LIMIT_CAUSE_BYTES];
    size_t tail_size;
    enum phase phase;
    size_t rounds;
    size_t found; /* so that nothing is optimised away */
};

static void read_end(struct work *work)
{
    off_t from = work->size > LIMIT_CAUSE_BYTES ? work->size - LIMIT_CAUSE_BYTES : 0;
    ssize_t size = pread(work->file, work->tail, sizeof work->tail, from);
    assert(size > 0);
    work->tail_size = (size_t)size;
}

static void look_for_a_byte(struct work *work)
{
    work->found += memchr(work->tail, 1, work->tail_size) != NULL;
}

static void find_cause(struct work *work)
{
    struct cause_verdict verdict;
    cause_find(work->phase, BUILDER_FLOX, &failed, false,
               (struct bytes){work->tail, work->tail_size}, NULL, &verdict);
    work->found += verdict.cause;
}

static void read_and_find(struct work *work)
{
    read_end(work);
    find_cause(work);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median_ms(struct work *work, void (*step)(struct work *work))
{
    double took[ROUNDS_MAX];
    for (size_t i = 0; i < work->rounds; i++) {
        double begin = now_ms();
        step(work);
        took[i] = now_ms() - begin;
    }
    qsort(took, work->rounds, sizeof *took, compare);
    return took[work->rounds / 2];
}

/* ---- the worst ----------------------------------------------------------------------------- */

static size_t literal(const char *pattern)
{
    return strcspn(pattern, "\\^$.[|()?*+{");
}

/* The beginnings of all rows, or of one, until the tail is full. */
static void fill(struct work *work, size_t first, size_t last)
{
    work->tail_size = 0;
    for (size_t i = first;; i = i == last ? first : i + 1) {
        const char *pattern = cause_rule_at(i)->pattern;
        size_t size = literal(pattern);
        if (work->tail_size + size > sizeof work->tail)
            return;
        memcpy(work->tail + work->tail_size, pattern, size);
        work->tail_size += size;
    }
}

static double worst_row_ms(struct work *work, const char **pattern)
{
    double worst = 0;
    for (size_t i = 0; cause_rule_at(i); i++) {
        const struct cause_rule *rule = cause_rule_at(i);
        work->phase = PHASE_CHECKOUT;
        while (!(rule->phases & 1u << work->phase))
            work->phase++;
        fill(work, i, i);
        double took = median_ms(work, find_cause);
        if (took > worst) {
            worst = took;
            *pattern = rule->pattern;
        }
    }
    return worst;
}

static size_t rows(void)
{
    size_t count = 0;
    while (cause_rule_at(count))
        count++;
    return count;
}

/* Over the whole log, as if it were many logs. */
static double gigabytes_a_second(struct work *work)
{
    double took = 0;
    off_t at = 0;
    for (; at + LIMIT_CAUSE_BYTES <= work->size; at += LIMIT_CAUSE_BYTES) {
        ssize_t size = pread(work->file, work->tail, sizeof work->tail, at);
        assert(size == LIMIT_CAUSE_BYTES);
        work->tail_size = (size_t)size;
        double begin = now_ms();
        find_cause(work);
        took += now_ms() - begin;
    }
    return took > 0 ? (double)at / took / 1e6 : 0;
}

static void say(const char *what, double ms, double limit_ms, const char *limit)
{
    printf("%-58s %7.3f ms = %6.1f x %s (%.3f ms); aim <= %.0f ms\n", what, ms, ms / limit_ms,
           limit, limit_ms, AIM_MS);
}

int main(int argc, char **argv)
{
    size_t megabytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : ROUNDS_MAX;
    struct work *work = mem_new(sizeof *work);
    const char *slowest = "";
    work->file = make_log(megabytes);
    work->size = lseek(work->file, 0, SEEK_END);
    work->phase = PHASE_BUILD;
    work->rounds = rounds > 0 && rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
    double read_ms = median_ms(work, read_end), scan_ms = median_ms(work, look_for_a_byte);
    say("the end of the log, read and searched by the whole table", median_ms(work, read_and_find),
        read_ms, "reading it");
    say("the table alone", median_ms(work, find_cause), scan_ms, "memchr");
    fill(work, 0, rows() - 1);
    say("the beginnings of all rows", median_ms(work, find_cause), scan_ms, "memchr");
    say("the beginning of the slowest row", worst_row_ms(work, &slowest), scan_ms, "memchr");
    printf("the slowest row is %.60s\n", slowest);
    work->phase = PHASE_BUILD;
    printf("the table over all %zu MB, in pieces of 256 KiB: %.2f GB/s (memchr %.1f GB/s)\n",
           megabytes, gigabytes_a_second(work), LIMIT_CAUSE_BYTES / scan_ms / 1e6);
    close(work->file);
    free(work);
    return 0;
}
