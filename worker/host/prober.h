/* SPDX-License-Identifier: MIT */
/* prober.h - probes this host again when its capabilities may have changed.
 *
 * Runs in a thread of its own, because a program that is asked for its version may hang. Every ten
 * minutes the thread checks the files of these programs (a few calls of stat). It probes the host
 * only if one of them changed, or when asked to (SIGHUP). So the worker notices an upgraded flox
 * without a restart.
 * Each time it also keeps build users away from the host's ports (isolation_keep_closed).
 */
#ifndef FARM_WORKER_HOST_PROBER_H
#define FARM_WORKER_HOST_PROBER_H

#include "proto/base/err.h"
#include "worker/host/probe.h"
#include "worker/isolation/isolation.h"

#include <stdbool.h>

struct prober;

/* `isolation` and the texts of `limits` are borrowed until prober_stop. */
struct prober *prober_start(const struct probe_limits *limits,
                            const struct isolation_host *isolation, struct err *err);
/* A descriptor that becomes readable after a new probe. */
int prober_fd(const struct prober *prober);
/* Requests a probe now. */
void prober_ask(struct prober *prober);
/* True once for each new probe. The texts of *out are in *arena, which the caller then owns. */
bool prober_take(struct prober *prober, struct capabilities *out, struct arena *arena);
/* Finishes a running probe, ends the thread and frees. Accepts NULL. */
void prober_stop(struct prober *prober);

#endif
