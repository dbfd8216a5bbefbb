/* SPDX-License-Identifier: MIT */
#include "worker/host/systemctl.h"

#include "proto/base/io.h"
#include "proto/limits.h"

int systemctl_run(const struct service *service, const char *verb, const char *word,
                  const char **said)
{
    const char *argv[8] = {"systemctl"};
    size_t count = 1;
    if (service->kind == SERVICE_USER)
        argv[count++] = "--user";
    argv[count++] = verb;
    if (word)
        argv[count++] = word;
    struct buf output = {0};
    struct err err = {""};
    int code = io_run(argv, NULL, LIMIT_TOOL_BYTES, LIMIT_TOOL_MS, &output, &err);
    while (output.size && output.data[output.size - 1] == '\n')
        output.data[--output.size] = '\0';
    if (said)
        *said = arena_text(service->arena, code < 0      ? err.text
                                           : output.data ? (const char *)output.data
                                                         : "");
    buf_release(&output);
    return code;
}

int systemctl_must(const struct service *service, const char *verb, const char *word,
                   struct err *err)
{
    const char *said;
    if (systemctl_run(service, verb, word, &said) == 0)
        return 0;
    return err_set(err, "systemctl %s %s: %s", verb, word ? word : "", said);
}
