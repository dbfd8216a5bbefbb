/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "coordinator/cli/screen/run_text.h"
#include "proto/json.h"

#include <string.h>

/* ---- clusters ------------------------------------------------------------------------------ */

/* The most telling attribute that all variants of a cluster share: " - all on cuda-12_9". */
static const char *shared_text(const json_t *cluster, struct arena *arena)
{
    const json_t *common = json_object_get(cluster, "common");
    const char *branch = json_get_text(common, "branch", ""),
               *gpu = json_get_text(common, "gpu", ""),
               *system = json_get_text(common, "system", "");
    if (json_get_u64(cluster, "variants", 0) < 2)
        return "";
    if (*branch)
        return arena_print(arena, " - all on %s%s%s", text_safe(arena, branch), *gpu ? " for " : "",
                           text_safe(arena, gpu));
    if (*gpu)
        return arena_print(arena, " - all for %s", text_safe(arena, gpu));
    return *system ? arena_print(arena, " - all for %s", text_safe(arena, system)) : "";
}

static void print_lines(const json_t *cluster, struct arena *arena, bool colours, struct buf *out)
{
    size_t index;
    json_t *line;
    json_array_foreach(json_object_get(cluster, "lines"), index, line)
    {
        buf_print(out, "    ");
        ink_add(out, colours, INK_DIM, text_safe(arena, json_string_value(line)));
        buf_print(out, "\n");
    }
}

static void print_cluster_workers(const json_t *cluster, struct arena *arena, struct buf *out)
{
    size_t index;
    json_t *worker;
    json_array_foreach(json_object_get(cluster, "workers"), index, worker)
    {
        buf_print(out, "%s%s", index ? ", " : "", text_safe(arena, json_string_value(worker)));
    }
}

/* Prints the first sighting when it was in an earlier run. */
static void print_seen(const json_t *seen, struct arena *arena, struct buf *out)
{
    if (!json_get_flag(seen, "earlier"))
        return;
    buf_print(out, "\n  first seen in run %llu, %s: %s on %s",
              (unsigned long long)json_get_u64(seen, "run", 0),
              format_time(arena, json_get_u64(seen, "at", 0)),
              text_safe(arena, json_get_text(seen, "package", "")),
              text_safe(arena, json_get_text(seen, "worker", "")));
}

static void print_cluster(const json_t *cluster, bool colours, struct buf *out)
{
    struct arena arena = {0};
    const json_t *first = json_object_get(cluster, "first");
    uint64_t variants = json_get_u64(cluster, "variants", 0);
    const char *cause = json_get_text(cluster, "cause", ""),
               *detail = json_get_text(cluster, "detail", "");
    const char *what = json_get_flag(cluster, "publications") ? "publication" : "variant",
               *attempt = json_get_text(first, "attempt", "");
    ink_add(out, colours, INK_BAD,
            variants == 1
                ? arena_print(&arena, "1 %s", what)
                : arena_print(&arena, "%llu %ss, one cause", (unsigned long long)variants, what));
    buf_print(out, ": %s%s%s%s\n", cause, *detail ? ": " : "", text_safe(&arena, detail),
              shared_text(cluster, &arena));
    print_lines(cluster, &arena, colours, out);
    buf_print(out, "  first %s%s%s on %s; seen on ",
              text_safe(&arena, json_get_text(first, "package", "")), *attempt ? ", attempt " : "",
              attempt, text_safe(&arena, json_get_text(first, "worker", "")));
    print_cluster_workers(cluster, &arena, out);
    print_seen(json_object_get(cluster, "seen"), &arena, out);
    buf_print(out, "\n  %s\n", text_safe(&arena, json_get_text(cluster, "done", "")));
    arena_clear(&arena);
}

static void print_clusters(const json_t *clusters, bool colours, struct buf *out)
{
    size_t index;
    json_t *cluster;
    json_array_foreach(clusters, index, cluster)
    {
        print_cluster(cluster, colours, out);
    }
}

/* ---- a job --------------------------------------------------------------------------------- */

static void print_head(const json_t *why, struct arena *arena, bool colours, struct buf *out)
{
    const char *verdict = json_get_text(why, "verdict", "none"),
               *cause = json_get_text(why, "cause", "none"),
               *detail = json_get_text(why, "detail", "");
    bool closed = !strcmp(json_get_text(why, "state", ""), "closed");
    ink_add(out, colours, INK_BOLD, text_safe(arena, json_get_text(why, "package", "")));
    buf_print(out, " of %s is ", text_safe(arena, json_get_text(why, "branch", "")));
    buf_print(out, "%s", closed ? verdict : json_get_text(why, "state", ""));
    if (strcmp(cause, "none") != 0)
        buf_print(out, ": %s", cause);
    if (*detail)
        buf_print(out, ": %s", text_safe(arena, detail));
    buf_print(out, "\n");
    const char *unchecked = json_get_text(why, "unchecked", "");
    if (*unchecked)
        buf_print(out, "not checked: %s\n", text_safe(arena, unchecked));
    const char *nearest = json_get_text(why, "nearest", "");
    if (*nearest)
        buf_print(out, "the project has %s\n", text_safe(arena, nearest));
    uint64_t wait_ms = json_get_u64(why, "wait_ms", 0);
    if (wait_ms)
        buf_print(out, "next attempt in %s\n", format_duration(arena, wait_ms));
    if (!closed && json_get_flag(why, "paused"))
        buf_print(out, "the farm is paused: %s (farm resume ends this)\n",
                  text_safe(arena, json_get_text(why, "paused_reason", "")));
}

static void print_hosts(const json_t *hosts, bool colours, struct buf *out)
{
    static const struct column columns[] = {{"worker", false}, {"", false}, {"because", false}};
    struct table *table = table_create(columns, 3);
    size_t index;
    json_t *host;
    json_array_foreach(hosts, index, host)
    {
        bool never = json_get_flag(host, "never");
        const char *fit = json_get_text(host, "fit", "");
        bool takes = !strcmp(fit, "yes");
        table_cell(table, INK_BOLD, json_get_text(host, "worker", ""));
        table_cell(table,
                   takes   ? INK_GOOD
                   : never ? INK_BAD
                           : INK_NOTE,
                   takes   ? "can take it"
                   : never ? "never"
                           : "not now");
        table_cell(table, INK_PLAIN, json_get_text(host, "text", fit));
    }
    if (index)
        table_print(table, colours, out);
    else
        buf_print(out, "no workers: farm worker start NAME starts one on this machine\n");
    table_destroy(table);
}

static void add_try(struct table *table, struct arena *arena, const json_t *attempt)
{
    const char *outcome = json_get_text(attempt, "outcome", "none"),
               *failed_phase = json_get_text(attempt, "failed_phase", "none"),
               *cause = json_get_text(attempt, "cause", "none");
    uint64_t offered_at = json_get_u64(attempt, "offered_at", 0),
             ended_at = json_get_u64(attempt, "ended_at", 0);
    bool fine = !strcmp(outcome, "ok"), ended = strcmp(outcome, "none") != 0;
    table_number(table, json_get_u64(attempt, "ordinal", 0));
    table_cell(table, INK_PLAIN, json_get_text(attempt, "worker", ""));
    table_cell(table,
               fine    ? INK_GOOD
               : ended ? INK_BAD
                       : INK_BUSY,
               ended ? outcome : json_get_text(attempt, "state", ""));
    table_cell(table, INK_PLAIN, strcmp(failed_phase, "none") ? failed_phase : "");
    table_cell(table, INK_PLAIN, strcmp(cause, "none") ? cause : "");
    table_cell(table, INK_PLAIN,
               ended_at > offered_at ? format_duration(arena, ended_at - offered_at) : "");
    table_cell(
        table, INK_PLAIN,
        format_bytes(arena, json_get_u64(json_object_get(attempt, "facts"), "memory_peak", 0)));
    table_cell(table, INK_PLAIN, json_get_text(attempt, "detail", ""));
}

/* In hundredths of a percent; a smaller stall only means that the host is busy. */
enum { STALL_MIN = 1000 };

static void add_fact(struct buf *out, bool *any, const char *text)
{
    buf_print(out, "%s%s", *any ? "; " : "", text);
    *any = true;
}

static void add_stall(const json_t *facts, const char *key, const char *what, struct arena *arena,
                      struct buf *out, bool *any)
{
    uint64_t hundredths = json_get_u64(facts, key, 0);
    if (hundredths >= STALL_MIN)
        add_fact(
            out, any,
            arena_print(arena,
                        "at the end all processes of the host waited for %s %llu %% of the time",
                        what, (unsigned long long)hundredths / 100));
}

/* "attempt 2: out of memory, the kernel killed ...", for attempts that ended badly. */
static void print_facts(const json_t *attempt, struct arena *arena, struct buf *out)
{
    const json_t *facts = json_object_get(attempt, "facts");
    uint64_t own = json_get_u64(facts, "oom_kills", 0),
             daemon = json_get_u64(facts, "daemon_oom_kills", 0);
    struct buf text = {0};
    bool any = false;
    if (own)
        add_fact(&text, &any,
                 arena_print(arena, "out of memory, the kernel killed %llu of its processes",
                             (unsigned long long)own));
    if (daemon)
        add_fact(&text, &any,
                 arena_print(arena,
                             "out of memory, the kernel killed %llu of nix-daemon's processes",
                             (unsigned long long)daemon));
    if (json_get_flag(facts, "daemon_restarted"))
        add_fact(&text, &any, "nix-daemon was restarted while it ran");
    add_stall(facts, "memory_stall", "memory", arena, &text, &any);
    add_stall(facts, "io_stall", "disks", arena, &text, &any);
    if (any && strcmp(json_get_text(attempt, "outcome", "ok"), "ok") != 0)
        buf_print(out, "attempt %llu: %s\n",
                  (unsigned long long)json_get_u64(attempt, "ordinal", 0), (const char *)text.data);
    buf_release(&text);
}

/* "attempt 2 ran at isolation level users". A recipe that ran without isolation is worth a warning:
 * it could have changed what its host builds. */
static void print_isolation(const json_t *attempt, bool colours, struct buf *out)
{
    const char *level = json_get_text(json_object_get(attempt, "product"), "isolation", "");
    bool none = !strcmp(level, "none");
    if (!*level || !strcmp(level, "unknown"))
        return;
    buf_print(out, "attempt %llu ran ", (unsigned long long)json_get_u64(attempt, "ordinal", 0));
    if (none)
        ink_add(out, colours, INK_NOTE, "without isolation");
    else
        buf_print(out, "at isolation level %s", level);
    buf_print(out, "\n");
}

static void print_tries(const json_t *tries, struct arena *arena, bool colours, struct buf *out)
{
    static const struct column columns[] = {{"attempt", true}, {"worker", false}, {"ended", false},
                                            {"phase", false},  {"cause", false},  {"took", true},
                                            {"memory", true},  {"line", false}};
    struct table *table = table_create(columns, 8);
    size_t index;
    json_t *attempt;
    json_array_foreach(tries, index, attempt)
    {
        add_try(table, arena, attempt);
    }
    if (index)
        table_print(table, colours, out);
    table_destroy(table);
    json_array_foreach(tries, index, attempt)
    {
        print_facts(attempt, arena, out);
        print_isolation(attempt, colours, out);
    }
}

static void print_publication(const json_t *publication, struct arena *arena, struct buf *out)
{
    if (!json_is_object(publication))
        return;
    const char *cause = json_get_text(publication, "cause", "none"),
               *detail = json_get_text(publication, "detail", "");
    buf_print(out, "publication %llu to %s is %s",
              (unsigned long long)json_get_u64(publication, "publication", 0),
              text_safe(arena, json_get_text(publication, "target", "")),
              json_get_text(publication, "state", ""));
    if (strcmp(cause, "none") != 0)
        buf_print(out, ": %s", cause);
    if (*detail)
        buf_print(out, ": %s", text_safe(arena, detail));
    buf_print(out, "\n");
}

static void print_why(const json_t *why, struct arena *arena, bool colours, struct buf *out)
{
    const char *state = json_get_text(why, "state", ""), *log = json_get_text(why, "log", "");
    print_head(why, arena, colours, out);
    job_print_stop(why, colours, out);
    if (!strcmp(state, "waiting") || !strcmp(state, "ready") || !strcmp(state, "held"))
        print_hosts(json_object_get(why, "hosts"), colours, out);
    print_tries(json_object_get(why, "tries"), arena, colours, out);
    print_publication(json_object_get(why, "publication"), arena, out);
    print_clusters(json_object_get(why, "clusters"), colours, out);
    if (*log)
        buf_print(out, "farm logs %llu/%s prints its output\n",
                  (unsigned long long)json_get_u64(why, "run", 0),
                  text_safe(arena, json_get_text(why, "package", "")));
}

/* ---- a run --------------------------------------------------------------------------------- */

/* Whether there is a cluster of failed builds, or of publications that were given up. */
static bool any_cluster(const json_t *clusters, bool publications)
{
    size_t index;
    json_t *cluster;
    json_array_foreach(clusters, index, cluster)
    {
        if (json_get_flag(cluster, "publications") == publications &&
            (!publications || json_get_u64(cluster, "failed", 0)))
            return true;
    }
    return false;
}

static void print_run(const json_t *body, bool colours, struct buf *out)
{
    const json_t *run = json_object_get(body, "run"), *clusters = json_object_get(body, "clusters");
    run_print_counts(run, colours, out);
    run_print_stops(run, colours, out);
    print_clusters(clusters, colours, out);
    run_print_failures(run, colours, out);
    if (any_cluster(clusters, false))
        buf_print(out, "after a fix: farm retry %llu --failed --at BRANCH\n",
                  (unsigned long long)json_get_u64(run, "run", 0));
    if (any_cluster(clusters, true))
        buf_print(out, "to publish what is built and not published: farm publish %llu\n",
                  (unsigned long long)json_get_u64(run, "run", 0));
    if (!strcmp(json_get_text(run, "progress", ""), "well"))
        buf_print(out, "nothing failed\n");
    else if (!run_is_over(run))
        buf_print(out, "farm why JOB shows what one of its jobs waits for\n");
}

enum exit_code cmd_why(struct invocation *invocation)
{
    json_t *arguments = json_object(), *body = NULL;
    struct screen screen = screen_of(stdout);
    struct buf text = {0};
    json_object_set_new(arguments, "subject", json_text(invocation->arguments[0]));
    enum exit_code code = invocation_ask(invocation, "why", arguments, &body);
    if (code != EXIT_FINE)
        return code;
    bool people_read = report_answer(json_incref(body));
    if (people_read && json_object_get(body, "why"))
        print_why(json_object_get(body, "why"), &invocation->arena, screen.colours, &text);
    else if (people_read)
        print_run(body, screen.colours, &text);
    screen_write(&screen, &text);
    buf_release(&text);
    json_decref(body);
    return EXIT_FINE;
}
