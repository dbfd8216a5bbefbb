/* SPDX-License-Identifier: MIT */
/* log.h - a program's own log: lines on standard error with time, level and program. Thread-safe,
 * because each line is one write. Not used for the logs of builds. Control characters are escaped,
 * because peers may have sent them. */
#ifndef FARM_BASE_LOG_H
#define FARM_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Call once; `program` must stay valid until the process ends. Lines below `level` are dropped. */
void log_open(const char *program, enum log_level level);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
