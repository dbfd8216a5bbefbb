/* SPDX-License-Identifier: MIT */
/* sandbox_command.h - `farm-supervisor sandbox`: runs one command of strangers in a sandbox.
 *
 *   farm-supervisor sandbox [--uid UID --gid GID] [--status FILE] [--by BWRAP | --no-namespaces] --
 * WORD... -- COMMAND [ARG...]
 *
 * The words are options of bwrap(1): --ro-bind, --bind, --dev-bind, each also with -try; --symlink,
 * --tmpfs, --dir, --dev, --proc, --remount-ro, --chdir, --unshare-net. What bwrap must be told, our
 * own sandbox always does (proto/base/sandbox.h). --trusted is our own word: a program of ours that
 * only stays away from the farm's files. With --by the program BWRAP runs instead, as that
 * user: under qemu-user and on kernels before 5.12. With --no-namespaces only the user changes, and
 * of the words --chdir alone counts.
 *
 * The command's environment is ours. Nothing secret may be in it, or in the arguments: the command
 * can read both where bwrap made the sandbox.
 *
 * FILE, in a folder that the command cannot reach, gets "ended" once the command has run. When it
 * is empty after an exit, the sandbox could not start (exit status 71): the host's fault, never the
 * recipe's. A folder of --chdir that is gone, or a command that is a path and cannot run, is the
 * command's failure: exit status 127 or 126. So is, with --by, any command that is missing. Else
 * the exit status, or the signal that ends this program, is the command's.
 */
#ifndef FARM_WORKER_PROCESS_SANDBOX_COMMAND_H
#define FARM_WORKER_PROCESS_SANDBOX_COMMAND_H

/* argv[0] is "sandbox". */
int sandbox_command_main(int argc, char **argv);

#endif
