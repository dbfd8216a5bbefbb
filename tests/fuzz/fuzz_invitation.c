/* SPDX-License-Identifier: MIT */
/* A token as a person may paste it. Writing a parsed token must give the same text. */
#include "tests/fuzz/fuzz.h"

#include "proto/invitation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct invitation read, again;
    struct err err = {""};
    char text[INVITATION_TEXT_BYTES];
    char *given = mem_new(size + 1);
    memcpy(given, data, size);
    if (invitation_read(given, &read, &err) < 0) {
        assert(*err.text);
    } else {
        assert(invitation_write(&read, text, &err) == 0);
        assert(invitation_read(text, &again, &err) == 0);
        char twice[INVITATION_TEXT_BYTES];
        assert(invitation_write(&again, twice, &err) == 0);
        assert(strcmp(text, twice) == 0);
    }
    free(given);
    return 0;
}
