/* SPDX-License-Identifier: MIT */
/* vocab.h - the plain structs that coordinator, worker and client share.
 *
 * The words are those of docs/glossary.md. Every struct here has a shape (vocab.c), from which its
 * protobuf codec, its JSON and its text are made. The conventions are those of shape.h: texts are
 * never NULL; whoever made the struct owns what it points to. Sizes are in bytes, times in
 * milliseconds. Pure: no I/O, no protobuf; the cores include it.
 */
#ifndef FARM_VOCAB_H
#define FARM_VOCAB_H

#include "proto/base/shape.h"

#include <stdbool.h>
#include <stdint.h>

/* The fencing token of an attempt or of a try of a publication, and the name of its log. `number`
 * is counted per farm and never reused within an epoch; the epoch rises when a journal is restored
 * or moved. Written "epoch.number", for example "1.42". Both zero: no token. */
struct token {
    uint32_t epoch;
    uint64_t number;
};

static inline bool token_equal(struct token a, struct token b)
{
    return a.epoch == b.epoch && a.number == b.number;
}
static inline bool token_none(struct token token)
{
    return token.epoch == 0 && token.number == 0;
}
static inline bool token_less(struct token a, struct token b)
{
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.number < b.number;
}

/* The present phase of an attempt or of a try of a publication. A publication has CHECKOUT, then
 * PUBLISH. */
enum phase { PHASE_NONE, PHASE_CHECKOUT, PHASE_BUILD, PHASE_CHECK, PHASE_PUBLISH };
extern const char *const phase_names[]; /* none checkout build check publish */

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_WORKER };
extern const char *const role_names[];
/* Whether a key of this role may do what needs that one. A worker may ask for nothing, and nobody
 * but a worker may do what a worker does: its messages are no requests. */
static inline bool role_covers(enum role role, enum role needed)
{
    if (role == ROLE_NONE || role == ROLE_WORKER || needed == ROLE_NONE || needed == ROLE_WORKER)
        return role == needed && role != ROLE_NONE;
    return role >= needed;
}

/* How a host keeps what a recipe runs away from the rest (worker/isolation/isolation.h). UNKNOWN:
 * its worker is older than the word. */
enum isolation_level {
    ISOLATION_UNKNOWN,
    ISOLATION_NONE,
    ISOLATION_NAMESPACES,
    ISOLATION_USERS,
    ISOLATION_USERS_ONLY
};
extern const char *const isolation_names[]; /* unknown none namespaces users users-only */

enum builder { BUILDER_NONE, BUILDER_FLOX, BUILDER_NIX, BUILDER_COMMAND };
extern const char *const builder_names[]; /* none flox nix command */
/* What a host lists among its builders, with the version, when its flox is too old to be one. */
#define OLD_FLOX "old-flox"

enum target_kind { TARGET_NONE, TARGET_FLOX, TARGET_NIX_CACHE, TARGET_COMMAND };
extern const char *const target_kind_names[]; /* none flox nix-cache command */

/* Whether the check (the branch's own test-build.sh) runs. AUTO: if the host can run the product.
 * REQUIRED: always; only hosts that can run the product are eligible. OFF: never. */
enum check_mode { CHECK_AUTO, CHECK_REQUIRED, CHECK_OFF };
extern const char *const check_mode_names[]; /* auto required off */

/* Which branch publishes a name that several branches of a target have (core/collide.c). REFUSE:
 * none, until a person decides. NEWEST: the highest version line alone. VERSIONS: all, the lowest
 * line first. ORDER: the one that stands first in the target's list. */
enum collisions { COLLISIONS_REFUSE, COLLISIONS_NEWEST, COLLISIONS_VERSIONS, COLLISIONS_ORDER };
extern const char *const collisions_names[]; /* refuse newest versions order */

/* What the check ran on. */
enum checked { CHECKED_NONE, CHECKED_CPU, CHECKED_GPU };
extern const char *const checked_names[]; /* none cpu gpu */

/* Why a job ended. A job that is not closed has VERDICT_NONE. */
enum verdict {
    VERDICT_NONE,
    VERDICT_OK,
    VERDICT_FAILED,
    VERDICT_TIMED_OUT,
    VERDICT_CANCELLED,
    VERDICT_SKIPPED,    /* its inputs equal those of the newest ledger entry */
    VERDICT_BLOCKED,    /* waits for a decision: an unresolved collision, an org on hold */
    VERDICT_UNROUTABLE, /* no worker of this farm can take it */
    VERDICT_SUPERSEDED  /* a newer run builds a newer commit of it, and it had not begun */
};
extern const char *const verdict_names[];

/* How an attempt ended. */
enum outcome {
    OUTCOME_NONE,
    OUTCOME_OK,
    OUTCOME_FAILED,  /* a phase failed; see cause */
    OUTCOME_STOPPED, /* stopped by the coordinator: cancelled, or no longer needed */
    OUTCOME_LOST,    /* its host was gone for longer than the grace, or its supervisor was killed */
    OUTCOME_REFUSED  /* the worker could not start it (no slot, no disk, unknown project) */
};
extern const char *const outcome_names[];

/* Why an attempt or a try of a publication failed: by evidence first, by texts in the log second.
 */
enum cause {
    CAUSE_NONE,
    CAUSE_OOM,        /* the kernel killed one of its processes for lack of memory */
    CAUSE_DISK_FULL,  /* the host's disk was full */
    CAUSE_SILENT,     /* printed nothing for longer than silence_ms */
    CAUSE_TIMEOUT,    /* ran longer than wall_ms */
    CAUSE_HOST_LOST,  /* the host disconnected or rebooted, or the supervisor was killed */
    CAUSE_NETWORK,    /* a download or fetch failed, or a service could not be reached */
    CAUSE_STORE,      /* a path of the nix store was garbage collected during the build */
    CAUSE_EVAL,       /* the recipe does not evaluate */
    CAUSE_WRONG_HOST, /* the host does not have the system or feature it reported */
    CAUSE_AUTH,       /* the token is missing, expired or rejected */
    CAUSE_DENIED,     /* the org refuses this account */
    CAUSE_CONFIG,     /* the request is wrong: unknown package, untracked file, no upstream */
    CAUSE_PUBLISH,    /* publishing failed for another reason */
    CAUSE_STALE,      /* no_rebuild: the built outputs are gone and must be built again */
    CAUSE_CHECK,      /* built, but its check failed */
    CAUSE_COMPILE,    /* the builder ran and failed: an error of the code itself */
    CAUSE_UNKNOWN,
    CAUSE_HARDWARE /* a check met hardware that does not fit: no other variant is meant */
};
extern const char *const cause_names[]; /* with dashes: disk-full, host-lost, wrong-host */

/* Who says so, beside the words of the log, which the recipe can print. What touches others than
 * the job itself (its host, its target) needs one; docs/adr/0022 has the table. */
enum witness {
    WITNESS_NONE,    /* words only, or an older worker that does not tell */
    WITNESS_KERNEL,  /* counters of the kernel: processes killed for memory, free space */
    WITNESS_SANDBOX, /* the sandbox could not start, so nothing of the recipe ran */
    WITNESS_TRUSTED, /* the farm's own program saw it */
    WITNESS_PROBE    /* the farm tried the same without the recipe */
};
extern const char *const witness_names[]; /* none kernel sandbox trusted probe */

/* One package of one branch for one system, with attributes from its name (for example
 * torchvision-python313-cuda12_8-sm90-avx512). An attribute that the name does not have is "". */
struct variant {
    const char *project;
    const char *branch;
    const char *commit; /* 40 hex digits; "" if not pinned yet */
    const char *package;
    const char *system; /* "x86_64-linux"; "" if unknown: unroutable */
    const char *gpu;    /* "sm90", "cpu" */
    const char *isa;    /* "avx512", "armv8_2" */
    const char *cuda;   /* "12.8" */
    const char *python; /* "3.13" */
};

/* The place that a branch publishes to. kind NONE: build only. (name, package, system) is the key
 * of a publication. */
struct target {
    enum target_kind kind;
    const char *name;     /* the org; for a cache or a command the target's name in farm.yaml */
    const char *location; /* nix-cache: store URI; command: the shell command; flox: "" */
    const char *secret;   /* name of the secret that is sent with a grant; "": none */
    bool no_rebuild;      /* a publish must not build */
};

/* Everything that a worker needs to build a variant. It is complete, so that an order means the
 * same whatever the worker got before. */
struct recipe {
    enum builder builder;
    const char *url;     /* git URL of the project; becomes `origin` unchanged (flox stores it) */
    const char *path;    /* the recipe's file in the repository; "" for the command builder */
    const char *command; /* command builder: run by sh -c with FARM_PACKAGE etc. */
    const char *bundle; /* `farm build --from`: name of the git bundle that has the commit, or "" */
    bool checkout;      /* false: runs in an empty folder without git (light jobs, smoke jobs) */
    enum check_mode check;
    bool has_check;       /* the commit tracks a test-build.sh at its top */
    uint64_t wall_ms;     /* of the build phase, without the time in the queue; 0: no limit */
    uint64_t silence_ms;  /* 0: no limit */
    const char *rules;    /* the farm's own rules for causes, one per line: cause, space, PCRE2 */
    const char *evaluate; /* command builder: a command that only evaluates the package; "": none */
    enum builder tool;    /* command builder: the builder whose programs the command calls */
    /* Work of the worker's own on its home, never of a recipe: "clean BYTES" or "clean BYTES
     * dry-run". "": none. Workers that are older than it run `command`, which does the same. */
    const char *upkeep;
    /* flox and nix, and commands that evaluate for them: nix evaluates with restrict-eval. Workers
     * that are older than it do not know that, so they get no such job (restricts_eval). */
    bool restrict_eval;
    const char *allowed_uris; /* what it may fetch then: URI prefixes, separated by spaces */
};

/* What a job reserves on its host while an attempt runs. */
struct needs {
    bool heavy; /* takes a heavy slot (big-parallel) in addition to an ordinary one */
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    bool nix_sandbox; /* goes to no host whose nix builds without its sandbox */
};

/* What determines the product: equal inputs give the same package. */
struct inputs {
    const char *hash; /* 64 hex digits; "" if unknown */
    bool pinned;      /* the recipe pins everything that it imports, so equal hashes allow a skip */
};

/* The claim of a branch and a commit to publish a name: what decides between several of them. */
struct claim {
    enum collisions policy; /* of the target */
    bool wins;              /* the branch wins this name (`wins` in farm.yaml) */
    uint32_t rank;          /* ORDER: its place in the target's list, from 1; 0: not in the list */
    const char *line;       /* the branch's version line, "2.10"; "" unknown */
    uint64_t depth;         /* commits in the history of its commit; 0 unknown */
    const char *diverged; /* commits of the branch, separated by spaces, that the farm published or
                               was building: this commit is no descendant and no ancestor of them */
    bool supersedes;      /* jobs of older runs leave the queue for it (`supersede` of a project) */
    const char
        *over; /* planned: PROJECT/BRANCH that the ledger's newest entry of the name was from */
    const char *lost; /* planned: why it is built and not published; "": it is published */
};

/* A discovered variant with everything that a run needs. */
struct plan_item {
    struct variant variant;
    struct recipe recipe;
    struct needs needs;
    struct inputs inputs;
    struct target target;
    struct claim claim;
    const char *problem; /* why it cannot be built ("not tracked"); "" if it can */
};

/* A file system of a host; reservations of disk are made on it. */
struct filesystem {
    const char *id; /* stable on that host, for example "8:1" */
    bool is_store;  /* has the nix store */
    bool is_build;  /* has build folders and checkouts */
    bool is_state;  /* has the attempt folders and logs */
    uint64_t free_bytes;
    uint64_t total_bytes;
};

struct gpu {
    const char *name;
    const char *compute; /* "9.0" */
};

/* Pressure stall information: avg10 in hundredths of a per cent, so that the core needs no floats.
 */
struct pressure {
    uint32_t cpu_some;
    uint32_t memory_full;
    uint32_t io_full;
};

/* Whether what nix builds runs in nix's own sandbox, where /build is. Unknown: older workers, and
 * hosts on which nix does not say. */
enum nix_sandbox { NIX_SANDBOX_UNKNOWN, NIX_SANDBOX_OFF, NIX_SANDBOX_ON };
extern const char *const nix_sandbox_names[]; /* unknown off on */

/* What a worker reports about its host. The host's owner sets the limits. */
struct capabilities {
    const char *hostname;
    const char *machine_id; /* reservations are per machine, not per worker */
    const char **systems;   /* the native one first; emulated ones only if the owner allows it */
    size_t systems_count;
    const char **features; /* CPU features as /proc/cpuinfo names them */
    size_t features_count;
    const char **builders; /* "flox 1.14.1", "nix 2.8.0", "command" */
    size_t builders_count;
    struct gpu *gpus;
    size_t gpus_count;
    struct filesystem *filesystems;
    size_t filesystems_count;
    uint32_t cores;
    uint64_t memory_bytes;
    uint32_t slots;       /* attempts at a time */
    uint32_t heavy_slots; /* of these, heavy ones */
    bool may_publish;     /* the owner's setting; the coordinator's enrolment must allow it, too */
    const char *git_version;
    const char *problem; /* why it takes no builds ("git missing"); "" if it does */
    enum isolation_level isolation;
    const char *isolation_why; /* why it is no higher level, or what it leaves open; "" */
    bool restricts_eval;       /* knows recipe.restrict_eval */
    enum nix_sandbox nix_sandbox;
};

/* The facts about the end of a phase that the supervisor observed. */
struct exit_facts {
    int64_t status;       /* exit status; -1 if a signal ended the command */
    uint32_t signal;      /* 0 if the command exited */
    uint32_t oom_kills;   /* processes of its cgroup that the kernel killed for lack of memory */
    uint64_t free_bytes;  /* of the build file system, at the end */
    uint64_t cpu_ms;      /* user and system time of the process tree */
    uint64_t memory_peak; /* the cgroup's peak, or the largest resident set of one process */
    uint64_t wall_ms;
    bool timed_out;
    bool silent;
    uint64_t disk_bytes;       /* largest drop of the free space during the phase; 0: unknown */
    uint32_t daemon_oom_kills; /* in nix-daemon's cgroup during the phase, maybe of other builds */
    bool daemon_restarted;     /* nix-daemon is not the process that ran at the phase's start */
    uint32_t memory_stall;     /* pressure of the host at the end, as in struct pressure */
    uint32_t io_stall;
};

/* The product of a successful build; a publication must publish exactly this. */
struct product {
    const char *derivation;
    const char **paths; /* store paths, "out" first */
    size_t paths_count;
    enum checked checked;
    const char
        *unchecked; /* NONE: why its check did not run or proved nothing; "" if it has none */
    /* The level of the attempt, of one that failed, too. UNKNOWN: no recipe ran, or the worker or
     * the record is older than this. */
    enum isolation_level isolation;
};

/* The state of one attempt or try of a publication as its worker reports it. */
enum item_state {
    ITEM_NONE,
    ITEM_ACCEPTED, /* no phase runs yet */
    ITEM_RUNNING,  /* `phase` runs */
    ITEM_ENDED     /* outcome, cause, facts and product are final */
};
extern const char *const item_state_names[];

struct item {
    struct token token;
    bool is_publication;
    enum item_state state;
    enum phase phase;
    uint64_t log_bytes;     /* size of its log; final when ENDED */
    uint64_t started_at_ms; /* wall clock of the host, for display only */
    enum outcome outcome;
    enum cause cause;
    const char *detail; /* the line that shows the cause; "" if there is none */
    enum phase failed_phase;
    struct exit_facts facts;
    struct product product;
    bool already_published; /* publication: the target had the product already */
    bool rebuilt;           /* publication: the publish built again, or published other paths */
    bool unsure;            /* publication: it may have happened and must be tried again */
    struct variant variant; /* allows the coordinator to adopt an attempt that it does not know */
    uint64_t signature;     /* equal for failures that look alike, whatever the variant; 0: none */
    const char *lines;      /* lines of the log that show the cause, at most LIMIT_LINES_BYTES */
    /* RUNNING, when a limit is near: why the phase will be stopped unless it makes progress, and
     * when (boot time of the host, as at_ms of hello and status). NONE and 0: no stop announced. */
    enum cause stop_cause;
    uint64_t stop_at_ms;
    const char *warning;  /* what a person should know of its branch's check; "" if nothing */
    enum witness witness; /* of `cause` */
};

/* ---- worker -> coordinator ---------------------------------------------------------------- */

struct hello {
    uint32_t major, minor;
    const char *program;  /* version of the agent, for display only */
    const char *instance; /* random, stored in the worker's home; tells apart workers of one key */
    const char *boot_id;
    uint64_t at_ms; /* ms since boot of the host: within one boot the later message counts */
    struct capabilities capabilities;
    struct item *items;
    size_t items_count;
};

/* The complete state of the worker. Sent on each change and at least every heartbeat_ms. */
struct status {
    uint64_t session;     /* from welcome */
    uint64_t sequence;    /* rises by one per status, also across sessions */
    uint64_t incarnation; /* the coordinator's, from welcome */
    uint64_t at_ms;       /* as in hello */
    struct item *items;
    size_t items_count;
    struct filesystem *filesystems; /* free bytes as of now */
    size_t filesystems_count;
    struct pressure pressure;
};

/* ---- coordinator -> worker ---------------------------------------------------------------- */

struct welcome {
    uint64_t session;
    uint64_t incarnation;
    uint64_t heartbeat_ms;
    uint64_t lost_grace_ms;   /* how long the coordinator waits for this worker when it is silent */
    const char *worker;       /* the name it is enrolled under */
    const char *log_endpoint; /* of the log store; "": the worker chooses (--log-connect) */
};

/* The coordinator does not know the session: the worker must say hello. The session is named,
 * because otherwise a late answer to an old session would end the new one, on a slow connection
 * again and again. */
struct hello_again {
    uint64_t session; /* of the status that this answers; 0: any */
};

struct refused {
    const char *reason; /* says what to do; the agent logs it and tries again later */
    bool permanent;     /* it will be refused again until a person acts */
};

enum order_kind {
    ORDER_NONE,
    ORDER_OFFER,  /* start this attempt; idempotent by token */
    ORDER_STOP,   /* end it and report it as stopped */
    ORDER_FORGET, /* its result and log are stored: remove the folder */
    ORDER_GRANT   /* publish this; idempotent by token */
};
extern const char *const order_kind_names[];

struct order {
    enum order_kind kind;
    struct token token;
    bool is_publication;
    struct variant variant; /* OFFER, GRANT */
    struct recipe recipe;   /* OFFER, GRANT */
    struct needs needs;     /* OFFER */
    struct target target;   /* GRANT */
    struct token built_by;  /* GRANT: the attempt whose product is to be published */
    struct product product; /* GRANT: its product */
    struct bytes secret;    /* GRANT: never stored, never logged */
    struct bytes bundle;    /* OFFER: the git bundle named by recipe.bundle (added by control.c) */
    const char *reason;     /* STOP */
};

/* All orders whose effect the worker's last status did not show. Repeated until it does. */
struct orders {
    uint64_t session;
    uint64_t incarnation;
    struct order *orders;
    size_t orders_count;
};

/* ---- logs (own socket) -------------------------------------------------------------------- */

/* worker -> store: a piece of a log. `offset` counts raw bytes. */
struct log_data {
    struct token token;
    uint64_t offset;
    uint32_t raw_bytes;
    uint64_t at_ms;    /* wall clock of the host */
    struct bytes zstd; /* one complete zstd frame of raw_bytes bytes */
    bool last;         /* the log ends after this piece (raw_bytes may be 0) */
};

/* store -> worker: all raw bytes before `offset` are on disk. Also the answer to log_resume. */
struct log_ack {
    struct token token;
    uint64_t offset;
    bool sealed;         /* the whole log is on disk */
    const char *refused; /* why: not this worker's log, too long, disk full; "": accepted */
};

/* worker -> store: asks for the offset to continue at; answered by log_ack. */
struct log_resume {
    struct token token;
};

/* client -> store: reads a log; answered by log_piece frames up to `limit` bytes or the end. With
 * follow, pieces are sent until the log is sealed. */
struct log_read {
    struct token token;
    uint64_t offset;
    uint64_t limit; /* 0: to the end */
    bool follow;
};

/* store -> client. */
struct log_piece {
    struct token token;
    uint64_t offset;
    uint32_t raw_bytes;
    struct bytes zstd;
    bool last;           /* the last piece: the log is sealed, or the limit was reached */
    const char *problem; /* for example "no such log"; "" if there is none */
};

/* ---- client ------------------------------------------------------------------------------- */

/* A request. `verb` is a row of the coordinator's table of requests (coordinator/api/requests.h).
 * Arguments are JSON and checked there, so that a new verb needs no new message. */
struct request {
    const char *id; /* 32 random hex digits; an equal id means the same request */
    const char *verb;
    const char *arguments; /* a JSON object */
};

struct reply {
    const char *id;
    bool ok;
    bool more;          /* more replies to this request follow (watch) */
    const char *error;  /* one sentence that says what to do */
    uint32_t exit_code; /* exit status of the client if not ok (docs/operating.md) */
    const char *body;   /* JSON */
};

/* Any of the above, as sent over a link. `kind` is the frame's kind. */
enum message_kind {
    MESSAGE_NONE = 0,
    MESSAGE_HELLO = 1,
    MESSAGE_STATUS = 2,
    MESSAGE_WELCOME = 16,
    MESSAGE_REFUSED = 17,
    MESSAGE_HELLO_AGAIN = 18,
    MESSAGE_ORDERS = 19,
    MESSAGE_LOG_DATA = 32,
    MESSAGE_LOG_RESUME = 33,
    MESSAGE_LOG_ACK = 34,
    MESSAGE_LOG_READ = 35,
    MESSAGE_LOG_PIECE = 36,
    MESSAGE_REQUEST = 48,
    MESSAGE_REPLY = 49
};

struct message {
    enum message_kind kind;
    union {
        struct hello hello;
        struct status status;
        struct welcome welcome;
        struct refused refused;
        struct hello_again hello_again;
        struct orders orders;
        struct log_data log_data;
        struct log_resume log_resume;
        struct log_ack log_ack;
        struct log_read log_read;
        struct log_piece log_piece;
        struct request request;
        struct reply reply;
    };
};

extern const struct shape token_shape, variant_shape, target_shape, recipe_shape, needs_shape,
    inputs_shape, claim_shape, plan_item_shape, filesystem_shape, gpu_shape, pressure_shape,
    capabilities_shape, exit_facts_shape, product_shape, item_shape, hello_shape, status_shape,
    welcome_shape, refused_shape, hello_again_shape, order_shape, orders_shape, log_data_shape,
    log_resume_shape, log_ack_shape, log_read_shape, log_piece_shape, request_shape, reply_shape;

#endif
