/* SPDX-License-Identifier: MIT */
/* clusters.c - the clusters of similar failures in a run, as JSON, for `farm why`. */
#include "coordinator/render/render.h"

#include "proto/json.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_text(text ? text : ""));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static const char *worker_name(const struct farm *farm, uint64_t worker)
{
    struct worker_view view;
    return view_worker(farm, worker, &view) ? view.name : "";
}

static json_t *lines_of(const char *lines)
{
    json_t *list = json_array();
    for (const char *at = lines; *at;) {
        size_t size = strcspn(at, "\n");
        char line[LIMIT_LINES_BYTES];
        snprintf(line, sizeof line, "%.*s", (int)size, at);
        json_array_append_new(list, json_text(line));
        at += size + (at[size] == '\n');
    }
    return list;
}

static json_t *first_of(const struct farm *farm, const struct cluster_view *cluster)
{
    json_t *first = json_object();
    struct job_view job;
    char token[40];
    snprintf(token, sizeof token, "%lu.%llu", (unsigned long)cluster->first.epoch,
             (unsigned long long)cluster->first.number);
    set_text(first, "attempt", token);
    set_number(first, "job", cluster->first_job);
    set_text(first, "package",
             view_job(farm, cluster->first_job, &job) ? job.item->variant.package : "");
    set_text(first, "worker", worker_name(farm, cluster->first_worker));
    set_number(first, "at", cluster->first_wall_ms);
    return first;
}

static json_t *workers_of(const struct farm *farm, const struct cluster_view *cluster)
{
    json_t *workers = json_array();
    for (size_t i = 0; i < cluster->workers_count; i++)
        json_array_append_new(workers, json_text(worker_name(farm, cluster->workers[i])));
    return workers;
}

/* The first time this failure was seen in the project, perhaps in an archived run. */
static json_t *seen_of(const struct farm *live, const struct farm *farm,
                       const struct cluster_view *cluster)
{
    struct job_view job;
    const struct record_signature_seen *seen =
        view_job(farm, cluster->first_job, &job)
            ? view_first_seen(live, job.item->variant.project, cluster->signature)
            : NULL;
    if (!seen)
        return json_null();
    json_t *object = json_object();
    set_number(object, "run", seen->run);
    set_text(object, "package", seen->package);
    set_text(object, "worker", seen->worker);
    set_number(object, "at", seen->at_wall_ms);
    json_object_set_new(object, "earlier", json_boolean(seen->at_wall_ms < cluster->first_wall_ms));
    return object;
}

static json_t *render_cluster(const struct farm *live, const struct farm *farm,
                              const struct cluster_view *cluster)
{
    json_t *object = json_object();
    char signature[24];
    snprintf(signature, sizeof signature, "%016llx", (unsigned long long)cluster->signature);
    set_text(object, "signature", signature);
    set_text(object, "cause", cause_names[cluster->cause]);
    set_text(object, "phase", phase_names[cluster->phase]);
    set_text(object, "detail", cluster->detail);
    json_object_set_new(object, "lines", lines_of(cluster->lines));
    json_object_set_new(object, "publications", json_boolean(cluster->is_publication));
    set_number(object, "variants", cluster->variants);
    set_number(object, "attempts", cluster->attempts);
    set_number(object, "built", cluster->built);
    set_number(object, "failed", cluster->failed);
    set_number(object, "held", cluster->held);
    set_number(object, "blocked", cluster->blocked);
    json_object_set_new(object, "first", first_of(farm, cluster));
    json_object_set_new(object, "seen", seen_of(live, farm, cluster));
    json_object_set_new(object, "workers", workers_of(farm, cluster));
    json_object_set_new(object, "common", json_from_shape(&variant_shape, &cluster->common));
    set_text(object, "done", cluster->done);
    return object;
}

json_t *render_clusters(const struct farm *live, const struct farm *farm, uint64_t run,
                        uint64_t job)
{
    struct arena arena = {0};
    struct cluster_view *clusters;
    json_t *list = json_array();
    size_t count = view_clusters(farm, run, job, &clusters, &arena);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, render_cluster(live, farm, &clusters[i]));
    arena_clear(&arena);
    return list;
}
