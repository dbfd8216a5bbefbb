/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "proto/base/version.h"
#include "proto/json.h"

#include <stdio.h>

enum exit_code cmd_version(struct invocation *invocation)
{
    if (!option_given(invocation, "json"))
        return printf("farm %s\n", version_text) < 0 ? EXIT_REFUSED : EXIT_FINE;
    json_t *body = json_object();
    json_object_set_new(body, "version", json_text(FARM_VERSION));
    json_object_set_new(body, "commit", json_text(version_commit));
    print_json(body);
    return EXIT_FINE;
}
