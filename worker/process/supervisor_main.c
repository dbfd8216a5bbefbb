/* SPDX-License-Identifier: MIT */
/* supervisor_main.c - the program farm-supervisor; its manuals are supervisor.h and
 * sandbox_command.h. */
#include "worker/process/sandbox_command.h"
#include "worker/process/supervisor.h"

#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "sandbox") == 0)
        _exit(sandbox_command_main(argc - 1, argv + 1)); /* another user by now: no leak check */
    return supervisor_main(argc, argv);
}
