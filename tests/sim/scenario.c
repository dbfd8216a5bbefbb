/* SPDX-License-Identifier: MIT */
#include "tests/sim/scenario.h"

#include "proto/base/io.h"
#include "tests/sim/check.h"
#include "tests/sim/farmd.h"
#include "tests/sim/network.h"
#include "tests/sim/play.h"
#include "tests/sim/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRIPT_BYTES_MAX = 1 << 20 };

struct scenario {
    struct world world;
    struct swarm swarm;
    uint64_t seed;
    bool begun, failed;
    uint64_t begun_ms;
};

static uint64_t seconds(const char *text)
{
    return (uint64_t)(strtod(text, NULL) * 1000);
}

static struct host *host_named(struct scenario *scenario, const char *text)
{
    size_t index = strtoull(text, NULL, 10);
    return index < scenario->world.host_count ? scenario->world.hosts[index] : NULL;
}

/* ---- before the beginning ------------------------------------------------------------------- */

static void set_policy(struct policy *policy, const char *word)
{
    static const struct {
        const char *name;
        size_t offset;
    } settings[] = {{"ttl=", offsetof(struct policy, lease_ttl_ms)},
                    {"grace=", offsetof(struct policy, lost_grace_ms)},
                    {"delay=", offsetof(struct policy, retry_delay_ms)},
                    {"heartbeat=", offsetof(struct policy, heartbeat_ms)},
                    {"evaluate=", offsetof(struct policy, evaluate_after_ms)}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        size_t size = strlen(settings[i].name);
        uint64_t value = strtoull(word + size, NULL, 10);
        if (strncmp(word, settings[i].name, size) == 0)
            memcpy((char *)policy + settings[i].offset, &value, sizeof value);
    }
}

/* False: not such a line. */
static bool set_up(struct scenario *scenario, char *const *words, size_t count)
{
    struct swarm *swarm = &scenario->swarm;
    uint32_t number = count > 1 ? (uint32_t)strtoul(words[1], NULL, 10) : 0;
    if (strcmp(words[0], "hosts") == 0)
        swarm->hosts = swarm->machines = number;
    else if (strcmp(words[0], "machines") == 0)
        swarm->machines = number;
    else if (strcmp(words[0], "slots") == 0)
        swarm->slots = number;
    else if (strcmp(words[0], "build") == 0)
        swarm->build_least_ms = swarm->build_most_ms = number;
    else if (strcmp(words[0], "seed") == 0)
        scenario->seed = number;
    else if (strcmp(words[0], "policy") == 0)
        for (size_t i = 1; i < count; i++)
            set_policy(&swarm->policy, words[i]);
    else
        return false;
    return true;
}

/* ---- what happens --------------------------------------------------------------------------- */

static void kill_something(struct scenario *scenario, char *const *words)
{
    struct world *world = &scenario->world;
    if (strcmp(words[1], "farmd") == 0) {
        farmd_crash(world, seconds(words[2]));
        return;
    }
    struct host *host = host_named(scenario, words[2]);
    if (strcmp(words[1], "agent") == 0)
        host_agent_crash(host, seconds(words[3]));
    for (size_t i = host->folder_count; strcmp(words[1], "supervisor") == 0 && i-- > 0;)
        if (supervisor_lives(host->folders[i])) {
            supervisor_kill(host, host->folders[i]);
            return;
        }
}

static void ask_settle(struct scenario *scenario, char *const *words)
{
    struct input input = {.kind = INPUT_SETTLE};
    input.settle.publication = strtoull(words[1], NULL, 10);
    input.settle.settlement =
        strcmp(words[2], "published") == 0 ? SETTLE_PUBLISHED : SETTLE_NOT_PUBLISHED;
    people_request(&scenario->world, &input);
}

static void do_cancel(struct scenario *scenario, char *const *words)
{
    struct input input = {.kind = INPUT_CANCEL};
    input.cancel.job = strtoull(words[2], NULL, 10);
    people_request(&scenario->world, &input);
}

static void do_cut(struct scenario *scenario, char *const *words, size_t count)
{
    bool up = count < 4 || strcmp(words[3], "up") == 0;
    bool down = count < 4 || strcmp(words[3], "down") == 0;
    network_cut(&scenario->world, strtoull(words[1], NULL, 10), up, down, seconds(words[2]));
}

static void do_host(struct scenario *scenario, char *const *words)
{
    struct host *host = host_named(scenario, words[1]);
    if (strcmp(words[0], "reboot") == 0)
        host_reboot(host, seconds(words[2]));
    else if (strcmp(words[0], "suspend") == 0)
        host_suspend(host, seconds(words[2]));
    else
        host->starved_until_ms = scenario->world.now_ms + seconds(words[2]);
}

static void do_upgrade(struct scenario *scenario, char *const *words)
{
    struct host *host = host_named(scenario, words[2]);
    host->upgrades++;
    host_agent_crash(host, 100);
}

static void do_farmd(struct scenario *scenario, char *const *words)
{
    struct world *world = &scenario->world;
    if (strcmp(words[0], "boot") == 0)
        farmd_boot(world);
    else if (strcmp(words[0], "stall") == 0)
        farmd_stall(world, seconds(words[2]));
    else
        farmd_jump_wall(world, strtoll(words[2], NULL, 10) * 86400 * 1000);
}

static bool is_word(char *const *words, const char *word)
{
    return strcmp(words[0], word) == 0;
}

/* False: not understood. */
static bool happen(struct scenario *scenario, char *const *words, size_t count)
{
    struct world *world = &scenario->world;
    if (is_word(words, "until"))
        play_until(world, scenario->begun_ms + seconds(words[1]));
    else if (is_word(words, "submit"))
        people_submit(world, strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10), count > 3);
    else if (is_word(words, "kill"))
        kill_something(scenario, words);
    else if (is_word(words, "upgrade"))
        do_upgrade(scenario, words);
    else if (is_word(words, "cancel"))
        do_cancel(scenario, words);
    else if (is_word(words, "settle"))
        ask_settle(scenario, words);
    else if (is_word(words, "cut"))
        do_cut(scenario, words, count);
    else if (is_word(words, "reconnect"))
        network_reconnect(world, strtoull(words[1], NULL, 10));
    else if (is_word(words, "reboot") || is_word(words, "suspend") || is_word(words, "starve"))
        do_host(scenario, words);
    else if (is_word(words, "boot") || is_word(words, "stall") || is_word(words, "wall"))
        do_farmd(scenario, words);
    else if (is_word(words, "backup"))
        farmd_backup(world);
    else if (is_word(words, "restore"))
        farmd_restore(world);
    else if (is_word(words, "compact"))
        farmd_compact_soon(world);
    else if (is_word(words, "unsure"))
        world->next_publish_unsure = true;
    else
        return false;
    return true;
}

/* ---- the script ----------------------------------------------------------------------------- */

static void begin(struct scenario *scenario, struct buf *told)
{
    play_begin(&scenario->world, &scenario->swarm, scenario->seed, TRACE_TAIL);
    scenario->world.told = told;
    scenario->begun = true;
    scenario->begun_ms = scenario->world.now_ms;
}

static size_t split(char *line, char **words, size_t most)
{
    size_t count = 0;
    char *rest = line;
    for (char *word; count < most && (word = strtok_r(count ? NULL : line, " ", &rest)) != NULL;)
        words[count++] = word;
    return count;
}

static void do_line(struct scenario *scenario, const char *text, struct buf *told)
{
    enum { WORDS_MOST = 8 };
    char none[1] = "", *line = mem_text(text), *words[WORDS_MOST];
    for (size_t i = 0; i < WORDS_MOST; i++)
        words[i] = none;
    size_t count = split(line, words, WORDS_MOST);
    bool fine = true;
    if (!count || words[0][0] == '#')
        fine = true;
    else if (strcmp(words[0], "begin") == 0)
        begin(scenario, told);
    else if (strcmp(words[0], "say") == 0)
        buf_print(told, "%s\n", text);
    else if (!scenario->begun)
        fine = set_up(scenario, words, count);
    else
        fine = happen(scenario, words, count);
    if (!fine)
        printf("not understood: %s\n", text);
    scenario->failed |= !fine;
    free(line);
}

/* Plays the lines before "expect"; returns how many bytes they are. */
static size_t play_script(struct scenario *scenario, const char *script, struct buf *told)
{
    const char *at = script;
    while (*at && strncmp(at, "expect\n", 7) != 0) {
        size_t size = strcspn(at, "\n");
        char line[400];
        snprintf(line, sizeof line, "%.*s", (int)size, at);
        do_line(scenario, line, told);
        at += size + (at[size] == '\n');
    }
    return (size_t)(at - script);
}

static int compare(const struct buf *told, const char *wanted)
{
    const char *said = (const char *)told->data;
    while (*said || *wanted) {
        size_t said_size = strcspn(said, "\n"), wanted_size = strcspn(wanted, "\n");
        if (said_size != wanted_size || memcmp(said, wanted, said_size) != 0) {
            printf("was:    %.*s\nwanted: %.*s\n", (int)said_size, said, (int)wanted_size, wanted);
            return ENDING_WRONG;
        }
        said += said_size + (said[said_size] == '\n');
        wanted += wanted_size + (wanted[wanted_size] == '\n');
    }
    return ENDING_FINE;
}

static int write_anew(const char *path, const char *script, size_t size, const struct buf *told)
{
    struct buf whole = {0};
    struct err err;
    buf_add(&whole, script, size);
    buf_print(&whole, "expect\n%s", (const char *)told->data);
    int result = io_write_file(path, whole.data, whole.size, 0644, false, &err);
    if (result)
        printf("%s\n", err.text);
    buf_release(&whole);
    return result ? ENDING_WRONG : ENDING_FINE;
}

static int judge(struct scenario *scenario, const char *path, const char *script, size_t size,
                 const struct buf *told, bool update)
{
    const struct world *world = &scenario->world;
    if (scenario->failed || !scenario->begun)
        return ENDING_WRONG;
    if (world->ending != ENDING_FINE) {
        play_print_tail(world);
        printf("%s: %s\n", world->checker, world->why);
        return world->ending;
    }
    if (update)
        return write_anew(path, script, size, told);
    const char *wanted = script + size + (script[size] ? strlen("expect\n") : 0);
    return compare(told, wanted);
}

int scenario_play(const char *path, bool update)
{
    struct scenario *scenario = mem_new(sizeof *scenario);
    struct buf script = {0}, told = {0};
    struct err err;
    swarm_calm(&scenario->swarm);
    scenario->seed = 1;
    if (io_read_file(path, SCRIPT_BYTES_MAX, &script, &err)) {
        printf("%s\n", err.text);
        free(scenario);
        return ENDING_WRONG;
    }
    buf_print(&told, "%s", "");
    size_t size = play_script(scenario, (const char *)script.data, &told);
    int ending = judge(scenario, path, (const char *)script.data, size, &told, update);
    if (scenario->begun)
        play_end(&scenario->world);
    buf_release(&script);
    buf_release(&told);
    free(scenario);
    return ending;
}
