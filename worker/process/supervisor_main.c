/* SPDX-License-Identifier: MIT */
/* supervisor_main.c - the program farm-supervisor; its manual is supervisor.h. */
#include "worker/process/supervisor.h"

int main(int argc, char **argv)
{
    return supervisor_main(argc, argv);
}
