/* SPDX-License-Identifier: MIT */
/* ssh_options.h - reads what `ssh -G` prints: one line per option, "name value...".
 *
 * One table (ssh_options.def) says what farm does with each option; no option is ignored without a
 * row. Where no ssh is installed, ssh_options_show prints the same lines for simple ssh_config
 * files and refuses words that it does not know. */
#ifndef FARM_DEPLOY_SSH_OPTIONS_H
#define FARM_DEPLOY_SSH_OPTIONS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stddef.h>

enum ssh_treatment { SSH_HONOURED, SSH_APPLIED, SSH_HARMLESS, SSH_UNSUPPORTED };

struct ssh_option {
    const char *name; /* as in ssh_config(5); compared without regard to case */
    enum ssh_treatment treatment;
    const char *note;
};

/* All rows; the last one has the name NULL. */
extern const struct ssh_option ssh_option_rows[];
/* NULL: there is no such row. */
const struct ssh_option *ssh_option_find(const char *name);

/* The value number `index` of an option in what ssh printed; NULL: there are not as many. */
const char *ssh_option_value(const char *shown, const char *name, size_t index,
                             struct arena *arena);
/* Fails if an option that farm does not support differs from `defaults`, which is what ssh prints
 * without a configuration. `host` is for the error. */
int ssh_options_check(const char *shown, const char *defaults, const char *host,
                      struct arena *arena, struct err *err);
/* What `ssh -G HOST` would print of an ssh_config: Host blocks, first value wins, no defaults.
 * Fails on words that have no row, on Match, and on Include that finds a file. */
int ssh_options_show(const char *config, const char *host, struct arena *arena, const char **shown,
                     struct err *err);

#endif
