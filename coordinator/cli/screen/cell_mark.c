/* SPDX-License-Identifier: MIT */
/* cell_mark.c - the table of marks. */
#include "coordinator/cli/screen/cell_mark.h"

#include "proto/json.h"

#include <stdbool.h>
#include <string.h>

/* The first matching row counts. */
const struct cell_mark cell_marks[CELL_MARK_COUNT] = {
    {"pub", INK_GOOD, "published", "closed", "ok", NULL, "published"},
    {"PUB!", INK_BAD, "built, publishing failed", "closed", "ok", NULL, "failed"},
    {"held", INK_NOTE, "built, publishing waits for a person", "closed", "ok", NULL, "held"},
    {"pub?", INK_NOTE, "built, may be published: asking the host", "closed", "ok", NULL, "unknown"},
    {"ok>", INK_BUSY, "built, being published", "closed", "ok", NULL, "running"},
    {"ok>", INK_BUSY, "built, being published", "closed", "ok", NULL, "granted"},
    {"ok+", INK_GOOD, "built, waits to be published", "closed", "ok", NULL, "wanted"},
    {"ok-", INK_GOOD, "built, not published: another branch or commit has its name", "closed", "ok",
     NULL, "superseded"},
    {"ok", INK_GOOD, "built", "closed", "ok", NULL, NULL},
    {"FAIL", INK_BAD, "failed", "closed", "failed", NULL, NULL},
    {"TIME", INK_BAD, "took too long", "closed", "timed-out", NULL, NULL},
    {"stop", INK_NOTE, "cancelled", "closed", "cancelled", NULL, NULL},
    {"same", INK_DIM, "unchanged, not built again", "closed", "skipped", NULL, NULL},
    {"newer", INK_DIM, "not built: a newer run builds a newer commit", "closed", "superseded", NULL,
     NULL},
    {"BLOCK", INK_BAD, "blocked", "closed", "blocked", NULL, NULL},
    {"none", INK_DIM, "no worker can ever build it", "closed", "unroutable", NULL, NULL},
    {"host", INK_NOTE, "waits for a host that is not there yet", "hostless", NULL, NULL, NULL},
    {"check", INK_BUSY, "being checked", "running", NULL, "check", NULL},
    {"get", INK_BUSY, "fetching its sources", "running", NULL, "checkout", NULL},
    {"build", INK_BUSY, "building", "running", NULL, NULL, NULL},
    {"sent", INK_BUSY, "offered to a worker", "leased", NULL, NULL, NULL},
    {"next", INK_PLAIN, "ready, waits for a host", "ready", NULL, NULL, NULL},
    {"hold", INK_NOTE, "waits: a similar job failed, or its evaluation failed", "held", NULL, NULL,
     NULL},
    {"wait", INK_DIM, "waits", "waiting", NULL, NULL, NULL},
    {"?", INK_NOTE, "a state this program does not know", NULL, NULL, NULL, NULL},
};

static bool mark_fits(const char *wanted, const char *actual)
{
    return !wanted || !strcmp(wanted, actual);
}

const struct cell_mark *cell_mark_of(const json_t *job)
{
    const json_t *publication = json_object_get(job, "publication");
    const char *state = json_get_text(job, "state", ""),
               *verdict = json_get_text(job, "verdict", ""),
               *phase = json_get_text(job, "phase", ""),
               *published = json_get_text(publication, "state", "none");
    if (*json_get_text(job, "not_published", ""))
        published = "superseded"; /* also when nothing was ever to be published */
    if (*json_get_text(job, "waits_for", ""))
        state = "hostless"; /* of the marks only: the job is ready or held */
    const struct cell_mark *mark = cell_marks;
    while (!(mark_fits(mark->state, state) && mark_fits(mark->verdict, verdict) &&
             mark_fits(mark->phase, phase) && mark_fits(mark->publication, published)))
        mark++; /* the last row matches everything */
    return mark;
}
