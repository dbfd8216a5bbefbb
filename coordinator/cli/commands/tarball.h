/* SPDX-License-Identifier: MIT */
/* tarball.h - a backup as one tar file (coordinator/storage/backup.h says what is in it). */
#ifndef FARM_CLI_COMMANDS_TARBALL_H
#define FARM_CLI_COMMANDS_TARBALL_H

#include "coordinator/cli/command.h"

/* A copy of the journal in a folder below HOME, made for tarball_command and removed by
 * tarball_drop (NULL is fine). */
const char *tarball_stage(struct invocation *invocation, struct err *err);
void tarball_drop(const char *stage);
/* argv of the tar that writes a backup of HOME to a file, "-" for its standard output. In the
 * arena. */
const char *const *tarball_command(struct invocation *invocation, const char *stage,
                                   const char *file);

#endif
