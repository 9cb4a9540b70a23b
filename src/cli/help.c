/*
 * help.c - help, and the manual page: both from the tables of commands and flags.
 *
 * Knows how they are laid out. Refuses to know what any command does.
 */
#include "commands.h"

static const char exit_codes[] = "0 done; 1 failed, or doctor found something; 2 wrong usage";
static const char simulate_codes[] =
    "0 played; 1 an invariant was broken; 2 the scenario or a flag is wrong";

static bool is_simulate(const struct command *command)
{
    return command && slice_is(slice_of(command->name), "simulate");
}

static size_t flags_of(const struct command *command, struct flag flags[CLI_FLAGS])
{
    struct cli cli = { 0 };
    struct cli_raw raw = { 0 };

    if (is_simulate(command)) {
        cli_simulate_flags(flags);
        return CLI_SIMULATE_FLAGS;
    }
    cli_flags(&cli, &raw, flags);
    return CLI_FLAGS;
}

void cli_help(struct buf *out)
{
    struct flag flags[CLI_FLAGS];
    size_t count = flags_of(NULL, flags);

    buf_add_text(out,
                 "headroom shows how much IP headroom the nodes of a cluster have, and why.\n\n"
                 "Usage: headroom COMMAND [flags], or kubectl headroom COMMAND [flags]\n\n"
                 "Commands:\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        buf_addf(out, "  %-12s %s\n", cli_commands[i].name, cli_commands[i].summary);
    }
    buf_add_text(out, "\nheadroom help COMMAND says more, with examples.\n\nFlags:\n");
    flags_help(flags, count, out);
    buf_addf(out, "\nExit codes: %s.\n", exit_codes);
}

static void add_usage(const struct command *command, struct buf *out)
{
    buf_addf(out, "headroom %s", command->name);
    if (command->operand != OPERAND_NONE) {
        buf_addf(out, command->optional ? " [%s]" : " %s", command->operand_name);
    }
}

/* Each line of the text, between two others. */
static void add_lines(const char *before, const char *text, const char *after, struct buf *out)
{
    struct slice rest = slice_of(text);

    while (rest.len > 0) {
        struct slice line = slice_cut(&rest, '\n');
        buf_add_text(out, before);
        buf_add_slice(out, line);
        buf_add_text(out, after);
    }
}

void cli_help_command(const struct command *command, struct buf *out)
{
    struct flag flags[CLI_FLAGS];
    size_t count = flags_of(command, flags);

    buf_add_text(out, command->text);
    buf_add_text(out, "\nUsage: ");
    add_usage(command, out);
    buf_add_text(out, " [flags]\n\nExamples:\n");
    add_lines("  ", command->examples, "\n", out);
    buf_add_text(out, "\nFlags:\n");
    flags_help(flags, count, out);
    buf_addf(out, "\nExit codes: %s.\n", is_simulate(command) ? simulate_codes : exit_codes);
}

/* ---- the manual page ---- */

/* What roff would take for its own. */
static void add_roff(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (i == 0 && (c == '.' || c == '\'')) {
            buf_add_text(out, "\\&");
        }
        if (c == '\\') {
            buf_add_text(out, "\\e");
        } else if (c == '-') {
            buf_add_text(out, "\\-");
        } else {
            buf_add_char(out, c);
        }
    }
}

static void add_roff_lines(const char *text, struct buf *out)
{
    struct slice rest = slice_of(text);

    while (rest.len > 0) {
        add_roff(slice_cut(&rest, '\n'), out);
        buf_add_char(out, '\n');
    }
}

static void add_roff_flags(const struct flag *flags, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, ".TP\n\\fB");
        if (flags[i].letter) {
            buf_addf(out, "\\-%c\\fR, \\fB", flags[i].letter);
        }
        buf_add_text(out, "\\-\\-");
        add_roff(slice_of(flags[i].name), out);
        buf_add_text(out, "\\fR");
        if (flags[i].argument) {
            buf_addf(out, " \\fI%s\\fR", flags[i].argument);
        }
        buf_add_char(out, '\n');
        add_roff_lines(flags[i].help, out);
        if (flags[i].absent && flags[i].absent[0] != '\0' && flags[i].kind != FLAG_BOOL) {
            buf_add_text(out, "Default: ");
            add_roff_lines(flags[i].absent, out);
        }
    }
}

static void add_roff_command(const struct command *command, struct buf *out)
{
    struct flag flags[CLI_FLAGS];

    buf_add_text(out, ".SS ");
    add_usage(command, out);
    buf_add_char(out, '\n');
    add_roff_lines(command->text, out);
    buf_add_text(out, ".PP\n.nf\n.RS 4\n");
    add_roff_lines(command->examples, out);
    buf_add_text(out, ".RE\n.fi\n");
    if (command->operand == OPERAND_FILE) {
        add_roff_flags(flags, flags_of(command, flags), out);
    }
}

void cli_manual(struct buf *out)
{
    struct flag flags[CLI_FLAGS];
    size_t count = flags_of(NULL, flags);

    buf_add_text(out,
                 ".TH HEADROOM 1 \"\" headroom \"Headroom\"\n"
                 ".SH NAME\nheadroom, kubectl\\-headroom \\- how much IP headroom the nodes of a "
                 "cluster have, and why\n"
                 ".SH SYNOPSIS\n\\fBheadroom\\fR \\fICOMMAND\\fR [\\fIflags\\fR]\n.br\n"
                 "\\fBkubectl headroom\\fR \\fICOMMAND\\fR [\\fIflags\\fR]\n"
                 ".SH DESCRIPTION\n"
                 "Headroom attaches ENIs from healthy subnets to the nodes of an Amazon VPC CNI\n"
                 "cluster before their agents run out of addresses. This command shows what it\n"
                 "sees and decides. It changes nothing.\n.SH COMMANDS\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        add_roff_command(&cli_commands[i], out);
    }
    buf_add_text(out, ".SH FLAGS\nOf every command but simulate, which has its own.\n");
    add_roff_flags(flags, count, out);
    buf_add_text(
        out, ".SH ENVIRONMENT\n.TP\n\\fBKUBECONFIG\\fR\nHow to reach the cluster.\n.TP\n"
             "\\fBAWS_*\\fR\nCredentials, Region and endpoints, as the AWS SDKs take them: for\n"
             "doctor, snapshot and explain \\-\\-here.\n.TP\n\\fBNO_COLOR\\fR\nNo colour, also "
             "on a terminal.\n.SH EXIT STATUS\n");
    buf_addf(out, "%s.\n.br\nsimulate: %s.\n.SH SEE ALSO\nkubectl(1)\n", exit_codes,
             simulate_codes);
}
