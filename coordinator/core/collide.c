/* SPDX-License-Identifier: MIT */
/* collide.c - see collide.h.
 *
 * Rules, in this order. `wins` outranks the policy: with winners, only they go on. Among the
 * branches that are left, `order` takes the one that stands first in the list, `newest` the highest
 * version line, `versions` all of them, the lowest line first, so that the target's newest is the
 * highest line. What these leave open, and `refuse`, is undecided. A branch that published the name
 * and that nobody named a rival is one all the same: the ledger speaks for it. An older commit of
 * the branch that published the newest is not published, nor a lower line over a higher one; only a
 * run with --force does that. Of two commits that diverged, neither is older: undecided.
 *
 * Discovery finds what diverged; otherwise the age of a commit is the number of commits in its
 * history: docs/adr/0017-superseded.md has why that is enough.
 */
#include "coordinator/core/collide.h"

#include "coordinator/core/route.h"
#include "proto/base/seeded.h"
#include "proto/base/text.h"

#include <assert.h>
#include <string.h>

/* ---- preference ----------------------------------------------------------------------------- */

/* Whether `a` goes before `b` in the order of preference; 0: neither. Lines must be known. */
static int compare_claims(enum collisions policy, const struct claim *a, const struct claim *b)
{
    uint32_t left = a->rank - 1, right = b->rank - 1; /* not in the list: the highest number */
    if (policy == COLLISIONS_ORDER)
        return (left > right) - (left < right);
    return policy == COLLISIONS_REFUSE ? 0 : -text_compare_versions(a->line, b->line);
}

static bool wants_line(enum collisions policy)
{
    return policy == COLLISIONS_NEWEST || policy == COLLISIONS_VERSIONS;
}

/* ---- names of branches ---------------------------------------------------------------------- */

static bool same_branch(const struct variant *a, const struct variant *b)
{
    return strcmp(a->project, b->project) == 0 && strcmp(a->branch, b->branch) == 0;
}

/* "main", or "main of vision" where the project is not clear. */
static const char *branch_text(const struct variant *of, const struct variant *beside,
                               struct arena *arena)
{
    return strcmp(of->project, beside->project) == 0
               ? of->branch
               : arena_print(arena, "%s of %s", of->branch, of->project);
}

static const char *advice(const struct claim *claim)
{
    if (wants_line(claim->policy) && !*claim->line)
        return "set `line` on the branch whose name shows no version";
    return claim->policy == COLLISIONS_REFUSE
               ? "name the branch that wins under `wins` in farm.yaml, or set `collisions` of the "
                 "target"
               : "name the branch that wins under `wins` in farm.yaml";
}

static const char *undecided_text(const struct plan_item *item, const struct variant *other,
                                  const struct claim *blame, struct arena *arena)
{
    const struct variant *variant = &item->variant;
    return arena_print(arena, "%s for %s would be published to %s from %s and from %s: %s",
                       variant->package, variant->system, item->target.name,
                       branch_text(variant, other, arena), branch_text(other, variant, arena),
                       advice(blame));
}

/* ---- against the ledger --------------------------------------------------------------------- */

static const char *run_text(const struct ledger_entry *entry, struct arena *arena)
{
    return entry->run
               ? arena_print(arena, ", published by run %llu", (unsigned long long)entry->run)
               : "";
}

/* "vision/main", which identifies a branch of the farm. */
static const char *full_branch(const struct variant *of, struct arena *arena)
{
    return arena_print(arena, "%s/%s", of->project, of->branch);
}

static bool names_commit(const char *commits, const char *commit)
{
    size_t size = strlen(commit);
    for (const char *at = size ? strstr(commits, commit) : NULL; at; at = strstr(at + size, commit))
        if ((at == commits || at[-1] == ' ') && (at[size] == ' ' || !at[size]))
            return true;
    return false;
}

bool claim_diverged(const struct plan_item *item, const struct variant *other, const char *others)
{
    return same_branch(&item->variant, other) &&
           (names_commit(item->claim.diverged, other->commit) ||
            names_commit(others, item->variant.commit));
}

static const char *rewritten_text(const struct plan_item *item, const struct ledger_entry *entry,
                                  struct arena *arena)
{
    return arena_print(
        arena,
        "branch %s was rewritten: the history of commit %.12s does not have %.12s%s; "
        "`farm rebuild --publish --force` publishes it",
        item->variant.branch, item->variant.commit, entry->variant.commit, run_text(entry, arena));
}

static bool is_older(const struct plan_item *item, const struct ledger_entry *entry)
{
    return same_branch(&item->variant, &entry->variant) &&
           strcmp(item->variant.commit, entry->variant.commit) != 0 && item->claim.depth &&
           item->claim.depth < entry->depth;
}

/* A lower version line must not become the target's newest. */
static bool is_lower(const struct plan_item *item, const struct ledger_entry *entry)
{
    return item->claim.policy == COLLISIONS_VERSIONS && !item->claim.wins &&
           !same_branch(&item->variant, &entry->variant) && *item->claim.line && *entry->line &&
           text_compare_versions(item->claim.line, entry->line) < 0;
}

/* The item against what is published: CLAIM_LOST when that is newer. */
static enum claim_end judge_by_age(const struct plan_item *item, const struct ledger_entry *entry,
                                   bool force, const char **reason, struct arena *arena)
{
    if (force || SEEDED_BUG(PUBLISH_OLDER))
        return CLAIM_STANDS;
    if (claim_diverged(item, &entry->variant, entry->diverged)) {
        *reason = rewritten_text(item, entry, arena);
        return CLAIM_UNDECIDED;
    }
    if (is_older(item, entry))
        *reason = arena_print(arena, "superseded by %.12s%s", entry->variant.commit,
                              run_text(entry, arena));
    else if (is_lower(item, entry))
        *reason = arena_print(arena, "superseded by version line %s of branch %s%s", entry->line,
                              branch_text(&entry->variant, &item->variant, arena),
                              run_text(entry, arena));
    else
        return CLAIM_STANDS;
    return CLAIM_LOST;
}

/* The item against a branch that published its name and was not asked. */
static enum claim_end judge_by_ledger(const struct plan_item *item,
                                      const struct ledger_entry *entry, const char **reason,
                                      struct arena *arena)
{
    const struct claim *mine = &item->claim, theirs = {.rank = entry->rank, .line = entry->line};
    bool unknown = wants_line(mine->policy) && (!*mine->line || !*theirs.line);
    if (mine->wins || same_branch(&item->variant, &entry->variant))
        return CLAIM_STANDS;
    int order = unknown ? 0 : compare_claims(mine->policy, mine, &theirs);
    if (order < 0 || (order > 0 && mine->policy == COLLISIONS_VERSIONS)) /* or judge_by_age */
        return CLAIM_STANDS;
    if (order > 0) {
        *reason = arena_print(arena, "%s has this name at %s%s",
                              branch_text(&entry->variant, &item->variant, arena),
                              item->target.name, run_text(entry, arena));
        return CLAIM_LOST;
    }
    *reason = undecided_text(item, &entry->variant, mine, arena);
    return CLAIM_UNDECIDED;
}

/* ---- between branches ----------------------------------------------------------------------- */

/* An item, or a rival: then `out` is NULL. */
struct claimant {
    const struct plan_item *item;
    struct claim_view *out;
    size_t index;
};

static int compare_places(const struct claimant *a, const struct claimant *b)
{
    int order = strcmp(a->item->target.name, b->item->target.name);
    if (!order)
        order = strcmp(a->item->variant.package, b->item->variant.package);
    if (!order)
        order = strcmp(a->item->variant.system, b->item->variant.system);
    return order;
}

/* By place, and there the preferred branch first. */
static int compare_claimants(const struct claimant *a, const struct claimant *b)
{
    int order = compare_places(a, b);
    if (!order)
        order = b->item->claim.wins - a->item->claim.wins;
    if (!order)
        order = compare_claims(a->item->claim.policy, &a->item->claim, &b->item->claim);
    return order;
}

/* Merge sort. Stable, so branches are named in the order in which they were found. */
static void sort_claimants(struct claimant *at, struct claimant *scratch, size_t count)
{
    if (count < 2)
        return;
    size_t half = count / 2, left = 0, right = half, out = 0;
    sort_claimants(at, scratch, half);
    sort_claimants(at + half, scratch, count - half);
    while (left < half && right < count)
        scratch[out++] = compare_claimants(&at[right], &at[left]) < 0 ? at[right++] : at[left++];
    while (left < half)
        scratch[out++] = at[left++];
    while (right < count)
        scratch[out++] = at[right++];
    assert(out == count && "a claim was lost in the merge");
    memcpy(at, scratch, count * sizeof *at);
}

static void end_claim(const struct claimant *of, enum claim_end end, const char *reason)
{
    if (!of->out)
        return;
    of->out->end = end;
    of->out->reason = reason;
}

static void lose_claim(const struct claimant *of, const struct claimant *to, struct arena *arena)
{
    const struct claim *winner = &to->item->claim;
    const char *branch = branch_text(&to->item->variant, &of->item->variant, arena);
    const char *why = winner->wins ? "it wins"
                      : winner->policy == COLLISIONS_ORDER
                          ? "it stands first in `order`"
                          : arena_print(arena, "version line %s", winner->line);
    end_claim(of, CLAIM_LOST, arena_print(arena, "%s has this name: %s", branch, why));
}

/* A claimant of another branch in [first, last) that is preferred as much as `of`, or whose line is
 * unknown where a line is needed; NULL: none. */
static const struct claimant *find_equal(const struct claimant *of, const struct claimant *first,
                                         const struct claimant *last)
{
    const struct claim *mine = &of->item->claim;
    bool line = wants_line(mine->policy);
    for (const struct claimant *at = first; at < last; at++) {
        const struct claim *other = &at->item->claim;
        if (same_branch(&at->item->variant, &of->item->variant))
            continue;
        if ((line && (!*mine->line || !*other->line)) ||
            compare_claims(mine->policy, mine, other) == 0)
            return at;
    }
    return NULL;
}

/* The one of the two that lacks the version line it needs, otherwise the first. */
static const struct claim *to_blame(const struct claimant *a, const struct claimant *b)
{
    const struct claim *first = &a->item->claim, *second = &b->item->claim;
    return *first->line && !*second->line ? second : first;
}

/* Decides between the claimants of one place, the preferred first. Where a version line is unknown
 * under `newest`, the highest is unknown, too. */
static void decide_place(const struct claimant *first, const struct claimant *last,
                         struct arena *arena)
{
    const struct claimant *end = first, *equal;
    bool winners = first->item->claim.wins, versions;
    while (end < last && end->item->claim.wins == winners)
        end++;
    versions = first->item->claim.policy == COLLISIONS_VERSIONS;
    for (const struct claimant *at = first; at < last; at++) {
        bool same = same_branch(&at->item->variant, &first->item->variant);
        equal = at < end ? find_equal(at, first, end) : NULL;
        bool top = at < end && compare_claims(at->item->claim.policy, &first->item->claim,
                                              &at->item->claim) == 0;
        bool unknown = equal && wants_line(at->item->claim.policy) && !*to_blame(at, equal)->line;
        if (equal && (top || versions || unknown))
            end_claim(at, CLAIM_UNDECIDED,
                      undecided_text(at->item, &equal->item->variant, to_blame(at, equal), arena));
        else if (!same && !(versions && at < end))
            lose_claim(at, first, arena);
    }
}

/* Under `versions`, each item is published after the next lower line of the same place. */
static void chain_versions(const struct claimant *first, const struct claimant *last)
{
    struct claim_view *higher = NULL;
    for (const struct claimant *at = first; at < last; at++) {
        if (!at->out || at->out->end != CLAIM_STANDS)
            continue;
        if (higher)
            higher->after = at->index + 1;
        higher = at->out;
    }
}

static bool has_branch(const struct claimant *first, const struct claimant *last,
                       const struct variant *variant)
{
    while (first < last && !same_branch(&first->item->variant, variant))
        first++;
    return first < last;
}

static void ask_ledger(const struct farm *farm, const struct run_options *options,
                       const struct claimant *first, const struct claimant *last,
                       struct arena *arena)
{
    const struct plan_item *item = first->item;
    const struct ledger_entry *entry =
        view_ledger(farm, item->target.name, item->variant.package, item->variant.system);
    if (!entry || !*entry->variant.branch)
        return;
    bool is_known = has_branch(first, last, &entry->variant);
    const char *over = full_branch(&entry->variant, arena);
    for (const struct claimant *at = first; at < last; at++) {
        const char *reason = "";
        if (at->out)
            at->out->over = over;
        if (!at->out || at->out->end != CLAIM_STANDS)
            continue;
        enum claim_end end = judge_by_age(at->item, entry, options->force, &reason, arena);
        if (end != CLAIM_STANDS)
            end_claim(at, end, reason);
        else if (!is_known)
            at->out->end = judge_by_ledger(at->item, entry, &at->out->reason, arena);
    }
}

/* What can never be built is never published: it takes no name from another branch. */
static bool claims_place(const struct plan_item *item)
{
    return item->target.kind != TARGET_NONE && !*item->problem &&
           system_can_be_hosted(item->variant.system);
}

/* Appends the items that claim a place. */
static size_t add_claimants(struct claimant *to, size_t count, const struct plan_item *items,
                            size_t item_count, struct claim_view *out)
{
    for (size_t i = 0; i < item_count; i++)
        if (claims_place(&items[i]))
            to[count++] = (struct claimant){&items[i], out ? &out[i] : NULL, i};
    return count;
}

void claims_decide(const struct farm *farm, const struct run_options *options,
                   const struct plan_item *items, size_t count, const struct plan_item *rivals,
                   size_t rival_count, struct claim_view *out, struct arena *arena)
{
    size_t most = count + rival_count + 1, claims;
    struct claimant *at = arena_new(arena, most * sizeof *at);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct claim_view){.reason = "", .over = ""};
    if (options->local)
        return;
    claims = add_claimants(at, 0, items, count, out);
    claims = add_claimants(at, claims, rivals, rival_count, NULL);
    sort_claimants(at, arena_new(arena, most * sizeof *at), claims);
    for (size_t i = 0, end; i < claims; i = end) {
        for (end = i + 1; end < claims && compare_places(&at[i], &at[end]) == 0;)
            end++;
        decide_place(at + i, at + end, arena);
        ask_ledger(farm, options, at + i, at + end, arena);
        if (at[i].item->claim.policy == COLLISIONS_VERSIONS)
            chain_versions(at + i, at + end);
    }
}

/* ---- when a publication starts -------------------------------------------------------------- */

enum claim_end claim_at_grant(const struct farm *farm, uint64_t id, const char **reason,
                              struct arena *arena)
{
    struct job_view job = must_job(farm, id);
    const struct plan_item *item = job.item;
    const struct ledger_entry *entry =
        view_ledger(farm, item->target.name, item->variant.package, item->variant.system);
    *reason = "";
    if (!entry || !*entry->variant.branch)
        return CLAIM_STANDS;
    bool force = must_run(farm, job.run).options.force;
    enum claim_end end = judge_by_age(item, entry, force, reason, arena);
    if (end != CLAIM_STANDS)
        return end;
    bool was_asked = strcmp(full_branch(&entry->variant, arena), item->claim.over) == 0;
    return was_asked ? CLAIM_STANDS : judge_by_ledger(item, entry, reason, arena);
}
