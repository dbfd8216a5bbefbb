/* SPDX-License-Identifier: MIT */
/* limits.h - every maximum, with its reason.
 *
 * Everything that a peer, a file or a user can make large has its limit here. A limit is checked
 * where the bytes come in; code after that point may assert it.
 */
#ifndef FARM_LIMITS_H
#define FARM_LIMITS_H

/* flox's own rule for packages is ^[a-zA-Z0-9.\-_]{1,128}$ (flox openapi.json, catalog names). */
#define LIMIT_PACKAGE_BYTES 128
/* A ref is a file, so git fails on a path component above 255 bytes; a branch has one or a few. */
#define LIMIT_BRANCH_BYTES 240
/* Longest name of a project, worker, org, secret, target. flox orgs end at 63. */
#define LIMIT_NAME_BYTES 63
/* Longest other text in a message (reasons, URLs, commands): a few pages. */
#define LIMIT_TEXT_BYTES 8192
/* Variants of one run. The first user's matrix has 67, all known recipes of two repositories are
 * 1,295, and a benchmark dispatches 100,000. */
#define LIMIT_VARIANTS_PER_RUN 120000

/* Commits of a branch that discovery compares with its tip, two git processes each. A publication
 * meets one of the last few. */
#define LIMIT_KNOWN_COMMITS 16
/* Workers enrolled in one farm. Farms are meant to have 2 to 200; a ZeroMQ ROUTER needs about 85 kB
 * per peer, so this is 170 MB at most. */
#define LIMIT_WORKERS 2000
/* Attempts and publications that one worker may report in one status: its slots plus those that it
 * keeps until the log store has their logs. */
#define LIMIT_ITEMS_PER_STATUS 4096
/* Entries of a project's `allowed_uris`: a recipe fetches from a forge or two, and a mirror of
 * each. Together they are one text (LIMIT_TEXT_BYTES). */
#define LIMIT_ALLOWED_URIS 64
/* Slots of one worker. No known machine runs more heavy builds; jobs of the command builder are
 * light. */
#define LIMIT_SLOTS 256
/* Processes and threads of one attempt: a build with a job for each of 256 cores and ten processes
 * a job; a fork bomb ends there. */
#define LIMIT_SANDBOX_PROCESSES 4096
/* Entries of a sandbox's list: a host's loader, certificates, store, GPU nodes and libraries. */
#define LIMIT_SANDBOX_ENTRIES 128
/* Publications that one worker runs at a time: they share its uplink, so more of them would only
 * slow down each other. */
#define LIMIT_GRANTS_PER_WORKER 4
/* Memory or disk that one attempt reserves: no build takes 16 TiB, and the sum over LIMIT_SLOTS of
 * LIMIT_WORKERS workers on one machine fits 64 bits. */
#define LIMIT_RESERVATION_BYTES (1ull << 44)
/* Entries of each list that a host reports: CPU features, GPUs, systems, file systems. */
#define LIMIT_HOST_LIST 256
/* One control frame. Orders for 256 slots with a command of 8 kB each fit. */
#define LIMIT_CONTROL_FRAME_BYTES (4u << 20)
/* One frame of the join socket, in either direction. */
#define LIMIT_JOIN_FRAME_BYTES 8192
/* Stored invitations (`farm token create`): people make one per host. */
#define LIMIT_INVITATIONS 256
/* Handshakes and requests at the join socket per second: enough for a rack of hosts that join at
 * once, few enough that guessing a token is hopeless and the journal is not flooded. */
#define LIMIT_KNOCKS_PER_SECOND 20
/* One log frame: zstd may make a chunk of LIMIT_LOG_CHUNK_BYTES a little larger. */
#define LIMIT_LOG_FRAME_BYTES (2u << 20)
/* Raw log bytes in one frame: large enough for zstd to be efficient and for few frames per second,
 * small enough that a heartbeat behind it waits about a millisecond. */
#define LIMIT_LOG_CHUNK_BYTES (1u << 20)
/* Unacknowledged raw log bytes of one worker: limits the coordinator's memory for it. */
#define LIMIT_LOG_WINDOW_BYTES (16u << 20)
/* One stored log. A PyTorch build prints 5 to 50 MB. Beyond the limit the middle of the log is
 * omitted; the build goes on. */
#define LIMIT_LOG_BYTES (4ull << 30)
/* The file of a log: each phase may still write its first and last words beyond the limit, and a
 * file that says more was not written by a supervisor. */
#define LIMIT_LOG_FILE_BYTES (LIMIT_LOG_BYTES + (1ull << 20))
/* A reply to a client (JSON text). 120,000 jobs at about 500 bytes each. */
#define LIMIT_REPLY_BYTES (96u << 20)
/* Output of a discovery child: about that of a reply. */
#define LIMIT_DISCOVERY_BYTES (128u << 20)
/* Output of one git command of discovery: the tree of a repository of the size of nixpkgs, or the
 * texts of 100,000 recipes. */
#define LIMIT_GIT_BYTES (1u << 30)
/* Run time of a discovery child: the first clone of a repository of the size of nixpkgs over a slow
 * connection. */
#define LIMIT_DISCOVERY_MS (30u * 60 * 1000)
/* Run time of the process that reads a clone: the history and the trees of a repository of the size
 * of nixpkgs take a minute. */
#define LIMIT_READING_MS (10 * 60 * 1000)
/* Memory of that process, and of a git that it starts: the output of a git, its parsed tree and the
 * recipes. */
#define LIMIT_READING_DATA_BYTES (4ull << 30)
/* Discovery children at a time: each needs a git process and some memory. */
#define LIMIT_DISCOVERY_CHILDREN 4
/* One recipe's text; real ones are below 20 kB. */
#define LIMIT_RECIPE_BYTES (1u << 20)
/* Free disk space without which a coordinator does not begin: the WAL of the journal grows to 16 MB
 * before a checkpoint, and the checkpoint adds as much to the journal. */
#define LIMIT_START_ROOM_BYTES (32u << 20)
/* A configuration file. */
#define LIMIT_CONFIG_BYTES (1u << 20)
/* A secret: a JWT is about 1 kB, a signing key about 100 bytes. */
#define LIMIT_SECRET_BYTES 16384
/* A git bundle of unpushed commits (`farm build --from`): it must fit in one control frame. */
#define LIMIT_BUNDLE_BYTES (2u << 20)
/* A checkout phase: a first clone over a slow connection. */
#define LIMIT_CHECKOUT_MS (2ull * 3600 * 1000)
/* The pointer of a file that git-lfs keeps: the specification wants less than 1024 bytes. */
#define LIMIT_LFS_POINTER_BYTES 1023
/* Files of git-lfs in one checkout: a package has some test images or a model in some parts. */
#define LIMIT_LFS_FILES 4096
/* Their size together: what one checkout may take of a host's disk and line. A single file on
 * GitHub has at most 5 GB. */
#define LIMIT_LFS_BYTES (16ull << 30)
/* Objects that a server is asked about at a time: what the git-lfs program asks, too. */
#define LIMIT_LFS_BATCH 100
/* The answer to that: a signed URL has 1 to 2 kB. */
#define LIMIT_LFS_ANSWER_BYTES (1u << 20)
/* Submodules of one commit, those of submodules included: PyTorch has about 60. */
#define LIMIT_MODULES 256
/* How deep they may lie in each other. */
#define LIMIT_MODULES_DEPTH 8
/* The list of their files: 100 bytes for each of 600,000; Linux has 90,000. */
#define LIMIT_MODULES_LIST_BYTES (64u << 20)
/* What a server's packs of one checkout may have together, and the files made of them. */
#define LIMIT_MODULES_BYTES (8ull << 30)
/* Redirects after each other: a renamed repository, then its storage, then a region. */
#define LIMIT_REDIRECTS 5
/* A check phase: it runs the product and builds nothing. */
#define LIMIT_CHECK_MS (3600ull * 1000)
/* How long a check waits for a GPU that other checks have: half of what one of them may last. */
#define LIMIT_GPU_WAIT_MS (LIMIT_CHECK_MS / 2)
/* A publish phase: the upload of a CUDA closure, then up to 30 minutes in which flox waits for
 * confirmation. */
#define LIMIT_PUBLISH_MS (6ull * 3600 * 1000)
/* A disk with less free space than this is full: a compiler cannot write its next object file. */
#define LIMIT_DISK_FULL_BYTES (4ull << 20)
/* The end of a log that is searched for the cause of a failure. */
#define LIMIT_CAUSE_BYTES (256u << 10)
/* The lines of a log that show the cause of a failure; stored in the journal with the attempt. */
#define LIMIT_LINES_BYTES 1024
/* Inputs stepped in one turn, so that one commit stays small and heartbeats are answered in time.
 */
#define LIMIT_INPUTS_PER_TURN 1024
/* Attempts of a job before it closes `failed`, whatever the causes. */
#define LIMIT_ATTEMPTS_PER_JOB 12
/* Delivery of one notice to all its listeners: a mail server or web hook may be slow. */
#define LIMIT_NOTIFY_MS (2u * 60 * 1000)
/* How long delivery of a notice is retried: a night without network. */
#define LIMIT_NOTIFY_TRIES_MS (24ull * 3600 * 1000)
/* Warnings before one run starts: nobody reads more. */
#define LIMIT_WARNINGS 64
/* People or programs that get a farm's notices. */
#define LIMIT_LISTENERS 32
/* Nesting of messages and of JSON: none of ours is deeper than 6. */
#define LIMIT_NESTING 16
/* Memory to decode one message or record of `size` bytes. Small messages grow most: an empty list
 * item takes 2 bytes on the wire and about 300 in memory; 16 MB is enough for several times a
 * status of LIMIT_ITEMS_PER_STATUS empty items. Large messages are mostly text: a plan of 120,000
 * variants grows about 5 times. */
#define LIMIT_DECODE_BYTES(size) ((16u << 20) + (size_t)(size)*12)
/* Client connections that follow logs or events at a time, in all and per key. */
#define LIMIT_FOLLOWERS         256
#define LIMIT_FOLLOWERS_PER_KEY 32
/* Questions of one key that wait for an answer: people ask one at a time, scripts a few. */
#define LIMIT_QUESTIONS_PER_KEY 64
/* Of these, questions that wait for git (`farm plan`, `farm matrix`): each needs a process, and
 * runs wait for them. Twice the number that runs at a time, so that one key cannot delay others for
 * hours. */
#define LIMIT_DISCOVERIES_PER_KEY (2 * LIMIT_DISCOVERY_CHILDREN)
/* Memory for the messages of one turn; the others wait for the next turn. */
#define LIMIT_TURN_BYTES (64u << 20)
/* Texts in a worker's description of its host, and those of one attempt: real ones have a few
 * hundred bytes. They are stored in the journal. */
#define LIMIT_HOST_BYTES (64u << 10)
/* Connections to one socket of the coordinator: LIMIT_WORKERS, plus clients. */
#define LIMIT_CONNECTIONS 4096
/* Of these, connections of one key on which anything was received. A worker has one or two, and for
 * half a minute a few more that its network lost; a user's scripts run dozens of commands in
 * parallel. To keep others out, 32 keys would have to cooperate. */
#define LIMIT_CONNECTIONS_PER_KEY 128
/* Frames queued at one connection, per direction: an honest peer has one or two. */
#define LIMIT_FRAMES_WAITING 32

/* ---- connections ---------------------------------------------------------------------------- */

/* Connections that the kernel holds for a listener until it takes them: a farm's workers all come
 * back at once after a restart. */
#define LIMIT_BACKLOG 1024
/* A handshake: a connection that says nothing ends, and so do those that zap.c refused. */
#define LIMIT_HANDSHAKE_MS 5000
/* A try to connect: of an address that swallows packets. */
#define LIMIT_CONNECT_MS 10000
/* Between two tries: a restarted coordinator has its workers back within two seconds. */
#define LIMIT_RECONNECT_MS 800
/* The same where a handshake was refused time and again: long enough that a thousand forgotten
 * workers cost a coordinator less than one build, short enough for a person who has just enrolled
 * the key and watches. */
#define LIMIT_REFUSED_MS 10000
/* A connection whose other end answers no heartbeat: shorter than the kernel's own two hours,
 * longer than a network that reroutes. */
#define LIMIT_SILENT_LINK_MS 30000
/* Log frames that wait at one reader: a mebibyte each at worst, for each of LIMIT_FOLLOWERS. */
#define LIMIT_LOG_FRAMES_TO_READER 8
/* Log frames that wait from one worker: LIMIT_LOG_WINDOW_BYTES are 16 full ones, and some words. */
#define LIMIT_LOG_FRAMES_FROM_WORKER 20
/* Strangers connected to the socket where hosts join: joining takes a second. */
#define LIMIT_JOIN_CONNECTIONS 256
/* A stranger there that says nothing. */
#define LIMIT_JOIN_SILENT_MS 5000
/* How long an invitation is open: longer ones are forgotten in mails and histories. */
#define LIMIT_INVITATION_MS (30ull * 86400 * 1000)

/* ---- hosts over ssh ---------------------------------------------------------------------------
 */

/* Sessions at a time: each is a descriptor, some memory, and a login that the hosts' network sees.
 */
#define LIMIT_SSH_SESSIONS 32
/* A known_hosts file: some hundred thousand keys. */
#define LIMIT_KNOWN_HOSTS_BYTES (64u << 20)
/* A key file: an RSA key of 16384 bits has 13 kB. */
#define LIMIT_KEY_FILE_BYTES (1u << 16)
/* `ssh -G` looks up at most a name or two. */
#define LIMIT_SSH_ASK_MS 15000
/* A host on the other side of the world answers within a second; a busy one after some. */
#define LIMIT_SSH_CONNECT_MS   10000
#define LIMIT_SSH_HANDSHAKE_MS 20000
#define LIMIT_SSH_LOGIN_MS     30000
/* A person looks at a fingerprint or types a passphrase: hosts close after LoginGraceTime, 120 s.
 */
#define LIMIT_SSH_PERSON_MS 110000
/* What was sent and is not acknowledged for so long ends the connection. */
#define LIMIT_SSH_SILENT_MS 30000
/* A host that says nothing for so long while it works: a slow disk syncs for a while. */
#define LIMIT_SSH_QUIET_MS 60000
/* All that one session does, without the time in which a person answers or the session waits for
 * its next command: a bundle over a slow line takes some minutes. */
#define LIMIT_SSH_SESSION_MS (30u * 60 * 1000)
/* Bytes that a session reads in one turn: a host that sends without a pause does not keep the loop
 * from the other hosts and from the time limits. */
#define LIMIT_SSH_TURN_BYTES (1u << 20)
/* A forwarded port: the host answers at once or is busy with other logins. */
#define LIMIT_TUNNEL_MS 20000
/* Connections through one tunnel at a time: a worker has two; some more while it reconnects. */
#define LIMIT_TUNNEL_PIPES 32
/* A worker's bundle: ours are 3 MB; one with sanitizers in it is ten times that. */
#define LIMIT_ARCHIVE_BYTES (256u << 20)
/* From a worker's start until the coordinator has heard of it. */
#define LIMIT_SEEN_MS 45000
/* Its first job: through the queue, and it clones a branch first. */
#define LIMIT_SMOKE_MS (15u * 60 * 1000)

/* ---- a worker as a service ------------------------------------------------------------------ */

/* systemctl, loginctl and their kind: they answer at once, on a booting host after a while. */
#define LIMIT_TOOL_MS (60u * 1000)
/* What they print, and a unit or nix.conf as it is on disk. */
#define LIMIT_TOOL_BYTES (1u << 20)
/* Until a user's manager runs after lingering was switched on. */
#define LIMIT_MANAGER_MS (10u * 1000)
/* Until the service runs: systemd's own queue may be long on a booting host. */
#define LIMIT_SERVICE_START_MS (20u * 1000)
/* Until it has stopped: longer than TimeoutStopSec of the unit. */
#define LIMIT_SERVICE_STOP_MS (25u * 1000)

#endif
