/* SPDX-License-Identifier: MIT */
/* options.h - the table of every key of farm.yaml. Private to coordinator/config. */
#ifndef FARM_CONFIG_OPTIONS_H
#define FARM_CONFIG_OPTIONS_H

#include "coordinator/config/config.h"

enum option_type {
    OPTION_TEXT,
    OPTION_TEXTS, /* const char ** and a count */
    OPTION_U32,
    OPTION_FLAG,
    OPTION_ENUM,  /* stored as int; "none", if it is the first name, cannot be written */
    OPTION_BYTES, /* uint64_t, written 8G */
    OPTION_TIME,  /* uint64_t in ms, written 2h */
    OPTION_GROUP, /* a mapping, inline */
    OPTION_LIST   /* a sequence of mappings */
};

struct config_option {
    const char *key;
    const char *otherwise; /* the default, as in the file; NULL: required (TEXTS: empty) */
    const char *meaning;   /* one or two sentences, with the reason for the default */
    enum option_type type;
    size_t offset;                       /* of the member in the struct of the group */
    size_t count_offset;                 /* TEXTS, LIST */
    const struct config_option *options; /* GROUP, LIST: the keys inside, ended by a NULL key */
    size_t item_size;                    /* LIST */
    size_t note_offset;                  /* LIST: of an item's note, 0: items have none */
    const char *const *names;            /* ENUM */
    uint64_t least, most;                /* U32, BYTES, TIME; most 0: no bound */
    bool needs_restart;                  /* a running coordinator does not take a new value */
};

/* The top-level keys of the file; offsets in struct config. */
extern const struct config_option config_options[];

/* Parses `text` and stores the value in the option's member of `plain`. The error says what was
 * expected. For TEXT, U32, FLAG, ENUM, BYTES and TIME only. */
int option_set(const struct config_option *option, const char *text, void *plain,
               struct arena *arena, struct err *err);
/* The value of the option's member as the file would have it, without quotes. */
const char *option_as_text(const struct config_option *option, const void *plain,
                           struct arena *arena);
/* Sets all members to their defaults; NULL defaults become "". */
void options_init(const struct config_option *options, void *plain);

#endif
