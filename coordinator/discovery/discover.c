/* SPDX-License-Identifier: MIT */
/* discover.c - answers a question: finds the branches it is about and makes an item per variant.
 *
 * It fetches, lists the branches, and has their commits read in another domain (reading.h), all of
 * a project at once; of what they contain it sees the answer of that process alone.
 *
 * Branch names, paths and recipes in git are not trusted: a name that is too long or odd becomes a
 * problem of its item, never a path or an argument of ours.
 */
#include "coordinator/discovery/discover.h"
#include "coordinator/discovery/git.h"
#include "coordinator/discovery/reading.h"
#include "coordinator/matrix/filter.h"
#include "coordinator/matrix/toolkits.h"
#include "proto/lfs.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The state of a search. */
struct discovery_search {
    const struct discover_question *question;
    struct config config;
    struct plan_item *items, *rivals;
    size_t item_count, item_capacity, rival_count, rival_capacity;
    size_t projects_read;
    const char *missing; /* the first branch or project that is not there, as a sentence; or NULL */
    const char **warnings;
    size_t warning_count, warning_capacity;
    const char *problem; /* the first problem, which ends the search */
    struct arena *arena;
    struct err *err;
};

/* The project that is being searched. */
struct site {
    struct discovery_search *search;
    const struct config_project *project;
    struct git git;
    struct reading_commit *commits; /* to read */
    size_t commit_count, commit_capacity;
    struct reading_tree *trees; /* what they contain */
    size_t next;                /* of the trees, in the order in which the commits were added */
};

#define refuse(search, ...) ((search)->problem = arena_print((search)->arena, __VA_ARGS__))

#define warn(search, ...)                                                                          \
    do {                                                                                           \
        MEM_GROW((search)->warnings, (search)->warning_count, (search)->warning_capacity);         \
        (search)->warnings[(search)->warning_count++] = arena_print((search)->arena, __VA_ARGS__); \
    } while (0)

static bool is_commit(const char *text)
{
    return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

/* ---- items ---------------------------------------------------------------------------------- */

static bool matches_any(const char *const *globs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (glob_matches(globs[i], name))
            return true;
    return false;
}

static const char *join(const char *const *texts, size_t count, struct arena *arena)
{
    const char *all = "";
    for (size_t i = 0; i < count; i++)
        all = arena_print(arena, "%s%s%s", all, i ? " " : "", texts[i]);
    return all;
}

static struct recipe recipe_of(const struct site *site, const struct reading_package *package,
                               bool has_check)
{
    const struct config_project *project = site->project;
    return (struct recipe){
        .builder = project->builder,
        .url = project->url,
        .path = project->builder == BUILDER_COMMAND ? "" : package->path,
        .command = project->command,
        .bundle = "",
        .checkout = project->checkout,
        .check = project->check,
        .has_check = has_check,
        .wall_ms = project->wall_ms,
        .silence_ms = project->silence_ms,
        .rules = config_rules(&site->search->config, site->search->arena),
        .evaluate = project->builder == BUILDER_COMMAND ? project->evaluate : "",
        .restrict_eval = project->restrict_eval,
        .allowed_uris =
            join(project->allowed_uris, project->allowed_uris_count, site->search->arena),
    };
}

static struct target target_of(const struct site *site, const struct config_branch *branch,
                               const char *name)
{
    const struct config_target *target = config_target_of(&site->search->config, branch, name);
    if (target && !*site->search->question->bundle)
        return target->target;
    struct target none;
    shape_init(&target_shape, &none);
    return none;
}

/* The place of a branch in a target's order, from 1; 0: not in it. Branches of several projects may
 * have one name, so PROJECT/BRANCH names one, too. */
static uint32_t rank_of(const struct site *site, const struct config_target *target,
                        const char *branch)
{
    const char *full = arena_print(site->search->arena, "%s/%s", site->project->name, branch);
    for (size_t i = 0; i < target->order_count; i++)
        if (glob_matches(target->order[i], branch) || glob_matches(target->order[i], full))
            return (uint32_t)i + 1;
    return 0;
}

static struct claim claim_of(const struct site *site, const struct config_branch *branch,
                             const struct git_branch *at, const struct reading_tree *tree,
                             const char *package)
{
    const struct config_target *target = config_target_of(&site->search->config, branch, at->name);
    struct claim claim = {.line = "",
                          .depth = tree->depth,
                          .diverged = tree->diverged,
                          .supersedes = site->project->supersede,
                          .over = "",
                          .lost = ""};
    if (!target)
        return claim;
    claim.policy = target->collisions;
    claim.wins = matches_any(branch->wins, branch->wins_count, package);
    claim.rank = rank_of(site, target, at->name);
    claim.line = *branch->line ? branch->line : branch_line(at->name, site->search->arena);
    return claim;
}

/* Applies the limits of the config: for each value, the last matching entry counts. */
static void set_limits(const struct config_project *project, struct plan_item *item)
{
    for (size_t i = 0; i < project->limits_count; i++) {
        const struct config_limit *limit = &project->limits[i];
        struct filter *filter = filter_parse(limit->match, NULL);
        if (filter && filter_matches(filter, &item->variant)) {
            item->recipe.wall_ms = limit->wall_ms ? limit->wall_ms : item->recipe.wall_ms;
            item->recipe.silence_ms =
                limit->silence_ms ? limit->silence_ms : item->recipe.silence_ms;
            item->needs.memory_bytes =
                limit->memory_bytes ? limit->memory_bytes : item->needs.memory_bytes;
            item->needs.disk_bytes = limit->disk_bytes ? limit->disk_bytes : item->needs.disk_bytes;
        }
        filter_destroy(filter);
    }
}

static void add_item(const struct site *site, const struct plan_item *item)
{
    struct discovery_search *search = site->search;
    MEM_GROW(search->items, search->item_count, search->item_capacity);
    search->items[search->item_count] = *item;
    set_limits(site->project, &search->items[search->item_count++]);
}

/* Adds an item per system for a package whose name shows none: the recipe's `platforms`, or only
 * the config's system if it is one of them; without `platforms`, the config's. Darwin is left out
 * when the list has a Linux system: it means that the recipe could be built there, not that
 * somebody wants it. */
static void add_by_platforms(const struct site *site, const struct reading_package *facts,
                             struct plan_item *item)
{
    const char *wanted = site->project->system;
    bool has_linux = false, has_wanted = false;
    for (size_t i = 0; i < facts->systems_count; i++) {
        has_linux = has_linux || strstr(facts->systems[i], "-linux");
        has_wanted = has_wanted || strcmp(facts->systems[i], wanted) == 0;
    }
    item->variant.system = wanted;
    if (facts->systems_count == 0 || has_wanted) {
        add_item(site, item);
        return;
    }
    for (size_t i = 0; i < facts->systems_count; i++) {
        if (has_linux && !strstr(facts->systems[i], "-linux"))
            continue;
        item->variant.system = arena_text(site->search->arena, facts->systems[i]);
        add_item(site, item);
    }
}

static bool needs_nix_sandbox(const struct config_project *project,
                              const struct reading_package *package)
{
    return project->nix_sandbox == SANDBOX_REQUIRED ||
           (project->nix_sandbox == SANDBOX_AUTO && package->names_build &&
            project->builder != BUILDER_COMMAND);
}

static void add_package(const struct site *site, const struct config_branch *branch,
                        const struct git_branch *at, const struct reading_tree *tree,
                        const struct reading_package *package)
{
    struct plan_item item = {
        .variant = {.project = site->project->name,
                    .branch = at->name,
                    .commit = at->commit,
                    .package = package->name},
        .recipe = recipe_of(site, package, tree->has_check),
        .needs = {.heavy = site->project->heavy,
                  .memory_bytes = site->project->memory_bytes,
                  .disk_bytes = site->project->disk_bytes,
                  .nix_sandbox = needs_nix_sandbox(site->project, package)},
        .inputs = package->inputs,
        .target = target_of(site, branch, at->name),
        .claim = claim_of(site, branch, at, tree, package->name),
        .problem = package->problem,
    };
    if (!*item.problem && site->project->builder == BUILDER_FLOX)
        item.problem = package->dotted;
    if (!*item.problem && site->project->checkout)
        item.problem = tree->problem;
    variant_parse_name(package->name, &item.variant, site->search->arena);
    if (*item.variant.system)
        add_item(site, &item);
    else
        add_by_platforms(site, package, &item);
}

static void warn_of_unused(const struct site *site, const struct config_branch *branch,
                           const struct git_branch *at, const char *const *names, size_t count)
{
    for (size_t i = 0; i < branch->include_count; i++) {
        size_t j = 0;
        while (j < count && !glob_matches(branch->include[i], names[j]))
            j++;
        if (j == count)
            warn(site->search, "branch %s of %s: no package matches include \"%s\"", at->name,
                 site->project->name, branch->include[i]);
    }
    if (count == 0)
        warn(site->search, "branch %s of %s has no packages in .flox/pkgs", at->name,
             site->project->name);
}

/* The commits of the branch that farmd knows. */
static void list_known(const struct site *site, const char *branch, struct reading_commit *out)
{
    const struct discover_question *question = site->search->question;
    out->known = arena_new(site->search->arena, (question->known_count + 1) * sizeof *out->known);
    for (size_t i = 0; i < question->known_count; i++) {
        const struct discover_known *known = &question->known[i];
        if (strcmp(known->project, site->project->name) == 0 && strcmp(known->branch, branch) == 0)
            out->known[out->known_count++] = known->commit;
    }
}

static void add_commit(struct site *site, const struct reading_commit *commit)
{
    MEM_GROW(site->commits, site->commit_count, site->commit_capacity);
    site->commits[site->commit_count++] = *commit;
}

static void plan_branch(struct site *site, const struct config_branch *branch,
                        const struct git_branch *at)
{
    struct reading_commit commit = {.commit = at->commit,
                                    .include = branch->include,
                                    .include_count = branch->include_count,
                                    .exclude = branch->exclude,
                                    .exclude_count = branch->exclude_count};
    list_known(site, at->name, &commit);
    add_commit(site, &commit);
}

static int read_planned(struct site *site, bool may_lack)
{
    struct discovery_search *search = site->search;
    struct reading_answer answer;
    struct reading_question question = {.clone = site->git.folder,
                                        .builder = site->project->builder,
                                        .fetches_lfs =
                                            lfs_endpoint(site->project->url, search->arena) != NULL,
                                        .may_lack = may_lack,
                                        .commits = site->commits,
                                        .commits_count = site->commit_count};
    if (reading_ask(&question, &answer, search->arena, search->err) < 0)
        return -1;
    site->trees = answer.trees;
    return 0;
}

/* Its commit is the next of those that were read. */
static const struct reading_tree *next_tree(struct site *site)
{
    assert(site->next < site->commit_count);
    return &site->trees[site->next++];
}

static void search_branch(struct site *site, const struct config_branch *branch,
                          const struct git_branch *at)
{
    const struct reading_tree *tree = next_tree(site);
    warn_of_unused(site, branch, at, tree->names, tree->names_count);
    for (size_t i = 0; i < tree->packages_count; i++)
        add_package(site, branch, at, tree, &tree->packages[i]);
}

/* ---- branches ------------------------------------------------------------------------------- */

static const struct config_branch *branch_named(const struct config_project *project,
                                                const char *name)
{
    for (size_t i = 0; i < project->branches_count; i++)
        if (strcmp(project->branches[i].name, name) == 0)
            return &project->branches[i];
    return NULL;
}

/* The config of a branch: the entry with its name, otherwise the first matching glob. */
static const struct config_branch *branch_for(const struct config_project *project,
                                              const char *name)
{
    const struct config_branch *found = branch_named(project, name);
    for (size_t i = 0; !found && i < project->branches_count; i++)
        if (glob_is(project->branches[i].name) && glob_matches(project->branches[i].name, name))
            found = &project->branches[i];
    return found;
}

/* Says that something of farm.yaml is not there; the rest goes on without it. */
static void miss(struct discovery_search *search, const char *what)
{
    if (!search->missing)
        search->missing = what;
    warn(search, "%s", what);
}

static void miss_branch(const struct site *site, const char *name,
                        const struct git_branch *branches, size_t count)
{
    struct discovery_search *search = site->search;
    const char **names = mem_new(count * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = branches[i].name;
    const char *nearest = names_nearest(name, names, count, search->arena);
    miss(search,
         arena_print(search->arena,
                     "%s has no branch %s%s%s%s: fix the name in farm.yaml, or push the branch",
                     site->project->name, name, *nearest ? " (nearest: " : "", nearest,
                     *nearest ? ")" : ""));
    free(names);
}

static void search_matching(struct site *site, const struct config_branch *branch,
                            const struct git_branch *branches, size_t count)
{
    size_t found = 0;
    assert(branch);
    for (size_t i = 0; i < count; i++) {
        if (branch_for(site->project, branches[i].name) != branch)
            continue;
        if (!name_is_branch(branches[i].name)) {
            warn(site->search,
                 "branch %.100s of %s is left out: programs would take its name for an option, or "
                 "it is longer than %d characters",
                 branches[i].name, site->project->name, LIMIT_BRANCH_BYTES);
            continue;
        }
        search_branch(site, branch, &branches[i]);
        found++;
    }
    if (found == 0 && glob_is(branch->name))
        warn(site->search, "no branch of %s matches %s", site->project->name, branch->name);
    else if (found == 0)
        miss_branch(site, branch->name, branches, count);
}

/* The commits that search_matching takes, in its order. */
static void plan_matching(struct site *site, const struct config_branch *branch,
                          const struct git_branch *branches, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (branch_for(site->project, branches[i].name) == branch &&
            name_is_branch(branches[i].name))
            plan_branch(site, branch, &branches[i]);
}

/* ---- branches that farm.yaml does not name -------------------------------------------------- */

/* At most this many trees are read to find new branches with packages. */
enum { NEW_BRANCHES_READ = 50, NEW_BRANCHES_NAMED = 5 };

static bool has_name(const struct git_branch *branches, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(branches[i].name, name) == 0)
            return true;
    return false;
}

/* The branches that may be mentioned, each once: the clone remembers which were. */
static int plan_new(struct site *site, const struct git_branch *branches, size_t count,
                    struct git_branch fresh[NEW_BRANCHES_READ], size_t *fresh_count)
{
    struct discovery_search *search = site->search;
    struct git_branch *old;
    size_t old_count;
    *fresh_count = 0;
    if (git_mentioned(&site->git, &old, &old_count, search->arena, search->err) < 0)
        return -1;
    for (size_t i = 0; i < count && *fresh_count < NEW_BRANCHES_READ; i++) {
        if (branch_for(site->project, branches[i].name) ||
            has_name(old, old_count, branches[i].name))
            continue;
        fresh[(*fresh_count)++] = branches[i];
        add_commit(site,
                   &(struct reading_commit){.commit = branches[i].commit, .names_only = true});
    }
    return 0;
}

static void mention_new(struct site *site, const struct git_branch *branches, size_t count)
{
    struct discovery_search *search = site->search;
    size_t fresh = 0;
    const char *names = "";
    for (size_t i = 0; i < count; i++) {
        if (next_tree(site)->names_count == 0 || git_mention(&site->git, &branches[i], NULL) < 0)
            continue;
        if (fresh++ < NEW_BRANCHES_NAMED)
            names =
                arena_print(search->arena, "%s%s%s", names, *names ? ", " : "", branches[i].name);
    }
    if (fresh)
        warn(search,
             "%s has %zu branch%s with packages that farm.yaml does not name: %s%s (said once; add "
             "what is to be built under branches)",
             site->project->name, fresh, fresh == 1 ? "" : "es", names,
             fresh > NEW_BRANCHES_NAMED ? ", ..." : "");
}

/* ---- projects ------------------------------------------------------------------------------- */

static int search_tips(struct site *site)
{
    struct discovery_search *search = site->search;
    struct git_branch *branches;
    size_t count;
    if (git_branches(&site->git, &branches, &count, search->arena, search->err) < 0)
        return -1;
    if (count == 0)
        return err_set(search->err, "%s has no branches: push one", site->project->url);
    const struct config_project *project = site->project;
    struct git_branch fresh[NEW_BRANCHES_READ];
    size_t fresh_count = 0;
    for (size_t i = 0; i < project->branches_count; i++)
        plan_matching(site, &project->branches[i], branches, count);
    if (search->question->fetch && plan_new(site, branches, count, fresh, &fresh_count) < 0)
        return -1;
    if (read_planned(site, false) < 0)
        return -1;
    for (size_t i = 0; i < project->branches_count; i++)
        search_matching(site, &project->branches[i], branches, count);
    mention_new(site, fresh, fresh_count);
    return 0;
}

/* `farm build --from`: a commit that may not be on any branch of origin. */
static int search_commit(struct site *site)
{
    static const struct config_branch unlisted = {.name = "", .publish = "", .line = ""};
    struct discovery_search *search = site->search;
    const struct discover_question *question = search->question;
    if (!is_commit(question->commit)) {
        refuse(search, "\"%.80s\" is not a commit: expected 40 hex digits", question->commit);
        return 0;
    }
    if (*question->bundle &&
        git_unbundle(&site->git, question->bundle, question->commit, search->err) < 0)
        return err_prefix(search->err, "cannot import the unpushed commits");
    const struct config_branch *branch = branch_for(site->project, question->branch);
    struct git_branch at = {question->branch, question->commit};
    branch = branch ? branch : &unlisted;
    plan_branch(site, branch, &at);
    if (read_planned(site, true) < 0)
        return -1;
    if (site->trees[0].is_absent)
        refuse(search, "%s does not have commit %s: push it", site->project->url, question->commit);
    else
        search_branch(site, branch, &at);
    return 0;
}

static int search_project(struct discovery_search *search, const struct config_project *project)
{
    struct site site = {.search = search, .project = project};
    int result =
        git_open(search->question->home, project->name, &site.git, search->arena, search->err);
    if (result == 0 && search->question->fetch)
        result = git_fetch(&site.git, project->url, search->err);
    if (result == 0)
        result = *search->question->commit ? search_commit(&site) : search_tips(&site);
    free(site.commits);
    git_close(&site.git);
    return result < 0 ? err_prefix(search->err, "project %s", project->name) : 0;
}

/* One of several projects that cannot be read leaves the others alone. */
static int search_one(struct discovery_search *search, const struct config_project *project)
{
    size_t before = search->item_count;
    if (search_project(search, project) == 0) {
        search->projects_read++;
        return 0;
    }
    if (*search->question->project || search->config.projects_count == 1)
        return -1;
    search->item_count = before;
    miss(search, search->err
                     ? arena_text(search->arena, search->err->text)
                     : arena_print(search->arena, "project %s cannot be read", project->name));
    return 0;
}

static int search_projects(struct discovery_search *search)
{
    const char *wanted = search->question->project;
    const struct config *config = &search->config;
    size_t found = 0;
    for (size_t i = 0; i < config->projects_count && !search->problem; i++) {
        if (*wanted && strcmp(config->projects[i].name, wanted) != 0)
            continue;
        found++;
        if (search_one(search, &config->projects[i]) < 0)
            return -1;
    }
    if (found > 0 && !search->projects_read && !search->problem)
        refuse(search, "%s", search->missing);
    if (found > 0)
        return 0;
    const char **names = arena_new(search->arena, config->projects_count * sizeof *names);
    for (size_t i = 0; i < config->projects_count; i++)
        names[i] = config->projects[i].name;
    const char *nearest = names_nearest(wanted, names, config->projects_count, search->arena);
    if (!*wanted)
        refuse(search, "farm.yaml has no projects: `farm project add URL` adds one");
    else
        refuse(search, "farm.yaml has no project \"%.80s\"%s%s%s", wanted,
               *nearest ? "; did you mean " : "; `farm project add URL` adds one", nearest,
               *nearest ? "?" : "");
    return 0;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static int by_place(const struct plan_item *x, const struct plan_item *y)
{
    int order = strcmp(x->target.name, y->target.name);
    if (!order)
        order = strcmp(x->variant.package, y->variant.package);
    return order ? order : strcmp(x->variant.system, y->variant.system);
}

static int by_place_of(const void *a, const void *b)
{
    return by_place(*(const struct plan_item *const *)a, *(const struct plan_item *const *)b);
}

/* Of the items that the filter left out, keeps as rivals those that claim a name of one that it
 * kept. */
static void keep_rivals(struct discovery_search *search, size_t kept)
{
    const struct plan_item **places = mem_new((kept + 1) * sizeof *places);
    size_t count = 0, rivals = 0;
    for (size_t i = 0; i < kept; i++)
        if (search->items[i].target.kind != TARGET_NONE)
            places[count++] = &search->items[i];
    qsort(places, count, sizeof *places, by_place_of);
    for (size_t i = 0; i < search->rival_count; i++) {
        const struct plan_item *rival = &search->rivals[i];
        if (rival->target.kind != TARGET_NONE && count &&
            bsearch(&rival, places, count, sizeof *places, by_place_of))
            search->rivals[rivals++] = *rival;
    }
    search->rival_count = rivals;
    free(places);
}

/* Keeps the items that match the filter; a filter that matches nothing is a problem. */
static void apply_filter(struct discovery_search *search, struct filter *filter)
{
    size_t kept = 0;
    filter_settle(filter, search->items, search->item_count);
    const char *miss = filter_miss(filter, search->items, search->item_count, search->arena);
    if (search->item_count == 0)
        miss = search->missing ? search->missing
                               : "no branch of farm.yaml has a package in .flox/pkgs";
    if (*miss) {
        refuse(search, "%s", miss);
        return;
    }
    for (size_t i = 0; i < search->item_count; i++)
        if (filter_matches(filter, &search->items[i].variant)) {
            search->items[kept++] = search->items[i];
        } else {
            MEM_GROW(search->rivals, search->rival_count, search->rival_capacity);
            search->rivals[search->rival_count++] = search->items[i];
        }
    search->item_count = kept;
    keep_rivals(search, kept);
    if (kept > LIMIT_VARIANTS_PER_RUN)
        refuse(search, "%zu variants are more than a run may have (%d): use a filter", kept,
               LIMIT_VARIANTS_PER_RUN);
}

/* Adds a warning for each objection, with the number of its variants. */
static void warn_of_toolkits(struct discovery_search *search)
{
    const char **said = mem_new((search->item_count + 1) * sizeof *said);
    for (size_t i = 0; i < search->item_count; i++)
        said[i] = toolkit_objection(&search->items[i].variant, search->arena);
    for (size_t i = 0; i < search->item_count && search->warning_count < LIMIT_WARNINGS; i++) {
        size_t count = 0;
        const char *objection = said[i];
        if (!objection)
            continue;
        for (size_t j = i; j < search->item_count; j++) {
            if (!said[j] || strcmp(said[j], objection) != 0)
                continue;
            said[j] = NULL;
            count++;
        }
        warn(search, "%zu variant%s such as %s may fail to build: %s", count, count == 1 ? "" : "s",
             search->items[i].variant.package, objection);
    }
    free(said);
}

static int run_search(struct discovery_search *search)
{
    struct filter *filter = filter_parse(search->question->filter, search->err);
    if (!filter) {
        refuse(search, "%s", search->err ? search->err->text : "the filter is invalid");
        return 0;
    }
    int result = config_read(search->question->config, &search->config, search->err);
    if (result == 0)
        result = search_projects(search);
    if (result == 0 && !search->problem)
        apply_filter(search, filter);
    if (result == 0 && !search->problem)
        warn_of_toolkits(search);
    filter_destroy(filter);
    return result;
}

/* What the project says today of how its recipes are evaluated and checked. That a recipe's text
 * names /build was found when it was planned, and stays. */
static void refresh_item(const struct config_project *project, struct plan_item *item,
                         struct arena *arena)
{
    item->recipe.check = project->check;
    item->recipe.restrict_eval = project->restrict_eval;
    item->recipe.allowed_uris = join(project->allowed_uris, project->allowed_uris_count, arena);
    if (project->nix_sandbox != SANDBOX_AUTO)
        item->needs.nix_sandbox = project->nix_sandbox == SANDBOX_REQUIRED;
}

void discover_refresh_settings(const char *config, struct plan_item *items, size_t count,
                               struct arena *arena)
{
    struct config now;
    struct err err;
    bool known = config_read(config, &now, &err) == 0;
    for (size_t i = 0; known && i < count; i++)
        for (size_t k = 0; k < now.projects_count; k++)
            if (strcmp(now.projects[k].name, items[i].variant.project) == 0)
                refresh_item(&now.projects[k], &items[i], arena);
    config_release(&now);
}

int discover_run(const struct discover_question *question, struct discover_answer *answer,
                 struct arena *arena, struct err *err)
{
    if (question->pins_count)
        return discover_pins(question, answer, arena, err);
    struct discovery_search search = {.question = question, .arena = arena, .err = err};
    struct discover_answer found = {.problem = ""};
    int result = run_search(&search);
    if (search.problem)
        found.problem = search.problem;
    else if (result == 0) {
        found.items = search.items;
        found.items_count = search.item_count;
        found.rivals = search.rivals;
        found.rivals_count = search.rival_count;
    }
    found.warnings = search.warnings;
    found.warnings_count = search.warning_count;
    shape_copy(&discover_answer_shape, answer, &found, arena);
    free(search.items);
    free(search.rivals);
    free(search.warnings);
    config_release(&search.config);
    return result;
}
