/* SPDX-License-Identifier: MIT */
/* port_holder.h - which process listens on a TCP port of this machine. Linux: /proc/net/tcp and
 * tcp6 name the socket's inode, /proc/PID/fd its holder. Processes of other users are seen by root
 * only. For error messages: nothing depends on the answer. */
#ifndef FARM_BASE_PORT_HOLDER_H
#define FARM_BASE_PORT_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* Writes "NAME (pid N)" to `out`, of `size` bytes. False when nobody listens there, or the holder
 * cannot be seen. */
bool port_holder(unsigned long port, char *out, size_t size);

#endif
