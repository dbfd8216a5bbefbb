/* SPDX-License-Identifier: MIT */
/* commands.h - the commands of farm-worker that set up and maintain the worker of this host.
 *
 * Each handler prints what it did to standard output (as JSON with --json; enrol always as JSON).
 * It returns -1 with err on failure; the program then prints err and exits with 1. Every command
 * may be repeated. */
#ifndef FARM_WORKER_HOST_COMMANDS_H
#define FARM_WORKER_HOST_COMMANDS_H

#include "worker/host/options.h"

/* Shared by enrol and join. enrol_name: checks the worker's name; without one takes the host's.
 * enrol_here: makes the key pair and writes worker.conf; *changed is set if either is new. */
int enrol_name(struct worker_options *options, struct err *err);
int enrol_here(struct worker_options *options, struct key_pair *key, bool *changed,
               struct err *err);
/* Makes the key pair if there is none (the private key never leaves the home), writes worker.conf
 * and prints {name, public_key, home, changed}. */
int host_enrol(struct worker_options *options, struct err *err);
/* Like enrol, but with a token of `farm token create`: the coordinator admits the key at once. */
int host_join(struct worker_options *options, struct err *err);
/* install, start, stop, restart, status or remove the service; see service.h. */
int host_service(struct worker_options *options, struct err *err);
/* The watchdog: a background process that keeps an agent running on a host without systemd. */
int host_keep(struct worker_options *options, struct err *err);
/* Prints a checklist, with a fix for each check that is not ok. -1 when a check is bad, except with
 * --json. */
int host_doctor(struct worker_options *options, struct err *err);

#endif
