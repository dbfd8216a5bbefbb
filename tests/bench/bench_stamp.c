/* SPDX-License-Identifier: MIT */
/* bench_stamp.c - when does a job start? A job that writes the time, and the reader of the times.
 *
 *   bench_stamp FILE          append the time now (8 bytes, ns): the job itself
 *   bench_stamp --gaps FILE   p50 p90 p99 max of the gaps between starts, in ms
 *   bench_stamp --spawn N FILE   the same gaps for N serial starts from here: the control
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void stamp(const char *path)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, &ns, sizeof ns) != sizeof ns)
        die(path);
    close(fd);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void print_gaps(const char *path)
{
    static uint64_t times[200000];
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    size_t count = fread(times, sizeof times[0], sizeof times / sizeof times[0], file);
    fclose(file);
    if (count < 3)
        die("too few starts");
    qsort(times, count, sizeof times[0], compare);
    for (size_t i = 0; i + 1 < count; i++)
        times[i] = times[i + 1] - times[i];
    count--;
    qsort(times, count, sizeof times[0], compare);
    printf("%.3f %.3f %.3f %.3f\n", (double)times[count / 2] / 1e6,
           (double)times[count * 9 / 10] / 1e6, (double)times[count * 99 / 100] / 1e6,
           (double)times[count - 1] / 1e6);
}

static void spawn_many(const char *program, const char *count, const char *path)
{
    for (long i = atol(count); i > 0; i--) {
        char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)path, NULL};
        pid_t pid;
        if (posix_spawn(&pid, program, NULL, NULL, argv, environ))
            die(program);
        waitpid(pid, NULL, 0);
    }
    print_gaps(path);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        stamp(argv[1]);
    else if (argc == 3 && !strcmp(argv[1], "--gaps"))
        print_gaps(argv[2]);
    else if (argc == 4 && !strcmp(argv[1], "--spawn"))
        spawn_many("/proc/self/exe", argv[2], argv[3]);
    else
        return fprintf(stderr, "usage: bench_stamp FILE | --gaps FILE | --spawn N FILE\n"), 2;
    return 0;
}
