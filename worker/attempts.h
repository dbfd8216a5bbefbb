/* SPDX-License-Identifier: MIT */
/* attempts.h - the attempts and publications that are on this host, and their supervisors.
 *
 * Owns, for each token until it is dropped: the order, the newest phase, and the handle on the
 * phase's supervisor while it lives. Starts phases, watches their supervisors with epoll, and
 * queues an input for the agent when a phase ended, was skipped or could not start. Keeps neither
 * the secret nor the bundle of an order. Decides nothing: the agent does.
 */
#ifndef FARM_WORKER_ATTEMPTS_H
#define FARM_WORKER_ATTEMPTS_H

#include "worker/input_queue.h"
#include "worker/isolation/isolation.h"

struct attempt_entry; /* one token; its address is stable until it is dropped */
struct attempts;

/* All of it is borrowed; `host` is read whenever a phase starts or ends. */
struct attempts_options {
    const char *home;
    const char *program;    /* path of farm-worker, which runs phases */
    const char *supervisor; /* path of farm-supervisor */
    const char *cgroup;     /* phases get cgroups below it; "": none */
    const struct capabilities *host;
    const struct isolation_host *isolation;
    int epoll_fd; /* an event's data.ptr is the struct attempt_entry */
    struct input_queue *inputs;
};
struct attempts *attempts_create(const struct attempts_options *options);
/* Supervisors go on. Accepts NULL. */
void attempts_destroy(struct attempts *attempts);

/* Idempotent by token. */
struct attempt_entry *attempts_add(struct attempts *attempts, const struct order *order);
/* Starts a supervisor for the phase. `secret` is that of a publish; empty: none. */
void attempts_start_phase(struct attempts *attempts, const struct order *order, enum phase phase,
                          struct bytes secret);
/* Finds the supervisor of a phase that an earlier worker started; without one the phase ended. */
void attempts_adopt(struct attempts *attempts, struct attempt_entry *entry, enum phase phase);
/* epoll reported that the supervisor ended. */
void attempts_supervisor_ended(struct attempts *attempts, struct attempt_entry *entry);
/* Asks the supervisor to end its process tree. If none runs, the phase ended and the agent will be
 * told. */
void attempts_stop(struct attempts *attempts, struct token token);
/* Queues the progress of each running phase: size of its log, announced stop. */
void attempts_look(struct attempts *attempts);
/* Whether its recipe runs in no sandbox: of a worker from before isolation, or at level none. */
bool attempts_is_outside(struct attempts *attempts, struct token token);
void attempts_drop(struct attempts *attempts, struct token token);

#endif
