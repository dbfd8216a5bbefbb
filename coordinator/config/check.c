/* SPDX-License-Identifier: MIT */
/* check.c - checks on values of farm.yaml. Each check returns the member that is wrong, whose line
 * and column the reader knows, or NULL. */
#include "coordinator/config/check.h"

#include "coordinator/matrix/filter.h"
#include "coordinator/matrix/names.h"
#include "proto/limits.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string.h>

/* Sets the error and returns `member`. */
#define blame(member, err, ...) (err_set((err), __VA_ARGS__), (const void *)(member))

/* ---- texts ---------------------------------------------------------------------------------- */

static const void *check_name(const char *const *name, struct err *err)
{
    if (name_is_plain(*name))
        return NULL;
    return blame(
        name, err,
        "\"%.100s\" is not a valid name: use letters, digits, '.', '_' and '-', at most %d, "
        "and neither '.' nor '-' first",
        *name, LIMIT_NAME_BYTES);
}

static bool has_blank(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return true;
    return false;
}

/* A URL may have a user name but no password, because everybody on the farm sees the URL. */
static bool has_password(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return false;
    host += 3;
    size_t authority = strcspn(host, "/");
    const char *at = memchr(host, '@', authority), *colon = memchr(host, ':', authority);
    return at && colon && colon < at;
}

/* True for URLs that git fetches from and does not run as a program (ext::, a leading '-'). */
static bool is_git_url(const char *url)
{
    static const char *const schemes[] = {"https://", "http://",  "ssh://",
                                          "git://",   "file:///", NULL};
    for (size_t i = 0; schemes[i]; i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return url[strlen(schemes[i])] != '\0';
    if (*url == '/')
        return true;
    /* user@host:path */
    const char *at = strchr(url, '@'), *colon = strchr(url, ':');
    return *url != '-' && at && colon && at < colon && colon[1] != ':';
}

int config_check_url(const char *url, struct err *err)
{
    if (has_password(url))
        return err_set(err, "url: contains a password, which everybody on the farm would see; use "
                            "git's credential helpers instead");
    if (!is_git_url(url) || has_blank(url))
        return err_set(err,
                       "url: expected https://..., ssh://..., git://..., file:///..., "
                       "user@host:path or an absolute path, not \"%.200s\"",
                       url);
    return 0;
}

static const void *check_globs(const char *const *globs, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!*globs[i] || strlen(globs[i]) > LIMIT_PACKAGE_BYTES || has_blank(globs[i]))
            return blame(&globs[i], err, "\"%.200s\" is not a package name or glob", globs[i]);
    return NULL;
}

static const void *check_endpoint(const char *const *endpoint, struct err *err)
{
    const char *port = strrchr(*endpoint, ':');
    if (strncmp(*endpoint, "tcp://", 6) == 0 && port > *endpoint + 5 && !has_blank(*endpoint))
        return NULL;
    return blame(endpoint, err, "expected tcp://ADDRESS:PORT, not \"%.200s\"", *endpoint);
}

/* ---- targets -------------------------------------------------------------------------------- */

/* Fills row->target: the farm knows a Flox target by its organisation. */
static void settle_target(struct config_target *row)
{
    bool is_flox = row->kind == TARGET_FLOX;
    row->target = (struct target){
        .kind = row->kind,
        .name = is_flox && *row->org ? row->org : row->name,
        .location = row->kind == TARGET_NIX_CACHE ? row->location
                    : row->kind == TARGET_COMMAND ? row->command
                                                  : "",
        .secret = row->secret,
        .no_rebuild = row->no_rebuild,
    };
}

/* flox's rule for organisations: ^[a-zA-Z0-9\-_]{3,63}$. */
static const void *check_org(const struct config_target *target, struct err *err)
{
    const char *org = target->target.name;
    if (name_is_plain(org) && strlen(org) >= 3 && !strchr(org, '.'))
        return NULL;
    return blame(*target->org ? &target->org : &target->name, err,
                 "\"%.100s\" is not a flox organisation: 3 to 63 letters, digits, '_' and '-'",
                 org);
}

static const void *check_order(const struct config_target *target, struct err *err)
{
    bool is_order = target->collisions == COLLISIONS_ORDER;
    if (is_order && !target->order_count)
        return blame(
            &target->collisions, err,
            "collisions: order also needs the key \"order\": branches, the preferred first");
    if (!is_order && target->order_count)
        return blame(&target->order, err, "order: only with collisions: order");
    return check_globs(target->order, target->order_count, err);
}

static const void *check_target(const struct config *config, const struct config_target *target,
                                struct err *err)
{
    const void *to_blame = check_name(&target->name, err);
    if (to_blame)
        return to_blame;
    if (config_target_row(config, target->name) != target)
        return blame(&target->name, err, "two targets have the name \"%s\"", target->name);
    if (target->kind == TARGET_FLOX && (to_blame = check_org(target, err)))
        return to_blame;
    if (target->kind == TARGET_NIX_CACHE && !*target->location)
        return blame(&target->kind, err, "a target of kind nix-cache needs \"location\"");
    if (target->kind == TARGET_COMMAND && !*target->command)
        return blame(&target->kind, err, "a target of kind command needs \"command\"");
    if ((to_blame = check_globs(target->branches, target->branches_count, err)) ||
        (to_blame = check_order(target, err)))
        return to_blame;
    return *target->secret ? check_name(&target->secret, err) : NULL;
}

/* ---- projects ------------------------------------------------------------------------------- */

static const void *check_publish(struct config *config, const struct config_branch *branch,
                                 struct err *err)
{
    if (!*branch->publish || config_target(config, branch->publish))
        return NULL;
    const char **names = arena_new(&config->arena, config->targets_count * sizeof *names);
    for (size_t i = 0; i < config->targets_count; i++)
        names[i] = config->targets[i].name;
    const char *nearest =
        names_nearest(branch->publish, names, config->targets_count, &config->arena);
    if (*nearest)
        return blame(&branch->publish, err,
                     "publish: there is no target \"%.100s\"; did you mean %s?", branch->publish,
                     nearest);
    return blame(&branch->publish, err,
                 "publish: there is no target \"%.100s\"; add it under targets", branch->publish);
}

static const void *check_branch_name(const struct config_project *project,
                                     const struct config_branch *branch, struct err *err)
{
    if (!name_is_branch(branch->name))
        return blame(&branch->name, err, "\"%.100s\" is not a branch name", branch->name);
    for (const struct config_branch *other = project->branches; other < branch; other++)
        if (strcmp(other->name, branch->name) == 0)
            return blame(&branch->name, err, "the branch \"%.100s\" is repeated", branch->name);
    return NULL;
}

static const void *check_line(const struct config_branch *branch, struct err *err)
{
    size_t size = strspn(branch->line, "0123456789.");
    if (!branch->line[size] && size <= LIMIT_NAME_BYTES && *branch->line != '.')
        return NULL;
    return blame(&branch->line, err, "line: expected a version like \"2.8\", not \"%.100s\"",
                 branch->line);
}

static const void *check_branch(struct config *config, const struct config_project *project,
                                const struct config_branch *branch, struct err *err)
{
    const void *to_blame = check_branch_name(project, branch, err);
    if (!to_blame)
        to_blame = check_publish(config, branch, err);
    if (!to_blame)
        to_blame = check_globs(branch->wins, branch->wins_count, err);
    if (!to_blame)
        to_blame = check_line(branch, err);
    if (!to_blame)
        to_blame = check_globs(branch->include, branch->include_count, err);
    if (!to_blame)
        to_blame = check_globs(branch->exclude, branch->exclude_count, err);
    return to_blame;
}

/* ---- limits and rules ----------------------------------------------------------------------- */

static const void *check_limit(const struct config_limit *limit, struct err *err)
{
    struct filter *filter = filter_parse(limit->match, err);
    filter_destroy(filter);
    return filter ? NULL : (err_prefix(err, "match"), &limit->match);
}

static const void *check_rule(const struct config_rule *rule, struct err *err)
{
    int error;
    PCRE2_SIZE at;
    PCRE2_UCHAR reason[120] = "";
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)rule->match, PCRE2_ZERO_TERMINATED,
                                     PCRE2_MULTILINE, &error, &at, NULL);
    bool fine = code && *rule->match && !strchr(rule->match, '\n');
    if (!code)
        pcre2_get_error_message(error, reason, sizeof reason);
    pcre2_code_free(code);
    if (fine)
        return NULL;
    if (*reason)
        return blame(&rule->match, err, "match: invalid regular expression: %s, at character %zu",
                     (const char *)reason, (size_t)at + 1);
    return blame(&rule->match, err, "match: expected a regular expression on one line");
}

static const void *check_rules(const struct config *config, struct err *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < config->rules_count; i++) {
        const void *to_blame = check_rule(&config->rules[i], err);
        if (to_blame)
            return to_blame;
        bytes += strlen(config->rules[i].match) + LIMIT_NAME_BYTES;
    }
    if (bytes > LIMIT_TEXT_BYTES)
        return blame(&config->rules, err, "rules: at most %d bytes in total", LIMIT_TEXT_BYTES);
    return NULL;
}

/* ---- projects ------------------------------------------------------------------------------- */

static const void *check_system(const struct config_project *project, struct err *err)
{
    const char *dash = strchr(project->system, '-');
    if (!*project->system || (name_is_plain(project->system) && dash && dash[1]))
        return NULL;
    return blame(&project->system, err,
                 "system: expected one like x86_64-linux or aarch64-linux, not \"%.100s\"",
                 project->system);
}

static const void *check_builder(const struct config_project *project, struct err *err)
{
    bool is_command = project->builder == BUILDER_COMMAND;
    if (is_command && !*project->command)
        return blame(&project->builder, err,
                     "the builder \"command\" also needs the key \"command\"");
    if (!is_command && *project->command)
        return blame(&project->command, err, "command: only for the builder \"command\"");
    if (!is_command && *project->evaluate)
        return blame(
            &project->evaluate, err,
            "evaluate: only for the builder \"command\"; flox and nix evaluate by themselves");
    if (!is_command && !project->checkout)
        return blame(&project->checkout, err,
                     "checkout: false is only for the builder \"command\"");
    return NULL;
}

/* A scheme, something after it, and "/" at the end: nix compares prefixes as text, splits
 * the list at spaces, and treats what follows "#" as a comment. */
static bool is_uri_prefix(const char *text)
{
    size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
    size_t size = strlen(text);
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at >= 0x7f)
            return false;
    if (strncmp(text, "path:/", 6) == 0 && strchr(text + 6, ':'))
        return false; /* NIX_PATH would take it for two */
    return text[0] >= 'a' && text[0] <= 'z' && text[scheme] == ':' && size > scheme + 2 &&
           text[size - 1] == '/' && !strpbrk(text, "#\"\\") && !has_blank(text);
}

static const void *check_allowed_uris(const struct config_project *project, struct err *err)
{
    size_t bytes = 0;
    bool is_command = project->builder == BUILDER_COMMAND;
    if (project->restrict_eval && is_command)
        return blame(&project->restrict_eval, err,
                     "restrict_eval: only for the builders flox and nix");
    if (project->allowed_uris_count && !project->restrict_eval)
        return blame(&project->allowed_uris, err,
                     "allowed_uris: only with `restrict_eval: true`; without it an evaluation may "
                     "fetch from anywhere");
    if (project->allowed_uris_count > LIMIT_ALLOWED_URIS)
        return blame(&project->allowed_uris, err, "allowed_uris: at most %d entries",
                     LIMIT_ALLOWED_URIS);
    for (size_t i = 0; i < project->allowed_uris_count; i++) {
        const char *const *prefix = &project->allowed_uris[i];
        if (!is_uri_prefix(*prefix))
            return blame(prefix, err,
                         "allowed_uris: expected a prefix that ends in /, like "
                         "https://github.com/NixOS/, not \"%.200s\"",
                         *prefix);
        bytes += strlen(*prefix) + 1;
    }
    if (bytes > LIMIT_TEXT_BYTES)
        return blame(&project->allowed_uris, err, "allowed_uris: at most %d bytes in total",
                     LIMIT_TEXT_BYTES);
    return NULL;
}

static const void *check_project(struct config *config, const struct config_project *project,
                                 struct err *err)
{
    const void *to_blame = check_name(&project->name, err);
    if (to_blame)
        return to_blame;
    if (config_project(config, project->name) != project)
        return blame(&project->name, err, "two projects have the name \"%s\"", project->name);
    if (config_check_url(project->url, err) < 0)
        return &project->url;
    to_blame = check_system(project, err);
    if (!to_blame)
        to_blame = check_builder(project, err);
    if (!to_blame)
        to_blame = check_allowed_uris(project, err);
    for (size_t i = 0; !to_blame && i < project->limits_count; i++)
        to_blame = check_limit(&project->limits[i], err);
    for (size_t i = 0; !to_blame && i < project->branches_count; i++)
        to_blame = check_branch(config, project, &project->branches[i], err);
    return to_blame;
}

/* ---- notices -------------------------------------------------------------------------------- */

static const void *check_web_address(const struct config_listener *listener, struct err *err)
{
    bool is_web =
        strncmp(listener->url, "https://", 8) == 0 || strncmp(listener->url, "http://", 7) == 0;
    if (is_web && !has_blank(listener->url) && !has_password(listener->url))
        return NULL;
    return blame(&listener->url, err,
                 "url: expected https://... without a password, not \"%.200s\"", listener->url);
}

/* A value in a mail's header must not contain a line break (CWE-93). */
static const void *check_mail(const struct config_listener *listener, struct err *err)
{
    if (!strchr(listener->to, '@') || strpbrk(listener->to, "\r\n"))
        return blame(&listener->to, err, "to: expected an address like ann@example.org");
    if (strpbrk(listener->from, "\r\n"))
        return blame(&listener->from, err, "from: an address must be one line");
    return NULL;
}

static const void *check_notice_kinds(const struct config_listener *listener, struct err *err)
{
    for (size_t i = 0; i < listener->kinds_count; i++)
        if (shape_enum_value(notice_kind_names, listener->kinds[i]) <= NOTICE_NONE)
            return blame(&listener->kinds[i], err,
                         "kinds: there is no notice \"%.100s\"; see docs/config.md",
                         listener->kinds[i]);
    return NULL;
}

static const void *check_transport(const struct config_listener *listener, struct err *err)
{
    switch (listener->kind) {
    case LISTENER_WEBHOOK:
        return check_web_address(listener, err);
    case LISTENER_MAIL:
        return check_mail(listener, err);
    case LISTENER_COMMAND:
        return *listener->command
                   ? NULL
                   : blame(&listener->kind, err, "a notice of kind command needs \"command\"");
    case LISTENER_GITHUB:
        if (!*listener->secret)
            return blame(&listener->kind, err,
                         "a notice of kind github needs \"secret\": the name of its token");
        return *listener->url ? check_web_address(listener, err) : NULL;
    case LISTENER_NONE:
        break;
    }
    return NULL;
}

static const void *check_listener(const struct config *config,
                                  const struct config_listener *listener, struct err *err)
{
    const void *to_blame = check_name(&listener->name, err);
    for (const struct config_listener *other = config->listeners; !to_blame && other < listener;
         other++)
        if (strcmp(other->name, listener->name) == 0)
            to_blame =
                blame(&listener->name, err, "two notices have the name \"%s\"", listener->name);
    if (!to_blame)
        to_blame = check_transport(listener, err);
    if (!to_blame && *listener->secret)
        to_blame = check_name(&listener->secret, err);
    return to_blame ? to_blame : check_notice_kinds(listener, err);
}

/* ---- all ------------------------------------------------------------------------------------ */

static const void *check_farm(const struct config *config, struct err *err)
{
    const struct policy *policy = &config->policy;
    const void *to_blame = check_name(&config->name, err);
    if (!to_blame)
        to_blame = check_endpoint(&config->listen.control, err);
    if (!to_blame)
        to_blame = check_endpoint(&config->listen.log, err);
    if (!to_blame)
        to_blame = check_endpoint(&config->listen.join, err);
    if (!to_blame && policy->lease_ttl_ms < 2 * policy->heartbeat_ms)
        to_blame = blame(&policy->lease_ttl_ms, err, "lease_ttl: at least two heartbeats (%llu ms)",
                         2 * (unsigned long long)policy->heartbeat_ms);
    return to_blame;
}

const void *config_check(struct config *config, struct err *err)
{
    const void *to_blame = check_farm(config, err);
    for (size_t i = 0; i < config->targets_count; i++)
        settle_target(&config->targets[i]);
    for (size_t i = 0; !to_blame && i < config->targets_count; i++)
        to_blame = check_target(config, &config->targets[i], err);
    for (size_t i = 0; !to_blame && i < config->projects_count; i++)
        to_blame = check_project(config, &config->projects[i], err);
    if (!to_blame)
        to_blame = check_rules(config, err);
    if (!to_blame && config->listeners_count > LIMIT_LISTENERS)
        to_blame = blame(&config->listeners, err, "notices: at most %d", LIMIT_LISTENERS);
    for (size_t i = 0; !to_blame && i < config->listeners_count; i++)
        to_blame = check_listener(config, &config->listeners[i], err);
    config->policy.notices = config->listeners_count > 0;
    return to_blame;
}
