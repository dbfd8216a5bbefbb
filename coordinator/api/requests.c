/* SPDX-License-Identifier: MIT */
/* requests.c - the table of verbs. */
#include "coordinator/api/requests.h"

#include "coordinator/api/admin_requests.h"
#include "coordinator/api/read_requests.h"
#include "coordinator/api/requests_private.h"
#include "coordinator/api/run_requests.h"
#include "coordinator/join/join.h"
#include "coordinator/resolve/tasks.h"

#include <string.h>

static const struct verb verbs[] = {
    {{"farm", ROLE_VIEWER, "{}", "the farm as a whole"}, READ, serve_farm},
    {{"status", ROLE_VIEWER, "{run?, brief?}",
      "{farm, run}: the run (default: the newest), with its jobs unless brief"},
     READ,
     serve_status},
    {{"runs", ROLE_VIEWER, "{}", "{runs}"}, READ, serve_runs},
    {{"job", ROLE_VIEWER, "{job}", "{job, attempts}"}, READ, serve_job},
    {{"why", ROLE_VIEWER, "{subject}", "{run, clusters} or {why}: why it waits or failed"},
     READ,
     serve_why},
    {{"workers", ROLE_VIEWER, "{}", "{workers}"}, READ, serve_workers},
    {{"peers", ROLE_VIEWER, "{}", "{peers}: enrolled keys"}, READ, serve_peers},
    {{"ledger", ROLE_VIEWER, "{filter?}", "{ledger}: all publications"}, READ, serve_ledger},
    {{"eta", ROLE_VIEWER, "{run?}", "{eta_ms}"}, READ, serve_eta},
    {{"logs", ROLE_VIEWER, "{job, attempt?, kind?, follow?}",
      "{token, state, sealed, empty, ahead, log_endpoint}"},
     READ,
     serve_logs},
    {{"events", ROLE_VIEWER, "{since?}", "{events, next}, as a stream of replies"}, READ, NULL},
    {{"matrix", ROLE_VIEWER, "{project?, filter?}", "{items, warnings}"}, ACT_FRESH, serve_matrix},
    {{"plan", ROLE_VIEWER, "{project?, filter?, publish?, force?}", "{items, warnings}"},
     ACT_FRESH,
     serve_plan},
    {{"standing", ROLE_VIEWER, "{filter?}",
      "{matrix, warnings}: the newest publication of each variant, also of those without one"},
     ACT_FRESH,
     serve_standing},
    {{"rebuild", ROLE_OPERATOR,
      "{project?, filter?, publish?, force?, priority?, give_up_ms?, supersede?}", "{run}"},
     ACT_FRESH,
     serve_rebuild},
    {{"build", ROLE_OPERATOR, "{package, branch, commit, bundle, project?, worker?}", "{run}"},
     ACT_FRESH,
     serve_build},
    {{"retry", ROLE_OPERATOR, "{run, failed?, filter?, at?, give_up_ms?}", "{run}"},
     ACT_FRESH,
     serve_retry},
    {{"notify-test", ROLE_OPERATOR, "{}", "{told, failed: [{name, problem}]}"},
     ACT,
     serve_notify_test},
    {{"cancel", ROLE_OPERATOR, "{subject, kind: run or job}", "{}"}, ACT, serve_cancel},
    {{"publish", ROLE_OPERATOR, "{subject}", "{}"}, ACT, serve_publish},
    {{"settle", ROLE_OPERATOR, "{publication, as: published, not-published or give-up}", "{}"},
     ACT,
     serve_settle},
    {{"release", ROLE_OPERATOR, "{subject}", "{}: builds jobs that are on hold"},
     ACT,
     serve_release},
    {{"pause", ROLE_OPERATOR, "{reason?}", "{}"}, ACT, serve_pause},
    {{"resume", ROLE_OPERATOR, "{}", "{}"}, ACT, serve_resume},
    {{"worker-drain", ROLE_OPERATOR, "{worker, reason?}", "{}"}, ACT, serve_worker_drain},
    {{"worker-resume", ROLE_OPERATOR, "{worker}", "{}"}, ACT, serve_worker_resume},
    {{"worker-smoke", ROLE_OPERATOR, "{worker}", "{run}: the smoke task on that host"},
     ACT_FRESH,
     serve_worker_smoke},
    {{"worker-clean", ROLE_OPERATOR, "{worker, keep_bytes, dry_run?}",
      "{run}: frees disk space on that host"},
     ACT,
     serve_worker_clean},
    {{"worker-replace", ROLE_ADMIN, "{worker, public_key, may_publish?}",
      "{}: replaces the key of this name and gives up the old host's builds"},
     ACT,
     serve_worker_replace},
    {{"worker-remove", ROLE_ADMIN, "{worker, discard?}", "{}"}, ACT, serve_worker_remove},
    {{"enrol", ROLE_ADMIN, "{name, public_key, role, may_publish?}", "{}"}, ACT, serve_enrol},
    {{"token-create", ROLE_ADMIN, "{role, ttl_ms, name?, may_publish?}",
      "{number, secret, endpoint, server_key, expires}"},
     ACT,
     serve_token_create},
    {{"token-list", ROLE_ADMIN, "{}", "{tokens}: without their secrets"}, READ, serve_token_list},
    {{"token-revoke", ROLE_ADMIN, "{token}", "{}"}, ACT, serve_token_revoke},
    {{"revoke", ROLE_ADMIN, "{key} or {name}", "{}"}, ACT, serve_revoke},
    {{"config-reload", ROLE_ADMIN, "{}",
      "{changes: [{key, before, after, waits}]}: takes farm.yaml as it is now"},
     ACT,
     serve_config_reload},
    {{"secret-set", ROLE_ADMIN, "{name, value}", "{}"}, ACT, serve_secret_set},
    {{"ledger-import", ROLE_ADMIN, "{entries}", "{}"}, ACT, serve_ledger_import},
};
enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

const struct request_row *request_row_at(size_t index)
{
    return index < VERB_COUNT ? &verbs[index].row : NULL;
}

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (!strcmp(verbs[i].row.verb, name))
            return &verbs[i];
    return NULL;
}
