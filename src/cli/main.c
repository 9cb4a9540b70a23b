/*
 * main.c - the `headroom` command, which is also `kubectl headroom`: reads its line, runs one
 * command, prints.
 *
 * Knows the commands' names. Refuses to know how they find their answers.
 */
#include <headroom/timestamp.h>
#include <headroom/version.h>

#include "cli.h"
#include "commands.h"

enum { OPERANDS_MAX = 2, OUTPUT_MAX = 256 << 20 };

static enum err read_duration(struct slice text, const char *name, uint64_t *ret,
                              struct error *error)
{
    if (duration_parse(text, ret) != ERR_OK || *ret == 0) {
        return error_set(error, ERR_INVALID, "%s takes a duration such as 30s or 2m, not \"%.*s\"",
                         name, SLICE_ARG(text));
    }
    return ERR_OK;
}

static enum err read_flags(const struct cli_raw *raw, struct cli *cli, struct error *error)
{
    static const char *const formats[] = { "text", "json", "yaml" };

    while (cli->format <= CLI_YAML && !slice_is(raw->output, formats[cli->format])) {
        cli->format++;
    }
    if (cli->format > CLI_YAML) {
        return error_set(error, ERR_INVALID, "--output takes text, json or yaml, not \"%.*s\"",
                         SLICE_ARG(raw->output));
    }
    enum err err = read_duration(raw->timeout, "--timeout", &cli->timeout_ns, error);
    return err == ERR_OK ? read_duration(raw->interval, "--interval", &cli->interval_ns, error)
                         : err;
}

/* ERR_INVALID: wrong usage. */
static enum err check_usage(const struct command *command, struct slice name, size_t operands,
                            struct error *error)
{
    if (!command) {
        return error_set(error, ERR_INVALID, "unknown command \"%.*s\"; headroom help lists them",
                         SLICE_ARG(name));
    }
    bool wants = command->operand != OPERAND_NONE;
    if (operands > (wants ? 1 : 0)) {
        return error_set(error, ERR_INVALID, wants ? "%s takes one %s" : "%s takes no argument",
                         command->name, command->operand_name);
    }
    if (wants && !command->optional && operands == 0) {
        return error_set(error, ERR_INVALID, "%s needs its %s; headroom help %s shows examples",
                         command->name, command->operand_name, command->name);
    }
    return ERR_OK;
}

static int finish(struct cli *cli, enum err err, int failure, struct error *error)
{
    int code = err == ERR_OK ? CLI_OK : failure;

    if (err == ERR_OK && buf_check(&cli->out, error) == ERR_OK) {
        err = cli_print(cli, buf_slice(&cli->out), error);
        code = err == ERR_OK ? CLI_OK : CLI_FAILED;
    }
    if (code != CLI_OK) {
        buf_reset(&cli->out);
        buf_addf(&cli->out, "headroom: %s\n", error->text);
        if (io_write(2, buf_slice(&cli->out), NULL) != ERR_OK) {
            code = CLI_FAILED;
        }
    }
    return code == CLI_OK && cli->findings > 0 ? CLI_FAILED : code;
}

/* Commands that ask nobody. */
static bool say_at_once(struct cli *cli, const struct command *command, struct slice operand)
{
    if (slice_is(slice_of(command->name), "help")) {
        const struct command *about = cli_command(operand);
        if (about) {
            cli_help_command(about, &cli->out);
        } else {
            cli_help(&cli->out);
        }
        return true;
    }
    if (slice_is(slice_of(command->name), "version")) {
        buf_addf(&cli->out, "%s\n", version_text());
        return true;
    }
    if (slice_is(slice_of(command->name), "man")) {
        cli_manual(&cli->out);
        return true;
    }
    return false;
}

static int run(struct cli *cli, int argc, char *const *argv, struct error *error)
{
    struct slice operands[OPERANDS_MAX] = { { 0 } };
    size_t count = 0;
    struct cli_raw raw = { 0 };
    struct flag flags[CLI_FLAGS];

    cli_flags(cli, &raw, flags);
    enum err err = flags_parse(flags, CLI_FLAGS, argc, argv, io_env, operands, OPERANDS_MAX, &count,
                               error);
    if (err == ERR_OK) {
        err = read_flags(&raw, cli, error);
    }
    if (err != ERR_OK) {
        return finish(cli, err, CLI_USAGE, error);
    }
    const struct command *command = cli_command(operands[0]);
    if (count == 0 || (raw.help && !command)) {
        cli_help(&cli->out);
        return finish(cli, ERR_OK, CLI_USAGE, error);
    }
    if (raw.help) {
        cli_help_command(command, &cli->out);
        return finish(cli, ERR_OK, CLI_USAGE, error);
    }
    err = check_usage(command, operands[0], count - 1, error);
    if (err != ERR_OK) {
        return finish(cli, err, CLI_USAGE, error);
    }
    if (say_at_once(cli, command, operands[1])) {
        return finish(cli, ERR_OK, CLI_FAILED, error);
    }
    cli->run.read_only = true;
    err = io_new(&cli->io, error);
    if (err == ERR_OK) {
        err = command->run(cli, operands[1], error);
    }
    return finish(cli, err, CLI_FAILED, error);
}

/* kubectl runs kubectl_complete-headroom to complete the plugin's words: it is this program. */
static bool asks_completion(int argc, char *const *argv, int *ret_first)
{
    struct slice name = slice_of(argv[0]);

    *ret_first = 1;
    if (argc > 1 && slice_is(slice_of(argv[1]), "__complete")) {
        *ret_first = 2;
        return true;
    }
    while (slice_contains(name, SLICE("/"))) {
        (void)slice_cut(&name, '/');
    }
    return slice_is(name, "kubectl_complete-headroom");
}

int main(int argc, char **argv)
{
    struct cli cli = { 0 };
    struct error error = { 0 };
    int first = 0, code = 0;

    bool completes = asks_completion(argc, argv, &first);
    if (!completes && argc > 1 && slice_is(slice_of(argv[1]), "simulate")) {
        return cli_simulate(argc - 1, argv + 1); /* its flags are its own */
    }
    arena_init(&cli.arena);
    buf_init(&cli.out, OUTPUT_MAX);
    if (completes) {
        cli_complete(&cli, argc - first, argv + first, &cli.out);
        code = finish(&cli, ERR_OK, CLI_FAILED, &error);
    } else {
        code = run(&cli, argc, argv, &error);
    }
    io_free(cli.io);
    buf_done(&cli.out);
    arena_done(&cli.arena);
    return code;
}
