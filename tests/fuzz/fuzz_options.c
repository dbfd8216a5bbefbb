/* SPDX-License-Identifier: MIT */
/* worker.conf, as the owner of a host wrote it. */
#include "tests/fuzz/fuzz.h"

#include "worker/host/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[128], home[64], run[] = "run", home_option[] = "--home";
    char *argv[] = {run, home_option, home, NULL};
    struct worker_options options;
    struct err err = {""};
    char key[KEY_TEXT_BYTES];
    snprintf(home, sizeof home, "%s", fuzz_folder());
    snprintf(path, sizeof path, "%s/worker.conf", home);
    fuzz_write(path, (struct bytes){data, size});
    if (options_read(3, argv, OPTIONS_RUN, &options, &err) < 0) {
        assert(*err.text);
    } else {
        assert(*options.connect && options.supervisor);
        options_server_key(&options, key, &err);
    }
    options_release(&options);
    return 0;
}
