/* SPDX-License-Identifier: MIT */
/* bundle.c - see bundle.h. */
#include "deploy/bundle.h"

#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rest of the line that begins with `word` and a blank; "" if there is none. */
static const char *line_of(const char *text, const char *word, struct arena *arena)
{
    size_t size = strlen(word);
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (!strncmp(at, word, size) && at[size] == ' ')
            return arena_print(arena, "%.*s", (int)strcspn(at + size + 1, "\n"), at + size + 1);
    return "";
}

/* The id becomes the name of a folder and a word of a shell command. */
static bool id_is_fine(const char *id)
{
    for (const char *at = id; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '.' && *at != '-')
            return false;
    return isdigit((unsigned char)*id) && strlen(id) <= LIMIT_NAME_BYTES;
}

static const char *digest_of(const char *text, struct arena *arena)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(text, strlen(text), hash, &size, EVP_sha256(), NULL);
    return hex_text(arena, hash, size);
}

int bundle_read(const char *text, const char *cpu, struct arena *arena, struct bundle *out,
                struct err *err)
{
    *out = (struct bundle){.id = line_of(text, "id", arena),
                           .cpu = cpu,
                           .digest = digest_of(text, arena),
                           .bytes = strtoull(line_of(text, "bytes", arena), NULL, 10)};
    const char *system = arena_print(arena, "%s-linux", cpu);
    if (!id_is_fine(out->id) || !out->bytes || strcmp(line_of(text, "system", arena), system) != 0)
        return err_set(err,
                       "the manifest of the bundle for %s is damaged: build the bundle again with "
                       "cmake --build build/release --target bundles",
                       cpu);
    return 0;
}

int bundle_load(const char *folder, const char *cpu, const char *kind, struct arena *arena,
                struct bundle *out, struct err *err)
{
    const char *manifest = arena_print(arena, "%s/%s-linux%s.manifest", folder, cpu, kind);
    const char *archive = arena_print(arena, "%s/%s-linux%s.tar.gz", folder, cpu, kind);
    struct buf text = {0};
    *out = (struct bundle){.id = "", .cpu = cpu, .digest = ""};
    if (!io_exists(manifest))
        return 0;
    int result = io_read_file(manifest, LIMIT_CONFIG_BYTES, &text, err);
    if (result == 0)
        result = bundle_read(text.size ? (char *)text.data : "", cpu, arena, out, err);
    if (result == 0)
        result = io_read_file(archive, LIMIT_ARCHIVE_BYTES, &out->archive, err);
    buf_release(&text);
    return result;
}

void bundle_release(struct bundle *bundle)
{
    buf_release(&bundle->archive);
}
