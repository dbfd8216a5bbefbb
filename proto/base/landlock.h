/* SPDX-License-Identifier: MIT */
/* landlock.h - gives up rights of the calling thread, for good and for all that it starts
 * (landlock(7), Linux 5.13 and later). Needs no root, and no namespaces, which change who owns
 * files. Libc only.
 *
 * It gives up setuid programs, too (PR_SET_NO_NEW_PRIVS). Whoever needs its rights later does this
 * in a thread of its own. */
#ifndef FARM_LANDLOCK_H
#define FARM_LANDLOCK_H

#include "proto/base/err.h"

#include <stdbool.h>

/* Whether this kernel can do landlock_scope. */
bool landlock_can_scope(void);
/* Gives up signals to other programs and their abstract sockets, where the kernel can do that. */
void landlock_scope(void);

/* Gives up what is in `folder`, except below what `kept` (NULL-terminated) names: entries of it, or
 * full paths. Also the memory, environment and descriptors of other programs, and signals to them
 * where the kernel can do that, and root's capabilities but those for files. In the folders above,
 * nothing new can be made. -1 with err: the kernel cannot do this. */
int landlock_hide(const char *folder, const char *const *kept, struct err *err);

#endif
