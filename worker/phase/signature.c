/* SPDX-License-Identifier: MIT */
/* signature.c - see signature.h. */
#include "worker/phase/signature.h"

#include "proto/base/hash.h"

#include <string.h>

enum { HASH_LETTERS = 7, STORE_HASH = 32 };

struct writer {
    char *out;
    size_t size;
};

static void letter_put(struct writer *writer, char letter)
{
    bool repeated = writer->size && writer->out[writer->size - 1] == letter;
    if (repeated && (letter == '#' || letter == ' '))
        return;
    if (writer->size + 1 < SIGNATURE_TEXT_BYTES)
        writer->out[writer->size++] = letter;
}

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

static bool is_letter(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

static bool word_begins(const char *word, size_t size, const char *with)
{
    size_t length = strlen(with);
    return size >= length && memcmp(word, with, length) == 0;
}

/* Names of instruction sets: avx512bf16, mavx2, sse4, armv9, sve2. */
static bool is_isa(const char *word, size_t size)
{
    static const char *const names[] = {"avx", "mavx", "sse", "msse", "armv", "sve", "neon", "amx"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (word_begins(word, size, names[i]))
            return true;
    return false;
}

static bool is_hash(const char *word, size_t size)
{
    bool digits = false;
    for (size_t i = 0; i < size; i++) {
        bool hex = is_digit(word[i]) || (word[i] >= 'a' && word[i] <= 'f');
        bool nix = size == STORE_HASH && (is_digit(word[i]) || is_letter(word[i]));
        if (!hex && !nix)
            return false;
        digits |= is_digit(word[i]);
    }
    return digits && size >= HASH_LETTERS;
}

/* `word` is a part of a token between punctuation: letters and digits only. */
static void put_part(struct writer *writer, const char *word, size_t size)
{
    if (is_digit(word[0]) || is_hash(word, size)) {
        letter_put(writer, '#');
        return;
    }
    for (size_t i = 0; i < size; i++)
        letter_put(writer, is_digit(word[i]) ? '#' : word[i]);
}

static bool is_path_letter(char letter)
{
    return is_letter(letter) || is_digit(letter) || (letter && strchr("_-.+~@%/=", letter));
}

/* Writes a token part by part; of a path only the last component. The name of a CPU ends the token,
 * as in "armv9-a+sve2". */
static void put_token(struct writer *writer, const char *token, size_t size)
{
    while (size > 1 && token[size - 1] == '/')
        size--;
    for (size_t i = size; i-- > 0;)
        if (token[i] == '/') {
            token += i + 1;
            size -= i + 1;
            break;
        }
    for (size_t i = 0; i < size;) {
        size_t end = i;
        while (end < size && (is_letter(token[end]) || is_digit(token[end])))
            end++;
        if (is_isa(token + i, end - i)) {
            letter_put(writer, '#');
            return;
        }
        if (end > i)
            put_part(writer, token + i, end - i);
        else
            letter_put(writer, token[end++]);
        i = end;
    }
}

/* Length of "python3.13-torchvision-sm90> ", which nix puts before the lines of a build. */
static size_t prefix_length(const char *line, size_t size)
{
    size_t end = 0;
    while (end < size && is_path_letter(line[end]))
        end++;
    return end && end + 1 < size && line[end] == '>' && line[end + 1] == ' ' ? end + 2 : 0;
}

void signature_text(const char *line, size_t size, char *out)
{
    struct writer writer = {out, 0};
    for (size_t i = prefix_length(line, size); i < size;) {
        size_t end = i;
        while (end < size && is_path_letter(line[end]))
            end++;
        if (end > i)
            put_token(&writer, line + i, end - i);
        else
            letter_put(&writer, line[end++]);
        i = end;
    }
    while (writer.size && out[writer.size - 1] == ' ')
        writer.size--;
    out[writer.size] = '\0';
}

uint64_t signature_of(enum cause cause, const char *line)
{
    char text[SIGNATURE_TEXT_BYTES];
    signature_text(line, strlen(line), text);
    uint64_t value = hash_bytes(HASH_START, cause_names[cause], strlen(cause_names[cause]));
    value = hash_bytes(hash_bytes(value, "\n", 1), text, strlen(text));
    return value ? value : 1;
}
