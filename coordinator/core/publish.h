/* SPDX-License-Identifier: MIT */
/* publish.h - publications, from wanted to the ledger (publish.c has the rules). */
#ifndef FARM_PUBLISH_H
#define FARM_PUBLISH_H

#include "coordinator/core/step.h"

/* What follows from a record: a job that was built is to be published, if its run publishes. */
void want_publications(struct step *step, const struct record *record);
/* What a worker says of a publication. False when it is another worker's. */
bool decide_publication_item(struct step *step, uint64_t worker, const struct item *item);
/* Its worker does not show it any more, although it had begun: it may have been published. */
void decide_publication_gone(struct step *step, uint64_t publication);
/* Grants what waits for this worker, one at a time per account until one is through. */
void decide_grants(struct step *step, const struct worker_view *worker);

/* Ends an open publication as failed. */
void fail_publication(struct step *step, uint64_t publication, enum cause cause,
                      const char *detail);
/* Gives up a publication that nobody has been granted yet; others go their way. */
void drop_publication(struct step *step, uint64_t publication, const char *detail);

/* Requests of people, each with its reply. */
void decide_publish_request(struct step *step, const struct input_publish *input);
void decide_settle(struct step *step, const struct input_settle *input);
void decide_release(struct step *step, const struct input_release *input);
void decide_import(struct step *step, const struct input_ledger_import *input);

#endif
