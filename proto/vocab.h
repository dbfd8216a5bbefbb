/* SPDX-License-Identifier: MIT */
/* vocab.h - the nouns that coordinator, worker and client share, as plain structs.
 *
 * The words are those of docs/glossary.md. Every struct here has a shape (vocab.c), from which its
 * protobuf codec, its JSON and its text are made; conventions of ownership are shape.h's: texts are
 * never NULL, whoever made the struct owns what it points to. Sizes are bytes, times milliseconds.
 * Pure: no I/O, no protobuf; the cores include it.
 */
#ifndef FARM_VOCAB_H
#define FARM_VOCAB_H

#include "proto/base/shape.h"

#include <stdbool.h>
#include <stdint.h>

/* The fencing token of an attempt or of a publication's try, and the name of its log. `number` is
 * counted farm-wide and never reused within an epoch; the epoch rises when a journal is restored
 * or moved. Written "epoch.number", e.g. "1.42". Zero is "none". */
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

/* Where an attempt (or a publication's try) stands on its worker. A publication's try has
 * CHECKOUT, then PUBLISH. */
enum phase { PHASE_NONE, PHASE_CHECKOUT, PHASE_BUILD, PHASE_CHECK, PHASE_PUBLISH };
extern const char *const phase_names[]; /* none checkout build check publish */

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_WORKER };
extern const char *const role_names[];

enum builder { BUILDER_NONE, BUILDER_FLOX, BUILDER_NIX, BUILDER_COMMAND };
extern const char *const builder_names[]; /* none flox nix command */

enum target_kind { TARGET_NONE, TARGET_FLOX, TARGET_NIX_CACHE, TARGET_COMMAND };
extern const char *const target_kind_names[]; /* none flox nix-cache command */

/* Whether the check runs: AUTO = the branch's own test-build.sh where the host can run the
 * result; REQUIRED = only hosts that can run it are eligible; OFF = never. */
enum check_mode { CHECK_AUTO, CHECK_REQUIRED, CHECK_OFF };
extern const char *const check_mode_names[]; /* auto required off */

/* What the check proved. */
enum checked { CHECKED_NONE, CHECKED_CPU, CHECKED_GPU };
extern const char *const checked_names[]; /* none cpu gpu */

/* Why a job ended. A job that is not closed has VERDICT_NONE. */
enum verdict {
    VERDICT_NONE,
    VERDICT_OK,
    VERDICT_FAILED,
    VERDICT_TIMED_OUT,
    VERDICT_CANCELLED,
    VERDICT_SKIPPED,   /* its inputs equal those of the newest ledger entry */
    VERDICT_BLOCKED,   /* something it needs is not there (a collision not decided, a held org) */
    VERDICT_UNROUTABLE /* no host, present or future of this farm, can take it */
};
extern const char *const verdict_names[];

/* How an attempt ended. */
enum outcome {
    OUTCOME_NONE,
    OUTCOME_OK,
    OUTCOME_FAILED,  /* a phase ended badly; see cause */
    OUTCOME_STOPPED, /* told to stop: cancelled, or no longer wanted */
    OUTCOME_LOST,    /* its host went away for longer than the grace, or its supervisor died */
    OUTCOME_REFUSED  /* the worker could not even begin (no slot, no disk, unknown project) */
};
extern const char *const outcome_names[];

/* Why an attempt or a publication's try ended badly: evidence first, text second. */
enum cause {
    CAUSE_NONE,
    CAUSE_OOM,        /* the kernel killed something of it for memory */
    CAUSE_DISK_FULL,  /* the host's disk was full */
    CAUSE_SILENT,     /* printed nothing for longer than silence_ms */
    CAUSE_TIMEOUT,    /* ran longer than wall_ms */
    CAUSE_HOST_LOST,  /* the host went away, rebooted, or the supervisor was killed */
    CAUSE_NETWORK,    /* a download, a fetch or a service out of reach */
    CAUSE_STORE,      /* the nix store lost something meanwhile (garbage collected) */
    CAUSE_EVAL,       /* the recipe does not evaluate */
    CAUSE_WRONG_HOST, /* the host lacks the system or feature it claimed */
    CAUSE_AUTH,       /* token missing, expired, rejected */
    CAUSE_DENIED,     /* the org refuses this account */
    CAUSE_CONFIG,     /* the request is wrong: unknown package, untracked file, no upstream */
    CAUSE_PUBLISH,    /* publishing failed for another reason */
    CAUSE_STALE,      /* no_rebuild: the built outputs are gone, build again */
    CAUSE_CHECK,      /* built, but its check failed */
    CAUSE_COMPILE,    /* the builder ran and failed: the code's own fault */
    CAUSE_UNKNOWN
};
extern const char *const cause_names[]; /* with dashes: disk-full, host-lost, wrong-host */

/* One package of one branch for one system, with what its name says (README of the matrix: names
 * look like torchvision-python313-cuda12_8-sm90-avx512). Attributes are "" where the name is
 * silent. */
struct variant {
    const char *project;
    const char *branch;
    const char *commit; /* 40 hex digits; "" where not pinned yet */
    const char *package;
    const char *system; /* "x86_64-linux"; "" when nothing tells it: unroutable */
    const char *gpu;    /* "sm90", "cpu" */
    const char *isa;    /* "avx512", "armv8_2" */
    const char *cuda;   /* "12.8" */
    const char *python; /* "3.13" */
};

/* Where a branch publishes to. kind NONE: build only. (name, package, system) is the key of a
 * publication. */
struct target {
    enum target_kind kind;
    const char *name;     /* the org; for a cache or a command the target's name in farm.yaml */
    const char *location; /* nix-cache: store URI; command: the shell command; flox: "" */
    const char *secret;   /* name of the secret that goes with a grant; "" for none */
    bool no_rebuild;      /* forbid a publish that starts to build */
};

/* All a worker needs to build a variant: self-contained, so that an order means the same whatever
 * the worker knew before. */
struct recipe {
    enum builder builder;
    const char *url;     /* git URL of the project; becomes `origin` as it is (flox stores it) */
    const char *path;    /* the recipe's file in the repository, "" for the command builder */
    const char *command; /* command builder: run by sh -c, FARM_PACKAGE etc. in its environment */
    const char *bundle; /* `farm build --from`: name of the git bundle that has the commit, or "" */
    bool checkout;      /* false: run in an empty folder, no git (light jobs, smoke jobs) */
    enum check_mode check;
    bool has_check;       /* the commit tracks a test-build.sh at its top */
    uint64_t wall_ms;     /* 0: no limit. From the start of the build phase, never from the queue */
    uint64_t silence_ms;  /* 0: no limit */
    const char *rules;    /* the farm's own rules of failure, a line each: cause, space, PCRE2 */
    const char *evaluate; /* command builder: evaluates the package and builds nothing, "" none */
    enum builder tool;    /* command builder: whose programs the command calls; NONE: no matter */
};

/* What a job reserves on its host while an attempt runs. */
struct needs {
    bool heavy; /* takes one of the host's heavy slots (big-parallel) beside an ordinary one */
    uint64_t memory_bytes;
    uint64_t disk_bytes;
};

/* What decides the result: equal inputs are the same package. */
struct inputs {
    const char *hash; /* 64 hex digits, "" unknown */
    bool pinned;      /* the recipe pins all it imports, so the hash may be trusted for skipping */
};

/* A discovered variant with everything a run needs to know of it. */
struct plan_item {
    struct variant variant;
    struct recipe recipe;
    struct needs needs;
    struct inputs inputs;
    struct target target;
    const char *problem; /* why it cannot be built as it stands ("not tracked"), "" if it can */
};

/* A file system of a host; reservations of disk are made on it. */
struct filesystem {
    const char *id; /* stable on that host, e.g. "8:1" */
    bool is_store;  /* holds the nix store */
    bool is_build;  /* holds build directories and worktrees */
    bool is_state;  /* holds the attempt folders and logs */
    uint64_t free_bytes;
    uint64_t total_bytes;
};

struct gpu {
    const char *name;
    const char *compute; /* "9.0" */
};

/* Pressure stall, avg10 in hundredths of a per cent (integers: the core ranks without floats). */
struct pressure {
    uint32_t cpu_some;
    uint32_t memory_full;
    uint32_t io_full;
};

/* What a worker says it is and has. The owner of the host sets the limits. */
struct capabilities {
    const char *hostname;
    const char *machine_id; /* reservations belong to machines, not to workers */
    const char **systems;   /* native first; emulated ones only if the owner opted in */
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
    bool may_publish;     /* the owner's word; the coordinator's enrolment must agree */
    const char *git_version;
    const char *problem; /* why it takes no builds ("git missing"), "" if it does */
};

/* The facts at the end of a phase, from the supervisor's own observation. */
struct exit_facts {
    int64_t status;       /* exit code, -1 when a signal ended it */
    uint32_t signal;      /* 0 when it exited */
    uint32_t oom_kills;   /* of its cgroup, where there is one */
    uint64_t free_bytes;  /* on the build file system, at the exit */
    uint64_t cpu_ms;      /* user and system time of the process tree */
    uint64_t memory_peak; /* largest resident set of one process, or the cgroup's peak */
    uint64_t wall_ms;
    bool timed_out;
    bool silent;
    uint64_t disk_bytes;       /* by how much the free space fell at most while it ran; 0 unknown */
    uint32_t daemon_oom_kills; /* of nix-daemon's cgroup, meanwhile: maybe another build's */
    bool daemon_restarted;     /* nix-daemon is not the one that was there when it began */
    uint32_t memory_stall;     /* of the host at the exit, as in struct pressure */
    uint32_t io_stall;
};

/* What a successful build produced; a publication is held to it. */
struct product {
    const char *derivation;
    const char **paths; /* store paths, "out" first */
    size_t paths_count;
    enum checked checked;
};

/* What one attempt or publication's try looks like from its worker. */
enum item_state {
    ITEM_NONE,
    ITEM_ACCEPTED, /* folder made, nothing runs yet */
    ITEM_RUNNING,  /* `phase` runs */
    ITEM_ENDED     /* outcome, cause, facts and product are final */
};
extern const char *const item_state_names[];

struct item {
    struct token token;
    bool is_publication;
    enum item_state state;
    enum phase phase;
    uint64_t log_bytes;     /* so far; final when ENDED */
    uint64_t started_at_ms; /* wall clock of the host, for people only */
    enum outcome outcome;
    enum cause cause;
    const char *detail; /* one line that says it: the text that matched, "" if none */
    enum phase failed_phase;
    struct exit_facts facts;
    struct product product;
    bool already_published; /* publication: the target had it */
    bool rebuilt;           /* publication: the publish started to build, or ended elsewhere */
    bool unsure;            /* publication: may have happened; must be asked again */
    struct variant variant; /* what it works on, so that an unknown attempt can be adopted */
    uint64_t signature;     /* equal for ends that look alike, whatever the variant; 0 none */
    const char *lines;      /* those that say it, as they were printed, at most LIMIT_LINES_BYTES */
    /* RUNNING, when a limit is near: what its phase is stopped for unless it advances, and when
     * (boot time of the host, as at_ms of hello and status). NONE, 0: nothing is announced. */
    enum cause stop_cause;
    uint64_t stop_at_ms;
};

/* ---- worker -> coordinator ---------------------------------------------------------------- */

struct hello {
    uint32_t major, minor;
    const char *program;  /* version text of the agent, for people */
    const char *instance; /* random, kept in the worker's home: tells two workers with one key */
    const char *boot_id;
    uint64_t at_ms; /* boot time of the host: what was said later in one boot counts */
    struct capabilities capabilities;
    struct item *items;
    size_t items_count;
};

/* Level-triggered: all of it, every time. Sent on each change and at least each heartbeat_ms. */
struct status {
    uint64_t session;     /* from welcome */
    uint64_t sequence;    /* rises by one a status, also from session to session */
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
    uint64_t lost_grace_ms; /* how long the coordinator waits for this worker, for its log */
    const char *worker;     /* the name it is enrolled under */
    const char
        *log_endpoint; /* "" : same host as the control endpoint, port from the client config */
};

/* Your session is unknown here: say hello. Without its name an answer to an older session would end
 * the new one, and over a slow line so for ever. */
struct hello_again {
    uint64_t session; /* of the status that this answers; 0: whichever it was */
};

struct refused {
    const char *reason; /* says what to do; the agent prints it and tries again later */
    bool permanent;     /* trying again is of no use before somebody acts */
};

enum order_kind {
    ORDER_NONE,
    ORDER_OFFER,  /* begin this attempt; idempotent by token */
    ORDER_STOP,   /* end it, report it stopped */
    ORDER_FORGET, /* result and log are safe: remove the folder */
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
    struct product product; /* GRANT: what it built */
    struct bytes secret;    /* GRANT: never stored, never logged */
    struct bytes bundle;    /* OFFER: the git bundle that recipe.bundle names, added by the desk */
    const char *reason;     /* STOP */
};

/* All orders that the worker's last status did not show as done. Level-triggered too. */
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
    bool last;         /* the log ends behind this piece (raw_bytes may be 0) */
};

/* store -> worker: all raw bytes before `offset` are on disk. Also the answer to log_resume. */
struct log_ack {
    struct token token;
    uint64_t offset;
    bool sealed;         /* the whole log is on disk */
    const char *refused; /* not this worker's log, log too long, disk full: "" when accepted */
};

/* worker -> store: where do I go on? */
struct log_resume {
    struct token token;
};

/* client -> store: read; answered by log_piece frames until `limit` bytes or the end. With follow,
 * pieces go on coming until the log is sealed. */
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
    bool last;           /* nothing follows: sealed and complete, or the limit was reached */
    const char *problem; /* "no such log", "" if none */
};

/* ---- client ------------------------------------------------------------------------------- */

/* A request. `verb` is a row of the coordinator's table of requests (coordinator/api/requests.h);
 * arguments are JSON, checked there, so that a new verb needs no new message. */
struct request {
    const char *id; /* 32 hex digits of chance; the same id again is the same request */
    const char *verb;
    const char *arguments; /* a JSON object */
};

struct reply {
    const char *id;
    bool ok;
    bool more;          /* further replies to this request follow (watch) */
    const char *error;  /* one sentence that says what to do */
    uint32_t exit_code; /* what the program ends with when !ok (docs: exit codes) */
    const char *body;   /* JSON */
};

/* One of all of the above, as it goes through a link. `kind` is the frame's. */
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
    inputs_shape, plan_item_shape, filesystem_shape, gpu_shape, pressure_shape, capabilities_shape,
    exit_facts_shape, product_shape, item_shape, hello_shape, status_shape, welcome_shape,
    refused_shape, hello_again_shape, order_shape, orders_shape, log_data_shape, log_resume_shape,
    log_ack_shape, log_read_shape, log_piece_shape, request_shape, reply_shape;

#endif
