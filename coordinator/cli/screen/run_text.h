/* SPDX-License-Identifier: MIT */
/* run_text.h - what is said about a run beside its grid: how far it is, what a limit will soon
 * stop, what failed and why, and how it ended. Made from the JSON of `status`
 * (coordinator/render/render.h). Pure: no I/O. */
#ifndef FARM_CLI_SCREEN_RUN_TEXT_H
#define FARM_CLI_SCREEN_RUN_TEXT_H

#include "proto/base/mem.h"

#include <jansson.h>
#include <stdbool.h>

/* Appends "run 3 is open: 41 of 67 done, ..." */
void run_print_progress(const json_t *run, bool colours, struct buf *out);
/* Appends one line for each branch, and the run's warnings. */
void run_print_branches(const json_t *run, bool colours, struct buf *out);
/* Both, with what the run waits for between them. */
void run_print_counts(const json_t *run, bool colours, struct buf *out);
/* Appends one line for each reason why jobs wait for a host: because no worker could ever run them
 * (waits), or because those that could are offline, draining, quarantined, unable to build or out
 * of disk (delays). */
void run_print_waits(const json_t *run, bool colours, struct buf *out);
/* Appends one line for each build or publish that a limit will soon stop. */
void run_print_stops(const json_t *run, bool colours, struct buf *out);
/* The same for one job (`job` or `why`), with its name. */
void job_print_stop(const json_t *job, bool colours, struct buf *out);
/* Appends one line for each cause of jobs or publications that ended badly or are held, those of
 * most variants first. */
void run_print_failures(const json_t *run, bool colours, struct buf *out);
/* Appends the last line of a run, "67 ok, 0 failed, 67 published", and other counts that are not 0
 * (", 3 unchanged"). No newline. */
void run_summary(const json_t *run, struct buf *out);

/* True when the run will not change by itself any more: it is closed or refused, or what is left
 * waits for a person or for a host that is not there. The coordinator decides (progress.c). */
bool run_is_over(const json_t *run);
/* True when jobs of the run wait for a host that is not there. */
bool run_waits(const json_t *run);

#endif
