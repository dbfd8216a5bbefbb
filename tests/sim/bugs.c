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
    const char *name, *what;
};

static const struct bug bugs[] = {
    {SEEDED_SKIP_FENCE, "skip-fence", "a worker may report on what another one runs"},
    {SEEDED_ACT_BEFORE_COMMIT, "act-before-commit", "effects precede the commit"},
    {SEEDED_FORGET_A_LEASE, "forget-a-lease", "some leases are not written to the journal"},
    {SEEDED_ACCEPT_LATE_RESULT, "accept-late-result", "a cancelled job's result is taken for good"},
    {SEEDED_REUSE_TOKEN, "reuse-token", "a fencing token is given twice"},
    {SEEDED_RENEW_BY_STALE, "renew-by-stale", "a status of an old session renews leases"},
    {SEEDED_EXPIRE_ON_JUMP, "expire-on-jump", "a clock jump counts as silence"},
    {SEEDED_LOSE_LAST_FRAME, "lose-last-frame", "the last piece of a log is not stored"},
    {SEEDED_SECOND_GRANT, "second-grant", "a grant is given while another is unresolved"},
    {SEEDED_PUBLISH_UNBUILT, "publish-unbuilt", "a failed job is published"},
    {SEEDED_FORGET_UNSEALED, "forget-unsealed", "a folder is forgotten before its log is stored"},
    {SEEDED_DROP_SUBMIT, "drop-submit", "a run is acknowledged before it is written"},
    {SEEDED_OVERCOMMIT_HEAVY, "overcommit-heavy", "heavy slots are counted per worker, not host"},
    {SEEDED_OVERCOMMIT_MEMORY, "overcommit-memory", "memory reservations are not looked at"},
    {SEEDED_ADOPT_OVER_LEASE, "adopt-over-lease", "an attempt is adopted by a job that has one"},
    {SEEDED_EXPORT_DROPS_HELD, "export-drops-held", "an export forgets that publications are held"},
    {SEEDED_UNSURE_IS_FAILED, "unsure-is-failed", "a publish that may have happened is repeated"},
    {SEEDED_REPEAT_REQUEST, "repeat-request", "a request is carried out once more"},
    {SEEDED_AGENT_STARTS_TWICE, "agent-starts-twice", "an order is begun although it is known"},
    {SEEDED_AGENT_TRUSTS_EXITS, "agent-trusts-exits", "a phase that ended badly ended well"},
    {SEEDED_RESUME_OWES_NOTHING, "resume-owes-nothing", "nothing is resumed after a restart"},
    {SEEDED_NO_STOP, "no-stop", "cancelled attempts are not told to stop"},
    {SEEDED_KEEP_PINS_NOT, "keep-pins-not", "outputs are forgotten before they are published"},
    {SEEDED_HEAR_OLD_HELLO, "hear-old-hello", "a hello that was overtaken is believed"},
    {SEEDED_STEP_BETWEEN_SENDS, "step-between-sends", "new leases are sent before their commit"},
    {SEEDED_HELLO_OF_SOME, "hello-of-some", "a new agent speaks before it found all folders"},
    {SEEDED_OFFER_AGAIN, "offer-again", "a restored journal repeats offers that ended since"},
    {SEEDED_NO_HAND_OVER, "no-hand-over", "a build that another run waits for is stopped"},
    {SEEDED_PUBLISH_ANYWHERE, "publish-anywhere", "who joined to publish has no say in the host"},
    {SEEDED_NO_TRIAL, "no-trial", "a host that failed is given as much as any other"},
    {SEEDED_NO_QUARANTINE, "no-quarantine", "a host is trusted whatever it fails"},
    {SEEDED_CLEAR_BY_ANY, "clear-by-any", "any end there clears a suspected host"},
    {SEEDED_HOLD_UNSEEN, "hold-unseen", "held jobs are looked at beside ready ones only"},
    {SEEDED_ONE_WITNESS, "one-witness", "a family is given up for one that failed"},
    {SEEDED_ONE_HOST, "one-host", "a family is given up on the word of one host"},
    {SEEDED_KEEP_HELD, "keep-held", "a success releases nobody of its family"},
    {SEEDED_NOTICE_TWICE, "notice-twice", "people are told again what they were told"},
    {SEEDED_NOTICE_FLAPS, "notice-flaps", "each probation of a host is told anew"},
    {SEEDED_NOTICE_UNTOLD, "notice-untold", "a restart forgets whom it owes a notice"},
    {SEEDED_LOOK_WHEN_QUIET, "look-when-quiet",
     "a silent worker is looked for when no other speaks"},
    {SEEDED_OLD_SESSION_MOVES, "old-session-moves", "a status of an old session moves its worker"},
    {SEEDED_WELCOME_OVERTAKEN, "welcome-overtaken", "a hello is welcomed though a later one came"},
    {SEEDED_ORDERS_TO_HELLO, "orders-to-hello", "orders go where the newest hello came from"},
    {SEEDED_ORDERS_WITH_HEARTBEAT, "orders-with-beat", "new orders wait for a heartbeat"},
    {SEEDED_FORGET_FAILED_SEND, "forget-failed-send", "who cannot be reached counts as connected"},
    {SEEDED_PUBLISH_OLDER, "publish-older", "an older commit is published over a newer one"},
    {SEEDED_NO_HEARTBEAT, "no-heartbeat", "a worker without orders hears nothing"},
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

static bool hunt(const struct bug *bug)
{
    char seeds[32], checker[32] = "";
    unsigned long long seed = 0;
    struct buf said = {0};
    struct err err = {""};
    snprintf(seeds, sizeof seeds, "1..%d", SEEDS_MOST);
    const char *argv[] = {"/proc/self/exe", "--bug", bug->name, "--brief", "--seeds", seeds, NULL};
    int code = io_run(argv, NULL, 1 << 20, TIMEOUT_MS, &said, &err);
    bool caught = code >= ENDING_CRASH && code <= ENDING_WRONG &&
                  find_catch((const char *)said.data, &seed, checker);
    if (caught)
        printf("%-20s %5llu  %-9s %s\n", bug->name, seed, checker, bug->what);
    else
        printf("%-20s     -  NOT CAUGHT (%d) %s %s\n", bug->name, code, bug->what, err.text);
    fflush(stdout);
    buf_release(&said);
    return caught;
}

int bugs_hunt(void)
{
    size_t caught = 0;
    printf("%-20s %5s  %-9s %s\n", "bug", "seeds", "checker", "what it does");
    for (size_t i = 0; i < BUG_COUNT; i++)
        caught += hunt(&bugs[i]);
    printf("%zu of %d bugs were caught\n", caught, (int)BUG_COUNT);
    return caught == BUG_COUNT ? ENDING_FINE : ENDING_WRONG;
}
