/* SPDX-License-Identifier: MIT */
/* nix_escapes.c - see nix_escapes.h.
 *
 * The ranges are those of the records in github.com/CVEProject/cvelistV5, as of 2026-11. Left out
 * are records about macOS and FreeBSD (CVE-2024-51481, CVE-2025-53819, CVE-2026-110451 and 110453),
 * about experimental features (CVE-2026-64846), and about what happens where the recipe runs anyway
 * (CVE-2026-44029, CVE-2026-110449).
 */
#include "worker/host/nix_escapes.h"

#include <stdlib.h>
#include <string.h>

#define ADVISORY "https://github.com/NixOS/nix/security/advisories/"
#define JUNE_2025                                                                                  \
    "https://discourse.nixos.org/t/security-advisory-privilege-escalations-in-nix-lix-and-guix/"   \
    "66017"
/* Of the records of June 2025 that say "before"; the last three are of Lix. */
#define JUNE_2025_RANGES                                                                           \
    {                                                                                              \
        {"0", "2.24.15"}, {"2.25.0", "2.26.4"}, {"2.27.0", "2.28.4"}, {"2.29.0", "2.29.1"},        \
            {"2.90.0", "2.91.2"}, {"2.92.0", "2.92.2"}, {"2.93.0", "2.93.1"},                      \
    }

static const struct nix_escape escapes[] = {
    {"CVE-2024-27297",
     "changes the output of a fixed-output derivation after nix has registered it",
     ADVISORY "GHSA-2ffj-w4mj-pg37",
     {{"2.3.0", "2.3.18"}, {"2.4.0", "2.18.2"}, {"2.19.0", "2.19.4"}, {"2.20.0", "2.20.5"}}},
    {"CVE-2024-38531",
     "leaves a setuid program of nix's build user, which takes over later builds",
     ADVISORY "GHSA-q82p-44mg-mgh5",
     {{"2.18.0", "2.18.4"},
      {"2.19.0", "2.19.5"},
      {"2.20.0", "2.20.7"},
      {"2.21.0", "2.21.3"},
      {"2.22.0", "2.22.2"},
      {"2.23.0", "2.23.1"}}},
    {"CVE-2024-45593",
     "has the daemon write any file as root, by an archive that it unpacks",
     ADVISORY "GHSA-h4vv-h3jq-v493",
     {{"2.24.0", "2.24.6"}}},
    {"CVE-2025-46415", "removes what is in any folder of the host", JUNE_2025, JUNE_2025_RANGES},
    /* This record says "through" where the others say "before". */
    {"CVE-2025-46416",
     "becomes the user of nix's builders",
     JUNE_2025,
     {{"0", "2.24.16"},
      {"2.25.0", "2.26.5"},
      {"2.27.0", "2.28.5"},
      {"2.29.0", "2.29.2"},
      {"2.90.0", "2.91.3"},
      {"2.92.0", "2.92.3"},
      {"2.93.0", "2.93.2"}}},
    {"CVE-2025-52991", "prepares the build folder of another user's build", JUNE_2025,
     JUNE_2025_RANGES},
    {"CVE-2025-52992", "leaves a part of the store writable by a build that fails", JUNE_2025,
     JUNE_2025_RANGES},
    {"CVE-2025-52993", "gets any file of the host for the user of nix's builders", JUNE_2025,
     JUNE_2025_RANGES},
    /* No release mends 2.18, 2.19 or 2.20: the record names their last ones as affected. */
    {"CVE-2026-39860",
     "has the daemon overwrite any file as root, by a link in a fixed-output derivation",
     ADVISORY "GHSA-g3g9-5vj6-r3gj",
     {{"2.18.2", "2.18.10"},
      {"2.19.4", "2.19.8"},
      {"2.20.5", "2.20.10"},
      {"2.21.0", "2.28.6"},
      {"2.29.0", "2.29.3"},
      {"2.30.0", "2.30.4"},
      {"2.31.0", "2.31.4"},
      {"2.32.0", "2.32.7"},
      {"2.33.0", "2.33.4"},
      {"2.34.0", "2.34.5"}}},
    {"CVE-2026-44028",
     "overwrites memory of the daemon, by an archive that it reads",
     ADVISORY "GHSA-vh5x-56v6-4368",
     {{"2.24.4", "2.28.7"},
      {"2.29.0", "2.29.4"},
      {"2.30.0", "2.30.5"},
      {"2.31.0", "2.31.5"},
      {"2.32.0", "2.32.8"},
      {"2.33.0", "2.33.6"},
      {"2.34.0", "2.34.7"},
      {"2.93.0", "2.93.4"},
      {"2.94.0", "2.94.2"},
      {"2.95.0", "2.95.2"}}},
    {"CVE-2026-110450",
     "has the daemon replace a path of the store, by a repair, before it checks what it gets",
     "",
     {{"0", "2.28.8"},
      {"2.29.0", "2.30.6"},
      {"2.31.0", "2.31.6"},
      {"2.32.0", "2.34.9"},
      {"2.35.0", "2.35.3"},
      {"2.90.0", "2.95.4"}}},
};
enum { ESCAPES = sizeof escapes / sizeof *escapes, NUMBERS = 3, LIX_MINOR = 90 };

/* ---- versions -------------------------------------------------------------------------------- */

struct version {
    long numbers[NUMBERS];
};

static struct version version_read(const char *text)
{
    struct version version = {{0}};
    for (int i = 0; i < NUMBERS; i++) {
        char *end;
        version.numbers[i] = strtol(text, &end, 10);
        if (*end != '.')
            break;
        text = end + 1;
    }
    return version;
}

static int version_compare(const char *left, const char *right)
{
    struct version a = version_read(left), b = version_read(right);
    for (int i = 0; i < NUMBERS; i++)
        if (a.numbers[i] != b.numbers[i])
            return a.numbers[i] < b.numbers[i] ? -1 : 1;
    return 0;
}

static bool is_lix(const char *version)
{
    struct version read = version_read(version);
    return read.numbers[0] == 2 && read.numbers[1] >= LIX_MINOR;
}

/* NULL when the row is not about the version. */
static const struct nix_range *range_of(const struct nix_escape *escape, const char *version)
{
    for (size_t i = 0; i < NIX_RANGES_MAX && escape->ranges[i].from; i++) {
        const struct nix_range *range = &escape->ranges[i];
        if (version_compare(version, range->from) >= 0 &&
            version_compare(version, range->before) < 0)
            return range;
    }
    return NULL;
}

/* ---- the table ------------------------------------------------------------------------------- */

const struct nix_escape *nix_escape_at(size_t index)
{
    return index < ESCAPES ? &escapes[index] : NULL;
}

bool nix_escape_reaches(const struct nix_escape *escape, const char *version)
{
    return range_of(escape, version) != NULL;
}

size_t nix_escapes_count(const char *version)
{
    size_t count = 0;
    for (size_t i = 0; i < ESCAPES; i++)
        count += nix_escape_reaches(&escapes[i], version);
    return count;
}

const char *nix_escapes_list(const char *version, struct arena *arena)
{
    const char *list = "";
    for (size_t i = 0; i < ESCAPES; i++)
        if (nix_escape_reaches(&escapes[i], version))
            list = arena_print(arena, "%s%s%s (%s)", list, *list ? ", " : "", escapes[i].allows,
                               escapes[i].name);
    return list;
}

/* A version that ends one row's range may begin another's, so it goes on until none has it. */
const char *nix_escapes_mended(const char *version, struct arena *arena)
{
    const struct nix_range *range;
    for (size_t i = 0; i < ESCAPES; i++)
        if ((range = range_of(&escapes[i], version)))
            version = range->before, i = (size_t)-1;
    return arena_text(arena, version);
}

const char *nix_escapes_newest(const char *version, struct arena *arena)
{
    const char *newest = version;
    for (size_t i = 0; i < ESCAPES; i++)
        for (size_t k = 0; k < NIX_RANGES_MAX && escapes[i].ranges[k].from; k++) {
            const char *before = escapes[i].ranges[k].before;
            if (is_lix(before) == is_lix(version) && version_compare(before, newest) > 0)
                newest = before;
        }
    return arena_text(arena, newest);
}
