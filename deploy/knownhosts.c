/* SPDX-License-Identifier: MIT */
/* knownhosts.c - see knownhosts.h. */
#include "deploy/knownhosts.h"

#include "proto/base/io.h"

#include <fnmatch.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

/* One line, split into its words. */
struct known_line {
    bool is_revoked, is_authority;
    const char *names, *type, *key;
    size_t names_size, type_size, key_size;
};

/* ---- base64 ---------------------------------------------------------------------------------- */

static const char *base64_encode(const uint8_t *data, size_t size, struct arena *arena)
{
    char *text = arena_new(arena, 4 * ((size + 2) / 3) + 1);
    EVP_EncodeBlock((unsigned char *)text, data, (int)size);
    return text;
}

/* Decodes a word of base64; -1 if it is not valid. `out` has room for 3/4 of its size plus 3. */
static int base64_decode(const char *word, size_t size, uint8_t *out)
{
    size_t padding = 0;
    if (size == 0 || size % 4)
        return -1;
    while (padding < 2 && word[size - 1 - padding] == '=')
        padding++;
    int length = EVP_DecodeBlock(out, (const unsigned char *)word, (int)size);
    return length < 0 ? -1 : length - (int)padding;
}

/* ---- a line ---------------------------------------------------------------------------------- */

static const char *word_at(const char **at, const char *end, size_t *size)
{
    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
    const char *word = *at;
    while (*at < end && **at != ' ' && **at != '\t' && **at != '\r')
        (*at)++;
    *size = (size_t)(*at - word);
    return word;
}

static bool word_is(const char *word, size_t size, const char *text)
{
    return size == strlen(text) && !memcmp(word, text, size);
}

static bool entry_read(const char *line, const char *end, struct known_line *out)
{
    *out = (struct known_line){0};
    out->names = word_at(&line, end, &out->names_size);
    if (out->names_size && *out->names == '@') {
        out->is_revoked = word_is(out->names, out->names_size, "@revoked");
        out->is_authority = !out->is_revoked;
        out->names = word_at(&line, end, &out->names_size);
    }
    out->type = word_at(&line, end, &out->type_size);
    out->key = word_at(&line, end, &out->key_size);
    return out->names_size && *out->names != '#' && out->type_size && out->key_size;
}

/* Compares with "|1|SALT|HASH", where HASH is the HMAC-SHA1 of the name with the key SALT. */
static bool hash_matches(const char *word, size_t size, const char *name)
{
    uint8_t salt[64], hash[64], ours[EVP_MAX_MD_SIZE];
    unsigned ours_size = 0;
    const char *bar = size > 3 ? memchr(word + 3, '|', size - 3) : NULL;
    if (!bar || memcmp(word, "|1|", 3) != 0 || size > 80)
        return false;
    int salt_size = base64_decode(word + 3, (size_t)(bar - word - 3), salt);
    int hash_size = base64_decode(bar + 1, size - (size_t)(bar + 1 - word), hash);
    if (salt_size <= 0 || hash_size != 20)
        return false;
    HMAC(EVP_sha1(), salt, salt_size, (const unsigned char *)name, strlen(name), ours, &ours_size);
    return ours_size == 20 && !memcmp(ours, hash, 20);
}

static bool pattern_matches(const char *word, size_t size, const char *name)
{
    char pattern[512];
    if (*word == '|')
        return hash_matches(word, size, name);
    if (size >= sizeof pattern)
        return false;
    /* Escape brackets, which are special for fnmatch but not in known_hosts: "[host]:2222". */
    size_t used = 0;
    for (size_t i = 0; i < size && used < sizeof pattern - 2; i++) {
        if (word[i] == '[' || word[i] == ']' || word[i] == '\\')
            pattern[used++] = '\\';
        pattern[used++] = word[i];
    }
    pattern[used] = '\0';
    return !fnmatch(pattern, name, FNM_CASEFOLD);
}

/* True if one of the names matches, and none that begins with '!'. */
static bool names_match(const struct known_line *entry, const char *name)
{
    bool matches = false;
    const char *at = entry->names, *end = at + entry->names_size;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t size = (size_t)((comma ? comma : end) - at);
        bool negated = size > 1 && *at == '!';
        if (size && pattern_matches(at + negated, size - negated, name)) {
            if (negated)
                return false;
            matches = true;
        }
        at += size + 1;
    }
    return matches;
}

/* ---- the file -------------------------------------------------------------------------------- */

static const char *line_end(const char *line)
{
    return line + strcspn(line, "\n");
}

static const char *next_line(const char *end)
{
    return *end ? end + 1 : end;
}

static bool same_key(const struct known_line *entry, const struct host_key *key)
{
    struct arena arena = {0};
    const char *wanted = base64_encode(key->blob, key->size, &arena);
    bool same = word_is(entry->key, entry->key_size, wanted);
    arena_clear(&arena);
    return same;
}

enum host_trust knownhosts_look(const char *text, const struct host_key *key, unsigned *line)
{
    struct known_line entry;
    enum host_trust trust = HOST_UNKNOWN;
    unsigned number = 1;
    *line = 0;
    for (const char *at = text; *at; at = next_line(line_end(at)), number++) {
        if (!entry_read(at, line_end(at), &entry) || entry.is_authority ||
            !names_match(&entry, key->name))
            continue;
        enum host_trust here = same_key(&entry, key)
                                   ? (entry.is_revoked ? HOST_REVOKED : HOST_KNOWN)
                               : entry.is_revoked ? HOST_UNKNOWN
                                                  : HOST_CHANGED;
        bool decides = here == HOST_REVOKED || (here == HOST_KNOWN && trust != HOST_REVOKED) ||
                       (here == HOST_CHANGED && trust == HOST_UNKNOWN);
        if (decides) {
            trust = here;
            *line = number;
        }
    }
    return trust;
}

const char *knownhosts_types(const char *text, const char *name, struct arena *arena)
{
    struct known_line entry;
    const char *types = "";
    for (const char *at = text; *at; at = next_line(line_end(at)))
        if (entry_read(at, line_end(at), &entry) && !entry.is_authority && !entry.is_revoked &&
            names_match(&entry, name))
            types = arena_print(arena, "%s%s%.*s", types, *types ? "," : "", (int)entry.type_size,
                                entry.type);
    return types;
}

static const char *hashed_name(const char *name, struct arena *arena)
{
    uint8_t salt[20], hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    io_random(salt, sizeof salt);
    HMAC(EVP_sha1(), salt, sizeof salt, (const unsigned char *)name, strlen(name), hash, &size);
    return arena_print(arena, "|1|%s|%s", base64_encode(salt, sizeof salt, arena),
                       base64_encode(hash, size, arena));
}

const char *knownhosts_line(const struct host_key *key, bool hashed, struct arena *arena)
{
    return arena_print(arena, "%s %s %s\n", hashed ? hashed_name(key->name, arena) : key->name,
                       hostkey_type(key, arena), base64_encode(key->blob, key->size, arena));
}

/* The names of a line without those that match `name`, including patterns and hashed names. */
static const char *names_without(const struct known_line *entry, const char *name,
                                 struct arena *arena)
{
    const char *left = "", *at = entry->names, *end = at + entry->names_size;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t size = (size_t)((comma ? comma : end) - at);
        if (size && (*at == '!' || !pattern_matches(at, size, name)))
            left = arena_print(arena, "%s%s%.*s", left, *left ? "," : "", (int)size, at);
        at += size + 1;
    }
    return left;
}

const char *knownhosts_without(const char *text, const char *name, struct arena *arena)
{
    struct known_line entry;
    struct buf out = {0};
    for (const char *at = text; *at; at = next_line(line_end(at))) {
        const char *end = line_end(at);
        bool ours = entry_read(at, end, &entry) && !entry.is_revoked && !entry.is_authority &&
                    names_match(&entry, name);
        const char *names = ours ? names_without(&entry, name, arena) : "";
        if (!ours)
            buf_print(&out, "%.*s\n", (int)(end - at), at);
        else if (*names)
            buf_print(&out, "%s %.*s\n", names, (int)(end - entry.type), entry.type);
    }
    const char *kept = arena_text(arena, out.size ? (char *)out.data : "");
    buf_release(&out);
    return kept;
}

/* ---- key files ------------------------------------------------------------------------------- */

/* The next text of the SSH protocol's format: 4 bytes of size, then the text. */
static bool next_text(const struct buf *data, size_t *at, const uint8_t **text, size_t *size)
{
    if (data->size - *at < 4)
        return false;
    const uint8_t *head = data->data + *at;
    *size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    *at += 4;
    if (data->size - *at < *size)
        return false;
    *text = data->data + *at;
    *at += *size;
    return true;
}

static bool add_decoded(const char *word, size_t size, struct buf *out)
{
    buf_reserve(out, size / 4 * 3 + 4);
    int length = base64_decode(word, size, out->data + out->size);
    out->size += length > 0 ? (size_t)length : 0;
    return length > 0;
}

/* PROTOCOL.key of OpenSSH: magic, cipher, kdf, its options, the number of keys, the public key. */
static bool private_public(const char *body, struct buf *out)
{
    static const char magic[] = "openssh-key-v1";
    struct buf packed = {0}, data = {0};
    const uint8_t *text = NULL;
    size_t size = 0, at = sizeof magic;
    for (; *body && *body != '-'; body++)
        if (*body != '\n' && *body != '\r')
            buf_add(&packed, body, 1);
    bool fine = packed.size && add_decoded((char *)packed.data, packed.size, &data) &&
                data.size > sizeof magic + 4 && !memcmp(data.data, magic, sizeof magic);
    for (int i = 0; fine && i < 3; i++)
        fine = next_text(&data, &at, &text, &size);
    fine = fine && data.size - at > 4;
    at += 4;
    fine = fine && next_text(&data, &at, &text, &size) && size;
    if (fine)
        buf_add(out, text, size);
    if (packed.size) /* the private key is in both */
        explicit_bzero(packed.data, packed.size);
    if (data.size)
        explicit_bzero(data.data, data.size);
    buf_release(&packed);
    buf_release(&data);
    return fine;
}

bool keyfile_public(const char *text, struct buf *out)
{
    static const char header[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    const char *body = strstr(text, header);
    if (body)
        return private_public(body + sizeof header - 1, out);
    size_t size;
    const char *end = line_end(text), *type = word_at(&text, end, &size);
    if (memchr(type, '-', size) == NULL || *type == '-')
        return false;
    const char *key = word_at(&text, end, &size);
    return size && add_decoded(key, size, out);
}

/* ---- a key ----------------------------------------------------------------------------------- */

const char *hostkey_type(const struct host_key *key, struct arena *arena)
{
    if (key->size < 4)
        return "";
    size_t size = (size_t)key->blob[0] << 24 | (size_t)key->blob[1] << 16 |
                  (size_t)key->blob[2] << 8 | key->blob[3];
    if (size > 64 || size + 4 > key->size)
        return "";
    return arena_print(arena, "%.*s", (int)size, (const char *)key->blob + 4);
}

const char *hostkey_fingerprint(const struct host_key *key, struct arena *arena)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(key->blob, key->size, hash, &size, EVP_sha256(), NULL);
    char *text = arena_print(arena, "SHA256:%s", base64_encode(hash, size, arena));
    text[strcspn(text, "=")] = '\0';
    return text;
}
