/* SPDX-License-Identifier: MIT */
/* Tokens and key files: what a person or a service gave us. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/cli/logread.h"
#include "coordinator/shell/secrets.h"
#include "proto/keys.h"
#include "worker/disk/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[128], key[KEY_TEXT_BYTES];
    struct key_pair pair;
    struct token token, again;
    struct err err;
    char *text = fuzz_text((struct bytes){data, size});
    secret_expiry_s((struct bytes){data, size});
    if (keys_valid(text))
        assert(strlen(text) == KEY_TEXT_BYTES - 1);
    if (folder_token(text, &token)) {
        assert(token_parse(text, &again) == 0 && token_equal(token, again));
        char printed[64];
        snprintf(printed, sizeof printed, "%u.%llu", token.epoch, (unsigned long long)token.number);
        assert(strcmp(printed, text) == 0);
    }
    snprintf(path, sizeof path, "%s/key", fuzz_folder());
    fuzz_write(path, (struct bytes){data, size});
    chmod(path, 0600);
    if (keys_load(path, &pair, &err) == 0)
        assert(keys_valid(pair.public_key));
    if (keys_load_public(path, key, &err) == 0)
        assert(keys_valid(key));
    free(text);
    return 0;
}
