/* SPDX-License-Identifier: MIT */
/* notify.c - sends a notice to each listener: HTTP, GitHub, sendmail, commands. */
#include "coordinator/notify/notify.h"

#include "coordinator/shell/secrets.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A listener that does not answer within this time is tried again later. */
enum { CONNECT_MS = 10000, ANSWER_MS = 30000 };

struct delivery {
    const char *home;
    const struct config *config;
    const json_t *payload;
    struct arena arena;
};

/* ---- texts --------------------------------------------------------------------------------- */

bool notify_wants(const struct config_listener *listener, const char *kind)
{
    bool of_run = !strcmp(kind, notice_kind_names[NOTICE_RUN_OPENED]) ||
                  !strcmp(kind, notice_kind_names[NOTICE_RUN_ENDED]);
    if (!strcmp(kind, notice_kind_names[NOTICE_NONE]))
        return true;
    if (listener->kind == LISTENER_GITHUB)
        return of_run;
    if (!listener->kinds_count)
        return strcmp(kind, notice_kind_names[NOTICE_RUN_OPENED]) != 0;
    for (size_t i = 0; i < listener->kinds_count; i++)
        if (!strcmp(listener->kinds[i], kind))
            return true;
    return false;
}

const char *notify_signature(struct bytes secret, struct bytes body, struct arena *arena)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data, (int)secret.size, body.data, body.size, digest, &size);
    return arena_print(arena, "sha256=%s", hex_text(arena, digest, size));
}

/* Appends a header line of printable ASCII, all that a mail's header may contain (RFC 5322 section
 * 2.2). */
static void add_head(struct buf *out, const char *name, const char *text)
{
    buf_print(out, "%s: ", name);
    for (; *text; text++) {
        char byte = *text >= ' ' && *text < 0x7f ? *text : '?';
        buf_add(out, &byte, 1);
    }
    buf_print(out, "\n");
}

static void add_branch_lines(struct buf *out, const json_t *branches)
{
    size_t index;
    json_t *branch;
    json_array_foreach(branches, index, branch)
    {
        buf_print(out, "  %s %s: %s\n", json_get_text(branch, "project", ""),
                  json_get_text(branch, "branch", ""), json_get_text(branch, "summary", ""));
    }
}

void notify_mail(const struct config_listener *listener, const json_t *payload, struct buf *out)
{
    struct arena arena = {0};
    const char *text = json_get_text(payload, "text", "");
    add_head(out, "To", listener->to);
    if (*listener->from)
        add_head(out, "From", listener->from);
    add_head(out, "Subject",
             arena_print(&arena, "[%s] %s", json_get_text(payload, "farm", ""), text));
    add_head(out, "X-Farm-Notice", json_get_text(payload, "notice", ""));
    add_head(out, "X-Farm-Delivery", json_get_text(payload, "id", ""));
    buf_print(out,
              "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
              "Content-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\n%s\n",
              text);
    const json_t *branches = json_object_get(json_object_get(payload, "about"), "branches");
    if (json_array_size(branches)) {
        buf_print(out, "\n");
        add_branch_lines(out, branches);
    }
    arena_clear(&arena);
}

const char *notify_repository(const char *url, struct arena *arena)
{
    static const char *const forms[] = {"https://github.com/", "http://github.com/",
                                        "ssh://git@github.com/",
                                        "git@github.com:", "git://github.com/"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strncmp(url, forms[i], strlen(forms[i])) != 0)
            continue;
        char *name = arena_text(arena, url + strlen(forms[i]));
        size_t length = strlen(name);
        while (length && name[length - 1] == '/')
            name[--length] = '\0';
        if (length > 4 && !strcmp(name + length - 4, ".git"))
            name[length - 4] = '\0';
        const char *slash = strchr(name, '/');
        return slash && slash > name && slash[1] && !strchr(slash + 1, '/') ? name : "";
    }
    return "";
}

/* GitHub's limit for a description. */
enum { DESCRIPTION_BYTES = 140 };

json_t *notify_status(const json_t *payload, const json_t *branch)
{
    bool ended = !strcmp(json_get_text(payload, "notice", ""), notice_kind_names[NOTICE_RUN_ENDED]);
    uint64_t fine = json_get_u64(branch, "ok", 0), all = json_get_u64(branch, "total", 0);
    bool well = fine == all && !json_get_u64(branch, "publish_failed", 0);
    char description[DESCRIPTION_BYTES + 1];
    snprintf(description, sizeof description, "%s", json_get_text(branch, "summary", ""));
    struct arena arena = {0};
    json_t *status = json_object();
    json_object_set_new(status, "state",
                        json_string(!ended ? "pending"
                                    : well ? "success"
                                           : "failure"));
    json_object_set_new(status, "context",
                        json_text(arena_print(&arena, "%s/%s", json_get_text(payload, "farm", ""),
                                              json_get_text(branch, "project", ""))));
    json_object_set_new(status, "description", json_text(description));
    arena_clear(&arena);
    return status;
}

/* ---- HTTP ---------------------------------------------------------------------------------- */

struct post {
    const char *url;
    const char *body;
    const char *const *heads; /* NULL-terminated */
};

/* Discards the answer's body. */
static size_t ignore_body(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    return size * count;
}

static struct curl_slist *heads_of(const struct post *post)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; post->heads[i]; i++)
        list = curl_slist_append(list, post->heads[i]);
    return list;
}

static int perform_post(CURL *curl, const struct post *post, struct err *err)
{
    char reason[CURL_ERROR_SIZE] = "";
    long status = 0;
    struct curl_slist *heads = heads_of(post);
    curl_easy_setopt(curl, CURLOPT_URL, post->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post->body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, heads);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "floxfarm/" FARM_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(heads);
    if (code != CURLE_OK)
        return err_set(err, "%s", *reason ? reason : curl_easy_strerror(code));
    return status >= 200 && status < 300 ? 0 : err_set(err, "the answer was HTTP %ld", status);
}

static int post_json(const struct post *post, struct err *err)
{
    CURL *curl = curl_easy_init();
    if (!curl)
        return err_set(err, "cannot initialise libcurl");
    int result = perform_post(curl, post, err);
    curl_easy_cleanup(curl);
    return result;
}

static int tell_webhook(struct delivery *delivery, const struct config_listener *listener,
                        struct err *err)
{
    char *body = json_dumps(delivery->payload, JSON_COMPACT | JSON_SORT_KEYS);
    struct arena *arena = &delivery->arena;
    struct buf secret = {0};
    const char *signature = NULL;
    int result =
        *listener->secret ? secret_read(delivery->home, listener->secret, &secret, err) : 0;
    if (!result && secret.size)
        signature = arena_print(
            arena, "X-Farm-Signature-256: %s",
            notify_signature((struct bytes){secret.data, secret.size},
                             (struct bytes){(const uint8_t *)body, strlen(body)}, arena));
    const char *heads[] = {
        "Content-Type: application/json",
        arena_print(arena, "X-Farm-Notice: %s", json_get_text(delivery->payload, "notice", "")),
        arena_print(arena, "X-Farm-Delivery: %s", json_get_text(delivery->payload, "id", "")),
        signature, NULL};
    if (!result)
        result = post_json(&(struct post){listener->url, body, heads}, err);
    buf_wipe(&secret);
    free(body);
    return result;
}

/* ---- GitHub -------------------------------------------------------------------------------- */

static int post_status(struct delivery *delivery, const struct config_listener *listener,
                       const json_t *branch, const char *authorization, struct err *err)
{
    const struct config_project *project =
        config_project(delivery->config, json_get_text(branch, "project", ""));
    struct arena *arena = &delivery->arena;
    const char *repository = project ? notify_repository(project->url, arena) : "";
    const char *commit = json_get_text(branch, "commit", "");
    if (!*repository || !*commit)
        return 0; /* the repository is not on GitHub */
    const char *api = *listener->url ? listener->url : "https://api.github.com";
    const char *heads[] = {"Content-Type: application/json", "Accept: application/vnd.github+json",
                           authorization, NULL};
    json_t *status = notify_status(delivery->payload, branch);
    char *body = json_dumps(status, JSON_COMPACT);
    struct post request = {arena_print(arena, "%s/repos/%s/statuses/%s", api, repository, commit),
                           body, heads};
    int result = post_json(&request, err);
    free(body);
    json_decref(status);
    return result ? err_prefix(err, "%s", repository) : 0;
}

static int tell_github(struct delivery *delivery, const struct config_listener *listener,
                       struct err *err)
{
    struct buf token = {0};
    if (secret_read(delivery->home, listener->secret, &token, err)) {
        buf_wipe(&token);
        return -1;
    }
    const char *authorization =
        arena_print(&delivery->arena, "Authorization: Bearer %s", (const char *)token.data);
    buf_wipe(&token);
    int result = 0;
    size_t index;
    json_t *branch;
    json_array_foreach(json_object_get(json_object_get(delivery->payload, "about"), "branches"),
                       index, branch)
    {
        if (!result)
            result = post_status(delivery, listener, branch, authorization, err);
    }
    return result;
}

/* ---- programs ------------------------------------------------------------------------------ */

static int memory_file(const char *text, struct err *err)
{
    int fd = memfd_create("notice", MFD_CLOEXEC);
    if (fd < 0)
        return err_set(err, "cannot make a memory file: %s", strerror(errno));
    if (io_write_all(fd, text, strlen(text), err) || lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Runs a program with `text` on its standard input. If it takes too long, the coordinator kills our
 * whole session. */
static int run_with_input(const char *const *argv, const char *text, struct err *err)
{
    int in = memory_file(text, err);
    if (in < 0)
        return -1;
    struct io_spawn spawn = {
        .argv = argv, .stdin_fd = in, .stdout_fd = STDERR_FILENO, .stderr_fd = STDERR_FILENO};
    pid_t pid = io_spawn(&spawn, err);
    close(in);
    int status = 0;
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(err, "%s ended with %s %d", argv[0], WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static int tell_mail(struct delivery *delivery, const struct config_listener *listener,
                     struct err *err)
{
    struct buf mail = {0};
    const char *sendmail = *listener->command ? listener->command : "/usr/sbin/sendmail";
    notify_mail(listener, delivery->payload, &mail);
    int result = run_with_input((const char *const[]){sendmail, "-t", "-i", NULL},
                                (const char *)mail.data, err);
    buf_release(&mail);
    return result;
}

static int tell_command(struct delivery *delivery, const struct config_listener *listener,
                        struct err *err)
{
    char *text = json_dumps(delivery->payload, JSON_COMPACT | JSON_SORT_KEYS);
    setenv("FARM_NOTICE", json_get_text(delivery->payload, "notice", ""), 1);
    setenv("FARM_TEXT", json_get_text(delivery->payload, "text", ""), 1);
    int result =
        run_with_input((const char *const[]){"sh", "-c", listener->command, NULL}, text, err);
    free(text);
    return result;
}

/* ---- all listeners ------------------------------------------------------------------------- */

static int tell_listener(struct delivery *delivery, const struct config_listener *listener,
                         struct err *err)
{
    switch (listener->kind) {
    case LISTENER_WEBHOOK:
        return tell_webhook(delivery, listener, err);
    case LISTENER_MAIL:
        return tell_mail(delivery, listener, err);
    case LISTENER_COMMAND:
        return tell_command(delivery, listener, err);
    case LISTENER_GITHUB:
        return tell_github(delivery, listener, err);
    case LISTENER_NONE:
        break;
    }
    return 0;
}

static bool was_told(const json_t *told, const char *name)
{
    size_t index;
    json_t *row;
    json_array_foreach(told, index, row)
    {
        if (json_is_string(row) && !strcmp(json_string_value(row), name))
            return true;
    }
    return false;
}

static json_t *tell_all(struct delivery *delivery, const json_t *told)
{
    json_t *heard = json_array(), *failed = json_array();
    const char *kind = json_get_text(delivery->payload, "notice", "");
    for (size_t i = 0; i < delivery->config->listeners_count; i++) {
        const struct config_listener *listener = &delivery->config->listeners[i];
        struct err err;
        if (was_told(told, listener->name) || !notify_wants(listener, kind))
            continue;
        if (!tell_listener(delivery, listener, &err)) {
            json_array_append_new(heard, json_text(listener->name));
            continue;
        }
        json_t *row = json_object();
        json_object_set_new(row, "name", json_text(listener->name));
        json_object_set_new(row, "problem", json_text(err.text));
        json_array_append_new(failed, row);
    }
    json_t *answer = json_object();
    json_object_set_new(answer, "told", heard);
    json_object_set_new(answer, "failed", failed);
    return answer;
}

int notify_main(void)
{
    struct config config = {0};
    struct err err;
    json_t *question = json_loadf(stdin, 0, NULL);
    int result = !question ? err_set(&err, "the question is not JSON")
                           : config_read(json_get_text(question, "config", ""), &config, &err);
    if (!result) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        struct delivery delivery = {.home = json_get_text(question, "home", ""),
                                    .config = &config,
                                    .payload = json_object_get(question, "payload")};
        json_t *answer = tell_all(&delivery, json_object_get(question, "told"));
        result = json_dumpf(answer, stdout, JSON_COMPACT);
        json_decref(answer);
        arena_clear(&delivery.arena);
        curl_global_cleanup();
    } else {
        log_error("%s", err.text);
    }
    config_release(&config);
    json_decref(question);
    return result ? 1 : 0;
}
