/* SPDX-License-Identifier: MIT */
/* log.h - a program's own log: one line to standard error, with time, level and program.
 * Thread-safe by the atomicity of one write. Never used for a build's log. Control characters of
 * what peers sent are escaped. */
#ifndef FARM_BASE_LOG_H
#define FARM_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Call once; `program` must live for ever. Lines below `level` are dropped. */
void log_open(const char *program, enum log_level level);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
