/* SPDX-License-Identifier: MIT */
#include "proto/base/version.h"

#include "proto/base/commit.h" /* made by cmake/FarmCommit.cmake */

const char version_text[] = FARM_VERSION " (" FARM_COMMIT ")";
const char version_commit[] = FARM_COMMIT;
