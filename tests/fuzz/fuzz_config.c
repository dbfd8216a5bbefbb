/* SPDX-License-Identifier: MIT */
/* farm.yaml. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config = {0};
    struct err err = {""};
    if (config_parse((struct bytes){data, size}, "farm.yaml", &config, &err) < 0) {
        /* The error says where. */
        assert(strncmp(err.text, "farm.yaml", 9) == 0);
    } else {
        for (size_t i = 0; i < config.projects_count; i++)
            assert(config_project(&config, config.projects[i].name) == &config.projects[i]);
        struct buf text = {0};
        config_write_template(&config, &text);
        buf_release(&text);
    }
    config_release(&config);
    return 0;
}
