/* SPDX-License-Identifier: MIT */
/* commands.c - the table of commands: all that `farm` can do, and all that is said about it. */
#include "coordinator/cli/commands.h"

const struct exit_text exit_texts[] = {
    {EXIT_FINE, "it is done, and all went well"},
    {EXIT_BAD_END, "the run or the job ended with failures"},
    {EXIT_USAGE, "the command line is wrong"},
    {EXIT_REFUSED, "the farm or this machine refused; the message says why"},
    {EXIT_UNREACHABLE, "no coordinator answers"},
    {EXIT_NOT_ALLOWED, "the role of your key is not enough"},
    {EXIT_INTERRUPTED, "interrupted by Ctrl-C; what was started goes on"},
    {EXIT_FINE, NULL},
};

const struct command_option common_options[] = {
    {"home", 'H', "DIR", "The farm's folder (default: $FARM_HOME, then ~/.local/state/floxfarm)"},
    {"help", 'h', NULL, "Say what the command does"},
    {NULL, 0, NULL, NULL},
};

#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", 0, NULL, "Print JSON for programs"                                                 \
    }
#define OPTION_PROJECT                                                                             \
    {                                                                                              \
        "project", 'p', "NAME", "Only this project of the farm"                                    \
    }
#define OPTION_DETACH                                                                              \
    {                                                                                              \
        "detach", 'd', NULL, "Do not follow the run; print its number and end"                     \
    }
#define OPTION_END                                                                                 \
    {                                                                                              \
        NULL, 0, NULL, NULL                                                                        \
    }

static const struct command_option no_options[] = {OPTION_END};
static const struct command_option json_options[] = {OPTION_JSON, OPTION_END};
static const struct command_option init_options[] = {
    {"force", 0, NULL, "Replace a farm.yaml that is there"}, OPTION_END};
static const struct command_option up_options[] = {
    {"no-worker", 0, NULL, "Only the coordinator, no worker on this machine"},
    {"may-publish", 0, NULL, "The local worker may publish: it is trusted with the organisation"},
    {"slots", 0, "N", "Attempts at a time on the local worker"},
    {"at-boot", 0, NULL, "From now on cron does this when the machine boots"},
    {"on", 0, "USER@HOST", "The coordinator runs on that host, and is used from here"},
    {"there", 0, "DIR", "With --on: the farm's folder there (default: what farm takes there)"},
    {"prefix", 0, "DIR", "With --on: where its programs go there"},
    {"accept-new", 0, NULL, "With --on: take the key of a host that is not known yet"},
    {"identity", 'i', "FILE", "With --on: log in with this key first"},
    OPTION_END};
static const struct command_option down_options[] = {
    {"workers", 0, NULL, "Stop the workers of this machine, too; what they build goes on"},
    {"at-boot", 0, NULL, "Have the next boot start nothing, either"},
    OPTION_END};
static const struct command_option matrix_options[] = {
    OPTION_PROJECT, OPTION_JSON, {"markdown", 0, NULL, "Print a Markdown table"}, OPTION_END};
static const struct command_option plan_options[] = {
    OPTION_PROJECT,
    {"publish", 0, NULL, "As if it were published, too: collisions and who may publish"},
    {"force", 0, NULL, "As if unchanged packages were built, too"},
    OPTION_JSON,
    OPTION_END};
static const struct command_option rebuild_options[] = {
    OPTION_PROJECT,
    {"publish", 0, NULL, "Publish what was built, where the branch has a target"},
    {"force", 0, NULL, "Build unchanged packages, too"},
    {"priority", 0, "N", "Before runs with a lower one (default 0)"},
    OPTION_DETACH,
    OPTION_END};
static const struct command_option build_options[] = {
    {"from", 0, "DIR", "The checkout (default: here)"},
    {"on", 0, "WORKER", "On this worker only"},
    OPTION_PROJECT,
    OPTION_DETACH,
    OPTION_END};
static const struct command_option logs_options[] = {
    {"follow", 'f', NULL, "Go on while the log grows"},
    {"attempt", 0, "N", "Of this attempt (default: the newest)"},
    {"publish", 0, NULL, "The log of publishing instead of building"},
    {"raw", 0, NULL, "All bytes as they are, also on a terminal"},
    OPTION_END};
static const struct command_option retry_options[] = {
    {"failed", 0, NULL, "Only what failed"},
    {"at", 0, "BRANCH", "At the tip of this branch instead of the same commits: after a fix"},
    OPTION_DETACH,
    OPTION_END};
static const struct command_option settle_options[] = {
    {"as", 0, "WORD", "What became of it: published, not-published or give-up"}, OPTION_END};
static const struct command_option cancel_options[] = {
    {"job", 0, NULL, "The argument names a job, also when it is a number"}, OPTION_END};
static const struct command_option worker_add_options[] = {
    {"check", 0, NULL, "Only say what would be done, and what is missing there"},
    {"inventory", 0, "FILE", "Hosts from a YAML file, many at a time"},
    {"name", 0, "NAME", "The worker's name (default: the host's)"},
    {"replace", 0, "NAME", "The host was installed anew: shut out its old key, take its new one"},
    {"may-publish", 0, NULL, "It may publish: it is trusted with the organisation"},
    {"slots", 0, "N", "Attempts at a time"},
    {"accept-new", 0, NULL, "Take the key of a host that is not known yet without asking"},
    {"identity", 'i', "FILE", "Log in with this key first"},
    {"tunnel", 0, NULL, "The host cannot reach the coordinator: keep a tunnel open from here"},
    {"coordinator", 0, "ENDPOINT",
     "How hosts reach the coordinator (default: as this machine does)"},
    {"prefix", 0, "DIR", "Where its programs go (default /opt/floxfarm, or below the user's home)"},
    {"worker-home", 0, "DIR", "Where its clones and attempts go (default: the worker's own)"},
    {"run-as", 0, "USER", "As root: the user it runs as (default: floxfarm)"},
    {"no-smoke", 0, NULL, "Do not run a small job on it at the end"},
    OPTION_END};
static const struct command_option worker_upgrade_options[] = {
    {"all", 0, NULL, "All workers that were added from here"},
    {"flox", 0, NULL, "Renew flox there, too: each host is drained first, one after the other"},
    OPTION_END};
static const struct command_option worker_start_options[] = {
    {"program", 0, "PATH", "farm-worker (default: the one beside farm)"},
    {"supervisor", 0, "PATH", "farm-supervisor (default: the one beside farm-worker)"},
    {"slots", 0, "N", "Attempts at a time"},
    {"heavy", 0, "N", "Of these, heavy ones at a time (default 1)"},
    {"may-publish", 0, NULL, "It may publish: it is trusted with the organisation"},
    {"emulate", 0, "SYSTEM", "Take jobs of this system, too, emulated"},
    {"worker-home", 0, "DIR", "The worker's folder (default: workers/NAME in the farm's)"},
    OPTION_END};
static const struct command_option worker_drain_options[] = {
    {"reason", 0, "TEXT", "Why, for those who read worker list"}, OPTION_END};
static const struct command_option worker_clean_options[] = {
    {"keep", 0, "SIZE", "Stop when this much is free, e.g. 150G"},
    {"dry-run", 0, NULL, "Only say what would be removed"},
    OPTION_END};
static const struct command_option worker_remove_options[] = {
    {"discard", 0, NULL, "Give up what only this host could still publish"},
    {"purge", 0, NULL, "Delete its clones, logs and key on its host, too"},
    OPTION_END};
static const struct command_option ledger_options[] = {
    {"matrix", 0, NULL, "The newest published commit of every variant, as a grid a branch"},
    {"markdown", 0, NULL, "The same as a Markdown table, for a README"},
    {"import", 0, "FILE", "Adopt what was published before: a JSON list as --json prints it"},
    OPTION_JSON,
    OPTION_END};
static const struct command_option key_add_options[] = {
    {"public", 0, "KEY", "Its public key, or a .pub file (default: a new pair is made)"},
    {"role", 0, "ROLE", "viewer, operator (default), admin or worker"},
    {"may-publish", 0, NULL, "A worker that may publish"},
    {"replace", 0, NULL,
     "A worker's: instead of the key that has this name; what the old host ran is given up"},
    OPTION_END};
static const struct command_option token_create_options[] = {
    {"ttl", 0, "TIME", "How long it is good for, e.g. 30m, 1h, 2d (default 1h)"},
    {"role", 0, "ROLE", "worker (default), viewer or operator"},
    {"name", 0, "NAME", "What the farm will call whoever joins (default: they say)"},
    {"may-publish", 0, NULL, "A worker that may publish: it is trusted with the organisation"},
    {"address", 0, "HOST", "How others reach this coordinator (default: found out)"},
    OPTION_JSON,
    OPTION_END};
static const struct command_option join_options[] = {
    {"token", 0, "TOKEN", "What farm token create printed"},
    {"name", 0, "NAME", "What the farm is to call you (default: your login)"},
    OPTION_END};
static const struct command_option restore_options[] = {
    {"back", 0, NULL, "Also where the farm was moved away from: it comes back"},
    {"complete", 0, NULL, "Do not pause the farm: it did nothing after the backup was made"},
    OPTION_END};
static const struct command_option move_options[] = {
    {"to", 0, "DIR", "The farm's folder there (default: what farm takes there)"},
    {"program", 0, "PATH", "The farm program there (default: by PATH)"},
    OPTION_END};
static const struct command_option help_options[] = {
    {"markdown", 0, NULL, "All commands as docs/cli.md"},
    {"man", 0, NULL, "All commands as a man page"},
    {"completion", 0, NULL, "Completion for bash"},
    OPTION_END};

static const struct command commands[] = {
    {"init", "URL", "Write farm.yaml for a repository: its branches with packages",
     "Publishing is off until you choose a target for a branch in farm.yaml.", init_options, 1, 1,
     "farm init https://example.org/build-torchvision", false, true, cmd_init},
    {"project add", "URL", "Put a second repository into farm.yaml",
     "Behind the others; what stands there stays as it is. A running coordinator reads it again.",
     no_options, 1, 1, "farm project add https://example.org/build-torchaudio", false, true,
     cmd_project_add},
    {"up", "", "Start the coordinator and a worker on this machine",
     "Makes keys where there are none. What runs already is left as it is. With --on, farm.yaml "
     "and the "
     "programs are sent to another host over SSH, and commands here speak to the coordinator "
     "there. "
     "With --at-boot, or on that host, a line of the user's crontab starts it again after a boot.",
     up_options, 0, 0, "farm up --may-publish", false, false, cmd_up},
    {"down", "", "Stop the coordinator; builds go on",
     "A coordinator that is started again finds what runs and what ended meanwhile.", down_options,
     0, 0, "farm down --workers", false, true, cmd_down},
    {"config check", "", "Say whether farm.yaml is fine, and where not",
     "A running coordinator reads the file again on SIGHUP or at its next start.", no_options, 0, 0,
     "farm config check", false, true, cmd_config_check},
    {"config explain", "", "Print farm.yaml with every option, its default and its meaning", "",
     no_options, 0, 0, "farm config explain | less", false, true, cmd_config_explain},
    {"matrix", "[FILTER...]", "List the variants of the branches",
     "A filter is words like gpu=sm90,sm100 isa='avx512*' branch=main system=aarch64-linux "
     "cuda=12.8, or a part of a package's name. Words are and-ed, commas or-ed.",
     matrix_options, 0, -1, "farm matrix branch=main isa=avx512", false, false, cmd_matrix},
    {"plan", "[FILTER...]", "Say what a rebuild would do, where, and why not",
     "Made by the functions that will decide: what is unchanged, collides, or no host can take.",
     plan_options, 0, -1, "farm plan branch=cuda-13_0 --publish", false, false, cmd_plan},
    {"rebuild", "[FILTER...]", "Build the matrix, or what the filter chooses",
     "Pins each branch's commit, starts, and follows with progress and ETA. The last line is the "
     "result, like \"67 ok, 0 failed, 67 published\".",
     rebuild_options, 0, -1, "farm rebuild --publish", true, false, cmd_rebuild},
    {"build", "PKG", "Build one package from a checkout, pushed or not; never publishes",
     "Commits that are not pushed travel along. Changes that are not committed are not built.",
     build_options, 1, 1, "farm build torchvision-python313-cpu-avx2 --from .", true, false,
     cmd_build},
    {"status", "[RUN]", "Show a run as a grid, GPU by ISA for each branch",
     "Without RUN the newest. Failures stand below with their causes.", json_options, 0, 1,
     "farm status 3", false, false, cmd_status},
    {"watch", "[RUN]", "The grid, live; a line an event where there is no terminal",
     "Ends with the run. Where there was no run yet it tells the events of the farm.", no_options,
     0, 1, "farm watch", true, false, cmd_watch},
    {"runs", "", "List the runs", "", json_options, 0, 0, "farm runs", false, false, cmd_runs},
    {"logs", "JOB", "Print the log of a job",
     "JOB is a package's name or a unique part of it, in the newest run first; RUN/PART, "
     "BRANCH:PART or #NUMBER. The bytes are the builder's own; on a terminal everything but text "
     "and colours is left out.",
     logs_options, 1, 1, "farm logs cuda12_8-sm90-avx512 -f", true, false, cmd_logs},
    {"why", "JOB|RUN", "Say what it waits for, per host, or how it failed",
     "The reasons are the scheduler's own.", json_options, 1, 1, "farm why sm90-avx512", false,
     false, cmd_why},
    {"retry", "RUN [FILTER...]", "Start a new run of what an earlier one built",
     "Earlier attempts and their logs stay. What was built and only not published is published, "
     "not built again.",
     retry_options, 1, -1, "farm retry 3 --failed --at main", true, false, cmd_retry},
    {"publish", "RUN|FILTER...", "Publish what earlier runs built", "", no_options, 1, -1,
     "farm publish 3", false, false, cmd_publish},
    {"settle", "PUBLICATION", "Say what became of a publication that nobody else can tell",
     "Its number is in status --json and why. Until then nobody else may publish that package.",
     settle_options, 1, 1, "farm settle 12 --as published", false, false, cmd_settle},
    {"release", "RUN|JOB", "Build what is held because one of its family failed",
     "Such jobs wait until hosts have nothing else to do; `farm why RUN` shows for what.",
     no_options, 1, 1, "farm release 3", false, false, cmd_release},
    {"cancel", "RUN|JOB", "Stop a run or a job",
     "Neither a publication that runs is interrupted, nor a build that another run waits for.",
     cancel_options, 1, 1, "farm cancel 3", false, false, cmd_cancel},
    {"pause", "[REASON...]", "Start nothing new; what runs goes on", "", no_options, 0, -1,
     "farm pause moving house", false, false, cmd_pause},
    {"resume", "", "Start new work again after pause", "", no_options, 0, 0, "farm resume", false,
     false, cmd_resume},
    {"worker list", "", "List the workers, what they have and do", "", json_options, 0, 0,
     "farm worker list", false, false, cmd_worker_list},
    {"worker add", "[USER@HOST]", "Make a host a worker, over SSH",
     "Looks at the host, sends the worker with its libraries, makes its key there, lets it in, "
     "starts it as a service and runs a small job on it. Run again, it finishes what was broken "
     "off and changes what is said anew.",
     worker_add_options, 0, 1, "farm worker add builder@arm1.example --check", false, false,
     cmd_worker_add},
    {"worker upgrade", "[NAME...]", "Renew the programs of workers; builds go on", "",
     worker_upgrade_options, 0, -1, "farm worker upgrade --all", false, false, cmd_worker_upgrade},
    {"worker tunnel", "NAME", "Keep the tunnel of a worker open; worker add --tunnel starts this",
     "Reconnects until it is stopped. It logs in without asking: with the agent, or a key without "
     "a passphrase.",
     no_options, 1, 1, "farm worker tunnel laptop-arm1", false, true, cmd_worker_tunnel},
    {"worker start", "NAME", "Start a worker on this machine",
     "Makes its key, enrols it, and starts it in the background.", worker_start_options, 1, 1,
     "farm worker start second --slots 2", false, false, cmd_worker_start},
    {"worker drain", "NAME", "Give a worker nothing new; what it has goes on", "",
     worker_drain_options, 1, 1, "farm worker drain local --reason maintenance", false, false,
     cmd_worker_drain},
    {"worker resume", "NAME", "Give a drained or quarantined worker work again", "", no_options, 1,
     1, "farm worker resume local", false, false, cmd_worker_resume},
    {"worker check", "NAME", "Send a worker a small job that shows it can build",
     "Each branch is checked out there, and where there is nix it builds something tiny. Nothing "
     "is "
     "published.",
     no_options, 1, 1, "farm worker check arm1", true, false, cmd_worker_check},
    {"worker clean", "NAME", "Free a worker's disk",
     "In this order, until enough is free: what it built and published, worktrees and clones that "
     "nothing uses, then what nix can collect. What an attempt or a publication needs stays.",
     worker_clean_options, 1, 1, "farm worker clean arm1 --keep 150G --dry-run", true, false,
     cmd_worker_clean},
    {"worker remove", "NAME", "Take a worker out of the farm",
     "Refused while it has something that only it can publish. On a host that worker add set up, "
     "the "
     "service is stopped and the programs are deleted.",
     worker_remove_options, 1, 1, "farm worker remove old --discard", false, false,
     cmd_worker_remove},
    {"ledger", "[FILTER...]", "List what is published, and from which commit", "", ledger_options,
     0, -1, "farm ledger --json", false, false, cmd_ledger},
    {"notice list", "", "List what a person is needed for, and what is on its way to people", "",
     json_options, 0, 0, "farm notice list", false, false, cmd_notice_list},
    {"notice test", "", "Tell everybody under `notices` in farm.yaml, now",
     "Says who could not be told, and why.", no_options, 0, 0, "farm notice test", false, false,
     cmd_notice_test},
    {"secret set", "NAME", "Store a secret that publishing needs",
     "Its value is read from standard input, or asked for without echo; never from the command "
     "line. What was held for it goes on.",
     no_options, 1, 1, "flox auth token | farm secret set floxhub", false, false, cmd_secret_set},
    {"token create", "", "Invite a host or a teammate: a token that lets one key in, once",
     "There: farm-worker join --token TOKEN, or for people farm join --token TOKEN. It carries "
     "this "
     "coordinator's address and key. Whoever has it first may use it: send it over a safe way.",
     token_create_options, 0, 0, "farm token create --ttl 1h --role viewer", false, false,
     cmd_token_create},
    {"token list", "", "List the tokens and what became of them", "", json_options, 0, 0,
     "farm token list", false, false, cmd_token_list},
    {"token revoke", "NUMBER", "Make a token worthless that nobody has used yet", "", no_options, 1,
     1, "farm token revoke 3f2a90c1", false, false, cmd_token_revoke},
    {"join", "", "Take part in a farm elsewhere, with a token",
     "Makes a key of your own; from then on farm speaks with that farm, unless --home or FARM_HOME "
     "names another.",
     join_options, 0, 0, "farm join --token farm1.01a5...", false, true, cmd_join},
    {"key add", "NAME", "Let a key into the farm", "", key_add_options, 1, 1,
     "farm key add anna --role viewer", false, false, cmd_key_add},
    {"key list", "", "List the keys that may connect", "", json_options, 0, 0, "farm key list",
     false, false, cmd_key_list},
    {"key revoke", "KEY|NAME", "Shut a key out, at once", "", no_options, 1, 1,
     "farm key revoke anna", false, false, cmd_key_revoke},
    {"backup", "FILE", "Write what the farm knows to a file; the coordinator may run",
     "A tar file of the journal, farm.yaml and keys, readable by you alone. Logs and secrets are "
     "not in it.",
     no_options, 1, 1, "farm backup farm-monday.tar", false, true, cmd_backup},
    {"restore", "FILE", "Put a backup back, while the coordinator is down",
     "Into an empty folder, or the farm's own: what is there is kept in aside-*. Builds that "
     "workers "
     "began since the backup become the farm's again; nothing is built twice for it.",
     restore_options, 1, 1, "farm restore farm-monday.tar", false, true, cmd_restore},
    {"move", "USER@HOST", "Move the coordinator to another host, over ssh",
     "Stops it here, copies journal, farm.yaml, keys, logs and secrets, and starts it there. "
     "Builds "
     "go on. The farm program must be there already. Here it does not start any more.",
     move_options, 1, 1, "farm move farm@coordinator.example", false, true, cmd_move},
    {"help", "[COMMAND...]", "Say what a command does", "", help_options, 0, 2, "farm help rebuild",
     false, true, cmd_help},
};

const struct command *command_at(size_t index)
{
    return index < sizeof commands / sizeof *commands ? &commands[index] : NULL;
}
