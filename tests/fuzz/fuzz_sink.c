/* SPDX-License-Identifier: MIT */
/* A build's output on its way into its log: the secret never gets there, however the output is cut
 * and whatever the secret looks like; without one, and below the limit, every byte does. */
#include "tests/fuzz/fuzz.h"

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

/* What the log must hold: each byte of the output that is in an occurrence of the secret (also in
 * overlapping ones) is a star. */
static void expect(struct bytes output, struct bytes secret, struct buf *out)
{
    if (output.size)
        buf_add(out, output.data, output.size);
    for (size_t i = 0; secret.size && i + secret.size <= output.size; i++)
        if (memcmp(output.data + i, secret.data, secret.size) == 0)
            memset(out->data + i, '*', secret.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size < 8192 ? size : 8192};
    size_t piece = 1 + (size_t)fuzz_number(&input, 1);
    struct bytes secret = fuzz_bytes(&input, (size_t)fuzz_number(&input, 1) % 32);
    struct buf expected = {0}, stored = {0};
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
    expect(input, secret, &expected);
    buf_reserve(&stored, input.size + 1);
    ssize_t there = pread(log, stored.data, input.size + 1, 0);
    assert(there == (ssize_t)expected.size);
    assert(there == 0 || memcmp(stored.data, expected.data, expected.size) == 0);
    close(log);
    close(folder);
    buf_release(&expected);
    buf_release(&stored);
    return 0;
}
