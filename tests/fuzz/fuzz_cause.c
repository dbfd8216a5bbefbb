/* SPDX-License-Identifier: MIT */
/* Why a phase ended badly: the end of a build's log, after 12 bytes of phase, builder and facts. */
#include "tests/fuzz/fuzz.h"

#include "proto/base/utf8.h"
#include "worker/phase/cause.h"

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    enum phase phase = (enum phase)(PHASE_CHECKOUT + (int)(fuzz_number(&input, 1) % 4));
    enum builder builder = (enum builder)(BUILDER_FLOX + (int)(fuzz_number(&input, 1) % 3));
    uint64_t flags = fuzz_number(&input, 1);
    struct exit_facts facts = {.status = (int8_t)fuzz_number(&input, 1),
                               .signal = (uint32_t)fuzz_number(&input, 1) % 65,
                               .oom_kills = flags & 1,
                               .timed_out = flags & 2,
                               .silent = flags & 4,
                               .free_bytes = fuzz_number(&input, 6)};
    struct cause_verdict verdict;
    cause_find(phase, builder, &facts, flags & 8, fuzz_bytes(&input, input.size), NULL, &verdict);
    assert(verdict.cause <= CAUSE_UNKNOWN);
    assert(strnlen(verdict.detail, sizeof verdict.detail) < sizeof verdict.detail);
    assert(is_clean(verdict.detail));
    assert(utf8_valid_bytes(verdict.detail, strlen(verdict.detail)) == strlen(verdict.detail));
    return 0;
}
