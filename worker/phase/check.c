/* SPDX-License-Identifier: MIT */
/* check.c - see check.h. */
#include "worker/phase/check.h"

#include "proto/base/beneath.h"
#include "proto/hardware.h"
#include "worker/builders/tools.h"
#include "worker/phase/shell_words.h"

#include <string.h>
#include <unistd.h>

enum { SCRIPT_BYTES_MAX = 1 << 20, NAMED_MAX = 8, REASON_MAX = 300 };

/* ---- does it run here? --------------------------------------------------------------------- */

const char *check_obstacle(const struct capabilities *host, const struct variant *variant,
                           struct arena *arena)
{
    const char *obstacle = hardware_unprovable(host, variant);
    if (!obstacle)
        return NULL;
    if (obstacle == variant->gpu)
        return arena_print(arena, "its check needs a GPU of %s, and the host has none", obstacle);
    return arena_print(arena, "its check needs %s, which the host does not run", obstacle);
}

/* ---- what the script needs ----------------------------------------------------------------- */

static bool is_shell(const char *interpreter)
{
    static const char *const names[] = {"sh", "bash", "dash", "ksh", "zsh", "ash", NULL};
    const char *slash = strrchr(interpreter, '/');
    for (size_t i = 0; names[i]; i++)
        if (strcmp(slash ? slash + 1 : interpreter, names[i]) == 0)
            return true;
    return !*interpreter; /* without a #! line it is run by sh */
}

static bool program_exists(const char *name)
{
    return *name == '/' ? access(name, X_OK) == 0 : tool_exists(name);
}

static const char *list_missing(const struct shell_words *words, struct arena *arena)
{
    const char *list = "";
    size_t missing = 0;
    for (size_t i = 0; i < words->count; i++) {
        if (program_exists(words->items[i]))
            continue;
        if (missing++ < NAMED_MAX)
            list = arena_print(arena, "%s%s%s", list, *list ? ", " : "", words->items[i]);
    }
    if (missing > NAMED_MAX)
        list = arena_print(arena, "%s and %zu more", list, missing - NAMED_MAX);
    return list;
}

const char *check_missing(const char *worktree, struct arena *arena)
{
    struct buf script = {0};
    const char *missing = "";
    struct shell_words words = {.arena = arena};
    if (beneath_read(worktree, "test-build.sh", SCRIPT_BYTES_MAX, &script, NULL) == BENEATH_FOUND &&
        script.size) {
        const char *text = (const char *)script.data;
        const char *interpreter = shell_words_interpreter(text, script.size, arena);
        if (is_shell(interpreter))
            shell_words_read(text, script.size, &words);
        missing = *interpreter && !program_exists(interpreter) ? interpreter
                                                               : list_missing(&words, arena);
    }
    buf_release(&script);
    if (!*missing)
        return "";
    return arena_print(arena, "test-build.sh calls %s, which is not in PATH", missing);
}

/* ---- what its end means -------------------------------------------------------------------- */

struct line {
    const char *text;
    size_t size;
};

static bool has(const struct line *line, const char *text)
{
    return memmem(line->text, line->size, text, strlen(text));
}

static bool ends_with(const struct line *line, const char *text)
{
    size_t length = strlen(text);
    return line->size >= length && memcmp(line->text + line->size - length, text, length) == 0;
}

/* The word between the last two colons before `end`: "python3.13" of "sh: line 2: python3.13: not
 * found". */
static struct line word_before(const struct line *line, const char *end)
{
    size_t to = line->size - strlen(end), from = to;
    while (from > 0 && line->text[from - 1] != ' ' && line->text[from - 1] != ':')
        from--;
    return (struct line){line->text + from, to - from};
}

static bool names_product(const struct line *line, const struct product *product)
{
    for (size_t i = 0; i < product->paths_count; i++)
        if (has(line, product->paths[i]))
            return true;
    return false;
}

/* Whether the line says that a program of the host is missing: not one of the product, and not a
 * path of the worktree. */
static bool tells_missing(const struct line *line, const struct product *product)
{
    static const char *const ends[] = {": command not found", ": not found",
                                       ": No such file or directory", NULL};
    if (names_product(line, product))
        return false;
    if (has(line, "farm-worker: the check could not start") || has(line, ": bad interpreter: "))
        return true;
    bool by_env = has(line, "env: ") && ends_with(line, ends[2]);
    for (size_t i = 0; ends[i] && !by_env; i++) {
        if (!ends_with(line, ends[i]) || (i > 0 && !has(line, "test-build.sh: ")))
            continue;
        struct line word = word_before(line, ends[i]);
        bool is_path = word.size && memchr(word.text, '/', word.size);
        return word.size && (is_path ? word.text[0] == '/' : i < 2);
    }
    return by_env;
}

static bool tells_error(const struct line *line)
{
    return has(line, "rror:") || has(line, "ERROR") || has(line, "FAIL") || has(line, "Traceback");
}

/* From the last line back: the first that tells one or the other decides. */
static bool find_missing(struct bytes tail, const struct product *product, struct line *found)
{
    const char *text = (const char *)tail.data;
    for (size_t end = tail.size; end > 0;) {
        size_t begin = end;
        while (begin > 0 && text[begin - 1] != '\n')
            begin--;
        *found = (struct line){text + begin, end - begin};
        while (found->size && strchr("\r\n ", found->text[found->size - 1]))
            found->size--;
        if (tells_missing(found, product))
            return true;
        if (tells_error(found) || names_product(found, product))
            return false;
        end = begin > 0 ? begin - 1 : 0;
    }
    *found = (struct line){"", 0};
    return false;
}

const char *check_not_started(const struct exit_facts *facts, struct bytes tail,
                              const struct product *product, struct arena *arena)
{
    struct line line = {"", 0};
    bool by_status = facts->status == 126 || facts->status == 127;
    if (facts->signal || facts->timed_out || facts->silent)
        return NULL;
    if (tail.size && find_missing(tail, product, &line)) {
        int length = line.size < REASON_MAX ? (int)line.size : REASON_MAX;
        return arena_print(arena, "its check could not start: %.*s", length, line.text);
    }
    if (!by_status || line.size) /* another error, or a program of the product that is missing */
        return NULL;
    return arena_print(arena, "its check could not start: exit status %lld",
                       (long long)facts->status);
}

bool check_lacked_gpu_memory(struct bytes tail)
{
    static const char *const texts[] = {"CUDA out of memory",        /* torch */
                                        "CUDA error: out of memory", /* CUDA */
                                        "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED",
                                        "cudaErrorMemoryAllocation",  NULL};
    for (size_t i = 0; texts[i]; i++)
        if (tail.size && memmem(tail.data, tail.size, texts[i], strlen(texts[i])))
            return true;
    return false;
}

/* ---- what it gets -------------------------------------------------------------------------- */

static void hide_gpus(struct texts *environment)
{
    texts_set(environment, "CUDA_VISIBLE_DEVICES", "%s", "");
    texts_set(environment, "NVIDIA_VISIBLE_DEVICES", "void");
    texts_set(environment, "ROCR_VISIBLE_DEVICES", "-1");
    texts_set(environment, "HIP_VISIBLE_DEVICES", "-1");
}

void check_environment(struct texts *environment, const struct variant *variant,
                       const struct product *product, const char *gpu)
{
    texts_set(environment, "FARM_CHECK", "%s", gpu ? "gpu" : "cpu");
    if (!gpu)
        hide_gpus(environment);
    else if (*gpu)
        texts_set(environment, "CUDA_VISIBLE_DEVICES", "%s", gpu);
    if (!product->paths_count)
        return;
    texts_set(environment, "FARM_RESULT", "%s", product->paths[0]);
    const char *python = tools_python(product, variant->python, environment->arena);
    if (*python)
        texts_set(environment, "FARM_RESULT_PYTHON", "%s", python);
}
