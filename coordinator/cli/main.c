/* SPDX-License-Identifier: MIT */
/* main.c - the program farm; commands.def lists what it can do. */
#include "coordinator/cli/command.h"

#include <signal.h>

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_DFL); /* `farm logs ... | head` ends quietly */
    return (int)farm_main(argc, argv);
}
