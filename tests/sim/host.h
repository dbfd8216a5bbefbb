/* SPDX-License-Identifier: MIT */
/* host.h - a simulated host: attempt folders, supervisors, the log tail, and a worker's loop around
 * the real agent.
 *
 * Folders survive the agent and a reboot of the host; supervisors survive the agent; the log tail
 * and the agent's memory do not. The loop does the same as worker/loop.c, in the same order. In
 * addition a folder remembers what really happened on the host (its deeds); only the checkers read
 * that.
 */
#ifndef SIM_HOST_H
#define SIM_HOST_H

#include "tests/sim/world.h"
#include "worker/agent/agent.h"

/* How a publish is going to go. */
enum publishing {
    PUBLISHING_WELL,
    PUBLISHING_UNSURE, /* it waits for a confirmation that does not come */
    PUBLISHING_BADLY   /* it fails before it did anything, for cause */
};

/* One phase under its supervisor. */
struct phase_run {
    bool begun, lives, over; /* over: its exit is written */
    bool stopped;            /* told to end: prints no more */
    uint64_t begun_ms, ends_ms;
    uint64_t log_from, log_bytes; /* what it prints in all */
    struct exit_facts facts;
    enum cause cause;
    uint64_t number; /* of the supervisor, world-wide */
    uint64_t chance; /* id of what is drawn for it */
    enum publishing publishing;
    bool reached; /* a publish: its target */
    bool already, rebuilt, unsure;
    bool eaten;   /* it failed because its host is broken */
    bool tampers; /* at its end a file of the folder is no file any more */
    enum witness witness;
};

enum tail_state {
    TAIL_NONE,   /* not followed */
    TAIL_ASKING, /* where to go on? */
    TAIL_FLOWING,
    TAIL_DONE
};

struct tail {
    enum tail_state state;
    uint64_t sent, acked, at_ms;
    bool final_known;
    uint64_t final_bytes;
};

struct folder {
    struct token token;
    struct arena arena;
    struct order order; /* without its secret */
    bool on_disk;       /* a result need not have a folder; a folder may be removed */
    bool wiped;
    struct phase_run runs[PHASE_PUBLISH + 1];
    enum phase phase; /* the newest begun */
    struct product product;
    bool has_result;
    struct item result;
    uint64_t log_bytes; /* of the file, while nothing runs */
    struct tail tail;
    /* deeds */
    bool built, check_wanted, check_passed;
    bool published; /* this try put it there */
    bool eaten;     /* it failed because the host is broken */
    bool tampered;  /* what the folder says is refused */
    size_t starts[PHASE_PUBLISH + 1];
};

struct host {
    struct world *world;
    size_t index;
    const char *system;
    char key[24]; /* public key; a removed worker comes back with another */
    uint32_t keys;
    char name[16];
    struct arena arena;
    struct capabilities capabilities;
    uint64_t boot_ms; /* world time at which its boot clock was 0 */
    int64_t wall_jump_ms;
    uint32_t boots;
    char boot_id[24];
    uint64_t suspended_until_ms, starved_until_ms;
    bool disk_full, lies;
    bool was_full, was_broken;
    enum cause broken; /* why every build fails here, or NONE */

    struct folder **folders; /* in order of arrival; removed ones stay, for the checkers */
    size_t folder_count, folder_capacity;

    /* the agent's process */
    struct agent *agent; /* NULL while it is down */
    uint64_t life;
    uint32_t upgrades, wipes;
    uint64_t crash_in; /* places of its own left until it dies; 0: it does not */
    uint64_t wake_ms, mail_ms, probe_at_ms;
    bool tail_on; /* it knows where the log store is */
    bool tail_awake;
    struct agent_input *pending;
    size_t pending_count, pending_capacity;
};

struct host *host_create(struct world *world, size_t index);
void host_destroy(struct host *host);
void host_receive(struct world *world, size_t index, struct bytes bytes);
struct folder *host_folder(const struct host *host, struct token token);
/* One of its folders, by a number drawn; the others do not change which. NULL: it has none. */
struct folder *host_some_folder(const struct host *host, uint64_t drawn);

/* ---- supervisors (supervisor.c) ---- */
void supervisor_begin(struct host *host, struct folder *folder, enum phase phase);
void supervisor_stop(struct host *host, struct folder *folder); /* TERM, after a while KILL */
void supervisor_kill(struct host *host, struct folder *folder); /* itself: no exit is written */
bool supervisor_lives(const struct folder *folder);
uint64_t folder_log_bytes(const struct host *host, const struct folder *folder);

/* ---- the agent's process (host.c) ---- */
void host_agent_start(struct host *host);
void host_agent_die(struct host *host);
/* The supervisor of this folder is gone: the agent is told, if it lives. */
void host_phase_over(struct host *host, struct folder *folder);

/* ---- the log tail (tail.c) ---- */
void tail_follow(struct host *host, struct folder *folder);
void tail_finish(struct host *host, struct folder *folder, uint64_t bytes);
void tail_acked(struct host *host, const struct log_ack *ack);
void tail_connect(struct host *host);
void tail_forget_all(struct host *host);

/* ---- faults ---- */
void host_agent_crash(struct host *host, uint64_t back_in_ms);
void host_reboot(struct host *host, uint64_t back_in_ms);
void host_suspend(struct host *host, uint64_t for_ms);
void host_wipe(struct host *host);
void host_new_key(struct host *host);

uint64_t host_now_ms(const struct host *host);  /* its boot clock */
uint64_t host_wall_ms(const struct host *host); /* its wall clock */

#endif
