/* SPDX-License-Identifier: MIT */
#include "worker/process/supervisor.h"

int main(int argc, char **argv)
{
    return supervisor_main(argc, argv);
}
