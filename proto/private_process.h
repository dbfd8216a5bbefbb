/* SPDX-License-Identifier: MIT */
/* private_process.h - a process that holds keys and secrets leaves no copies of them.
 *
 * For farmd and the worker's agent. Afterwards:
 * - no core file is written, and no other process of the same user can read this one's memory, its
 *   environment or its descriptors, or attach a debugger (root can);
 * - what libzmq frees is overwritten: it decrypts each frame into memory of its own.
 * Secrets in our own memory are wiped by who holds them: buf_wipe, held_secrets, control.c. */
#ifndef FARM_PRIVATE_PROCESS_H
#define FARM_PRIVATE_PROCESS_H

void private_process_begin(void);

#endif
