/*
 * complete.c - completion: candidates for the word at hand, and scripts by which shells ask.
 *
 * Knows the tables of commands and flags. Asks the API server for the names of nodes, for two
 * seconds at most, and stays silent if it does not answer.
 */
#include "commands.h"

enum { PATIENCE_S = 2 };

static void add_flags(const struct command *command, struct slice begun, struct buf *out)
{
    struct flag flags[CLI_FLAGS];
    struct cli none = { 0 };
    struct cli_raw raw = { 0 };
    size_t count = CLI_FLAGS;

    if (command && slice_is(slice_of(command->name), "simulate")) {
        cli_simulate_flags(flags);
        count = CLI_SIMULATE_FLAGS;
    } else {
        cli_flags(&none, &raw, flags);
    }
    for (size_t i = 0; i < count; i++) {
        char text[64];
        struct buf name = { .data = text, .size = sizeof(text), .max = sizeof(text) - 1 };
        buf_addf(&name, "--%s", flags[i].name);
        if (slice_starts(buf_slice(&name), begun)) {
            buf_addf(out, "%s\n", text);
        }
    }
}

static void add_words(const char *words, struct slice begun, struct buf *out)
{
    struct slice rest = slice_of(words);

    while (rest.len > 0) {
        struct slice word = slice_cut(&rest, ' ');
        if (slice_starts(word, begun)) {
            buf_addf(out, "%.*s\n", SLICE_ARG(word));
        }
    }
}

static void add_commands(struct slice begun, struct buf *out)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        if (slice_starts(slice_of(cli_commands[i].name), begun)) {
            buf_addf(out, "%s\n", cli_commands[i].name);
        }
    }
}

static void add_nodes(struct cli *cli, struct slice begun, struct buf *out)
{
    struct kube_access access;
    const struct doc *list = NULL;
    struct slice text;

    struct error error = { 0 };

    cli->timeout_ns = PATIENCE_S * UINT64_C(1000000000);
    if (io_new(&cli->io, &error) != ERR_OK || cli_access(cli, &access, &error) != ERR_OK ||
        cli_get(cli, &access, SLICE("/api/v1/nodes?limit=500"), &text, &error) != ERR_OK ||
        json_parse(&cli->arena, text, &(struct doc_limits){ .bytes = 64 << 20, .nodes = 5 << 20 },
                   &list, &error) != ERR_OK) {
        return;
    }
    for (const struct doc *node = doc_first(doc_get(list, "items")); node; node = node->next) {
        struct slice name = doc_text(doc_at(node, "metadata", "name"));
        if (slice_starts(name, begun)) {
            buf_addf(out, "%.*s\n", SLICE_ARG(name));
        }
    }
}

/* The value of a flag that has few. */
static bool add_values(struct slice flag, struct slice begun, struct buf *out)
{
    if (slice_is(flag, "-o") || slice_is(flag, "--output") || slice_is(flag, "--format")) {
        add_words(slice_is(flag, "--format") ? "table json" : "text json yaml", begun, out);
        return true;
    }
    if (slice_is(flag, "--column") || slice_is(flag, "--trace")) {
        add_words("agent headroom oracle", begun, out);
        return true;
    }
    return false;
}

void cli_complete(struct cli *cli, int argc, char *const *argv, struct buf *out)
{
    struct slice begun = argc > 0 ? slice_of(argv[argc - 1]) : SLICE("");
    const struct command *command = argc > 1 ? cli_command(slice_of(argv[0])) : NULL;
    struct slice before = argc > 1 ? slice_of(argv[argc - 2]) : SLICE("");
    bool files = slice_is(before, "--kubeconfig") || slice_is(before, "--html");

    if (files || add_values(before, begun, out)) {
        buf_add_text(out, files ? ":0\n" : ":4\n");
        return;
    }
    if (slice_starts(begun, SLICE("-"))) {
        add_flags(command, begun, out);
    } else if (!command || command->operand == OPERAND_COMMAND) {
        add_commands(begun, out);
    } else if (command->operand == OPERAND_SHELL) {
        add_words("bash zsh fish", begun, out);
    } else if (command->operand == OPERAND_NODE) {
        add_nodes(cli, begun, out);
    } else {
        files = command->operand == OPERAND_FILE;
    }
    buf_add_text(out, files ? ":0\n" : ":4\n");
}

/* ---- scripts ---- */

static const char bash[] =
    "# bash completion for headroom; source it.\n"
    "_headroom() {\n"
    "    local out IFS=$'\\n'\n"
    "    out=$(headroom __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null) || return\n"
    "    COMPREPLY=($(compgen -W \"${out%:*}\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
    "    [ \"${out##*:}\" != 0 ] || compopt -o default\n"
    "}\n"
    "complete -F _headroom headroom\n";

static const char zsh[] =
    "#compdef headroom\n"
    "_headroom() {\n"
    "    local -a lines\n"
    "    lines=(\"${(@f)$(headroom __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
    "    if [[ ${lines[-1]} == :0 ]]; then _files; else compadd -- \"${(@)lines[1,-2]}\"; fi\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _headroom ]; then _headroom \"$@\"; else compdef _headroom headroom; "
    "fi\n";

static const char fish[] =
    "# fish completion for headroom.\n"
    "function __headroom_complete\n"
    "    set -l words (commandline -opc) (commandline -ct)\n"
    "    headroom __complete $words[2..-1] 2>/dev/null | string match -v -r '^:'\n"
    "end\n"
    "complete -c headroom -n 'not __fish_seen_subcommand_from simulate' -f\n"
    "complete -c headroom -a '(__headroom_complete)'\n";

enum err cli_completion(struct cli *cli, struct slice shell, struct error *error)
{
    const char *script = slice_is(shell, "bash")   ? bash
                         : slice_is(shell, "zsh")  ? zsh
                         : slice_is(shell, "fish") ? fish
                                                   : NULL;

    if (!script) {
        return error_set(error, ERR_INVALID, "completion is for bash, zsh or fish, not \"%.*s\"",
                         SLICE_ARG(shell));
    }
    buf_add_text(&cli->out, script);
    return ERR_OK;
}
