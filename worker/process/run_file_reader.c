/* SPDX-License-Identifier: MIT */
#include "worker/process/run_file_reader.h"

#include "proto/base/beneath.h"
#include "worker/process/hostfacts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Copies the value of the next line that starts with `key` into `out`. Searches from *from and
 * advances it, so that a repeated key can be read in a loop. */
static bool find_value(const char **from, const char *key, char *out, size_t size)
{
    size_t length = strlen(key);
    for (const char *line = *from; *line;) {
        size_t line_size = strcspn(line, "\n");
        const char *next = line + line_size + (line[line_size] == '\n');
        if (line_size > length && strncmp(line, key, length) == 0 && line[length] == ' ') {
            snprintf(out, size, "%.*s", (int)(line_size - length - 1), line + length + 1);
            *from = next;
            return true;
        }
        line = next;
    }
    return false;
}

/* False when the key is missing or its value is not a number. */
static bool find_number(const char *text, const char *key, int64_t *value)
{
    char digits[32], *end;
    if (!find_value(&text, key, digits, sizeof digits))
        return false;
    errno = 0;
    *value = strtoll(digits, &end, 10);
    return end != digits && *end == '\0' && errno == 0;
}

/* Reads a part of the file as text. True when its last line is "end": the part is complete. */
static bool read_part(int file, off_t offset, char *text, size_t size)
{
    ssize_t n = pread(file, text, size - 1, offset);
    text[n > 0 ? n : 0] = '\0';
    size_t length = strlen(text);
    return length >= 5 && strcmp(text + length - 5, "\nend\n") == 0;
}

static bool parse_id(const char *text, struct run_file *run_file)
{
    int64_t pid, start_time, log_from;
    const char *from = text;
    if (!find_value(&from, "boot_id", run_file->id.boot_id, sizeof run_file->id.boot_id) ||
        !find_number(text, "pid", &pid) || !find_number(text, "start_time", &start_time) ||
        !find_number(text, "log_from", &log_from) || log_from < 0 || pid <= 1 || pid > INT32_MAX)
        return false;
    run_file->log_from = (uint64_t)log_from;
    run_file->id.pid = (pid_t)pid;
    run_file->id.start_time = (unsigned long long)start_time;
    from = text;
    while (run_file->cgroup_count < RUN_FILE_CGROUPS_MAX &&
           find_value(&from, "cgroup", run_file->cgroups[run_file->cgroup_count], PATH_MAX))
        run_file->cgroup_count++;
    return true;
}

static bool parse_exit(const char *text, struct exit_facts *facts)
{
    int64_t signal, oom_kills, free_bytes, cpu_ms, memory_peak, wall_ms, timed_out, silent;
    int64_t disk_bytes = 0, daemon_oom_kills, daemon_restarted, memory_stall, io_stall;
    if (!find_number(text, "status", &facts->status) || !find_number(text, "signal", &signal) ||
        !find_number(text, "oom_kills", &oom_kills) ||
        !find_number(text, "free_bytes", &free_bytes) || !find_number(text, "cpu_ms", &cpu_ms) ||
        !find_number(text, "memory_peak", &memory_peak) ||
        !find_number(text, "wall_ms", &wall_ms) || !find_number(text, "timed_out", &timed_out) ||
        !find_number(text, "silent", &silent))
        return false;
    /* Older supervisors do not write these. */
    if (find_number(text, "disk_bytes", &disk_bytes))
        facts->disk_bytes = (uint64_t)disk_bytes;
    if (find_number(text, "daemon_oom_kills", &daemon_oom_kills))
        facts->daemon_oom_kills = (uint32_t)daemon_oom_kills;
    if (find_number(text, "daemon_restarted", &daemon_restarted))
        facts->daemon_restarted = daemon_restarted != 0;
    if (find_number(text, "memory_stall", &memory_stall))
        facts->memory_stall = (uint32_t)memory_stall;
    if (find_number(text, "io_stall", &io_stall))
        facts->io_stall = (uint32_t)io_stall;
    facts->signal = (uint32_t)signal;
    facts->oom_kills = (uint32_t)oom_kills;
    facts->free_bytes = (uint64_t)free_bytes;
    facts->cpu_ms = (uint64_t)cpu_ms;
    facts->memory_peak = (uint64_t)memory_peak;
    facts->wall_ms = (uint64_t)wall_ms;
    facts->timed_out = timed_out != 0;
    facts->silent = silent != 0;
    return true;
}

void run_file_read_exit(struct run_file *run_file)
{
    char text[RUN_FILE_EXIT_BYTES + 1];
    if (read_part(run_file->file, RUN_FILE_EXIT_OFFSET, text, sizeof text))
        run_file->has_exit = parse_exit(text, &run_file->facts);
}

static bool run_file_open_in(const char *folder, enum phase phase, int flags, int *file)
{
    char name[32];
    snprintf(name, sizeof name, "%s.run", phase_names[phase]);
    return beneath_open(folder, name, flags, file, NULL) == BENEATH_FOUND;
}

void run_file_read(const char *folder, enum phase phase, struct run_file *run_file)
{
    char text[RUN_FILE_EXIT_OFFSET + 1];
    *run_file = (struct run_file){.file = -1};
    if (!run_file_open_in(folder, phase, O_RDWR, &run_file->file))
        return;
    if (read_part(run_file->file, 0, text, sizeof text))
        run_file->has_id = parse_id(text, run_file);
    run_file_read_exit(run_file);
}

void run_file_close(struct run_file *run_file)
{
    if (run_file->file >= 0)
        close(run_file->file);
}

bool run_file_is_this_boot(const struct run_file *run_file)
{
    char boot_id[BOOT_ID_BYTES];
    boot_id_read(boot_id);
    return run_file->has_id && strcmp(boot_id, run_file->id.boot_id) == 0;
}

enum cause run_file_coming_stop(const char *folder, enum phase phase, uint64_t *at_ms)
{
    char text[RUN_FILE_STOP_BYTES + 1], name[32];
    const char *from = text;
    int64_t number;
    *at_ms = 0;
    int file;
    if (!run_file_open_in(folder, phase, O_RDONLY, &file))
        return CAUSE_NONE;
    bool whole = read_part(file, RUN_FILE_STOP_OFFSET, text, sizeof text);
    close(file);
    if (!whole || !find_value(&from, "stop_cause", name, sizeof name) ||
        !find_number(text, "stop_at_ms", &number) || number <= 0)
        return CAUSE_NONE;
    int cause = shape_enum_value(cause_names, name);
    if (cause != CAUSE_SILENT && cause != CAUSE_TIMEOUT)
        return CAUSE_NONE;
    *at_ms = (uint64_t)number;
    return (enum cause)cause;
}
