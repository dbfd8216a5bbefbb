/* SPDX-License-Identifier: MIT */
/* cmd_target.c - `farm target`: the places that packages are published to.
 *
 * `target add` does all that publishing needs on this side: the entry in farm.yaml with the
 * branches that publish there and what happens to names that they share, and the permission for
 * this machine's own worker. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/yaml_list.h"
#include "coordinator/cli/hosts/local_worker.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The globs, separated by blanks or commas, as a YAML list of double-quoted texts. NULL when one of
 * them has a quote or a backslash, or there is none. */
static const char *globs_as_yaml(struct arena *arena, const char *globs)
{
    const char *list = "";
    if (strpbrk(globs, "\"\\"))
        return NULL;
    for (globs += strspn(globs, " ,\n"); *globs; globs += strspn(globs, " ,\n")) {
        size_t size = strcspn(globs, " ,\n");
        list = arena_print(arena, "%s%s\"%.*s\"", list, *list ? ", " : "", (int)size, globs);
        globs += size;
    }
    return *list ? list : NULL;
}

/* The branches of the command line, or those that the person at the terminal types. */
static const char *ask_branches(struct invocation *invocation)
{
    static char line[LIMIT_TEXT_BYTES];
    if (option_given(invocation, "branches"))
        return option_text(invocation, "branches");
    if (!isatty(STDIN_FILENO))
        return NULL;
    fprintf(stderr, "which branches publish there (names or globs, empty: all)? ");
    if (!fgets(line, sizeof line, stdin))
        return NULL;
    return line[strspn(line, " \n")] ? line : "*";
}

/* ---- the entry ----------------------------------------------------------------------------- */

static bool is_word(const char *text)
{
    return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
                                 "/:@?=&+") == strlen(text);
}

/* `collisions` and `order` of the target, as lines; "" for farm.yaml's default. */
static const char *policy_text(struct invocation *invocation)
{
    struct arena *arena = &invocation->arena;
    const char *order = globs_as_yaml(arena, option_text(invocation, "order"));
    const char *policy = option_given(invocation, "collisions")
                             ? option_text(invocation, "collisions")
                             : (order ? "order" : "");
    if (!*policy)
        return "";
    return arena_print(arena, "    collisions: \"%s\"\n%s%s%s", policy, order ? "    order: [" : "",
                       order ? order : "", order ? "]\n" : "");
}

static const char *item_text(struct invocation *invocation, const char *branches)
{
    struct arena *arena = &invocation->arena;
    const char *name = invocation->arguments[0];
    bool is_flox = option_given(invocation, "flox");
    const char *value = option_text(invocation, is_flox ? "flox" : "cache");
    const char *secret = option_given(invocation, "secret") ? option_text(invocation, "secret")
                         : is_flox                          ? name
                                                            : "";
    const char *text =
        arena_print(arena, "  - name: \"%s\"\n    kind: %s\n    %s: \"%s\"\n", name,
                    is_flox ? "flox" : "nix-cache", is_flox ? "org" : "location", value);
    if (*secret)
        text = arena_print(arena, "%s    secret: \"%s\"\n", text, secret);
    return arena_print(arena, "%s    branches: [%s]\n%s", text, branches, policy_text(invocation));
}

static int add_target(struct invocation *invocation, const char *branches, struct err *err)
{
    struct buf old = {0}, merged = {0};
    int result = yaml_read(invocation, &old, err);
    if (result == 0)
        result = yaml_append_item((const char *)old.data, "targets",
                                  item_text(invocation, branches), &merged, err);
    if (result == 0)
        result = yaml_replace(invocation, &merged, err);
    buf_release(&old);
    buf_release(&merged);
    return result;
}

static enum exit_code check_words(struct invocation *invocation)
{
    const char *words[] = {invocation->arguments[0], option_text(invocation, "flox"),
                           option_text(invocation, "cache"), option_text(invocation, "secret"),
                           option_text(invocation, "collisions")};
    if (option_given(invocation, "flox") == option_given(invocation, "cache"))
        return fail(EXIT_USAGE, "say where it publishes: --flox ORG or --cache URI");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (*words[i] && !is_word(words[i]))
            return fail(EXIT_USAGE, "\"%s\" has a character that it must not have", words[i]);
    return EXIT_FINE;
}

/* ---- this machine's worker ----------------------------------------------------------------- */

static enum exit_code allow_local_worker(struct invocation *invocation)
{
    const struct local_worker worker = {.name = "local",
                                        .home = "",
                                        .program = "",
                                        .supervisor = "",
                                        .slots = "",
                                        .heavy = "",
                                        .emulate = "",
                                        .isolation = "",
                                        .publish = PUBLISH_YES};
    if (!local_worker_exists(invocation, worker.name))
        return EXIT_FINE;
    puts("this machine's own worker may publish now (farm worker set local publish=no ends that)");
    return local_worker_change(invocation, &worker);
}

enum exit_code cmd_target_add(struct invocation *invocation)
{
    struct err err;
    bool runs;
    enum exit_code code = check_words(invocation);
    if (code != EXIT_FINE)
        return code;
    const char *typed = ask_branches(invocation);
    const char *branches = typed ? globs_as_yaml(&invocation->arena, typed) : NULL;
    if (!branches)
        return fail(EXIT_USAGE,
                    "say which branches publish there, e.g. --branches main,'cuda-*' or '*'");
    if (add_target(invocation, branches, &err) < 0)
        return fail(EXIT_REFUSED, "%s; farm.yaml was not changed", err.text);
    printf("added the target %s to farm.yaml, for these branches: %s\n", invocation->arguments[0],
           branches);
    code = yaml_reload(invocation, &runs);
    if (code == EXIT_FINE) /* it counts the names that its branches share */
        code = cmd_config_check(invocation);
    if (code == EXIT_FINE && runs)
        code = allow_local_worker(invocation);
    if (code == EXIT_FINE && option_given(invocation, "flox"))
        printf("Next: farm secret set %s (the token of the organisation), then farm rebuild "
               "--publish\n",
               option_given(invocation, "secret") ? option_text(invocation, "secret")
                                                  : invocation->arguments[0]);
    return code;
}

/* ---- another policy ------------------------------------------------------------------------ */

struct policy_wish {
    const char *collisions, *order; /* NULL: not said; order as YAML */
};

static enum exit_code read_policy(struct invocation *invocation, struct policy_wish *wish)
{
    for (size_t i = 1; i < invocation->argument_count; i++) {
        const char *word = invocation->arguments[i];
        if (strncmp(word, "collisions=", 11) == 0 && is_word(word + 11))
            wish->collisions = word + 11;
        else if (strncmp(word, "order=", 6) == 0)
            wish->order = globs_as_yaml(&invocation->arena, word + 6);
        else
            return fail(EXIT_USAGE, "\"%s\" is not collisions=POLICY or order=GLOBS", word);
        if (strncmp(word, "order=", 6) == 0 && !wish->order)
            return fail(EXIT_USAGE, "\"%s\" names no branch", word);
    }
    if (wish->order && !wish->collisions)
        wish->collisions = "order";
    return EXIT_FINE;
}

/* `order` goes with a policy that has none; `collisions: order` alone keeps the one there is. */
static int set_policy(struct invocation *invocation, const struct policy_wish *wish,
                      struct err *err)
{
    const char *name = invocation->arguments[0];
    struct buf old = {0}, half = {0}, merged = {0};
    assert(wish->collisions && "there is at least one setting, and each sets it");
    bool keeps_order = !wish->order && strcmp(wish->collisions, "order") == 0;
    int result = yaml_read(invocation, &old, err);
    if (result == 0)
        result = yaml_set_option((const char *)old.data, "targets", name, "collisions",
                                 wish->collisions, &half, err);
    const struct buf *done = &half;
    if (result == 0 && !keeps_order) {
        const char *order =
            wish->order ? arena_print(&invocation->arena, "[%s]", wish->order) : NULL;
        result =
            yaml_set_option((const char *)half.data, "targets", name, "order", order, &merged, err);
        done = &merged;
    }
    if (result == 0)
        result = yaml_replace(invocation, done, err);
    buf_release(&old);
    buf_release(&half);
    buf_release(&merged);
    return result;
}

enum exit_code cmd_target_set(struct invocation *invocation)
{
    struct policy_wish wish = {NULL, NULL};
    struct err err;
    bool runs;
    enum exit_code code = read_policy(invocation, &wish);
    if (code != EXIT_FINE)
        return code;
    if (set_policy(invocation, &wish, &err) < 0)
        return fail(EXIT_REFUSED, "%s; farm.yaml was not changed", err.text);
    code = yaml_reload(invocation, &runs);
    return code == EXIT_FINE ? cmd_config_check(invocation) : code; /* it counts what is left */
}
