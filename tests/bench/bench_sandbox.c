/* SPDX-License-Identifier: MIT */
/* bench_sandbox.c - what a start of `true` costs: plain, in our own sandbox and in bwrap's, as a
 * build user when root runs this. In the same run, in turn: the load is the same for each.
 *
 * usage: bench_sandbox [STARTS]
 * Prints a line for each: p50 of a start, how much more than plain that is, its CPU time, starts
 * per second of two at once and their ratio to plain's. Aims, as a build user: our own at most 2 ms
 * more and 0.8 x for jobs of the farm (tests/bench/jobs); bwrap at most 10 ms more and 0.5 x. One
 * start is less work than a job, so the ratios here are lower bounds of those. */
#include "proto/base/io.h"
#include "proto/base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STARTS = 300, AT_ONCE = 2, WORDS_MAX = 64 };

static const char user[] = "59904";
static char supervisor[PATH_MAX];

struct way {
    const char *name;
    const char *argv[WORDS_MAX];
    double *ms;
    double per_s, cpu_ms; /* the latter of all starts, and does not depend on the load */
};

static void add(struct way *way, const char *const *words)
{
    size_t count = 0;
    while (way->argv[count])
        count++;
    for (; *words; words++)
        way->argv[count++] = *words;
}

/* The list of a host without nix: 20 entries, as isolation_words gives them. */
static void add_sandbox(struct way *way, const char *bwrap)
{
    static const char *const list[] = {"--",
                                       "--ro-bind",
                                       "/usr",
                                       "/usr",
                                       "--symlink",
                                       "usr/bin",
                                       "/bin",
                                       "--symlink",
                                       "usr/lib",
                                       "/lib",
                                       "--symlink",
                                       "usr/lib64",
                                       "/lib64",
                                       "--symlink",
                                       "usr/sbin",
                                       "/sbin",
                                       "--dev",
                                       "/dev",
                                       "--proc",
                                       "/proc",
                                       "--ro-bind-try",
                                       "/etc/hosts",
                                       "/etc/hosts",
                                       "--ro-bind-try",
                                       "/etc/ssl",
                                       "/etc/ssl",
                                       "--ro-bind-try",
                                       "/etc/ld.so.cache",
                                       "/etc/ld.so.cache",
                                       "--dir",
                                       "/tmp",
                                       "--chdir",
                                       "/tmp",
                                       "--",
                                       NULL};
    add(way, (const char *const[]){supervisor, "sandbox", NULL});
    if (geteuid() == 0)
        add(way, (const char *const[]){"--uid", user, "--gid", user, NULL});
    if (bwrap)
        add(way, (const char *const[]){"--by", bwrap, NULL});
    add(way, list);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double children_cpu_ms(void)
{
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static pid_t start(const struct way *way)
{
    struct err err = {""};
    pid_t pid = io_spawn(&(struct io_spawn){.argv = way->argv,
                                            .stdin_fd = -1,
                                            .stdout_fd = STDERR_FILENO,
                                            .stderr_fd = STDERR_FILENO},
                         &err);
    if (pid < 0) {
        fprintf(stderr, "bench_sandbox: %s\n", err.text);
        exit(1);
    }
    return pid;
}

static void finish(const struct way *way)
{
    int status;
    if (wait(&status) < 0 || status != 0) {
        fprintf(stderr, "bench_sandbox: %s does not work here\n", way->name);
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double p50(struct way *way, size_t starts)
{
    qsort(way->ms, starts, sizeof *way->ms, compare);
    return way->ms[starts / 2];
}

static double measure_rate(const struct way *way, size_t starts)
{
    double from = now_ms();
    size_t begun = 0;
    for (size_t ended = 0; ended < starts; ended++) {
        while (begun < starts && begun - ended < AT_ONCE) {
            start(way);
            begun++;
        }
        finish(way);
    }
    return (double)starts * 1e3 / (now_ms() - from);
}

int main(int argc, char **argv)
{
    struct way ways[3] = {{.name = "plain"}, {.name = "own sandbox"}, {.name = "bwrap"}};
    size_t starts = argc > 1 ? strtoul(argv[1], NULL, 10) : STARTS, count = 3;
    if (starts == 0 || snprintf(supervisor, sizeof supervisor, "%s", argv[0]) <= 0)
        return 64;
    char *slash = strrchr(supervisor, '/');
    strcpy(slash ? slash + 1 : supervisor, "farm-supervisor");
    add(&ways[0], (const char *const[]){"true", NULL});
    add_sandbox(&ways[1], NULL);
    add_sandbox(&ways[2], "/usr/bin/bwrap");
    count -= access("/usr/bin/bwrap", X_OK) < 0;
    for (size_t w = 0; w < count; w++) {
        ways[w].ms = mem_new(starts * sizeof *ways[w].ms);
        if (w > 0)
            add(&ways[w], (const char *const[]){"true", NULL});
    }
    for (size_t i = 0; i < starts; i++)
        for (size_t w = 0; w < count; w++) {
            double from = now_ms(), cpu = children_cpu_ms();
            start(&ways[w]);
            finish(&ways[w]);
            ways[w].ms[i] = now_ms() - from;
            ways[w].cpu_ms += children_cpu_ms() - cpu;
        }
    printf("%s\n", geteuid() == 0 ? "as a build user" : "as this user");
    for (size_t w = 0; w < count; w++) {
        ways[w].per_s = measure_rate(&ways[w], starts);
        printf("%-12s p50 %6.2f ms (+%5.2f)   CPU %5.2f ms   %6.0f starts/s (%.2f x)\n",
               ways[w].name, p50(&ways[w], starts), p50(&ways[w], starts) - p50(&ways[0], starts),
               ways[w].cpu_ms / (double)starts, ways[w].per_s, ways[w].per_s / ways[0].per_s);
    }
    for (size_t w = 0; w < count; w++)
        free(ways[w].ms);
    return 0;
}
