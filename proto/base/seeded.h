/* SPDX-License-Identifier: MIT */
/* seeded.h - bugs that are planted on purpose, to prove that the simulator finds them.
 *
 * SEEDED_BUG(NAME) is 0 in everything that is installed. Only tests/sim/sim_bugs is compiled with
 * FARM_SEEDED_BUGS; there one of the bugs is alive at a time. `sim_bugs --list` says what each
 * does.
 */
#ifndef FARM_BASE_SEEDED_H
#define FARM_BASE_SEEDED_H

enum seeded_bug {
    SEEDED_NONE,
    SEEDED_SKIP_FENCE,
    SEEDED_ACT_BEFORE_COMMIT,
    SEEDED_FORGET_A_LEASE,
    SEEDED_ACCEPT_LATE_RESULT,
    SEEDED_REUSE_TOKEN,
    SEEDED_RENEW_BY_STALE,
    SEEDED_EXPIRE_ON_JUMP,
    SEEDED_LOSE_LAST_FRAME,
    SEEDED_SECOND_GRANT,
    SEEDED_PUBLISH_UNBUILT,
    SEEDED_FORGET_UNSEALED,
    SEEDED_DROP_SUBMIT,
    SEEDED_OVERCOMMIT_HEAVY,
    SEEDED_OVERCOMMIT_MEMORY,
    SEEDED_ADOPT_OVER_LEASE,
    SEEDED_EXPORT_DROPS_HELD,
    SEEDED_UNSURE_IS_FAILED,
    SEEDED_REPEAT_REQUEST,
    SEEDED_AGENT_STARTS_TWICE,
    SEEDED_AGENT_TRUSTS_EXITS,
    SEEDED_RESUME_OWES_NOTHING,
    SEEDED_NO_STOP,
    SEEDED_KEEP_PINS_NOT,
    SEEDED_HEAR_OLD_HELLO,
    SEEDED_STEP_BETWEEN_SENDS,
    SEEDED_HELLO_OF_SOME,
    SEEDED_OFFER_AGAIN,
    SEEDED_NO_HAND_OVER,
    SEEDED_PUBLISH_ANYWHERE,
    SEEDED_BUGS
};

#ifdef FARM_SEEDED_BUGS
extern int farm_seeded_bug;
#define SEEDED_BUG(name) (farm_seeded_bug == SEEDED_##name)
#else
#define SEEDED_BUG(name) 0
#endif

#endif
