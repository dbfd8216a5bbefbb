/* SPDX-License-Identifier: MIT */
/* service_user.h - the user that the agent of a worker that root installs runs as. */
#ifndef FARM_WORKER_HOST_SERVICE_USER_H
#define FARM_WORKER_HOST_SERVICE_USER_H

#include "worker/host/service_kind.h"

/* Makes the user floxfarm if it is wanted and missing; any other user must exist. */
int service_user_ensure(struct service *service, struct err *err);
/* Gives the home to the agent's user, including files that an earlier enrolment by root made. */
int service_user_own_home(const struct service *service, struct err *err);

#endif
