/* SPDX-License-Identifier: MIT */
#include "worker/process/run_limits.h"

#include "worker/process/run_file_writer.h"
#include "worker/process/tree.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    /* A stop is announced when 1/WARN_PART of its limit is left, but early enough for people: at
     * least a minute before; of a limit under two minutes, when half of it is left. */
    WARN_PART = 10,
    WARN_LEAST_MS = 60000,
    COMPUTES_PART = 100,    /* CPU time of 1/100 of the silence limit shows that the tree works */
    COMPUTES_LEAST_MS = 50, /* and this much more, which starting a shell may take */
    DISK_LOOK_MS = 10000,   /* how often the free space is read while the command runs */
};

static unsigned long long min_ms(unsigned long long a, unsigned long long b)
{
    return a < b ? a : b;
}

/* "1h 20m", "45s" */
static void print_time(char out[32], unsigned long long ms)
{
    unsigned long long seconds = ms / 1000;
    if (seconds >= 3600)
        snprintf(out, 32, "%lluh %llum", seconds / 3600, seconds / 60 % 60);
    else if (seconds >= 60)
        snprintf(out, 32, "%llum %llus", seconds / 60, seconds % 60);
    else
        snprintf(out, 32, "%llus", seconds);
}

/* Announces a coming stop in the log, where people look when a build takes long. */
static void note_coming_stop(struct phase_run *run, const char *what, unsigned long long left_ms,
                             const char *option)
{
    char line[200], left[32];
    print_time(left, left_ms);
    snprintf(line, sizeof line,
             "\n[farm-supervisor: %s: the phase will be stopped in %s (%s in farm.yaml)]\n", what,
             left, option);
    sink_note(run->sink, line);
}

/* Writes the earlier of the announced stops to PHASE.run, where the agent reads it, and removes it
 * when the build makes progress. If the write fails only the announcement is lost: the limits still
 * hold. */
static void tell_coming_stop(struct phase_run *run)
{
    const struct supervisor_options *options = &run->options;
    unsigned long long at_ms = run->warned_wall_ms ? run->started_ms + options->wall_ms : 0,
                       silent_at_ms = run->output_ms + options->silence_ms;
    bool is_silence = run->warned_silence_ms > run->output_ms && (!at_ms || silent_at_ms < at_ms);
    if (is_silence)
        at_ms = silent_at_ms;
    if (at_ms == run->stop_at_ms)
        return;
    bool written = run_file_announce(run, is_silence ? "silent" : "timeout", at_ms);
    run->stop_at_ms = written ? at_ms : 0;
}

/* When a stop for a limit that runs from `from_ms` is announced. */
static unsigned long long warn_at_ms(unsigned long long from_ms, unsigned long long limit_ms)
{
    unsigned long long notice_ms = limit_ms / WARN_PART;
    if (notice_ms < WARN_LEAST_MS)
        notice_ms = min_ms(WARN_LEAST_MS, limit_ms / 2);
    return from_ms + limit_ms - notice_ms;
}

static void warn_of_limits(struct phase_run *run, unsigned long long now)
{
    const struct supervisor_options *options = &run->options;
    if (options->wall_ms && !run->warned_wall_ms &&
        now >= warn_at_ms(run->started_ms, options->wall_ms)) {
        run->warned_wall_ms = now;
        note_coming_stop(run, "the time limit is near", run->started_ms + options->wall_ms - now,
                         "wall");
    }
    if (options->silence_ms && run->warned_silence_ms < run->output_ms + 1 &&
        now >= warn_at_ms(run->output_ms, options->silence_ms)) {
        run->warned_silence_ms = now;
        note_coming_stop(run, "no output for a long time",
                         run->output_ms + options->silence_ms - now, "silence");
    }
    tell_coming_stop(run);
}

/* A build that uses CPU time does not count as silent: linking PyTorch prints nothing for an hour.
 * Builds of nix-daemon are not our descendants; for them only the output counts. */
static bool tree_computes(struct phase_run *run)
{
    struct tree_wish wish = {.root = getpid(), .marker = run->is_subreaper ? NULL : run->marker};
    struct rusage ended;
    getrusage(RUSAGE_CHILDREN, &ended);
    unsigned long long before = run->cpu_ms;
    run->cpu_ms = tree_cpu_ms(&wish) +
                  (unsigned long long)(ended.ru_utime.tv_sec + ended.ru_stime.tv_sec) * 1000;
    return run->cpu_ms >= before + run->options.silence_ms / COMPUTES_PART + COMPUTES_LEAST_MS;
}

void run_limits_look_at_disk(struct phase_run *run, unsigned long long now)
{
    if (run->looked_ms && now - run->looked_ms < DISK_LOOK_MS)
        return;
    unsigned long long free_now = run_free_bytes(run);
    if (!run->looked_ms)
        run->free_at_first = run->free_at_least = free_now;
    if (free_now < run->free_at_least)
        run->free_at_least = free_now;
    run->looked_ms = now;
}

static bool is_silent(struct phase_run *run, unsigned long long now)
{
    unsigned long long limit_ms = run->options.silence_ms;
    if (!limit_ms || now - run->output_ms < limit_ms)
        return false;
    if (!tree_computes(run))
        return true;
    run->output_ms = now; /* CPU time counts as output */
    return false;
}

bool run_limits_reached(struct phase_run *run, unsigned long long now)
{
    const struct supervisor_options *options = &run->options;
    run->timed_out = options->wall_ms && now - run->started_ms >= options->wall_ms;
    run->silent = !run->timed_out && is_silent(run, now);
    if (run->timed_out || run->silent)
        return true;
    warn_of_limits(run, now);
    return false;
}

unsigned long long run_limits_next_ms(const struct phase_run *run)
{
    const struct supervisor_options *options = &run->options;
    unsigned long long at = run->looked_ms + DISK_LOOK_MS;
    if (run->stage != PHASE_IS_RUNNING)
        return at;
    if (options->wall_ms)
        at = min_ms(at, run->warned_wall_ms ? run->started_ms + options->wall_ms
                                            : warn_at_ms(run->started_ms, options->wall_ms));
    if (options->silence_ms)
        at = min_ms(at, run->warned_silence_ms > run->output_ms
                            ? run->output_ms + options->silence_ms
                            : warn_at_ms(run->output_ms, options->silence_ms));
    return at;
}
