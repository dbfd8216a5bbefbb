/* SPDX-License-Identifier: MIT */
/* options.h - the table of everything that may stand in farm.yaml. Inside of config only. */
#ifndef FARM_CONFIG_OPTIONS_H
#define FARM_CONFIG_OPTIONS_H

#include "coordinator/config/config.h"

enum option_type {
    OPTION_TEXT,
    OPTION_TEXTS, /* const char ** and a count */
    OPTION_U32,
    OPTION_FLAG,
    OPTION_ENUM,  /* stored as int; a first name "none" is not for people */
    OPTION_BYTES, /* uint64_t, written 8G */
    OPTION_TIME,  /* uint64_t in ms, written 2h */
    OPTION_GROUP, /* a mapping, inline */
    OPTION_LIST   /* a sequence of mappings */
};

struct option {
    const char *key;
    const char
        *otherwise; /* the default as it would be written; NULL: must be given, but for TEXTS */
    const char *meaning; /* one sentence or two, with the reason for the default */
    enum option_type type;
    size_t offset;                /* in the struct of the options' group */
    size_t count_offset;          /* TEXTS, LIST */
    const struct option *options; /* GROUP, LIST: the keys inside, ended by a NULL key */
    size_t item_size;             /* LIST */
    size_t note_offset;           /* LIST: where an item's note stands, 0 where it has none */
    const char *const *names;     /* ENUM */
    uint64_t least, most;         /* U32, BYTES, TIME; most 0: no bound */
};

/* The keys of the file itself; offsets in struct config. */
extern const struct option config_options[];

/* Writes the value that a text stands for into the member of `plain`. The error says what was
 * expected. TEXT, U32, FLAG, ENUM, BYTES and TIME only. */
int option_set(const struct option *option, const char *text, void *plain, struct arena *arena,
               struct err *err);
/* The value of a member as it would be written in the file, without quotes. */
const char *option_as_text(const struct option *option, const void *plain, struct arena *arena);
/* Gives all members their defaults; NULL defaults become "". */
void options_init(const struct option *options, void *plain);

#endif
