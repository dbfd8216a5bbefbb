/* SPDX-License-Identifier: MIT */
/* tarball.h - a backup as one tar file; coordinator/storage/backup.h lists its contents. */
#ifndef FARM_CLI_COMMANDS_TARBALL_H
#define FARM_CLI_COMMANDS_TARBALL_H

#include "coordinator/cli/command.h"

/* Copies the journal into a new folder below HOME for tarball_command; returns its path, NULL on
 * error. tarball_drop removes the folder; NULL is allowed. */
const char *tarball_stage(struct invocation *invocation, struct err *err);
void tarball_drop(const char *stage);
/* The argv of a tar that writes the backup of HOME to `file`, "-" for standard output. It lives in
 * the invocation's arena. */
const char *const *tarball_command(struct invocation *invocation, const char *stage,
                                   const char *file);

#endif
