/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/init.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/process.h"
#include "coordinator/cli/report.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdio.h>

int init_discover(struct invocation *invocation, const char *url, struct buf *yaml, struct err *err)
{
    const char *argv[] = {process_find(&invocation->arena, "farmd"),
                          "discover",
                          "--init",
                          url,
                          "--home",
                          invocation->home,
                          NULL};
    int code = process_capture(argv, LIMIT_CONFIG_BYTES, yaml, err);
    if (code > 0)
        return err_set(err, "cannot read the repository; nothing was written");
    return code;
}

enum exit_code cmd_init(struct invocation *invocation)
{
    const char *path = home_path(&invocation->arena, invocation->home, "farm.yaml");
    struct buf yaml = {0};
    struct err err;
    if (io_exists(path) && !option_given(invocation, "force"))
        return fail(EXIT_REFUSED, "%s exists: edit it, or replace it with --force", path);
    bool failed = io_make_folders(invocation->home, 0750, &err) ||
                  init_discover(invocation, invocation->arguments[0], &yaml, &err) ||
                  io_write_file(path, yaml.data, yaml.size, 0640, true, &err);
    buf_release(&yaml);
    if (failed)
        return fail(EXIT_REFUSED, "%s", err.text);
    if (report_answer(json_pack("{s:o}", "file", json_text(path))))
        printf("wrote %s; nothing is published until you set a target there.\n"
               "Next: farm up, then farm matrix and farm rebuild\n",
               path);
    return EXIT_FINE;
}
