/*
 * flags.h - a command line's flags: one table says how each is read, and what --help prints of it.
 *
 *     static const struct flag flags[] = {
 *         { "listen", 0, FLAG_TEXT, "ADDRESS", "HEADROOM_LISTEN", ":8080",
 *           "where the page is served", &options.listen },
 *     };
 *
 * Accepts --name value, --name=value, -x value; a boolean as --name, --name=false or --no-name;
 * "--" ends the flags. What the command line leaves out is taken from the environment variable,
 * then from `absent`.
 */
#ifndef HEADROOM_FLAGS_H
#define HEADROOM_FLAGS_H

#include <headroom/buf.h>

enum flag_kind {
    FLAG_TEXT, /* value: struct slice * */
    FLAG_BOOL  /* value: bool * */
};

struct flag {
    const char *name; /* without the dashes */
    char letter;      /* 0: no short form */
    enum flag_kind kind;
    const char *argument; /* its name in the help: "FILE"; FLAG_BOOL: NULL */
    const char *env;      /* NULL: none */
    const char *absent;   /* the default as it would be written; "" text: empty */
    const char *help;     /* what it does; \n breaks the line */
    void *value;
};

/* The value of an environment variable, an empty slice when it is not set. */
typedef struct slice flags_env_fn(const char *name);

/* Borrowed from argv and the environment. What is no flag goes to operands (at most max).
 * ERR_INVALID with a text that says what is wrong and, if it can be guessed, what was meant. */
enum err flags_parse(const struct flag *flags, size_t count, int argc, char *const *argv,
                     flags_env_fn *env, struct slice *operands, size_t max, size_t *ret_operands,
                     struct error *error) ERR_CHECKED;

/* One entry a flag: its forms, its help, its default and its environment variable. */
void flags_help(const struct flag *flags, size_t count, struct buf *out);

#endif
