/* SPDX-License-Identifier: MIT */
/* git_url.h - where anybody can read a repository, made of the URL by which its owner does. Pure.
 *
 * Sources: git-clone(1), "GIT URLS"; git-submodule(1), "add", on relative URLs. */
#ifndef FARM_GIT_URL_H
#define FARM_GIT_URL_H

#include "proto/base/mem.h"

/* https://HOST/PATH in the arena. Accepts https://, ssh:// and USER@HOST:PATH, and leaves out user
 * names and passwords, and sshd's port; NULL for all others. */
const char *git_url_public(const char *url, struct arena *arena);

/* The same for the URL of a submodule; one that begins with ./ or ../ is relative to `parent`, the
 * public URL of the repository that has the submodule. */
const char *git_url_submodule(const char *parent, const char *url, struct arena *arena);

#endif
