/* SPDX-License-Identifier: MIT */
/* invitations.c - tokens in HOME/invitations.json; invitations.h has the rules. */
#include "coordinator/join/invitations.h"

#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long an expired token is remembered, so that a late user is told the reason. */
#define KEEP_MS (7ull * 86400 * 1000)

enum { DIGEST_TEXT_BYTES = 2 * SHA256_DIGEST_LENGTH + 1, FILE_BYTES_MAX = 1 << 20 };

struct invitation_entry {
    uint32_t number;
    char digest[DIGEST_TEXT_BYTES];
    enum role role;
    char name[LIMIT_NAME_BYTES + 1], who[LIMIT_NAME_BYTES + 1];
    bool may_publish, revoked;
    uint64_t made_wall_ms, expires_wall_ms;
    char used_by[KEY_TEXT_BYTES]; /* "": not used yet */
};

struct invitations {
    char *path;
    struct invitation_entry entries[LIMIT_INVITATIONS];
    size_t count;
};

static void secret_digest(const uint8_t *secret, char out[DIGEST_TEXT_BYTES])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(secret, INVITATION_SECRET_BYTES, digest);
    hex_write(out, digest, sizeof digest);
}

static struct invitation_entry *find_invitation(struct invitations *invitations, uint32_t number)
{
    for (size_t i = 0; i < invitations->count; i++)
        if (invitations->entries[i].number == number)
            return &invitations->entries[i];
    return NULL;
}

static const char *entry_state(const struct invitation_entry *entry, uint64_t wall_ms)
{
    if (*entry->used_by)
        return "used";
    if (entry->revoked)
        return "revoked";
    return wall_ms >= entry->expires_wall_ms ? "expired" : "open";
}

/* ---- the file ------------------------------------------------------------------------------ */

static void read_entry(const json_t *row, struct invitation_entry *entry)
{
    int role = shape_enum_value(role_names, json_get_text(row, "role", ""));
    *entry = (struct invitation_entry){.number = (uint32_t)json_get_u64(row, "number", 0),
                                       .role = role > 0 ? (enum role)role : ROLE_NONE,
                                       .may_publish = json_get_flag(row, "may_publish"),
                                       .revoked = json_get_flag(row, "revoked"),
                                       .made_wall_ms = json_get_u64(row, "made", 0),
                                       .expires_wall_ms = json_get_u64(row, "expires", 0)};
    snprintf(entry->digest, sizeof entry->digest, "%s", json_get_text(row, "digest", ""));
    snprintf(entry->name, sizeof entry->name, "%s", json_get_text(row, "name", ""));
    snprintf(entry->who, sizeof entry->who, "%s", json_get_text(row, "who", ""));
    snprintf(entry->used_by, sizeof entry->used_by, "%s", json_get_text(row, "used_by", ""));
}

int invitations_open(const char *home, struct invitations **out, struct err *err)
{
    struct invitations *invitations = mem_new(sizeof *invitations);
    struct buf text = {0}, path = {0};
    buf_print(&path, "%s/invitations.json", home);
    invitations->path = (char *)path.data;
    *out = invitations;
    if (!io_exists(invitations->path))
        return 0;
    json_t *rows = NULL;
    int result = io_read_file(invitations->path, FILE_BYTES_MAX, &text, err);
    if (result == 0)
        rows = json_loadb((const char *)text.data, text.size, 0, NULL);
    if (result == 0 && !json_is_array(rows))
        result = err_set(err, "%s is damaged: remove it and make new tokens", invitations->path);
    size_t count = json_array_size(rows);
    for (size_t i = 0; i < count && i < LIMIT_INVITATIONS; i++)
        read_entry(json_array_get(rows, i), &invitations->entries[invitations->count++]);
    json_decref(rows);
    buf_release(&text);
    return result;
}

void invitations_close(struct invitations *invitations)
{
    if (!invitations)
        return;
    free(invitations->path);
    free(invitations);
}

static int save_entries(const struct invitations *invitations, struct err *err)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < invitations->count; i++) {
        const struct invitation_entry *entry = &invitations->entries[i];
        json_t *row =
            json_pack("{s:I, s:s, s:s, s:b, s:b, s:I, s:I, s:s}", "number",
                      (json_int_t)entry->number, "digest", entry->digest, "role",
                      role_names[entry->role], "may_publish", (int)entry->may_publish, "revoked",
                      (int)entry->revoked, "made", (json_int_t)entry->made_wall_ms, "expires",
                      (json_int_t)entry->expires_wall_ms, "used_by", entry->used_by);
        json_object_set_new(row, "name", json_text(entry->name));
        json_object_set_new(row, "who", json_text(entry->who));
        json_array_append_new(rows, row);
    }
    char *text = json_dumps(rows, JSON_INDENT(1));
    int result = io_write_file(invitations->path, text, strlen(text), 0600, true, err);
    free(text);
    json_decref(rows);
    return result;
}

/* ---- the life of a token ------------------------------------------------------------------- */

static void forget_old(struct invitations *invitations, uint64_t wall_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < invitations->count; i++)
        if (wall_ms < invitations->entries[i].expires_wall_ms + KEEP_MS)
            invitations->entries[kept++] = invitations->entries[i];
    invitations->count = kept;
}

int invitations_make(struct invitations *invitations, const struct invitation_terms *terms,
                     uint64_t wall_ms, struct invitation *out, struct err *err)
{
    forget_old(invitations, wall_ms);
    if (invitations->count == LIMIT_INVITATIONS)
        return err_set(err, "there are already %d tokens: each is removed a week after it expires",
                       LIMIT_INVITATIONS);
    struct invitation_entry *entry = &invitations->entries[invitations->count];
    *entry = (struct invitation_entry){.role = terms->role,
                                       .may_publish = terms->may_publish,
                                       .made_wall_ms = wall_ms,
                                       .expires_wall_ms = terms->expires_wall_ms};
    do
        io_random(&entry->number, sizeof entry->number);
    while (find_invitation(invitations, entry->number));
    io_random(out->secret, sizeof out->secret);
    out->number = entry->number;
    secret_digest(out->secret, entry->digest);
    snprintf(entry->name, sizeof entry->name, "%s", terms->name);
    snprintf(entry->who, sizeof entry->who, "%s", terms->who);
    invitations->count++;
    if (save_entries(invitations, err) == 0)
        return 0;
    invitations->count--;
    return -1;
}

bool invitations_any_open(const struct invitations *invitations, uint64_t wall_ms)
{
    for (size_t i = 0; i < invitations->count; i++) {
        /* A used token still works for the same key: a host that lost the answer asks again. */
        const struct invitation_entry *entry = &invitations->entries[i];
        if (!entry->revoked && wall_ms < entry->expires_wall_ms)
            return true;
    }
    return false;
}

static int check_entry(const struct invitation_entry *entry, const uint8_t *secret,
                       const char *public_key, uint64_t wall_ms, struct err *err)
{
    char digest[DIGEST_TEXT_BYTES];
    secret_digest(secret, digest);
    if (!entry || CRYPTO_memcmp(digest, entry->digest, sizeof digest) != 0)
        return err_set(err, "this token is unknown: ask for a new one");
    if (entry->revoked)
        return err_set(err, "this token was revoked: ask for a new one");
    if (wall_ms >= entry->expires_wall_ms)
        return err_set(err, "this token has expired: ask for a new one");
    if (*entry->used_by && strcmp(entry->used_by, public_key) != 0)
        return err_set(err,
                       "this token was already used, and each admits one key: ask for a new one");
    return 0;
}

int invitations_use(struct invitations *invitations, uint32_t number, const uint8_t *secret,
                    const char *public_key, bool as_worker, uint64_t wall_ms,
                    struct invitation_terms *out, struct err *err)
{
    struct invitation_entry *entry = find_invitation(invitations, number);
    if (check_entry(entry, secret, public_key, wall_ms, err) < 0)
        return -1;
    if (as_worker != (entry->role == ROLE_WORKER))
        return err_set(err, "this token is for a %s: use it with `%s join`",
                       role_names[entry->role], as_worker ? "farm" : "farm-worker");
    *out = (struct invitation_terms){.role = entry->role,
                                     .name = entry->name,
                                     .may_publish = entry->may_publish,
                                     .expires_wall_ms = entry->expires_wall_ms,
                                     .who = entry->who};
    if (*entry->used_by)
        return 0;
    snprintf(entry->used_by, sizeof entry->used_by, "%s", public_key);
    if (save_entries(invitations, err) == 0)
        return 0;
    entry->used_by[0] = '\0';
    return -1;
}

void invitations_unuse(struct invitations *invitations, uint32_t number)
{
    struct invitation_entry *entry = find_invitation(invitations, number);
    if (!entry)
        return;
    entry->used_by[0] = '\0';
    save_entries(invitations, NULL);
}

int invitations_revoke(struct invitations *invitations, uint32_t number, struct err *err)
{
    struct invitation_entry *entry = find_invitation(invitations, number);
    if (!entry)
        return err_set(err, "there is no token %08x: see `farm token list`", number);
    if (*entry->used_by)
        return err_set(err, "token %08x was already used: revoke its key with `farm key revoke`",
                       number);
    entry->revoked = true;
    return save_entries(invitations, err);
}

json_t *invitations_render(const struct invitations *invitations, uint64_t wall_ms)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < invitations->count; i++) {
        const struct invitation_entry *entry = &invitations->entries[i];
        char number[9];
        snprintf(number, sizeof number, "%08x", entry->number);
        json_t *row = json_pack("{s:s, s:s, s:s, s:b, s:I, s:s}", "token", number, "state",
                                entry_state(entry, wall_ms), "role", role_names[entry->role],
                                "may_publish", (int)entry->may_publish, "expires",
                                (json_int_t)entry->expires_wall_ms, "used_by", entry->used_by);
        json_object_set_new(row, "name", json_text(entry->name));
        json_object_set_new(row, "who", json_text(entry->who));
        json_array_append_new(rows, row);
    }
    return rows;
}
