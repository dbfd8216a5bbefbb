/* SPDX-License-Identifier: MIT */
/* bench_redact.c - how fast output with a secret to hide passes, beside memcpy of the same bytes in
 * the same run.
 *
 * usage: bench_redact
 * Prints a line for each kind of output: MB/s, and what memcpy does. */
#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "worker/process/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20, CHUNKS = 256 };

/* Lines as a compiler prints them. */
static void fill_log(unsigned char *data, size_t size)
{
    static const char *const words[] = {"gcc -O2 -c src/kernel_", ".cu -o build/obj_",
                                        " -Iinclude\n",
                                        "[ 42%] Building CUDA object lib/CMakeFiles/"};
    for (size_t at = 0, i = 0; at < size; i++)
        for (const char *word = words[i % 4]; *word && at < size; word++)
            data[at++] = (unsigned char)*word;
}

static void fill_random(unsigned char *data, size_t size, const char *letters)
{
    uint64_t state = 1;
    size_t count = strlen(letters);
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        data[i] = (unsigned char)letters[(state >> 33) % count];
    }
}

static double mb_per_s(uint64_t from_ms)
{
    uint64_t ms = clock_boot_ms() - from_ms;
    return (double)CHUNK_BYTES * CHUNKS / 1e3 / (double)(ms ? ms : 1);
}

static void measure(const char *what, const char *secret, const unsigned char *output)
{
    struct redactor *redactor = redactor_create(secret, strlen(secret));
    unsigned char *data = mem_new(CHUNK_BYTES + redactor_held_max(redactor));
    size_t held = 0;
    uint64_t from_ms = clock_boot_ms();
    for (int i = 0; i < CHUNKS; i++) {
        memcpy(data + held, output, CHUNK_BYTES);
        size_t size = held + CHUNK_BYTES, final = redactor_pass(redactor, data, held, size);
        held = size - final;
        memmove(data, data + final, held);
    }
    double redacted = mb_per_s(from_ms);
    from_ms = clock_boot_ms();
    for (int i = 0; i < CHUNKS; i++) {
        memcpy(data, output, CHUNK_BYTES);
        /* Or the compiler leaves it out. */
        __asm__ volatile("" : : "r"(data) : "memory");
    }
    printf("%-44s %8.0f MB/s, memcpy %8.0f MB/s\n", what, redacted, mb_per_s(from_ms));
    redactor_destroy(redactor);
    free(data);
}

int main(void)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char token[1025] = "eyJ", all_a[16385];
    unsigned char *output = mem_new(CHUNK_BYTES);
    fill_random((unsigned char *)token + 3, sizeof token - 4, base64);
    token[sizeof token - 1] = '\0';
    memset(all_a, 'a', sizeof all_a - 1);
    all_a[sizeof all_a - 1] = '\0';
    fill_log(output, CHUNK_BYTES);
    measure("a token of 1 kB, a compiler's log", token, output);
    fill_random(output, CHUNK_BYTES, base64);
    measure("a token of 1 kB, base64", token, output);
    for (size_t at = 0; at + 1024 <= CHUNK_BYTES; at += 1024)
        memcpy(output + at, token, 1024);
    measure("a token of 1 kB, nothing but the token", token, output);
    memset(output, 'a', CHUNK_BYTES);
    measure("16 KiB of one letter, nothing but the letter", all_a, output);
    free(output);
    return 0;
}
