/* SPDX-License-Identifier: MIT */
/* words.h - the words with which a sandbox's list is written (worker/process/sandbox_command.h). */
#ifndef FARM_WORKER_ISOLATION_WORDS_H
#define FARM_WORKER_ISOLATION_WORDS_H

#include "worker/process/tool.h"

#include <stdbool.h>

/* Adds the word and a path that is the same inside and outside. */
void words_bind(struct texts *argv, const char *word, const char *path);
/* Adds the host's programs and libraries: /usr, its old names, and folders of PATH that do not show
 * more than programs: none that contains `home`, the worker's, or a home of users. */
void words_programs(const char *home, struct texts *argv);
/* Whether that shows `home` itself, because it lies in /usr or the like: no place for keys. */
bool words_show(const char *home);

#endif
