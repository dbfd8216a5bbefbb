/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/report.h"
#include "proto/base/version.h"
#include "proto/json.h"

#include <stdio.h>

enum exit_code cmd_version(struct invocation *invocation)
{
    (void)invocation;
    json_t *body = json_object();
    json_object_set_new(body, "version", json_text(FARM_VERSION));
    json_object_set_new(body, "commit", json_text(version_commit));
    if (report_answer(body))
        printf("farm %s\n", version_text);
    return EXIT_FINE;
}
