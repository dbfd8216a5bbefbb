/* SPDX-License-Identifier: MIT */
/* yaml_list.h - adds items to lists of farm.yaml and removes them, as text: everything that a
 * person wrote there is kept, comments too. The result is parsed as the coordinator would parse it
 * before it replaces the file. */
#ifndef FARM_CLI_COMMANDS_YAML_LIST_H
#define FARM_CLI_COMMANDS_YAML_LIST_H

#include "coordinator/cli/command.h"

/* Appends an item to the top-level list `key` ("projects") of `yaml`, or makes the list. `item` is
 * the item's lines, indented by four blanks but for the dash, which is indented by two. -1 with err
 * when the list is written on one line. */
int yaml_append_item(const char *yaml, const char *key, const char *item, struct buf *out,
                     struct err *err);

/* Copies `yaml` without the item of the list `key` whose first key is `name: NAME`. Comments before
 * it go with it. -1 with err when there is no such item. */
int yaml_remove_item(const char *yaml, const char *key, const char *name, struct buf *out,
                     struct err *err);

/* Copies `yaml` with the key `option` of that item set to `value`, one line of YAML; NULL: without
 * the key. What the key had is replaced, also where it takes several lines. */
int yaml_set_option(const char *yaml, const char *key, const char *name, const char *option,
                    const char *value, struct buf *out, struct err *err);

/* Checks the text and puts it in the place of the farm's farm.yaml. */
int yaml_replace(struct invocation *invocation, const struct buf *yaml, struct err *err);
/* Reads the farm's farm.yaml. */
int yaml_read(struct invocation *invocation, struct buf *out, struct err *err);

/* Makes a running coordinator read farm.yaml, and prints what changed. *runs is false when no
 * coordinator runs here. */
enum exit_code yaml_reload(struct invocation *invocation, bool *runs);

#endif
