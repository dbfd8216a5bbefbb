/* SPDX-License-Identifier: MIT */
/* builder.c - the tables of builders and targets. To add one, write a file for it and list it here.
 */
#include "worker/builders/builder.h"

#include <stddef.h>

static const struct builder_row *const builders[] = {&builder_flox, &builder_nix, &builder_command};
static const struct target_row *const targets[] = {&target_flox, &target_nix_cache,
                                                   &target_command};

const struct builder_row *builder_row(enum builder builder)
{
    for (size_t i = 0; i < sizeof builders / sizeof builders[0]; i++)
        if (builders[i]->builder == builder)
            return builders[i];
    return NULL;
}

const struct target_row *target_row(enum target_kind kind)
{
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        if (targets[i]->kind == kind)
            return targets[i];
    return NULL;
}
