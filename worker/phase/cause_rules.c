/* SPDX-License-Identifier: MIT */
#include "worker/phase/cause_rules.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <pcre2.h>
#include <pthread.h>
#include <string.h>

enum {
    CHECKOUT = 1 << PHASE_CHECKOUT,
    BUILD = 1 << PHASE_BUILD,
    CHECK = 1 << PHASE_CHECK,
    PUBLISH = 1 << PHASE_PUBLISH,
    ALL = CHECKOUT | BUILD | CHECK | PUBLISH
};

#define RULE(cause, phases, source, pattern, example)                                              \
    {pattern, cause, phases, source, example, false},
#define SUMMARY(cause, phases, source, pattern, example)                                           \
    {pattern, cause, phases, source, example, true},
static const struct cause_rule rules[] = {
#include "worker/phase/cause.def"
};
_Static_assert(sizeof rules / sizeof rules[0] < UINT8_MAX, "rules are numbered by bytes");
enum { RULE_COUNT = sizeof rules / sizeof rules[0], LITERAL_MIN = 4, HASH_BITS = 12 };

const struct cause_rule *cause_rule_at(size_t index)
{
    return index < RULE_COUNT ? &rules[index] : NULL;
}

/* ---- the compiled table: made once, then constant ------------------------------------------ */

static struct {
    pcre2_code *code[RULE_COUNT];
    size_t literal[RULE_COUNT]; /* number of literal characters at the start of the pattern */
    /* Chains of rules with the same hash, in the order of the table; RULE_COUNT ends a chain. */
    uint8_t first[1 << HASH_BITS];
    uint8_t next[RULE_COUNT];
} table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static unsigned hash_of(const void *four_bytes)
{
    uint32_t word;
    memcpy(&word, four_bytes, sizeof word);
    return (word * 2654435761u) >> (32 - HASH_BITS);
}

/* A literal ends at the first special character; a character before a quantifier does not count. */
static size_t literal_length(const char *pattern)
{
    size_t length = strcspn(pattern, "\\^$.[|()?*+{");
    return length > 0 && pattern[length] && strchr("?*+{", pattern[length]) ? length - 1 : length;
}

static void compile_table(void)
{
    memset(table.first, RULE_COUNT, sizeof table.first);
    for (size_t i = RULE_COUNT; i-- > 0;) {
        int error;
        PCRE2_SIZE at;
        /* Start optimizations would scan far ahead for a required character; the place of a match
         * is known already. */
        table.code[i] = pcre2_compile((PCRE2_SPTR)rules[i].pattern, PCRE2_ZERO_TERMINATED,
                                      PCRE2_ANCHORED | PCRE2_NO_START_OPTIMIZE, &error, &at, NULL);
        assert(table.code[i] && "a rule of cause.def is no regular expression");
        pcre2_jit_compile(table.code[i], PCRE2_JIT_COMPLETE); /* optional: it works without JIT */
        table.literal[i] = literal_length(rules[i].pattern);
        assert(table.literal[i] >= LITERAL_MIN && "a rule of cause.def begins with no literal");
        uint8_t *first = &table.first[hash_of(rules[i].pattern)];
        table.next[i] = *first;
        *first = (uint8_t)i;
    }
}

/* ---- searching ---------------------------------------------------------------------------- */

struct rule_search {
    unsigned phase; /* bit mask, as in struct cause_rule */
    const char *text;
    size_t size;
    size_t best; /* the rule that matched; RULE_COUNT: none */
    struct cause_match found;
    pcre2_match_data *match;
};

static bool has_literal(const struct rule_search *search, size_t rule, size_t at)
{
    size_t length = table.literal[rule];
    return rules[rule].phases & search->phase && search->size - at >= length &&
           memcmp(search->text + at, rules[rule].pattern, length) == 0;
}

/* Whether the place stands behind or in the words with which nix begins an error that it recovers
 * from. */
static bool is_recovered(const struct rule_search *search, size_t at)
{
    static const char warning[] = "warning: error:";
    size_t begin = at;
    while (begin > 0 && search->text[begin - 1] != '\n')
        begin--;
    size_t end = search->size - at > sizeof warning ? at + sizeof warning - 1 : search->size;
    return memmem(search->text + begin, end - begin, warning, sizeof warning - 1);
}

/* True, with the match stored in `search`, if the rule matches at `at`. */
static bool rule_matches(struct rule_search *search, size_t rule, size_t at)
{
    int pairs = has_literal(search, rule, at)
                    ? pcre2_match(table.code[rule], (PCRE2_SPTR)search->text, search->size, at, 0,
                                  search->match, NULL)
                    : PCRE2_ERROR_NOMATCH;
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(search->match);
    if (pairs < 1 || is_recovered(search, at))
        return false;
    search->best = rule;
    search->found = (struct cause_match){.rule = &rules[rule],
                                         .at = at,
                                         .more = pairs > 1 ? ends[2] : 0,
                                         .more_end = pairs > 1 ? ends[3] : 0};
    return true;
}

struct cause_match cause_rules_search(enum phase phase, const char *text, size_t size)
{
    struct rule_search search = {
        .phase = 1u << phase, .text = text, .size = size, .best = RULE_COUNT};
    pthread_once(&table_once, compile_table);
    search.match = pcre2_match_data_create(2, NULL); /* the whole match and group 1 */
    assert(search.match && "out of memory");
    for (size_t at = 0; at + LITERAL_MIN <= size; at++) {
        size_t rule = table.first[hash_of(text + at)];
        while (rule < search.best && !rule_matches(&search, rule, at))
            rule = table.next[rule];
    }
    pcre2_match_data_free(search.match);
    return search.found;
}
