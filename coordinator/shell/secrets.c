/* SPDX-License-Identifier: MIT */
/* secrets.c - reads, stores and mints secrets; secrets.h has the rules. */
#include "coordinator/shell/secrets.h"

#include "proto/base/io.h"
#include "proto/base/text.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Ends the name of a file whose first line is a command that prints the secret. */
#define EXEC ".exec"

static int check_secret_name(const char *name, struct err *err)
{
    if (!text_is_name(name, LIMIT_NAME_BYTES))
        return err_set(err, "\"%s\" cannot be a secret's name: use letters, digits and dashes",
                       name);
    return 0;
}

static void strip_newlines(struct buf *buf, size_t from)
{
    while (buf->size > from &&
           (buf->data[buf->size - 1] == '\n' || buf->data[buf->size - 1] == '\r'))
        buf->data[--buf->size] = '\0';
}

/* Runs the owner's command that prints a fresh secret: for each publication, at most 30 s. */
static int mint_secret(const char *path, const char *name, struct buf *out, struct err *err)
{
    struct buf command = {0};
    if (io_read_file(path, LIMIT_TEXT_BYTES, &command, err)) {
        buf_release(&command);
        return -1;
    }
    strip_newlines(&command, 0);
    const char *argv[] = {"sh", "-c", (const char *)command.data, NULL};
    int code = io_run(argv, NULL, LIMIT_SECRET_BYTES, 30000, out, err);
    buf_release(&command);
    if (code < 0)
        return err_prefix(err, "secret %s", name);
    if (code > 0)
        return err_set(err, "secret %s: its exec command ended with status %d", name, code);
    return 0;
}

/* ---- where a secret is ----------------------------------------------------------------------- */

/* The places in which a secret is looked for, in this order. */
struct places {
    const char *file, *exec, *credential; /* credential "": systemd gave none */
};

static struct places places_of(const char *home, const char *name, struct arena *arena)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    return (struct places){.file = arena_print(arena, "%s/secrets/%s", home, name),
                           .exec = arena_print(arena, "%s/secrets/%s" EXEC, home, name),
                           .credential =
                               credentials ? arena_print(arena, "%s/%s", credentials, name) : ""};
}

struct secret_facts secret_facts(const char *home, const char *name)
{
    struct arena arena = {0};
    struct stat st = {0};
    struct secret_facts facts = {.source = "missing"};
    struct places places = places_of(home, name, &arena);
    if (check_secret_name(name, NULL) == 0 && !stat(places.file, &st))
        facts.source = "file";
    else if (check_secret_name(name, NULL) == 0 && !stat(places.exec, &st))
        facts.source = "command";
    else if (check_secret_name(name, NULL) == 0 && *places.credential &&
             !stat(places.credential, &st))
        facts.source = "credential";
    arena_clear(&arena);
    facts.bytes = strcmp(facts.source, "command") != 0 ? (uint64_t)st.st_size : 0;
    facts.set_at_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
    return facts;
}

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

size_t secret_names(const char *home, const char ***names, struct arena *arena)
{
    glob_t found = {0};
    size_t count = 0;
    if (glob(arena_print(arena, "%s/secrets/*", home), 0, NULL, &found))
        found.gl_pathc = 0;
    *names = arena_new(arena, (found.gl_pathc + 1) * sizeof **names);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *name = arena_text(arena, strrchr(found.gl_pathv[i], '/') + 1);
        size_t size = strlen(name), end = strlen(EXEC);
        if (size > end && !strcmp(name + size - end, EXEC))
            name[size - end] = '\0';
        if (text_is_name(name, LIMIT_NAME_BYTES) && !is_among(*names, count, name))
            (*names)[count++] = name;
    }
    globfree(&found);
    return count;
}

int secret_read(const char *home, const char *name, struct buf *out, struct err *err)
{
    if (check_secret_name(name, err))
        return -1;
    buf_reserve(out, 3 * LIMIT_SECRET_BYTES); /* a buffer that grows leaves a copy */
    struct arena arena = {0};
    size_t from = out->size;
    struct places places = places_of(home, name, &arena);
    int result;
    struct stat st;
    if (!stat(places.file, &st)) {
        result = (st.st_mode & 077) ? err_set(err, "other users can read secret %s: chmod 600 %s",
                                              name, places.file)
                                    : io_read_file(places.file, LIMIT_SECRET_BYTES, out, err);
    } else if (io_exists(places.exec)) {
        result = mint_secret(places.exec, name, out, err);
    } else if (*places.credential && io_exists(places.credential)) {
        result = io_read_file(places.credential, LIMIT_SECRET_BYTES, out, err);
    } else {
        result =
            err_set(err, "there is no secret %s: set it with `farm secret set %s`", name, name);
    }
    strip_newlines(out, from);
    if (!result && out->size == from)
        result = err_set(err, "secret %s is empty: set it with `farm secret set %s`", name, name);
    arena_clear(&arena);
    return result;
}

int secret_write(const char *home, const char *name, const void *data, size_t size, struct err *err)
{
    if (check_secret_name(name, err))
        return -1;
    if (!size || size > LIMIT_SECRET_BYTES)
        return err_set(err, "secret %s has %zu bytes; expected 1 to %d", name, size,
                       LIMIT_SECRET_BYTES);
    struct arena arena = {0};
    int result = io_make_folders(arena_print(&arena, "%s/secrets", home), 0700, err);
    if (!result)
        result = io_write_file(arena_print(&arena, "%s/secrets/%s", home, name), data, size, 0600,
                               true, err);
    arena_clear(&arena);
    return result;
}

/* Decodes base64url without padding (RFC 4648 section 5) and appends it to `out`; -1 for any other
 * character. */
static int base64url_decode(const char *text, size_t size, struct buf *out)
{
    struct buf padded = {0};
    while (size && text[size - 1] == '=')
        size--;
    size_t padding = (4 - size % 4) % 4;
    buf_add(&padded, text, size);
    for (size_t i = 0; i < size; i++)
        padded.data[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : padded.data[i];
    buf_add(&padded, "==", padding % 3);
    buf_reserve(out, padded.size);
    int length = padding < 3 ? EVP_DecodeBlock(out->data, padded.data, (int)padded.size) : -1;
    out->size = length < 0 ? 0 : (size_t)length - padding;
    buf_release(&padded);
    return length < 0 ? -1 : 0;
}

/* The year 33658: a token that expires later is treated as one that does not expire. */
#define LATEST_S 1e12

uint64_t secret_expiry_s(struct bytes secret)
{
    const char *text = (const char *)secret.data;
    const char *first = secret.size ? memchr(text, '.', secret.size) : NULL;
    if (!first)
        return 0;
    size_t rest = secret.size - (size_t)(first + 1 - text);
    const char *second = memchr(first + 1, '.', rest);
    if (!second)
        return 0;
    struct buf claims = {0};
    uint64_t expiry = 0;
    if (!base64url_decode(first + 1, (size_t)(second - first - 1), &claims) && claims.size) {
        json_t *object = json_loadb((char *)claims.data, claims.size, 0, NULL);
        json_t *exp = json_object_get(object, "exp");
        double end_s = json_number_value(exp);
        if (end_s > 0)
            expiry = end_s < LATEST_S ? (uint64_t)end_s : (uint64_t)LATEST_S;
        json_decref(object);
    }
    buf_release(&claims);
    return expiry;
}
