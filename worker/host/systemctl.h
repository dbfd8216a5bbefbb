/* SPDX-License-Identifier: MIT */
/* systemctl.h - systemctl for the manager that runs the service: the system's or the user's. */
#ifndef FARM_WORKER_HOST_SYSTEMCTL_H
#define FARM_WORKER_HOST_SYSTEMCTL_H

#include "worker/host/service_kind.h"

/* Runs systemctl. Returns its exit code, or -1; its output is in *said (may be NULL). `word` may be
 * NULL. */
int systemctl_run(const struct service *service, const char *verb, const char *word,
                  const char **said);
/* The same; -1 with err, which has the output, unless the exit code is 0. */
int systemctl_must(const struct service *service, const char *verb, const char *word,
                   struct err *err);

#endif
