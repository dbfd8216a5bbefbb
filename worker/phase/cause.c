/* SPDX-License-Identifier: MIT */
/* cause.c - see cause.h.
 *
 * Evidence from the kernel and the supervisor takes precedence over texts in the log, and the
 * farm's own rules over those of cause.def. */
#include "worker/phase/cause.h"
#include "proto/base/sanitize.h"
#include "proto/base/utf8.h"
#include "proto/limits.h"
#include "worker/phase/cause_rules.h"
#include "worker/phase/signature.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <pcre2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text --------------------------------------------------------------------------------- */

/* A copy without escape sequences and control characters; a carriage return ends a line. */
static char *clean_copy(struct bytes tail, size_t *size)
{
    struct sanitizer sanitizer = {.plain = true};
    struct buf out = {0};
    buf_reserve(&out, tail.size + 1);
    sanitize_add(&sanitizer, tail.data, tail.size, &out);
    for (size_t i = 0; i < out.size; i++)
        if (out.data[i] == '\r' || out.data[i] == '\t')
            out.data[i] = out.data[i] == '\r' ? '\n' : ' ';
    *size = out.size;
    return (char *)out.data;
}

static size_t line_begin(const char *text, size_t at)
{
    while (at > 0 && text[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(const char *text, size_t size, size_t at)
{
    while (at < size && text[at] != '\n')
        at++;
    return at;
}

/* Sets the detail to the line around `at`: trimmed, valid UTF-8, cut at the end of a character. */
static void set_detail(struct cause_verdict *out, const char *text, size_t size, size_t at)
{
    size_t begin = line_begin(text, at), end = line_end(text, size, at);
    while (begin < end && text[begin] == ' ')
        begin++;
    while (end > begin && text[end - 1] == ' ')
        end--;
    /* Of a line that is too long: the part with the match. */
    if (end - begin >= sizeof out->detail && at > begin + sizeof out->detail / 2)
        begin = at - sizeof out->detail / 2;
    size_t length = end - begin < sizeof out->detail ? end - begin : sizeof out->detail - 1;
    memcpy(out->detail, text + begin, length);
    out->detail[length] = '\0';
    utf8_repair(out->detail, length);
}

/* Appends ": " and the text of a rule's group 1, with single spaces; shortens the line if needed.
 */
static void add_more(struct cause_verdict *out, const char *text, size_t size)
{
    char more[sizeof out->detail / 2];
    size_t length = 0, line = strlen(out->detail);
    for (size_t i = 0; i < size && length < sizeof more - 1; i++) {
        bool space = text[i] == ' ' || text[i] == '\n';
        if (!space || (length && more[length - 1] != ' '))
            more[length++] = space ? ' ' : text[i];
    }
    if (!length)
        return;
    if (line + 2 + length >= sizeof out->detail)
        line = sizeof out->detail - 3 - length;
    while (line && (out->detail[line - 1] == ':' || out->detail[line - 1] == ' '))
        line--;
    int printed =
        snprintf(out->detail + line, sizeof out->detail - line, ": %.*s", (int)length, more);
    utf8_repair(out->detail, line + (size_t)printed);
}

static bool has_text(const char *line, size_t length, const char *text)
{
    return memmem(line, length, text, strlen(text));
}

/* nix reports each derivation that failed and each one that depends on it; these lines give no
 * reason. Nor does an error that it reports as a warning: it tries again. */
static bool is_frame(const char *line, size_t length)
{
    return has_text(line, length, "error: Cannot build '") ||
           has_text(line, length, "error: builder for '") ||
           has_text(line, length, "warning: error: ") ||
           has_text(line, length, "dependencies of derivation '");
}

/* Sets the detail to the last line before `end` that contains "error", or else to the last line
 * that is not empty; both without the lines of is_frame. Returns the start of the line, SIZE_MAX if
 * there is none. */
static size_t set_last_error(struct cause_verdict *out, const char *text, size_t end)
{
    size_t last = SIZE_MAX;
    end -= end > 0 && text[end - 1] == '\n';
    while (end > 0) {
        size_t begin = line_begin(text, end);
        size_t length = end - begin;
        const char *line = text + begin;
        bool is_reason = !is_frame(line, length);
        if (is_reason && (has_text(line, length, "rror:") || has_text(line, length, "ERROR"))) {
            set_detail(out, text, end, begin);
            return begin;
        }
        if (last == SIZE_MAX && is_reason && strspn(line, " ") < length)
            last = begin;
        end = begin > 0 ? begin - 1 : 0;
    }
    if (last != SIZE_MAX)
        set_detail(out, text, last + strcspn(text + last, "\n"), last);
    return last;
}

/* ---- the lines that matter ------------------------------------------------------------------ */

enum { LINES_BEFORE = 3, LINES_BEHIND = 4 };

/* The line at `at` and the lines around it that fit; of a line that is too long its beginning. */
static void set_lines(struct cause_verdict *out, const char *text, size_t size, size_t at)
{
    size_t begin = line_begin(text, at), end = line_end(text, size, at);
    for (int i = 0; i < LINES_BEHIND && end < size; i++) {
        size_t next = line_end(text, size, end + 1);
        if (next - begin >= sizeof out->lines)
            break;
        end = next;
    }
    for (int i = 0; i < LINES_BEFORE && begin > 0; i++) {
        size_t before = line_begin(text, begin - 1);
        if (end - before >= sizeof out->lines)
            break;
        begin = before;
    }
    size_t length = end - begin < sizeof out->lines ? end - begin : sizeof out->lines - 1;
    memcpy(out->lines, text + begin, length);
    out->lines[length] = '\0';
    utf8_repair(out->lines, length);
}

/* ---- the farm's own rules ------------------------------------------------------------------ */

/* A pattern that a user wrote may be slow, unlike those of the table. */
enum { OWN_MATCH_LIMIT = 100000 };

/* Where a pattern matches; SIZE_MAX if nowhere. farmd compiled it when it read farm.yaml, so an
 * invalid pattern cannot come here; it would match nothing. */
static size_t find_own(const char *pattern, size_t length, const char *text, size_t size)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, length, PCRE2_MULTILINE, &error, &at, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    size_t found = SIZE_MAX;
    if (code && context && match) {
        pcre2_set_match_limit(context, OWN_MATCH_LIMIT);
        if (pcre2_match(code, (PCRE2_SPTR)text, size, 0, 0, match, context) >= 0)
            found = pcre2_get_ovector_pointer(match)[0];
    }
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    pcre2_code_free(code);
    return found;
}

/* Applies the farm's own rules, each a line "CAUSE PATTERN". The first that matches wins. */
static bool judge_by_own_rules(const char *own, const char *text, size_t size,
                               struct cause_verdict *out, size_t *at)
{
    char name[32];
    for (const char *line = own; line && *line;) {
        size_t length = strcspn(line, "\n"), word = strcspn(line, " \n");
        if (word < length && word < sizeof name) {
            memcpy(name, line, word);
            name[word] = '\0';
            int cause = shape_enum_value(cause_names, name);
            *at = cause > CAUSE_NONE ? find_own(line + word + 1, length - word - 1, text, size)
                                     : SIZE_MAX;
            if (*at != SIZE_MAX) {
                out->cause = (enum cause)cause;
                set_detail(out, text, size, *at);
                return true;
            }
        }
        line += length + (line[length] == '\n');
    }
    return false;
}

/* ---- evidence ----------------------------------------------------------------------------- */

static void verdict_set(struct cause_verdict *out, enum cause cause, enum witness witness,
                        const char *detail)
{
    out->cause = cause;
    out->witness = witness;
    snprintf(out->detail, sizeof out->detail, "%s", detail);
}

/* Decides by the exit facts alone. False when they do not show a cause. */
static bool judge_facts(const struct exit_facts *facts, bool lost, struct cause_verdict *out)
{
    if (facts->oom_kills > 0)
        verdict_set(out, CAUSE_OOM, WITNESS_KERNEL,
                    "the kernel killed processes of the phase because memory ran out");
    else if (facts->timed_out)
        verdict_set(out, CAUSE_TIMEOUT, WITNESS_TRUSTED,
                    "the phase ran longer than its time limit");
    else if (facts->silent)
        verdict_set(out, CAUSE_SILENT, WITNESS_TRUSTED,
                    "the phase printed nothing for longer than its silence limit");
    else if (facts->free_bytes < LIMIT_DISK_FULL_BYTES)
        verdict_set(out, CAUSE_DISK_FULL, WITNESS_KERNEL, "the disk was full when the phase ended");
    else if (lost)
        verdict_set(out, CAUSE_HOST_LOST, WITNESS_TRUSTED, "the supervisor was killed");
    else
        return false;
    return true;
}

static enum cause cause_by_exit(enum phase phase, enum builder builder,
                                const struct exit_facts *facts)
{
    bool killed = facts->signal == SIGKILL || facts->status == 128 + SIGKILL;
    bool illegal = facts->signal == SIGILL || facts->status == 128 + SIGILL;
    if (killed)
        return CAUSE_OOM; /* our programs send KILL only after a limit or a stop */
    if (illegal)
        return CAUSE_WRONG_HOST;
    switch (phase) {
    case PHASE_CHECK:
        return CAUSE_CHECK;
    case PHASE_PUBLISH:
        return CAUSE_PUBLISH;
    case PHASE_BUILD:
        /* The shell did not find the command or could not execute it. */
        if (builder == BUILDER_COMMAND && (facts->status == 127 || facts->status == 126))
            return CAUSE_CONFIG;
        return CAUSE_COMPILE;
    case PHASE_NONE:
    case PHASE_CHECKOUT:
        break;
    }
    return CAUSE_UNKNOWN;
}

/* The last character of the log that is not blank; for the lines when no rule was applied. */
static size_t last_word(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' '))
        size--;
    return size ? size - 1 : SIZE_MAX;
}

/* Decides by what happened to nix-daemon while it may have worked for this phase. The daemon works
 * for others, too, so a rule that gives a reason takes precedence; a summary does not. */
static bool judge_daemon(enum phase phase, enum builder builder, const struct exit_facts *facts,
                         const struct cause_rule *rule, struct cause_verdict *out)
{
    bool may = (phase == PHASE_BUILD || phase == PHASE_PUBLISH) && builder != BUILDER_COMMAND;
    bool explained = rule && !rule->is_summary;
    if (!may || explained)
        return false;
    if (facts->daemon_oom_kills)
        verdict_set(out, CAUSE_OOM, WITNESS_KERNEL,
                    "the kernel killed processes of nix-daemon because memory ran out");
    else if (facts->daemon_restarted)
        verdict_set(out, CAUSE_HOST_LOST, WITNESS_TRUSTED,
                    "nix-daemon was restarted during the phase");
    else
        return false;
    return true;
}

/* Decides by the table. Returns the place in the text that shows the cause; SIZE_MAX if there is
 * none. */
static size_t judge_words(enum phase phase, enum builder builder, const struct exit_facts *facts,
                          const char *text, size_t size, struct cause_verdict *out)
{
    const struct cause_match match = cause_rules_search(phase, text, size);
    if (judge_daemon(phase, builder, facts, match.rule, out))
        return last_word(text, size);
    if (!match.rule) {
        out->cause = cause_by_exit(phase, builder, facts);
        return set_last_error(out, text, size);
    }
    size_t at = SIZE_MAX;
    out->cause = match.rule->cause;
    if (match.rule->is_summary)
        at = set_last_error(out, text, line_begin(text, match.at));
    if (out->detail[0])
        return at;
    set_detail(out, text, size, match.at);
    add_more(out, text + match.more, match.more_end - match.more);
    return match.at;
}

void cause_find(enum phase phase, enum builder builder, const struct exit_facts *facts,
                bool supervisor_lost, struct bytes tail, const char *own, struct cause_verdict *out)
{
    *out = (struct cause_verdict){.cause = CAUSE_NONE};
    bool well = facts->status == 0 && facts->signal == 0 && !facts->timed_out && !facts->silent;
    if (well && !supervisor_lost)
        return;
    if (tail.size > LIMIT_CAUSE_BYTES) {
        tail.data += tail.size - LIMIT_CAUSE_BYTES;
        tail.size = LIMIT_CAUSE_BYTES;
    }
    size_t size, at;
    char *text = clean_copy(tail, &size);
    if (judge_facts(facts, supervisor_lost, out))
        at = last_word(text, size);
    else if (!judge_by_own_rules(own, text, size, out, &at))
        at = judge_words(phase, builder, facts, text, size, out);
    if (at != SIZE_MAX)
        set_lines(out, text, size, at);
    out->signature = signature_of(out->cause, out->detail);
    free(text);
}
