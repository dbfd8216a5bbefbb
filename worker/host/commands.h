/* SPDX-License-Identifier: MIT */
/* commands.h - the commands of farm-worker that look after the worker of this host.
 *
 * Handlers of farm-worker's commands. They print what they did to standard output (JSON with
 * --json, enrol always), and return -1 with err when they could not; the program then says err and
 * ends with 1. All of them may be called again.
 */
#ifndef FARM_WORKER_HOST_COMMANDS_H
#define FARM_WORKER_HOST_COMMANDS_H

#include "worker/host/options.h"

/* What enrol and join share: a name that is fine, the host's when none is given; then the key pair
 * and the file, `changed` when either is new. */
int enrol_name(struct worker_options *options, struct err *err);
int enrol_here(struct worker_options *options, struct key_pair *key, bool *changed,
               struct err *err);
/* Makes the key pair if there is none (the private key never leaves the home), writes worker.conf,
 * prints {name, public_key, home, changed}. */
int host_enrol(struct worker_options *options, struct err *err);
/* With a token of `farm token create`: as enrol, and the coordinator lets the key in at once. */
int host_join(struct worker_options *options, struct err *err);
/* install, start, stop, restart, status or remove: worker/host/service.h does it. */
int host_service(struct worker_options *options, struct err *err);
/* Be the background process that keeps an agent alive, where there is no systemd. */
int host_keep(struct worker_options *options, struct err *err);
/* A checklist, a fix for each line that is not fine. -1 when something is bad, not with --json. */
int host_doctor(struct worker_options *options, struct err *err);

#endif
