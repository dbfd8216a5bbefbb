/* SPDX-License-Identifier: MIT */
/* keys.c - key pairs and their files. Secret bytes are wiped from memory before it is freed. An
 * existing key is never overwritten, because a lost identity must be enrolled again by hand. */
#include "proto/keys.h"

#include "proto/base/io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { KEY_CHARACTERS = KEY_TEXT_BYTES - 1, KEY_BYTES = 32, FILE_BYTES_MAX = 256 };

static const char public_word[] = "public ";
static const char secret_word[] = "secret ";

int keys_make(struct key_pair *pair, struct err *err)
{
    if (zmq_curve_keypair(pair->public_key, pair->secret_key) == 0)
        return 0;
    return err_set(err, "cannot make keys: %s (is libzmq built with CURVE?)", zmq_strerror(errno));
}

bool keys_valid(const char *public_key)
{
    uint8_t raw[KEY_BYTES];
    return strlen(public_key) == KEY_CHARACTERS && zmq_z85_decode(raw, public_key);
}

void keys_short(const char *public_key, char out[9])
{
    snprintf(out, 9, "%.8s", public_key);
}

/* ---- files -------------------------------------------------------------------------------- */

/* Reads "WORD KEY\n" at *at and advances *at to the next line. */
static bool take_line(const char **at, const char *word, char key[KEY_TEXT_BYTES])
{
    size_t word_size = strlen(word);
    if (strncmp(*at, word, word_size) != 0)
        return false;
    const char *from = *at + word_size;
    size_t size = strcspn(from, "\n");
    if (size != KEY_CHARACTERS || from[size] != '\n')
        return false;
    memcpy(key, from, size);
    key[size] = '\0';
    *at = from + size + 1;
    return keys_valid(key);
}

static int read_small(const char *path, struct buf *text, struct err *err)
{
    if (io_read_file(path, FILE_BYTES_MAX, text, err) < 0)
        return -1;
    buf_add(text, "", 0); /* NUL-terminates the text of an empty file, too */
    return 0;
}

static int parse_pair(const char *path, const char *text, struct key_pair *pair, struct err *err)
{
    char derived[KEY_TEXT_BYTES];
    if (!take_line(&text, public_word, pair->public_key) ||
        !take_line(&text, secret_word, pair->secret_key) || *text)
        return err_set(err,
                       "%s is not a key file (a line \"public KEY\", then a line \"secret KEY\"); "
                       "restore it, or remove it to have a new one made",
                       path);
    if (zmq_curve_public(derived, pair->secret_key) != 0 || strcmp(derived, pair->public_key) != 0)
        return err_set(err, "%s: the public key does not match the secret key", path);
    return 0;
}

int keys_load(const char *path, struct key_pair *pair, struct err *err)
{
    struct stat file;
    struct buf text = {0};
    if (stat(path, &file) < 0)
        return err_set(err, "cannot read the key %s: %s", path, strerror(errno));
    if (file.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(err, "other users can read the key %s: `chmod 600` it, or make a new key",
                       path);
    int result = read_small(path, &text, err);
    if (result == 0)
        result = parse_pair(path, (const char *)text.data, pair, err);
    buf_wipe(&text);
    if (result < 0)
        explicit_bzero(pair, sizeof *pair);
    return result;
}

int keys_load_public(const char *path, char public_key[KEY_TEXT_BYTES], struct err *err)
{
    struct buf text = {0};
    if (read_small(path, &text, err) < 0) {
        buf_release(&text);
        return -1;
    }
    const char *at = (const char *)text.data;
    bool good = take_line(&at, public_word, public_key) && !*at;
    buf_release(&text);
    return good ? 0 : err_set(err, "%s is not a public key file (one line \"public KEY\")", path);
}

int keys_named(const char *text, char public_key[KEY_TEXT_BYTES], struct err *err)
{
    const char *path = *text == '@' ? text + 1 : text;
    if (io_exists(path))
        return keys_load_public(path, public_key, err);
    if (!keys_valid(text))
        return err_set(err, "\"%s\" is neither a public key (40 characters) nor a .pub file", text);
    memcpy(public_key, text, KEY_TEXT_BYTES);
    return 0;
}

/* link(2) puts the file in place atomically and fails if there is one already. */
static int place_new(const char *temporary, const char *path, struct err *err)
{
    if (link(temporary, path) == 0)
        return 0;
    if (errno == EEXIST)
        return err_set(err, "%s exists already and is not overwritten", path);
    return err_set(err, "cannot make %s: %s", path, strerror(errno));
}

static int save_secret(const char *path, const struct key_pair *pair, struct err *err)
{
    char chance[17];
    struct buf temporary = {0}, text = {0};
    io_random_hex(chance, 8);
    buf_print(&temporary, "%s.%s", path, chance);
    buf_print(&text, "%s%s\n%s%s\n", public_word, pair->public_key, secret_word, pair->secret_key);
    const char *name = (const char *)temporary.data;
    int result = io_write_file(name, text.data, text.size, 0600, true, err);
    if (result == 0) {
        result = place_new(name, path, err);
        unlink(name);
    }
    buf_wipe(&text);
    buf_release(&temporary);
    return result;
}

static int save_public(const char *path, const struct key_pair *pair, struct err *err)
{
    struct buf name = {0}, text = {0};
    buf_print(&name, "%s.pub", path);
    buf_print(&text, "%s%s\n", public_word, pair->public_key);
    int result = io_write_file((const char *)name.data, text.data, text.size, 0644, true, err);
    buf_release(&name);
    buf_release(&text);
    return result;
}

int keys_save(const char *path, const struct key_pair *pair, struct err *err)
{
    if (save_secret(path, pair, err) < 0)
        return -1;
    return save_public(path, pair, err);
}

int keys_ensure(const char *path, struct key_pair *pair, struct err *err)
{
    struct err lost = {{0}};
    if (io_exists(path))
        return keys_load(path, pair, err);
    if (keys_make(pair, err) < 0)
        return -1;
    if (keys_save(path, pair, &lost) == 0)
        return 0;
    if (io_exists(path)) /* another process was faster: use its key */
        return keys_load(path, pair, err);
    return err_set(err, "%s", lost.text);
}
