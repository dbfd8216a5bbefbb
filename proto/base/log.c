/* SPDX-License-Identifier: MIT */
/* log.c - see log.h. */
#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *log_program = "farm";
static enum log_level log_floor = LOG_INFO;

void log_open(const char *program, enum log_level level)
{
    log_program = program;
    log_floor = level;
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < log_floor)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    char line[2048];
    size_t at = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    at += (size_t)snprintf(line + at, sizeof line - at, ".%03ldZ %s %s: ", now.tv_nsec / 1000000,
                           log_program, names[level]);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + at, sizeof line - at - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    size_t end = at + (size_t)n;
    if (end > sizeof line - 2)
        end = sizeof line - 2;
    for (size_t i = at; i < end; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[end++] = '\n';
    if (write(STDERR_FILENO, line, end) < 0)
        return; /* there is no other place to report it */
}
