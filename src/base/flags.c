/*
 * flags.c - reading flags by a table, and describing them by the same.
 *
 * Knows the GNU forms of long and short options. Refuses to know any particular flag.
 */
#include <assert.h>

#include <headroom/flags.h>

enum { COLUMN = 32 };

struct parser {
    const struct flag *flags;
    size_t count;
    uint64_t given; /* bit by index */
    int argc, at;
    char *const *argv;
    struct error *error;
};

static enum err set_value(const struct parser *parser, const struct flag *flag, struct slice value,
                          const char *origin)
{
    if (flag->kind == FLAG_TEXT) {
        *(struct slice *)flag->value = value;
        return ERR_OK;
    }
    if (slice_bool(value, flag->value) != ERR_OK) {
        return error_set(parser->error, ERR_INVALID, "%s takes true or false, not \"%.*s\"", origin,
                         SLICE_ARG(value));
    }
    return ERR_OK;
}

static enum err unknown(const struct parser *parser, struct slice name, const char *dashes)
{
    const char *guess = NULL;
    size_t nearest = 3;

    for (size_t i = 0; i < parser->count && dashes[1]; i++) {
        size_t far = slice_distance(name, slice_of(parser->flags[i].name));
        if (far < nearest) {
            nearest = far;
            guess = parser->flags[i].name;
        }
    }
    if (guess) {
        return error_set(parser->error, ERR_INVALID, "unknown flag %s%.*s; did you mean --%s?",
                         dashes, SLICE_ARG(name), guess);
    }
    return error_set(parser->error, ERR_INVALID, "unknown flag %s%.*s; see --help", dashes,
                     SLICE_ARG(name));
}

static const struct flag *find(const struct parser *parser, struct slice name)
{
    for (size_t i = 0; i < parser->count; i++) {
        if (slice_is(name, parser->flags[i].name)) {
            return &parser->flags[i];
        }
    }
    return NULL;
}

static enum err take(struct parser *parser, const struct flag *flag, const char *shown,
                     bool has_value, struct slice value)
{
    parser->given |= UINT64_C(1) << (flag - parser->flags);
    if (flag->kind == FLAG_BOOL && !has_value) {
        value = SLICE("true");
    } else if (!has_value) {
        if (parser->at + 1 >= parser->argc) {
            return error_set(parser->error, ERR_INVALID, "%s needs a value: %s", shown,
                             flag->argument);
        }
        value = slice_of(parser->argv[++parser->at]);
    }
    return set_value(parser, flag, value, shown);
}

static enum err long_flag(struct parser *parser, const char *shown)
{
    struct slice value = slice_of(shown + 2);
    struct slice name = slice_cut(&value, '=');
    bool has_value = value.data != NULL;
    const struct flag *flag = find(parser, name);

    if (!flag && !has_value && slice_starts(name, SLICE("no-"))) {
        flag = find(parser, (struct slice){ name.data + 3, name.len - 3 });
        if (flag && flag->kind == FLAG_BOOL) {
            return take(parser, flag, shown, true, SLICE("false"));
        }
        flag = NULL;
    }
    return flag ? take(parser, flag, shown, has_value, value) : unknown(parser, name, "--");
}

static enum err short_flag(struct parser *parser, const char *shown)
{
    for (size_t i = 0; i < parser->count; i++) {
        const struct flag *flag = &parser->flags[i];
        if (flag->letter && flag->letter == shown[1]) {
            struct slice value = slice_of(shown + 2);
            return take(parser, flag, shown, value.len > 0, value);
        }
    }
    return unknown(parser, slice_of(shown + 1), "-");
}

static enum err defaults(struct parser *parser, flags_env_fn *env)
{
    for (size_t i = 0; i < parser->count; i++) {
        const struct flag *flag = &parser->flags[i];
        if (parser->given >> i & 1) {
            continue;
        }
        struct slice value = flag->env && env ? env(flag->env) : (struct slice){ 0 };
        enum err err = value.len > 0 ? set_value(parser, flag, value, flag->env)
                                     : set_value(parser, flag, slice_of(flag->absent), flag->name);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

enum err flags_parse(const struct flag *flags, size_t count, int argc, char *const *argv,
                     flags_env_fn *env, struct slice *operands, size_t max, size_t *ret_operands,
                     struct error *error)
{
    struct parser parser = {
        .flags = flags, .count = count, .argc = argc, .argv = argv, .error = error
    };
    bool only_operands = false;

    assert(count <= 64);
    *ret_operands = 0;
    for (parser.at = 1; parser.at < argc; parser.at++) {
        const char *shown = argv[parser.at];
        enum err err = ERR_OK;
        if (!only_operands && strcmp(shown, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strncmp(shown, "--", 2) == 0) {
            err = long_flag(&parser, shown);
        } else if (!only_operands && shown[0] == '-' && shown[1]) {
            err = short_flag(&parser, shown);
        } else if (*ret_operands == max) {
            err = error_set(error, ERR_INVALID, "unexpected argument \"%s\"; see --help", shown);
        } else {
            operands[(*ret_operands)++] = slice_of(shown);
        }
        if (err != ERR_OK) {
            return err;
        }
    }
    return defaults(&parser, env);
}

static void pad_to(struct buf *out, size_t line_start, size_t column)
{
    while (out->len - line_start < column) {
        buf_add_char(out, ' ');
    }
}

/* The help's lines in the right column. */
static void add_help(struct buf *out, const char *help)
{
    struct slice rest = slice_of(help);

    while (rest.len > 0) {
        size_t begin = out->len;
        struct slice line = slice_cut(&rest, '\n');
        pad_to(out, begin, COLUMN);
        buf_add_slice(out, line);
        buf_add_char(out, '\n');
    }
}

static void add_origin(struct buf *out, const struct flag *flag)
{
    bool has_default = flag->absent[0] && !(flag->kind == FLAG_BOOL && flag->absent[0] == 'f');
    size_t begin = out->len;

    if (!has_default && !flag->env) {
        return;
    }
    pad_to(out, begin, COLUMN);
    buf_add_char(out, '[');
    if (has_default) {
        buf_addf(out, "default %s", flag->absent);
    }
    if (flag->env) {
        buf_addf(out, "%s$%s", has_default ? ", " : "", flag->env);
    }
    buf_add_text(out, "]\n");
}

void flags_help(const struct flag *flags, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct flag *flag = &flags[i];
        size_t begin = out->len;
        if (flag->letter) {
            buf_addf(out, "  -%c, --%s", flag->letter, flag->name);
        } else {
            buf_addf(out, "      --%s", flag->name);
        }
        if (flag->argument) {
            buf_addf(out, " %s", flag->argument);
        }
        if (out->len - begin >= COLUMN) {
            buf_add_char(out, '\n');
            add_help(out, flag->help);
        } else {
            struct slice rest = slice_of(flag->help);
            pad_to(out, begin, COLUMN);
            buf_add_slice(out, slice_cut(&rest, '\n'));
            buf_add_char(out, '\n');
            if (rest.len > 0) {
                add_help(out, rest.data);
            }
        }
        add_origin(out, flag);
    }
}
