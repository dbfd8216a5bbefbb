/* SPDX-License-Identifier: MIT */
/* version.h - which floxfarm a program was built from. */
#ifndef FARM_BASE_VERSION_H
#define FARM_BASE_VERSION_H

/* "0.1.0 (d68bcf2a1b3c)": the version, then the commit; "-dirty" follows a commit with local
 * changes, and "unknown" stands for it where the source was no git repository. Static. */
extern const char version_text[];
/* The commit alone. Static. */
extern const char version_commit[];

#endif
