/* SPDX-License-Identifier: MIT */
/* What flox prints when something fails, text by text, in every version whose words we know: which
 * cause it is, and the words that a person gets to read.
 *
 * Sections are the flox contract's: 1.7 builds, 2.2 publishing step by step, 2.3 what older
 * versions said, 2.6 rendering of errors, 3.2 authentication. flox changed its icons at 1.8.3: a
 * text with an
 * '@' is played with the old one and with the new one. Each text stands in what flox prints when
 * all goes well, since none of that may be a cause.
 */
#include "proto/base/mem.h"
#include "worker/phase/cause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { B = 1 << PHASE_BUILD, P = 1 << PHASE_PUBLISH };

struct said {
    const char *section, *who; /* which program, which versions */
    unsigned phases;
    enum cause cause;
    const char *text;
    const char *detail; /* a part of what is shown */
};

#define DRV   "/nix/store/1wfx3p5zca7p4ck9b0qnhlg8ss9h1jd0-python3.13-torch-2.8.0.drv"
#define OUTER "/nix/store/bkz6xp4pc5wq3z8i0ykf9v7lzsdh0jfy-python3.13-torchvision-0.23.0.drv"
#define UNFIT "@ERROR: The environment is in an unsupported state for publishing: "
#define NEEDS                                                                                      \
    "\nThe build repository must satisfy a few requirements in order to use the 'flox publish' "   \
    "command:\n- It must be a git repository.\n- All of the tracked files must be in a clean "     \
    "state.\n- A remote must be configured.\n- The current revision must be pushed to a remote."
#define FRAME_231(reason)                                                                          \
    "error: Cannot build '" DRV "'.\n       Reason: " reason ".\n       Output paths:\n"           \
    "         /nix/store/h-python3.13-torch-2.8.0\n       Last 25 log lines:\n"                    \
    "       > a line\n       For full logs, run:\n         nix log " DRV "\n"
#define OUTER_231 "error: Cannot build '" OUTER "'.\n       Reason: 1 dependency failed.\n"
#define FRAME_228(reason)                                                                          \
    "error: builder for '" DRV "' failed " reason ";\n       last 25 log lines:\n"                 \
    "       > a line\n       For full logs, run 'nix log " DRV "'.\n"                              \
    "error: 1 dependencies of derivation '" OUTER "' failed to build\n"
#define MAKE                                                                                       \
    "make: *** [/nix/store/h-package-builder/libexec/flox-build.mk:461: "                          \
    "/tmp/0123abcd/torchvision/build.json] Error 1\n@ERROR: Build failed"
#define SAYS_WHY "python3.13-torch> RuntimeError: boom\n"

static const struct said contract[] = {
    /* ---- 1.7: builds, which a publish has too */
    {"1.7", "nix 2.31", B | P, CAUSE_COMPILE,
     SAYS_WHY FRAME_231("builder failed with exit code 1") OUTER_231 MAKE, "RuntimeError: boom"},
    {"1.7", "nix 2.31", B | P, CAUSE_OOM,
     SAYS_WHY FRAME_231("builder failed due to signal 9 (Killed)") OUTER_231 MAKE, "signal 9"},
    {"1.7", "nix 2.31", B | P, CAUSE_COMPILE, OUTER_231 MAKE, ""},
    {"1.7", "nix 2.31", B | P, CAUSE_TIMEOUT,
     "error: building of '" DRV "^out' timed out after 28800 seconds\n" OUTER_231 MAKE,
     "timed out after 28800 seconds"},
    {"1.7", "nix 2.31", B | P, CAUSE_SILENT,
     "error: building of '" DRV "^out' timed out after 7200 seconds of silence\n" OUTER_231 MAKE,
     "seconds of silence"},
    {"1.7", "nix 2.31", B | P, CAUSE_DISK_FULL,
     SAYS_WHY FRAME_231(
         "builder failed with exit code 1") "note: build failure may have been caused by lack of "
                                            "free disk space\n" MAKE,
     "lack of free disk space"},
    {"1.7", "nix <= 2.28", B | P, CAUSE_COMPILE, SAYS_WHY FRAME_228("with exit code 1") MAKE,
     "RuntimeError: boom"},
    {"1.7", "nix <= 2.28", B | P, CAUSE_OOM, SAYS_WHY FRAME_228("due to signal 9 (Killed)") MAKE,
     "signal 9"},
    {"1.7", "nix <= 2.28", B | P, CAUSE_TIMEOUT,
     "python3.13-torch-2.8.0 timed out after 60 seconds", "timed out"},
    {"1.7", "nix <= 2.28", B | P, CAUSE_DISK_FULL,
     FRAME_228("with exit code 1") "note: build failure may have been caused by lack of free disk "
                                   "space\n" MAKE,
     "lack of free disk space"},
    {"1.7", "make", B | P, CAUSE_COMPILE, MAKE, "build.json] Error 1"},
    {"1.7", "flox-build.mk", B | P, CAUSE_STORE,
     "/nix/store/h/libexec/flox-build.mk:470: *** " DRV
     " has been garbage collected - please try again.  Stop.\n@ERROR: Build failed",
     "garbage collected"},
    {"1.7", "flox", B | P, CAUSE_COMPILE, "@ERROR: Build failed", ""},
    {"1.7", "flox", B | P, CAUSE_NETWORK,
     "@ERROR: Failed to download Nix build tools from 'github:flox/nixpkgs/stable'\n"
     "error: unable to download 'https://api.github.com/repos': HTTP error 503",
     "Failed to download Nix build tools"},
    {"1.7", "flox", B | P, CAUSE_NETWORK,
     "@ERROR: could not get information about the base catalog: 503 Service Unavailable: busy",
     "base catalog"},
    {"1.7", "flox", B | P, CAUSE_NETWORK,
     "@ERROR: could not get information about the base catalog: Communication Error: error sending "
     "request for url (https://api.flox.dev/api/v1/catalog/info/base-catalog)",
     "base catalog"},
    {"1.7", "flox", B | P, CAUSE_CONFIG, "@ERROR: `--system` is not expected in this context",
     "is not expected in this context"},
    {"1.7", "flox", B | P, CAUSE_CONFIG, "@ERROR: Target 'torchvision-sm999' not found.",
     "Target 'torchvision-sm999'"},
    {"1.7", "flox", B | P, CAUSE_UNKNOWN, "@ERROR: user interrupted process", "interrupted"},
    {"1.7", "gcc", B | P, CAUSE_OOM,
     "python3.13-torch> gcc: fatal error: Killed signal terminated program cc1plus\n"
     "python3.13-torch> compilation terminated.\n" FRAME_231("builder failed with exit code 1")
         MAKE,
     "Killed signal terminated program cc1plus"},

    /* ---- 2.2: publishing, in the order of its steps */
    {"2.2b", "flox", P, CAUSE_CONFIG,
     UNFIT "Cannot publish from an environment on FloxHub.\n\nA pushed or pulled environment can't",
     "Cannot publish from an environment on FloxHub."},
    {"2.2c", "flox", P, CAUSE_CONFIG, UNFIT "Environment must be locked.",
     "Environment must be locked."},
    {"2.2d", "flox", B | P, CAUSE_CONFIG,
     "@ERROR: The Nix expression for 'x' does not appear to be tracked by git.\nOnly git tracked "
     "files are seen.\n\nNix expression: 'x' defined in '/w/.flox/pkgs/x.nix'",
     "does not appear to be tracked by git"},
    {"2.2d", "flox", B | P, CAUSE_CONFIG,
     "@ERROR: Building nix expression build(s) requires git version control.\nOnly git tracked "
     "files",
     "requires git version control"},
    {"2.2d", "flox", P, CAUSE_CONFIG, "@ERROR: Target 'x' not found.", "Target 'x' not found"},
    {"2.2e", "flox >= 1.12.0", P, CAUSE_CONFIG,
     UNFIT "The following environment files are not tracked by git:\n- .flox/env/manifest.lock",
     "not tracked by git"},
    {"2.2e", "flox", P, CAUSE_CONFIG,
     UNFIT "Build repository must be clean, but has dirty tracked files.", "dirty tracked files"},
    {"2.2e", "flox >= 1.11.1", P, CAUSE_CONFIG,
     UNFIT "Current branch 'main' has no upstream remote configured.\nSet one with 'git branch "
           "--set-upstream-to=origin/main'",
     "no upstream remote configured"},
    {"2.2e", "flox >= 1.11.1", P, CAUSE_CONFIG,
     UNFIT "Repository is in detached HEAD state and has no upstream remote configured.\nCheck out "
           "a branch before publishing: git checkout -b main",
     "detached HEAD"},
    {"2.2e", "flox", P, CAUSE_NETWORK,
     UNFIT "Could not access the remote repository: fatal: unable to connect to github.com\nCheck "
           "your SSH agent (`ssh-add -l`) or credential configuration.",
     "Could not access the remote repository"},
    {"2.2e", "flox", P, CAUSE_AUTH,
     UNFIT
     "Could not access the remote repository: git@github.com: Permission denied (publickey).\n"
     "Check your SSH agent (`ssh-add -l`) or credential configuration.",
     "Permission denied (publickey)"},
    {"2.2e", "flox", P, CAUSE_NETWORK,
     UNFIT "Could not access remote 'origin' while verifying the local revision: fatal: early EOF",
     "Could not access remote 'origin'"},
    {"2.2e", "flox", P, CAUSE_NETWORK,
     UNFIT "Failed to check whether local revision exists on remote 'origin/main': fatal: protocol",
     "Failed to check whether local revision exists"},
    {"2.2e", "flox", P, CAUSE_CONFIG,
     UNFIT "Local revision is not present on remote 'origin/main'.\nPush your commits with 'git "
           "push'",
     "Local revision is not present on remote"},
    {"2.2e", "flox", P, CAUSE_CONFIG,
     UNFIT "Could not parse the URL for remote 'origin': relative URL without a base",
     "Could not parse the URL"},
    {"2.2e", "flox", P, CAUSE_PUBLISH, UNFIT "Unable to get repository status.",
     "Unable to get repository status."},
    {"2.2f", "flox", P, CAUSE_NETWORK,
     "@ERROR: could not get information about the base catalog: 502 Bad Gateway", "base catalog"},
    {"2.2g", "flox", P, CAUSE_CONFIG, UNFIT "No packages in toplevel group",
     "No packages in toplevel group"},
    {"2.2h", "flox", P, CAUSE_DENIED,
     "@ERROR: 403 Forbidden: You are not permitted to write to this catalog.",
     "You are not permitted to write to this catalog."},
    {"2.2h", "flox", P, CAUSE_CONFIG, "@ERROR: 404 Not Found: The catalog could not be found",
     "The catalog could not be found"},
    {"2.2i", "flox 1.15.0", P, CAUSE_PUBLISH,
     "@ERROR: failed to parse file for lock results: EOF while parsing a value at line 1 column 0",
     "failed to parse file for lock results"},
    {"2.2k", "flox", P, CAUSE_COMPILE, "@ERROR: Build failed", ""},
    {"2.2l", "flox", P, CAUSE_NETWORK,
     "@ERROR: Failed to publish package: Failed to upload to cache: error: unable to upload "
     "'https://x/y.narinfo': HTTP error 500",
     "Failed to upload to cache"},
    {"2.2l", "flox", P, CAUSE_AUTH,
     "@ERROR: Failed to publish package: Failed to upload to cache: error: AWS error uploading "
     "'x': ExpiredToken: The provided token has expired.",
     "ExpiredToken"},
    {"2.2l", "flox", P, CAUSE_CONFIG,
     "@ERROR: Failed to publish package: A signing key is required to upload artifacts.\n\nYou can "
     "supply a signing key by either:",
     "A signing key is required"},
    {"2.2n", "flox", P, CAUSE_NETWORK,
     "@ERROR: Failed while waiting for publish confirmation: Timed out waiting for publish "
     "completion",
     "waiting for publish confirmation"},
    {"2.2n", "flox", P, CAUSE_NETWORK,
     "@ERROR: Failed while waiting for publish confirmation: 503 Service Unavailable",
     "waiting for publish confirmation"},

    /* ---- 2.3: what older ones said */
    {"2.3", "flox <= 1.11.0", P, CAUSE_CONFIG,
     UNFIT "Current revision not found on any remote repositories." NEEDS,
     "Current revision not found on any remote"},
    {"2.3", "flox <= 1.11.0", P, CAUSE_CONFIG,
     UNFIT "The repository must have at least one remote configured." NEEDS,
     "at least one remote configured"},
    {"2.3", "flox <= 1.11.0", P, CAUSE_CONFIG,
     UNFIT "Build repository must be clean, but has dirty tracked files." NEEDS,
     "dirty tracked files"},
    {"2.3", "flox 1.11.1 to 1.11.4", P, CAUSE_CONFIG,
     UNFIT "Revisions of local branch and tracked remote branch differ.", "differ."},

    /* ---- 2.6: how errors of the service and of the host are rendered */
    {"2.6", "flox", P, CAUSE_AUTH, "@ERROR: 401 Unauthorized: jwt expired", "401 Unauthorized"},
    {"2.6", "flox", P, CAUSE_DENIED, "@ERROR: 403 Forbidden", "403 Forbidden"},
    {"2.6", "flox", P, CAUSE_CONFIG, "@ERROR: 404 Not Found: The package could not be found",
     "404 Not Found"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: 429 Too Many Requests", "429"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: 500 Internal Server Error: oops", "500"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: 501 Not Implemented", "501"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: 502 Bad Gateway", "502"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: 503 Service Unavailable", "503"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: 504 Gateway Timeout", "504"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: 504 Gateway Time-out", "504"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: 507 Insufficient Storage", "507"},
    {"2.6", "flox", B | P, CAUSE_NETWORK,
     "@ERROR: Communication Error: error sending request for url (https://api.flox.dev/)",
     "Communication Error"},
    {"2.6", "flox", B | P, CAUSE_NETWORK,
     "@ERROR: error sending request for url (https://api.flox.dev/): operation timed out",
     "operation timed out"},
    {"2.6", "flox", P, CAUSE_NETWORK, "@ERROR: request to https://api.flox.dev/ timed out",
     "timed out"},
    {"2.6", "nix", B | P, CAUSE_NETWORK,
     "error: unable to download 'https://cache.nixos.org/x': Could not resolve hostname (6)",
     "unable to download"},
    {"2.6", "git", P, CAUSE_NETWORK,
     "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com",
     "Could not resolve host"},
    {"2.6", "nix", P, CAUSE_NETWORK, "Couldn't resolve host name (6)", "Couldn't resolve host"},
    {"2.6", "flox", B | P, CAUSE_STORE,
     "@ERROR: outputs still unavailable after 3 materialisation attempts", "materialisation"},
    {"2.6", "libc", B | P, CAUSE_DISK_FULL,
     "python3.13-torch> fatal error: error writing to /tmp/ccA.s: No space left on device\n" MAKE,
     "No space left on device"},
    {"2.6", "nix", B | P, CAUSE_WRONG_HOST,
     "error: Cannot build '" DRV "'.\n       Reason: required system or feature not available\n"
     "       Required system: 'aarch64-linux' with features {big-parallel}\n" MAKE,
     "required system or feature not available"},
    {"2.6", "nixpkgs", B | P, CAUSE_WRONG_HOST,
     "error: Package 'x' in /nix/store/h/default.nix:3 is not available on the requested "
     "hostPlatform:\n         hostPlatform.config = \"x86_64-unknown-linux-gnu\"\n"
     ", refusing to evaluate.\n" MAKE,
     "hostPlatform"},
    {"2.6", "anything else", B, CAUSE_COMPILE, "sorry, no\n" MAKE, "build.json] Error 1"},
    {"2.6", "anything else", P, CAUSE_PUBLISH, "sorry, no", "sorry, no"},

    /* ---- 3.2: authentication; also none of it is a build's fault */
    {"3.2", "flox", P, CAUSE_AUTH,
     "@ERROR: You are not logged in to FloxHub.\n\nTo login you can either\n* login to FloxHub "
     "with "
     "'flox auth login',\n* set the 'floxhub_token' field to '<your token>' in your config\n* set "
     "the '$FLOX_FLOXHUB_TOKEN=<your_token>' environment variable.",
     "You are not logged in to FloxHub."},
    {"3.2", "flox", P, CAUSE_AUTH,
     "@ERROR: Your FloxHub token has expired.\n\nTo re-authenticate you can either\n* login",
     "Your FloxHub token has expired."},
    {"3.2", "flox 1.9", P, CAUSE_AUTH,
     "@ERROR: Your FloxHub token has expired. To re-authenticate you can either:\n\n* login to "
     "FloxHub with 'flox auth login',",
     "Your FloxHub token has expired."},
    {"3.2", "flox", P, CAUSE_AUTH,
     "! Your FloxHub token could not be verified and may be expired or revoked.\n@ERROR: no",
     "could not be verified"},
    {"3.2", "flox", P, CAUSE_CONFIG,
     "! Your FloxHub token could not be verified and may be expired or revoked.\n" UNFIT
     "Build repository must be clean, but has dirty tracked files.",
     "dirty tracked files"},
    {"3.2", "flox", P, CAUSE_AUTH,
     "@ERROR: Your FloxHub token is invalid: invalid token\nYou may need to log in again.",
     "token is invalid"},
    {"3.2", "flox", P, CAUSE_AUTH,
     "! You are not logged in to FloxHub. Run 'flox auth login' to log in.", "not logged in"},
    {"3.2", "flox", B, CAUSE_COMPILE,
     "! You are not logged in to FloxHub. Run 'flox auth login' to log in.\n" MAKE,
     "build.json] Error 1"},
    {"3.3", "flox", P, CAUSE_AUTH, "Your FloxHub token is expired or has been revoked.", "revoked"},
    {"3.3", "flox", P, CAUSE_NETWORK,
     "Found a FloxHub token but could not reach FloxHub to verify it.", "could not reach FloxHub"},
};
enum { CONTRACT_COUNT = sizeof contract / sizeof contract[0] };

/* 1.6: what stands in every log. The last line is 2.2j's. */
static const char around[] =
    "warning: Git tree '/w' is dirty\n"
    "Building python3.13-torchvision-0.23.0 in Nix expression mode\n"
    "these 2 derivations will be built:\n  " DRV "\n  " OUTER "\n"
    "these 134 paths will be fetched (1234.56 MiB download, 5678.90 MiB unpacked):\n"
    "copying path '/nix/store/h-gcc' from 'https://cache.nixos.org'...\n"
    "building '" DRV "'...\n"
    "python3.13-torch> -- Could NOT find OpenMP_CXX (missing: OpenMP_CXX_FLAGS)\n"
    "! Unable to check if already published \u2014 continuing with publish.\n";

static const char *const icons[] = {"\u274c ", "\u2718 "}; /* to 1.8.2, from 1.8.3 */

/* With the icon where an '@' stands. */
static void add_text(struct buf *out, const char *text, const char *icon)
{
    buf_print(out, "%s", around);
    for (; *text; text++)
        if (*text == '@')
            buf_print(out, "%s", icon);
        else
            buf_print(out, "%c", *text);
    buf_print(out, "\n");
}

static void play(const struct said *said, enum phase phase, const char *icon)
{
    static const struct exit_facts failed = {.status = 1, .free_bytes = 1ull << 40};
    struct buf text = {0};
    struct cause_verdict verdict;
    add_text(&text, said->text, icon);
    cause_find(phase, BUILDER_FLOX, &failed, false, (struct bytes){text.data, text.size}, NULL,
               &verdict);
    if (verdict.cause != said->cause || !strstr(verdict.detail, said->detail))
        fail_msg("%s of %s, %s: %s (%s), not %s (%s): %s", said->section, said->who,
                 phase_names[phase], cause_names[verdict.cause], verdict.detail,
                 cause_names[said->cause], said->detail, said->text);
    buf_release(&text);
}

static void every_text_has_its_cause(void **state)
{
    (void)state;
    size_t played = 0;
    for (size_t i = 0; i < CONTRACT_COUNT; i++)
        for (int phase = PHASE_BUILD; phase <= PHASE_PUBLISH; phase++)
            for (size_t icon = 0; icon < 2 && contract[i].phases >> phase & 1; icon++) {
                play(&contract[i], (enum phase)phase, icons[icon]);
                played++;
            }
    print_message("%d texts, %zu played\n", CONTRACT_COUNT, played);
}

/* 2.2 j and o: exit 0, whatever was said on the way. */
static void what_was_published_has_no_cause(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Package already published.\n\nOriginally published: 2026-05-12 10:00:00 UTC\n"
        "Source revision: 0123456789012345678901234567890123456789\n",
        "Package published successfully.\n\nUse 'flox install acme/x' to install it.\n"};
    static const struct exit_facts well = {.free_bytes = 1ull << 40};
    struct cause_verdict verdict;
    for (size_t i = 0; i < 2; i++) {
        cause_find(PHASE_PUBLISH, BUILDER_FLOX, &well, false,
                   (struct bytes){(const uint8_t *)texts[i], strlen(texts[i])}, NULL, &verdict);
        assert_int_equal(verdict.cause, CAUSE_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_has_its_cause),
        cmocka_unit_test(what_was_published_has_no_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
