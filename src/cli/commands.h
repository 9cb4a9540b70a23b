/*
 * commands.h - the subcommands of `headroom` as a table: what help, completion and the manual page
 * say of them, and what runs them.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli.h"

enum operand_kind { OPERAND_NONE, OPERAND_NODE, OPERAND_FILE, OPERAND_SHELL, OPERAND_COMMAND };

struct command {
    const char *name;
    enum operand_kind operand;
    bool optional; /* the operand may be left out */
    const char *operand_name;
    const char *summary;  /* one line */
    const char *text;     /* sentences, lines of at most 78 columns */
    const char *examples; /* a command a line */
    /* NULL: main.c does it by itself. The operand is empty where there is none. */
    enum err (*run)(struct cli *cli, struct slice operand, struct error *error);
};

extern const struct command cli_commands[];
extern const size_t cli_command_count;
const struct command *cli_command(struct slice name); /* NULL: no such one */

/* Flags of all commands but simulate. */
enum { CLI_FLAGS = 11 };
struct cli_raw {
    struct slice output, timeout, interval;
    bool help;
};
void cli_flags(struct cli *cli, struct cli_raw *raw, struct flag flags[CLI_FLAGS]);

/* simulate reads its own flags. 0: played; 1: played, and an invariant was broken; 2: the scenario
 * or a flag is wrong. */
int cli_simulate(int argc, char *const *argv);
enum { CLI_SIMULATE_FLAGS = 8 };
void cli_simulate_flags(struct flag flags[CLI_SIMULATE_FLAGS]);

/* ---- what is said about them (help.c, complete.c) ---- */

void cli_help(struct buf *out);
void cli_help_command(const struct command *command, struct buf *out);
void cli_manual(struct buf *out); /* headroom(1), as roff */
/* One candidate a line for the last of the words, then ":4", or ":0" where files fit: what kubectl
 * asks of a plugin's completion, and our own scripts too. */
void cli_complete(struct cli *cli, int argc, char *const *argv, struct buf *out);
enum err cli_completion(struct cli *cli, struct slice shell, struct error *error) ERR_CHECKED;

#endif
