/* SPDX-License-Identifier: MIT */
/* commands.c - the table of commands: what `farm` can do, with every word that help says about it.
 */
#include "coordinator/cli/commands.h"

const struct exit_text exit_texts[] = {
    {EXIT_FINE, "success"},
    {EXIT_BAD_END, "the run or job ended with failures"},
    {EXIT_USAGE, "wrong command line"},
    {EXIT_REFUSED, "the farm or this machine refused; the message says why"},
    {EXIT_UNREACHABLE, "no coordinator answers"},
    {EXIT_NOT_ALLOWED, "your key's role does not allow this"},
    {EXIT_INTERRUPTED, "interrupted by Ctrl-C; what was started continues"},
    {EXIT_FINE, NULL},
};

const struct command_option common_options[] = {
    {"home", 'H', "DIR", "The farm's folder (default: $FARM_HOME, then ~/.local/state/floxfarm)"},
    {"help", 'h', NULL, "Show help for the command"},
    {NULL, 0, NULL, NULL},
};

#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", 0, NULL, "Print JSON, for programs"                                                \
    }
#define OPTION_PROJECT                                                                             \
    {                                                                                              \
        "project", 'p', "NAME", "Only this project of the farm"                                    \
    }
#define OPTION_DETACH                                                                              \
    {                                                                                              \
        "detach", 'd', NULL, "Do not follow the run: print its number and exit"                    \
    }
#define OPTION_END                                                                                 \
    {                                                                                              \
        NULL, 0, NULL, NULL                                                                        \
    }

static const struct command_option no_options[] = {OPTION_END};
static const struct command_option json_options[] = {OPTION_JSON, OPTION_END};
static const struct command_option init_options[] = {
    {"force", 0, NULL, "Replace an existing farm.yaml"}, OPTION_END};
static const struct command_option up_options[] = {
    {"no-worker", 0, NULL, "Start only the coordinator, no worker on this machine"},
    {"may-publish", 0, NULL, "Allow the local worker to publish: it gets the publishing secrets"},
    {"slots", 0, "N", "Attempts that the local worker runs at a time"},
    {"at-boot", 0, NULL, "Start the farm at every boot, by a line in your crontab"},
    {"on", 0, "USER@HOST", "Run the coordinator on that host and control it from here"},
    {"there", 0, "DIR", "With --on: the farm's folder on that host (default: farm's own default)"},
    {"prefix", 0, "DIR", "With --on: where to install the programs on that host"},
    {"accept-new", 0, NULL, "With --on: accept the host key of an unknown host"},
    {"identity", 'i', "FILE", "With --on: try this SSH key first"},
    OPTION_END};
static const struct command_option down_options[] = {
    {"workers", 0, NULL, "Also stop the workers of this machine; their builds continue"},
    {"at-boot", 0, NULL, "Also start nothing at the next boot"},
    OPTION_END};
static const struct command_option matrix_options[] = {
    OPTION_PROJECT, OPTION_JSON, {"markdown", 0, NULL, "Print a Markdown table"}, OPTION_END};
static const struct command_option plan_options[] = {
    OPTION_PROJECT,
    {"publish", 0, NULL,
     "Plan for rebuild --publish: show collisions and which workers may publish"},
    {"force", 0, NULL, "Plan for rebuild --force: include unchanged packages"},
    OPTION_JSON,
    OPTION_END};
static const struct command_option rebuild_options[] = {
    OPTION_PROJECT,
    {"publish", 0, NULL, "Publish what was built, for branches that have a target"},
    {"force", 0, NULL, "Also build unchanged packages"},
    {"priority", 0, "N", "Runs with a higher priority go first (default 0)"},
    OPTION_DETACH,
    OPTION_END};
static const struct command_option build_options[] = {
    {"from", 0, "DIR", "The checkout (default: the current folder)"},
    {"on", 0, "WORKER", "Build on this worker only"},
    OPTION_PROJECT,
    OPTION_DETACH,
    OPTION_END};
static const struct command_option logs_options[] = {
    {"follow", 'f', NULL, "Keep printing while the log grows"},
    {"attempt", 0, "N", "The log of this attempt (default: the newest)"},
    {"publish", 0, NULL, "The log of publishing instead of building"},
    {"raw", 0, NULL, "Print all bytes unchanged, even on a terminal"},
    OPTION_END};
static const struct command_option retry_options[] = {
    {"failed", 0, NULL, "Only jobs that failed"},
    {"at", 0, "BRANCH",
     "Build the tip of this branch instead of the same commits, e.g. after a fix"},
    OPTION_DETACH,
    OPTION_END};
static const struct command_option settle_options[] = {
    {"as", 0, "OUTCOME", "published, not-published or give-up"}, OPTION_END};
static const struct command_option cancel_options[] = {
    {"job", 0, NULL, "The argument names a job, even if it is a number"}, OPTION_END};
static const struct command_option worker_add_options[] = {
    {"check", 0, NULL, "Only show what would be done and what the host is missing"},
    {"inventory", 0, "FILE", "Read the hosts from a YAML file and add several at a time"},
    {"name", 0, "NAME", "The worker's name (default: the host's name)"},
    {"replace", 0, "NAME", "The host was reinstalled: revoke its old key and admit its new one"},
    {"may-publish", 0, NULL, "Allow the worker to publish: it gets the publishing secrets"},
    {"slots", 0, "N", "Attempts that the worker runs at a time"},
    {"accept-new", 0, NULL, "Accept the host key of an unknown host without asking"},
    {"identity", 'i', "FILE", "Try this SSH key first"},
    {"tunnel", 0, NULL,
     "Keep a tunnel open from here, for a host that cannot reach the coordinator"},
    {"coordinator", 0, "ENDPOINT",
     "How the host reaches the coordinator (default: as this machine does)"},
    {"prefix", 0, "DIR",
     "Where to install the programs (default /opt/floxfarm, or below the user's home)"},
    {"worker-home", 0, "DIR",
     "Where the worker keeps clones and attempts (default: its own choice)"},
    {"run-as", 0, "USER", "When you log in as root: the user to run as (default: floxfarm)"},
    {"no-smoke", 0, NULL, "Do not run the smoke task at the end"},
    OPTION_END};
static const struct command_option worker_upgrade_options[] = {
    {"all", 0, NULL, "All workers that were added from this machine"},
    {"flox", 0, NULL, "Also upgrade flox: drains one host after the other first"},
    OPTION_END};
static const struct command_option worker_start_options[] = {
    {"program", 0, "PATH", "The farm-worker program (default: the one next to farm)"},
    {"supervisor", 0, "PATH", "The farm-supervisor program (default: the one next to farm-worker)"},
    {"slots", 0, "N", "Attempts that the worker runs at a time"},
    {"heavy", 0, "N", "How many of these may be heavy builds (default 1)"},
    {"may-publish", 0, NULL, "Allow the worker to publish: it gets the publishing secrets"},
    {"emulate", 0, "SYSTEM", "Also take jobs for this system, by emulation"},
    {"worker-home", 0, "DIR", "The worker's folder (default: workers/NAME in the farm's folder)"},
    OPTION_END};
static const struct command_option worker_drain_options[] = {
    {"reason", 0, "TEXT", "The reason to show in worker list"}, OPTION_END};
static const struct command_option worker_clean_options[] = {
    {"keep", 0, "SIZE", "Stop when this much is free, e.g. 150G"},
    {"dry-run", 0, NULL, "Only show what would be removed"},
    OPTION_END};
static const struct command_option worker_remove_options[] = {
    {"discard", 0, NULL, "Give up builds that only this host could still publish"},
    {"purge", 0, NULL, "Also delete its clones, logs and key on its host"},
    OPTION_END};
static const struct command_option ledger_options[] = {
    {"matrix", 0, NULL, "One grid per branch: the newest published commit of every variant"},
    {"markdown", 0, NULL, "The same grids as Markdown tables, for a README"},
    {"import", 0, "FILE", "Add earlier publications from a JSON list in the format of --json"},
    OPTION_JSON,
    OPTION_END};
static const struct command_option key_add_options[] = {
    {"public", 0, "KEY", "The public key, or a .pub file (default: a new key pair is made)"},
    {"role", 0, "ROLE", "viewer, operator (default), admin or worker"},
    {"may-publish", 0, NULL, "Worker only: allow it to publish"},
    {"replace", 0, NULL,
     "Worker only: replace the key of this name and abandon the old host's builds"},
    OPTION_END};
static const struct command_option token_create_options[] = {
    {"ttl", 0, "TIME", "How long the token is valid, e.g. 30m, 1h, 2d (default 1h)"},
    {"role", 0, "ROLE", "worker (default), viewer or operator"},
    {"name", 0, "NAME", "The farm's name for the new member (default: the member chooses)"},
    {"may-publish", 0, NULL, "Worker only: allow it to publish; it gets the publishing secrets"},
    {"address", 0, "HOST", "The address of this coordinator for others (default: detected)"},
    OPTION_JSON,
    OPTION_END};
static const struct command_option join_options[] = {
    {"token", 0, "TOKEN", "The token that farm token create printed"},
    {"name", 0, "NAME", "Your name in the farm (default: your login)"},
    OPTION_END};
static const struct command_option restore_options[] = {
    {"back", 0, NULL, "Also restore where the farm was moved away from: the farm moves back"},
    {"complete", 0, NULL, "Do not pause the farm: it did nothing after the backup was made"},
    OPTION_END};
static const struct command_option move_options[] = {
    {"to", 0, "DIR", "The farm's folder on that host (default: farm's own default)"},
    {"program", 0, "PATH", "The farm program on that host (default: found in PATH)"},
    OPTION_END};
static const struct command_option help_options[] = {
    {"markdown", 0, NULL, "Print all commands as Markdown: docs/cli.md"},
    {"man", 0, NULL, "Print all commands as a man page"},
    {"completion", 0, NULL, "Print the completion script for bash"},
    OPTION_END};

static const struct command commands[] = {
    {"init", "URL", "Write farm.yaml for a repository and its branches with packages",
     "Nothing is published until you set a target for a branch in farm.yaml.", init_options, 1, 1,
     "farm init https://example.org/build-torchvision", false, true, cmd_init},
    {"project add", "URL", "Add another repository to farm.yaml",
     "Appends the project and leaves the rest of the file unchanged. A running coordinator reloads "
     "the file.",
     no_options, 1, 1, "farm project add https://example.org/build-torchaudio", false, true,
     cmd_project_add},
    {"up", "", "Start the coordinator and a worker on this machine",
     "Creates missing keys and leaves running programs alone. --on copies farm.yaml and the "
     "programs to another host over SSH and starts the coordinator there; commands here then talk "
     "to it. With --at-boot, and always with --on, a line in the user's crontab starts the farm "
     "again after a reboot.",
     up_options, 0, 0, "farm up --may-publish", false, false, cmd_up},
    {"down", "", "Stop the coordinator; builds continue",
     "The next coordinator finds the builds that still run and those that ended meanwhile.",
     down_options, 0, 0, "farm down --workers", false, true, cmd_down},
    {"config check", "", "Check farm.yaml and report errors with their lines",
     "A running coordinator reloads the file on SIGHUP.", no_options, 0, 0, "farm config check",
     false, true, cmd_config_check},
    {"config explain", "", "Print farm.yaml with every option, its default and its meaning", "",
     no_options, 0, 0, "farm config explain | less", false, true, cmd_config_explain},
    {"matrix", "[FILTER...]", "List the variants of the branches",
     "A filter is a list of words such as gpu=sm90,sm100 isa='avx512*' branch=main "
     "system=aarch64-linux cuda=12.8, or part of a package's name. A variant must match every "
     "word, and one of a word's values separated by commas.",
     matrix_options, 0, -1, "farm matrix branch=main isa=avx512", false, false, cmd_matrix},
    {"plan", "[FILTER...]", "Show what a rebuild would do, where, and what it could not do",
     "Uses the same code as a rebuild: shows what is unchanged, what collides and what no host can "
     "build.",
     plan_options, 0, -1, "farm plan branch=cuda-13_0 --publish", false, false, cmd_plan},
    {"rebuild", "[FILTER...]", "Build the matrix, or the part that the filter selects",
     "Pins each branch's commit, starts the run and follows it with progress and ETA. The last "
     "line is the result, like \"67 ok, 0 failed, 67 published\".",
     rebuild_options, 0, -1, "farm rebuild --publish", true, false, cmd_rebuild},
    {"build", "PKG", "Build one package from a checkout, pushed or not; never publishes",
     "Commits that are not pushed are sent along. Uncommitted changes are not built.",
     build_options, 1, 1, "farm build torchvision-python313-cpu-avx2 --from .", true, false,
     cmd_build},
    {"status", "[RUN]", "Show a run as a grid of GPU by ISA for each branch",
     "RUN defaults to the newest run. Failures and their causes are listed below the grid.",
     json_options, 0, 1, "farm status 3", false, false, cmd_status},
    {"watch", "[RUN]", "Live grid; without a terminal, one line per event",
     "Ends when the run ends. If the farm has no run yet, prints the events of the farm.",
     no_options, 0, 1, "farm watch", true, false, cmd_watch},
    {"runs", "", "List the runs", "", json_options, 0, 0, "farm runs", false, false, cmd_runs},
    {"logs", "JOB", "Print the log of a job",
     "JOB is a package's name or a unique part of it, looked up in the newest run first; or "
     "RUN/PART, BRANCH:PART or #NUMBER. The log is the builder's own output; on a terminal, "
     "everything but text and colours is removed.",
     logs_options, 1, 1, "farm logs cuda12_8-sm90-avx512 -f", true, false, cmd_logs},
    {"why", "JOB|RUN", "Explain why a job waits, for each host, or how it failed",
     "The reasons are the scheduler's own.", json_options, 1, 1, "farm why sm90-avx512", false,
     false, cmd_why},
    {"retry", "RUN [FILTER...]", "Build the jobs of an earlier run again, in a new run",
     "Earlier attempts and their logs are kept. A job that was built but not published is "
     "published without building it again.",
     retry_options, 1, -1, "farm retry 3 --failed --at main", true, false, cmd_retry},
    {"publish", "RUN|FILTER...", "Publish what earlier runs built", "", no_options, 1, -1,
     "farm publish 3", false, false, cmd_publish},
    {"settle", "PUBLICATION", "Record the outcome of a publication whose result is unknown",
     "status --json and why show its number. Until it is settled, nobody else can publish that "
     "package.",
     settle_options, 1, 1, "farm settle 12 --as published", false, false, cmd_settle},
    {"release", "RUN|JOB", "Build jobs on hold because a similar one failed",
     "Otherwise held jobs wait until hosts have nothing else to do; `farm why RUN` shows what each "
     "waits for.",
     no_options, 1, 1, "farm release 3", false, false, cmd_release},
    {"cancel", "RUN|JOB", "Stop a run or a job",
     "Does not interrupt a running publication, or a build that another run waits for.",
     cancel_options, 1, 1, "farm cancel 3", false, false, cmd_cancel},
    {"pause", "[REASON...]", "Start nothing new; running work continues", "", no_options, 0, -1,
     "farm pause moving house", false, false, cmd_pause},
    {"resume", "", "Start new work again after pause", "", no_options, 0, 0, "farm resume", false,
     false, cmd_resume},
    {"worker list", "", "List the workers, their hardware and their current work", "", json_options,
     0, 0, "farm worker list", false, false, cmd_worker_list},
    {"worker add", "[USER@HOST]", "Make a host a worker, over SSH",
     "Inspects the host, copies the worker and its libraries, creates its key there, admits the "
     "key, starts the worker as a service and runs a smoke task. Run it again to complete an "
     "interrupted installation or to change options.",
     worker_add_options, 0, 1, "farm worker add builder@arm1.example --check", false, false,
     cmd_worker_add},
    {"worker upgrade", "[NAME...]", "Upgrade the programs of workers; builds continue", "",
     worker_upgrade_options, 0, -1, "farm worker upgrade --all", false, false, cmd_worker_upgrade},
    {"worker tunnel", "NAME", "Keep a worker's tunnel open; worker add --tunnel starts this",
     "Reconnects until it is stopped. Logs in without prompting: by the SSH agent, or by a key "
     "without a passphrase.",
     no_options, 1, 1, "farm worker tunnel laptop-arm1", false, true, cmd_worker_tunnel},
    {"worker start", "NAME", "Start a worker on this machine",
     "Creates its key, enrols it and starts it in the background.", worker_start_options, 1, 1,
     "farm worker start second --slots 2", false, false, cmd_worker_start},
    {"worker drain", "NAME", "Give a worker no new work; its running work continues", "",
     worker_drain_options, 1, 1, "farm worker drain local --reason maintenance", false, false,
     cmd_worker_drain},
    {"worker resume", "NAME", "Give a drained or quarantined worker work again", "", no_options, 1,
     1, "farm worker resume local", false, false, cmd_worker_resume},
    {"worker smoke", "NAME", "Run a small task on a worker to prove that it can build",
     "Checks out each branch and, if nix is installed, builds something tiny. Publishes nothing.",
     no_options, 1, 1, "farm worker smoke arm1", true, false, cmd_worker_smoke},
    {"worker clean", "NAME", "Free disk space on a worker",
     "Removes, in this order and until enough is free: builds that are published, unused worktrees "
     "and clones, then nix's garbage. Keeps what an attempt or a publication still needs.",
     worker_clean_options, 1, 1, "farm worker clean arm1 --keep 150G --dry-run", true, false,
     cmd_worker_clean},
    {"worker remove", "NAME", "Remove a worker from the farm",
     "Refuses while the worker has a build that only it can publish. On a host that worker add set "
     "up, also stops the service and deletes the programs.",
     worker_remove_options, 1, 1, "farm worker remove old --discard", false, false,
     cmd_worker_remove},
    {"ledger", "[FILTER...]", "List what is published and from which commit", "", ledger_options, 0,
     -1, "farm ledger --json", false, false, cmd_ledger},
    {"notice list", "", "List notices that wait for a person or are being sent", "", json_options,
     0, 0, "farm notice list", false, false, cmd_notice_list},
    {"notice test", "", "Send a test notice to everyone listed under `notices` in farm.yaml",
     "Reports each delivery that failed, and why.", no_options, 0, 0, "farm notice test", false,
     false, cmd_notice_test},
    {"secret set", "NAME", "Store a secret that publishing needs",
     "Reads the value from standard input, or prompts without echo; never from the command line. "
     "Publications that were held for this secret continue.",
     no_options, 1, 1, "flox auth token | farm secret set floxhub", false, false, cmd_secret_set},
    {"token create", "", "Invite a host or a teammate: a token that admits one key, once",
     "Hosts run farm-worker join --token TOKEN; people run farm join --token TOKEN. The token "
     "contains this coordinator's address and key. Whoever uses it first gets in: send it over a "
     "safe channel.",
     token_create_options, 0, 0, "farm token create --ttl 1h --role viewer", false, false,
     cmd_token_create},
    {"token list", "", "List the tokens and their states", "", json_options, 0, 0,
     "farm token list", false, false, cmd_token_list},
    {"token revoke", "NUMBER", "Revoke a token that nobody has used yet", "", no_options, 1, 1,
     "farm token revoke 3f2a90c1", false, false, cmd_token_revoke},
    {"join", "", "Join another farm with a token",
     "Creates your own key; from then on farm talks to that farm, unless --home or FARM_HOME names "
     "another.",
     join_options, 0, 0, "farm join --token farm1.01a5...", false, true, cmd_join},
    {"key add", "NAME", "Allow a key to connect", "", key_add_options, 1, 1,
     "farm key add anna --role viewer", false, false, cmd_key_add},
    {"key list", "", "List the keys that may connect", "", json_options, 0, 0, "farm key list",
     false, false, cmd_key_list},
    {"key revoke", "KEY|NAME", "Revoke a key at once", "", no_options, 1, 1, "farm key revoke anna",
     false, false, cmd_key_revoke},
    {"backup", "FILE", "Back up the farm to a file; the coordinator may be running",
     "Writes a tar file with the journal, farm.yaml and the keys, readable only by you. It "
     "contains no logs and no secrets.",
     no_options, 1, 1, "farm backup farm-monday.tar", false, true, cmd_backup},
    {"restore", "FILE", "Restore a backup while the coordinator is stopped",
     "Restores into an empty folder, or into the farm's own, where the present files are moved to "
     "aside-*. Builds that workers started after the backup are taken over, not repeated.",
     restore_options, 1, 1, "farm restore farm-monday.tar", false, true, cmd_restore},
    {"move", "USER@HOST", "Move the coordinator to another host, over SSH",
     "Stops the coordinator here, copies journal, farm.yaml, keys, logs and secrets, and starts it "
     "there. Builds continue. The farm program must already be installed there. The copy here can "
     "no longer start.",
     move_options, 1, 1, "farm move farm@coordinator.example", false, true, cmd_move},
    {"help", "[COMMAND...]", "Show help for a command", "", help_options, 0, 2, "farm help rebuild",
     false, true, cmd_help},
};

const struct command *command_at(size_t index)
{
    return index < sizeof commands / sizeof *commands ? &commands[index] : NULL;
}
