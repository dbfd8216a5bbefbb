/* SPDX-License-Identifier: MIT */
/* print.c - prints the table of options as a commented farm.yaml and as Markdown. */
#include "coordinator/config/options.h"

#include <string.h>

/* ---- farm.yaml ------------------------------------------------------------------------------ */

/* Comment lines are wrapped before this column. */
enum { COMMENT_COLUMN = 100 };

struct printer {
    struct buf *out;
    struct arena arena;
    bool explain; /* meanings are printed for the first item of a list only */
};

static void print_indent(struct printer *printer, int indent)
{
    buf_print(printer->out, "%*s", indent, "");
}

/* Prints a text as comment lines. */
static void print_comment(struct printer *printer, int indent, const char *text)
{
    size_t room = (size_t)(COMMENT_COLUMN - 2 - indent);
    while (*text) {
        size_t size = strlen(text);
        if (size > room)
            for (size = room; size > 0 && text[size] != ' ';)
                size--;
        if (size == 0)
            size = strcspn(text, " ");
        print_indent(printer, indent);
        buf_print(printer->out, "# %.*s\n", (int)size, text);
        text += size + (text[size] == ' ');
    }
}

/* Prints a plain scalar when YAML cannot misread it, otherwise one in double quotes. */
static void print_scalar(struct printer *printer, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
    static const char inner[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-:@+";
    size_t size = strlen(text);
    if (size > 0 && strchr(plain, *text) && *text != '-' && strspn(text, inner) == size &&
        text[size - 1] != ':' && strcmp(text, "null") != 0) {
        buf_add(printer->out, text, size);
        return;
    }
    buf_add(printer->out, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\')
            buf_print(printer->out, "\\%c", *at);
        else if (*at < ' ' || *at == 0x7f)
            buf_print(printer->out, "\\x%02x", *at);
        else
            buf_add(printer->out, at, 1);
    }
    buf_add(printer->out, "\"", 1);
}

static void print_options(struct printer *printer, const struct config_option *options,
                          const void *plain, int indent, bool is_item);

static const char *note_of(const struct config_option *option, const char *item)
{
    return option->note_offset ? *(const char *const *)(item + option->note_offset) : NULL;
}

static void print_option_list(struct printer *printer, const struct config_option *option,
                              const void *plain, int indent)
{
    const char *items = *(const char *const *)((const char *)plain + option->offset);
    size_t count = *(const size_t *)((const char *)plain + option->count_offset);
    bool explain = printer->explain;
    print_indent(printer, indent);
    buf_print(printer->out, "%s:\n", option->key);
    for (size_t i = 0; i < count; i++) {
        const char *note = note_of(option, items + i * option->item_size);
        if (note)
            print_comment(printer, indent + 2, note);
        print_options(printer, option->options, items + i * option->item_size, indent + 4, true);
        printer->explain = false;
    }
    printer->explain = explain;
    if (count == 0)
        for (const struct config_option *inner = option->options; inner->key; inner++) {
            print_indent(printer, indent + 2);
            buf_print(printer->out, "# %s %s:%s%s   # %s\n", inner == option->options ? "-" : " ",
                      inner->key, inner->otherwise && *inner->otherwise ? " " : "",
                      inner->otherwise ? inner->otherwise : "", inner->meaning);
        }
}

static void print_texts(struct printer *printer, const struct config_option *option,
                        const void *plain, int indent)
{
    const char *const *texts = *(const char *const *const *)((const char *)plain + option->offset);
    size_t count = *(const size_t *)((const char *)plain + option->count_offset);
    print_indent(printer, indent);
    buf_print(printer->out, "%s%s: [", count ? "" : "# ", option->key);
    for (size_t i = 0; i < count; i++) {
        buf_print(printer->out, "%s", i ? ", " : "");
        print_scalar(printer, texts[i]);
    }
    buf_print(printer->out, "]\n");
}

static void print_option_value(struct printer *printer, const struct config_option *option,
                               const void *plain, int indent)
{
    const char *text = option_as_text(option, plain, &printer->arena);
    bool is_default = option->otherwise && strcmp(text, option->otherwise) == 0;
    print_indent(printer, indent);
    buf_print(printer->out, "%s%s:%s", is_default ? "# " : "", option->key,
              is_default && !*text ? "" : " ");
    if (!is_default || *text)
        print_scalar(printer, text);
    buf_print(printer->out, "\n");
}

static void print_option(struct printer *printer, const struct config_option *option,
                         const void *plain, int indent)
{
    switch (option->type) {
    case OPTION_GROUP:
        print_indent(printer, indent);
        buf_print(printer->out, "%s:\n", option->key);
        print_options(printer, option->options, (const char *)plain + option->offset, indent + 2,
                      false);
        return;
    case OPTION_LIST:
        print_option_list(printer, option, plain, indent);
        return;
    case OPTION_TEXTS:
        print_texts(printer, option, plain, indent);
        return;
    case OPTION_TEXT:
    case OPTION_U32:
    case OPTION_FLAG:
    case OPTION_ENUM:
    case OPTION_BYTES:
    case OPTION_TIME:
        print_option_value(printer, option, plain, indent);
        return;
    }
}

/* The first key of a list item is printed after the item's dash. */
static void print_options(struct printer *printer, const struct config_option *options,
                          const void *plain, int indent, bool is_item)
{
    for (const struct config_option *option = options; option->key; option++) {
        bool is_first = is_item && option == options;
        if (indent == 0)
            buf_print(printer->out, "\n");
        if (printer->explain && !is_first)
            print_comment(printer, indent, option->meaning);
        size_t start = printer->out->size;
        print_option(printer, option, plain, indent);
        if (is_first)
            printer->out->data[start + (size_t)indent - 2] = '-';
    }
}

void config_write_template(const struct config *config, struct buf *out)
{
    struct printer printer = {.out = out, .explain = true};
    buf_print(out, "# farm.yaml: what this farm builds and where it publishes.\n"
                   "# A key that is commented out has the value shown. Times: 30s, 90m, 2h. "
                   "Sizes: 500MiB, 8G.\n");
    print_options(&printer, config_options, config, 0, false);
    arena_clear(&printer.arena);
}

/* ---- docs/config.md ------------------------------------------------------------------------- */

static const char *type_name(const struct config_option *option)
{
    switch (option->type) {
    case OPTION_TEXT:
        return "text";
    case OPTION_TEXTS:
        return "list of texts";
    case OPTION_U32:
        return "number";
    case OPTION_FLAG:
        return "true, false";
    case OPTION_ENUM:
        break;
    case OPTION_BYTES:
        return "size";
    case OPTION_TIME:
        return "time";
    case OPTION_GROUP:
        return "keys, below";
    case OPTION_LIST:
        return "list, below";
    }
    return "one of";
}

static void print_type(const struct config_option *option, struct buf *out)
{
    buf_print(out, "%s", type_name(option));
    if (option->type != OPTION_ENUM)
        return;
    size_t first = strcmp(option->names[0], "none") == 0;
    for (size_t i = first; option->names[i]; i++)
        buf_print(out, "%s %s", i > first ? "," : "", option->names[i]);
}

static void print_default(const struct config_option *option, const char *quote, struct buf *out)
{
    bool is_inner = option->type == OPTION_GROUP || option->type == OPTION_LIST;
    if (!option->otherwise && option->type != OPTION_TEXTS)
        buf_print(out, "required");
    else if (option->otherwise && *option->otherwise)
        buf_print(out, "%s%s%s", quote, option->otherwise, quote);
    else if (!is_inner)
        buf_print(out, "none");
}

static const char *path_below(struct arena *arena, const char *path,
                              const struct config_option *option)
{
    return arena_print(arena, "%s%s%s%s", path, *path ? "." : "", option->key,
                       option->type == OPTION_LIST ? "[]" : "");
}

static void print_table(const struct config_option *options, const char *path, struct buf *out)
{
    struct arena arena = {0};
    buf_print(out, "\n## %s\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
              *path ? path : "farm.yaml");
    for (const struct config_option *option = options; option->key; option++) {
        buf_print(out, "| `%s` | ", option->key);
        print_type(option, out);
        buf_print(out, " | ");
        print_default(option, "`", out);
        buf_print(out, " | %s |\n", option->meaning);
    }
    for (const struct config_option *option = options; option->key; option++)
        if (option->options)
            print_table(option->options, path_below(&arena, path, option), out);
    arena_clear(&arena);
}

/* Breaks a text into lines that fit a terminal. */
static void print_indented(const char *text, struct buf *out)
{
    enum { INDENT = 4, COLUMNS = 78 };
    size_t column = COLUMNS;
    while (*text) {
        size_t word = strcspn(text, " ");
        bool breaks = column + 1 + word > COLUMNS;
        buf_print(out, "%s%.*s", breaks ? "\n    " : " ", (int)word, text);
        column = breaks ? INDENT + word : column + 1 + word;
        text += word + strspn(text + word, " ");
    }
    buf_print(out, "\n");
}

static void explain_options(const struct config_option *options, const char *path, struct buf *out)
{
    struct arena arena = {0};
    struct buf about = {0};
    for (const struct config_option *option = options; option->key; option++) {
        bool is_inner = option->options != NULL;
        buf_clear(&about);
        print_type(option, &about);
        if (!is_inner || !option->otherwise) {
            buf_print(&about, "; %s", option->otherwise ? "default " : "");
            print_default(option, "", &about);
        }
        buf_print(&about, ". %s", option->meaning);
        buf_print(out, "\n%s%s%s", path, *path ? "." : "", option->key);
        print_indented((const char *)about.data, out);
        if (is_inner)
            explain_options(option->options, path_below(&arena, path, option), out);
    }
    buf_release(&about);
    arena_clear(&arena);
}

void config_options_explain(struct buf *out)
{
    buf_print(out, "The keys of farm.yaml. Sizes are written 8G or 500MiB (powers of 1024), times\n"
                   "500ms, 30s, 90m, 2h, 1d. An error names file, line and column.\n");
    explain_options(config_options, "", out);
}

void config_options_print(struct buf *out)
{
    buf_print(out, "# farm.yaml\n\n"
                   "Made from the table in coordinator/config/options.c; `farm config explain` "
                   "prints it, too. "
                   "Sizes are written `8G` or\n`500MiB` (powers of 1024), times `500ms`, `30s`, "
                   "`90m`, `2h`, `1d`. An error names file, line and column.\n");
    print_table(config_options, "", out);
}
