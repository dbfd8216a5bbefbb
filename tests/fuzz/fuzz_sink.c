/* SPDX-License-Identifier: MIT */
/* A build's output on its way into its log: the secret never gets there, however the output is cut
 * and whatever the secret looks like; without one, and below the limit, every byte does. */
#include "tests/fuzz/fuzz.h"

#include "worker/process/redact.h"
#include "worker/process/sink.h"

#include <fcntl.h>
#include <sys/mman.h>

static void feed(struct sink *sink, struct bytes output, size_t piece)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        abort();
    while (output.size > 0) {
        struct bytes part = fuzz_bytes(&output, piece);
        if (write(ends[1], part.data, part.size) != (ssize_t)part.size)
            abort();
        while (sink_take(sink, ends[0]) > 0)
            ;
    }
    close(ends[1]);
    close(ends[0]);
}

/* Each byte is what was put in, or a star; each byte of an occurrence of the secret (also of
 * overlapping ones) is a star; without a secret nothing changes. */
static void check_log(struct bytes output, struct bytes secret, const uint8_t *log)
{
    for (size_t i = 0; i < output.size; i++)
        assert(log[i] == output.data[i] || (secret.size && log[i] == '*'));
    for (size_t i = 0; secret.size && i + secret.size <= output.size; i++)
        if (memcmp(output.data + i, secret.data, secret.size) == 0)
            for (size_t j = 0; j < secret.size; j++)
                assert(log[i + j] == '*');
}

/* Other forms of it are hidden, too (redact.h): the same ones, however the output is cut. */
static void check_cuts(struct bytes output, struct bytes secret, const uint8_t *log)
{
    struct redactor *redactor = secret.size ? redactor_create(secret.data, secret.size) : NULL;
    struct buf whole = {0};
    if (output.size)
        buf_add(&whole, output.data, output.size);
    if (redactor && whole.size)
        (void)redactor_pass(redactor, whole.data, 0, whole.size);
    assert(whole.size == 0 || memcmp(whole.data, log, whole.size) == 0);
    redactor_destroy(redactor);
    buf_release(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size < 8192 ? size : 8192};
    size_t piece = 1 + (size_t)fuzz_number(&input, 1);
    struct bytes secret = fuzz_bytes(&input, (size_t)fuzz_number(&input, 1) % 32);
    struct buf stored = {0};
    int log = memfd_create("log", MFD_CLOEXEC);
    int folder = open(fuzz_folder(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct sink_options options = {.log = log,
                                   .folder = folder,
                                   .bytes_max = 1 << 20,
                                   .secret = secret.data,
                                   .secret_size = secret.size};
    struct sink *sink = sink_open(&options);
    assert(sink && log >= 0 && folder >= 0);
    feed(sink, input, piece);
    assert(sink_close(sink) == 0);
    buf_reserve(&stored, input.size + 1);
    ssize_t there = pread(log, stored.data, input.size + 1, 0);
    assert(there == (ssize_t)input.size);
    check_log(input, secret, stored.data);
    check_cuts(input, secret, stored.data);
    close(log);
    close(folder);
    buf_release(&stored);
    return 0;
}
