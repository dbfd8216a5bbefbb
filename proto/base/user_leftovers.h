/* SPDX-License-Identifier: MIT */
/* user_leftovers.h - ends and removes what programs of a user left behind, for a user whose number
 * is used again by strangers who must not meet.
 *
 * Where programs have namespaces, those do this by ending. Else it is: processes, entries of /tmp,
 * /var/tmp, /dev/shm and /dev/mqueue, System V objects, and the user's keyrings. What lies deeper
 * in a folder of somebody else that everybody may write is not found.
 */
#ifndef FARM_BASE_USER_LEFTOVERS_H
#define FARM_BASE_USER_LEFTOVERS_H

#include "proto/base/err.h"

#include <sys/types.h>

/* How many processes have this real user. Those that ended and wait for their parent do not
 * count. */
unsigned user_processes(uid_t uid);
/* Kills all processes of the user until /proc has none, then removes the rest. Acts as that user,
 * so that it can do no harm elsewhere. Needs root and a user that nobody else uses; reaps children
 * of the caller. 0, or -1 with err: some process hangs in the kernel. */
int user_leftovers_end(uid_t uid, gid_t gid, struct err *err);

#endif
