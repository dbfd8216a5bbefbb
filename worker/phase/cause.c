/* SPDX-License-Identifier: MIT */
/* cause.c - see cause.h.
 *
 * Evidence from the kernel and the supervisor takes precedence over texts in the log. The log is
 * searched in one pass: each rule begins with literal characters, and a hash of the first four
 * finds the places where it may match. PCRE2 runs only where the rule's whole literal is, anchored
 * there. So the cost does not grow with the table. The earliest row of the table wins, with its
 * first line. */
#include "worker/phase/cause.h"
#include "proto/base/utf8.h"
#include "proto/limits.h"
#include "worker/phase/signature.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <pcre2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHECKOUT = 1 << PHASE_CHECKOUT,
    BUILD = 1 << PHASE_BUILD,
    CHECK = 1 << PHASE_CHECK,
    PUBLISH = 1 << PHASE_PUBLISH,
    ALL = CHECKOUT | BUILD | CHECK | PUBLISH
};

/* With less free space than this a compiler cannot write its next object file. */
#define DISK_FULL_BYTES (4ull << 20)

/* What nix may print after its error: similar names, and the hash that it found. */
#define MEANT "(?:[\\s\\S]{0,1500}?(Did you mean [^?\\n]*\\?))?"
#define GOT   "(?::\\s+(?:specified|wanted):\\s+\\S+\\s+(got:\\s+\\S+))?"

/* Every repetition that looks ahead is bounded, so that a log of one long line does not take
 * quadratic time. Sources: "flox N" is a section of the flox contract (builders/flox.c); "nix",
 * "git", "gcc" mean a text of that program. The order is the priority: problems of the host come
 * before errors of the recipe, because the first often cause the second. */
static const struct cause_rule rules[] = {
    /* ---- memory */
    {"Killed signal terminated program", CAUSE_OOM, BUILD | PUBLISH, "flox 1.7",
     "gcc: fatal error: Killed signal terminated program cc1plus", false},
    {"failed due to signal 9", CAUSE_OOM, BUILD | PUBLISH, "flox 1.7",
     "Reason: builder failed due to signal 9 (Killed).", false},
    {"virtual memory exhausted", CAUSE_OOM, BUILD | PUBLISH, "gcc",
     "cc1plus: virtual memory exhausted: Cannot allocate memory", false},
    {"out of memory allocating", CAUSE_OOM, BUILD | PUBLISH, "gcc",
     "cc1plus: out of memory allocating 65536 bytes after a total of 1048576 bytes", false},
    /* ---- disk */
    {"No space left on device", CAUSE_DISK_FULL, ALL, "flox 2.6",
     "fatal error: error writing to /tmp/ccXYZ.s: No space left on device", false},
    {"lack of free disk space", CAUSE_DISK_FULL, BUILD | PUBLISH, "flox 1.7",
     "note: build failure may have been caused by lack of free disk space", false},
    {"Disk quota exceeded", CAUSE_DISK_FULL, ALL, "libc",
     "cp: error writing '/x/y': Disk quota exceeded", false},
    /* ---- limits that nix enforces itself */
    {"timed out after \\d+ seconds of silence", CAUSE_SILENT, BUILD | PUBLISH, "flox 1.7",
     "building of '/nix/store/x.drv' timed out after 7200 seconds of silence", false},
    {"timed out after \\d+ seconds", CAUSE_TIMEOUT, BUILD | PUBLISH, "flox 1.7",
     "building of '/nix/store/x.drv' timed out after 28800 seconds", false},
    /* ---- authentication */
    {"Your FloxHub token has expired", CAUSE_AUTH, PUBLISH, "flox 3.2",
     "\u2718 ERROR: Your FloxHub token has expired.", false},
    {"You are not logged in to FloxHub", CAUSE_AUTH, PUBLISH, "flox 3.2",
     "\u2718 ERROR: You are not logged in to FloxHub.", false},
    {"Your FloxHub token is invalid", CAUSE_AUTH, PUBLISH, "flox 3.2",
     "\u2718 ERROR: Your FloxHub token is invalid: invalid token", false},
    {"FloxHub token is expired or has been revoked", CAUSE_AUTH, PUBLISH, "flox 3.3",
     "Your FloxHub token is expired or has been revoked.", false},
    {"401 Unauthorized", CAUSE_AUTH, PUBLISH, "flox 2.6", "\u2718 ERROR: 401 Unauthorized: no",
     false},
    {"secret key is corrupt", CAUSE_AUTH, PUBLISH, "nix", "error: secret key is corrupt", false},
    {"key is corrupt", CAUSE_AUTH, PUBLISH, "nix", "error: key is corrupt", false},
    {"ExpiredToken", CAUSE_AUTH, PUBLISH, "nix s3", "error: AWS error: ExpiredToken: renew it",
     false},
    {"InvalidAccessKeyId", CAUSE_AUTH, PUBLISH, "nix s3", "error: AWS error: InvalidAccessKeyId",
     false},
    {"Authentication failed for", CAUSE_AUTH, CHECKOUT | PUBLISH, "git",
     "fatal: Authentication failed for 'https://github.com/a/b/'", false},
    {"could not read Username for", CAUSE_AUTH, CHECKOUT | PUBLISH, "git",
     "fatal: could not read Username for 'https://github.com': terminal prompts disabled", false},
    {"Permission denied \\(", CAUSE_AUTH, CHECKOUT | PUBLISH, "ssh",
     "git@github.com: Permission denied (publickey).", false},
    {"Host key verification failed", CAUSE_AUTH, CHECKOUT | PUBLISH, "ssh",
     "Host key verification failed.", false},
    /* ---- permissions */
    {"403 Forbidden", CAUSE_DENIED, PUBLISH, "flox 2.2h",
     "\u2718 ERROR: 403 Forbidden: You are not permitted to write to this catalog.", false},
    {"not permitted to write", CAUSE_DENIED, PUBLISH, "flox 2.2h",
     "You are not permitted to write to this catalog.", false},
    {"AccessDenied", CAUSE_DENIED, PUBLISH, "nix s3", "error: AWS error: AccessDenied", false},
    /* ---- the store */
    {"nable to start any build", CAUSE_STALE, PUBLISH, "nix",
     "error: unable to start any build; either increase '--max-jobs' or enable remote builds.",
     false},
    {"path '/[^']*' (?:is not valid|does not exist)", CAUSE_STALE, PUBLISH, "nix",
     "error: path '/nix/store/abc-hello' is not valid", false},
    {"is required, but there is no substituter that can build it", CAUSE_STALE, PUBLISH, "nix",
     "error: path '/nix/store/abc-x' is required, but there is no substituter that can build it",
     false},
    {"is required, but there is no substituter that can build it", CAUSE_STORE, BUILD, "nix",
     "error: path '/nix/store/abc-x' is required, but there is no substituter that can build it",
     false},
    {"don't know how to build these paths", CAUSE_STALE, PUBLISH, "nix",
     "don't know how to build these paths:", false},
    {"has been garbage collected - please try again", CAUSE_STORE, BUILD | PUBLISH, "flox 1.7",
     "*** /nix/store/x.drv has been garbage collected - please try again", false},
    {"unavailable after \\d+ materialisation", CAUSE_STORE, BUILD | PUBLISH, "flox 2.6",
     "outputs still unavailable after 3 materialisation attempts", false},
    {"path '/[^']*' is not valid", CAUSE_STORE, BUILD, "nix",
     "error: path '/nix/store/abc-source' is not valid", false},
    /* ---- the host's nix-daemon */
    {"Nix daemon disconnected unexpectedly", CAUSE_HOST_LOST, BUILD | PUBLISH, "nix",
     "error: Nix daemon disconnected unexpectedly (maybe it crashed?)", false},
    {"cannot connect to (?:socket|daemon) at '", CAUSE_HOST_LOST, BUILD | PUBLISH, "nix",
     "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
     false},
    /* ---- the wrong host */
    {"required system or feature not available", CAUSE_WRONG_HOST, BUILD | PUBLISH, "flox 1.9",
     "Reason: required system or feature not available", false},
    {"not available on the requested hostPlatform", CAUSE_WRONG_HOST, BUILD | PUBLISH, "flox 1.9",
     "error: Package 'x' in y is not available on the requested hostPlatform:", false},
    {"is required to build '[^']*', but I am a", CAUSE_WRONG_HOST, BUILD | PUBLISH, "nix",
     "error: a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv', but I am "
     "a 'x86_64-linux' with features {benchmark}",
     false},
    {"This environment is not locked for your system", CAUSE_WRONG_HOST, BUILD | PUBLISH, "flox 4",
     "This environment is not locked for your system (aarch64-linux).", false},
    {"unrecognized command-line option .{1,4}-m", CAUSE_WRONG_HOST, BUILD, "flox 1.9",
     "gcc: error: unrecognized command-line option '-mavx2'", false},
    {"bad value \\([^)]*\\) for .{1,4}-march", CAUSE_WRONG_HOST, BUILD, "flox 1.9",
     "cc1: error: bad value ('armv9-a+sve2') for '-march=' switch", false},
    {"Exec format error", CAUSE_WRONG_HOST, BUILD | CHECK, "libc",
     "./probe: cannot execute: Exec format error", false},
    {"Illegal instruction", CAUSE_WRONG_HOST, CHECK, "libc", "Illegal instruction (core dumped)",
     false},
    /* ---- the request */
    {"Target '[^']*' not found", CAUSE_CONFIG, BUILD | PUBLISH, "flox 1.3",
     "\u2718 ERROR: Target 'torchvision-sm999' not found.", false},
    {"No packages found to build", CAUSE_CONFIG, BUILD | PUBLISH, "flox 1.3",
     "\u2718 ERROR: No packages found to build.", false},
    {"is defined in the manifest and as a Nix expression", CAUSE_CONFIG, BUILD | PUBLISH,
     "flox 1.2", "'x' is defined in the manifest and as a Nix expression.", false},
    {"requires git version control", CAUSE_CONFIG, BUILD | PUBLISH, "flox 1.4",
     "Building nix expression build(s) requires git version control.", false},
    {"does not appear to be tracked by git", CAUSE_CONFIG, BUILD | PUBLISH, "flox 1.4",
     "The Nix expression for 'x' does not appear to be tracked by git.", false},
    {"files are not tracked by git", CAUSE_CONFIG, PUBLISH, "flox 2.2e",
     "The following environment files are not tracked by git:", false},
    {"is a shallow Git repository", CAUSE_CONFIG, BUILD | PUBLISH, "flox 1.8",
     "error: '/w' is a shallow Git repository, but shallow repositories are only allowed when",
     false},
    {"Environment must be locked", CAUSE_CONFIG, PUBLISH, "flox 2.2c",
     "\u2718 ERROR: The environment is in an unsupported state for publishing: Environment must be "
     "locked.",
     false},
    {"has dirty tracked files", CAUSE_CONFIG, PUBLISH, "flox 2.2e",
     "Build repository must be clean, but has dirty tracked files.", false},
    {"has no upstream remote configured", CAUSE_CONFIG, PUBLISH, "flox 2.2e",
     "Current branch 'main' has no upstream remote configured.", false},
    {"detached HEAD state", CAUSE_CONFIG, PUBLISH, "flox 2.2e",
     "Repository is in detached HEAD state and has no upstream remote configured.", false},
    {"revision is not present on remote", CAUSE_CONFIG, PUBLISH, "flox 2.2e",
     "Local revision is not present on remote 'origin/main'.", false},
    {"revision not found on any remote", CAUSE_CONFIG, PUBLISH, "flox 2.3",
     "Current revision not found on any remote repositories.", false},
    {"Revisions of local branch and tracked remote branch differ", CAUSE_CONFIG, PUBLISH,
     "flox 2.3", "Revisions of local branch and tracked remote branch differ.", false},
    {"must have at least one remote configured", CAUSE_CONFIG, PUBLISH, "flox 2.3",
     "The repository must have at least one remote configured.", false},
    {"Could not parse the URL for remote", CAUSE_CONFIG, PUBLISH, "flox 2.2e",
     "Could not parse the URL for remote 'origin': relative URL", false},
    {"Cannot publish (?:from an environment|without a build)", CAUSE_CONFIG, PUBLISH, "flox 2.2b",
     "Cannot publish from an environment on FloxHub.", false},
    {"No packages in toplevel group", CAUSE_CONFIG, PUBLISH, "flox 2.2g",
     "No packages in toplevel group", false},
    {"A signing key is required", CAUSE_CONFIG, PUBLISH, "flox 2.2l",
     "\u2718 ERROR: Failed to publish package: A signing key is required to upload artifacts.",
     false},
    {"404 Not Found", CAUSE_CONFIG, PUBLISH, "flox 2.6",
     "\u2718 ERROR: 404 Not Found: The catalog could not be found", false},
    {"The catalog could not be found", CAUSE_CONFIG, PUBLISH, "flox 2.2h",
     "The catalog could not be found", false},
    {"is not expected in this context", CAUSE_CONFIG, BUILD | PUBLISH, "flox 1.7",
     "\u2718 ERROR: `--system` is not expected in this context", false},
    {"Could not parse config", CAUSE_CONFIG, BUILD | PUBLISH, "flox 3.4",
     "\u2718 ERROR: Could not parse config", false},
    {"farm-worker: flox \\S+ is too old", CAUSE_CONFIG, BUILD | PUBLISH, "floxfarm",
     "farm-worker: flox 1.9.0 is too old: install 1.12.0 or newer", false},
    {"farm-worker: there is no working flox", CAUSE_CONFIG, BUILD | PUBLISH, "floxfarm",
     "farm-worker: there is no working flox on this host: install flox 1.12.0 or newer", false},
    {"farm-worker: branch \\S+ is gone from", CAUSE_CONFIG, CHECKOUT, "floxfarm",
     "farm-worker: branch main is gone from https://x/y: choose another or push it again", false},
    {"farm-worker: commit [0-9a-f]+ is on no branch of", CAUSE_CONFIG, CHECKOUT, "floxfarm",
     "farm-worker: commit 0123abcd is on no branch of https://x/y: push it", false},
    {"farm-worker: the bundle of unpushed commits does not fit", CAUSE_CONFIG, CHECKOUT, "floxfarm",
     "farm-worker: the bundle of unpushed commits does not fit what https://x/y has", false},
    {"farm-worker: a check is required", CAUSE_CONFIG, CHECK, "floxfarm",
     "farm-worker: a check is required, but the branch has no test-build.sh at its top", false},
    {"Repository not found", CAUSE_CONFIG, CHECKOUT, "git", "ERROR: Repository not found.", false},
    /* ---- the network */
    {"Failed while waiting for publish confirmation", CAUSE_NETWORK, PUBLISH, "flox 2.2n",
     "\u2718 ERROR: Failed while waiting for publish confirmation: Timed out waiting for publish "
     "completion",
     false},
    {"Communication Error", CAUSE_NETWORK, BUILD | PUBLISH, "flox 2.6",
     "Communication Error: error sending request for url (https://api.flox.dev/)", false},
    {"error sending request", CAUSE_NETWORK, BUILD | PUBLISH, "flox 2.6",
     "error sending request for url (https://api.flox.dev/api/v1/catalog)", false},
    {"could not get information about the base catalog", CAUSE_NETWORK, BUILD | PUBLISH, "flox 1.7",
     "\u2718 ERROR: could not get information about the base catalog: 503 Service Unavailable",
     false},
    {"Failed to download Nix build tools", CAUSE_NETWORK, BUILD | PUBLISH, "flox 1.7",
     "\u2718 ERROR: Failed to download Nix build tools from 'github:flox/nixpkgs'", false},
    {"Failed to upload to cache", CAUSE_NETWORK, PUBLISH, "flox 2.2l",
     "\u2718 ERROR: Failed to publish package: Failed to upload to cache: error: timeout", false},
    {"Could not access (?:the )?remote", CAUSE_NETWORK, PUBLISH, "flox 2.2e",
     "Could not access the remote repository: fatal: unable to connect", false},
    {"Failed to check whether local revision exists on remote", CAUSE_NETWORK, PUBLISH, "flox 2.2e",
     "Failed to check whether local revision exists on remote 'origin/main': eof", false},
    /* nix 2.8 prints the same text as a warning, retries and may succeed. */
    {"error: unable to download '(?<!warning: error: unable to download ')", CAUSE_NETWORK, ALL,
     "nix",
     "error: unable to download 'https://cache.nixos.org/nar/x.nar': Timeout was reached (28)",
     false},
    {"Internal Server Error", CAUSE_NETWORK, PUBLISH, "flox 2.6",
     "\u2718 ERROR: 500 Internal Server Error", false},
    {"Bad Gateway", CAUSE_NETWORK, PUBLISH, "flox 2.6", "\u2718 ERROR: 502 Bad Gateway", false},
    {"Service Unavailable", CAUSE_NETWORK, PUBLISH, "flox 2.6",
     "\u2718 ERROR: 503 Service Unavailable", false},
    {"Gateway Time-?out", CAUSE_NETWORK, PUBLISH, "flox 2.6", "\u2718 ERROR: 504 Gateway Timeout",
     false},
    {"ERROR: 50\\d ", CAUSE_NETWORK, PUBLISH, "flox 2.6", "\u2718 ERROR: 507 Insufficient Storage",
     false},
    {"429 Too Many Requests", CAUSE_NETWORK, BUILD | PUBLISH, "flox 2.6",
     "\u2718 ERROR: 429 Too Many Requests", false},
    {"curl: \\((?:5|6|7|18|28|35|52|55|56|92)\\)", CAUSE_NETWORK, BUILD, "curl",
     "source> curl: (6) Could not resolve host: github.com", false},
    {"fatal: unable to access '", CAUSE_NETWORK, ALL, "git",
     "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com",
     false},
    {"Could not resolve host", CAUSE_NETWORK, CHECKOUT | PUBLISH, "flox 2.6",
     "ssh: Could not resolve hostname github.com: Temporary failure in name resolution", false},
    {"Couldn't resolve host", CAUSE_NETWORK, CHECKOUT | PUBLISH, "flox 2.6",
     "Couldn't resolve host name (6)", false},
    {"Could not read from remote repository", CAUSE_NETWORK, CHECKOUT | PUBLISH, "git",
     "fatal: Could not read from remote repository.", false},
    {"Connection (?:timed out|refused|reset)", CAUSE_NETWORK, CHECKOUT | PUBLISH, "libc",
     "ssh: connect to host example.org port 22: Connection refused", false},
    {" timed out", CAUSE_NETWORK, PUBLISH, "flox 2.6",
     "\u2718 ERROR: request to https://api.flox.dev/ timed out", false},
    {"could not reach FloxHub", CAUSE_NETWORK, PUBLISH, "flox 3.3",
     "Found a FloxHub token but could not reach FloxHub to verify it.", false},
    {"fatal: early EOF", CAUSE_NETWORK, CHECKOUT, "git", "fatal: early EOF", false},
    {"error: RPC failed", CAUSE_NETWORK, CHECKOUT, "git",
     "error: RPC failed; curl 56 GnuTLS recv error (-54)", false},
    /* ---- errors of flox itself */
    {"failed to parse file for lock results", CAUSE_PUBLISH, PUBLISH, "flox 2.2i",
     "failed to parse file for lock results: EOF while parsing a value at line 1 column 0", false},
    /* flox warns and continues, so any other error takes precedence. */
    {"FloxHub token could not be verified", CAUSE_AUTH, PUBLISH, "flox 3.2",
     "Your FloxHub token could not be verified and may be expired or revoked.", false},
    /* ---- a signal from outside: none of our programs sends INT */
    {"user interrupted process", CAUSE_UNKNOWN, BUILD | PUBLISH, "flox 1.7",
     "\u2718 ERROR: user interrupted process", false},
    {"error: interrupted by the user", CAUSE_UNKNOWN, BUILD | PUBLISH, "nix",
     "error: interrupted by the user", false},
    /* ---- the recipe */
    {"farm-worker: the recipe does not evaluate", CAUSE_EVAL, BUILD, "floxfarm",
     "farm-worker: the recipe does not evaluate", true},
    {"refusing to evaluate", CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: Package 'x' has an unfree license ('unfree'), refusing to evaluate.", false},
    {"error: undefined variable", CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: undefined variable 'lbi'", false},
    {"error: syntax error", CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: syntax error, unexpected '}', expecting ';'", false},
    {"error: attribute '[^']*' missing" MEANT, CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: attribute 'cudaPackages_99' missing", false},
    {"error: attribute '[^']*' in selection path '[^']*' not found" MEANT, CAUSE_EVAL,
     BUILD | PUBLISH, "nix", "error: attribute 'd' in selection path 'd' not found", false},
    {"called with unexpected argument '[^']*'" MEANT, CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: function 'anonymous lambda' called with unexpected argument 'cudaSupprt'", false},
    {"called without required argument '", CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: function 'anonymous lambda' called without required argument 'torch'", false},
    {"error: infinite recursion encountered", CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: infinite recursion encountered", false},
    {"error: evaluation aborted", CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: evaluation aborted with the following error message: 'no'", false},
    {"error: assertion '", CAUSE_EVAL, BUILD | PUBLISH, "nix", "error: assertion 'x' failed",
     false},
    /* A dependency that a PyTorch build does not find, with its name. */
    {"CMake Error at \\S{1,300} \\(find_package\\):[\\s\\S]{0,300}?"
     "(By not providing \"[^\"\\n]+\"|provided by\\s+(?:[^\\s>]+>\\s*)?\"[^\"\\n]+\")",
     CAUSE_COMPILE, BUILD, "cmake",
     "CMake Error at CMakeLists.txt:3 (find_package):\n  By not providing \"FindTorch.cmake\" in",
     false},
    {"CMake Error at \\S{1,300} \\(message\\):\\n(?:[^\\s>]+>)? *([^\\n]*[^\\s])", CAUSE_COMPILE,
     BUILD, "cmake",
     "CMake Error at cmake/Cuda.cmake:9 (message):\n  Could NOT find CUDNN (missing: X)", false},
    {"hash mismatch in file downloaded from '[^']*'" GOT, CAUSE_EVAL, BUILD | PUBLISH, "nix",
     "error: hash mismatch in file downloaded from 'https://x/y.tar.gz':", false},
    {"hash mismatch in fixed-output derivation '[^']*'" GOT, CAUSE_COMPILE, BUILD | PUBLISH,
     "flox 1.6", "error: hash mismatch in fixed-output derivation '/nix/store/x.drv':", false},
    {"nvcc fatal", CAUSE_COMPILE, BUILD, "nvcc",
     "nvcc fatal   : Unsupported gpu architecture 'compute_103'", false},
    {"ptxas fatal", CAUSE_COMPILE, BUILD, "nvcc",
     "ptxas fatal   : Value 'sm_103' is not defined for option 'gpu-name'", false},
    {"cannot find -l", CAUSE_COMPILE, BUILD, "ld",
     "/nix/store/x/bin/ld: cannot find -lcudnn: No such file or directory", false},
    {"undefined reference to ", CAUSE_COMPILE, BUILD, "ld",
     "vision.cpp:(.text+0x7): undefined reference to `at::Tensor::sizes() const'", false},
    {"fatal error: ", CAUSE_COMPILE, BUILD, "gcc", "vision.c:3:10: fatal error: no.h: No such file",
     false},
    {": error: ", CAUSE_COMPILE, BUILD, "gcc", "vision.c:7:5: error: expected ';' before '}' token",
     false},
    {"ERROR Missing dependencies:\\s+(?:[^\\s>]+>)?\\s*([^\\n]*[^\\s])", CAUSE_COMPILE, BUILD,
     "pypa build", "ERROR Missing dependencies:\n\ttorch>=2.8", false},
    {"Checking runtime dependencies for \\S{1,300}\\n(?:[^\\s>]+>)? *- ([^\\n]{0,200} not "
     "(?:installed|satisfied by "
     "version [^\\n]*[^\\s]))",
     CAUSE_COMPILE, BUILD, "nixpkgs",
     "Checking runtime dependencies for torchvision-0.23.0-cp313.whl\n  - torch not installed",
     false},
    {"No matching distribution found for ", CAUSE_COMPILE, BUILD, "pip",
     "ERROR: No matching distribution found for torch==2.9.0", false},
    {"ModuleNotFoundError: No module named ", CAUSE_COMPILE, BUILD, "python",
     "ModuleNotFoundError: No module named 'torch'", false},
    {": cannot open shared object file", CAUSE_COMPILE, BUILD, "libc",
     "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory",
     false},
    /* ---- texts that say that something failed, but not why */
    {"builder failed with exit code", CAUSE_COMPILE, BUILD | PUBLISH, "flox 1.7",
     "Reason: builder failed with exit code 1.", true},
    {"builder for '[^']*' failed with exit code", CAUSE_COMPILE, BUILD | PUBLISH, "flox 1.7",
     "error: builder for '/nix/store/x.drv' failed with exit code 1;", true},
    {"Reason: \\d+ dependenc", CAUSE_COMPILE, BUILD | PUBLISH, "flox 1.7",
     "Reason: 1 dependency failed.", true},
    {"dependencies of derivation '[^']*' failed", CAUSE_COMPILE, BUILD | PUBLISH, "nix",
     "error: 1 dependencies of derivation '/nix/store/x.drv' failed to build", true},
    {"ERROR: Build failed", CAUSE_COMPILE, BUILD | PUBLISH, "flox 1.7",
     "\u2718 ERROR: Build failed", true},
};
_Static_assert(sizeof rules / sizeof rules[0] < UINT8_MAX, "rules are numbered by bytes");
enum { RULE_COUNT = sizeof rules / sizeof rules[0], LITERAL_MIN = 4, HASH_BITS = 12 };

const struct cause_rule *cause_rule_at(size_t index)
{
    return index < RULE_COUNT ? &rules[index] : NULL;
}

/* ---- the compiled table: made once, then constant ------------------------------------------ */

static struct {
    pcre2_code *code[RULE_COUNT];
    size_t literal[RULE_COUNT]; /* number of literal characters at the start of the pattern */
    /* Chains of rules with the same hash, in the order of the table; RULE_COUNT ends a chain. */
    uint8_t first[1 << HASH_BITS];
    uint8_t next[RULE_COUNT];
} table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static unsigned hash_of(const void *four_bytes)
{
    uint32_t word;
    memcpy(&word, four_bytes, sizeof word);
    return (word * 2654435761u) >> (32 - HASH_BITS);
}

/* A literal ends at the first special character; a character before a quantifier does not count. */
static size_t literal_length(const char *pattern)
{
    size_t length = strcspn(pattern, "\\^$.[|()?*+{");
    return length > 0 && pattern[length] && strchr("?*+{", pattern[length]) ? length - 1 : length;
}

static void compile_table(void)
{
    memset(table.first, RULE_COUNT, sizeof table.first);
    for (size_t i = RULE_COUNT; i-- > 0;) {
        int error;
        PCRE2_SIZE at;
        /* Start optimizations would scan far ahead for a required character; the place of a match
         * is known already. */
        table.code[i] = pcre2_compile((PCRE2_SPTR)rules[i].pattern, PCRE2_ZERO_TERMINATED,
                                      PCRE2_ANCHORED | PCRE2_NO_START_OPTIMIZE, &error, &at, NULL);
        assert(table.code[i] && "a rule of cause.c is no regular expression");
        pcre2_jit_compile(table.code[i], PCRE2_JIT_COMPLETE); /* optional: it works without JIT */
        table.literal[i] = literal_length(rules[i].pattern);
        assert(table.literal[i] >= LITERAL_MIN && "a rule of cause.c begins with no literal");
        uint8_t *first = &table.first[hash_of(rules[i].pattern)];
        table.next[i] = *first;
        *first = (uint8_t)i;
    }
}

/* ---- searching ---------------------------------------------------------------------------- */

struct rule_search {
    unsigned phase;
    const char *text;
    size_t size;
    size_t best;           /* the rule that matched; RULE_COUNT: none */
    size_t at;             /* where it matched */
    size_t more, more_end; /* the range of its group 1; empty if there is none */
    pcre2_match_data *match;
};

static bool has_literal(const struct rule_search *search, size_t rule, size_t at)
{
    size_t length = table.literal[rule];
    return rules[rule].phases & search->phase && search->size - at >= length &&
           memcmp(search->text + at, rules[rule].pattern, length) == 0;
}

/* True, with the match stored in `search`, if the rule matches at `at`. */
static bool rule_matches(struct rule_search *search, size_t rule, size_t at)
{
    int pairs = has_literal(search, rule, at)
                    ? pcre2_match(table.code[rule], (PCRE2_SPTR)search->text, search->size, at, 0,
                                  search->match, NULL)
                    : PCRE2_ERROR_NOMATCH;
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(search->match);
    if (pairs < 1)
        return false;
    search->best = rule;
    search->at = at;
    search->more = pairs > 1 ? ends[2] : 0;
    search->more_end = pairs > 1 ? ends[3] : 0;
    return true;
}

static void search_rules(struct rule_search *search)
{
    pthread_once(&table_once, compile_table);
    search->best = RULE_COUNT;
    search->match = pcre2_match_data_create(2, NULL); /* the whole match and group 1 */
    assert(search->match && "out of memory");
    for (size_t at = 0; at + LITERAL_MIN <= search->size; at++) {
        size_t rule = table.first[hash_of(search->text + at)];
        while (rule < search->best && !rule_matches(search, rule, at))
            rule = table.next[rule];
    }
    pcre2_match_data_free(search->match);
}

/* ---- text --------------------------------------------------------------------------------- */

/* Length of the terminal escape sequence at the start of the text; 0 if there is none. */
static size_t escape_length(const uint8_t *text, size_t size)
{
    size_t length = 2;
    if (size < 2 || text[0] != 0x1b)
        return 0;
    if (text[1] != '[')
        return 2;
    while (length < size && (text[length] < 0x40 || text[length] > 0x7e))
        length++;
    return length < size ? length + 1 : size;
}

/* A copy without escape sequences and control characters, except line ends. */
static char *clean_copy(struct bytes tail, size_t *size)
{
    char *out = mem_new(tail.size + 1);
    *size = 0;
    for (size_t i = 0; i < tail.size;) {
        size_t escape = escape_length(tail.data + i, tail.size - i);
        if (escape) {
            i += escape;
            continue;
        }
        uint8_t byte = tail.data[i++];
        if (byte == '\r')
            byte = '\n';
        out[(*size)++] = (char)(byte == '\n' || (byte >= ' ' && byte != 0x7f) ? byte : ' ');
    }
    return out;
}

static size_t line_begin(const char *text, size_t at)
{
    while (at > 0 && text[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(const char *text, size_t size, size_t at)
{
    while (at < size && text[at] != '\n')
        at++;
    return at;
}

/* Sets the detail to the line around `at`: trimmed, valid UTF-8, cut at the end of a character. */
static void set_detail(struct cause_verdict *out, const char *text, size_t size, size_t at)
{
    size_t begin = line_begin(text, at), end = line_end(text, size, at);
    while (begin < end && text[begin] == ' ')
        begin++;
    while (end > begin && text[end - 1] == ' ')
        end--;
    /* Of a line that is too long: the part with the match. */
    if (end - begin >= sizeof out->detail && at > begin + sizeof out->detail / 2)
        begin = at - sizeof out->detail / 2;
    size_t length = end - begin < sizeof out->detail ? end - begin : sizeof out->detail - 1;
    memcpy(out->detail, text + begin, length);
    out->detail[length] = '\0';
    utf8_repair(out->detail, length);
}

/* Appends ": " and the text of a rule's group 1, with single spaces; shortens the line if needed.
 */
static void add_more(struct cause_verdict *out, const char *text, size_t size)
{
    char more[sizeof out->detail / 2];
    size_t length = 0, line = strlen(out->detail);
    for (size_t i = 0; i < size && length < sizeof more - 1; i++) {
        bool space = text[i] == ' ' || text[i] == '\n';
        if (!space || (length && more[length - 1] != ' '))
            more[length++] = space ? ' ' : text[i];
    }
    if (!length)
        return;
    if (line + 2 + length >= sizeof out->detail)
        line = sizeof out->detail - 3 - length;
    while (line && (out->detail[line - 1] == ':' || out->detail[line - 1] == ' '))
        line--;
    int printed =
        snprintf(out->detail + line, sizeof out->detail - line, ": %.*s", (int)length, more);
    utf8_repair(out->detail, line + (size_t)printed);
}

static bool has_text(const char *line, size_t length, const char *text)
{
    return memmem(line, length, text, strlen(text));
}

/* nix reports each derivation that failed and each one that depends on it; these lines give no
 * reason. */
static bool is_frame(const char *line, size_t length)
{
    return has_text(line, length, "error: Cannot build '") ||
           has_text(line, length, "error: builder for '") ||
           has_text(line, length, "dependencies of derivation '");
}

/* Sets the detail to the last line before `end` that contains "error", or else to the last line
 * that is not empty; both without the lines of is_frame. Returns the start of the line, SIZE_MAX if
 * there is none. */
static size_t set_last_error(struct cause_verdict *out, const char *text, size_t end)
{
    size_t last = SIZE_MAX;
    end -= end > 0 && text[end - 1] == '\n';
    while (end > 0) {
        size_t begin = line_begin(text, end);
        size_t length = end - begin;
        const char *line = text + begin;
        bool is_reason = !is_frame(line, length);
        if (is_reason && (has_text(line, length, "rror:") || has_text(line, length, "ERROR"))) {
            set_detail(out, text, end, begin);
            return begin;
        }
        if (last == SIZE_MAX && is_reason && strspn(line, " ") < length)
            last = begin;
        end = begin > 0 ? begin - 1 : 0;
    }
    if (last != SIZE_MAX)
        set_detail(out, text, last + strcspn(text + last, "\n"), last);
    return last;
}

/* ---- the lines that matter ------------------------------------------------------------------ */

enum { LINES_BEFORE = 3, LINES_BEHIND = 4 };

/* The line at `at` and the lines around it that fit; of a line that is too long its beginning. */
static void set_lines(struct cause_verdict *out, const char *text, size_t size, size_t at)
{
    size_t begin = line_begin(text, at), end = line_end(text, size, at);
    for (int i = 0; i < LINES_BEHIND && end < size; i++) {
        size_t next = line_end(text, size, end + 1);
        if (next - begin >= sizeof out->lines)
            break;
        end = next;
    }
    for (int i = 0; i < LINES_BEFORE && begin > 0; i++) {
        size_t before = line_begin(text, begin - 1);
        if (end - before >= sizeof out->lines)
            break;
        begin = before;
    }
    size_t length = end - begin < sizeof out->lines ? end - begin : sizeof out->lines - 1;
    memcpy(out->lines, text + begin, length);
    out->lines[length] = '\0';
    utf8_repair(out->lines, length);
}

/* ---- the farm's own rules ------------------------------------------------------------------ */

/* A pattern that a user wrote may be slow, unlike those of the table. */
enum { OWN_MATCH_LIMIT = 100000 };

/* Where a pattern matches; SIZE_MAX if nowhere. farmd compiled it when it read farm.yaml, so an
 * invalid pattern cannot come here; it would match nothing. */
static size_t find_own(const char *pattern, size_t length, const char *text, size_t size)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, length, PCRE2_MULTILINE, &error, &at, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    size_t found = SIZE_MAX;
    if (code && context && match) {
        pcre2_set_match_limit(context, OWN_MATCH_LIMIT);
        if (pcre2_match(code, (PCRE2_SPTR)text, size, 0, 0, match, context) >= 0)
            found = pcre2_get_ovector_pointer(match)[0];
    }
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    pcre2_code_free(code);
    return found;
}

/* Applies the farm's own rules, each a line "CAUSE PATTERN". The first that matches wins. */
static bool judge_by_own_rules(const char *own, const char *text, size_t size,
                               struct cause_verdict *out, size_t *at)
{
    char name[32];
    for (const char *line = own; line && *line;) {
        size_t length = strcspn(line, "\n"), word = strcspn(line, " \n");
        if (word < length && word < sizeof name) {
            memcpy(name, line, word);
            name[word] = '\0';
            int cause = shape_enum_value(cause_names, name);
            *at = cause > CAUSE_NONE ? find_own(line + word + 1, length - word - 1, text, size)
                                     : SIZE_MAX;
            if (*at != SIZE_MAX) {
                out->cause = (enum cause)cause;
                set_detail(out, text, size, *at);
                return true;
            }
        }
        line += length + (line[length] == '\n');
    }
    return false;
}

/* ---- evidence ----------------------------------------------------------------------------- */

static void verdict_set(struct cause_verdict *out, enum cause cause, const char *detail)
{
    out->cause = cause;
    snprintf(out->detail, sizeof out->detail, "%s", detail);
}

/* Decides by the exit facts alone. False when they do not show a cause. */
static bool judge_facts(const struct exit_facts *facts, bool lost, struct cause_verdict *out)
{
    if (facts->oom_kills > 0)
        verdict_set(out, CAUSE_OOM,
                    "the kernel killed processes of the phase because memory ran out");
    else if (facts->timed_out)
        verdict_set(out, CAUSE_TIMEOUT, "the phase ran longer than its time limit");
    else if (facts->silent)
        verdict_set(out, CAUSE_SILENT,
                    "the phase printed nothing for longer than its silence limit");
    else if (facts->free_bytes < DISK_FULL_BYTES)
        verdict_set(out, CAUSE_DISK_FULL, "the disk was full when the phase ended");
    else if (lost)
        verdict_set(out, CAUSE_HOST_LOST, "the supervisor was killed");
    else
        return false;
    return true;
}

static enum cause cause_by_exit(enum phase phase, enum builder builder,
                                const struct exit_facts *facts)
{
    bool killed = facts->signal == SIGKILL || facts->status == 128 + SIGKILL;
    bool illegal = facts->signal == SIGILL || facts->status == 128 + SIGILL;
    if (killed)
        return CAUSE_OOM; /* our programs send KILL only after a limit or a stop */
    if (illegal)
        return CAUSE_WRONG_HOST;
    switch (phase) {
    case PHASE_CHECK:
        return CAUSE_CHECK;
    case PHASE_PUBLISH:
        return CAUSE_PUBLISH;
    case PHASE_BUILD:
        /* The shell did not find the command or could not execute it. */
        if (builder == BUILDER_COMMAND && (facts->status == 127 || facts->status == 126))
            return CAUSE_CONFIG;
        return CAUSE_COMPILE;
    case PHASE_NONE:
    case PHASE_CHECKOUT:
        break;
    }
    return CAUSE_UNKNOWN;
}

/* The last character of the log that is not blank; for the lines when no rule was applied. */
static size_t last_word(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' '))
        size--;
    return size ? size - 1 : SIZE_MAX;
}

/* Decides by what happened to nix-daemon while it may have worked for this phase. The daemon works
 * for others, too, so a rule that gives a reason takes precedence; a summary does not. */
static bool judge_daemon(enum phase phase, enum builder builder, const struct exit_facts *facts,
                         const struct rule_search *search, struct cause_verdict *out)
{
    bool may = (phase == PHASE_BUILD || phase == PHASE_PUBLISH) && builder != BUILDER_COMMAND;
    bool explained = search->best != RULE_COUNT && !rules[search->best].is_summary;
    if (!may || explained)
        return false;
    if (facts->daemon_oom_kills)
        verdict_set(out, CAUSE_OOM,
                    "the kernel killed processes of nix-daemon because memory ran out");
    else if (facts->daemon_restarted)
        verdict_set(out, CAUSE_HOST_LOST, "nix-daemon was restarted during the phase");
    else
        return false;
    return true;
}

/* Decides by the table. Returns the place in the text that shows the cause; SIZE_MAX if there is
 * none. */
static size_t judge_words(enum phase phase, enum builder builder, const struct exit_facts *facts,
                          struct rule_search *search, struct cause_verdict *out)
{
    search_rules(search);
    if (judge_daemon(phase, builder, facts, search, out))
        return last_word(search->text, search->size);
    if (search->best == RULE_COUNT) {
        out->cause = cause_by_exit(phase, builder, facts);
        return set_last_error(out, search->text, search->size);
    }
    size_t at = SIZE_MAX;
    out->cause = rules[search->best].cause;
    if (rules[search->best].is_summary)
        at = set_last_error(out, search->text, line_begin(search->text, search->at));
    if (out->detail[0])
        return at;
    set_detail(out, search->text, search->size, search->at);
    add_more(out, search->text + search->more, search->more_end - search->more);
    return search->at;
}

void cause_find(enum phase phase, enum builder builder, const struct exit_facts *facts,
                bool supervisor_lost, struct bytes tail, const char *own, struct cause_verdict *out)
{
    *out = (struct cause_verdict){.cause = CAUSE_NONE};
    bool well = facts->status == 0 && facts->signal == 0 && !facts->timed_out && !facts->silent;
    if (well && !supervisor_lost)
        return;
    if (tail.size > LIMIT_CAUSE_BYTES) {
        tail.data += tail.size - LIMIT_CAUSE_BYTES;
        tail.size = LIMIT_CAUSE_BYTES;
    }
    struct rule_search search = {.phase = 1u << phase};
    char *text = clean_copy(tail, &search.size);
    size_t at;
    search.text = text;
    if (judge_facts(facts, supervisor_lost, out))
        at = last_word(text, search.size);
    else if (!judge_by_own_rules(own, text, search.size, out, &at))
        at = judge_words(phase, builder, facts, &search, out);
    if (at != SIZE_MAX)
        set_lines(out, text, search.size, at);
    out->signature = signature_of(out->cause, out->detail);
    free(text);
}
