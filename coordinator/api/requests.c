/* SPDX-License-Identifier: MIT */
/* requests.c - the table of verbs. */
#include "coordinator/api/requests.h"

#include "coordinator/api/admin_requests.h"
#include "coordinator/api/read_requests.h"
#include "coordinator/api/requests_private.h"
#include "coordinator/api/run_requests.h"
#include "coordinator/join/join.h"
#include "coordinator/resolve/tasks.h"
#include "proto/limits.h"

#include <string.h>

/* ---- parameters ------------------------------------------------------------------------------ */

#define PARAMETER(name, type, required, least, most, words, meaning)                               \
    {                                                                                              \
        name, type, required, least, most, words, meaning                                          \
    }
#define TEXT(name, meaning)       PARAMETER(name, PARAMETER_TEXT, false, 0, 0, NULL, meaning)
#define NEEDS_TEXT(name, meaning) PARAMETER(name, PARAMETER_TEXT, true, 0, 0, NULL, meaning)
#define NUMBER(name, least, meaning)                                                               \
    PARAMETER(name, PARAMETER_NUMBER, false, least, INT64_MAX, NULL, meaning)
#define NEEDS_NUMBER(name, least, meaning)                                                         \
    PARAMETER(name, PARAMETER_NUMBER, true, least, INT64_MAX, NULL, meaning)
#define FLAG(name, meaning)           PARAMETER(name, PARAMETER_FLAG, false, 0, 0, NULL, meaning)
#define WORD(name, of, meaning)       PARAMETER(name, PARAMETER_WORD, false, 0, 0, of, meaning)
#define NEEDS_WORD(name, of, meaning) PARAMETER(name, PARAMETER_WORD, true, 0, 0, of, meaning)
#define NEEDS_LIST(name, most, meaning)                                                            \
    PARAMETER(name, PARAMETER_LIST, true, 1, most, NULL, meaning)
#define PARAMETER_END PARAMETER(NULL, PARAMETER_TEXT, false, 0, 0, NULL, NULL)

#define PARAMETERS(...)                                                                            \
    (const struct parameter[])                                                                     \
    {                                                                                              \
        __VA_ARGS__, PARAMETER_END                                                                 \
    }
#define NO_PARAMETERS                                                                              \
    (const struct parameter[])                                                                     \
    {                                                                                              \
        PARAMETER_END                                                                              \
    }

/* Those of several requests. */
#define PROJECT     TEXT("project", "Only this project of farm.yaml")
#define FILTER      TEXT("filter", "Only variants that match, e.g. gpu=sm90 branch=main")
#define PUBLISH     FLAG("publish", "Publish what is built, for branches that have a target")
#define FORCE       FLAG("force", "Also build unchanged packages, and publish over a newer commit")
#define GIVE_UP     NUMBER("give_up_ms", 0, "Close what still waits for a host after this time")
#define SUBJECT     NEEDS_TEXT("subject", "A run's number, or a job as `farm logs` takes it")
#define WORKER      NEEDS_TEXT("worker", "The worker's name")
#define PUBLIC_KEY  NEEDS_TEXT("public_key", "The public key: 40 characters of Z85")
#define MAY_PUBLISH FLAG("may_publish", "A worker may publish: it gets the publishing secrets")

static const char *const log_kinds[] = {"build", "publish", NULL};
static const char *const subject_kinds[] = {"run", "job", NULL};
static const char *const outcomes[] = {"published", "not-published", "give-up", NULL};
static const char *const roles[] = {"viewer", "operator", "admin", "worker", NULL};

/* ---- the table ------------------------------------------------------------------------------- */

static const struct verb verbs[] = {
    {{"farm", ROLE_VIEWER, "The farm as a whole", NO_PARAMETERS, &answer_farm}, READ, serve_farm},
    {{"status", ROLE_VIEWER, "The farm and a run with its jobs",
      PARAMETERS(NUMBER("run", 0, "The run (default: the newest)"),
                 FLAG("brief", "Without the jobs")),
      &answer_status},
     READ,
     serve_status},
    {{"runs", ROLE_VIEWER, "All runs that are not archived", NO_PARAMETERS, &answer_runs},
     READ,
     serve_runs},
    {{"job", ROLE_VIEWER, "A job and its attempts",
      PARAMETERS(NEEDS_TEXT("job", "The job, as `farm logs` takes it")), &answer_job_attempts},
     READ,
     serve_job},
    {{"why", ROLE_VIEWER, "Why a job waits or how it failed, or the same of a run",
      PARAMETERS(SUBJECT), &answer_why},
     READ,
     serve_why},
    {{"workers", ROLE_VIEWER, "The workers", NO_PARAMETERS, &answer_workers}, READ, serve_workers},
    {{"peers", ROLE_VIEWER, "The keys that may connect", NO_PARAMETERS, &answer_peers},
     READ,
     serve_peers},
    {{"ledger", ROLE_VIEWER, "What is published", PARAMETERS(FILTER), &answer_ledger},
     READ,
     serve_ledger},
    {{"eta", ROLE_VIEWER, "When a run will be over",
      PARAMETERS(NUMBER("run", 0, "The run (default: the newest)")), &answer_eta},
     READ,
     serve_eta},
    {{"logs", ROLE_VIEWER, "Where the log of a job is",
      PARAMETERS(NEEDS_TEXT("job", "The job, or the number of a log"),
                 NUMBER("attempt", 0, "The attempt or try, 1 for the first (default: the newest)"),
                 WORD("kind", log_kinds, "Of building (default) or of publishing"),
                 FLAG("follow", "Do not refuse a job that has not started")),
      &answer_log},
     READ,
     serve_logs},
    {{"events", ROLE_VIEWER, "Facts as they are recorded, in a stream of replies",
      PARAMETERS(NUMBER("since", 0, "The sequence of the first event (default: the next one)")),
      &answer_events},
     READ,
     NULL},
    {{"matrix", ROLE_VIEWER, "The variants of the branches", PARAMETERS(PROJECT, FILTER),
      &answer_matrix},
     ACT_FRESH,
     serve_matrix},
    {{"plan", ROLE_VIEWER, "What a rebuild would do", PARAMETERS(PROJECT, FILTER, PUBLISH, FORCE),
      &answer_plan},
     ACT_FRESH,
     serve_plan},
    {{"standing", ROLE_VIEWER, "The newest publication of each variant, also of those without one",
      PARAMETERS(PROJECT, FILTER), &answer_standings},
     ACT_FRESH,
     serve_standing},
    {{"rebuild", ROLE_OPERATOR, "Build the matrix, or a part of it",
      PARAMETERS(PROJECT, FILTER, PUBLISH, FORCE,
                 NUMBER("priority", INT64_MIN, "Runs with a higher priority go first"), GIVE_UP,
                 FLAG("supersede", "Take jobs of older runs off the queue")),
      &answer_run_made},
     ACT_FRESH,
     serve_rebuild},
    {{"build", ROLE_OPERATOR, "Build one package of a checkout",
      PARAMETERS(
          NEEDS_TEXT("package", "The package"), NEEDS_TEXT("branch", "The branch of the checkout"),
          NEEDS_TEXT("commit", "The commit"),
          TEXT("bundle", "The commits that were not pushed: a git bundle in hexadecimal digits"),
          PROJECT, TEXT("worker", "Build on this worker only")),
      &answer_run_made},
     ACT_FRESH,
     serve_build},
    {{"retry", ROLE_OPERATOR, "Build the jobs of a run again",
      PARAMETERS(NEEDS_NUMBER("run", 1, "The run"), FLAG("failed", "Only jobs that failed"), FILTER,
                 TEXT("at", "Build the tip of this branch instead of the same commits"), GIVE_UP),
      &answer_run_made},
     ACT_FRESH,
     serve_retry},
    {{"notify-test", ROLE_OPERATOR, "Send a test notice to every recipient", NO_PARAMETERS,
      &answer_told},
     ACT,
     serve_notify_test},
    {{"cancel", ROLE_OPERATOR, "Stop a run or a job",
      PARAMETERS(SUBJECT, WORD("kind", subject_kinds, "What the subject names (default: a run)")),
      &answer_done},
     ACT,
     serve_cancel},
    {{"publish", ROLE_OPERATOR, "Publish what earlier runs built",
      PARAMETERS(NEEDS_TEXT("subject", "A run's number, or a filter")), &answer_done},
     ACT,
     serve_publish},
    {{"settle", ROLE_OPERATOR, "Record the outcome of a publication whose result is unknown",
      PARAMETERS(NEEDS_NUMBER("publication", 1, "The publication"),
                 NEEDS_WORD("as", outcomes, "The outcome")),
      &answer_done},
     ACT,
     serve_settle},
    {{"release", ROLE_OPERATOR, "Build jobs that are on hold", PARAMETERS(SUBJECT), &answer_done},
     ACT,
     serve_release},
    {{"pause", ROLE_OPERATOR, "Start nothing new", PARAMETERS(TEXT("reason", "Why, for others")),
      &answer_done},
     ACT,
     serve_pause},
    {{"resume", ROLE_OPERATOR, "Start new work again", NO_PARAMETERS, &answer_done},
     ACT,
     serve_resume},
    {{"worker-drain", ROLE_OPERATOR, "Give a worker no new work",
      PARAMETERS(WORKER, TEXT("reason", "Why, for others")), &answer_done},
     ACT,
     serve_worker_drain},
    {{"worker-resume", ROLE_OPERATOR, "Give a worker work again",
      PARAMETERS(WORKER, TEXT("reason", "Why, for others")), &answer_done},
     ACT,
     serve_worker_resume},
    {{"worker-smoke", ROLE_OPERATOR, "Run a small task on a worker", PARAMETERS(WORKER),
      &answer_run_made},
     ACT_FRESH,
     serve_worker_smoke},
    {{"worker-clean", ROLE_OPERATOR, "Free disk space on a worker",
      PARAMETERS(WORKER, NUMBER("keep_bytes", 0, "Stop when this much is free"),
                 FLAG("dry_run", "Only show what would be removed")),
      &answer_run_made},
     ACT,
     serve_worker_clean},
    {{"worker-replace", ROLE_ADMIN,
      "Replace the key of a worker and give up the builds of its old host",
      PARAMETERS(WORKER, PUBLIC_KEY, MAY_PUBLISH), &answer_done},
     ACT,
     serve_worker_replace},
    {{"worker-remove", ROLE_ADMIN, "Remove a worker",
      PARAMETERS(WORKER, FLAG("discard", "Give up builds that only this host could still publish")),
      &answer_done},
     ACT,
     serve_worker_remove},
    {{"enrol", ROLE_ADMIN, "Allow a key to connect",
      PARAMETERS(NEEDS_TEXT("name", "Whose it is"), PUBLIC_KEY,
                 NEEDS_WORD("role", roles, "What it may do"), MAY_PUBLISH),
      &answer_done},
     ACT,
     serve_enrol},
    {{"token-create", ROLE_ADMIN, "Make a token that admits one key, once",
      PARAMETERS(WORD("role", roles, "The role that it gives, not admin (default: worker)"),
                 NEEDS_NUMBER("ttl_ms", 1, "How long it is valid: 1 second to 30 days"),
                 TEXT("name", "The name that it gives (default: the new member chooses)"),
                 MAY_PUBLISH),
      &answer_invitation},
     ACT,
     serve_token_create},
    {{"token-list", ROLE_ADMIN, "The tokens, without their secrets", NO_PARAMETERS, &answer_tokens},
     READ,
     serve_token_list},
    {{"token-revoke", ROLE_ADMIN, "Revoke a token that nobody has used yet",
      PARAMETERS(NEEDS_TEXT("token", "Its number")), &answer_done},
     ACT,
     serve_token_revoke},
    {{"revoke", ROLE_ADMIN, "Revoke a key at once",
      PARAMETERS(TEXT("key", "The public key"), TEXT("name", "Instead of the key: whose it is")),
      &answer_done},
     ACT,
     serve_revoke},
    {{"config-reload", ROLE_ADMIN, "Take farm.yaml as it is now", NO_PARAMETERS, &answer_changes},
     ACT,
     serve_config_reload},
    {{"secret-list", ROLE_ADMIN, "The secrets, without their values", NO_PARAMETERS,
      &answer_secrets},
     READ,
     serve_secret_list},
    {{"secret-set", ROLE_ADMIN, "Store a secret that publishing needs",
      PARAMETERS(NEEDS_TEXT("name", "The secret's name"), NEEDS_TEXT("value", "The secret")),
      &answer_done},
     ACT,
     serve_secret_set},
    {{"ledger-import", ROLE_ADMIN, "Add earlier publications",
      PARAMETERS(NEEDS_LIST("entries", LIMIT_VARIANTS_PER_RUN, "Records of publications")),
      &answer_done},
     ACT,
     serve_ledger_import},
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

/* ---- the page -------------------------------------------------------------------------------- */

static void print_parameters(const struct parameter *parameters, FILE *out)
{
    struct buf values = {0};
    if (parameters->name)
        fputs("| parameter | values | meaning |\n|---|---|---|\n", out);
    for (const struct parameter *at = parameters; at->name; at++) {
        buf_clear(&values);
        parameter_describe(at, &values);
        fprintf(out, "| `%s`%s | %s | %s |\n", at->name, at->required ? ", required" : "",
                (char *)values.data, at->meaning);
    }
    fputs(parameters->name ? "\n" : "No parameters.\n\n", out);
    buf_release(&values);
}

void requests_print(FILE *out)
{
    fputs("# The requests\n\n"
          "Made by `farmd requests` from the table of requests (`coordinator/api/requests.c`); "
          "change it there. [protocol.md](protocol.md) says how requests travel.\n\n"
          "Arguments and answers are JSON objects. `\"\"`, `0`, `false` and `null` mean \"not "
          "given\". An argument that is no parameter, or has another type or value, is refused "
          "before anything is done. Each request needs the role that is named, or a higher one. "
          "[json.md](json.md) describes the answers.\n",
          out);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const struct request_row *row = &verbs[i].row;
        fprintf(out, "\n## %s\n\n%s. Role: %s.\n\n", row->verb, row->meaning,
                role_names[row->role]);
        print_parameters(row->parameters, out);
        fputs("Answer: ", out);
        answer_print_link(row->answer, "json.md", out);
        fputs("\n", out);
    }
}
