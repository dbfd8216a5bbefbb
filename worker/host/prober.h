/* SPDX-License-Identifier: MIT */
/* prober.h - looks again what this host has, when that may have changed.
 *
 * A thread of its own, since programs that are asked for their version may hang. Every ten minutes
 * it looks at the programs' files (a few stats); only when one is another one, or when asked
 * (SIGHUP), the host is probed again. An upgraded flox is thus known without a restart.
 */
#ifndef FARM_WORKER_HOST_PROBER_H
#define FARM_WORKER_HOST_PROBER_H

#include "proto/base/err.h"
#include "worker/host/probe.h"

#include <stdbool.h>

struct prober;

/* What `limits` points to must live as long. */
struct prober *prober_start(const struct probe_limits *limits, struct err *err);
/* Readable when a new look was taken. */
int prober_fd(const struct prober *prober);
void prober_ask(struct prober *prober);
/* True once for each look; its texts are in *arena, which is the caller's from then on. */
bool prober_take(struct prober *prober, struct capabilities *out, struct arena *arena);
/* Ends after the look in hand. NULL is fine. */
void prober_stop(struct prober *prober);

#endif
