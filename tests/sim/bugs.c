/* SPDX-License-Identifier: MIT */
#include "tests/sim/bugs.h"

#include "proto/base/io.h"
#include "proto/base/seeded.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

enum { SEEDS_MOST = 1000, TIMEOUT_MS = 300 * 1000 };

struct bug {
    enum seeded_bug number;
    const char *name;
    unsigned seed; /* the first that caught it when the row was written */
    const char *what;
};

static const struct bug bugs[] = {
    {SEEDED_SKIP_FENCE, "skip-fence", 7, "a worker may report on what another one runs"},
    {SEEDED_ACT_BEFORE_COMMIT, "act-before-commit", 1, "effects precede the commit"},
    {SEEDED_FORGET_A_LEASE, "forget-a-lease", 1, "some leases are not written to the journal"},
    {SEEDED_ACCEPT_LATE_RESULT, "accept-late-result", 7,
     "a cancelled job's result is taken for good"},
    {SEEDED_REUSE_TOKEN, "reuse-token", 2, "a fencing token is given twice"},
    {SEEDED_RENEW_BY_STALE, "renew-by-stale", 1, "a status of an old session renews leases"},
    {SEEDED_EXPIRE_ON_JUMP, "expire-on-jump", 119, "a clock jump counts as silence"},
    {SEEDED_LOSE_LAST_FRAME, "lose-last-frame", 1, "the last piece of a log is not stored"},
    {SEEDED_SECOND_GRANT, "second-grant", 14, "a grant is given while another is unresolved"},
    {SEEDED_PUBLISH_UNBUILT, "publish-unbuilt", 1, "a failed job is published"},
    {SEEDED_FORGET_UNSEALED, "forget-unsealed", 1,
     "a folder is forgotten before its log is stored"},
    {SEEDED_DROP_SUBMIT, "drop-submit", 1, "a run is acknowledged before it is written"},
    {SEEDED_OVERCOMMIT_HEAVY, "overcommit-heavy", 18,
     "heavy slots are counted per worker, not host"},
    {SEEDED_OVERCOMMIT_MEMORY, "overcommit-memory", 11, "memory reservations are not looked at"},
    {SEEDED_ADOPT_OVER_LEASE, "adopt-over-lease", 59,
     "an attempt is adopted by a job that has one"},
    {SEEDED_EXPORT_DROPS_HELD, "export-drops-held", 58,
     "an export forgets that publications are held"},
    {SEEDED_UNSURE_IS_FAILED, "unsure-is-failed", 25,
     "a publish that may have happened is repeated"},
    {SEEDED_REPEAT_REQUEST, "repeat-request", 1, "a request is carried out once more"},
    {SEEDED_AGENT_STARTS_TWICE, "agent-starts-twice", 1, "an order is begun although it is known"},
    {SEEDED_AGENT_TRUSTS_EXITS, "agent-trusts-exits", 1, "a phase that ended badly ended well"},
    {SEEDED_RESUME_OWES_NOTHING, "resume-owes-nothing", 1, "nothing is resumed after a restart"},
    {SEEDED_NO_STOP, "no-stop", 7, "cancelled attempts are not told to stop"},
    {SEEDED_KEEP_PINS_NOT, "keep-pins-not", 1, "outputs are forgotten before they are published"},
    {SEEDED_HEAR_OLD_HELLO, "hear-old-hello", 5, "a hello that was overtaken is believed"},
    {SEEDED_STEP_BETWEEN_SENDS, "step-between-sends", 681,
     "new leases are sent before their commit"},
    {SEEDED_HELLO_OF_SOME, "hello-of-some", 5, "a new agent speaks before it found all folders"},
    {SEEDED_OFFER_AGAIN, "offer-again", 106, "a restored journal repeats offers that ended since"},
    {SEEDED_NO_HAND_OVER, "no-hand-over", 19, "a build that another run waits for is stopped"},
    {SEEDED_PUBLISH_ANYWHERE, "publish-anywhere", 50,
     "who joined to publish has no say in the host"},
    {SEEDED_NO_TRIAL, "no-trial", 77, "a host that failed is given as much as any other"},
    {SEEDED_NO_QUARANTINE, "no-quarantine", 5, "a host is trusted whatever it fails"},
    {SEEDED_CLEAR_BY_ANY, "clear-by-any", 2, "any end there clears a suspected host"},
    {SEEDED_HOLD_UNSEEN, "hold-unseen", 291, "held jobs are looked at beside ready ones only"},
    {SEEDED_ONE_WITNESS, "one-witness", 363, "a family is given up for one that failed"},
    {SEEDED_ONE_HOST, "one-host", 260, "a family is given up on the word of one host"},
    {SEEDED_KEEP_HELD, "keep-held", 59, "a success releases nobody of its family"},
    {SEEDED_NOTICE_TWICE, "notice-twice", 1, "people are told again what they were told"},
    {SEEDED_NOTICE_FLAPS, "notice-flaps", 77, "each probation of a host is told anew"},
    {SEEDED_NOTICE_UNTOLD, "notice-untold", 61, "a restart forgets whom it owes a notice"},
    {SEEDED_LOOK_WHEN_QUIET, "look-when-quiet", 55,
     "a silent worker is looked for when no other speaks"},
    {SEEDED_OLD_SESSION_MOVES, "old-session-moves", 55,
     "a status of an old session moves its worker"},
    {SEEDED_WELCOME_OVERTAKEN, "welcome-overtaken", 2,
     "a hello is welcomed though a later one came"},
    {SEEDED_ORDERS_TO_HELLO, "orders-to-hello", 1, "orders go where the newest hello came from"},
    {SEEDED_ORDERS_WITH_HEARTBEAT, "orders-with-beat", 1, "new orders wait for a heartbeat"},
    {SEEDED_FORGET_FAILED_SEND, "forget-failed-send", 11,
     "who cannot be reached counts as connected"},
    {SEEDED_PUBLISH_OLDER, "publish-older", 6, "an older commit is published over a newer one"},
    {SEEDED_NO_PROBE, "no-probe", 5, "a host that fails everything is not looked at"},
    {SEEDED_WORDS_QUARANTINE, "words-quarantine", 116, "what logs say quarantines a host"},
    {SEEDED_WORDS_RESERVE, "words-reserve", 14, "what a log says cleans a host, and reserves it"},
    {SEEDED_WORDS_HOLD, "words-hold", 69, "what a log says holds an account"},
    {SEEDED_NO_HEARTBEAT, "no-heartbeat", 1, "a worker without orders hears nothing"},
};
enum { BUG_COUNT = sizeof bugs / sizeof bugs[0] };

#ifdef FARM_SEEDED_BUGS
int farm_seeded_bug;

bool bugs_plant(const char *name)
{
    for (size_t i = 0; i < BUG_COUNT; i++)
        if (strcmp(bugs[i].name, name) == 0)
            farm_seeded_bug = (int)bugs[i].number;
    return farm_seeded_bug != SEEDED_NONE;
}
#else
bool bugs_plant(const char *name)
{
    (void)name;
    return false;
}
#endif

/* The last line that begins with "caught". */
static bool find_catch(const char *said, unsigned long long *seed, char checker[32])
{
    const char *line = NULL;
    for (const char *at = said; at && (at = strstr(at, "caught ")) != NULL; at++)
        line = at;
    return line && sscanf(line, "caught %llu %31s", seed, checker) == 2;
}

/* In a process of its own: to catch a bug may mean to crash. */
static bool play(const struct bug *bug, unsigned first, unsigned last)
{
    char seeds[32], checker[32] = "";
    unsigned long long seed = 0;
    struct buf said = {0};
    struct err err = {""};
    snprintf(seeds, sizeof seeds, "%u..%u", first, last);
    const char *argv[] = {"/proc/self/exe", "--bug", bug->name, "--brief", "--seeds", seeds, NULL};
    int code = io_run(argv, NULL, 1 << 20, TIMEOUT_MS, &said, &err);
    bool caught = code >= ENDING_CRASH && code <= ENDING_WRONG &&
                  find_catch((const char *)said.data, &seed, checker);
    if (caught)
        printf("%-20s %5llu  %-9s %s\n", bug->name, seed, checker, bug->what);
    else
        printf("%-20s     -  NOT CAUGHT by %s (%d) %s %s\n", bug->name, seeds, code, bug->what,
               err.text);
    fflush(stdout);
    buf_release(&said);
    return caught;
}

/* The known seed first, because hundreds of seeds before it may catch nothing. A change of the core
 * or of the simulator can change what a seed plays; then the hunt begins at the first seed. */
static bool hunt(const struct bug *bug)
{
    return play(bug, bug->seed, bug->seed) || play(bug, 1, SEEDS_MOST);
}

int bugs_hunt(void)
{
    size_t caught = 0;
    printf("%-20s %5s  %-9s %s\n", "bug", "seed", "checker", "what it does");
    for (size_t i = 0; i < BUG_COUNT; i++)
        caught += hunt(&bugs[i]);
    printf("%zu of %d bugs were caught\n", caught, (int)BUG_COUNT);
    return caught == BUG_COUNT ? ENDING_FINE : ENDING_WRONG;
}
