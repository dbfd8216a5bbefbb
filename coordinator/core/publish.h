/* SPDX-License-Identifier: MIT */
/* publish.h - publications, from wanted to published (publish.c has the rules). */
#ifndef FARM_PUBLISH_H
#define FARM_PUBLISH_H

#include "coordinator/core/step.h"

/* What follows from a record: when a job was built and its run publishes, a publication is wanted.
 */
void want_publications(struct step *step, const struct record *record);
/* A publication in a worker's status. Returns false when the publication belongs to another worker.
 */
bool decide_publication_item(struct step *step, uint64_t worker, const struct item *item);
/* The worker no longer shows a publication that had begun: it may have been published. */
void decide_publication_gone(struct step *step, uint64_t publication);
/* Grants the publications that wait for this worker: one at a time for each account until the first
 * has succeeded. */
void decide_grants(struct step *step, const struct worker_view *worker);

/* Ends an open publication as failed. */
void fail_publication(struct step *step, uint64_t publication, enum cause cause,
                      const char *detail);
/* Gives up a publication that was not granted yet. Other publications that waited for it go on. */
void drop_publication(struct step *step, uint64_t publication, const char *detail);

/* Requests from people, each with its reply. */
void decide_publish_request(struct step *step, const struct input_publish *input);
void decide_settle(struct step *step, const struct input_settle *input);
void decide_release(struct step *step, const struct input_release *input);
void decide_import(struct step *step, const struct input_ledger_import *input);

#endif
