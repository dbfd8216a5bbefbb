/* SPDX-License-Identifier: MIT */
/* history.h - the core's tests as text: a script of what happens, and the records that must follow.
 *
 * Each line of a script is one input:
 *
 *   start | tick MS | jump MS (the coordinator does not run) | policy NAME=VALUE...
 *   enrol NAME [publish] | viewer NAME | revoke NAME
 *   hello NAME SYSTEM[+SYSTEM...] [slots=N] [heavy=N] [mem=GIB] [disk=GIB] [instance=TEXT]
 *         [machine=TEXT] [features=A+B] [gpu=9.0+8.6] [problem=TEXT] [publish] [at=MS]
 *         [restricts] [sandbox=on|off] [fs=USES/ID/FREE[/TOTAL]+...] [: ITEMS]
 *         (USES: b build, s store, t state; GiB)
 *   status NAME [seq=N] [session=N] [inc=N] [free=GIB] [fs=...] [at=MS] [: ITEMS]
 *   submit ID [publish] [force] [local] [on=WORKER] [priority=N] [retry=N] [task=NAME] [give-up=MS]
 *          [supersede]
 *   resolved RUN ITEM[, ITEM...] | resolved RUN problem TEXT | preflighted RUN [TEXT]
 *       ITEM of a plan: PACKAGE SYSTEM [project=P] [branch=B] [commit=C] [org=O|cache=C] [secret=S]
 *                       [inputs=H] [pinned] [heavy] [mem=GIB] [disk=GIB] [isa=I] [gpu=G] [cuda=C]
 *                       [check] [problem=TEXT] [collisions=POLICY] [wins] [rank=N] [line=L]
 *                       [restrict=URI] [sandboxed] [depth=N] [diverged=COMMIT[+...]] [supersedes]
 *                       [rival: of another branch, not built by the run]
 *   cancel ID run=N|job=N | pause ID | resume ID | drain ID NAME | undrain ID NAME
 *   remove ID NAME [discard] | publish ID JOB... | settle ID PUBLICATION published|not|giveup
 *   release ID SECRET|run=N|job=N | import ID TARGET PACKAGE SYSTEM COMMIT INPUTS | sealed TOKEN
 * BYTES failed NAME | intake open|closed | archive RUN | notified NOTICE [PROBLEM]
 *
 * ITEMS of a status, by commas: TOKEN accepted|running PHASE|ended OUTCOME [CAUSE] [at=PHASE]
 * [bytes=N] [already] [unsure] [isolation=LEVEL] [pkg=P] [system=S] [peak=BYTES]
 * [used=BYTES of disk] [sign=N] [lines=TEXT] [detail=TEXT, its '_' being spaces]
 * [stop=CAUSE stopat=MS, by the host's clock, which at= of the status tells]; a TOKEN with a p
 * before it is a publication's.
 *
 * After each step farm_check runs. Passing records but clock-jumped are not shown, nor notices
 * where the policy names nobody to tell. Effects are
 * shown as "> kind ..." behind the records of their step. A farm that is replayed from the durable
 * records must have the same digest; history_restart goes on with it.
 */
#ifndef FARM_HISTORY_H
#define FARM_HISTORY_H

#include "coordinator/core/farm.h"
#include "coordinator/core/view.h"

struct history;

struct history *history_begin(void);
/* Asserts that a replay and an export lead to the same farm, then releases all. */
void history_end(struct history *history);

/* Runs the lines of a script. */
void history_do(struct history *history, const char *script);
/* Runs a script and asserts what it says, line by line. A line that ends in "..." need only begin
 * so. Times are not compared. */
void history_expect(struct history *history, const char *script, const char *said);
/* What was said since the last call of it or of history_expect. */
const char *history_said(struct history *history);

const struct farm *history_farm(const struct history *history);
/* No farm_check from now on; the farm may be changed by hand. */
struct farm *history_uncheck(struct history *history);
/* Replaces the farm by one replayed from the durable records (of committed steps), then starts it:
 * the coordinator was killed and began again. */
void history_restart(struct history *history);
/* Replaces the farm by one rebuilt from farm_export. */
void history_rebuild(struct history *history);

/* One input that is not text. The outcome stays until the next step. */
const struct farm_outcome *history_step(struct history *history, struct input *input);
uint64_t history_now_ms(const struct history *history);
void history_advance(struct history *history, uint64_t ms);

#endif
